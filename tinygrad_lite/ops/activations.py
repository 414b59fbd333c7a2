"""Nonlinear functions of neural networks, and the error function, which one of them needs."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any, Literal

from ..core.axes import wrong_axis
from ..core.dtypes import is_complex
from ..core.errors import DTypeError, ShapeError
from ..core.op import Array, composite, primitive
from .comparison import where
from .elementwise import exp, square
from .reductions import sum

__all__ = [
    "elu", "erf", "floored", "gelu", "leaky_relu", "log_softmax", "odd_cubic", "relu", "sigmoid", "silu", "softmax",
    "softplus", "step",
]  # fmt: skip


# Piecewise


@primitive(x=lambda g, out: where(out > 0, g, 0.0), kinks=(0.0,))
def relu(xp, x: Array) -> Array:
    """Rectified linear unit, max(x, 0); derivative 0 at 0.

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return xp.maximum(x, 0.0)


def _two_slopes(g: Array, x: Array, left: Array, slope: float) -> Array:
    """g where x > 0, g times `left` below, and at 0 g times what is nearest to 0 of the numbers from 1 to `slope`."""
    if 0.0 <= slope <= 1.0:
        return where(x > 0, g, g * left)
    return where(x > 0, g, where(x < 0, g * left, g if slope > 1.0 else g * 0.0))


