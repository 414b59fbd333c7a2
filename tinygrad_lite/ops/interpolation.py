"""Images of another size: along each axis, an output is a weighted sum of a few inputs that are known beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.dtypes import is_floating
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from .comparison import where
from .conversion import astype
from .indexing import take
from .movement import permute_dims, reshape

__all__ = ["channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle"]

Taps = list[tuple[numpy.ndarray, numpy.ndarray | None]]
"""Along one axis: pairs of source indices and weights, one of each per output. No weights: 1."""


# Where each output comes from


def _sources(n: int, out: int, scale: float | None, align_corners: bool) -> numpy.ndarray:
    """The position in the input of each output. Pixels are squares, and the image's edges meet; or corners' centres."""
    places = numpy.arange(out)
    if align_corners:
        return places * ((n - 1) / (out - 1) if out > 1 else 0.0)
    return (places + 0.5) * (1.0 / scale if scale else n / out) - 0.5


def _nearest(n: int, out: int, scale: float | None, align_corners: bool) -> Taps:
    places = numpy.arange(out)
    index = (places / scale).astype(numpy.int64) if scale else places * n // out
    return [(numpy.minimum(index, n - 1), None)]


def _nearest_exact(n: int, out: int, scale: float | None, align_corners: bool) -> Taps:
    places = numpy.arange(out)
    index = ((places + 0.5) / scale).astype(numpy.int64) if scale else (2 * places + 1) * n // (2 * out)
    return [(numpy.minimum(index, n - 1), None)]


def _linear(n: int, out: int, scale: float | None, align_corners: bool) -> Taps:
    position = numpy.maximum(_sources(n, out, scale, align_corners), 0.0)
    low = numpy.minimum(position.astype(numpy.int64), n - 1)
    part = numpy.where(low < n - 1, position - low, 0.0)
    return [(low, 1.0 - part), (numpy.minimum(low + 1, n - 1), part)]


def _cubic(n: int, out: int, scale: float | None, align_corners: bool) -> Taps:
    position = _sources(n, out, scale, align_corners)
    low = numpy.floor(position).astype(numpy.int64)
    part = position - low
    return [(numpy.clip(low + i, 0, n - 1), _cubic_weight(numpy.abs(part - i))) for i in (-1, 0, 1, 2)]


def cubic_near(t: Any, a: float = -0.75) -> Any:
    """Keys' cubic convolution kernel at distances t from 0 to 1."""
    return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0


def cubic_far(t: Any, a: float = -0.75) -> Any:
    """Keys' cubic convolution kernel at distances t from 1 to 2."""
    return ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a


def _cubic_weight(t: numpy.ndarray, a: float = -0.75) -> numpy.ndarray:
    """Keys' kernel at any distance t."""
    return numpy.where(t <= 1.0, cubic_near(t, a), numpy.where(t < 2.0, cubic_far(t, a), 0.0))


def _smoothed(weight: Callable[[numpy.ndarray], numpy.ndarray], reach: float) -> Callable[..., Taps]:
    """Taps of a kernel that is as wide as an output where that covers more than an input: no aliasing."""

    def taps(n: int, out: int, scale: float | None, align_corners: bool) -> Taps:
        ratio = (n - 1) / (out - 1) if align_corners and out > 1 else 1.0 / scale if scale else n / out
        ratio = 0.0 if align_corners and out == 1 else ratio
        width = max(ratio, 1.0)
        centre = ratio * (numpy.arange(out) + 0.5)
        start = numpy.maximum((centre - reach * width + 0.5).astype(numpy.int64), 0)
        stop = numpy.minimum((centre + reach * width + 0.5).astype(numpy.int64), n)
        places = start[:, None] + numpy.arange(max(int((stop - start).max()), 1))
        weights = weight(numpy.abs((places - centre[:, None] + 0.5) / width)) * (places < stop[:, None])
        weights = weights / weights.sum(axis=1, keepdims=True)
        return list(zip(numpy.minimum(places, n - 1).T, weights.T, strict=True))

    return taps


def _tent(t: numpy.ndarray) -> numpy.ndarray:
    return numpy.maximum(1.0 - t, 0.0)


def _area(n: int, out: int, scale: float | None, align_corners: bool) -> Taps:
    """The mean of all inputs that the output's interval touches."""
    places = numpy.arange(out)
    start, stop = places * n // out, -(-(places + 1) * n // out)
    count = stop - start
    longest = int(count.max(initial=0))
    return [(numpy.minimum(start + i, stop - 1), numpy.where(i < count, 1.0 / count, 0.0)) for i in range(longest)]


