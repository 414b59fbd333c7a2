"""Arithmetic and elementary functions, element by element. (conj, real and imag are in `complex.py`.)"""

from __future__ import annotations

from math import inf

from ..core.domain import Interval
from ..core.dtypes import is_complex
from ..core.errors import GradientError
from ..core.op import Array, composite, primitive
from .comparison import where

__all__ = [
    "abs", "add", "clip", "cos", "divide", "exp", "expm1", "log", "log1p", "maximum", "minimum", "multiply",
    "negative", "positive", "power", "sign", "sin", "sqrt", "square", "subtract", "tanh",
]  # fmt: skip


@primitive(x=lambda g: g, y=lambda g: g)
def add(xp, x: Array, y: Array) -> Array:
    """Sum x + y, with broadcasting.

    >>> add(np.array([1.0, 2.0]), 3.0)
    array([4., 5.])
    """
    return xp.add(x, y)


@primitive(x=lambda g: g, y=lambda g: -g)
def subtract(xp, x: Array, y: Array) -> Array:
    """Difference x - y, with broadcasting.

    >>> subtract(np.array([1.0, 2.0]), 3.0)
    array([-2., -1.])
    """
    return xp.subtract(x, y)


@primitive(x=lambda g, y: g * y, y=lambda g, x: g * x)
def multiply(xp, x: Array, y: Array) -> Array:
    """Product x * y element by element, with broadcasting.

    >>> multiply(np.array([1.0, 2.0]), 3.0)
    array([3., 6.])
    """
    return xp.multiply(x, y)


@primitive(x=lambda g, y: g / y, y=lambda g, y, out: -g * out / y, domain={"y": Interval(0, inf)})
def divide(xp, x: Array, y: Array) -> Array:
    """Quotient x / y, with broadcasting.

    >>> divide(np.array([1.0, 2.0]), 4.0)
    array([0.25, 0.5 ])
    """
    return xp.divide(x, y)


def _power_x(g: Array, x: Array, y: Array) -> Array:
    if isinstance(y, (int, float)):
        # A constant exponent: no work for exponents 0 and 1, whose general formula is 0 * x**-1 = NaN at x = 0.
        return g * 0.0 if y == 0 else g if y == 1 else g * (y * x if y == 2 else y * x ** (y - 1))
    return g * where(y == 0, 0.0, y * x ** where(y == 0, 1.0, y - 1))


@primitive(
    x=_power_x,
    # The limit of x**y log(x) for x -> 0 is 0 where y > 0.
    y=lambda g, x, out: g * out * log(where(x == 0, 1.0, x)),
    domain={"x": Interval(0, inf)},
    autocast="float32",
)
def power(xp, x: Array, y: Array) -> Array:
    """Power x ** y, with broadcasting. The derivative with respect to y needs x >= 0.

    >>> power(np.array([1.0, 3.0]), 2)
    array([1., 9.])
    """
    return xp.pow(x, y)


@primitive(x=lambda g: -g)
def negative(xp, x: Array) -> Array:
    """Negation -x.

    >>> negative(np.array([1.0, -2.0]))
    array([-1.,  2.])
    """
    return xp.negative(x)


@primitive(x=lambda g: g)
def positive(xp, x: Array) -> Array:
    """The array itself, +x.

    >>> positive(np.array([1.0, -2.0]))
    array([ 1., -2.])
    """
    return xp.positive(x)


def _abs_rule(g: Array, x: Array) -> Array:
    if not is_complex(x.dtype):
        return g * sign(x)
    size = abs(x)
    return g * (x / where(size == 0, 1.0, size))


@primitive(x=_abs_rule, kinks=(0.0,))
def abs(xp, x: Array) -> Array:
    """Absolute value |x|; derivative 0 at 0.

    >>> abs(np.array([1.0, -2.0]))
    array([1., 2.])
    """
    return xp.abs(x)


def _sign_rule(g: Array, x_dtype) -> Array:
    if is_complex(x_dtype):
        raise GradientError("sign: of complex numbers it has no derivative here; write x / abs(x).")
    return g * 0.0


@primitive(x=_sign_rule, kinks=(0.0,))
def sign(xp, x: Array) -> Array:
    """Sign of x: -1, 0 or 1, NaN where x is NaN; derivative 0 everywhere.

    >>> sign(np.array([3.0, 0.0, -2.0]))
    array([ 1.,  0., -1.])
    """
    return xp.sign(x)


