"""Images read at any positions, and the positions of an affine map."""

from __future__ import annotations

from typing import Any

import numpy

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from .comparison import isfinite, isnan, logical_not, where
from .elementwise import abs, clip
from .indexing import getitem, take_along_axis
from .movement import matrix_transpose, reshape
from .products import matmul

__all__ = ["affine_grid", "grid_sample"]


@composite(shapes="any")
def grid_sample(
    x: Array, grid: Array, *, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False
) -> Array:
    """An image read at the positions of a grid. Differentiable in the image and, if bilinear, in the grid.

    x : (n, c, h, w). grid : (n, rows, columns, 2), pairs of (horizontal, vertical) positions; -1 and 1 are the edges of
    the image. A NaN counts as -1, and so does an infinity where the image is reflected. Returns (n, c, rows, columns).
    mode : `"bilinear"` between the four elements around a position, or `"nearest"`, whose derivative by the grid is 0.
    padding_mode : beyond the edges lie `"zeros"`, the elements at the `"border"`, or the image's `"reflection"`.
    align_corners : whether -1 and 1 are the centres of the corner elements instead of their outer edges.
    Raises ShapeError for shapes that do not fit and unknown modes.
    Source: Jaderberg et al. 2015, arXiv:1506.02025.

    >>> grid_sample(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), np.zeros((1, 1, 1, 2)))
    array([[[[2.5]]]])
    """
    _check(x, grid, mode, padding_mode)
    n, c, h, w = x.shape
    grid = where(isnan(grid) if padding_mode != "reflection" else logical_not(isfinite(grid)), -1.0, grid)
    across, down = (
        _placed(getitem(grid, index=(..., i)), size, padding_mode, align_corners) for i, size in enumerate((w, h))
    )
    pixels = reshape(x, (n, c, h * w))
    out = None
    for column, of_column in _neighbours(across, mode):
        for row, of_row in _neighbours(down, mode):
            part = _read(pixels, row, column, (h, w))
            if of_row is not None:
                part = part * reshape(of_row * of_column, (n, 1, part.shape[-1]))
            out = part if out is None else out + part
    return reshape(out, (n, c, *grid.shape[1:3]))


def _placed(position: Array, size: int, padding_mode: str, align_corners: bool) -> Array:
    """Positions from -1 to 1 in units of elements, the first of which lies at 0; those outside dealt with."""
    position = (position + 1.0) * ((size - 1 if align_corners else size) / 2.0) - (0.0 if align_corners else 0.5)
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


def _neighbours(position: Array, mode: str) -> list[tuple[Any, Array | None]]:
    """The places, whole numbers, that a position is read from, and the weight of each (None: 1)."""
    raw = unwrap(position)
    xp = backend_of(raw).xp
    if mode == "nearest":
        return [(xp.round(raw), None)]
    low = xp.floor(raw)
    part = position - low
    return [(low, 1.0 - part), (low + 1.0, part)]


def _read(pixels: Array, row: Any, column: Any, image: tuple[int, int]) -> Array:
    """The elements (n, c, places) at rows and columns, 0 outside the image."""
    h, w = image
    xp = backend_of(row).xp
    inside = xp.logical_and(xp.logical_and(row >= 0.0, row < h), xp.logical_and(column >= 0.0, column < w))
    place = xp.astype(xp.clip(row, 0.0, h - 1.0) * w + xp.clip(column, 0.0, w - 1.0), xp.int64)
    flat = (row.shape[0], 1, row.shape[1] * row.shape[2])
    return where(xp.reshape(inside, flat), take_along_axis(pixels, xp.reshape(place, flat), axis=-1), 0.0)


def _check(x: Array, grid: Array, mode: str, padding_mode: str) -> None:
    own, other = shape_of(x), shape_of(grid)
    if len(own) != 4 or len(other) != 4 or own[0] != other[0] or other[3] != 2:
        raise ShapeError(
            f"grid_sample: x is {own} and grid is {other}; they must be (n, c, h, w) and (n, rows, columns, 2)."
        )
    if 0 in own[2:]:
        raise ShapeError(f"grid_sample: x is {own}; there is nothing to read.")
    for name, value, known in (
        ("mode", mode, ("bilinear", "nearest")),
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
    raw = unwrap(theta)
    base = backend_of(raw).asarray(places.reshape(-1, spatial + 1), dtype=raw.dtype)
    return reshape(matmul(base, matrix_transpose(theta)), (size[0], *size[2:], spatial))


def _line(length: int, align_corners: bool) -> numpy.ndarray:
    """The positions of the elements along an axis, from -1 to 1."""
    if align_corners:
        return numpy.linspace(-1.0, 1.0, length) if length > 1 else numpy.zeros(1)
    return (2.0 * numpy.arange(length) + 1.0) / length - 1.0
