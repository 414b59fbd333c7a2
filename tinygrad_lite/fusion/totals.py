"""What a step must know of all gradients before it, in one pass over them where they lie on a GPU."""

from __future__ import annotations

from typing import Any

import numpy

from ..cuda.module import cupy
from ..cuda.source import CudaSource, c_type
from .pieces import CAPACITIES, Pieces

__all__ = ["TYPES", "all_finite", "sum_of_squares"]

TYPES = ("float32", "float64", "float16", "bfloat16")
"""The dtypes that there are kernels for."""

THREADS, BLOCKS = 256, 528
"""Threads of a block, and blocks that fill a GPU. Not asked of the device, so that results are equal on all."""

SOURCE = CudaSource(
    __file__,
    [{"ELEMENT": c_type(name), "CAPACITY": count, "THREADS": THREADS} for name in TYPES for count in CAPACITIES],
)


def all_finite(x: Any) -> Any:
    """Whether no element of an array, or of arrays in pieces, is infinite or NaN: an array `()`.

    x : not empty, of a dtype in TYPES.
    """
    return _total(x, "not_finite")


def sum_of_squares(x: Any) -> Any:
    """The sum of the squares of the elements, an array `()`; of 16 bits in float32. x : as for `all_finite`."""
    return _total(x, "squares")


def _total(x: Any, kind: str) -> Any:
    xp, pieces = cupy(), x if isinstance(x, Pieces) else Pieces([x])
    wide = numpy.dtype("float64" if pieces.dtype == numpy.float64 else "float32")
    width = 16 // pieces.dtype.itemsize
    blocks = min(-(-pieces.size // (width * THREADS)), BLOCKS)
    parts, out = xp.empty(blocks, wide), xp.empty((), wide if kind == "squares" else bool)
    module = SOURCE(ELEMENT=c_type(pieces.dtype), CAPACITY=pieces.capacity, THREADS=THREADS)
    module.launch(kind, blocks, THREADS, (pieces.structure(), parts))
    module.launch("joined", 1, THREADS, (parts, blocks, *((out, None) if kind == "squares" else (None, out))))
    return out
