"""Operations on the bits of integers, and the same on booleans. Their results are constants."""

from __future__ import annotations

from ..core.op import Array, primitive

__all__ = [
    "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
]  # fmt: skip


@primitive()
def bitwise_and(xp, x: Array, y: Array) -> Array:
    """The bits that are set in x and in y, `x & y` of Tensors.

    >>> bitwise_and(np.array([6, 5]), 3)
    array([2, 1])
    """
    return xp.bitwise_and(x, y)


@primitive()
def bitwise_or(xp, x: Array, y: Array) -> Array:
    """The bits that are set in x, in y or in both, `x | y` of Tensors.

    >>> bitwise_or(np.array([6, 5]), 3)
    array([7, 7])
    """
    return xp.bitwise_or(x, y)


@primitive()
def bitwise_xor(xp, x: Array, y: Array) -> Array:
    """The bits that are set in exactly one of x and y, `x ^ y` of Tensors.

    >>> bitwise_xor(np.array([6, 5]), 3)
    array([5, 6])
    """
    return xp.bitwise_xor(x, y)


@primitive()
def bitwise_invert(xp, x: Array) -> Array:
    """The bits that are not set in x, `~x` of Tensors: -x - 1 of signed integers.

    >>> bitwise_invert(np.array([6, -1]))
    array([-7,  0])
    """
    return xp.bitwise_invert(x)


@primitive()
def bitwise_left_shift(xp, x: Array, y: Array) -> Array:
    """x with its bits moved up by y places, `x << y` of Tensors.

    >>> bitwise_left_shift(np.array([1, 3]), 2)
    array([ 4, 12])
    """
    return xp.bitwise_left_shift(x, y)


@primitive()
def bitwise_right_shift(xp, x: Array, y: Array) -> Array:
    """x with its bits moved down by y places, `x >> y` of Tensors; the sign stays.

    >>> bitwise_right_shift(np.array([4, -4]), 1)
    array([ 2, -2])
    """
    return xp.bitwise_right_shift(x, y)
