"""Convolution with stride 1 by tiles: Winograd's method, in which a tile takes fewer multiplications of channels.

Along each axis, m outputs of a filter of k elements come from n = m + k - 1 inputs. They are coefficients of a product
of polynomials, which n values determine: y = A ((G w) * (B x)), where G and B evaluate at n nodes (one of them
infinity) and A interpolates. In two dimensions the matrices are Kronecker products, and the sum over channels makes the
product in the middle n^2 products of matrices: for k = 3 and n = 6 they are a quarter of the multiplications.

The transformations are matrix products as well, on tiles with the channels last. The gradient of the weight is the same
trilinear form, w* = G^T ((A^T y*) (B x)^T), and that of the image is a convolution with the reversed filter.

With n = 6 and the nodes 0, +-3/4, +-3/2, infinity the root-mean-square error is 2.8 times that of the sum of products
(float32, 64 channels: 8.5e-7 of the result's root mean square, its maximum 1e-5); with 0, +-1, +-2 it would be 6 times,
and with n = 4, 0.9 times. No element is off by more than 4 eps times |A| ((|G| |w|) * (|B| |x|)).

Times, on one thread without AVX-512, for 16 images 64 x 32 x 32 and 64 filters 3 x 3, forward and all gradients:
predicted were 0.45 of the multiplications and 0.5 of the definition's time; it is 0.62, since the small matrices of the
transformations run at two thirds of the speed, and gathering tiles takes a sixth. PyTorch takes 1.12 of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ...core.blas import one_blas_thread
from ...core.threads import run_blocks
from .memory import scratch

__all__ = ["Tiles", "convolve", "grid", "matrices", "tiles_of", "weight_gradient"]

NODES = (0.0, 0.75, -0.75, 1.5, -1.5)
N = len(NODES) + 1
"""Inputs of a tile along an axis."""


class Tiles:
    """How many tiles a block has.

    least : for the matrix products to be fast. elements : tiles times channels, so that a block stays in the cache.
    bytes : of transformed tiles that the gradient of the weight holds at a time.
    """

    least, elements, bytes = 64, 1 << 13, 1 << 23


@lru_cache(maxsize=16)
def matrices(kernel: tuple[int, int], dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A (outputs, n^2), G (n^2, filter) and B (n^2, n^2) for tiles of this kernel."""
    axes = [_along_axis(k) for k in kernel]
    return tuple(np.kron(one, other).astype(dtype) for one, other in zip(*axes, strict=True))  # type: ignore[return-value]


