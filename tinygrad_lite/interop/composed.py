"""More entries of the table: choice, reductions, products and norms, composed from operations as NumPy defines them."""

from __future__ import annotations

from typing import Any

import numpy

from .. import ops
from ..core.graph import Handle, no_grad
from .functions import TABLE, entry, ravel
from .names import ours, refuse
from .translation import array_of, in_dtype
from .ufuncs import scan

__all__: list[str] = []


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
def clip(a, a_min=None, a_max=None, *, min=None, max=None):
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    return ops.clip(array_of(a), array_of(low), array_of(high))


@entry
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    x = array_of(x)
    limits = numpy.finfo(str(x.dtype))
    high, low = (float(limits.max) if posinf is None else posinf), (float(limits.min) if neginf is None else neginf)
    x = ops.where(ops.isnan(x), nan, x)
    x = ops.where(ops.equal(x, float("inf")), high, x)
    return ops.where(ops.equal(x, float("-inf")), low, x)


@entry
def nonzero(a):
    found = numpy.nonzero(_constant(a))
    return tuple(ops.asarray(index) for index in found)


@entry
def flatnonzero(a):
    return nonzero(ravel(a))[0]


@entry
def argwhere(a):
    return ops.asarray(numpy.argwhere(_constant(a)))


@entry
def count_nonzero(a, axis=None, *, keepdims=False):
    return ops.sum(ops.not_equal(array_of(a), 0), axis=axis, keepdims=keepdims)


def _constant(x: Any) -> numpy.ndarray:
    """The values as a NumPy array, for results that are integers and have no derivative."""
    x = array_of(x)
    return x.detach().numpy() if isinstance(x, Handle) else x  # type: ignore[attr-defined]


# Comparison: constants


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
    return numpy.array_equal(_constant(a1), _constant(a2), equal_nan)


@entry
def array_equiv(a1, a2):
    return numpy.array_equiv(_constant(a1), _constant(a2))


# Reductions and scans


@entry
def cumsum(a, axis=None, dtype=None):
    x = in_dtype(array_of(a), dtype, "numpy.cumsum")
    return scan("add", ravel(x) if axis is None else x, axis or 0)


@entry
def cumprod(a, axis=None, dtype=None):
    x = in_dtype(array_of(a), dtype, "numpy.cumprod")
    return scan("multiply", ravel(x) if axis is None else x, axis or 0)


@entry
def average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    x = array_of(a)
    if weights is None:
        weights = ops.ones_like(x)
    weights = array_of(weights)
    if weights.shape != x.shape and axis is not None:
        weights = ops.reshape(weights, tuple(n if i == axis % len(x.shape) else 1 for i, n in enumerate(x.shape)))
    weights = ops.broadcast_to(weights, x.shape)
    total = ops.sum(weights, axis=axis, keepdims=keepdims)
    mean = ops.divide(ops.sum(ops.multiply(x, weights), axis=axis, keepdims=keepdims), total)
    return (mean, ops.asarray(total)) if returned else mean


@entry
def ptp(a, axis=None, *, keepdims=False):
    x = array_of(a)
    return ops.subtract(ops.max(x, axis=axis, keepdims=keepdims), ops.min(x, axis=axis, keepdims=keepdims))


@entry
def round_(a, decimals=0):
    x, rounded = array_of(a), ours("round", "numpy.round")
    return rounded(x) if decimals == 0 else ops.divide(rounded(ops.multiply(x, 10.0**decimals)), 10.0**decimals)


TABLE["around"] = round_


@entry
def linspace(start, stop, num=50, endpoint=True, *, dtype=None, axis=0):
    start, stop = array_of(start), array_of(stop)
    step = ops.subtract(stop, start)
    parts = numpy.linspace(0, 1, num, endpoint=endpoint, dtype=str(step.dtype))
    points = ops.add(start, ops.multiply(step, parts.reshape(-1, *(1,) * len(step.shape))))
    return in_dtype(points if axis == 0 else ops.moveaxis(points, 0, axis), dtype, "numpy.linspace")


# Products


@entry
def dot(a, b):
    a, b = array_of(a), array_of(b)
    dims = len(getattr(a, "shape", ())), len(getattr(b, "shape", ()))
    if 0 in dims:
        return ops.multiply(a, b)
    return ops.matmul(a, b) if dims[1] < 3 else ops.tensordot(a, b, axes=([-1], [-2]))


@entry
def inner(a, b):
    a, b = array_of(a), array_of(b)
    if not getattr(a, "shape", ()) or not getattr(b, "shape", ()):
        return ops.multiply(a, b)
    return ops.tensordot(a, b, axes=([-1], [-1]))


@entry
def vdot(a, b):
    a, b = ravel(a), ravel(b)
    return ops.matmul(ours("conj", "numpy.vdot")(a) if "complex" in str(a.dtype) else a, b)


@entry
def tensordot(a, b, axes=2):
    if not isinstance(axes, int):
        left, right = axes
        axes = ([left] if isinstance(left, int) else list(left)), ([right] if isinstance(right, int) else list(right))
    return ops.tensordot(array_of(a), array_of(b), axes=axes)


@entry
def einsum(*operands, optimize=False):
    if not isinstance(operands[0], str):
        raise refuse("numpy.einsum", "operands before the subscripts (give the subscripts as a string)")
    return ops.einsum(operands[0], *map(array_of, operands[1:]))


@entry
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is None:
        axis = axisa
        if not axisa == axisb == axisc:
            raise refuse("numpy.cross", "axisa (other than axisb and axisc)")
    return ours("cross", "numpy.cross")(array_of(a), array_of(b), axis=axis)


@entry
def linalg_multi_dot(arrays):
    first, *rest = arrays
    for x in rest:
        first = ops.matmul(array_of(first), array_of(x))
    return first


@entry
def linalg_norm(x, ord=None, axis=None, keepdims=False):
    x = array_of(x)
    matrix = len(axis) == 2 if isinstance(axis, tuple) else axis is None and len(x.shape) == 2
    if ord is None and (axis is None or matrix):
        ord, matrix = 2, False
    if matrix:
        norm = ours("matrix_norm", "numpy.linalg.norm")
        if axis is not None:
            x = ops.moveaxis(x, axis, (-2, -1))
        out = norm(x, ord=ord, keepdims=keepdims)
        return ops.moveaxis(out, (-2, -1), axis) if axis is not None and keepdims else out
    return ours("vector_norm", "numpy.linalg.norm")(x, ord=2 if ord is None else ord, axis=axis, keepdims=keepdims)
