"""Repeating elements, grids of coordinates, quarter turns, and differences of neighbours."""

from __future__ import annotations

import operator
from math import prod
from typing import Any

import numpy

from ..core.axes import axes_of, shape_of
from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from .elementwise import subtract
from .indexing import getitem, take
from .joining import concat
from .movement import broadcast_to, expand_dims, flip, reshape, swapaxes

__all__ = ["diff", "meshgrid", "repeat", "rot90", "tile"]


@composite(shapes="any")
def repeat(x: Array, /, repeats: Any, axis: int | None = None) -> Array:
    """x with each element along an axis repeated; the elements of the flattened x without `axis`.

    repeats : how many times each: one integer, or an array of one per element along the axis.

    Raises ShapeError if `repeats` are not one or as many as the axis is long, or negative.

    >>> repeat(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    """
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    (axis,) = axes_of(axis, len(x.shape), "repeat")
    n = x.shape[axis]
    given = unwrap(repeats)
    counts = numpy.asarray(given if isinstance(given, (int, list, tuple)) else backend_of(given).to_numpy(given))
    counts = counts if counts.size else counts.astype(int)  # an empty list has no integers to tell its dtype
    if counts.dtype.kind not in "iu" or counts.ndim > 1 or counts.size not in (1, n) or (counts < 0).any():
        raise ShapeError(
            f"repeat: repeats is {counts.tolist()!r}; it must be an integer from 0 on, or {n} of them, one for each "
            f"element along axis {axis} of x of shape {shape_of(x)}."
        )
    if counts.size == 1:
        times = int(counts.reshape(()))
        spread = broadcast_to(expand_dims(x, axis=axis + 1), (*x.shape[: axis + 1], times, *x.shape[axis + 1 :]))
        return reshape(spread, (*x.shape[:axis], n * times, *x.shape[axis + 1 :]))
    return take(x, backend_of(unwrap(x)).asarray(numpy.repeat(numpy.arange(n), counts)), axis=axis)


@composite(shapes="any")
def tile(x: Array, /, repetitions: int | tuple[int, ...]) -> Array:
    """x laid end to end with itself, `repetitions[i]` times along axis i.

    If the lengths of `repetitions` and of x's shape differ, the shorter one is preceded by ones.

    >>> tile(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]])
    """
    times = (repetitions,) if isinstance(repetitions, int) else tuple(repetitions)
    if any(n < 0 for n in times):
        raise ShapeError(f"tile: repetitions is {repetitions!r}; they must be integers from 0 on.")
    shape = tuple(x.shape)
    shape = (1,) * (len(times) - len(shape)) + shape
    times = (1,) * (len(shape) - len(times)) + times
    pairs = list(zip(times, shape, strict=True))
    apart = reshape(x, tuple(length for _, n in pairs for length in (1, n)))
    spread = broadcast_to(apart, tuple(length for pair in pairs for length in pair))
    return reshape(spread, tuple(map(prod, pairs)))


def meshgrid(*arrays: Array, indexing: str = "xy") -> list[Array]:
    """The coordinates of the points of a grid: for each vector an array of the grid's shape, in which it varies.

    arrays : vectors (n_i,), or numbers, which count as vectors of one element.
    indexing : `"ij"`: the i-th vector varies along axis i. `"xy"`: the first two axes are exchanged.

    Raises ShapeError for an array with more than one axis, and for another `indexing`.

    >>> meshgrid(np.array([1.0, 2.0]), np.array([5.0, 6.0]))
    [array([[1., 2.],
           [1., 2.]]), array([[5., 5.],
           [6., 6.]])]
    """
    if indexing not in ("xy", "ij"):
        raise ShapeError(f"meshgrid: indexing is {indexing!r}; it must be 'xy' or 'ij'.")
    shapes = list(map(shape_of, arrays))
    if any(len(shape) > 1 for shape in shapes):
        raise ShapeError(f"meshgrid: the arrays are {', '.join(map(str, shapes))}; vectors are required.")
    lengths = list(map(prod, shapes))
    grids = []
    for i, x in enumerate(arrays):
        along = reshape(x, tuple(n if i == j else 1 for j, n in enumerate(lengths)))
        grid = broadcast_to(along, tuple(lengths))
        grids.append(swapaxes(grid, 0, 1) if indexing == "xy" and len(arrays) > 1 else grid)
    return grids


@composite(shapes="any")
def rot90(x: Array, /, k: int = 1, *, axes: tuple[int, int] = (0, 1)) -> Array:
    """x turned by `k` quarters in the plane of two axes, from the first towards the second.

    >>> rot90(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[2., 4.],
           [1., 3.]])
    """
    if len(axes) != 2:
        raise ShapeError(f"rot90: axes is {axes!r}; two axes are required.")
    first, second = axes_of(tuple(axes), len(x.shape), "rot90")
    turns = operator.index(k) % 4
    if turns == 0:
        return reshape(x, tuple(x.shape))
    if turns == 2:
        return flip(x, axis=(first, second))
    return flip(swapaxes(x, first, second), axis=first if turns == 1 else second)


@composite(shapes="any")
def diff(
    x: Array, /, *, axis: int = -1, n: int = 1, prepend: Array | None = None, append: Array | None = None
) -> Array:
    """The n-th differences of neighbours along an axis: out[i] = x[i + 1] - x[i], done `n` times.

    prepend, append : arrays put before and after x along the axis first.

    Raises ShapeError if `n` is negative.

    >>> diff(np.array([1.0, 2.0, 4.0, 7.0]))
    array([1., 2., 3.])
    """
    if n < 0:
        raise ShapeError(f"diff: n is {n}; it must be 0 or more.")
    (axis,) = axes_of(axis, len(x.shape), "diff")
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, axis=axis) if len(parts) > 1 else x
    before = (slice(None),) * axis
    for _ in range(n):
        x = subtract(getitem(x, index=(*before, slice(1, None))), getitem(x, index=(*before, slice(None, -1))))
    return x
