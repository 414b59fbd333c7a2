"""Trigonometric and hyperbolic functions and their inverses, element by element. Sine, cosine, tanh: `elementwise`."""

from __future__ import annotations

from math import inf, pi

from ..core.domain import Interval
from ..core.dtypes import is_complex
from ..core.op import Array, primitive
from .comparison import isinf, where
from .elementwise import sqrt
from .powers import hypot

__all__ = ["acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cosh", "sinh", "tan"]


@primitive(x=lambda g, out: g * (1.0 + out * out), domain=Interval(-pi / 2, pi / 2), autocast="float32")
def tan(xp, x: Array) -> Array:
    """Tangent of x in radians.

    >>> tan(np.array([0.0, 1.0]))
    array([0.        , 1.55740772])
    """
    return xp.tan(x)


# (1 - x) * (1 + x) in place of 1 - x * x: near 1 and -1 the square would lose its last digits.


@primitive(x=lambda g, x: g / sqrt((1.0 - x) * (1.0 + x)), domain=Interval(-1, 1), autocast="float32")
def asin(xp, x: Array) -> Array:
    """Inverse sine, from -pi/2 to pi/2, NaN outside [-1, 1]; derivative inf at -1 and 1.

    >>> asin(np.array([0.0, 1.0]))
    array([0.        , 1.57079633])
    """
    return xp.asin(x)


@primitive(x=lambda g, x: -g / sqrt((1.0 - x) * (1.0 + x)), domain=Interval(-1, 1), autocast="float32")
def acos(xp, x: Array) -> Array:
    """Inverse cosine, from 0 to pi, NaN outside [-1, 1]; derivative -inf at -1 and 1.

    >>> acos(np.array([0.0, 1.0]))
    array([1.57079633, 0.        ])
    """
    return xp.acos(x)


@primitive(x=lambda g, x: g / (1.0 + x * x))
def atan(xp, x: Array) -> Array:
    """Inverse tangent, from -pi/2 to pi/2.

    >>> atan(np.array([0.0, 1.0]))
    array([0.        , 0.78539816])
    """
    return xp.atan(x)


def _over_square(x: Array, other: Array) -> Array:
    """x / (x**2 + other**2), which does not overflow; 0 at the origin, and at infinity."""
    length = hypot(x, other)
    outside = isinf(length)
    length = where(length == 0, 1.0, where(outside, 1.0, length))
    return where(outside, 0.0, x / length) / length


@primitive(
    y=lambda g, y, x: g * _over_square(x, y),
    x=lambda g, y, x: -g * _over_square(y, x),
    domain={"x": Interval(0, inf)},
    autocast="widest",
)
def atan2(xp, y: Array, x: Array) -> Array:
    """The angle of the point (x, y) from the positive x axis, from -pi to pi, with broadcasting; y comes first.

    At the origin both derivatives are 0.

    >>> atan2(np.array([1.0, 1.0]), np.array([1.0, -1.0]))
    array([0.78539816, 2.35619449])
    """
    return xp.atan2(y, x)


@primitive(x=lambda g, x: g * cosh(x), autocast="float32")
def sinh(xp, x: Array) -> Array:
    """Hyperbolic sine.

    >>> sinh(np.array([0.0, 1.0]))
    array([0.        , 1.17520119])
    """
    return xp.sinh(x)


@primitive(x=lambda g, x: g * sinh(x), autocast="float32")
def cosh(xp, x: Array) -> Array:
    """Hyperbolic cosine.

    >>> cosh(np.array([0.0, 1.0]))
    array([1.        , 1.54308063])
    """
    return xp.cosh(x)


@primitive(x=lambda g, x: g / (sqrt(1.0 + x * x) if is_complex(x.dtype) else hypot(x, 1.0)))
def asinh(xp, x: Array) -> Array:
    """Inverse hyperbolic sine.

    >>> asinh(np.array([0.0, 1.0]))
    array([0.        , 0.88137359])
    """
    return xp.asinh(x)


@primitive(x=lambda g, x: g / (sqrt(x - 1.0) * sqrt(x + 1.0)), domain=Interval(1, inf))
def acosh(xp, x: Array) -> Array:
    """Inverse hyperbolic cosine, at least 0, NaN where x < 1; derivative inf at 1.

    >>> acosh(np.array([1.0, 2.0]))
    array([0.       , 1.3169579])
    """
    return xp.acosh(x)


@primitive(x=lambda g, x: g / ((1.0 - x) * (1.0 + x)), domain=Interval(-1, 1))
def atanh(xp, x: Array) -> Array:
    """Inverse hyperbolic tangent, infinite at -1 and 1, NaN outside.

    >>> atanh(np.array([0.0, 0.5]))
    array([0.        , 0.54930614])
    """
    return xp.atanh(x)
