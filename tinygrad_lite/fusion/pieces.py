"""Arrays that lie apart and stand for one: the gradients of many parameters, beside whose buffer they are read.

A kernel gets their addresses with its launch and finds the piece of each pack, so nothing is copied into a buffer: a
step of Adam moves 28 bytes for a parameter of float32 instead of 36, in one launch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy

from ..core.backend import backend_of

__all__ = ["CAPACITIES", "Each", "Pieces", "whole"]

CAPACITIES = (16, 200)
"""How many pieces kernels are made for: a structure with 200 takes 3.2 of the 4 KB that parameters may always have."""


class Pieces:
    """Contiguous arrays of one dtype, at most `most` of them, as one array `(n,)`.

    arrays : in their order. size : n.
    """

    ndim = 1
    most = CAPACITIES[-1]

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = list(arrays)
        self.dtype = self.arrays[0].dtype
        self.bounds = [0, *accumulate(array.size for array in self.arrays)]
        self.size = self.bounds[-1]
        self.shape, self.strides = (self.size,), (self.dtype.itemsize,)

    @property
    def capacity(self) -> int:
        """The least of `CAPACITIES` that does."""
        return next(count for count in CAPACITIES if len(self.arrays) <= count)

    def structure(self) -> Any:
        """What a kernel is given: `{i64 bounds[capacity + 1]; const T* from[capacity]; i64 count;}`."""
        capacity, count = self.capacity, len(self.arrays)
        fields: list[Any] = [("bounds", "i8", (capacity + 1,)), ("from", "u8", (capacity,)), ("count", "i8")]
        made = numpy.zeros((), numpy.dtype(fields))
        made["bounds"][: count + 1] = self.bounds
        made["from"][:count] = [array.data.ptr for array in self.arrays]
        made["count"] = count
        return made[()]


class Each:
    """An array `(n,)` of which all elements beside one piece are the same.

    values : what they are, `(k,)`. pieces : of n elements, k of them.
    """

    ndim = 1

    def __init__(self, values: Any, pieces: Pieces) -> None:
        self.values, self.dtype = values, values.dtype
        self.size, self.shape, self.strides = pieces.size, pieces.shape, (values.dtype.itemsize,)


def whole(array: Any) -> Any:
    """The array that pieces stand for, in memory of its own; any other array as it is."""
    if not isinstance(array, Pieces):
        return array
    xp = backend_of(array.arrays[0]).xp
    return xp.concat([xp.reshape(piece, (-1,)) for piece in array.arrays])
