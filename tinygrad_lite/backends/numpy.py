"""The NumPy backend: arrays in main memory, device `"cpu"`."""

from __future__ import annotations

from typing import Any

import numpy

from ..core.backend import Backend, register_backend

__all__ = ["NumpyBackend"]


class NumpyBackend(Backend):
    """NumPy's namespace as it is; only what the Array API lacks is added."""

    name = "numpy"
    default_device = "cpu"
    xp = numpy
    array_types = (numpy.ndarray,)

    def dtype(self, dtype: Any) -> Any:
        known = isinstance(dtype, (str, type, numpy.dtype))
        return numpy.dtype(dtype if known else str(dtype).rpartition(".")[2])

    def may_share_memory(self, a: Any, b: Any) -> bool:
        return numpy.may_share_memory(a, b)

    def owns_memory(self, array: Any) -> bool:
        return array.base is None

    def getitem(self, array: Any, index: Any) -> Any:
        return array[index]

    def assign(self, target: Any, index: Any, values: Any) -> None:
        target[index] = values

    def scatter_add(self, target: Any, index: Any, values: Any) -> None:
        if isinstance(index, tuple) and len(index) == 1:
            (index,) = index
        if _names_rows(index, target):
            # add.at is four times as fast with one flat index as with rows.
            shape = (*index.shape, *target.shape[1:])
            width = target[:1].size
            rows = numpy.where(index < 0, index + len(target), index).astype(numpy.intp)
            index = (rows.reshape(-1, 1) * width + numpy.arange(width)).reshape(-1)
            values = numpy.broadcast_to(values, shape).reshape(-1)
            target = target.reshape(-1)
        numpy.add.at(target, index, values)


def _names_rows(index: Any, target: numpy.ndarray) -> bool:
    """Whether the index is one array of integers, in range from below, for the first of several axes."""
    return (
        isinstance(index, numpy.ndarray)
        and index.dtype.kind in "iu"
        and target.ndim > 1
        and target.flags.c_contiguous
        and (index.size == 0 or index.min() >= -len(target))
    )


register_backend(NumpyBackend())
