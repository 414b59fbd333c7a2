"""Adaptive pooling: the size of the result is given, and the windows divide the image among it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import inf
from typing import Any

from ..core.dtypes import is_floating
from ..core.errors import ShapeError
from ..core.op import Array, composite, primitive
from .conversion import astype
from .pooling import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from .reductions import max, sum
from .windows import NAMES, Sizes, image_axes, one_image

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_fold_nd",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "adaptive_unfold_nd",
]

OutputSize = int | tuple[int | None, ...]


@primitive(
    x=lambda g, x_shape, output_size: adaptive_fold_nd(g, image=tuple(x_shape[2:]), output_size=output_size),
    shapes="any",
)
def adaptive_unfold_nd(xp, x: Array, *, output_size: Sizes, value: float = 0.0) -> Array:
    """The elements of each of `output_size` windows, which cover an image and may overlap by one element.

    Along an axis of length n, window i of m has the elements from floor(i n / m) to below ceil((i + 1) n / m).

    x : (n, c, *image). Returns (n, c, *longest, *output_size), with `value` in the places that a window lacks, where
    `longest` is the size of the largest window.

    >>> adaptive_unfold_nd(np.array([[[1.0, 2.0, 3.0]]]), output_size=(2,))
    array([[[[1., 2.],
             [2., 3.]]]])
    """
    longest, cells = _cells(tuple(x.shape[2:]), output_size)
    out = xp.full((*x.shape[:2], *longest, *output_size), value, dtype=x.dtype)
    every = slice(None)
    for cell, part, places in cells:
        out[every, every, *places, *cell] = x[every, every, *part]
    return out


@primitive(
    x=lambda g, output_size: adaptive_unfold_nd(g, output_size=output_size),
    shapes="any",
)
def adaptive_fold_nd(xp, x: Array, *, image: Sizes, output_size: Sizes) -> Array:
    """The adjoint of `adaptive_unfold_nd`: elements of windows added where they came from.

    x : (n, c, *longest, *output_size). Returns (n, c, *image).

    >>> adaptive_fold_nd(np.ones((1, 1, 2, 2)), image=(3,), output_size=(2,))
    array([[[1., 2., 1.]]])
    """
    _, cells = _cells(tuple(image), output_size)
    out = xp.zeros((*x.shape[:2], *image), dtype=x.dtype)
    every = slice(None)
    for cell, part, places in cells:
        out[every, every, *part] += x[every, every, *places, *cell]
    return out


def _cells(image: Sizes, output_size: Sizes) -> tuple[Sizes, Iterator[tuple]]:
    """The size of the largest window; and for each, its place, its part of the image, and the places that it fills."""
    axes = [
        [(i, slice(i * n // m, -(-(i + 1) * n // m))) for i in range(m)]
        for n, m in zip(image, output_size, strict=True)
    ]
    lengths = [[part.stop - part.start for _, part in axis] for axis in axes]
    longest = tuple(sorted(each)[-1] for each in lengths)

    def cells() -> Iterator[tuple]:
        for chosen in product(*axes):
            cell, part = zip(*chosen, strict=True)
            yield cell, part, tuple(slice(0, one.stop - one.start) for one in part)

    return longest, cells()


@composite(shapes="any")
def adaptive_max_pool1d(x: Array, *, output_size: OutputSize) -> Array:
    """Maximum of each of `output_size` windows of a sequence; see `adaptive_max_pool2d`. x : (n, c, l).

    >>> adaptive_max_pool1d(np.array([[[1.0, 3.0, 2.0]]]), output_size=2)
    array([[[3., 3.]]])
    """
    return _maximum("adaptive_max_pool1d", x, output_size, 1, max_pool1d)


@composite(shapes="any")
def adaptive_max_pool2d(x: Array, *, output_size: OutputSize) -> Array:
    """Maximum of each of `output_size` windows, which cover an image and may overlap. Equal maxima share the gradient.

    Along an axis of length n, window i of m has the elements from floor(i n / m) to below ceil((i + 1) n / m).

    x : (n, c, h, w). output_size : (height, width) of the result, None for that of x; or one integer for both.
    Raises ShapeError if output_size is something else, or the image is empty.

    >>> adaptive_max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), output_size=(1, None))
    array([[[[12., 13., 14., 15.]]]])
    """
    return _maximum("adaptive_max_pool2d", x, output_size, 2, max_pool2d)


@composite(shapes="any")
def adaptive_max_pool3d(x: Array, *, output_size: OutputSize) -> Array:
    """Maximum of each of `output_size` windows of a volume; see `adaptive_max_pool2d`. x : (n, c, d, h, w).

    >>> adaptive_max_pool3d(np.arange(16.0).reshape(1, 1, 2, 2, 4), output_size=(1, 1, 2))
    array([[[[[13., 15.]]]]])
    """
    return _maximum("adaptive_max_pool3d", x, output_size, 3, max_pool3d)


@composite(shapes="any")
def adaptive_avg_pool1d(x: Array, *, output_size: OutputSize) -> Array:
    """Mean of each of `output_size` windows of a sequence; see `adaptive_avg_pool2d`. x : (n, c, l).

    >>> adaptive_avg_pool1d(np.array([[[1.0, 3.0, 2.0]]]), output_size=2)
    array([[[2. , 2.5]]])
    """
    return _mean("adaptive_avg_pool1d", x, output_size, 1, avg_pool1d)


@composite(shapes="any")
def adaptive_avg_pool2d(x: Array, *, output_size: OutputSize) -> Array:
    """Mean of each of `output_size` windows, which cover an image and may overlap; see `adaptive_max_pool2d`.

    >>> adaptive_avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), output_size=1)
    array([[[[7.5]]]])
    """
    return _mean("adaptive_avg_pool2d", x, output_size, 2, avg_pool2d)


@composite(shapes="any")
def adaptive_avg_pool3d(x: Array, *, output_size: OutputSize) -> Array:
    """Mean of each of `output_size` windows of a volume; see `adaptive_max_pool2d`. x : (n, c, d, h, w).

    >>> adaptive_avg_pool3d(np.arange(16.0).reshape(1, 1, 2, 2, 4), output_size=(1, 1, 2))
    array([[[[[6.5, 8.5]]]]])
    """
    return _mean("adaptive_avg_pool3d", x, output_size, 3, avg_pool3d)


def _maximum(op: str, x: Array, output_size: OutputSize, axes: int, pool: Any) -> Array:
    sizes, kernel = adaptive_arguments(op, x, output_size, axes)
    if kernel is not None:
        return pool(x, kernel_size=kernel)
    x = x if is_floating(x.dtype) else astype(x, "float64")  # integers have no -inf
    return max(adaptive_unfold_nd(x, output_size=sizes, value=-inf), axis=tuple(range(2, 2 + axes)))


def _mean(op: str, x: Array, output_size: OutputSize, axes: int, pool: Any) -> Array:
    sizes, kernel = adaptive_arguments(op, x, output_size, axes)
    if kernel is not None:
        return pool(x, kernel_size=kernel)
    reduced = tuple(range(2, 2 + axes))
    counts = sum(adaptive_unfold_nd(one_image(x), output_size=sizes), axis=reduced)
    return sum(adaptive_unfold_nd(x, output_size=sizes), axis=reduced) / counts


def adaptive_arguments(op: str, x: Array, output_size: OutputSize, axes: int) -> tuple[Sizes, Sizes | None]:
    """The size of the result; and the size of all windows, if they are equal and lie beside each other."""
    image_axes(op, x, axes)
    image = tuple(x.shape[2:])
    given = (output_size,) * axes if output_size is None or isinstance(output_size, int) else tuple(output_size)
    sizes = tuple(n if m is None else m for n, m in zip(image, given, strict=False))
    if len(given) != axes or not all(isinstance(m, int) and m > 0 for m in sizes) or 0 in image:
        raise ShapeError(
            f"{op}: x is {tuple(x.shape)} and output_size is {output_size!r}; it must be an integer from 1 up or "
            f"{NAMES[axes]}, with None for the length of x, and x must not be empty there."
        )
    whole = all(n % m == 0 for n, m in zip(image, sizes, strict=True))
    return sizes, tuple(n // m for n, m in zip(image, sizes, strict=True)) if whole else None
