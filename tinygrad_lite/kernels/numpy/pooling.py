"""Kernels for `ops/pooling.py`."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np

from ... import ops
from ...core.op import kernel
from ...core.threads import run_blocks

__all__ = ["avg_pool", "max_pool"]

_PART = 1 << 19
"""Elements from which on a part is worth a thread: each of its many calls is on some of them, and threads wait for each
other between calls. For 301056 elements forward and backward take 0.6 of the time in two threads."""


def _tiles(
    axes: int,
    x: Any,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> bool:
    """Windows beside each other; the definition explains what is wrong with arguments."""
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or x.ndim != axes + 2:
        return False
    sizes = _sizes(kernel_size, axes)
    if len(sizes) != axes or not all(
        isinstance(k, int) and 0 < k <= n for k, n in zip(sizes, x.shape[2:], strict=True)
    ):
        return False
    if padding not in (0, (0,) * axes) or dilation not in (1, (1,) * axes):
        return False
    if ceil_mode and any(n % k for n, k in zip(x.shape[2:], sizes, strict=True)):
        return False
    return stride in (None, kernel_size, sizes)


def _sizes(kernel_size: Any, axes: int) -> tuple[int, ...]:
    return kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * axes


def _elements(x: Any, sizes: tuple[int, ...]) -> list[Any]:
    """For each place in a window, the elements of x that have it: views of the shape of the result."""
    ends = [n // k * k for n, k in zip(x.shape[2:], sizes, strict=True)]
    slices = [[slice(i, end, k) for i in range(k)] for k, end in zip(sizes, ends, strict=True)]
    return [x[:, :, *part] for part in product(*slices)]


def _parts(x: Any) -> list[tuple]:
    """Indices of parts of images (n, c, *image), along the slower of the first two axes, for several threads."""
    axis = int(abs(x.strides[1]) > abs(x.strides[0]))
    count = max(1, min(x.shape[axis], x.size // _PART))
    bounds = [i * x.shape[axis] // count for i in range(count + 1)]
    return [(slice(None),) * axis + (slice(a, b),) for a, b in pairwise(bounds)]


def max_pool(
    x: Any, *, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The maximum of views of x, without gathering the windows."""
    sizes = _sizes(kernel_size, x.ndim - 2)
    out = np.empty_like(_elements(x, sizes)[0])

    def work(part: tuple) -> None:
        first, *others = _elements(x[part], sizes)
        into = out[part]
        if not others:
            into[...] = first
        for elements in others:
            np.maximum(first, elements, out=into)
            first = into

    run_blocks(work, _parts(x))
    return out, (x, out, sizes)


def _backward(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    x, out, sizes = saved
    whole = all(n % k == 0 for n, k in zip(x.shape[2:], sizes, strict=True))
    gradient = np.empty_like(x) if whole else np.zeros_like(x)
    dtype = np.dtype(np.int8 if math.prod(sizes) < 128 else np.int32)

    def work(part: tuple) -> None:
        largest = out[part]
        masks = [elements == largest for elements in _elements(x[part], sizes)]
        if np.isnan(largest).any():
            for mask, elements in zip(masks, _elements(x[part], sizes), strict=True):
                mask |= np.isnan(elements)
        count = np.zeros_like(largest, dtype)
        for mask in masks:
            np.add(count, mask.view(np.int8), out=count)
        # A copy first, as g may lie in another order: 0.76 of the time at (64, 16, 10, 10) with the batch last.
        share = np.empty_like(largest)
        np.copyto(share, g[part])
        np.divide(share, count, out=share)
        finite = np.isfinite(share).all()
        for mask, elements in zip(masks, _elements(gradient[part], sizes), strict=True):
            if finite:
                np.multiply(share, mask, out=elements)
            else:  # infinity times False is not 0
                elements[...] = np.where(mask, share, share.dtype.type(0))

    run_blocks(work, _parts(x))
    return (gradient,)


# Forward and backward, 2 x 2, one thread: 0.22 at (64, 8, 8, 8), 0.35 at (64, 6, 28, 28), 0.52 at (32, 64, 32, 32).
for _axes, _op in enumerate((ops.max_pool1d, ops.max_pool2d, ops.max_pool3d), 1):
    kernel(_op, "numpy", when=partial(_tiles, _axes))(max_pool).backward(_backward)


def _mean_tiles(
    axes: int, x: Any, *, divisor_override: Any = None, count_include_pad: Any = True, **windows: Any
) -> bool:
    return divisor_override != 0 and _tiles(axes, x, **windows)


def avg_pool(
    x: Any,
    *,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Any:
    """The mean of views of x, without gathering the windows."""
    sizes = _sizes(kernel_size, x.ndim - 2)
    divisor = math.prod(sizes) if divisor_override is None else divisor_override
    out = np.empty_like(_elements(x, sizes)[0])

    def work(part: tuple) -> None:
        first, *others = _elements(x[part], sizes)
        into = out[part]
        for elements in others:
            np.add(first, elements, out=into)
            first = into
        np.divide(first, divisor, out=into)

    run_blocks(work, _parts(x))
    return out, (x, sizes, divisor)


def _spread(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    """The same share for every element of a window."""
    x, sizes, divisor = saved
    whole = all(n % k == 0 for n, k in zip(x.shape[2:], sizes, strict=True))
    gradient = np.empty_like(x) if whole else np.zeros_like(x)

    def work(part: tuple) -> None:
        share = g[part] / divisor
        for elements in _elements(gradient[part], sizes):
            elements[...] = share

    run_blocks(work, _parts(x))
    return (gradient,)


# Forward and backward, 2 x 2, one thread: 0.23 at (64, 8, 8, 8), 0.48 at (64, 6, 28, 28), 0.33 at (32, 64, 32, 32).
for _axes, _op in enumerate((ops.avg_pool1d, ops.avg_pool2d, ops.avg_pool3d), 1):
    kernel(_op, "numpy", when=partial(_mean_tiles, _axes))(avg_pool).backward(_spread)
