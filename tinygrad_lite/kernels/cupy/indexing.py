"""Kernels for `ops/indexing.py`."""

from __future__ import annotations

import math
from typing import Any

import numpy

from ...core.op import kernel
from ...core.registry import OPS
from ...cuda.module import cupy
from ...cuda.source import CudaSource
from .rows import COLUMN_THREADS, TYPES, Limits, dense, floats, type_of

__all__ = ["scatter"]

SOURCE = CudaSource(__file__, [{"T": T} for T in TYPES])

CHUNK, CHUNKS = 1024, 256
"""The least length of what a block sorts at a time, and about the most blocks that do."""

MOST_COLUMNS = 1 << 20
"""Of a table; a grid has fewer than 2^16 blocks along its second axis."""


def _indices(index: Any) -> Any:
    """The one array of integers on the device that an index of the first axis is made of, or None."""
    if isinstance(index, tuple) and len(index) == 1:
        index = index[0]
    return index if isinstance(index, cupy().ndarray) and index.dtype.kind in "iu" else None


def _rows_of_a_table(x: Any, *, index: Any, shape: tuple[int, ...]) -> bool:
    if not floats(x) or not shape or not 0 < shape[0] < 1 << 31 or math.prod(shape[1:]) > MOST_COLUMNS:
        return False
    indices = _indices(index)
    return indices is not None and 0 < indices.size < 1 << 31 and x.shape == (*indices.shape, *shape[1:])


@kernel(OPS["scatter"].function, "cupy", when=_rows_of_a_table)
def scatter(x: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    """Rows added up by their numbers, which are sorted first: equal results every time, unlike atomic additions."""
    indices, module = _indices(index), SOURCE(T=type_of(x))
    indices = dense(indices if indices.dtype in (numpy.int32, numpy.int64) else indices.astype(numpy.int64))
    x, rows, m, n = dense(x), shape[0], indices.size, math.prod(shape[1:])
    chunk = -(-max(CHUNK, -(-m // CHUNKS)) // CHUNK) * CHUNK
    chunks = -(-m // chunk)
    counts = cupy().empty((chunks, 256), numpy.uint32)
    pairs = [cupy().empty((2, m), numpy.uint32) for _ in range(2)]
    keys = places = None
    for step, shift in enumerate(range(0, max((rows - 1).bit_length(), 1), 8)):
        order = (indices, indices.dtype == numpy.int64, rows, keys, places)
        module.launch("counted", chunks, 256, (*order, counts, m, chunk, shift))
        module.launch("started", 1, 256, (counts, chunks))
        to = pairs[step % 2]
        module.launch("placed", chunks, 256, (*order, counts, to[0], to[1], m, chunk, shift))
        keys, places = to[0], to[1]
    out = cupy().zeros(shape, x.dtype)
    width = 16 // x.itemsize
    packs = n % width == 0 and x.data.ptr % 16 == 0
    tiles = -(-n // (32 * (width if packs else 1)))
    grid = (min(m, Limits.blocks), tiles)
    module.launch(
        "added_packs" if packs else "added_single", grid, (32, COLUMN_THREADS // 32), (x, out, keys, places, m, n)
    )
    return out
