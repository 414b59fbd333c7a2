"""Special functions, as `tinygrad_lite.special`. Those that no short formula gives are SciPy's, on a GPU CuPy's."""

from __future__ import annotations

import math
from math import inf, pi, sqrt
from typing import Any

from ..core.backend import backend_for
from ..core.domain import Interval
from ..core.dtypes import is_floating
from ..core.op import Array, primitive
from .activations import sigmoid
from .comparison import equal, less_equal, logical_and, where
from .elementwise import exp, log, square

__all__ = [
    "beta", "betaln", "computed", "digamma", "entr", "erfc", "erfinv", "gammaln", "inverse_mills", "log_ndtr",
    "logaddexp2", "logit", "ndtr", "polygamma", "sinc", "sinc_derivative", "xlog1py", "xlogy",
]  # fmt: skip


def computed(xp: Any, name: str, *args: Array) -> Array:
    """The function `scipy.special.<name>` of the arguments' library, in their dtype."""
    typed = [x for x in args if hasattr(x, "dtype")]
    out = backend_for(*args).special(name)(*args)
    floats = [x.dtype for x in typed if is_floating(x.dtype)]
    dtype = xp.result_type(*floats) if floats else out.dtype
    return out if out.dtype == dtype else xp.astype(xp.asarray(out), dtype)


def _alike(xp: Any, x: Array, y: Array) -> tuple[Array, Array]:
    """Both as arrays; a Python number takes the other's dtype."""
    if not hasattr(x, "dtype"):
        x = xp.asarray(x, dtype=getattr(y, "dtype", None))
    return x, y if hasattr(y, "dtype") else xp.asarray(y, dtype=x.dtype)


# The normal distribution


@primitive(x=lambda g, x: g * ((-2 / sqrt(pi)) * exp(-square(x))))
def erfc(xp, x: Array) -> Array:
    """Complementary error function 1 - erf(x), accurate for large x. Needs SciPy on the CPU.

    >>> special.erfc(np.array([0.0, 10.0]))
    array([1.00000000e+00, 2.08848758e-45])
    """
    return computed(xp, "erfc", x)


@primitive(x=lambda g, out: g * ((sqrt(pi) / 2) * exp(square(out))), domain=Interval(-1, 1), autocast="float32")
def erfinv(xp, x: Array) -> Array:
    """The inverse of the error function. Needs SciPy on the CPU.

    >>> special.erfinv(np.array([0.0, 0.5]))
    array([0.        , 0.47693628])
    """
    return computed(xp, "erfinv", x)


@primitive(x=lambda g, x: g * ((1 / sqrt(2 * pi)) * exp(-0.5 * square(x))))
def ndtr(xp, x: Array) -> Array:
    """The probability that a standard normal variable is at most x. Needs SciPy on the CPU.

    >>> special.ndtr(np.array([0.0, 1.0]))
    array([0.5       , 0.84134475])
    """
    return computed(xp, "ndtr", x)


@primitive(x=lambda g, x: g * inverse_mills(x))
def log_ndtr(xp, x: Array) -> Array:
    """Logarithm of `ndtr`, accurate for large negative x. Needs SciPy on the CPU.

    >>> special.log_ndtr(np.array([-1000.0, 0.0]))
    array([-5.00007827e+05, -6.93147181e-01])
    """
    return computed(xp, "log_ndtr", x)


@primitive(x=lambda g, x, out: g * (-out * (x + out)))
def inverse_mills(xp, x: Array) -> Array:
    """The derivative of `log_ndtr`: the density of a standard normal variable at x over `ndtr(x)`. Needs SciPy.

    >>> special.inverse_mills(np.array([-1000.0, 0.0]))
    array([1.00000100e+03, 7.97884561e-01])
    """
    # erfcx(z) = e**(z**2) erfc(z) has no underflow for negative x, and is infinite where the result is 0.
    scaled = computed(xp, "erfcx", x * -sqrt(0.5))
    return xp.where(scaled == 0, inf, sqrt(2 / pi) / xp.where(scaled == 0, 1.0, scaled))


# The gamma function


