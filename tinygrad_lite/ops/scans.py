"""Scans: the maximum, the minimum or the smooth maximum of the elements up to each one along an axis.

What joins two neighbouring parts of an array joins all of it in log2(n) steps over the whole array: after step k each
element stands for 2^k of them (W. Hillis and G. Steele, Communications of the ACM 29, 1170, 1986).
"""

from __future__ import annotations

from ..core.axes import axes_of
from ..core.op import Array, composite, primitive
from .comparison import equal, isnan, logical_and, logical_not, not_equal, where
from .conversion import astype, cast
from .indexing import take_along_axis
from .joining import concat, crop, pad
from .powers import logaddexp
from .reductions import cumulative_sum

__all__ = ["cummax", "cummin", "logcumsumexp"]


def _widths(x: Array, axis: int, before: int, after: int) -> tuple[tuple[int, int], ...]:
    return tuple((before, after) if i == axis else (0, 0) for i in range(len(x.shape)))


def _reaches(n: int) -> list[int]:
    """1, 2, 4, ... below n."""
    return [1 << k for k in range((n - 1).bit_length())] if n > 1 else []


# The running extremes


def _extreme_scan(xp, op: str, join, x: Array, axis: int) -> Array:
    (axis,) = axes_of(axis, len(x.shape), op)
    out = xp.asarray(x, copy=True)
    for reach in _reaches(x.shape[axis]):
        first, earlier, later = (
            (slice(None),) * axis + (cut,) for cut in (slice(reach), slice(-reach), slice(reach, None))
        )
        out = xp.concat([out[(*first, ...)], join(out[(*later, ...)], out[(*earlier, ...)])], axis=axis)
    return out


def _extreme_rule(g: Array, x: Array, x_dtype, out: Array, axis: int) -> Array:
    """Each result is shared by the elements so far that equal it. These are of its run, in which the result is one."""
    (axis,) = axes_of(axis, len(out.shape))
    if out.shape[axis] < 2:
        return g
    start = _run_starts(out, axis)
    member = equal(x, out)
    members = cumulative_sum(astype(member, "int64"), axis=axis)
    before = take_along_axis(members - astype(member, "int64"), start, axis=axis)
    # Where the result is NaN nothing equals it; the first NaN of the run, its start, gets all.
    count = cast(where(isnan(out), 1, members - before), dtype=x_dtype)
    sums = _sums_ahead(g / count, start, axis)
    return where(where(isnan(out), equal(start, _places(start, axis)), member), sums, 0.0)


def _places(start: Array, axis: int) -> Array:
    """The index of each place along the axis."""
    return cumulative_sum(start * 0 + 1, axis=axis) - 1


def _run_starts(out: Array, axis: int) -> Array:
    """For each place the first index of its run of equal elements; NaNs count as equal."""
    later, earlier = crop(out, _widths(out, axis, 1, 0)), crop(out, _widths(out, axis, 0, 1))
    both_nan = logical_and(isnan(later), isnan(earlier))
    changed = astype(logical_and(not_equal(later, earlier), logical_not(both_nan)), "int64")
    places = cumulative_sum(changed * 0 + 1, axis=axis)
    return cummax(pad(changed * places, _widths(out, axis, 1, 0)), axis=axis)


def _sums_ahead(x: Array, start: Array, axis: int) -> Array:
    """For each place the sum of x from there to the end of its run."""
    for reach in _reaches(x.shape[axis]):
        cut, added = _widths(x, axis, reach, 0), _widths(x, axis, 0, reach)
        same = equal(pad(crop(start, cut), added, value=-1), start)
        x = x + where(same, pad(crop(x, cut), added), 0.0)
    return x


@primitive(x=_extreme_rule, shapes="any")
def cummax(xp, x: Array, /, axis: int = -1) -> Array:
    """The largest of the elements up to each one along an axis, NaN from the first NaN on. Equals share the gradient.

    Raises ShapeError for an axis that there is not.

    >>> cummax(np.array([1.0, 3.0, 2.0, 5.0]))
    array([1., 3., 3., 5.])
    """
    return _extreme_scan(xp, "cummax", xp.maximum, x, axis)


@primitive(x=_extreme_rule, shapes="any")
def cummin(xp, x: Array, /, axis: int = -1) -> Array:
    """The smallest of the elements up to each one along an axis, NaN from the first NaN on. Equals share the gradient.

    Raises ShapeError for an axis that there is not.

    >>> cummin(np.array([4.0, 3.0, 5.0, 1.0]))
    array([4., 3., 3., 1.])
    """
    return _extreme_scan(xp, "cummin", xp.minimum, x, axis)


# The running smooth maximum


@composite(shapes="any", autocast="float32")
def logcumsumexp(x: Array, /, axis: int = -1) -> Array:
    """log(cumulative_sum(exp(x))) along an axis, without overflow.

    Raises ShapeError for an axis that there is not.

    >>> logcumsumexp(np.array([1000.0, 1000.0]))
    array([1000.        , 1000.69314718])
    """
    (axis,) = axes_of(axis, len(x.shape), "logcumsumexp")
    n = x.shape[axis]
    for reach in _reaches(n):
        first = crop(x, _widths(x, axis, 0, n - reach))
        later, earlier = crop(x, _widths(x, axis, reach, 0)), crop(x, _widths(x, axis, 0, reach))
        x = concat([first, logaddexp(later, earlier)], axis=axis)
    return x
