"""Images read at any positions, and the positions of an affine map."""

from __future__ import annotations

from functools import reduce
from itertools import product
from math import prod
from typing import Any

import numpy

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.dtypes import is_complex, is_floating, is_half
from ..core.errors import DTypeError, ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from .comparison import isfinite, isnan, logical_not, where
from .conversion import astype
from .elementwise import abs, clip, multiply
from .indexing import getitem, take_along_axis
from .interpolation import cubic_far, cubic_near
from .movement import matrix_transpose, reshape
from .products import matmul

__all__ = ["affine_grid", "grid_sample"]


@composite(shapes="any", autocast="widest")
def grid_sample(
    x: Array, grid: Array, *, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False
) -> Array:
    """An image read at the positions of a grid. Differentiable in the image and, unless nearest, in the grid.

    x : (n, c, h, w), or (n, c, d, h, w). grid : (n, ..., 2), pairs of (horizontal, vertical) positions, or (n, ..., 3),
    with the depth last; as many axes as x. -1 and 1 are the edges of the image. A NaN counts as -1, and so does an
    infinity where the image is reflected. Returns (n, c, ...).
    mode : `"bilinear"` between the four elements around a position (eight, of volumes), `"bicubic"` between sixteen
        (not of volumes; Keys' kernel with a = -0.75), or `"nearest"`, whose derivative by the grid is 0.
    padding_mode : beyond the edges lie `"zeros"`, the elements at the `"border"`, or the image's `"reflection"`.
    align_corners : whether -1 and 1 are the centres of the corner elements instead of their outer edges.
    Raises ShapeError for shapes that do not fit and unknown modes.
    Source: Jaderberg et al. 2015, arXiv:1506.02025.

    >>> grid_sample(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), np.zeros((1, 1, 1, 2)))
    array([[[[2.5]]]])
    """
    _check(x, grid, mode, padding_mode)
    n, c, *image = x.shape
    narrow = x.dtype if is_half(x.dtype) else None
    if is_half(grid.dtype):
        grid = astype(grid, "float32")  # 16 bits do not tell the elements of a row apart
    grid = where(isnan(grid) if padding_mode != "reflection" else logical_not(isfinite(grid)), -1.0, grid)
    taps = []
    for i, size in enumerate(image):
        position = getitem(grid, index=(..., len(image) - 1 - i))
        position = (position + 1.0) * ((size - 1 if align_corners else size) / 2.0) - (0.0 if align_corners else 0.5)
        if mode == "bicubic":
            taps.append(_cubic(position, size, padding_mode, align_corners))
        else:
            taps.append(_linear(_inside(position, size, padding_mode, align_corners), mode))
    pixels = reshape(x, (n, c, prod(image)))
    out = None
    for chosen in product(*taps):
        part = _read(pixels, [place for place, _ in chosen], image)
        weights = [weight for _, weight in chosen if weight is not None]
        if weights:
            part = part * reshape(reduce(multiply, weights), (n, 1, part.shape[-1]))
        out = part if out is None else out + part
    out = reshape(out, (n, c, *grid.shape[1:-1]))
    return out if narrow is None else astype(out, narrow)


def _inside(position: Array, size: int, padding_mode: str, align_corners: bool) -> Array:
    """Positions in units of elements, the first of which lies at 0; those outside dealt with."""
    if padding_mode == "zeros":  # from one element beyond the edge on, nothing is read; where that is does not matter
        return clip(position, -2.0, size + 1.0)
    if padding_mode == "reflection":
        position = _reflected(position, size, align_corners)
    return clip(position, 0.0, size - 1.0)


def _reflected(position: Array, size: int, align_corners: bool) -> Array:
    low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
    if span == 0.0:
        return position * 0.0
    distance = abs(position - low)
    raw = unwrap(distance)
    flips = backend_of(raw).xp.floor(raw / span)
    rest = distance - flips * span
    return where(flips % 2.0 == 0.0, rest, span - rest) + low


Taps = list[tuple[Any, Array | None]]
"""The places, whole numbers along an axis, that a position is read from, and the weight of each (None: 1)."""


def _linear(position: Array, mode: str) -> Taps:
    raw = unwrap(position)
    xp = backend_of(raw).xp
    if mode == "nearest":
        return [(xp.round(raw), None)]
    low = xp.floor(raw)
    part = position - low
    return [(low, 1.0 - part), (low + 1.0, part)]


