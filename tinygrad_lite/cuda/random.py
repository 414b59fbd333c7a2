"""Random numbers made on a GPU, from the key and the position of a draw."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy

from ..core.philox import KINDS, Draw
from .module import cupy
from .source import CudaSource, c_type

__all__ = ["FLOATS", "draw_on_device", "drop"]

FLOATS = ("float32", "float64", "float16", "bfloat16")

SOURCE = CudaSource(__file__, [{"T": T} for T in ("float", "double", "half16", "bfloat")])

THREADS, MOST_BLOCKS = 256, 4096
"""Threads of a block, and the most blocks: 2^20 threads fill any chip, and each goes on with other numbers."""

PLACE = numpy.dtype([("words", "<u8", 7)])
_PACK = struct.Struct("<7Q").pack
_ANYWHERE = numpy.frombuffer(_PACK(*[0] * 7), PLACE)[0]


def draw_on_device(draw: Draw, dtype: Any = None) -> Any:
    """The numbers of a draw on the current device: floats in `dtype` if kernels know it, others as they are drawn."""
    kind, made = draw.kind.rstrip("0123456789"), KINDS[draw.kind].dtype
    if kind == "integers":
        return _filled(draw, made, kind, numpy.uint64(draw.scale & (1 << 64) - 1), draw.shift)
    if kind == "bernoulli":
        return _filled(draw, made, kind, draw.scale)
    acc = made.type
    if made == numpy.float32 and dtype is not None and numpy.dtype(dtype).name in ("float16", "bfloat16"):
        made = numpy.dtype(dtype)
    scale = acc(draw.scale)
    if kind == "uniform":
        scale = acc(scale * (2.0**-24 if acc is numpy.float32 else 2.0**-53))
    return _filled(draw, made, kind, scale, acc(draw.shift), T=c_type(made))


def _filled(draw: Draw, dtype: Any, kernel: str, *numbers: Any, T: str = "float") -> Any:
    out = cupy().empty(draw.shape, dtype=dtype)
    _launch(kernel, draw, (out,), numbers, T)
    return out


def drop(x: Any, draw: Draw, scale: float) -> Any:
    """`x * scale` where the draw of truth values, of the shape of x, is true, and 0 elsewhere.

    x : contiguous, of a dtype in FLOATS.
    """
    out = cupy().empty(x.shape, dtype=x.dtype)
    acc = numpy.float64 if x.dtype == numpy.float64 else numpy.float32
    factor = acc(numpy.float16(scale) if x.dtype == numpy.float16 else scale)  # as NumPy multiplies, in float16
    _launch("dropout", draw, (x, out), (draw.scale, factor), c_type(x.dtype))
    return out


def _launch(kernel: str, draw: Draw, arrays: tuple, numbers: tuple, T: str) -> None:
    count = math.prod(draw.shape)
    if count == 0:
        return
    place = numpy.frombuffer(_PACK(*draw.counters), PLACE)[0] if draw.live is None else _ANYWHERE
    work = count // (4 * KINDS[draw.kind].per_word) + 2  # blocks of words: the first and the last may be parts
    SOURCE(T=T).launch(kernel, min(-(-work // THREADS), MOST_BLOCKS), THREADS,
                            (place, draw.live, *arrays, count, *numbers))  # fmt: skip
