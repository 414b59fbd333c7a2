"""Rounding, whole quotients and remainders, and functions of the sign bit, element by element."""

from __future__ import annotations

from math import inf

from ..core.domain import Interval
from ..core.op import Array, primitive
from .comparison import logical_and, where
from .elementwise import sign

__all__ = [
    "ceil", "copysign", "floor", "floor_divide", "nextafter", "remainder", "round", "signbit", "trunc",
]  # fmt: skip

_INTEGERS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # near 0; where else these functions jump is plain
_HALVES = (-1.5, -0.5, 0.5, 1.5)


@primitive(x=lambda g: g * 0.0, kinks=_INTEGERS)
def floor(xp, x: Array) -> Array:
    """The largest whole number that is not above x; derivative 0.

    >>> floor(np.array([1.5, -1.5]))
    array([ 1., -2.])
    """
    return xp.floor(x)


@primitive(x=lambda g: g * 0.0, kinks=_INTEGERS)
def ceil(xp, x: Array) -> Array:
    """The smallest whole number that is not below x; derivative 0.

    >>> ceil(np.array([1.5, -1.5]))
    array([ 2., -1.])
    """
    return xp.ceil(x)


@primitive(x=lambda g: g * 0.0, kinks=(-2.0, -1.0, 1.0, 2.0))
def trunc(xp, x: Array) -> Array:
    """x without its fraction; derivative 0.

    >>> trunc(np.array([1.5, -1.5]))
    array([ 1., -1.])
    """
    return xp.trunc(x)


@primitive(x=lambda g: g * 0.0, kinks=_HALVES)
def round(xp, x: Array) -> Array:
    """The nearest whole number, the even one of two; derivative 0.

    >>> round(np.array([1.4, 1.5, 2.5]))
    array([1., 2., 2.])
    """
    return xp.round(x)


@primitive(x=lambda g: g * 0.0, y=lambda g: g * 0.0, domain={"y": Interval(0, inf)})
def floor_divide(xp, x: Array, y: Array) -> Array:
    """The quotient x / y rounded down, with broadcasting, `x // y` of Tensors; both derivatives are 0.

    >>> floor_divide(np.array([7.0, -7.0]), 2.0)
    array([ 3., -4.])
    """
    return xp.floor_divide(x, y)


def _remainder_y(g: Array, x: Array, y: Array, out: Array) -> Array:
    # Where x is a multiple of y the remainder jumps; of the slopes on the two sides, the smaller one.
    quotient = floor_divide(x, y)
    return -g * where(logical_and(out == 0, quotient > 0), quotient - 1.0, quotient)


@primitive(x=lambda g: g, y=_remainder_y, domain={"y": Interval(0, inf)})
def remainder(xp, x: Array, y: Array) -> Array:
    """x - y * floor(x / y), with broadcasting, `x % y` of Tensors: it has the sign of y.

    >>> remainder(np.array([7.0, -7.0]), 2.0)
    array([1., 1.])
    """
    return xp.remainder(x, y)


@primitive(x=lambda g, x, out: g * (sign(x) * sign(out)), y=lambda g: g * 0.0, kinks=(0.0,), shapes="elementwise")
def copysign(xp, x: Array, y: Array) -> Array:
    """|x| with the sign of y, with broadcasting; 0 and -0 differ in sign. The derivatives are 0 where x is 0.

    >>> copysign(np.array([1.0, -2.0]), -0.0)
    array([-1., -2.])
    """
    return xp.copysign(x, y)


@primitive(x=lambda g: g, y=lambda g: g * 0.0)
def nextafter(xp, x: Array, y: Array) -> Array:
    """The floating-point number next to x on the way to y, with broadcasting; x where they are equal.

    >>> nextafter(np.array([1.0]), 2.0) - 1.0
    array([2.22044605e-16])
    """
    return xp.nextafter(x, y)


@primitive()
def signbit(xp, x: Array) -> Array:
    """Whether the sign bit of x is set: for negative numbers, and for -0. A constant.

    >>> signbit(np.array([1.0, -2.0, -0.0]))
    array([False,  True,  True])
    """
    return xp.signbit(x)
