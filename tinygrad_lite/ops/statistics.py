"""Order statistics, and reductions that leave out NaN."""

from __future__ import annotations

import math
from math import inf, nan
from typing import Any, NamedTuple

import numpy

from ..core.axes import Axis, axes_of, shape_of, wrong_axis
from ..core.backend import backend_of
from ..core.dtypes import is_complex, is_floating
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from . import reductions
from .comparison import equal, isnan, logical_not, where
from .conversion import astype, cast
from .elementwise import abs, sqrt, square
from .indexing import take, take_along_axis
from .movement import broadcast_to, moveaxis, permute_dims, reshape
from .reductions import all, any, mean, prod, sum
from .rounding import floor, round
from .sorting import argsort, sort

__all__ = [
    "average", "median", "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile", "nanprod", "nanquantile",
    "nanstd", "nansum", "nanvar", "percentile", "ptp", "quantile", "topk",
]  # fmt: skip


# In order


class TopK(NamedTuple):
    """The chosen elements, and where they are along the axis."""

    values: Array
    indices: Array


def topk(x: Array, *, k: int, axis: int = -1, largest: bool = True) -> TopK:
    """The k largest elements along an axis, or the smallest, the most extreme first, and their indices.

    x : (..., n, ...). Returns the named tuple (values, indices) of arrays (..., k, ...). NaN counts as the largest. Of
    equal elements the first comes first, and all of them share the gradient.
    Raises ShapeError for a k that is not from 0 to n.

    >>> topk(np.array([3.0, 1.0, 4.0, 1.0]), k=2)
    TopK(values=array([4., 3.]), indices=array([2, 0]))
    """
    message = wrong_axis(len(shape_of(x)), axis)
    if message is not None:
        raise ShapeError(f"topk: x is {shape_of(x)}; {message}")
    n = x.shape[axis]
    if not 0 <= k <= n:
        raise ShapeError(f"topk: x is {shape_of(x)} and k is {k}; it must be from 0 to the length of the axis, {n}.")
    first = backend_of(unwrap(x)).xp.arange(k)
    ordered = (sort(x, axis=axis, descending=largest), argsort(x, axis=axis, descending=largest))
    return TopK(*(take(one, first, axis=axis) for one in ordered))


@composite(shapes="any")
def quantile(
    x: Array, /, q: float | tuple[float, ...], axis: Axis = None, *, method: str = "linear", keepdims: bool = False
) -> Array:
    """The value below which the fraction q of the elements lies, interpolated linearly between the nearest two.

    q : a number from 0 to 1, or several, for a result with a new first axis. NaN if an element is NaN. Equal elements
    share the gradient.
    method : where among the n ordered elements it lies. `"linear"`, at q (n - 1) counted from 0, or from there to the
    next one: `"lower"`, `"higher"`, `"nearest"`, `"midpoint"`; or an estimate for the population of a sample:
    `"hazen"`, `"weibull"`, `"median_unbiased"`, `"normal_unbiased"`.
    Raises ShapeError if q is not from 0 to 1, there is no element or no such method.
    Source: Hyndman and Fan, The American Statistician 50, 361 (1996), definitions 5 to 9.

    >>> quantile(np.array([1.0, 2.0, 4.0]), 0.75)
    array(3.)
    """
    return _quantiles("quantile", x, q, axis, keepdims, method)


