"""Pooling: the maximum, mean or norm of each window of an image, in one, two and three dimensions."""

from __future__ import annotations

from math import inf, prod
from typing import Any

from ..core.dtypes import is_floating
from ..core.errors import ShapeError
from ..core.op import Array, composite
from .comparison import where
from .conversion import astype
from .elementwise import abs, power
from .reductions import max, sum
from .windows import Borders, Sizes, image_axes, one_image, padded, per_axis, unfold_nd

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]


@composite(shapes="any")
def max_pool1d(
    x: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
) -> Array:
    """Maximum of each window of a sequence; see `max_pool2d`. x : (n, c, l).

    >>> max_pool1d(np.array([[[1.0, 3.0, 2.0, 0.0]]]), kernel_size=2)
    array([[[3., 2.]]])
    """
    return _max("max_pool1d", x, kernel_size, stride, padding, dilation, ceil_mode, axes=1)


@composite(shapes="any")
def max_pool2d(
    x: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
) -> Array:
    """Maximum of each window of an image. Equal maxima of a window share the gradient.

    x : (n, c, h, w). kernel_size, stride, padding, dilation : an integer, or (height, width); stride is kernel_size if
    None, the padding at most half of it; padded elements are -inf.
    ceil_mode : whether a last window that reaches beyond the padded image counts, if it begins before its end padding.
    Returns (n, c, (h + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1, and so for the width).
    Raises ShapeError if a window is larger than the padded image, or the padding than half a window.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _max("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode, axes=2)


@composite(shapes="any")
def max_pool3d(
    x: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    dilation: int | Sizes = 1,
    ceil_mode: bool = False,
) -> Array:
    """Maximum of each window of a volume; see `max_pool2d`. x : (n, c, d, h, w).

    >>> max_pool3d(np.arange(16.0).reshape(1, 1, 2, 2, 4), kernel_size=2)
    array([[[[[13., 15.]]]]])
    """
    return _max("max_pool3d", x, kernel_size, stride, padding, dilation, ceil_mode, axes=3)


@composite(shapes="any")
def avg_pool1d(
    x: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Mean of each window of a sequence; see `avg_pool2d`. x : (n, c, l).

    >>> avg_pool1d(np.array([[[1.0, 3.0, 2.0, 0.0]]]), kernel_size=2)
    array([[[2., 1.]]])
    """
    return _mean("avg_pool1d", x, kernel_size, stride, padding, ceil_mode, count_include_pad, None, axes=1)


