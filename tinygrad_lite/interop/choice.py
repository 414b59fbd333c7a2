"""Entries of the table for choosing elements by conditions and positions, and for comparing."""

from __future__ import annotations

import math
from typing import Any

import numpy

from .. import ops
from ..core.backend import backend_of
from ..core.dtypes import is_complex, is_floating
from ..core.dtypes import limits as _limits
from ..core.graph import Handle, no_grad
from .functions import entry, ravel
from .names import ours, refuse
from .translation import array_of, holds_tensor, placed

__all__ = ["constant"]


# Choice


@entry
def where(condition, x=None, y=None):
    if x is None and y is None:
        return nonzero(condition)
    return ops.where(array_of(condition), array_of(x), array_of(y))


@entry
def select(condlist, choicelist, default=0):
    chosen = array_of(default)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        chosen = ops.where(array_of(condition), array_of(choice), chosen)
    return chosen


@entry
def piecewise(x, condlist, funclist, *args, **kw):
    x = array_of(x)
    single = not isinstance(condlist, (list, tuple)) and len(getattr(condlist, "shape", ())) <= len(x.shape)
    conditions = [numpy.asarray(constant(one), dtype=bool) for one in ([condlist] if single else condlist)]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~numpy.logical_or.reduce(conditions))
    out = ops.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        place = placed(numpy.broadcast_to(condition, x.shape), x)
        value = function(ops.getitem(x, index=place), *args, **kw) if callable(function) else function
        out = ops.set_item(out, value, index=place)
    return out


@entry
def clip(a, a_min=None, a_max=None, *, min=None, max=None):
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    return ops.clip(array_of(a), array_of(low), array_of(high))


@entry
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    x = array_of(x)
    if not is_floating(x.dtype):
        return ops.positive(x)
    if is_complex(x.dtype):
        parts = (ours(part, "numpy.nan_to_num")(x) for part in ("real", "imag"))
        real, imaginary = (nan_to_num(part, copy, nan, posinf, neginf) for part in parts)
        return ops.add(real, ops.multiply(imaginary, 1j))
    limits = _limits(x.dtype)
    high, low = (float(limits.max) if posinf is None else posinf), (float(limits.min) if neginf is None else neginf)
    x = ops.where(ops.isnan(x), nan, x)
    x = ops.where(ops.equal(x, float("inf")), high, x)
    return ops.where(ops.equal(x, float("-inf")), low, x)


@entry
def diagflat(v, k=0):
    return ours("diag", "numpy.diagflat")(ravel(array_of(v)), k=k)


@entry
def vander(x, N=None, increasing=False):
    x = array_of(x)
    powers = numpy.arange(x.shape[0] if N is None else N)
    # As products, whose derivatives are right at 0.
    columns = [ops.prod(ops.broadcast_to(ops.expand_dims(x, axis=1), (x.shape[0], n)), axis=1) for n in powers.tolist()]
    return ops.stack(columns if increasing else columns[::-1], axis=1)


@entry
def unique(ar, return_index=False, return_inverse=False, return_counts=False, *, equal_nan=True):
    x = array_of(ar)
    if is_floating(x.dtype) and equal_nan and bool(ops.any(ops.isnan(x)).item()):
        raise refuse("numpy.unique", "ar with NaN (unless equal_nan=False)")
    found = ours("unique_all", "numpy.unique")(x)
    chosen = [
        part for part, asked in zip(found[1:], (return_index, return_inverse, return_counts), strict=True) if asked
    ]
    return (found[0], *chosen) if chosen else found[0]


@entry
def union1d(ar1, ar2):
    return unique(ops.concat([ravel(array_of(ar1)), ravel(array_of(ar2))]))


@entry
def intersect1d(ar1, ar2, assume_unique=False):
    first = ravel(array_of(ar1)) if assume_unique else unique(ar1)
    return ops.sort(_those(first, ops.isin(first, array_of(ar2))))


@entry
def setdiff1d(ar1, ar2, assume_unique=False):
    first = ravel(array_of(ar1)) if assume_unique else unique(ar1)
    return _those(first, ops.isin(first, array_of(ar2), invert=True))


@entry
def setxor1d(ar1, ar2, assume_unique=False):
    return ops.sort(ops.concat([setdiff1d(ar1, ar2, assume_unique), setdiff1d(ar2, ar1, assume_unique)]))


def _those(x: Any, mask: Any) -> Any:
    return ops.asarray(ours("masked_select", "numpy.extract")(x, mask))


@entry
def digitize(x, bins, right=False):
    return ops.asarray(placed(numpy.digitize(constant(x), constant(bins), right), array_of(x)))


@entry
def nonzero(a):
    return tuple(ops.asarray(placed(index, array_of(a))) for index in numpy.nonzero(constant(a)))


@entry
def flatnonzero(a):
    return nonzero(ravel(a))[0]


@entry
def argwhere(a):
    return ops.asarray(placed(numpy.argwhere(constant(a)), array_of(a)))


@entry
def compress(condition, a, axis=None):
    x = array_of(a)
    return ops.take(x, placed(numpy.flatnonzero(constant(condition)), x), axis=axis)


@entry
def extract(condition, arr):
    return compress(condition if holds_tensor(condition) else numpy.ravel(condition), arr)


@entry
def delete(arr, obj, axis=None):
    x = array_of(arr)
    length = len(ravel(x)) if axis is None else x.shape[axis]
    return ops.take(x, placed(numpy.delete(numpy.arange(length), obj), x), axis=axis)


@entry
def count_nonzero(a, axis=None, *, keepdims=False):
    return ops.sum(ops.not_equal(array_of(a), 0), axis=axis, keepdims=keepdims)


def constant(x: Any) -> numpy.ndarray:
    """The values as a NumPy array, for results that are integers and have no derivative."""
    x = array_of(x)
    return backend_of(x.data).to_numpy(x.data) if isinstance(x, Handle) else x


# Comparison: constants


@entry
def isreal(x):
    x = array_of(x)
    complex_ = "complex" in str(x.dtype)
    return ops.equal(ours("imag", "numpy.isreal")(x), 0) if complex_ else ops.ones_like(x, dtype="bool")


@entry
def iscomplex(x):
    return ops.logical_not(isreal(x))


@entry
def isposinf(x):
    return ops.equal(array_of(x), math.inf)


@entry
def isneginf(x):
    return ops.equal(array_of(x), -math.inf)


@entry
def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    with no_grad():
        a, b = array_of(a), array_of(b)
        near = ops.less_equal(ops.abs(ops.subtract(a, b)), ops.add(atol, ops.multiply(rtol, ops.abs(b))))
        close = ops.logical_or(ops.logical_and(near, ops.isfinite(b)), ops.equal(a, b))
        return ops.logical_or(close, ops.logical_and(ops.isnan(a), ops.isnan(b))) if equal_nan else close


@entry
def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    return bool(ops.all(isclose(a, b, rtol, atol, equal_nan)).item())


@entry
def array_equal(a1, a2, equal_nan=False):
    return numpy.array_equal(constant(a1), constant(a2), equal_nan)


@entry
def array_equiv(a1, a2):
    return numpy.array_equiv(constant(a1), constant(a2))