RULES: dict[str, tuple[Callable[..., Taps], int | None]] = {
    "nearest": (_nearest, None),
    "nearest-exact": (_nearest_exact, None),
    "linear": (_linear, 1),
    "bilinear": (_linear, 2),
    "trilinear": (_linear, 3),
    "bicubic": (_cubic, 2),
    "area": (_area, None),
}
"""For each mode its taps, and the number of spatial axes that it is for."""

SMOOTHED = {"bilinear": _smoothed(_tent, 1.0), "bicubic": _smoothed(lambda t: _cubic_weight(t, a=-0.5), 2.0)}
"""The taps with antialiasing."""


# The operation


@composite(shapes="any", autocast="float32")
def interpolate(
    x: Array,
    *,
    size: int | tuple[int, ...] | None = None,
    scale_factor: float | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """x at another size, each new element interpolated between the old ones that surround it.

    x : (n, c, length), (n, c, h, w) or (n, c, d, h, w). size : the new lengths, one for all or one per axis; or
    scale_factor : the ratios to the old ones, whose products are rounded down.
    mode : `"nearest"` (the element at the rounded-down position), `"nearest-exact"` (the one whose centre is nearest),
    `"linear"`, `"bilinear"`, `"trilinear"` (for 1, 2, 3 spatial axes), `"bicubic"` (for 2; Keys' kernel with
    a = -0.75, elements beyond the edge repeat it), `"area"` (the mean of all elements that a new one covers).
    align_corners : for the linear and cubic modes, whether the centres of the corner elements stay at the corners,
    instead of their outer edges.
    recompute_scale_factor : with scale_factor, take the ratio of the rounded lengths for the positions instead of it.
    antialias : for `"bilinear"` and `"bicubic"` (then with a = -0.5): where the image becomes smaller, widen the kernel
    by the ratio, so that each element counts.
    Raises ShapeError unless exactly one of size and scale_factor is given, and the mode fits x.
    Source of the cubic kernel: R. Keys, IEEE Trans. Acoustics, Speech, Signal Processing 29, 1153 (1981).

    >>> interpolate(np.array([[[0.0, 4.0]]]), size=4, mode="linear")
    array([[[0., 1., 3., 4.]]])
    """
    shape = shape_of(x)
    sizes, scales = _sizes(shape, size, scale_factor, mode, align_corners)
    if antialias and mode not in SMOOTHED:
        raise ShapeError(f"interpolate: antialias is for the modes 'bilinear' and 'bicubic', and mode is {mode!r}.")
    scales = [None] * len(scales) if recompute_scale_factor else scales
    taps = SMOOTHED[mode] if antialias else RULES[mode][0]
    for axis, (out, scale) in enumerate(zip(sizes, scales, strict=True), start=2):
        if out != shape[axis] or (scale is not None and scale != 1.0):
            x = _tapped(x, taps(shape[axis], out, scale, align_corners), axis)
    return x


def _tapped(x: Array, taps: Taps, axis: int) -> Array:
    if taps and taps[0][1] is not None and not is_floating(x.dtype):
        x = astype(x, "float64")  # the weights are no integers
    raw = unwrap(x)
    backend = backend_of(raw)
    total = None
    for indices, weights in taps:
        part = take(x, backend.asarray(indices), axis=axis)
        if weights is not None:
            column = backend.asarray(weights.reshape(-1, *(1,) * (len(x.shape) - 1 - axis)), dtype=raw.dtype)
            # What has weight 0 takes no part, be it infinite or NaN.
            part = (part if weights.all() else where(column == 0, 0.0, part)) * column
        total = part if total is None else total + part
    return total


def _sizes(
    shape: tuple[int, ...], size: Any, scale_factor: Any, mode: str, align_corners: bool
) -> tuple[list[int], list[float | None]]:
    """The new length along each spatial axis, and the given scale or None."""
    if mode not in RULES:
        raise ShapeError(f"interpolate: mode is {mode!r}; it must be one of {', '.join(map(repr, RULES))}.")
    spatial, needed = len(shape) - 2, RULES[mode][1]
    if spatial not in (1, 2, 3):
        raise ShapeError(f"interpolate: x is {shape}; it must be (n, channels, ...) with 1 to 3 spatial axes.")
    if needed is not None and spatial != needed:
        raise ShapeError(f"interpolate: x is {shape} and mode is {mode!r}, which needs {needed + 2} axes.")
    if align_corners and needed is None:
        raise ShapeError(f"interpolate: align_corners has no meaning for mode {mode!r}; leave it out.")
    if (size is None) == (scale_factor is None):
        raise ShapeError("interpolate: exactly one of size and scale_factor is required.")
    name, given = ("size", size) if size is not None else ("scale_factor", scale_factor)
    each = tuple(given) if isinstance(given, (tuple, list)) else (given,) * spatial
    if len(each) != spatial or min(each) <= 0:
        raise ShapeError(f"interpolate: x is {shape} and {name} is {given!r}; {spatial} positive numbers are required.")
    if 0 in shape[2:]:
        raise ShapeError(f"interpolate: x is {shape}; there is nothing to interpolate between.")
    if size is not None:
        return [int(n) for n in each], [None] * spatial
    return [math.floor(n * scale) for n, scale in zip(shape[2:], each, strict=True)], [float(scale) for scale in each]


# Channels and pixels


@composite(shapes="any")
def pixel_shuffle(x: Array, *, upscale_factor: int) -> Array:
    """Groups of r² channels laid out as r x r blocks of pixels: (..., c r², h, w) to (..., c, h r, w r).

    Raises ShapeError if r² does not divide the channels.
    Source: Shi et al. 2016, arXiv:1609.05158.

    >>> pixel_shuffle(np.arange(4.0).reshape(4, 1, 1), upscale_factor=2)
    array([[[0., 1.],
            [2., 3.]]])
    """
    shape, r = shape_of(x), upscale_factor
    if len(shape) < 3 or r < 1 or shape[-3] % (r * r):
        raise ShapeError(
            f"pixel_shuffle: x is {shape} and upscale_factor is {r}; x must be (..., channels, h, w), the channels a "
            f"multiple of upscale_factor², {r * r}."
        )
    channels, h, w = shape[-3:]
    return _exchanged(x, (channels // (r * r), r, r, h, w), (0, 3, 1, 4, 2), (channels // (r * r), h * r, w * r))


@composite(shapes="any")
def pixel_unshuffle(x: Array, *, downscale_factor: int) -> Array:
    """r x r blocks of pixels as channels, the inverse of `pixel_shuffle`: (..., c, h r, w r) to (..., c r², h, w).

    Raises ShapeError if r does not divide height and width.

    >>> pixel_unshuffle(np.arange(4.0).reshape(1, 2, 2), downscale_factor=2).shape
    (4, 1, 1)
    """
    shape, r = shape_of(x), downscale_factor
    if len(shape) < 3 or r < 1 or shape[-1] % r or shape[-2] % r:
        raise ShapeError(
            f"pixel_unshuffle: x is {shape} and downscale_factor is {r}; x must be (..., channels, h, w), h and w "
            f"multiples of downscale_factor."
        )
    channels, h, w = shape[-3:]
    return _exchanged(x, (channels, h // r, r, w // r, r), (0, 2, 4, 1, 3), (channels * r * r, h // r, w // r))


@composite(shapes="any")
def channel_shuffle(x: Array, *, groups: int) -> Array:
    """The channels of `groups` groups in turn: the first of each group, then the second of each.

    x : (n, channels, ...).
    Raises ShapeError if groups does not divide the channels.
    Source: Zhang et al. 2017, arXiv:1707.01083.

    >>> channel_shuffle(np.array([[1.0, 2.0, 3.0, 4.0]]), groups=2)
    array([[1., 3., 2., 4.]])
    """
    shape = shape_of(x)
    if len(shape) < 2 or groups < 1 or shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: x is {shape} and groups is {groups}; x must be (n, channels, ...), the channels a "
            f"multiple of groups."
        )
    n, channels, *image = shape
    parts = reshape(x, (n, groups, channels // groups, *image))
    return reshape(permute_dims(parts, (0, 2, 1, *range(3, len(shape) + 1))), shape)


def _exchanged(x: Array, parts: tuple[int, ...], order: tuple[int, ...], last: tuple[int, ...]) -> Array:
    """x with its last three axes taken apart, put in another order, and merged."""
    front = tuple(x.shape[:-3])
    kept = tuple(range(len(front)))
    moved = permute_dims(reshape(x, (*front, *parts)), (*kept, *(len(front) + i for i in order)))
    return reshape(moved, (*front, *last))
