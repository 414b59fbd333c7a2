"""Pooling: the maximum or mean of each window of an image."""

from __future__ import annotations

from math import inf

from ..core.errors import ShapeError
from ..core.op import Array, composite, primitive
from .convolution import Geometry, Pair, pair
from .creation import ones_like
from .joining import pad
from .reductions import max, sum

__all__ = ["avg_pool2d", "fold2d", "max_pool2d", "unfold2d"]


@primitive(
    x=lambda g, x_shape, stride: fold2d(g, image=tuple(x_shape[2:]), stride=stride),
    shapes="any",
)
def unfold2d(xp, x: Array, *, kernel_size: Pair, stride: Pair) -> Array:
    """The elements of each window of an image.

    x : (n, c, h, w). Returns (n, c, kh, kw, rows, columns), where rows and columns count the windows.

    >>> unfold2d(np.arange(4.0).reshape(1, 1, 2, 2), kernel_size=(1, 2), stride=(1, 1)).shape
    (1, 1, 1, 2, 2, 1)
    """
    n, c, h, w = x.shape
    windows = _windows((h, w), kernel_size, stride)
    return xp.reshape(windows.gather(xp, xp.reshape(x, (n * c, h, w, 1))), (n, c, *windows.kernel, *windows.out))


@primitive(
    x=lambda g, x_shape, stride: unfold2d(g, kernel_size=tuple(x_shape[2:4]), stride=stride),
    shapes="any",
)
def fold2d(xp, x: Array, *, image: Pair, stride: Pair) -> Array:
    """The adjoint of `unfold2d`: elements of windows added where they came from, in an image of size `image`.

    x : (n, c, kh, kw, rows, columns). Returns (n, c, *image).

    >>> fold2d(np.ones((1, 1, 1, 2, 1, 2)), image=(1, 3), stride=(1, 1))
    array([[[[1., 2., 1.]]]])
    """
    n, c = x.shape[:2]
    windows = _windows(image, x.shape[2:4], stride)
    return xp.reshape(windows.scatter(xp, xp.reshape(x, (n * c, *x.shape[2:], 1))), (n, c, *image))


@composite(shapes="any")
def max_pool2d(
    x: Array, *, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0
) -> Array:
    """Maximum of each window of an image. Equal maxima of a window share the gradient.

    x : (n, c, h, w). kernel_size, stride, padding : an integer, or (height, width); stride is kernel_size if None, the
    padding at most half of it; padded elements are -inf.
    Returns (n, c, (h + 2 padding - kernel_size) // stride + 1, and so for the width).
    Raises ShapeError if a window is larger than the padded image, or the padding than half a window.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    kernel, steps, border = _arguments("max_pool2d", x, kernel_size, stride, padding)
    return max(unfold2d(_padded(x, border, -inf), kernel_size=kernel, stride=steps), axis=(2, 3))


@composite(shapes="any")
def avg_pool2d(
    x: Array,
    *,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    count_include_pad: bool = True,
) -> Array:
    """Mean of each window of an image.

    x : (n, c, h, w). kernel_size, stride, padding : an integer, or (height, width); stride is kernel_size if None, the
    padding at most half of it.
    count_include_pad : whether padded elements, which are 0, count as elements.
    Returns (n, c, (h + 2 padding - kernel_size) // stride + 1, and so for the width).
    Raises ShapeError if a window is larger than the padded image, or the padding than half a window.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), kernel_size=2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    kernel, steps, border = _arguments("avg_pool2d", x, kernel_size, stride, padding)
    total = sum(unfold2d(_padded(x, border, 0.0), kernel_size=kernel, stride=steps), axis=(2, 3))
    if count_include_pad or border == (0, 0):
        return total / (kernel[0] * kernel[1])
    ones = ones_like(x[:1, :1])
    return total / sum(unfold2d(_padded(ones, border, 0.0), kernel_size=kernel, stride=steps), axis=(2, 3))


def _windows(image: Pair, kernel: Pair, stride: Pair) -> Geometry:
    return Geometry(tuple(image), tuple(kernel), tuple(stride), ((0, 0), (0, 0)), (1, 1))


def _padded(x: Array, border: Pair, value: float) -> Array:
    (h, w) = border
    return pad(x, ((0, 0), (0, 0), (h, h), (w, w)), value=value) if h or w else x


def _arguments(
    op: str, x: Array, kernel_size: int | Pair, stride: int | Pair | None, padding: int | Pair
) -> tuple[Pair, Pair, Pair]:
    """The three arguments as pairs, checked against x."""
    kernel = pair(op, "kernel_size", kernel_size, 1)
    steps = kernel if stride is None else pair(op, "stride", stride, 1)
    border = pair(op, "padding", padding, 0)
    if len(x.shape) != 4:
        raise ShapeError(f"{op}: x is {tuple(x.shape)}; it must be (n, c, h, w).")
    for k, p, length in zip(kernel, border, x.shape[2:], strict=True):
        if 2 * p > k:
            raise ShapeError(f"{op}: padding is {border} and kernel_size {kernel}; it must be at most half of that.")
        if k > length + 2 * p:
            raise ShapeError(
                f"{op}: x is {tuple(x.shape)}, padded by {border}, and kernel_size is {kernel}; the window must not be "
                f"larger than the padded image."
            )
    return kernel, steps, border