@composite(shapes="any")
def avg_pool2d(
    x: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Array:
    """Mean of each window of an image.

    x : (n, c, h, w). kernel_size, stride, padding : an integer, or (height, width); stride is kernel_size if None, the
    padding at most half of it.
    ceil_mode : as for `max_pool2d`; what lies beyond the padded image is never counted.
    count_include_pad : whether padded elements, which are 0, count as elements.
    divisor_override : the number to divide the sum of each window by, instead of the number of its elements.
    Returns (n, c, (h + 2 padding - kernel_size) // stride + 1, and so for the width).
    Raises ShapeError if a window is larger than the padded image, or the padding than half a window, and for a divisor
    of 0.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return _mean("avg_pool2d", x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, axes=2)


@composite(shapes="any")
def avg_pool3d(
    x: Array,
    *,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    padding: int | Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Array:
    """Mean of each window of a volume; see `avg_pool2d`. x : (n, c, d, h, w).

    >>> avg_pool3d(np.arange(16.0).reshape(1, 1, 2, 2, 4), kernel_size=2)
    array([[[[[6.5, 8.5]]]]])
    """
    return _mean("avg_pool3d", x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, axes=3)


@composite(shapes="any")
def lp_pool1d(
    x: Array,
    *,
    norm_type: float,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Norm of each window of a sequence; see `lp_pool2d`. x : (n, c, l).

    >>> lp_pool1d(np.array([[[3.0, 4.0, 5.0, 12.0]]]), norm_type=2, kernel_size=2)
    array([[[ 5., 13.]]])
    """
    return _norm("lp_pool1d", x, norm_type, kernel_size, stride, ceil_mode, axes=1)


@composite(shapes="any")
def lp_pool2d(
    x: Array,
    *,
    norm_type: float,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Power-average pooling, (the sum of x^p over each window of an image)^(1/p), for p = `norm_type`.

    x : (n, c, h, w). A window whose sum is 0 has gradient 0 (unless p is 1); a negative sum gives NaN (unless p is 1).
    norm_type : any number but 0; infinity gives the maximum of abs(x), minus infinity the minimum.
    kernel_size, stride, ceil_mode : as for `max_pool2d`. A window that reaches beyond the image counts as if the
        elements that it lacks had the mean of the others' powers.
    Raises ShapeError if a window is larger than the image, and for p = 0.

    >>> lp_pool2d(np.array([[[[3.0, 4.0], [0.0, 12.0]]]]), norm_type=2, kernel_size=2)
    array([[[[13.]]]])
    """
    return _norm("lp_pool2d", x, norm_type, kernel_size, stride, ceil_mode, axes=2)


@composite(shapes="any")
def lp_pool3d(
    x: Array,
    *,
    norm_type: float,
    kernel_size: int | Sizes,
    stride: int | Sizes | None = None,
    ceil_mode: bool = False,
) -> Array:
    """Norm of each window of a volume; see `lp_pool2d`. x : (n, c, d, h, w).

    >>> lp_pool3d(np.ones((1, 1, 2, 2, 1)), norm_type=2, kernel_size=(2, 2, 1))
    array([[[[[2.]]]]])
    """
    return _norm("lp_pool3d", x, norm_type, kernel_size, stride, ceil_mode, axes=3)


def _max(
    op: str, x: Array, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, axes: int
) -> Array:
    kernel, steps, border, gaps = pool_arguments(op, x, kernel_size, stride, padding, dilation, axes)
    borders = pool_borders(op, x, kernel, steps, border, gaps, ceil_mode)
    x = x if is_floating(x.dtype) else astype(x, "float64")  # integers have no -inf
    windows = unfold_nd(padded(x, borders, -inf), kernel_size=kernel, stride=steps, dilation=gaps)
    return max(windows, axis=tuple(range(2, 2 + axes)))


def _mean(
    op: str,
    x: Array,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: float | None,
    axes: int,
) -> Array:
    if divisor == 0:
        raise ShapeError(f"{op}: divisor_override is 0; it must be another number, or None.")
    kernel, steps, border, gaps = pool_arguments(op, x, kernel_size, stride, padding, 1, axes)
    borders = pool_borders(op, x, kernel, steps, border, gaps, ceil_mode)

    def totals(image: Array, borders: Borders) -> Array:
        windows = unfold_nd(padded(image, borders), kernel_size=kernel, stride=steps, dilation=gaps)
        return sum(windows, axis=tuple(range(2, 2 + axes)))

    total = totals(x, borders)
    if divisor is not None:
        return total / divisor
    inner = tuple((p, p) for p in border)
    if borders == inner and (count_include_pad or not any(border)):
        return total / prod(kernel)
    counted = padded(one_image(x), inner, float(count_include_pad))
    return total / totals(counted, tuple((0, after - p) for (_, after), p in zip(borders, border, strict=True)))


def _norm(op: str, x: Array, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool, axes: int) -> Array:
    if norm_type == 0:
        raise ShapeError(f"{op}: norm_type is 0; it must be another number.")
    if norm_type in (inf, -inf):
        largest = _max(op, abs(x) if norm_type > 0 else -abs(x), kernel_size, stride, 0, 1, ceil_mode, axes)
        return largest if norm_type > 0 else -largest
    means = _mean(op, power(x, norm_type), kernel_size, stride, 0, ceil_mode, True, None, axes)
    total = means * prod(per_axis(op, "kernel_size", kernel_size, 1, axes))
    if norm_type == 1:
        return total
    zero = total == 0
    return where(zero, 0.0, power(where(zero, 1.0, total), 1.0 / norm_type))


def pool_arguments(
    op: str, x: Array, kernel_size: Any, stride: Any, padding: Any, dilation: Any, axes: int
) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    """kernel_size, stride, padding and dilation for each axis, checked against each other."""
    kernel = per_axis(op, "kernel_size", kernel_size, 1, axes)
    steps = kernel if stride is None else per_axis(op, "stride", stride, 1, axes)
    border, gaps = per_axis(op, "padding", padding, 0, axes), per_axis(op, "dilation", dilation, 1, axes)
    image_axes(op, x, axes)
    if any(2 * p > (k - 1) * d + 1 for p, k, d in zip(border, kernel, gaps, strict=True)):
        raise ShapeError(f"{op}: padding is {border} and kernel_size {kernel}; it must be at most half of that.")
    return kernel, steps, border, gaps


def pool_borders(
    op: str, x: Array, kernel: Sizes, stride: Sizes, border: Sizes, dilation: Sizes, ceil_mode: bool
) -> Borders:
    """What to add around x, at the end also for windows that begin inside it and end beyond, if `ceil_mode`."""
    borders = []
    for n, k, s, p, d in zip(x.shape[2:], kernel, stride, border, dilation, strict=True):
        room, end = n + 2 * p - (k - 1) * d - 1, p
        if ceil_mode:
            last = -(-room // s)
            last -= int(last * s >= n + p)
            end += last * s - room if last * s > room else 0
        if room + end - p < 0:
            raise ShapeError(
                f"{op}: x is {tuple(x.shape)}, padded by {border}, and kernel_size is {kernel}; the window must not be "
                f"larger than the padded image."
            )
        borders.append((p, end))
    return tuple(borders)
