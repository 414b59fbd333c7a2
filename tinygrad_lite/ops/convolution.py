"""Convolution in one, two and three dimensions, as networks understand it: a cross-correlation over channels.

It is linear in the image, in the weight and in the cotangent, and the sum of their products is one trilinear form. So
there are three primitives, each computing the derivative of that form with respect to one of the three from the other
two, and the rules of each are the other two. Derivatives of any order need nothing else, and transposed convolution is
one of the three.
"""

from __future__ import annotations

import math
from typing import Literal

from ..core.errors import ShapeError
from ..core.op import Array, composite, primitive
from .joining import pad
from .movement import reshape
from .windows import LETTERS, Borders, Sizes, batch_first, batch_last, check_fit, geometry, per_axis

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolve_nd",
    "convolve_nd_input",
    "convolve_nd_weight",
]

Padding = int | Sizes | Literal["same", "valid"]


# The three primitives. Shapes: x (n, c_in, *image), w (c_out, c_in / groups, *kernel), y (n, c_out, *out).


@primitive(
    x=lambda g, w, x_shape, stride, padding, dilation, groups: convolve_nd_input(
        g, w, image=tuple(x_shape[2:]), stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    w=lambda g, x, w_shape, stride, padding, dilation, groups: convolve_nd_weight(
        g, x, kernel=tuple(w_shape[2:]), stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    shapes="any",
)
def convolve_nd(xp, x: Array, w: Array, *, stride: Sizes, padding: Borders, dilation: Sizes, groups: int) -> Array:
    """Convolution in any number of dimensions with all arguments in their full form, padding as (before, after) pairs.

    x : (n, c_in, *image). w : (c_out, c_in / groups, *kernel). Returns (n, c_out, *out).

    >>> full = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    >>> convolve_nd(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), **full)
    array([[[[4., 4.],
             [4., 4.]]]])
    """
    windows = geometry(x.shape[2:], w.shape[2:], stride, padding, dilation)
    n = x.shape[0]
    columns = xp.reshape(windows.gather(xp, batch_last(xp, x)), (groups, *windows.matrix(w.shape[1], n)))
    filters = xp.reshape(w, (groups, w.shape[0] // groups, math.prod(w.shape[1:])))
    return batch_first(xp, xp.reshape(xp.matmul(filters, columns), (w.shape[0], *windows.out, n)))


@primitive(
    y=lambda g, w, stride, padding, dilation, groups: convolve_nd(
        g, w, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    w=lambda g, y, w_shape, stride, padding, dilation, groups: convolve_nd_weight(
        y, g, kernel=tuple(w_shape[2:]), stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    shapes="any",
)
def convolve_nd_input(
    xp, y: Array, w: Array, *, image: Sizes, stride: Sizes, padding: Borders, dilation: Sizes, groups: int
) -> Array:
    """The adjoint of `convolve_nd` in x (a transposed convolution): the gradient of images of size `image`.

    y : (n, c_out, *out). w : (c_out, c_in / groups, *kernel). Returns (n, c_in, *image).

    >>> full = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    >>> convolve_nd_input(np.ones((1, 1, 1, 1)), np.ones((1, 1, 2, 2)), image=(2, 2), **full)
    array([[[[1., 1.],
             [1., 1.]]]])
    """
    windows = geometry(image, w.shape[2:], stride, padding, dilation)
    n, inputs = y.shape[0], w.shape[1] * groups
    filters = xp.reshape(w, (groups, w.shape[0] // groups, math.prod(w.shape[1:])))
    cotangents = xp.reshape(batch_last(xp, y), (groups, w.shape[0] // groups, math.prod(windows.out) * n))
    columns = xp.matmul(xp.matrix_transpose(filters), cotangents)
    return batch_first(xp, windows.scatter(xp, xp.reshape(columns, (inputs, *windows.kernel, *windows.out, n))))


@primitive(
    y=lambda g, x, stride, padding, dilation, groups: convolve_nd(
        x, g, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    x=lambda g, y, x_shape, stride, padding, dilation, groups: convolve_nd_input(
        y, g, image=tuple(x_shape[2:]), stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    shapes="any",
)
def convolve_nd_weight(
    xp, y: Array, x: Array, *, kernel: Sizes, stride: Sizes, padding: Borders, dilation: Sizes, groups: int
) -> Array:
    """The adjoint of `convolve_nd` in w: the gradient of filters of size `kernel`.

    y : (n, c_out, *out). x : (n, c_in, *image). Returns (c_out, c_in / groups, *kernel).

    >>> full = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    >>> convolve_nd_weight(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), kernel=(1, 1), **full)
    array([[[[4.]]]])
    """
    windows = geometry(x.shape[2:], kernel, stride, padding, dilation)
    n, outputs = x.shape[0], y.shape[1]
    columns = xp.reshape(windows.gather(xp, batch_last(xp, x)), (groups, *windows.matrix(x.shape[1] // groups, n)))
    cotangents = xp.reshape(batch_last(xp, y), (groups, outputs // groups, math.prod(windows.out) * n))
    products = xp.matmul(cotangents, xp.matrix_transpose(columns))
    return xp.reshape(products, (outputs, x.shape[1] // groups, *kernel))


@composite(shapes="any", autocast="low")
def conv1d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: int | Sizes = 1,
    padding: Padding = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Array:
    """One-dimensional convolution (cross-correlation) of sequences with filters; see `conv2d`.

    x : (n, c_in, l). w : (c_out, c_in / groups, k). bias : (c_out,) or None.
    Returns (n, c_out, (l + 2 padding - dilation (k - 1) - 1) // stride + 1).

    >>> conv1d(np.array([[[1.0, 2.0, 4.0]]]), np.array([[[-1.0, 1.0]]]))
    array([[[1., 2.]]])
    """
    return _convolution("conv1d", x, w, bias, stride, padding, dilation, groups, axes=1)


@composite(shapes="any", autocast="low")
def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: int | Sizes = 1,
    padding: Padding = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Array:
    """Two-dimensional convolution (cross-correlation) of images with filters.

    Element (o, r, q) of the result is bias[o] + the sum over c, i, j of w[o, c, i, j] x[:, c, s r + d i, s q + d j].

    x : (n, c_in, h, w). w : (c_out, c_in / groups, kh, kw). bias : (c_out,) or None.
    stride, dilation : steps s between windows and d between elements of a window; an integer, or (height, width).
    padding : zeros added on each side; `"same"` keeps the size of the image (with stride 1), `"valid"` adds none.
    groups : the channels are split into so many groups, convolved separately.
    Returns (n, c_out, (h + 2 padding - dilation (kh - 1) - 1) // stride + 1, and so for the width).
    Raises ShapeError for shapes that do not fit, and windows larger than the padded image.

    >>> conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), stride=2, padding=1)
    array([[[[4., 6.],
             [6., 9.]]]])
    """
    return _convolution("conv2d", x, w, bias, stride, padding, dilation, groups, axes=2)


@composite(shapes="any", autocast="low")
def conv3d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: int | Sizes = 1,
    padding: Padding = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Array:
    """Three-dimensional convolution (cross-correlation) of volumes with filters; see `conv2d`.

    x : (n, c_in, d, h, w). w : (c_out, c_in / groups, kd, kh, kw). bias : (c_out,) or None.

    >>> conv3d(np.ones((1, 1, 3, 3, 3)), np.ones((1, 1, 2, 2, 3)))
    array([[[[[12.],
              [12.]],
    <BLANKLINE>
             [[12.],
              [12.]]]]])
    """
    return _convolution("conv3d", x, w, bias, stride, padding, dilation, groups, axes=3)


@composite(shapes="any", autocast="low")
def conv_transpose1d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: int | Sizes = 1,
    padding: int | Sizes = 0,
    output_padding: int | Sizes = 0,
    groups: int = 1,
    dilation: int | Sizes = 1,
) -> Array:
    """One-dimensional transposed convolution; see `conv_transpose2d`.

    x : (n, c_in, l). w : (c_in, c_out / groups, k). bias : (c_out,) or None.

    >>> conv_transpose1d(np.array([[[1.0, 2.0]]]), np.ones((1, 1, 3)), stride=2)
    array([[[1., 1., 3., 2., 2.]]])
    """
    return _transposed("conv_transpose1d", x, w, bias, stride, padding, output_padding, groups, dilation, axes=1)


@composite(shapes="any", autocast="low")
def conv_transpose2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: int | Sizes = 1,
    padding: int | Sizes = 0,
    output_padding: int | Sizes = 0,
    groups: int = 1,
    dilation: int | Sizes = 1,
) -> Array:
    """Two-dimensional transposed convolution: each element of x adds a filter, times itself, to the result.

    It is the adjoint of `conv2d` with the same options, plus the bias.

    x : (n, c_in, h, w). w : (c_in, c_out / groups, kh, kw). bias : (c_out,) or None.
    stride, dilation, groups : as for `conv2d`. padding : elements cut off on each side of the result.
    output_padding : rows and columns more at the end, fewer than stride or dilation: `conv2d` with a stride gives one
        size for several, and this says which.
    Returns (n, c_out, (h - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1, and so for the width).
    Raises ShapeError for shapes that do not fit, and for an empty result.

    >>> conv_transpose2d(np.array([[[[1.0, 2.0]]]]), np.ones((1, 1, 2, 2)))
    array([[[[1., 3., 2.],
             [1., 3., 2.]]]])
    """
    return _transposed("conv_transpose2d", x, w, bias, stride, padding, output_padding, groups, dilation, axes=2)


@composite(shapes="any", autocast="low")
def conv_transpose3d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: int | Sizes = 1,
    padding: int | Sizes = 0,
    output_padding: int | Sizes = 0,
    groups: int = 1,
    dilation: int | Sizes = 1,
) -> Array:
    """Three-dimensional transposed convolution; see `conv_transpose2d`.

    x : (n, c_in, d, h, w). w : (c_in, c_out / groups, kd, kh, kw). bias : (c_out,) or None.

    >>> conv_transpose3d(np.ones((1, 1, 1, 1, 2)), np.ones((1, 1, 1, 2, 2)))
    array([[[[[1., 2., 1.],
              [1., 2., 1.]]]]])
    """
    return _transposed("conv_transpose3d", x, w, bias, stride, padding, output_padding, groups, dilation, axes=3)


def _convolution(
    op: str,
    x: Array,
    w: Array,
    bias: Array | None,
    stride: int | Sizes,
    padding: Padding,
    dilation: int | Sizes,
    groups: int,
    axes: int,
) -> Array:
    _check_axes(op, x, w, axes, "c_out, c_in / groups")
    steps, gaps = per_axis(op, "stride", stride, 1, axes), per_axis(op, "dilation", dilation, 1, axes)
    image, kernel = tuple(x.shape[2:]), tuple(w.shape[2:])
    _check_channels(op, x, w, groups)
    _check_bias(op, w, bias, w.shape[0])
    borders = borders_of(op, padding, kernel, steps, gaps)
    check_fit(op, geometry(image, kernel, steps, borders, gaps))
    out = convolve_nd(x, w, stride=steps, padding=borders, dilation=gaps, groups=groups)
    return out if bias is None else out + reshape(bias, (-1, *[1] * axes))


def _transposed(
    op: str,
    x: Array,
    w: Array,
    bias: Array | None,
    stride: int | Sizes,
    padding: int | Sizes,
    output_padding: int | Sizes,
    groups: int,
    dilation: int | Sizes,
    axes: int,
) -> Array:
    _check_axes(op, x, w, axes, "c_in, c_out / groups")
    steps, gaps = per_axis(op, "stride", stride, 1, axes), per_axis(op, "dilation", dilation, 1, axes)
    cut, more = per_axis(op, "padding", padding, 0, axes), per_axis(op, "output_padding", output_padding, 0, axes)
    if any(extra >= max(s, d) for extra, s, d in zip(more, steps, gaps, strict=True)):
        raise ShapeError(
            f"{op}: output_padding is {more}, stride is {steps} and dilation is {gaps}; output_padding must be smaller "
            f"than one of them on each axis."
        )
    if groups < 1 or w.shape[0] % groups or x.shape[1] != w.shape[0]:
        raise ShapeError(
            f"{op}: x is {tuple(x.shape)}, w is {tuple(w.shape)} and groups is {groups}; the channels of x "
            f"({x.shape[1]}) must equal the first axis of w ({w.shape[0]}), and be a multiple of groups."
        )
    _check_bias(op, w, bias, w.shape[1] * groups)
    lengths, kernel = tuple(x.shape[2:]), tuple(w.shape[2:])
    each = zip(lengths, kernel, steps, cut, more, gaps, strict=True)
    image = tuple((n - 1) * s - 2 * p + d * (k - 1) + extra + 1 for n, k, s, p, extra, d in each)
    if min(image) < 1 or 0 in kernel or 0 in lengths:
        raise ShapeError(
            f"{op}: x is {tuple(x.shape)} and the kernel {kernel}, with stride {steps}, padding {cut}, dilation {gaps} "
            f"and output_padding {more}; the result would be {image}, and must not be empty."
        )
    borders = tuple((p, p) for p in cut)
    whole = geometry(image, kernel, steps, borders, gaps).out
    if whole != lengths:
        # An output_padding from the stride up: windows that only zeros of x reach.
        x = pad(x, ((0, 0), (0, 0), *[(0, n - given) for n, given in zip(whole, lengths, strict=True)]))
    out = convolve_nd_input(x, w, image=image, stride=steps, padding=borders, dilation=gaps, groups=groups)
    return out if bias is None else out + reshape(bias, (-1, *[1] * axes))


def borders_of(op: str, value: Padding, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Borders:
    """Elements to add on both sides of each axis."""
    axes = len(kernel)
    if value == "valid":
        return ((0, 0),) * axes
    if value == "same":
        if stride != (1,) * axes:
            raise ShapeError(f"{op}: padding is 'same' and stride is {stride}; 'same' needs stride 1.")
        total = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)
    if isinstance(value, str):
        count = {1: "one integer", 2: "two integers", 3: "three integers"}[axes]
        raise ShapeError(f"{op}: padding is {value!r}; it must be an integer, {count}, 'same' or 'valid'.")
    return tuple((p, p) for p in per_axis(op, "padding", value, 0, axes))


def _check_axes(op: str, x: Array, w: Array, axes: int, channels: str) -> None:
    if len(x.shape) != axes + 2 or len(w.shape) != axes + 2:
        kernel = "k" if axes == 1 else ", ".join(f"k{letter}" for letter in LETTERS[axes].split(", "))
        raise ShapeError(
            f"{op}: x is {tuple(x.shape)} and w is {tuple(w.shape)}; they must be (n, c_in, {LETTERS[axes]}) and "
            f"({channels}, {kernel})."
        )


def _check_channels(op: str, x: Array, w: Array, groups: int) -> None:
    if groups < 1 or w.shape[0] % groups or x.shape[1] != w.shape[1] * groups:
        raise ShapeError(
            f"{op}: x is {tuple(x.shape)}, w is {tuple(w.shape)} and groups is {groups}; the channels of x "
            f"({x.shape[1]}) must be groups times the second axis of w ({w.shape[1]}), and the first axis of w "
            f"({w.shape[0]}) a multiple of groups."
        )


def _check_bias(op: str, w: Array, bias: Array | None, channels: int) -> None:
    if bias is not None and tuple(bias.shape) != (channels,):
        raise ShapeError(f"{op}: bias is {tuple(bias.shape)}, w is {tuple(w.shape)}; bias must be ({channels},).")
