"""An array that stands for one of a batch: what `vmap` hands to a function in place of each example.

A `Batched` holds the arrays of all examples as one array with the batch in front. To the function it looks like a
single example: its shape lacks the batch. So `vmap` is a backend like any other (`backend.py`), whose functions compute
on all examples at once, and no operation has a rule for it.

Every batch has a *level*, the birth of its `vmap` in the order of events (`core/graph.py`). In a `vmap` inside a
`vmap`, arrays lie in each other: the later level is the outer one.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any, NoReturn

from ..core.backend import Backend
from ..core.errors import BatchError

__all__ = ["Batched", "highest", "levels_of", "lifted", "put_in", "take_out"]


@lru_cache(maxsize=256)
def _own_dtype(levels: tuple[int, ...], dtype: Any) -> Any:
    """A dtype equal to `dtype`, and another object: the sweep looks closer where a gradient's dtype is another object.

    There it sums the gradients of all examples for what lies outside the `vmap`.
    """
    return copy.copy(dtype)


class Batched:
    """One array of each example of a batch. Each root backend has a subclass, see `backend.batched_class`.

    data : an array of the root backend, or a Batched of an earlier level; its first axis is the batch.
    level : the batch's level.
    """

    __slots__ = ("__weakref__", "data", "dtype", "level")
    __array_ufunc__ = None  # NumPy's arrays on the left leave operators to this class

    backend: Backend
    """The backend for these arrays. Its namespace also takes those of the root backend."""

    def __init__(self, data: Any, level: int) -> None:
        self.data = data
        self.level = level
        self.dtype = _own_dtype(levels_of(self), data.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self.data.shape[1:])

    @property
    def ndim(self) -> int:
        """The number of axes of one example."""
        return len(self.data.shape) - 1

    @property
    def size(self) -> int:
        """The number of elements of one example."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<one of {self.data.shape[0]} arrays, {self.shape} {self.dtype}>"

    def __getitem__(self, index: Any) -> Batched:
        return self.backend.getitem(self, index)

    def __setitem__(self, index: Any, values: Any) -> None:
        self.backend.assign(self, index, values)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise BatchError(
            "the value of an array is needed, for example by `if`, `float()` or `.numpy()`, where vmap works on all "
            "examples at once; write it with where() instead."
        )

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __array__ = __iter__ = _refuse


def levels_of(array: Any) -> tuple[int, ...]:
    """The levels of an array, from the latest on."""
    return (array.level, *levels_of(array.data)) if isinstance(array, Batched) else ()


def highest(values: Any) -> Batched | None:
    """The Batched of the latest level among `values` and the lists and tuples in them, or None."""
    found = None
    for value in values:
        if isinstance(value, (list, tuple)):
            value = highest(value)
        if isinstance(value, Batched) and (found is None or value.level > found.level):
            found = value
    return found


def put_in(cls: type[Batched], array: Any, axis: int, level: int) -> Batched:
    """One example of `array`, whose examples follow each other along an axis; `level` may lie below its levels."""
    if isinstance(array, Batched) and array.level > level:
        return cls(put_in(cls, array.data, axis + 1, level), array.level)
    return cls(_moved(cls, array, axis, 0), level)


def take_out(cls: type[Batched], array: Any, axis: int, level: int, size: int) -> Any:
    """The adjoint way: all examples in one array, along an axis; repeated if `array` is the same for all of them."""
    if isinstance(array, Batched) and array.level > level:
        return cls(take_out(cls, array.data, axis + 1, level, size), array.level)
    inside = array.data if isinstance(array, Batched) and array.level == level else lifted(cls, array, size)
    return _moved(cls, inside, 0, axis)


def lifted(cls: type[Batched], array: Any, size: int) -> Any:
    """`array` repeated for each example: (size, *shape)."""
    xp = cls.backend.xp
    array = array if hasattr(array, "shape") else xp.asarray(array)
    return xp.broadcast_to(xp.reshape(array, (1, *array.shape)), (size, *array.shape))


def _moved(cls: type[Batched], array: Any, source: int, target: int) -> Any:
    if source == target:
        return array
    axes = [axis for axis in range(len(array.shape)) if axis != source]
    axes.insert(target, source)
    return cls.backend.xp.permute_dims(array, tuple(axes))
