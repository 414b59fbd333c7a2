"""Memory for blocks: scratch that each thread keeps for its next block, and arrays with their axes in any order.

Fresh memory costs more than most work on it.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

__all__ = ["in_order", "scratch"]

LARGEST = 1 << 24
"""Bytes from which on an array is not kept."""

_local = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of the calling thread with any values; the next call with this name may return the same memory."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size > LARGEST:
        return np.empty(shape, dtype)
    held = _local.__dict__.setdefault("held", {})
    if name not in held or held[name].size < size:
        held[name] = np.empty(size, np.uint8)
    return held[name][:size].view(dtype).reshape(shape)


def in_order(shape: tuple[int, ...], order: tuple[int, ...], dtype: Any) -> np.ndarray:
    """A new array whose axes lie in memory in this order, and that is no view of another one."""
    strides, step = [0] * len(shape), np.dtype(dtype).itemsize
    for axis in reversed(order):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return np.ndarray(shape, dtype, strides=tuple(strides))