@primitive(x=lambda g, x: g * digamma(x), domain=Interval(0, inf))
def gammaln(xp, x: Array) -> Array:
    """Logarithm of the gamma function's absolute value. Needs SciPy on the CPU.

    >>> special.gammaln(np.array([1.0, 5.0]))
    array([0.        , 3.17805383])
    """
    return computed(xp, "gammaln", x)


@primitive(x=lambda g, x: g * polygamma(1, x), domain=Interval(0, inf))
def digamma(xp, x: Array) -> Array:
    """The derivative of `gammaln`. Needs SciPy on the CPU.

    >>> special.digamma(np.array([1.0, 5.0]))
    array([-0.57721566,  1.50611767])
    """
    return computed(xp, "digamma", x)


@primitive(x=lambda g, n, x: g * polygamma(n + 1, x), domain=Interval(0, inf), shapes="any")
def polygamma(xp, n: Array, x: Array) -> Array:
    """The derivative of order `n` of `digamma`; n are integers from 0 on, and broadcast with x. Needs SciPy on the CPU.

    >>> special.polygamma(1, np.array([1.0, 5.0]))
    array([1.64493407, 0.22132296])
    """
    x = x if hasattr(x, "dtype") else xp.asarray(x)
    x = x if is_floating(x.dtype) else xp.astype(x, xp.float64)
    n = xp.astype(n, x.dtype) if hasattr(n, "dtype") else xp.asarray(n, dtype=x.dtype)
    return computed(xp, "polygamma", n, x)


@primitive(
    a=lambda g, a, b: g * (digamma(a) - digamma(a + b)),
    b=lambda g, a, b: g * (digamma(b) - digamma(a + b)),
    domain=Interval(0, inf),
)
def betaln(xp, a: Array, b: Array) -> Array:
    """Logarithm of the beta function's absolute value. Needs SciPy on the CPU.

    >>> special.betaln(np.array([1.0, 2.0]), 3.0)
    array([-1.09861229, -2.48490665])
    """
    return computed(xp, "betaln", *_alike(xp, a, b))


@primitive(
    a=lambda g, a, b, out: g * (out * (digamma(a) - digamma(a + b))),
    b=lambda g, a, b, out: g * (out * (digamma(b) - digamma(a + b))),
    domain=Interval(0, inf),
)
def beta(xp, a: Array, b: Array) -> Array:
    """The beta function, gamma(a) gamma(b) / gamma(a + b). Needs SciPy on the CPU.

    >>> special.beta(np.array([1.0, 2.0]), 3.0)
    array([0.33333333, 0.08333333])
    """
    return computed(xp, "beta", *_alike(xp, a, b))


# Logarithms


def _xlogy_x(g: Array, x: Array, y: Array) -> Array:
    return xlogy(g, where(logical_and(equal(x, 0.0), less_equal(y, 0.0)), 1.0, y))


def _xlogy_y(g: Array, x: Array, y: Array) -> Array:
    return g * x / where(logical_and(equal(x, 0.0), equal(y, 0.0)), 1.0, y)


@primitive(x=_xlogy_x, y=_xlogy_y, domain={"y": Interval(0, inf)})
def xlogy(xp, x: Array, y: Array) -> Array:
    """x log(y), and 0 where x = 0, unless y is NaN. Where both are 0 the derivatives are 0.

    >>> special.xlogy(np.array([0.0, 2.0]), np.array([0.0, 1.0]))
    array([0., 0.])
    """
    x, y = _alike(xp, x, y)
    return x * xp.log(xp.where((x == 0) & (y == y), 1.0, y))


def _xlog1py_x(g: Array, x: Array, y: Array) -> Array:
    return xlog1py(g, where(logical_and(equal(x, 0.0), less_equal(y, -1.0)), 0.0, y))


def _xlog1py_y(g: Array, x: Array, y: Array) -> Array:
    return g * x / (1.0 + where(logical_and(equal(x, 0.0), equal(y, -1.0)), 0.0, y))