def _along_axis(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    nodes, m = np.array(NODES), N + 1 - k
    differences = np.array([np.prod(node - np.delete(nodes, i)) for i, node in enumerate(nodes)])
    last = [np.eye(1, size, size - 1) for size in (m, k)]
    a = np.concatenate([nodes ** np.arange(m)[:, None], last[0].T], axis=1)
    g = np.concatenate([nodes[:, None] ** np.arange(k) / differences[:, None], last[1]])
    b = np.zeros((N, N))
    for i in range(N - 1):
        b[i, : N - 1] = np.poly(np.delete(nodes, i))[::-1]
    b[-1] = np.poly(nodes)[::-1]
    return a, g, b


class _Block(NamedTuple):
    """Images from `first` to `last` and in them the rows of tiles from `top` to `bottom`; `begin` counts tiles."""

    first: int
    last: int
    top: int
    bottom: int
    begin: int


def _blocks(n: int, tiled: tuple[int, int], channels: int) -> list[_Block]:
    """All tiles of `n` images, in blocks that depend on nothing but these numbers."""
    wanted, begin, blocks = max(Tiles.least, Tiles.elements // channels), 0, []
    images = max(1, min(n, wanted // (tiled[0] * tiled[1])))
    rows = min(tiled[0], -(-wanted // tiled[1]))
    for first, top in product(range(0, n, images), range(0, tiled[0], rows)):
        block = _Block(first, min(first + images, n), top, min(top + rows, tiled[0]), begin)
        blocks.append(block)
        begin += (block.last - first) * (block.bottom - top) * tiled[1]
    return blocks


def grid(out: Sequence[int], kernel: Sequence[int]) -> tuple[int, int]:
    """How many rows and columns of tiles an image of this size has."""
    return -(-out[0] // (N + 1 - kernel[0])), -(-out[1] // (N + 1 - kernel[1]))


def _gather(x: np.ndarray, block: _Block, columns: int, before: Sequence[int], step: Sequence[int], sides: Any) -> Any:
    """The elements of tiles with `sides`, `step` apart, in images x (n, h, w, c) with zeros around.

    Returns (elements of a tile, tiles * c).
    """
    images, channels = block.last - block.first, x.shape[3]
    rows = block.bottom - block.top
    height, width = ((count - 1) * s + side for count, s, side in zip((rows, columns), step, sides, strict=True))
    top, left = block.top * step[0] - before[0], -before[1]
    part = x[block.first : block.last, max(top, 0) : top + height, max(left, 0) : left + width]
    if part.shape[1:3] != (height, width) or part.strides[3] != x.itemsize:
        if x.strides[3] == x.itemsize:
            stage = scratch("stage", (images, height, width, channels), x.dtype)
        else:
            # With a power of two between channels, all those of one element would meet in one set of the cache: the
            # copy would take 3.9 times as long.
            pitch = 16 * (((height * width + 15) // 16) | 1)
            stage = scratch("stage", (images, channels, pitch), x.dtype)[:, :, : height * width]
            stage = stage.reshape(images, channels, height, width).transpose(0, 2, 3, 1)
        y, z = max(-top, 0), max(-left, 0)
        if part.shape[1:3] != (height, width):
            stage[...] = 0
        stage[:, y : y + part.shape[1], z : z + part.shape[2]] = part
        part = stage
    tiles = scratch("tiles", (*sides, images, rows, columns, channels), x.dtype)
    for i, j in product(*map(range, sides)):
        tiles[i, j] = part[:, i : i + (rows - 1) * step[0] + 1 : step[0], j : j + (columns - 1) * step[1] + 1 : step[1]]
    return tiles.reshape(sides[0] * sides[1], -1)


def convolve(
    x: np.ndarray,
    w: np.ndarray,
    before: Sequence[int],
    out: np.ndarray,
    bias: np.ndarray | None = None,
    keep: np.ndarray | None = None,
) -> bool:
    """Write the convolution of images x (n, h, w, c) with filters w (kh, kw, c, d) into `out`, (n, h, w, d).

    before : zeros above and on the left of the images. bias : (d,), added to every pixel, or None.
    keep : where to write the transformed tiles (n^2, tiles, c), which the gradient of the filters needs too, or None.
    Returns whether all is finite. A value that is not would spread over its tile, and transformed values may overflow
    where the result does not.
    """
    (kh, kw, channels, outputs), dtype = w.shape, x.dtype
    step, (rows_of_tiles, columns) = (N + 1 - kh, N + 1 - kw), grid(out.shape[1:3], w.shape)
    a, g, b = matrices((kh, kw), dtype)
    finite = []
    with one_blas_thread(), np.errstate(all="ignore"):
        filters = (g @ w.reshape(kh * kw, -1)).reshape(N * N, channels, outputs)

        def work(block: _Block) -> None:
            tiles = _gather(x, block, columns, before, step, (N, N))
            rows, images = block.bottom - block.top, block.last - block.first
            count = images * rows * columns
            if keep is None:
                values = np.matmul(b, tiles, out=scratch("values", tiles.shape, dtype)).reshape(N * N, count, channels)
            else:
                values = keep[:, block.begin : block.begin + count]
                np.matmul(b, tiles, out=_flat(values))
            sums = np.matmul(values, filters, out=scratch("sums", (N * N, count, outputs), dtype))
            ready = np.matmul(a, sums.reshape(N * N, -1), out=scratch("tiles", (len(a), count * outputs), dtype))
            finite.append(np.isfinite(np.dot(ready.reshape(-1), ready.reshape(-1))))
            ready = ready.reshape(*step, images, rows, columns, outputs)
            for i, j in product(*map(range, step)):
                part = out[block.first : block.last, block.top * step[0] + i : block.bottom * step[0] : step[0]]
                part = part[:, :, j :: step[1]]
                found = ready[i, j, :, : part.shape[1], : part.shape[2]]
                if bias is None:
                    part[...] = found
                else:
                    np.add(found, bias, out=part)

        run_blocks(work, _blocks(len(x), (rows_of_tiles, columns), max(channels, outputs)))
    return all(finite)


def tiles_of(x: np.ndarray, out: Sequence[int], kernel: Sequence[int]) -> np.ndarray:
    """Memory for the transformed tiles of images x (n, h, w, c)."""
    rows, columns = grid(out, kernel)
    return np.empty((N * N, len(x) * rows * columns, x.shape[3]), x.dtype)


def _flat(tiles: np.ndarray) -> np.ndarray:
    """Transformed tiles (n^2, some tiles, c) as a view (n^2, tiles * c)."""
    shape = (len(tiles), tiles.shape[1] * tiles.shape[2])
    return np.lib.stride_tricks.as_strided(tiles, shape, tiles.strides[::2])


def weight_gradient(
    x: np.ndarray,
    y: np.ndarray,
    before: Sequence[int],
    kernel: tuple[int, int],
    kept: np.ndarray | None = None,
) -> np.ndarray | None:
    """The gradient of filters, (kh, kw, c, d), for images x (n, h, w, c) and cotangents y (n, *out, d).

    kept : what `convolve` kept. Returns None if it is not finite.
    """
    channels, outputs, dtype = x.shape[3], y.shape[3], x.dtype
    step, tiled = (N + 1 - kernel[0], N + 1 - kernel[1]), grid(y.shape[1:3], kernel)
    a, g, b = matrices(kernel, dtype)
    per_image = tiled[0] * tiled[1]
    most = max(1, Tiles.bytes // (N * N * (channels + outputs) * dtype.itemsize * per_image))
    at_once = -(-len(x) // -(-len(x) // most))
    total = np.zeros((N * N, channels, outputs), dtype)
    with one_blas_thread(), np.errstate(all="ignore"):
        for first in range(0, len(x), at_once):
            some, cotangents = x[first : first + at_once], y[first : first + at_once]
            slopes = scratch("all slopes", (N * N, len(some) * per_image, outputs), dtype)
            transforms = [(cotangents, a.T, slopes, step, (0, 0))]
            if kept is None:
                values = scratch("all values", (N * N, len(some) * per_image, channels), dtype)
                transforms.append((some, b, values, (N, N), before))
            else:
                values = kept[:, first * per_image : (first + len(some)) * per_image]

            def transform(block: _Block, transforms=transforms) -> None:
                count = (block.last - block.first) * (block.bottom - block.top) * tiled[1]
                for array, matrix, into, sides, around in transforms:
                    gathered = _gather(array, block, tiled[1], around, step, sides)
                    np.matmul(matrix, gathered, out=_flat(into[:, block.begin : block.begin + count]))

            def multiply(i: int, values=values, slopes=slopes) -> None:
                total[i] += values[i].T @ slopes[i]

            run_blocks(transform, _blocks(len(some), tiled, max(channels, outputs)))
            run_blocks(multiply, range(N * N))
        filters = (g.T @ total.reshape(N * N, -1)).reshape(*kernel, channels, outputs)
        finite = np.isfinite(np.dot(filters.reshape(-1), filters.reshape(-1)))
    return filters if finite else None
