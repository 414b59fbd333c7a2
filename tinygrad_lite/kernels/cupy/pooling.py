"""Kernels for `ops/pooling.py`: windows are not gathered."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from ... import ops
from ...core.backend import backend_of
from ...core.errors import ShapeError
from ...core.op import kernel
from ...cuda.source import CudaSource, c_type
from ...ops.pooling import pool_arguments, pool_borders
from ...ops.windows import Geometry, batch_first, batch_last, geometry
from .convolution import FLOATS, THREADS, blocks_for, described, index_type

__all__ = ["avg_pool", "max_pool"]

SOURCE = CudaSource(__file__, [{"T": c_type(dtype), "INDEX": index} for dtype in FLOATS for index in ("u32", "i64")])


def _windows(x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Geometry:
    kernel, steps, border, gaps = pool_arguments("pool", x, kernel_size, stride, padding, dilation, x.ndim - 2)
    borders = pool_borders("pool", x, kernel, steps, border, gaps, ceil_mode)
    return geometry(tuple(x.shape[2:]), tuple(kernel), tuple(steps), borders, tuple(gaps))


def _poolable(
    axes: int, x: Any, *, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None,
) -> bool:  # fmt: skip
    """Images with windows that fit; the definition explains what is wrong with others."""
    if getattr(getattr(x, "dtype", None), "name", None) not in FLOATS or x.ndim != axes + 2 or not x.size:
        return False
    try:
        _windows(x, kernel_size, stride, padding, dilation, ceil_mode)
    except ShapeError:
        return False
    return divisor_override is None or (isinstance(divisor_override, (int, float)) and divisor_override != 0)


class _Images:
    """Images whose batch is first or last in memory, and results that lie in memory as they do."""

    def __init__(self, x: Any, windows: Geometry) -> None:
        self.xp, self.windows = backend_of(x).xp, windows
        self.last = not x.flags.c_contiguous and batch_last(self.xp, x).flags.c_contiguous
        self.x, self.shape = self.laid(x), x.shape
        self.inner = x.shape[0] if self.last else 1

    def laid(self, x: Any) -> Any:
        """x contiguous, in the order of the images."""
        return self.xp.ascontiguousarray(batch_last(self.xp, x) if self.last else x)

    def empty(self, lengths: tuple[int, ...]) -> Any:
        """Memory for images with these lengths, in the order of the images."""
        n, c = self.shape[:2]
        return self.xp.empty((c, *lengths, n) if self.last else (n, c, *lengths), self.x.dtype)

    def public(self, x: Any) -> Any:
        """x as (n, c, *image)."""
        return batch_first(self.xp, x) if self.last else x

    def launch(self, name: str, arrays: tuple, result: Any, *more: Any) -> None:
        """Start a kernel with a thread for each element of the result, which comes last of the arrays."""
        module = SOURCE(T=c_type(self.x.dtype), INDEX=index_type(max(self.x.size, result.size)))
        args = (*arrays, result, result.size, self.inner, *more, *described(self.windows))
        module.launch(name, blocks_for(result.size), THREADS, args)


def max_pool(
    x: Any, *, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """One launch."""
    images = _Images(x, _windows(x, kernel_size, stride, padding, dilation, ceil_mode))
    out = images.empty(images.windows.out)
    images.launch("largest", (images.x,), out)
    return images.public(out), (images, out)


def _max_gradient(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    """One launch."""
    images, out = saved
    result = images.empty(images.windows.image)
    images.launch("largest_gradient", (images.x, out, images.laid(g)), result)
    return (images.public(result),)


def avg_pool(
    x: Any, *, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: float | None = None,
) -> Any:  # fmt: skip
    """One launch."""
    images = _Images(x, _windows(x, kernel_size, stride, padding, 1, ceil_mode))
    out = images.empty(images.windows.out)
    how = (numpy.float64(divisor_override or 0.0), bool(count_include_pad))
    images.launch("mean", (images.x,), out, *how)
    return images.public(out), (images, how)


def _mean_gradient(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    """One launch."""
    images, how = saved
    result = images.empty(images.windows.image)
    images.launch("mean_gradient", (images.laid(g),), result, *how)
    return (images.public(result),)


for _axes, _ops in enumerate(
    ((ops.max_pool1d, ops.avg_pool1d), (ops.max_pool2d, ops.avg_pool2d), (ops.max_pool3d, ops.avg_pool3d)), 1
):
    for _op, _forward, _gradient in zip(_ops, (max_pool, avg_pool), (_max_gradient, _mean_gradient), strict=True):
        kernel(_op, "cupy", when=partial(_poolable, _axes))(_forward).backward(_gradient)