@primitive(x=lambda g, out: g * out, autocast="float32")
def exp(xp, x: Array) -> Array:
    """Natural exponential e**x.

    >>> exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """
    return xp.exp(x)


@primitive(x=lambda g, out: g * (out + 1.0), autocast="float32")
def expm1(xp, x: Array) -> Array:
    """e**x - 1, accurate for small x.

    >>> expm1(np.array([0.0, 1e-20]))
    array([0.e+00, 1.e-20])
    """
    if not hasattr(x, "dtype") or not is_complex(x.dtype):
        return xp.expm1(x)
    # Of complex infinities NumPy's function makes NaN, and of -0 + 0i not 0.
    plain = xp.isfinite(x) & (x != 0)
    return xp.where(plain, xp.expm1(xp.where(plain, x, xp.zeros_like(x))), xp.exp(x) - 1)


@primitive(x=lambda g, x: g / x, domain=Interval(0, inf), autocast="float32")
def log(xp, x: Array) -> Array:
    """Natural logarithm.

    >>> log(np.array([1.0, 10.0]))
    array([0.        , 2.30258509])
    """
    return xp.log(x)


@primitive(x=lambda g, x: g / (x + 1.0), domain=Interval(-1, inf), autocast="float32")
def log1p(xp, x: Array) -> Array:
    """log(1 + x), accurate for small x.

    >>> log1p(np.array([0.0, 1e-20]))
    array([0.e+00, 1.e-20])
    """
    return xp.log1p(x)


@primitive(x=lambda g, out: g * 0.5 / out, domain=Interval(0, inf))
def sqrt(xp, x: Array) -> Array:
    """Square root; derivative inf at 0.

    >>> sqrt(np.array([4.0, 9.0]))
    array([2., 3.])
    """
    return xp.sqrt(x)


@primitive(x=lambda g, x: g * (2.0 * x))
def square(xp, x: Array) -> Array:
    """Square x * x.

    >>> square(np.array([2.0, -3.0]))
    array([4., 9.])
    """
    return xp.square(x)


@primitive(x=lambda g, x: g * cos(x))
def sin(xp, x: Array) -> Array:
    """Sine of x in radians.

    >>> sin(np.array([0.0, 1.0]))
    array([0.        , 0.84147098])
    """
    return xp.sin(x)


@primitive(x=lambda g, x: -g * sin(x))
def cos(xp, x: Array) -> Array:
    """Cosine of x in radians.

    >>> cos(np.array([0.0, 1.0]))
    array([1.        , 0.54030231])
    """
    return xp.cos(x)


@primitive(x=lambda g, out: g * (1.0 - out * out))
def tanh(xp, x: Array) -> Array:
    """Hyperbolic tangent.

    >>> tanh(np.array([0.0, 1.0]))
    array([0.        , 0.76159416])
    """
    return xp.tanh(x)


def _share(g: Array, mine: Array, other: Array, wins: Array) -> Array:
    """The part of `g` for the argument that `wins` somewhere; at a tie one half, or nothing if `other` is a number."""
    return where(wins, g, 0.0 if isinstance(other, (int, float)) else where(mine == other, g * 0.5, 0.0))


@primitive(x=lambda g, x, y: _share(g, x, y, x > y), y=lambda g, x, y: _share(g, y, x, y > x))
def maximum(xp, x: Array, y: Array) -> Array:
    """The larger of x and y, element by element; NaN where either is NaN. Equal arrays share the gradient.

    >>> maximum(np.array([1.0, 5.0]), 3.0)
    array([3., 5.])
    """
    return xp.maximum(x, y)


@primitive(x=lambda g, x, y: _share(g, x, y, x < y), y=lambda g, x, y: _share(g, y, x, y < x))
def minimum(xp, x: Array, y: Array) -> Array:
    """The smaller of x and y, element by element; NaN where either is NaN. Equal arrays share the gradient.

    >>> minimum(np.array([1.0, 5.0]), 3.0)
    array([1., 3.])
    """
    return xp.minimum(x, y)


@composite()
def clip(x: Array, /, min: Array | None = None, max: Array | None = None) -> Array:
    """x limited to the interval from `min` to `max`, either of which may be None. If min > max the result is max.

    >>> clip(np.array([-3.0, 0.5, 3.0]), -1.0, 1.0)
    array([-1. ,  0.5,  1. ])
    """
    if min is not None:
        x = maximum(x, min)
    return positive(x) if max is None else minimum(x, max)
