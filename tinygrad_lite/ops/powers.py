"""Reciprocals, lengths of hypotenuses, and logarithms to other bases than e, element by element."""

from __future__ import annotations

from math import inf, log

from ..core.domain import Interval
from ..core.op import Array, primitive
from .comparison import isinf, where
from .elementwise import exp, minimum, power

__all__ = ["hypot", "log2", "log10", "logaddexp", "pow", "reciprocal"]

pow = power
"""The Array API's name of `power`."""

_LOG_2, _LOG_10 = log(2.0), log(10.0)


@primitive(x=lambda g, out: -g * (out * out), domain=Interval(0, inf), autocast="float32")
def reciprocal(xp, x: Array) -> Array:
    """1 / x.

    >>> reciprocal(np.array([1.0, 4.0]))
    array([1.  , 0.25])
    """
    return xp.reciprocal(x)


def _cosine(g: Array, side: Array, length: Array) -> Array:
    """g * side / length; 0 at the origin, where all directions are alike."""
    return g * (side / where(length == 0, 1.0, length))


@primitive(x=lambda g, x, out: _cosine(g, x, out), y=lambda g, y, out: _cosine(g, y, out))
def hypot(xp, x: Array, y: Array) -> Array:
    """sqrt(x**2 + y**2) without overflow, with broadcasting; both derivatives are 0 at the origin.

    >>> hypot(np.array([3.0, 5.0]), np.array([4.0, 12.0]))
    array([ 5., 13.])
    """
    return xp.hypot(x, y)


@primitive(x=lambda g, x: g / (x * _LOG_2), domain=Interval(0, inf), autocast="float32")
def log2(xp, x: Array) -> Array:
    """Logarithm to base 2.

    >>> log2(np.array([1.0, 8.0]))
    array([0., 3.])
    """
    return xp.log2(x)


@primitive(x=lambda g, x: g / (x * _LOG_10), domain=Interval(0, inf), autocast="float32")
def log10(xp, x: Array) -> Array:
    """Logarithm to base 10.

    >>> log10(np.array([1.0, 100.0]))
    array([0., 2.])
    """
    return xp.log10(x)


def _logaddexp_rule(g: Array, mine: Array, other: Array, out: Array) -> Array:
    # exp(mine - out) would be the share, but for a factor from the rounding of out. So both are divided by their sum.
    # Where the result is infinite, mine - out is NaN: the larger number gets all, two of inf share, two of -inf get 0.
    finite = where(isinf(out), 0.0, out)
    part = exp(minimum(mine - finite, 1.0))  # above 0 only where the result is infinite, and not used there
    total = part + exp(minimum(other - finite, 1.0))
    at_inf = where(mine > other, g, where(mine == other, g * 0.5, 0.0))
    return where(out == inf, at_inf, g * (part / where(total == 0, 1.0, total)))


@primitive(x=lambda g, x, y, out: _logaddexp_rule(g, x, y, out), y=lambda g, x, y, out: _logaddexp_rule(g, y, x, out))
def logaddexp(xp, x: Array, y: Array) -> Array:
    """log(exp(x) + exp(y)) without overflow, with broadcasting.

    >>> logaddexp(np.array([1000.0]), np.array([1000.0]))
    array([1000.69314718])
    """
    return xp.logaddexp(x, y)
