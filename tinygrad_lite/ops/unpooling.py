"""Maxima of windows with the places that they came from, and the inverse, which puts them back there."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import Any

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.dtypes import is_floating
from ..core.errors import DTypeError, ShapeError
from ..core.graph import Handle, unwrap, wrap
from ..core.op import Array, composite
from .adaptive_pooling import OutputSize, adaptive_arguments, adaptive_unfold_nd
from .conversion import astype
from .gathering import check_range, put_along_axis
from .indexing import take_along_axis
from .movement import reshape
from .pooling import pool_arguments, pool_borders
from .reductions import max
from .windows import Sizes, image_axes, padded, per_axis, unfold_nd

__all__ = [
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d_with_indices",
    "max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d",
    "max_unpool3d",
]  # fmt: skip


@composite(shapes="any")
def max_pool1d_with_indices(
    x: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """`max_pool1d`, and where the maxima are; see `max_pool2d_with_indices`. x : (n, c, l).

    >>> max_pool1d_with_indices(np.array([[[1.0, 3.0, 2.0, 0.0]]]), kernel_size=2)
    (array([[[3., 2.]]]), array([[[1, 2]]]))
    """
    return _pooled("max_pool1d_with_indices", x, kernel_size, stride, padding, dilation, ceil_mode, 1)


@composite(shapes="any")
def max_pool2d_with_indices(
    x: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """`max_pool2d`, and where the maxima are: two arrays of the result's shape, the second of integers.

    An index counts the elements of a channel of the image row by row; of equal maxima it is that of the first. The
    derivative is that of `max_pool2d`, by which they share the gradient.

    x : (n, c, h, w). The options are those of `max_pool2d`, as are the errors.

    >>> max_pool2d_with_indices(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)[1]
    array([[[[ 5,  7],
             [13, 15]]]])
    """
    return _pooled("max_pool2d_with_indices", x, kernel_size, stride, padding, dilation, ceil_mode, 2)


@composite(shapes="any")
def max_pool3d_with_indices(
    x: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """`max_pool3d`, and where the maxima are; see `max_pool2d_with_indices`. x : (n, c, d, h, w).

    >>> max_pool3d_with_indices(np.arange(16.0).reshape(1, 1, 2, 2, 4), kernel_size=2)[1]
    array([[[[[13, 15]]]]])
    """
    return _pooled("max_pool3d_with_indices", x, kernel_size, stride, padding, dilation, ceil_mode, 3)


@composite(shapes="any")
def adaptive_max_pool1d_with_indices(x: Array, *, output_size: OutputSize) -> tuple[Array, Array]:
    """`adaptive_max_pool1d`, and where the maxima are; see `max_pool2d_with_indices`.

    >>> adaptive_max_pool1d_with_indices(np.array([[[1.0, 3.0, 2.0]]]), output_size=1)[1]
    array([[[1]]])
    """
    return _adapted("adaptive_max_pool1d_with_indices", x, output_size, 1)


@composite(shapes="any")
def adaptive_max_pool2d_with_indices(x: Array, *, output_size: OutputSize) -> tuple[Array, Array]:
    """`adaptive_max_pool2d`, and where the maxima are; see `max_pool2d_with_indices`.

    >>> adaptive_max_pool2d_with_indices(np.eye(2).reshape(1, 1, 2, 2), output_size=1)[1]
    array([[[[0]]]])
    """
    return _adapted("adaptive_max_pool2d_with_indices", x, output_size, 2)


@composite(shapes="any")
def adaptive_max_pool3d_with_indices(x: Array, *, output_size: OutputSize) -> tuple[Array, Array]:
    """`adaptive_max_pool3d`, and where the maxima are; see `max_pool2d_with_indices`.

    >>> adaptive_max_pool3d_with_indices(np.eye(2).reshape(1, 1, 1, 2, 2), output_size=1)[1]
    array([[[[[0]]]]])
    """
    return _adapted("adaptive_max_pool3d_with_indices", x, output_size, 3)


@composite(shapes="any")
def max_unpool1d(
    x: Array,
    indices: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    output_size: Sizes | None = None,
) -> Array:
    """Maxima of windows put back into a sequence; see `max_unpool2d`. x, indices : (n, c, l).

    >>> max_unpool1d(np.array([[[3.0, 2.0]]]), np.array([[[1, 2]]]), kernel_size=2)
    array([[[0., 3., 2., 0.]]])
    """
    return _unpooled("max_unpool1d", x, indices, kernel_size, stride, padding, output_size, 1)


@composite(shapes="any")
def max_unpool2d(
    x: Array,
    indices: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    output_size: Sizes | None = None,
) -> Array:
    """Maxima of windows put back into an image where they were, with 0 elsewhere: a one-sided inverse of `max_pool2d`.

    x : (n, c, h, w). indices : integers of the same shape, from `max_pool2d_with_indices`. Of several values for one
    place the last remains.
    kernel_size, stride, padding : as they were for the pooling. output_size : the size of the image, also with n and c
    in front; (h - 1) stride - 2 padding + kernel_size, and so for the width, if None.
    Raises ShapeError for shapes that do not fit and indices outside the image; DTypeError if they are no integers.

    >>> max_unpool2d(np.array([[[[4.0]]]]), np.array([[[[2]]]]), kernel_size=2)
    array([[[[0., 0.],
             [4., 0.]]]])
    """
    return _unpooled("max_unpool2d", x, indices, kernel_size, stride, padding, output_size, 2)


@composite(shapes="any")
def max_unpool3d(
    x: Array,
    indices: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    output_size: Sizes | None = None,
) -> Array:
    """Maxima of windows put back into a volume; see `max_unpool2d`. x, indices : (n, c, d, h, w).

    >>> max_unpool3d(np.array([[[[[4.0]]]]]), np.array([[[[[1]]]]]), kernel_size=(1, 1, 2))
    array([[[[[0., 4.]]]]])
    """
    return _unpooled("max_unpool3d", x, indices, kernel_size, stride, padding, output_size, 3)


def _pooled(
    op: str, x: Array, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, axes: int
) -> tuple[Array, Array]:
    kernel, steps, border, gaps = pool_arguments(op, x, kernel_size, stride, padding, dilation, axes)
    borders = pool_borders(op, x, kernel, steps, border, gaps, ceil_mode)

    def windows(image: Array, value: float) -> Array:
        return unfold_nd(padded(image, borders, value), kernel_size=kernel, stride=steps, dilation=gaps)

    return _maxima(x, windows, axes)


def _adapted(op: str, x: Array, output_size: OutputSize, axes: int) -> tuple[Array, Array]:
    sizes, _ = adaptive_arguments(op, x, output_size, axes)
    return _maxima(x, lambda image, value: adaptive_unfold_nd(image, output_size=sizes, value=value), axes)


def _maxima(x: Array, windows: Callable[[Array, float], Array], axes: int) -> tuple[Array, Array]:
    """The maximum of each window and its place; `windows(image, value)` has `value` where there is no element."""
    x = x if is_floating(x.dtype) else astype(x, "float64")  # integers have no -inf
    elements = windows(x, -inf)
    raw = unwrap(elements)
    xp, out = backend_of(raw).xp, tuple(raw.shape[2 + axes :])
    count = prod(raw.shape[2 : 2 + axes])
    image = tuple(x.shape[2:])
    numbers = xp.reshape(xp.arange(prod(image)), (1, 1, *image))
    places = xp.reshape(unwrap(windows(numbers, -1)), (1, 1, count, *out))
    best = xp.argmax(xp.reshape(raw, (*raw.shape[:2], count, *out)), axis=2, keepdims=True)
    chosen = take_along_axis(xp.broadcast_to(places, (*raw.shape[:2], count, *out)), best, axis=2)
    # Where all elements are -inf the first may be padding, which has no place.
    chosen = xp.where(chosen < 0, xp.max(places, axis=2, keepdims=True), chosen)
    chosen = xp.reshape(chosen, (*raw.shape[:2], *out))
    return max(elements, axis=tuple(range(2, 2 + axes))), wrap(chosen, None) if isinstance(x, Handle) else chosen


def _unpooled(
    op: str, x: Array, indices: Array, kernel_size: Any, stride: Any, padding: Any, output_size: Any, axes: int
) -> Array:
    kernel = per_axis(op, "kernel_size", kernel_size, 1, axes)
    steps = kernel if stride is None else per_axis(op, "stride", stride, 1, axes)
    border = per_axis(op, "padding", padding, 0, axes)
    image_axes(op, x, axes)
    index, (n, c, *sizes) = unwrap(indices), shape_of(x)
    if shape_of(index) != shape_of(x):
        raise ShapeError(f"{op}: x is {shape_of(x)} and indices is {shape_of(index)}; they must be equal.")
    if not str(index.dtype).rpartition(".")[2].startswith(("int", "uint")):
        raise DTypeError(f"{op}: indices is {index.dtype}; an array of integers is required.")
    each = zip(sizes, steps, border, kernel, strict=True)
    image = tuple((m - 1) * s - 2 * p + k for m, s, p, k in each)
    if output_size is not None:
        image = tuple(output_size)[-axes:]
        if len(output_size) not in (axes, axes + 2) or min(image) < 1:
            raise ShapeError(f"{op}: output_size is {output_size!r}; it must be {axes} positive integers.")
    flat = (n, c, prod(sizes))
    backend = backend_of(index)
    index = backend.xp.reshape(index, flat)
    check_range(op, "indices", index, prod(image), 0)
    base = backend_of(unwrap(x)).xp.zeros((n, c, prod(image)), dtype=unwrap(x).dtype)
    return reshape(put_along_axis(base, index, reshape(x, flat), axis=-1), (n, c, *image))
