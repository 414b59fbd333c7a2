"""Reductions: from many elements to one, along some axes or all. And cumulative sums."""

from __future__ import annotations

import builtins
from math import inf, nan
from math import prod as product
from typing import Any

from ..core.axes import Axis, axes_of, shape_of, wrong_axis
from ..core.backend import backend_of
from ..core.dtypes import is_complex, is_floating
from ..core.errors import DTypeError
from ..core.op import Array, primitive
from .comparison import equal, isnan, logical_or, where
from .conversion import cast, detach, dtype_on
from .elementwise import exp
from .indexing import getitem
from .joining import concat, crop, pad
from .movement import broadcast_to, flip, moveaxis, reshape

__all__ = [
    "all", "any", "argmax", "argmin", "cumulative_prod", "cumulative_sum", "logsumexp", "max", "mean", "min", "prod",
    "std", "sum", "var",
]  # fmt: skip


def spread(reduced: Array, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    """The result of a reduction of an array of `shape`, repeated along the axes that were reduced."""
    if axis is not None and not keepdims:
        axes = axes_of(axis, len(shape))
        reduced = reshape(reduced, tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return broadcast_to(reduced, shape)


def _count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many elements become one."""
    return product(shape if axis is None else [shape[i] for i in axes_of(axis, len(shape))])


def _explain(x: Array, /, *, axis: Axis = None, **_) -> str | None:
    shape = shape_of(x)
    message = wrong_axis(len(shape), axis)
    if message is None and _count(shape, axis) == 0:
        message = "there is no element to choose from along the reduced axes; give at least one."
    return message and f"x is {shape} and axis={axis}; {message}"


def _explain_one_axis(x: Array, /, *, axis: int | None = None, **_) -> str | None:
    if isinstance(axis, (tuple, list)):
        return f"axis is {axis!r}; it must be one integer or None."
    return _explain(x, axis=axis)


def _floating(xp, x: Array) -> Array:
    """x, or as NumPy does with integers and booleans where fractions may result, x in double precision."""
    return x if is_floating(x.dtype) else xp.astype(x, xp.float64)


def _in(xp, op: str, x: Array, dtype: Any) -> tuple[Array, Any]:
    """x in the dtype in which `op` is to compute, and that dtype, None if the namespace is to choose it."""
    if dtype is None:
        return x, None
    dtype = dtype_on(backend_of(x), dtype)
    if is_floating(x.dtype) and not is_floating(dtype):
        raise DTypeError(
            f"{op}: x has dtype {x.dtype} and dtype={dtype}; fractions would be lost. Give a floating-point dtype, or "
            f"convert x first, with astype."
        )
    return xp.astype(x, dtype, copy=False), dtype


# Sums and means


@primitive(
    x=lambda g, x_shape, axis, keepdims: spread(g, x_shape, axis, keepdims),
    shapes="any",
    explain=_explain,
    autocast="float32",
)
def sum(xp, x: Array, /, axis: Axis = None, *, dtype: Any = None, keepdims: bool = False) -> Array:
    """Sum of the elements, 0 if there are none. The sum of booleans is an integer.

    dtype : convert x to it first, and add up in it; without it sums of small integers are of a larger dtype.

    Raises DTypeError if fractions would be summed as integers.

    >>> sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """
    if dtype is not None:
        x, dtype = _in(xp, "sum", x, dtype)
    return xp.sum(x, axis=axis, dtype=dtype, keepdims=keepdims)


def _mean_rule(g: Array, x_shape: tuple, axis: Axis, keepdims: bool) -> Array:
    return spread(g / builtins.max(_count(x_shape, axis), 1), x_shape, axis, keepdims)


@primitive(x=_mean_rule, shapes="any", explain=_explain)
def mean(xp, x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Arithmetic mean of the elements, NaN if there are none.

    >>> mean(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    array([1.5, 3.5])
    """
    return xp.mean(_floating(xp, x), axis=axis, keepdims=keepdims)


def _freedom(shape: tuple, axis: Axis, correction: float) -> float:
    """The divisor of a variance; NaN where there are too few elements for one."""
    count = _count(shape, axis) - correction
    return count if count > 0 else nan


def _var_rule(g: Array, x: Array, axis: Axis, correction: float, keepdims: bool) -> Array:
    scale = spread(g * (2.0 / _freedom(x.shape, axis, correction)), x.shape, axis, keepdims)
    return scale * (x - mean(x, axis=axis, keepdims=True))


@primitive(x=_var_rule, shapes="any", explain=_explain)
def var(xp, x: Array, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Variance: the sum of (x - mean)**2, divided by the number of elements less `correction`.

    correction : 0 for the variance of a population, 1 for the unbiased estimate from a sample.

    >>> var(np.array([1.0, 2.0, 3.0, 4.0]), correction=1)
    np.float64(1.6666666666666667)
    """
    return xp.var(_floating(xp, x), axis=axis, correction=correction, keepdims=keepdims)


def _std_rule(g: Array, x: Array, out: Array, axis: Axis, correction: float, keepdims: bool) -> Array:
    if _count(x.shape, axis) > 0 and not is_complex(x.dtype):
        # Of equal elements the deviations may be rounding errors, and the result too.
        largest, smallest = (f(detach(x), axis=axis, keepdims=keepdims) for f in (max, min))
        g = where(equal(largest, smallest), 0.0, g)
    # Where all deviations are 0, any divisor but 0 gives the element of least norm, 0.
    g = g / where(equal(out, 0.0), 1.0, out)
    scale = spread(g * (1.0 / _freedom(x.shape, axis, correction)), x.shape, axis, keepdims)
    return scale * (x - mean(x, axis=axis, keepdims=True))


@primitive(x=_std_rule, shapes="any", explain=_explain)
def std(xp, x: Array, /, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Standard deviation, the square root of the variance. Its derivative is 0 where all elements are equal.

    correction : 0 for a population, 1 for a sample; see `var`.

    >>> std(np.array([1.0, 2.0, 3.0, 4.0]))
    np.float64(1.118033988749895)
    """
    return xp.std(_floating(xp, x), axis=axis, correction=correction, keepdims=keepdims)


# Products


def _others(x: Array) -> Array:
    """For each element along the last axis the product of the others, without a division, and so right at zeros.

    The elements of the two halves are multiplied, which leaves the same problem at half the length; there, each product
    of others lacks only the partner from the other half.
    """
    n = x.shape[-1]
    if n == 2:
        return flip(x, axis=-1)
    half = (n + 1) // 2
    left, right = _part(x, 0, half), _part(x, half, n)
    if n % 2:
        right = pad(right, _last(x, 0, 1), value=1.0)
    others = _others(left * right)
    return _part(concat([others * right, others * left], axis=-1), 0, n)


def _last(x: Array, before: int, after: int) -> tuple:
    return ((0, 0),) * (len(x.shape) - 1) + ((before, after),)


def _part(x: Array, start: int, stop: int) -> Array:
    return crop(x, _last(x, start, x.shape[-1] - stop))


def _prod_rule(g: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    if _count(x.shape, axis) < 2:
        return spread(g, x.shape, axis, keepdims)
    axes = axes_of(axis, len(x.shape))
    last = tuple(range(-len(axes), 0))
    moved = moveaxis(x, axes, last)
    merged = reshape(moved, (*moved.shape[: len(moved.shape) - len(axes)], _count(x.shape, axis)))
    others = moveaxis(reshape(_others(merged), moved.shape), last, axes)
    return spread(g, x.shape, axis, keepdims) * others


@primitive(x=_prod_rule, shapes="any", explain=_explain, autocast="float32")
def prod(xp, x: Array, /, axis: Axis = None, *, dtype: Any = None, keepdims: bool = False) -> Array:
    """Product of the elements, 1 if there are none. Its derivatives are right at zeros, to any order.

    dtype : as for `sum`.

    >>> prod(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([3., 8.])
    """
    x, dtype = _in(xp, "prod", x, dtype)
    return xp.prod(x, axis=axis, dtype=dtype, keepdims=keepdims)


# Extremes


def _extreme_rule(g: Array, x: Array, x_dtype, out: Array, axis: Axis, keepdims: bool) -> Array:
    """Equal extremes share the gradient; where the result is NaN, the NaNs do."""
    chosen = logical_or(equal(x, spread(out, x.shape, axis, keepdims)), isnan(x))
    share = g / sum(cast(chosen, dtype=x_dtype), axis=axis, keepdims=keepdims)
    return where(chosen, spread(share, x.shape, axis, keepdims), 0.0)


@primitive(x=_extreme_rule, shapes="any", explain=_explain)
def max(xp, x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The largest element, NaN if one is NaN. Equal largest elements share the gradient.

    Raises ShapeError if there is no element.

    >>> max(np.array([[1.0, 4.0], [3.0, 2.0]]), axis=0)
    array([3., 4.])
    """
    return xp.max(x, axis=axis, keepdims=keepdims)


@primitive(x=_extreme_rule, shapes="any", explain=_explain)
def min(xp, x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """The smallest element, NaN if one is NaN. Equal smallest elements share the gradient.

    Raises ShapeError if there is no element.

    >>> min(np.array([[1.0, 4.0], [3.0, 2.0]]), axis=0)
    array([1., 2.])
    """
    return xp.min(x, axis=axis, keepdims=keepdims)


@primitive(shapes="any", explain=_explain_one_axis)
def argmax(xp, x: Array, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """The index of the first largest element along an axis, or in the flattened array. A constant.

    >>> argmax(np.array([[1.0, 4.0], [3.0, 2.0]]), axis=0)
    array([1, 0])
    """
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@primitive(shapes="any", explain=_explain_one_axis)
def argmin(xp, x: Array, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """The index of the first smallest element along an axis, or in the flattened array. A constant.

    >>> argmin(np.array([[1.0, 4.0], [3.0, 2.0]]), axis=0)
    array([0, 1])
    """
    return xp.argmin(x, axis=axis, keepdims=keepdims)


# Logic


@primitive(shapes="any", explain=_explain)
def any(xp, x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Whether an element is true, that is not 0. A constant.

    >>> any(np.array([[True, False], [False, False]]), axis=0)
    array([ True, False])
    """
    return xp.any(x, axis=axis, keepdims=keepdims)


@primitive(shapes="any", explain=_explain)
def all(xp, x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Whether all elements are true, that is not 0. A constant.

    >>> all(np.array([[True, False], [True, True]]), axis=0)
    array([ True, False])
    """
    return xp.all(x, axis=axis, keepdims=keepdims)


# The smooth maximum


def _logsumexp_rule(g: Array, x: Array, out: Array, axis: Axis, keepdims: bool) -> Array:
    # exp(x - out) would be the softmax, but for a factor from the rounding of out: 1.00006 at 1000 in float32. So it is
    # divided by its sum. Where all elements are -inf the sum is 0, and so is the share of each.
    shift = where(equal(out, -inf), 0.0, detach(out))
    terms = exp(x - spread(shift, x.shape, axis, keepdims))
    total = sum(terms, axis=axis, keepdims=keepdims)
    return spread(g / where(equal(total, 0.0), 1.0, total), x.shape, axis, keepdims) * terms


@primitive(x=_logsumexp_rule, shapes="any", explain=_explain, autocast="float32")
def logsumexp(xp, x: Array, /, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """log(sum(exp(x))), without overflow. If all elements are -inf the result is -inf and the gradient 0.

    Raises ShapeError if there is no element.

    >>> logsumexp(np.array([1000.0, 1000.0]))
    array(1000.69314718)
    """
    x = _floating(xp, x)
    largest = xp.max(x, axis=axis, keepdims=True)
    limits = xp.finfo(x.dtype)
    # Limited to the finite numbers, since inf - inf is NaN.
    total = xp.sum(xp.exp(x - xp.clip(largest, float(limits.min), float(limits.max))), axis=axis, keepdims=True)
    # The total is 0 only if all elements are -inf. Then log(1) + largest is -inf too, and there is no warning.
    out = xp.log(xp.where(total == 0, 1.0, total)) + largest
    return out if keepdims else xp.squeeze(out, axis=axes_of(axis, len(x.shape)))


# Scans


def _explain_scan(x: Array, /, *, axis: int | None = None, **_) -> str | None:
    if axis is None and len(shape_of(x)) != 1:
        return f"x is {shape_of(x)} and axis=None; an axis is required unless x has one axis."
    return _explain_one_axis(x, axis=axis)


def _cumulative_sum_rule(g: Array, axis: int | None, include_initial: bool) -> Array:
    axis = axes_of(axis, len(g.shape))[0]
    if include_initial:
        g = crop(g, tuple((int(i == axis), 0) for i in range(len(g.shape))))
    return flip(cumulative_sum(flip(g, axis=axis), axis=axis), axis=axis)


@primitive(x=_cumulative_sum_rule, shapes="any", explain=_explain_scan, autocast="float32")
def cumulative_sum(
    xp, x: Array, /, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False
) -> Array:
    """Sums of the elements up to each one along an axis, which may be left out if x has only one.

    dtype : as for `sum`.
    include_initial : put the sum of no elements, 0, in front, so that the axis becomes longer by one.

    >>> cumulative_sum(np.array([1.0, 2.0, 3.0]), include_initial=True)
    array([0., 1., 3., 6.])
    """
    x, dtype = _in(xp, "cumulative_sum", x, dtype)
    return xp.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)


def _cumulative_prod_rule(g: Array, x: Array, axis: int | None, include_initial: bool) -> Array:
    """(product of those before i) * s[i], s[i] = g[i] + x[i + 1] * s[i + 1]: no division, and so right at zeros.

    The recurrence is solved in log2(n) steps, each of which doubles how many elements after i are in s[i].
    """
    axis = axes_of(axis, len(x.shape))[0]
    n = x.shape[axis]
    if n == 0:
        return broadcast_to(0.0 * sum(g), x.shape)
    before = (slice(None),) * axis

    def part(of: Array, start: int | None, stop: int | None) -> Array:
        return getitem(of, index=(*before, slice(start, stop)))

    s = part(g, 1, None) if include_initial else g
    others = part(cumulative_prod(x, axis=axis, include_initial=True), None, n)
    factor, step = part(x, 1, None), 1  # factor[i] = x[i + 1] * ... * x[i + step]
    while step < n:
        s = concat([part(s, None, n - step) + factor * part(s, step, None), part(s, n - step, None)], axis=axis)
        factor = part(factor, None, n - 2 * step) * part(factor, step, None) if 2 * step < n else factor
        step *= 2
    return others * s


@primitive(x=_cumulative_prod_rule, shapes="any", explain=_explain_scan, autocast="float32")
def cumulative_prod(
    xp, x: Array, /, axis: int | None = None, *, dtype: Any = None, include_initial: bool = False
) -> Array:
    """Products of the elements up to each one along an axis, which may be left out if x has only one.

    Its derivatives are right at zeros, to any order. dtype : as for `sum`.
    include_initial : put the product of no elements, 1, in front, so that the axis becomes longer by one.

    >>> cumulative_prod(np.array([1.0, 2.0, 3.0]))
    array([1., 2., 6.])
    """
    x, dtype = _in(xp, "cumulative_prod", x, dtype)
    return xp.cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial)