@primitive(x=lambda g, x, negative_slope: _two_slopes(g, x, negative_slope, negative_slope), kinks=(0.0,))
def leaky_relu(xp, x: Array, *, negative_slope: float = 0.01) -> Array:
    """x where x > 0 and `negative_slope` * x elsewhere; derivative `negative_slope` at 0, but from 0 to 1.

    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    return xp.maximum(x, 0.0) + negative_slope * xp.minimum(x, 0.0)


@primitive(x=lambda g, x, out, alpha: _two_slopes(g, x, out + alpha, alpha), kinks=(0.0,))
def elu(xp, x: Array, *, alpha: float = 1.0) -> Array:
    """Exponential linear unit: x where x > 0 and alpha (e**x - 1) elsewhere; derivative alpha at 0, but from 0 to 1.

    Source: Clevert et al. 2015, arXiv:1511.07289.

    >>> elu(np.array([-1.0, 2.0]))
    array([-0.63212056,  2.        ])
    """
    return xp.maximum(x, 0.0) + alpha * xp.expm1(xp.minimum(x, 0.0))


@primitive(x=lambda g: g * 0.0, kinks=(0.0,))
def step(xp, x: Array) -> Array:
    """Heaviside's step, the derivative of relu: 1 where x > 0 and 0 elsewhere, NaN where x is NaN; derivative 0.

    >>> step(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 1.])
    """
    return xp.sign(xp.maximum(x, 0.0))


# Smooth


def _real(xp: Any, op: str, x: Array) -> Array:
    """x as an array; DTypeError if it is complex."""
    x = xp.asarray(x)
    if is_complex(x.dtype):
        raise DTypeError(f"{op}: x has dtype {x.dtype}; only real numbers are supported.")
    return x


@primitive(x=lambda g, out: g * out * (1.0 - out))
def sigmoid(xp, x: Array) -> Array:
    """Logistic function, 1 / (1 + e**-x), without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0, 1.0]))
    array([0.        , 0.5       , 0.73105858])
    """
    x = _real(xp, "sigmoid", x)
    e = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1.0, e) / (1.0 + e)


@composite()
def silu(x: Array) -> Array:
    """Sigmoid-weighted linear unit, x / (1 + e**-x).

    Source: Elfwing et al. 2017, arXiv:1702.03118.

    >>> silu(np.array([-1.0, 0.0, 1.0]))
    array([-0.26894142,  0.        ,  0.73105858])
    """
    return floored(x) * sigmoid(x)


@primitive(x=lambda g, x, beta: g * sigmoid(x * beta), autocast="float32")
def softplus(xp, x: Array, *, beta: float = 1.0) -> Array:
    """Smooth relu, log(1 + e**(beta x)) / beta, without overflow.

    >>> softplus(np.array([-1000.0, 0.0, 10.0]))
    array([ 0.        ,  0.69314718, 10.0000454 ])
    """
    z = _real(xp, "softplus", x) * beta
    return (xp.maximum(z, 0.0) + xp.log1p(xp.exp(-xp.abs(z)))) / beta


@composite()
def gelu(x: Array, *, approximate: Literal["none", "tanh"] = "none") -> Array:
    """Gaussian error linear unit, x P(Z <= x) for a standard normal Z.

    approximate : `"none"` computes x (1 + erf(x / sqrt 2)) / 2; `"tanh"` replaces the error function by
        tanh(sqrt(2 / pi) (x + 0.044715 x**3)), which is cheaper.
    Raises ShapeError for any other `approximate`.
    Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.

    >>> gelu(np.array([-1.0, 0.0, 1.0]))
    array([-0.15865525,  0.        ,  0.84134475])
    """
    if approximate == "none":
        return floored(x) * (0.5 + 0.5 * erf(x * sqrt(0.5)))
    if approximate == "tanh":
        # (1 + tanh u) / 2 is sigmoid(2 u), which keeps its relative accuracy where the result is small.
        return floored(x) * sigmoid(odd_cubic(x, linear=2 * sqrt(2 / pi), cubic=2 * sqrt(2 / pi) * 0.044715))
    raise ShapeError(f"gelu: approximate is {approximate!r}; it must be 'none' or 'tanh'.")


@primitive(x=lambda g, x, linear, cubic: g * (linear + (3 * cubic) * square(x)))
def odd_cubic(xp, x: Array, *, linear: float = 1.0, cubic: float = 1.0) -> Array:
    """linear * x + cubic * x**3, with fewer operations in its derivative than that of its parts.

    >>> odd_cubic(np.array([-2.0, 1.0]), linear=3.0)
    array([-14.,   4.])
    """
    return x * (linear + cubic * xp.square(x))


@primitive(x=lambda g: g)
def floored(xp, x: Array) -> Array:
    """x, or -1000 where it is less; its derivative is 1 everywhere.

    For products with a factor that vanishes there in every dtype: they become 0, and not -inf * 0 = NaN.

    >>> floored(np.array([-np.inf, 2.0]))
    array([-1000.,     2.])
    """
    return xp.maximum(x, -1000.0)


# Rational approximations to the error function on two intervals: coefficients of numerator and denominator, highest
# power first. For |x| <= 0.46875, erf(x) = x P(x**2) / Q(x**2); above, 1 - erf(x) = e**(-x**2) P(x) / Q(x).
# Source: W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969) 631-637; the
# coefficients are those of his program in SPECFUN, https://www.netlib.org/specfun/erf.
_ERF_INNER = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_ERF_OUTER = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
# For float32 one interval does: erf(x) = x P(x**2) / Q(x**2) for |x| <= 3.95, from where on it is 1. Fitted for this
# file by least squares, reweighted towards the largest relative error, which is 2.1e-8. A third of the work.
_ERF_SINGLE = (
    (
        2.0259132651997576e-06, 2.846862553237443e-04, 3.808108334110356e-03, 5.2875278574216825e-02,
        1.915491144133396e-01, 1.1283791437584911,
    ),
    (
        3.783177903971694e-05, 1.1707123913620773e-03, 1.5054982370799587e-02, 1.1455912077476495e-01,
        5.030886585685083e-01, 1.0,
    ),
)  # fmt: skip


def _ratio(z: Array, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Array:
    values = []
    for polynomial in coefficients:
        value = z * polynomial[0] + polynomial[1]
        for coefficient in polynomial[2:]:
            value = value * z + coefficient
        values.append(value)
    return values[0] / values[1]


@primitive(x=lambda g, x: g * ((2 / sqrt(pi)) * exp(-square(x))))
def erf(xp, x: Array) -> Array:
    """Error function, 2 / sqrt(pi) times the integral of e**(-t**2) from 0 to x.

    >>> erf(np.array([-1.0, 0.0, 1.0]))
    array([-0.84270079,  0.        ,  0.84270079])
    """
    x = _real(xp, "erf", x)
    size = xp.abs(x)
    bits = xp.finfo(size.dtype).bits
    if bits < 32:
        return xp.astype(erf.op.body(xp, xp.astype(x, xp.float32)), x.dtype)
    if bits == 32:
        z = xp.clip(x, -3.95, 3.95)
        return xp.clip(z * _ratio(z * z, _ERF_SINGLE), -1.0, 1.0)
    inner = xp.minimum(size, 0.46875)
    # From 6 on the result is 1 in float64. Cody has a third interval from 4 on, which only 1 - erf would need.
    outer = xp.clip(size, 0.46875, 6.0)
    tail = 1.0 - xp.exp(-outer * outer) * _ratio(outer, _ERF_OUTER)
    return xp.where(size <= 0.46875, x * _ratio(inner * inner, _ERF_INNER), xp.sign(x) * tail)


# Over an axis


def _softmax_rule(g: Array, out: Array, axis: int | tuple[int, ...]) -> Array:
    return out * (g - sum(g * out, axis=axis, keepdims=True))


def _explain_axis(x: Array, *, axis: int | tuple[int, ...]) -> str | None:
    message = wrong_axis(len(x.shape), axis)
    return message and f"x is {tuple(x.shape)} and axis={axis}; {message}"


@primitive(x=_softmax_rule, shapes="any", explain=_explain_axis, autocast="float32")
def softmax(xp, x: Array, /, axis: int | tuple[int, ...] = -1) -> Array:
    """Softmax, e**x / sum(e**x) over `axis`, without overflow.

    Entries that are -inf get 0; where all are, the result is NaN.

    >>> softmax(np.array([0.0, 1000.0, -np.inf]))
    array([0., 1., 0.])
    """
    if 0 in x.shape:
        return xp.exp(x)
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    e /= xp.sum(e, axis=axis, keepdims=True)
    return e


def _log_softmax_rule(g: Array, out: Array, axis: int | tuple[int, ...]) -> Array:
    return g - exp(out) * sum(g, axis=axis, keepdims=True)


@primitive(x=_log_softmax_rule, shapes="any", explain=_explain_axis, autocast="float32")
def log_softmax(xp, x: Array, /, axis: int | tuple[int, ...] = -1) -> Array:
    """Logarithm of softmax, x - log(sum(e**x)) over `axis`, accurate where softmax is close to 0 or 1.

    Entries that are -inf stay so; where all are, the result is NaN.

    >>> log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    if 0 in x.shape:
        return xp.exp(x)
    out = x - xp.max(x, axis=axis, keepdims=True)
    out -= xp.log(xp.sum(xp.exp(out), axis=axis, keepdims=True))
    return out
