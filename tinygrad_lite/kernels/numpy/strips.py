"""Convolution of images by strips: as many rows of an image as a window has, which lie in memory one after another.

Images are (h, c, w, n) here. What the windows of one row of the result have of a row of the image is gathered along the
width only; the elements of kh such rows then are one matrix, and those of the next row of the result the same matrix
kh - 1 rows of which it shares, further on in memory. So the matrices take 1 / kh of the memory of all windows, and of
the time of copying them, and their products are images in this order again.

With few channels a product of matrices would have few rows and spend its time on packing the others, so that some rows
of the result come from one product, with zeros in the filters where a row does not meet a window. Such a zero times a
value that is not finite would be wrong; then each row of the result has a product of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.blas import one_blas_thread
from ...core.threads import run_blocks
from ...ops.windows import Geometry
from .bands import in_memory, split
from .memory import in_order, scratch

__all__ = [
    "Strips", "as_rows", "by_rows", "convolve", "fits", "fits_input", "gathered", "input_gradient", "new_images",
    "weight_gradient",
]  # fmt: skip


class Strips:
    """elements : of the matrices of a block, at most twice as many. rows, columns : of a product, for it to be fast.

    With 0.8 of the elements, two threads share each convolution of LeNet, and on a busy machine a training step takes
    1.0 to 1.09 of the time: a thread wakes too late for 0.2 ms of work. With 1.6 of them, 64 images 8 x 8 with 32
    channels would not be shared, and take 1.2 of the time.

    On one thread, of the time by bands, forward and for the gradients of filters and images, where the images lie in
    memory as each wants it: 0.7, 0.8, 0.5 for 64 images 28 x 28, 1 to 6 channels and 5 x 5; 0.9, 0.9, 0.7 for 14 x 14,
    6 to 16 channels and 5 x 5; 0.85, 0.9, 0.6 for 8 x 8, 32 to 32 channels and 3 x 3; 1.0, 1.0, 0.7 for 8 images
    32 x 32, 16 to 16 channels and 3 x 3; 1.05, 1.15, 0.9 for 2 x 2, and 1.15, 1.2, 0.5 for an
    image 512 x 512 and 8 channels. Images that lie in another order cost both the same.
    """

    elements, rows, columns = 5 << 16, 24, 128


def fits(windows: Geometry, channels: int, n: int, groups: int) -> bool:
    """Whether rows of the result that follow each other share all rows of the images but one, and are long."""
    return (
        groups == 1
        and len(windows.kernel) == 2
        and windows.kernel[0] > 2
        and windows.stride[0] == windows.dilation[0] == 1
        and windows.out[1] * n >= Strips.columns
        and _per_place(windows, channels, n) * -(-Strips.columns // n) <= 2 * Strips.elements
    )


def _per_place(windows: Geometry, channels: int, n: int) -> int:
    """How many elements are gathered for one place of the width."""
    return windows.padded[0] * channels * windows.kernel[1] * n


def fits_input(filters: tuple[int, ...]) -> bool:
    """Whether the gradient of images is faster by strips too, for filters (d, c, kh, kw): 0.5 to 0.9 of the time.

    For 3 channels and 32 filters 3 x 3 it would be 1.4, as several rows come from one product.
    """
    return filters[1] * filters[3] >= Strips.rows or filters[0] < 16


def as_rows(x: np.ndarray) -> np.ndarray:
    """Images (n, c, h, w) as (h, c, w, n)."""
    return x.transpose(2, 1, 3, 0)


def by_rows(name: str, x: np.ndarray, windows: Geometry | None = None) -> np.ndarray:
    """Images (n, c, h, w) as (h, c, w, n) in contiguous memory, with their borders if there are windows.

    A view, or a copy in the scratch of this name.
    """
    borders = [] if windows is None else [windows.padding[0], (0, 0), windows.padding[1], (0, 0)]
    return in_memory(name, as_rows(x), borders)


def new_images(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """New images (n, c, h, w), in memory as (h, c, w, n)."""
    return in_order(shape, (2, 1, 3, 0), dtype)


def gathered(windows: Geometry, channels: int, n: int) -> tuple[int, ...]:
    """The shape of all that is gathered along the width, (padded h, c, kw, out w, n)."""
    return (windows.padded[0], channels, windows.kernel[1], windows.out[1], n)


def _strips(rows: np.ndarray, windows: Geometry, part: slice, columns: np.ndarray | None) -> np.ndarray:
    """What the windows in this part of each row of the result meet of bordered images, (padded h, c, kw, places, n).

    It is in the memory for the whole width if there is such memory. One copy, since a thread that makes many short ones
    waits for the others at each.
    """
    step, (kw, places) = windows.stride[1], (windows.kernel[1], part.stop - part.start)
    shape = (*rows.shape[:2], kw, places, rows.shape[3])
    strips = scratch("strips", shape, rows.dtype) if columns is None else columns[:, :, :, part]
    h, c, w, n = rows.strides
    begin = rows[:, :, part.start * step :]
    strips[...] = np.lib.stride_tricks.as_strided(begin, shape, (h, c, w * windows.dilation[1], w * step, n))
    return strips


def _parts(windows: Geometry, channels: int, n: int) -> list[slice]:
    """Parts of the width of the result."""
    return split(windows.out[1], _per_place(windows, channels, n), -(-Strips.columns // n), Strips.elements)


def _together(rows: int, kernel: int, most: int) -> int:
    """How many rows of images come from one product, if one would come from a matrix of so many rows."""
    return max(1, min(-(-Strips.rows // rows), kernel, most))


def _finite(x: np.ndarray) -> bool:
    # BLAS would share the sum between threads, that wait for each other beside other processes.
    with one_blas_thread(), np.errstate(all="ignore"):
        flat = x.reshape(-1)
        return bool(np.isfinite(np.dot(flat, flat)) or np.isfinite(flat).all())


def _products(strips: np.ndarray, windows: Geometry, together: int) -> list[tuple[slice, int, np.ndarray]]:
    """The matrices from which `together` rows of the result come at a time, and those for the rows that are left.

    strips : (padded h, c, kw, places, n). Returns for both kinds which rows of the result they are for, how many come
    from a matrix, and the matrices: (products, elements, places * n), views of each other's memory.
    """
    rows, found = windows.out[0], []
    full = rows // together
    for first, count, each in ((0, full, together), (full * together, 1, rows % together)):
        if count and each:
            part = strips[first:]
            elements = (windows.kernel[0] + each - 1) * strips.shape[1] * strips.shape[2]
            shape = (count, elements, strips.shape[3] * strips.shape[4])
            strides = (each * part.strides[0], part.strides[2], part.itemsize)
            matrices = np.lib.stride_tricks.as_strided(part, shape, strides)
            found.append((slice(first, first + count * each), each, matrices))
    return found


def _shifted(w: np.ndarray, together: int) -> np.ndarray:
    """Filters (d, c, kh, kw) for several rows of the result at a time: (rows * d, (kh + rows - 1) * c * kw)."""
    d, c, kh, kw = w.shape
    filters = np.zeros((together, d, kh + together - 1, c, kw), w.dtype)
    for row in range(together):
        filters[row, :, row : row + kh] = w.transpose(0, 2, 1, 3)
    return filters.reshape(together * d, -1)


def convolve(
    rows: np.ndarray,
    w: np.ndarray,
    windows: Geometry,
    result: np.ndarray,
    bias: np.ndarray | None = None,
    columns: np.ndarray | None = None,
) -> None:
    """Write the convolution of images (h, c, w, n) with filters (d, c, kh, kw) into `result`, (out h, d, out w, n).

    bias : (d,), or None. columns : where to keep what is gathered, for the gradient of the filters, or None.
    """
    height, outputs, _, n = result.shape
    together = _together(outputs, windows.kernel[0], height)
    if together > 1 and not _finite(rows):
        together = 1
    filters, elements = _shifted(w, together), rows.shape[1] * windows.kernel[1]

    def work(part: slice) -> None:
        strips = _strips(rows, windows, part, columns)
        for some, each, matrices in _products(strips, windows, together):
            out = result[some].reshape(len(matrices), each * outputs, -1)[:, :, part.start * n : part.stop * n]
            np.matmul(filters[: each * outputs, : (windows.kernel[0] + each - 1) * elements], matrices, out=out)
        if bias is not None:
            out = result.reshape(height, outputs, -1)[:, :, part.start * n : part.stop * n]
            np.add(out, bias[:, None], out=out)

    with one_blas_thread():
        run_blocks(work, _parts(windows, rows.shape[1], n))


def weight_gradient(
    cotangents: np.ndarray, rows: np.ndarray | None, windows: Geometry, columns: np.ndarray | None = None
) -> np.ndarray:
    """The gradient of the filters, (d, c, kh, kw), for images (h, c, w, n) and cotangents (out h, d, out w, n).

    columns : what `convolve` kept; then the images are not needed. Each part of the width has a sum of its own.
    """
    height, outputs, _, n = cotangents.shape
    channels = (rows if columns is None else columns).shape[1]
    (kh, kw), together = windows.kernel, _together(outputs, windows.kernel[0], height)
    parts = _parts(windows, channels, n)
    sums = np.zeros((len(parts), together * outputs, (kh + together - 1) * channels * kw), cotangents.dtype)
    at_once = max(1, Strips.elements // sums[0].size)

    def work(index: int) -> None:
        part = parts[index]
        strips = _strips(rows, windows, part, None) if columns is None else columns[:, :, :, part]
        for some, each, matrices in _products(strips, windows, together):
            given = cotangents[some].reshape(len(matrices), each * outputs, -1)[:, :, part.start * n : part.stop * n]
            for first in range(0, len(matrices), at_once):
                several = slice(first, first + at_once)
                shape = (len(matrices[several]), *given.shape[1:2], *matrices.shape[1:2])
                terms = np.matmul(given[several], matrices[several].mT, out=scratch("terms", shape, given.dtype))
                sums[index, : shape[1], : shape[2]] += np.add.reduce(terms)

    with one_blas_thread():
        run_blocks(work, range(len(parts)))
    total = np.add.reduce(sums).reshape(together, outputs, -1, channels, kw)
    filters = np.add.reduce([total[row, :, row : row + kh] for row in range(together)])
    return np.ascontiguousarray(filters.transpose(0, 2, 1, 3))


def input_gradient(cotangents: np.ndarray, w: np.ndarray, windows: Geometry, result: np.ndarray) -> None:
    """Write the gradient of images (h, c, w, n) into `result`, for cotangents (out h, d, out w, n)."""
    (height, outputs, places, n), (kh, kw) = cotangents.shape, windows.kernel
    channels, dtype, (top, left) = w.shape[1], cotangents.dtype, [before for before, _ in windows.padding]
    step, gap = windows.stride[1], windows.dilation[1]
    together = _together(channels * kw, kh, len(result))
    if together > 1 and not _finite(cotangents):
        together = 1
    # Rows of filters are for c, kw of each row of images, columns for d of each row of cotangents that it comes from.
    filters = _adjoint(w, together)
    given = cotangents.reshape(height, outputs, -1)

    def work(part: slice) -> None:
        rows = result[part]
        columns = scratch("gathered", (len(rows), channels * kw, places * n), dtype)
        for first in range(0, len(rows), together):
            each = min(together, len(rows) - first)
            begin = part.start + first + top - kh + 1
            low, high = max(begin, 0), max(min(begin + kh + each - 1, height), 0)
            out = columns[first : first + each].reshape(each * channels * kw, -1)
            if low >= high:
                out[...] = 0
                continue
            some = filters[: each * channels * kw, (low - begin) * outputs : (high - begin) * outputs]
            np.matmul(some, given[low:high].reshape(-1, places * n), out=out)
        columns = columns.reshape(len(rows), channels, kw, places, n)
        padded = scratch("padded", (len(rows), channels, windows.padded[1], n), dtype)
        padded[...] = 0
        for j in range(kw):
            there = padded[:, :, j * gap : j * gap + (places - 1) * step + 1 : step]
            np.add(there, columns[:, :, j], out=there)
        rows[...] = padded[:, :, left : left + windows.image[1]]

    with one_blas_thread():
        run_blocks(work, split(len(result), channels * kw * places * n, together, Strips.elements))


def _adjoint(w: np.ndarray, together: int) -> np.ndarray:
    """Filters (d, c, kh, kw) for the gradient of several rows of images: (rows * c * kw, (kh + rows - 1) * d)."""
    d, c, kh, kw = w.shape
    filters = np.zeros((together, c, kw, kh + together - 1, d), w.dtype)
    for row in range(together):
        filters[row, :, :, row : row + kh] = w[:, :, ::-1].transpose(1, 3, 2, 0)
    return filters.reshape(together * c * kw, -1)
