"""Rows of arrays in blocks, which several threads work on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.blas import one_blas_thread
from ...core.threads import run_blocks

__all__ = ["Rows", "dots", "floats", "ones", "over_rows", "sums"]


class Rows:
    """elements : how many a block has, about. Threads lose with fewer, as each call of NumPy's ends in taking a turn.

    Forward and backward of layer_norm, (768, 128): 0.81 ms at 2^14, 0.61 at 2^16, 0.53 at 2^18 on one thread, and 1.19,
    0.75, 0.54 on two. (8192, 1024) takes 82, 64, 50 and 55 ms of processor time at 2^14, 2^16, 2^18, 2^19.
    """

    elements = 1 << 18


def over_rows(work: Callable[[slice], None], count: int, length: int) -> list[slice]:
    """Call `work` with slices of `count` rows, in several threads; the slices depend on the numbers only."""
    blocks = -(-count // max(Rows.elements // length, 1))
    slices = [slice(i * count // blocks, (i + 1) * count // blocks) for i in range(blocks)]
    if len(slices) == 1 and count * length <= SMALL:
        work(slices[0])
        return slices
    with one_blas_thread():
        run_blocks(work, slices)
    return slices


SMALL = 1 << 13
"""Elements up to which OpenBLAS takes a single thread by itself (`interface/gemv.c`); asking for it costs 5 us."""


FLOATS = (np.dtype("float32"), np.dtype("float64"))


def floats(x: Any) -> bool:
    """Whether it is an array, not empty, of a dtype in which NumPy computes fast and sums in order."""
    return isinstance(x, np.ndarray) and x.dtype in FLOATS and x.size > 0


_ONES = {dtype: np.ones(1 << 10, dtype) for dtype in FLOATS}


def ones(n: int, dtype: np.dtype) -> np.ndarray:
    """So many; nobody writes into them. Up to 2^20 are kept."""
    held = _ONES[dtype]
    if held.size < n:
        held = np.ones(n, dtype)
        if n <= 1 << 20:
            _ONES[dtype] = held
    return held[:n]


def dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The scalar products of rows, as a column. 0.5 of `einsum`."""
    return np.vecdot(a, b)[..., None]


def sums(a: np.ndarray) -> np.ndarray:
    """The sums of rows, as a column. As a product 0.3 of `sum`, and rows that are apart one by one 0.6."""
    n = a.shape[-1]
    every = ones(n, a.dtype)
    if a.flags.c_contiguous:
        return np.matmul(a.reshape(-1, n), every).reshape(*a.shape[:-1], 1)
    return np.vecdot(a, every)[..., None]