def _cubic(position: Array, size: int, padding_mode: str, align_corners: bool) -> Taps:
    if padding_mode != "reflection":
        position = clip(position, -3.0, size + 2.0)  # beyond, all four lie outside
    raw = unwrap(position)
    low = backend_of(raw).xp.floor(raw)
    part = position - low
    weights = (cubic_far(part + 1.0), cubic_near(part), cubic_near(1.0 - part), cubic_far(2.0 - part))
    places = (_inside(low + i, size, padding_mode, align_corners) for i in (-1.0, 0.0, 1.0, 2.0))
    return list(zip(places, weights, strict=True))


def _read(pixels: Array, places: list[Any], image: list[int]) -> Array:
    """The elements (n, c, places) at the places along each axis, 0 outside the image."""
    xp = backend_of(places[0]).xp
    inside, number = True, 0
    for place, size in zip(places, image, strict=True):
        inside = xp.logical_and(place >= 0.0, place < size) & inside
        number = number * size + xp.astype(xp.clip(place, 0.0, size - 1.0), xp.int64)
    flat = (number.shape[0], 1, prod(number.shape[1:]))
    return where(xp.reshape(inside, flat), take_along_axis(pixels, xp.reshape(number, flat), axis=-1), 0.0)


def _check(x: Array, grid: Array, mode: str, padding_mode: str) -> None:
    own, other = shape_of(x), shape_of(grid)
    if len(own) not in (4, 5) or len(other) != len(own) or own[0] != other[0] or other[-1] != len(own) - 2:
        raise ShapeError(
            f"grid_sample: x is {own} and grid is {other}; they must be (n, c, h, w) and (n, rows, columns, 2), or "
            f"(n, c, d, h, w) and (n, layers, rows, columns, 3)."
        )
    if is_complex(grid.dtype):
        raise DTypeError(f"grid_sample: grid has dtype {grid.dtype}; positions are real numbers.")
    if 0 in own[2:]:
        raise ShapeError(f"grid_sample: x is {own}; there is nothing to read.")
    for name, value, known in (
        ("mode", mode, ("bilinear", "nearest", *(("bicubic",) if len(own) == 4 else ()))),
        ("padding_mode", padding_mode, ("zeros", "border", "reflection")),
    ):
        if value not in known:
            raise ShapeError(f"grid_sample: {name} is {value!r}; it must be one of {', '.join(map(repr, known))}.")


@composite(shapes="any")
def affine_grid(theta: Array, *, size: tuple[int, ...], align_corners: bool = False) -> Array:
    """The grid for `grid_sample` that an affine map makes of the positions of an image: theta (position, 1).

    theta : (n, 2, 3), or (n, 3, 4) for volumes. size : (n, c, h, w), or (n, c, d, h, w), of the sampled image. Returns
    (n, h, w, 2), or (n, d, h, w, 3).
    align_corners : as for `grid_sample`.
    Raises ShapeError if theta and size do not fit.

    >>> affine_grid(np.array([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]), size=(1, 1, 1, 2))
    array([[[[0., 0.],
             [1., 0.]]]])
    """
    spatial = len(size) - 2
    if spatial not in (2, 3) or shape_of(theta) != (size[0], spatial, spatial + 1):
        raise ShapeError(
            f"affine_grid: theta is {shape_of(theta)} and size is {tuple(size)}; they must be (n, 2, 3) and "
            f"(n, c, h, w), or (n, 3, 4) and (n, c, d, h, w)."
        )
    lines = [_line(length, align_corners) for length in size[2:]]
    places = numpy.stack([*numpy.meshgrid(*lines, indexing="ij")[::-1], numpy.ones(tuple(size[2:]))], axis=-1)
    theta = theta if is_floating(theta.dtype) else astype(theta, "float64")  # positions are no integers
    raw = unwrap(theta)
    base = backend_of(raw).asarray(places.reshape(-1, spatial + 1), dtype=raw.dtype)
    return reshape(matmul(base, matrix_transpose(theta)), (size[0], *size[2:], spatial))


def _line(length: int, align_corners: bool) -> numpy.ndarray:
    """The positions of the elements along an axis, from -1 to 1."""
    if align_corners:
        return numpy.linspace(-1.0, 1.0, length) if length > 1 else numpy.zeros(1)
    return (2.0 * numpy.arange(length) + 1.0) / length - 1.0
