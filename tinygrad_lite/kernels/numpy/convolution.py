"""Kernels for `ops/convolution.py`: a band of rows at a time, by strips, by channel, or by Winograd's tiles."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from ...core.errors import ShapeError
from ...core.op import kernel
from ...ops import conv2d, convolve_nd, convolve_nd_input, convolve_nd_weight
from ...ops.convolution import borders_of
from ...ops.windows import Geometry, geometry
from . import bands, depthwise, pointwise, strips, winograd
from .memory import in_order

__all__ = ["Least"]


class Least:
    """What the kernels need to be faster.

    elements : of all windows. channels, tiles : for tiles, the channels of both images, and how many tiles there are.
    Fractions of the definition's time for 3 x 3, forward and gradient of the weight, one thread: 16 channels 1.4 and
    1.4; 32 channels 0.9 and 1.0; 64 channels 0.75 and 0.85; 128 channels 0.65 and 0.7; with 16 tiles 1.0 and 1.2.
    """

    elements = 1 << 18
    channels, tiles = 32, 64


class Most:
    """Bytes up to which something is kept from an operation to its gradient.

    kept : transformed tiles. strips : what strips of rows have gathered, which takes a tenth of the gradient's time.
    """

    kept, strips = 1 << 25, 1 << 22


# A band of rows at a time; the definition explains what is wrong with arguments.


def _windows(
    x: tuple[int, ...], w: tuple[int, ...], stride: Any, padding: Any, dilation: Any, groups: int
) -> Geometry | None:
    """The windows of images and filters of these shapes, or None if they are too few to gain or do not fit."""
    if len(x) != len(w) or 0 in w or groups < 1 or w[0] % groups or x[1] != w[1] * groups:
        return None
    windows = geometry(x[2:], w[2:], tuple(stride), tuple(padding), tuple(dilation))
    if min(windows.out) < 1 or min(side for sides in padding for side in sides) < 0:
        return None
    rows, columns = windows.matrix(*x[1::-1])
    return windows if rows * columns >= Least.elements else None


def _arrays(a: Any, b: Any) -> bool:
    return type(a) is np.ndarray and type(b) is np.ndarray and a.dtype == b.dtype and a.dtype.char in "fd"


def _forward(x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    return _arrays(x, w) and _windows(x.shape, w.shape, stride, padding, dilation, groups) is not None


def _pointwise(windows: Geometry, groups: int) -> bool:
    """Whether each result comes from one pixel."""
    return groups == 1 and math.prod(windows.kernel) == 1 and windows.out == windows.image == windows.padded


@kernel(convolve_nd, "numpy", when=_forward)
def _(x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    windows = geometry(x.shape[2:], w.shape[2:], tuple(stride), tuple(padding), tuple(dilation))
    if _pointwise(windows, groups) and pointwise.channels_last(x) is not None:
        return pointwise.product(x, w.reshape(w.shape[:2]))
    if groups == len(w) == x.shape[1]:
        return depthwise.convolve(x, w, windows)
    if strips.fits(windows, x.shape[1], len(x), groups):
        return _of_strips(x, w, windows, None, None)
    return bands.convolve(x, w, windows, groups)


def _of_strips(x: Any, w: Any, windows: Geometry, bias: Any, columns: Any) -> Any:
    result = strips.new_images((len(x), len(w), *windows.out), x.dtype)
    strips.convolve(strips.by_rows("padded", x, windows), w, windows, strips.as_rows(result), bias, columns)
    return result


def _input(y: Any, w: Any, *, image: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    if not _arrays(y, w) or y.ndim != w.ndim or y.shape[1] != len(w):
        return False
    windows = _windows((len(y), w.shape[1] * groups, *image), w.shape, stride, padding, dilation, groups)
    return windows is not None and windows.out == y.shape[2:]


@kernel(convolve_nd_input, "numpy", when=_input)
def _(y: Any, w: Any, *, image: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    windows = geometry(tuple(image), w.shape[2:], tuple(stride), tuple(padding), tuple(dilation))
    if _pointwise(windows, groups) and pointwise.channels_last(y) is not None:
        return pointwise.product(y, w.reshape(w.shape[:2]).T)
    if groups == len(w) and w.shape[1] == 1:
        return depthwise.input_gradient(y, w, windows)
    if strips.fits(windows, w.shape[1], len(y), groups) and strips.fits_input(w.shape):
        result = strips.new_images((len(y), w.shape[1], *windows.image), y.dtype)
        strips.input_gradient(strips.by_rows("cotangents", y), w, windows, strips.as_rows(result))
        return result
    return bands.input_gradient(y, w, windows, groups)


def _weight(y: Any, x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    if not _arrays(y, x) or y.ndim != x.ndim or len(y) != len(x) or groups < 1 or x.shape[1] % groups:
        return False
    filters = (y.shape[1], x.shape[1] // groups, *kernel)
    windows = _windows(x.shape, filters, stride, padding, dilation, groups)
    return windows is not None and windows.out == y.shape[2:]


@kernel(convolve_nd_weight, "numpy", when=_weight)
def _(y: Any, x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    windows = geometry(x.shape[2:], tuple(kernel), tuple(stride), tuple(padding), tuple(dilation))
    if _pointwise(windows, groups) and pointwise.channels_last(x) is pointwise.channels_last(y) is not None:
        return pointwise.weight_gradient(y, x).reshape(y.shape[1], x.shape[1], *windows.kernel)
    if strips.fits(windows, x.shape[1], len(x), groups):
        return strips.weight_gradient(strips.by_rows("cotangents", y), strips.by_rows("padded", x, windows), windows)
    return bands.weight_gradient(y, x, windows, groups)


# By tiles, where that is faster. A value that is not finite, which in tiles would spread to its neighbours, is left to
# the definition.


def _tiled(a: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    """Images and filters, or images and images, of the kind that there are tiles for."""
    return _arrays(a, b) and a.ndim == b.ndim == 4 and stride == dilation == (1, 1) and groups == 1


def _out(image: Any, kernel: Any, padding: Any) -> tuple[int, ...]:
    return tuple([n + sum(p) - k + 1 for n, p, k in zip(image, padding, kernel, strict=True)])


def _worth(n: int, channels: int, outputs: int, out: tuple[int, ...], kernel: tuple[int, ...], padding: Any) -> bool:
    """Whether the multiplications that tiles save are more than what they cost."""
    if channels < Least.channels or outputs < Least.channels or not set(kernel) <= {3, 4, 5}:
        return False
    if not all(0 <= side < k for k, sides in zip(kernel, padding, strict=True) for side in sides):
        return False
    rows, columns = winograd.grid(out, kernel)
    return n * rows * columns >= Least.tiles


def _forward_tiled(x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    if not _tiled(x, w, stride, padding, dilation, groups) or x.shape[1] != w.shape[1]:
        return False
    out = _out(x.shape[2:], w.shape[2:], padding)
    return min(out) > 0 and _worth(len(x), *w.shape[1::-1], out, w.shape[2:], padding)


def _input_tiled(y: Any, w: Any, *, image: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    if not _tiled(y, w, stride, padding, dilation, groups) or y.shape[1] != w.shape[0]:
        return False
    return y.shape[2:] == _out(image, w.shape[2:], padding) and _worth(
        len(y), *w.shape[:2], tuple(image), w.shape[2:], padding
    )


def _weight_tiled(y: Any, x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    if not _tiled(y, x, stride, padding, dilation, groups) or len(y) != len(x):
        return False
    return y.shape[2:] == _out(x.shape[2:], kernel, padding) and _worth(
        len(x), x.shape[1], y.shape[1], y.shape[2:], tuple(kernel), padding
    )


def _channels_last(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 3, 1)


@kernel(convolve_nd, "numpy", when=_forward_tiled)
def by_tiles(x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The convolution by tiles, in memory with the channels last."""
    result = in_order((len(x), len(w), *_out(x.shape[2:], w.shape[2:], padding)), (0, 2, 3, 1), x.dtype)
    if winograd.convolve(_channels_last(x), w.transpose(2, 3, 1, 0), [p for p, _ in padding], _channels_last(result)):
        return result
    return convolve_nd.op.body(np, x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)