@composite(shapes="any")
def median(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The middle element, or the mean of the two in the middle. NaN if an element is NaN.

    Raises ShapeError if there is no element.

    >>> median(np.array([[3.0, 1.0, 2.0], [4.0, 6.0, 9.0]]), axis=1)
    array([2., 6.])
    """
    return _quantiles("median", x, 0.5, axis, keepdims)


@composite(shapes="any")
def percentile(
    x: Array, /, q: float | tuple[float, ...], axis: Axis = None, *, method: str = "linear", keepdims: bool = False
) -> Array:
    """The value below which q percent of the elements lie: the quantile q / 100, see `quantile`.

    >>> percentile(np.array([1.0, 2.0, 4.0]), 75)
    array(3.)
    """
    return _quantiles("percentile", x, q, axis, keepdims, method, whole=100)


@composite(shapes="any")
def nanquantile(
    x: Array, /, q: float | tuple[float, ...], axis: Axis = None, *, method: str = "linear", keepdims: bool = False
) -> Array:
    """The quantile of the elements that are not NaN, NaN if there are none. See `quantile`.

    >>> nanquantile(np.array([1.0, np.nan, 2.0, 4.0]), 0.75)
    array(3.)
    """
    return _quantiles("nanquantile", x, q, axis, keepdims, method, without_nan=True)


@composite(shapes="any")
def nanpercentile(
    x: Array, /, q: float | tuple[float, ...], axis: Axis = None, *, method: str = "linear", keepdims: bool = False
) -> Array:
    """The percentile of the elements that are not NaN, NaN if there are none. See `percentile`.

    >>> nanpercentile(np.array([1.0, np.nan, 2.0, 4.0]), 75)
    array(3.)
    """
    return _quantiles("nanpercentile", x, q, axis, keepdims, method, whole=100, without_nan=True)


@composite(shapes="any")
def nanmedian(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The middle one of the elements that are not NaN, or the mean of the two in the middle; NaN if there are none.

    Raises ShapeError if there is no element.

    >>> nanmedian(np.array([[3.0, np.nan, 2.0], [4.0, 6.0, 9.0]]), axis=1)
    array([2.5, 6. ])
    """
    return _quantiles("nanmedian", x, 0.5, axis, keepdims, without_nan=True)


_OFFSETS = {"hazen": 0.5, "median_unbiased": 1 / 3, "normal_unbiased": 3 / 8, "weibull": 0.0}

_ROUNDED = {
    "higher": lambda place: -floor(-place),
    "linear": lambda place: place,
    "lower": floor,
    "midpoint": lambda place: 0.5 * (floor(place) - floor(-place)),
    "nearest": round,
}


def _places(method: str, fractions: Array, last: Array) -> Array:
    """Where the quantiles lie in the order from 0 to `last`."""
    if method in _ROUNDED:
        return _ROUNDED[method](last * fractions)
    a = _OFFSETS[method]
    place = (last + 1.0) * fractions + (fractions * (1.0 - 2.0 * a) + (a - 1.0))
    return where(place < 0.0, 0.0, where(place > last, last, place))


def _quantiles(
    op: str,
    x: Array,
    q: Any,
    axis: Axis,
    keepdims: bool,
    method: str = "linear",
    whole: int = 1,
    without_nan: bool = False,
) -> Array:
    shape = shape_of(x)
    message = wrong_axis(len(shape), axis)
    axes = axes_of(axis, len(shape)) if message is None else ()
    n = math.prod(shape[i] for i in axes)
    fractions = numpy.asarray(q, dtype="float64") / whole
    if message is None and n == 0:
        message = "there is no element to choose from along the reduced axes; give at least one."
    if message is None and (fractions.ndim > 1 or not ((fractions >= 0.0) & (fractions <= 1.0)).all()):
        message = f"q is {q!r}; numbers from 0 to {whole} are required."
    if message is None and method not in {*_ROUNDED, *_OFFSETS}:
        message = f"method is {method!r}; it must be one of {', '.join(sorted({*_ROUNDED, *_OFFSETS}))}."
    if message is not None:
        raise ShapeError(f"{op}: x is {shape} and axis={axis}; {message}")
    lines = _last(x if is_floating(x.dtype) else astype(x, "float64"), axes, n)
    fractions = fractions.reshape(-1)
    out = moveaxis((_interpolated_present if without_nan else _interpolated)(lines, fractions, method), -1, 0)
    kept = tuple(1 if i in axes else m for i, m in enumerate(shape) if keepdims or i not in axes)
    return reshape(out, (*numpy.shape(q), *kept))


def _last(x: Array, axes: tuple[int, ...], n: int) -> Array:
    """x with the axes merged into one, the last."""
    moved = moveaxis(x, axes, tuple(range(-len(axes), 0)))
    return reshape(moved, (*moved.shape[: len(moved.shape) - len(axes)], n))


def _interpolated(x: Array, fractions: numpy.ndarray, method: str) -> Array:
    """At each of the fractions of the way along the sorted last axis: the value between its neighbours."""
    raw = unwrap(x)
    backend = backend_of(raw)
    ordered = sort(x)
    last = raw.shape[-1] - 1
    places = _places(method, fractions, last)
    low = numpy.minimum(places.astype("int64"), max(last - 1, 0))
    part = places - low
    below = take(ordered, backend.asarray(low), axis=-1)
    above = take(ordered, backend.asarray(numpy.minimum(low + 1, last)), axis=-1)
    part, rest = (backend.asarray(share, dtype=raw.dtype) for share in (part, 1.0 - part))
    # A neighbour of weight 0 takes no part, be it infinite.
    out = where(part == 0, below, where(part == 1, above, 0.0))
    between = backend.xp.logical_and(part > 0, part < 1)
    out = where(between, where(between, below, 0.0) * rest + where(between, above, 0.0) * part, out)
    return where(any(isnan(x), axis=-1, keepdims=True), nan, out)


def _interpolated_present(x: Array, fractions: numpy.ndarray, method: str) -> Array:
    """The same among the elements that are not NaN, which lie in front when sorted."""
    last = sum(astype(logical_not(isnan(x)), "float64"), axis=-1, keepdims=True) - 1.0
    places = _places(method, backend_of(unwrap(x)).asarray(fractions), where(last > 0, last, 0.0))
    whole = floor(places)
    low, part = astype(whole, "int64"), cast(places - whole, dtype=x.dtype)
    ordered = sort(x)
    below = take_along_axis(ordered, low, axis=-1)
    between = part > 0
    above = take_along_axis(ordered, low + astype(between, "int64"), axis=-1)
    inner = where(between, below, 0.0) * (1.0 - part) + where(between, above, 0.0) * part
    return where(last < 0, nan, where(between, inner, below))


# Weighted, and between extremes


@composite(shapes="any")
def average(x: Array, weights: Array | None = None, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Weighted mean, sum(weights * x) / sum(weights); without weights the mean.

    weights : of x's shape, or of the lengths of the reduced axes, in the order in which `axis` names them.
    Raises ShapeError for another shape.

    >>> average(np.array([1.0, 2.0, 4.0]), np.array([2.0, 1.0, 1.0]))
    np.float64(2.0)
    """
    if weights is None:
        return mean(x, axis=axis, keepdims=keepdims)
    shape, own = shape_of(x), shape_of(weights)
    axes = axes_of(axis, len(shape), "average")
    if own != shape:
        if own != tuple(shape[i] for i in axes):
            raise ShapeError(
                f"average: x is {shape}, weights are {own} and axis={axis}; weights must be {shape}, or "
                f"{tuple(shape[i] for i in axes)}, the lengths along the axis."
            )
        order = tuple(sorted(range(len(axes)), key=axes.__getitem__))
        lengths = tuple(n if i in axes else 1 for i, n in enumerate(shape))
        weights = broadcast_to(reshape(permute_dims(weights, order), lengths), shape)
    return sum(x * weights, axis=axis, keepdims=keepdims) / sum(weights, axis=axis, keepdims=keepdims)


@composite(shapes="any")
def ptp(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Peak to peak: the largest element less the smallest. Equal extremes share the gradient.

    Raises ShapeError if there is no element.

    >>> ptp(np.array([[1.0, 4.0], [2.0, 2.0]]), axis=1)
    array([3., 0.])
    """
    highest = reductions.max(x, axis=axis, keepdims=keepdims)
    return highest - reductions.min(x, axis=axis, keepdims=keepdims)


# Without NaN


def _filled(x: Array, value: float) -> Array:
    """x with `value` in place of NaN; integers, which have none, as they are."""
    return where(isnan(x), value, x) if is_floating(x.dtype) else x


@composite(shapes="any")
def nanprod(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Product of the elements that are not NaN, 1 if there are none.

    >>> nanprod(np.array([3.0, np.nan, 2.0]))
    np.float64(6.0)
    """
    return prod(_filled(x, 1.0), axis=axis, keepdims=keepdims)


@composite(shapes="any")
def nansum(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Sum of the elements that are not NaN, 0 if there are none.

    >>> nansum(np.array([1.0, np.nan, 2.0]))
    np.float64(3.0)
    """
    return sum(_filled(x, 0.0), axis=axis, keepdims=keepdims)


def _present(x: Array, axis: Axis, keepdims: bool) -> Array:
    """How many elements are not NaN, in x's dtype."""
    return sum(cast(logical_not(isnan(x)), dtype=x.dtype), axis=axis, keepdims=keepdims)


def _divided(total: Array, count: Array) -> Array:
    """total / count, NaN where the count is not positive."""
    return where(count > 0, total / where(count > 0, count, 1.0), nan)


@composite(shapes="any")
def nanmean(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Mean of the elements that are not NaN, NaN if there are none.

    >>> nanmean(np.array([1.0, np.nan, 2.0]))
    array(1.5)
    """
    return _divided(nansum(x, axis=axis, keepdims=keepdims), _present(x, axis, keepdims))


@composite(shapes="any")
def nanvar(x: Array, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Variance of the elements that are not NaN, NaN if there are no more of them than `correction`.

    correction : 0 for the variance of a population, 1 for the unbiased estimate from a sample.

    >>> nanvar(np.array([1.0, np.nan, 3.0]))
    array(1.)
    """
    missing = isnan(x)
    centred = where(missing, 0.0, x) - where(missing, 0.0, nanmean(x, axis=axis, keepdims=True))
    count = _present(x, axis, keepdims)
    squares = square(abs(centred) if is_complex(x.dtype) else centred)
    return _divided(sum(squares, axis=axis, keepdims=keepdims), count - correction)


@composite(shapes="any")
def nanstd(x: Array, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Standard deviation of the elements that are not NaN. Its derivative is 0 where all of them are equal.

    correction : 0 for a population, 1 for a sample; see `nanvar`.

    >>> nanstd(np.array([1.0, np.nan, 3.0]))
    array(1.)
    """
    variance = nanvar(x, axis=axis, correction=correction, keepdims=keepdims)
    zero = equal(variance, 0.0)
    return where(zero, 0.0, sqrt(where(zero, 1.0, variance)))


def _extreme(reduce, x: Array, neutral: float, axis: Axis, keepdims: bool) -> Array:
    missing = isnan(x)
    out = reduce(where(missing, neutral, x), axis=axis, keepdims=keepdims)
    return where(all(missing, axis=axis, keepdims=keepdims), nan, out)


@composite(shapes="any")
def nanmax(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The largest element that is not NaN, NaN if there is none. Equal largest elements share the gradient.

    Raises ShapeError if there is no element.

    >>> nanmax(np.array([1.0, np.nan, 2.0]))
    array(2.)
    """
    return _extreme(reductions.max, x, -inf, axis, keepdims)


@composite(shapes="any")
def nanmin(x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The smallest element that is not NaN, NaN if there is none. Equal smallest elements share the gradient.

    Raises ShapeError if there is no element.

    >>> nanmin(np.array([1.0, np.nan, 2.0]))
    array(1.)
    """
    return _extreme(reductions.min, x, inf, axis, keepdims)
