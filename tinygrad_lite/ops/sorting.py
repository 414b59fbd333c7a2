"""Sorting, searching in what is sorted, and sets of values."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.axes import Axis, axes_of, shape_of, wrong_axis
from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import Handle, unwrap, wrap
from ..core.op import Array, composite, primitive
from .comparison import equal, logical_not, not_equal
from .conversion import astype
from .elementwise import clip
from .indexing import getitem, scatter_along_axis, take, take_along_axis
from .movement import broadcast_to, reshape
from .reductions import cumulative_sum, sum

__all__ = [
    "argsort", "count_nonzero", "isin", "nonzero", "searchsorted", "sort", "unique_all", "unique_counts",
    "unique_inverse", "unique_values",
]  # fmt: skip


def _explain_axis(x: Array, /, *, axis: int = -1, **_) -> str | None:
    message = wrong_axis(len(shape_of(x)), axis)
    return message and f"x is {shape_of(x)}; {message}"


def _means_of_equal(g: Array, out: Array, axis: int) -> Array:
    """g with its mean over each run of equal elements of the sorted `out`."""
    before = (slice(None),) * axes_of(axis, len(out.shape))[0]
    later, earlier = (getitem(out, index=(*before, cut)) for cut in (slice(1, None), slice(None, -1)))
    steps = astype(not_equal(later, earlier), "int64")
    run = cumulative_sum(steps, axis=axis, include_initial=True)
    shape = tuple(out.shape)
    total = scatter_along_axis(g, run, axis=axis, shape=shape)
    count = scatter_along_axis(broadcast_to(g * 0.0 + 1.0, shape), run, axis=axis, shape=shape)
    return take_along_axis(total, run, axis=axis) / take_along_axis(count, run, axis=axis)


def _sort_rule(g: Array, x: Array, out: Array, axis: int, descending: bool) -> Array:
    if 0 in x.shape:
        return g
    order = argsort(x, axis=axis, descending=descending)
    return take_along_axis(_means_of_equal(g, out, axis), argsort(order, axis=axis), axis=axis)


@primitive(x=_sort_rule, shapes="any", explain=_explain_axis)
def sort(xp, x: Array, /, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Array:
    """The elements in order along an axis, NaN as the largest. Equal elements share the gradient.

    stable : of no effect, since equal elements cannot be told apart; see `argsort`.

    >>> sort(np.array([2.0, 3.0, 1.0]), descending=True)
    array([3., 2., 1.])
    """
    if not x.shape:
        raise ValueError
    ordered = xp.sort(x, axis=axis)
    return xp.flip(ordered, axis=axis) if descending else ordered


@primitive(shapes="any", explain=_explain_axis)
def argsort(xp, x: Array, /, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Array:
    """The indices that put x in order along an axis, NaN as the largest: `take_along_axis(x, argsort(x))` is sorted.

    stable : equal elements keep their order. They do in any case.

    >>> argsort(np.array([2.0, 3.0, 1.0]))
    array([2, 0, 1])
    """
    if not x.shape:
        raise ValueError
    if not descending:
        return xp.argsort(x, axis=axis, stable=True)
    backwards = xp.argsort(xp.flip(x, axis=axis), axis=axis, stable=True)
    return x.shape[axis] - 1 - xp.flip(backwards, axis=axis)


def _explain_search(x: Array, values: Array, /, *, side: str = "left", sorter: Any = None) -> str | None:
    if side not in ("left", "right"):
        return f"side is {side!r}; it must be 'left' or 'right'."
    if len(shape_of(x)) != 1:
        return f"x is {shape_of(x)}; one axis is required."
    return None


@primitive(shapes="any", explain=_explain_search)
def searchsorted(xp, x: Array, values: Array, /, *, side: str = "left", sorter: Array | None = None) -> Array:
    """Where each of `values` belongs in the ascending vector x: the number of elements before it. A constant.

    x : (n,); values : any shape, that of the result. side : `"left"`, before equal elements, or `"right"`, after them.
    sorter : the indices that put x in order, if it is not.

    Raises ShapeError if x has not one axis.

    >>> searchsorted(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.5]))
    array([1, 2])
    """
    if side not in ("left", "right") or len(x.shape) != 1:
        raise ValueError
    x = x if sorter is None else xp.take(x, unwrap(sorter), axis=0)
    return xp.searchsorted(x, values, side=side)


@composite(shapes="any")
def count_nonzero(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """How many elements are not 0, along some axes or in all. NaN is not 0. A constant.

    >>> count_nonzero(np.array([[1.0, 0.0], [2.0, 3.0]]), axis=0)
    array([2, 1])
    """
    return sum(astype(astype(x, "bool"), "int64"), axis=axis, keepdims=keepdims)


@composite(shapes="any")
def isin(x: Array, values: Array, /, *, invert: bool = False) -> Array:
    """Whether each element of x is one of `values`; with `invert` whether it is none. NaN is none. A constant.

    >>> isin(np.array([1.0, 2.0, 5.0]), np.array([5.0, 1.0]))
    array([ True, False,  True])
    """
    values = sort(reshape(values, (-1,)))
    if values.shape[0] == 0:
        found = not_equal(x, x)
        found = found & logical_not(found)
    else:
        place = clip(searchsorted(values, x), 0, values.shape[0] - 1)
        found = equal(take(values, place), x)
    return logical_not(found) if invert else found


# What has as many results as the data has


def _constants(x: Array, arrays: tuple) -> list[Array]:
    """Arrays as what x is: Tensors if it is one."""
    return [wrap(array, None) if isinstance(x, Handle) else array for array in arrays]


def nonzero(x: Array, /) -> tuple[Array, ...]:
    """The indices of the elements that are not 0, one array for each axis. Constants.

    Raises ShapeError for an array without axes.

    >>> nonzero(np.array([[1.0, 0.0], [2.0, 3.0]]))
    (array([0, 1, 1]), array([0, 0, 1]))
    """
    array = unwrap(x)
    if not shape_of(array):
        raise ShapeError("nonzero: x is 0-d and has no indices; at least one axis is required.")
    return tuple(_constants(x, backend_of(array).xp.nonzero(array)))


class UniqueAll(NamedTuple):
    """The different values, ascending; where each first occurs in the flattened array; each element's value; counts."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """The different values, ascending, and how many times each occurs."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """The different values, ascending, and for each element of the array the index of its value."""

    values: Any
    inverse_indices: Any