@kernel(convolve_nd_input, "numpy", when=_input_tiled)
def input_by_tiles(y: Any, w: Any, *, image: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """With stride 1 it is a convolution with the filters in reverse."""
    result = in_order((len(y), w.shape[1], *image), (0, 2, 3, 1), y.dtype)
    before = [k - 1 - p for k, (p, _) in zip(w.shape[2:], padding, strict=True)]
    if winograd.convolve(_channels_last(y), w[:, :, ::-1, ::-1].transpose(2, 3, 0, 1), before, _channels_last(result)):
        return result
    full = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return convolve_nd_input.op.body(np, y, w, image=image, **full)


@kernel(convolve_nd_weight, "numpy", when=_weight_tiled)
def weight_by_tiles(y: Any, x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The gradient of the filters by tiles."""
    filters = winograd.weight_gradient(_channels_last(x), _channels_last(y), [p for p, _ in padding], tuple(kernel))
    if filters is not None:
        return np.ascontiguousarray(filters.transpose(3, 2, 0, 1))
    full = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return convolve_nd_weight.op.body(np, y, x, kernel=kernel, **full)


# The whole operation by tiles: the bias is added on the way, and the transformed tiles are kept for the gradient of the
# filters, as long as they are not too large. Forward and backward, for 16 images 64 x 32 x 32 and 64 filters 3 x 3, it
# was predicted to take 0.85 of the primitives' time, and takes 0.86; of PyTorch's on one thread, 0.73 to 0.77.


def _full(stride: Any, padding: Any, dilation: Any, groups: int, kernel: tuple[int, ...]) -> dict[str, Any] | None:
    """The arguments of the primitives, or None if there are no tiles for them."""
    if stride not in (1, (1, 1)) or dilation not in (1, (1, 1)):
        return None
    try:
        borders = borders_of("conv2d", padding, kernel, (1, 1), (1, 1))
    except ShapeError:
        return None
    return {"stride": (1, 1), "padding": borders, "dilation": (1, 1), "groups": groups}


def _whole(
    accepts: Any,
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> bool:
    if not _arrays(x, w) or x.ndim != 4 or w.ndim != 4:
        return False
    if bias is not None and not (_arrays(x, bias) and bias.shape == w.shape[:1]):
        return False
    full = _full(stride, padding, dilation, groups, w.shape[2:])
    return full is not None and accepts(x, w, **full)


@kernel(conv2d, "numpy", when=partial(_whole, _forward_tiled))
def convolution(
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    needs: tuple[bool, ...] = (),
) -> Any:
    """The convolution by tiles, with the bias."""
    full = _full(stride, padding, dilation, groups, w.shape[2:])
    assert full is not None, "when says so"
    out, before = _out(x.shape[2:], w.shape[2:], full["padding"]), [p for p, _ in full["padding"]]
    images, kept = _channels_last(x), None
    if len(needs) > 1 and needs[1]:
        rows, columns = winograd.grid(out, w.shape[2:])
        if winograd.N**2 * len(x) * rows * columns * x.shape[1] * x.itemsize <= Most.kept:
            kept = winograd.tiles_of(images, out, w.shape[2:])
    result = in_order((len(x), len(w), *out), (0, 2, 3, 1), x.dtype)
    if not winograd.convolve(images, w.transpose(2, 3, 1, 0), before, _channels_last(result), bias, kept):
        result, kept = conv2d.op.body(x, w, bias, padding=padding), None
    return result, (x, w, kept, full)


@convolution.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    x, w, kept, full = saved
    of_x = of_w = of_bias = None
    if needs[0]:
        of_x = convolve_nd_input(g, w, image=x.shape[2:], **full)
    if needs[1] and kept is not None:
        before = [p for p, _ in full["padding"]]
        of_w = winograd.weight_gradient(_channels_last(x), _channels_last(g), before, w.shape[2:], kept)
        of_w = of_w if of_w is None else np.ascontiguousarray(of_w.transpose(3, 2, 0, 1))
    if needs[1] and of_w is None:
        of_w = convolve_nd_weight(g, x, kernel=w.shape[2:], **full)
    if len(needs) > 2 and needs[2]:
        of_bias = g.sum(axis=(0, 2, 3))
    return (of_x, of_w, of_bias)[: len(needs)]


# By strips, likewise: forward and backward, for the convolutions of LeNet with a batch of 64, on one thread, 0.73 to
# 0.81 of the primitives' time by bands (1.4 and 2.3 ms).


def _in_strips(x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    if _forward_tiled(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups):
        return False
    windows = _windows(x.shape, w.shape, stride, padding, dilation, groups)
    return windows is not None and strips.fits(windows, x.shape[1], len(x), groups)


@kernel(conv2d, "numpy", when=partial(_whole, _in_strips))
def by_strips(
    x: Any,
    w: Any,
    bias: Any = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    needs: tuple[bool, ...] = (),
) -> Any:
    """The convolution by strips, with the bias."""
    full = _full(stride, padding, dilation, groups, w.shape[2:])
    assert full is not None, "when says so"
    windows, columns = geometry(x.shape[2:], w.shape[2:], (1, 1), full["padding"], (1, 1)), None
    if len(needs) > 1 and needs[1]:
        shape = strips.gathered(windows, x.shape[1], len(x))
        if math.prod(shape) * x.itemsize <= Most.strips:
            columns = np.empty(shape, x.dtype)
    return _of_strips(x, w, windows, bias, columns), (x, w, columns, windows, full)


@by_strips.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    x, w, columns, windows, full = saved
    cotangents = strips.by_rows("cotangents", g)
    of_x = of_w = of_bias = None
    if needs[0]:
        of_x = convolve_nd_input(g, w, image=windows.image, **full)
    if needs[1]:
        rows = strips.by_rows("padded", x, windows) if columns is None else None
        of_w = strips.weight_gradient(cotangents, rows, windows, columns)
    if len(needs) > 2 and needs[2]:
        of_bias = np.add.reduce(np.add.reduce(cotangents.reshape(*cotangents.shape[:2], -1), axis=2))
    return (of_x, of_w, of_bias)[: len(needs)]
