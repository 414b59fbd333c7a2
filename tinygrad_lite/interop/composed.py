"""Entries of the table that are computed: reductions, products, norms, statistics, transforms."""

from __future__ import annotations

import math
from typing import Any

import numpy

from .. import ops
from ..core.graph import Handle
from .functions import TABLE, entry, ravel
from .names import ours, refuse
from .translation import array_of, in_dtype, placed
from .ufuncs import scan

__all__: list[str] = []


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
def nanprod(a, axis=None, *, keepdims=False):
    x = array_of(a)
    return ops.prod(ops.where(ops.isnan(x), 1.0, x), axis=axis, keepdims=keepdims)


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
def percentile(a, q, axis=None, *, method="linear", keepdims=False):
    if method != "linear":
        raise refuse("numpy.percentile", "method", method)
    return numpy.quantile(array_of(a), numpy.asarray(q) / 100, axis=axis, keepdims=keepdims)


@entry
def ediff1d(ary):
    x = ravel(array_of(ary))
    return ops.subtract(x[1:], x[:-1])


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
    points = ops.add(start, ops.multiply(step, placed(parts.reshape(-1, *(1,) * len(step.shape)), step)))
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


# Statistics, integrals, polynomials, transforms


@entry
def cov(m, y=None, rowvar=True, bias=False, ddof=None):
    if y is not None:
        raise refuse("numpy.cov", "y")
    x = array_of(m)
    x = ops.reshape(x, (1, -1)) if len(x.shape) == 1 else x if rowvar else ops.matrix_transpose(x)
    centred = ops.subtract(x, ops.mean(x, axis=1, keepdims=True))
    free = x.shape[1] - (ddof if ddof is not None else 0 if bias else 1)
    return ops.squeeze(ops.divide(ops.matmul(centred, ops.matrix_transpose(centred)), free))


@entry
def corrcoef(x, y=None, rowvar=True):
    c = cov(x, y, rowvar)
    if not c.shape:
        return ops.divide(c, c)
    scale = ops.sqrt(ours("diagonal", "numpy.corrcoef")(c))
    return ops.divide(ops.divide(c, ops.reshape(scale, (-1, 1))), scale)


@entry
def trapezoid(y, x=None, dx=1.0, axis=-1):
    y = ops.moveaxis(array_of(y), axis, -1)
    width = dx
    if x is not None:
        x = array_of(x)
        x = x if len(x.shape) == 1 else ops.moveaxis(x, axis, -1)
        width = ops.subtract(x[..., 1:], x[..., :-1])
    return ops.sum(ops.multiply(ops.multiply(width, 0.5), ops.add(y[..., 1:], y[..., :-1])), axis=-1)


@entry
def polyval(p, x):
    p, x = array_of(p), array_of(x)
    value = ops.zeros_like(x)
    for i in range(p.shape[0]):
        value = ops.add(ops.multiply(value, x), p[i])
    return value


@entry
def logspace(start, stop, num=50, endpoint=True, base=10.0, *, dtype=None, axis=0):
    return in_dtype(ops.power(base, linspace(start, stop, num, endpoint, axis=axis)), dtype, "numpy.logspace")


@entry
def angle(z, deg=False):
    z = array_of(z)
    turned = ours("atan2", "numpy.angle")(ours("imag", "numpy.angle")(z), ours("real", "numpy.angle")(z))
    return ops.multiply(turned, 180 / math.pi) if deg else turned


def _two_axes(name: str) -> None:
    def transform(a, s=None, axes=(-2, -1), norm=None):
        transformed = ours(name, f"numpy.fft.{name[:-1]}2")
        return transformed(array_of(a), s=s, axes=axes, norm="backward" if norm is None else norm)

    TABLE[f"fft.{name[:-1]}2"] = transform


for _name in ("fftn", "ifftn", "rfftn", "irfftn"):
    _two_axes(_name)


# In place, as with `x[i] = v`


@entry
def put_along_axis(arr, indices, values, axis):
    if not isinstance(arr, Handle):
        raise refuse("numpy.put_along_axis", "values (a Tensor, for an array of NumPy's)")
    target: Any = arr
    target[...] = ours("put_along_axis", "numpy.put_along_axis")(target, array_of(indices), array_of(values), axis=axis)