def _unique_rule(g: Array, x: Array) -> Array:
    _, _, inverse, counts = unique_all(x)
    return take(g / astype(counts, g.dtype), inverse)


@primitive(x=_unique_rule, shapes="any")
def unique_values(xp, x: Array) -> Array:
    """The different values among the elements, ascending. Equal elements share the gradient; each NaN is a value.

    >>> unique_values(np.array([3.0, 1.0, 3.0]))
    array([1., 3.])
    """
    return xp.sort(xp.unique_values(x))


def unique_all(x: Array, /) -> UniqueAll:
    """The different values, where each first occurs in the flattened x, each element's value, and the counts.

    Only the values have a derivative.

    >>> unique_all(np.array([3.0, 1.0, 3.0])).inverse_indices
    array([1, 0, 1])
    """
    array = unwrap(x)
    found = backend_of(array).xp.unique_all(array)
    rest = (found[1], backend_of(array).xp.reshape(found[2], array.shape), found[3])
    return UniqueAll(unique_values(x), *_constants(x, rest))


def unique_counts(x: Array, /) -> UniqueCounts:
    """The different values, which have a derivative, and how many times each occurs.

    >>> unique_counts(np.array([3.0, 1.0, 3.0])).counts
    array([1, 2])
    """
    values, _, _, counts = unique_all(x)
    return UniqueCounts(values, counts)


def unique_inverse(x: Array, /) -> UniqueInverse:
    """The different values, which have a derivative, and for each element of x the index of its value.

    >>> values, inverse = unique_inverse(np.array([3.0, 1.0, 3.0]))
    >>> values[inverse]
    array([3., 1., 3.])
    """
    values, _, inverse, _ = unique_all(x)
    return UniqueInverse(values, inverse)