@primitive(x=_xlog1py_x, y=_xlog1py_y, domain={"y": Interval(-1, inf)})
def xlog1py(xp, x: Array, y: Array) -> Array:
    """x log(1 + y), and 0 where x = 0, unless y is NaN. Where x = 0 and y = -1 the derivatives are 0.

    >>> special.xlog1py(np.array([0.0, 2.0]), np.array([-1.0, 1e-20]))
    array([0.e+00, 2.e-20])
    """
    x, y = _alike(xp, x, y)
    return x * xp.log1p(xp.where((x == 0) & (y == y), 0.0, y))


@primitive(x=lambda g, x: g * (-1.0 - log(x)), domain=Interval(0, inf))
def entr(xp, x: Array) -> Array:
    """A term of an entropy: -x log(x), 0 at 0, and -inf where x < 0. Its derivative at 0 is infinite.

    >>> special.entr(np.array([0.0, 0.5, 1.0]))
    array([0.        , 0.34657359, 0.        ])
    """
    positive = xp.where(x <= 0, 1.0, x)
    return xp.where(x < 0, -inf, 0.0 - positive * xp.log(positive))


@primitive(x=lambda g, x: g / (x * (1.0 - x)), domain=Interval(0, 1))
def logit(xp, x: Array) -> Array:
    """log(x / (1 - x)), the inverse of the logistic function; accurate near 0 and near 1/2.

    >>> special.logit(np.array([1e-20, 0.5]))
    array([-46.05170186,   0.        ])
    """
    middle = xp.clip(2.0 * (x - 0.5), -0.5, 0.5)
    out = xp.log(x) - xp.log1p(-x)
    return xp.where(xp.abs(x - 0.5) < 0.25, xp.log1p(middle) - xp.log1p(-middle), out)


@primitive(
    x=lambda g, x, y: g * sigmoid((x - y) * math.log(2)),
    y=lambda g, x, y: g * sigmoid((y - x) * math.log(2)),
)
def logaddexp2(xp, x: Array, y: Array) -> Array:
    """log2(2**x + 2**y), without overflow.

    >>> special.logaddexp2(np.array([0.0, 2000.0]), np.array([0.0, 2000.0]))
    array([1.000e+00, 2.001e+03])
    """
    x, y = _alike(xp, x, y)
    return xp.logaddexp(x * math.log(2), y * math.log(2)) / math.log(2)


# The cardinal sine


@primitive(x=lambda g, x: g * sinc_derivative(x, n=1))
def sinc(xp, x: Array) -> Array:
    """sin(pi x) / (pi x), and 1 at 0.

    >>> special.sinc(np.array([0.0, 0.5]))
    array([1.        , 0.63661977])
    """
    u = pi * x
    return xp.where(u == 0, 1.0, xp.sin(u) / xp.where(u == 0, 1.0, u))


@primitive(x=lambda g, x, n: g * sinc_derivative(x, n=n + 1))
def sinc_derivative(xp, x: Array, *, n: int = 1) -> Array:
    """The derivative of order `n` of `sinc`.

    >>> special.sinc_derivative(np.array([0.0, 1.0]), n=2)
    array([-3.28986813,  2.        ])
    """
    u = pi * x
    near = xp.abs(u) < n + 2.0
    # Far away: the derivative of order k of u f(u) = sin(u) is u f_k + k f_{k-1} = sin(u + k pi / 2).
    far = xp.where(near, 1.0, u)
    waves = xp.sin(far), xp.cos(far), -xp.sin(far), -xp.cos(far)
    out = waves[0] / far
    for k in range(1, n + 1):
        out = (waves[k % 4] - k * out) / far
    # Near 0, where that is a difference of large numbers: the series
    # sum of (-1)**j u**m / (m! (2 j + 1)) over j, m = 2 j - n.
    inner = xp.where(near, u, 0.0)
    m = n % 2
    term, total = inner**m, 0.0 * inner
    for _ in range(n + 16):
        j = (m + n) // 2
        total = total + term * ((-1) ** j / (2 * j + 1))
        term = term * (inner * inner) / ((m + 1) * (m + 2))
        m += 2
    return xp.where(near, total, out) * pi**n
