"""Memory for blocks: scratch that each thread keeps for its next block, and images with the channels last.

Fresh memory costs more than most work on it.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

__all__ = ["channels_last", "scratch"]

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


def channels_last(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """New images (n, c, *image) that lie in memory as (n, *image, c), and are no view of another array."""
    strides, step = [0] * len(shape), np.dtype(dtype).itemsize
    for axis in (1, *range(len(shape) - 1, 1, -1), 0):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return np.ndarray(shape, dtype, strides=tuple(strides))
