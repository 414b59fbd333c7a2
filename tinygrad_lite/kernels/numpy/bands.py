"""Convolution a band of rows of windows at a time: its matrix stays in the cache, and several threads have some each.

The method is the definition's, a product of the filters with a matrix of windows, and so is the order in memory, with
the batch last (`ops/windows.py`). The gradient of the image is computed a few channels at a time instead, since the
windows of two bands overlap. How large a band is depends on nothing but the shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.blas import one_blas_thread
from ...core.threads import run_blocks
from ...ops.windows import Geometry
from .memory import in_order, scratch

__all__ = [
    "Band", "around", "batch_last", "convolve", "in_memory", "input_gradient", "new_images", "split", "weight_gradient",
]  # fmt: skip


class Band:
    """How large a band is.

    bytes : of its matrix. From 1 MB up a thread needs no longer than for the whole matrix, and at 2 MB least.
    lanes : partial sums of the gradient of filters.
    """

    bytes, lanes = 1 << 21, 4


def _run(work: Callable[[Any], None], blocks: Sequence[Any]) -> None:
    # Even if it is one: beside other processes, BLAS's threads wait for each other. A training step of LeNet took
    # 155 ms with two of them and 11 ms with one (medians, two cores, load 4.5), and 13.6 and 13.4 ms with load 2.
    with one_blas_thread():
        run_blocks(work, blocks)


def split(count: int, size: int, least: int = 1, most: int | None = None) -> list[slice]:
    """Parts of so many rows of this size, as equal as they can be; an even number of them, if more than one.

    least : rows of a part. most : the size of a part, if it has more rows than that; None means `Band.bytes`.
    """
    parts = -(-count * size // (most or Band.bytes))
    if parts > 1:
        parts += parts % 2
    parts = max(1, min(parts, count // least))
    return [slice(i * count // parts, (i + 1) * count // parts) for i in range(parts)]


def batch_last(x: np.ndarray) -> np.ndarray:
    """Images (n, c, *image) as (c, *image, n)."""
    return x.transpose(*range(1, x.ndim), 0)


def around(windows: Geometry) -> list[tuple[int, int]]:
    """The borders of images with the batch last, axis by axis."""
    return [(0, 0), *windows.padding, (0, 0)]


def new_images(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """New images, in memory with the batch last."""
    return in_order(shape, (*range(1, len(shape)), 0), dtype)


def in_memory(name: str, x: np.ndarray, borders: Sequence[tuple[int, int]] = ()) -> np.ndarray:
    """Images whose last axis is the batch in contiguous memory, with zeros around: before and after, for each axis."""
    bordered = any(map(any, borders))
    if not bordered and x.flags.c_contiguous:
        return x
    borders = borders if bordered else [(0, 0)] * x.ndim
    copy = scratch(name, tuple([n + sum(around) for n, around in zip(x.shape, borders, strict=True)]), x.dtype)
    for axis, (before, after) in enumerate(borders):
        every = (slice(None),) * axis
        copy[*every, :before] = 0
        copy[*every, copy.shape[axis] - after :] = 0
    inside = copy[tuple([slice(before, before + n) for (before, _), n in zip(borders, x.shape, strict=True)])]

    def work(part: slice) -> None:
        images, among = x[part], abs(x.strides[-1])
        if among == max(map(abs, x.strides)) > x.itemsize:
            # Images that are a power of two apart would meet in one set of the cache: they are moved apart first.
            length = images[..., 0].size
            apart = scratch("apart", (x.shape[-1], 16 * ((length + 15) // 16 | 1)), x.dtype)[:, :length]
            apart = apart.reshape(x.shape[-1], *images.shape[:-1]).transpose(*range(1, x.ndim), 0)
            apart[...] = images
            images = apart
        inside[part] = images

    run_blocks(work, split(len(x), x[0].nbytes))
    return copy


def _matrix(windows: Geometry, padded: np.ndarray, rows: slice, groups: int) -> np.ndarray:
    """The windows in these rows of padded images, as (groups, elements of a window, windows)."""
    count, every = rows.stop - rows.start, slice(None)
    shape = (groups, len(padded) // groups * math.prod(windows.kernel), -1)
    if windows.out == windows.padded:  # windows of one element
        return padded[:, rows].reshape(shape)
    out = (count, *windows.out[1:])
    columns = scratch("columns", (len(padded), *windows.kernel, *out, padded.shape[-1]), padded.dtype)
    step = windows.stride[0]
    for position, (first, *others) in windows.windows:
        begin = first.start + rows.start * step
        part = slice(begin, begin + (count - 1) * step + 1, step)
        columns[every, *position, ...] = padded[every, part, *others, every]
    return columns.reshape(shape)


def _bands(windows: Geometry, x: np.ndarray) -> list[slice]:
    """Rows of windows of images (c, *image, n)."""
    return split(windows.out[0], math.prod((len(x), *windows.kernel, *windows.out[1:], x.shape[-1], x.itemsize)))


def convolve(x: np.ndarray, w: np.ndarray, windows: Geometry, groups: int) -> np.ndarray:
    """`convolve_nd`."""
    padded = in_memory("padded", batch_last(x), around(windows))
    filters = w.reshape(groups, len(w) // groups, -1)
    result = new_images((len(x), len(w), *windows.out), x.dtype)
    by_group = batch_last(result).reshape(groups, len(w) // groups, windows.out[0], -1)

    def work(rows: slice) -> None:
        columns = _matrix(windows, padded, rows, groups)
        np.matmul(filters, columns, out=by_group[:, :, rows].reshape(*filters.shape[:2], -1))

    _run(work, _bands(windows, padded))
    return result


def weight_gradient(y: np.ndarray, x: np.ndarray, windows: Geometry, groups: int) -> np.ndarray:
    """`convolve_nd_weight`."""
    padded, cotangents = in_memory("padded", batch_last(x), around(windows)), in_memory("cotangents", batch_last(y))
    outputs, channels, kernel = len(cotangents), len(padded) // groups, windows.kernel
    return _products(windows, padded, cotangents, groups).reshape(outputs, channels, *kernel)


def _products(windows: Geometry, padded: np.ndarray, cotangents: np.ndarray, groups: int) -> np.ndarray:
    """The cotangents times all windows. Each of a fixed number of lanes adds up those of its bands in their order."""
    by_group = cotangents.reshape(groups, len(cotangents) // groups, windows.out[0], -1)
    bands = _bands(windows, padded)
    lanes = [bands[i :: Band.lanes] for i in range(min(Band.lanes, len(bands)))]
    shape = (*by_group.shape[:2], math.prod((len(padded) // groups, *windows.kernel)))
    sums = np.empty((len(lanes), *shape), padded.dtype)

    def work(lane: int) -> None:
        for i, rows in enumerate(lanes[lane]):
            columns = _matrix(windows, padded, rows, groups)
            part = by_group[:, :, rows].reshape(*shape[:2], -1)
            if i:
                sums[lane] += np.matmul(part, columns.mT, out=scratch("product", shape, padded.dtype))
            else:
                np.matmul(part, columns.mT, out=sums[lane])

    _run(work, range(len(lanes)))
    return sums[0] if len(lanes) == 1 else np.add.reduce(sums)


def input_gradient(y: np.ndarray, w: np.ndarray, windows: Geometry, groups: int) -> np.ndarray:
    """`convolve_nd_input`."""
    cotangents = in_memory("cotangents", batch_last(y)).reshape(groups, len(w) // groups, -1)
    size, channels = math.prod(windows.kernel), w.shape[1]
    filters = w.reshape(groups, len(w) // groups, channels * size).mT
    result = new_images((len(y), groups * channels, *windows.image), y.dtype)
    images, every = batch_last(result), slice(None)
    per_channel = size * cotangents.shape[2] * y.itemsize

    def work(block: tuple[slice, slice]) -> None:
        some, part = block
        count, inner = some.stop - some.start, part.stop - part.start
        columns = scratch("columns", (count, inner * size, cotangents.shape[2]), y.dtype)
        np.matmul(filters[some, part.start * size : part.stop * size], cotangents[some], out=columns)
        columns = columns.reshape(count * inner, *windows.kernel, *windows.out, len(y))
        padded = scratch("padded", (count * inner, *windows.padded, len(y)), y.dtype)
        padded[...] = 0
        for position, place in windows.windows:
            padded[every, *place, every] += columns[every, *position, ...]
        first = some.start * channels + part.start
        images[first : first + count * inner] = padded[windows.inside()]

    if groups == 1:
        # A product of few rows would spend its time on copying the cotangents: 64 rows or more.
        blocks = [(slice(0, 1), part) for part in split(channels, per_channel, min(-(-64 // size), -(-channels // 2)))]
    else:
        blocks = [(some, slice(0, channels)) for some in split(groups, channels * per_channel)]
    _run(work, blocks)
    return result
