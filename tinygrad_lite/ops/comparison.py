"""Comparisons and logic: their results are booleans and constants. And `where`, which selects by them."""

from __future__ import annotations

from ..core.op import Array, primitive

__all__ = [
    "equal", "greater", "greater_equal", "isfinite", "isinf", "isnan", "less", "less_equal",
    "logical_and", "logical_not", "logical_or", "logical_xor", "not_equal", "where",
]  # fmt: skip


@primitive(
    x=lambda g, condition: where(condition, g, 0.0),
    y=lambda g, condition: where(condition, 0.0, g),
    unused={"x": lambda condition: logical_not(condition), "y": lambda condition: logical_not(logical_not(condition))},
)
def where(xp, condition: Array, x: Array, y: Array) -> Array:
    """x where `condition` holds and y elsewhere, all three broadcast. Either gradient is 0 where the other was taken.

    What was not taken has no part in the gradient, be its derivative infinite or NaN: `where(x > 0, sqrt(x), 0)` has
    derivative 0 at 0. This reaches back through elementwise operations, to another operation or another use of a value.

    >>> where(np.array([True, False]), np.array([1.0, 2.0]), 0.0)
    array([1., 0.])
    """
    return xp.where(condition, x, y)


@primitive()
def equal(xp, x: Array, y: Array) -> Array:
    """Whether x == y, element by element.

    >>> equal(np.array([1.0, 2.0]), 2.0)
    array([False,  True])
    """
    return xp.equal(x, y)


@primitive()
def not_equal(xp, x: Array, y: Array) -> Array:
    """Whether x != y, element by element.

    >>> not_equal(np.array([1.0, 2.0]), 2.0)
    array([ True, False])
    """
    return xp.not_equal(x, y)


@primitive()
def less(xp, x: Array, y: Array) -> Array:
    """Whether x < y, element by element.

    >>> less(np.array([1.0, 2.0]), 2.0)
    array([ True, False])
    """
    return xp.less(x, y)


@primitive()
def less_equal(xp, x: Array, y: Array) -> Array:
    """Whether x <= y, element by element.

    >>> less_equal(np.array([1.0, 2.0, 3.0]), 2.0)
    array([ True,  True, False])
    """
    return xp.less_equal(x, y)


@primitive()
def greater(xp, x: Array, y: Array) -> Array:
    """Whether x > y, element by element.

    >>> greater(np.array([1.0, 2.0, 3.0]), 2.0)
    array([False, False,  True])
    """
    return xp.greater(x, y)


@primitive()
def greater_equal(xp, x: Array, y: Array) -> Array:
    """Whether x >= y, element by element.

    >>> greater_equal(np.array([1.0, 2.0, 3.0]), 2.0)
    array([False,  True,  True])
    """
    return xp.greater_equal(x, y)


@primitive()
def logical_and(xp, x: Array, y: Array) -> Array:
    """Whether both x and y hold, element by element.

    >>> logical_and(np.array([True, False]), True)
    array([ True, False])
    """
    return xp.logical_and(x, y)


@primitive()
def logical_or(xp, x: Array, y: Array) -> Array:
    """Whether x or y or both hold, element by element.

    >>> logical_or(np.array([True, False]), False)
    array([ True, False])
    """
    return xp.logical_or(x, y)


@primitive()
def logical_xor(xp, x: Array, y: Array) -> Array:
    """Whether exactly one of x and y holds, element by element.

    >>> logical_xor(np.array([True, False]), True)
    array([False,  True])
    """
    return xp.logical_xor(x, y)


@primitive()
def logical_not(xp, x: Array) -> Array:
    """Whether x does not hold, element by element.

    >>> logical_not(np.array([True, False]))
    array([False,  True])
    """
    return xp.logical_not(x)


@primitive()
def isnan(xp, x: Array) -> Array:
    """Whether x is NaN, element by element.

    >>> isnan(np.array([1.0, np.nan]))
    array([False,  True])
    """
    return xp.isnan(x)


@primitive()
def isinf(xp, x: Array) -> Array:
    """Whether x is infinite, element by element.

    >>> isinf(np.array([1.0, -np.inf]))
    array([False,  True])
    """
    return xp.isinf(x)


@primitive()
def isfinite(xp, x: Array) -> Array:
    """Whether x is neither infinite nor NaN, element by element.

    >>> isfinite(np.array([1.0, np.inf, np.nan]))
    array([ True, False, False])
    """
    return xp.isfinite(x)
