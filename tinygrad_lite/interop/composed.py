"""Entries of the table that are computed: reductions, products, norms, statistics, transforms."""

from __future__ import annotations

import math
import string
from typing import Any

import numpy

from .. import ops
from ..core.dtypes import is_floating
from ..core.graph import Handle
from .functions import TABLE, entry, ravel
from .names import ours, refuse
from .translation import array_of, in_dtype, placed
from .ufuncs import scan

__all__ = ["fractional"]


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
def nancumsum(a, axis=None, dtype=None):
    return cumsum(_without_nan(a, 0), axis, dtype)


@entry
def nancumprod(a, axis=None, dtype=None):
    return cumprod(_without_nan(a, 1), axis, dtype)


def _without_nan(a: Any, value: int) -> Any:
    x = array_of(a)
    return ops.where(ops.isnan(x), value, x) if is_floating(x.dtype) else x


@entry
def average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    x = array_of(a)
    weights = None if weights is None else array_of(weights)
    mean = ops.average(x, weights, axis=axis, keepdims=keepdims)
    return (mean, ops.asarray(_total(x, weights, axis, mean))) if returned else mean


def _total(x: Any, weights: Any, axis: Any, mean: Any) -> Any:
    """The sum of the weights along the axes, in the shape of the mean."""
    if weights is None:
        return ops.full_like(mean, x.size / max(mean.size, 1))
    if weights.shape != x.shape:
        return ops.broadcast_to(ops.sum(weights), mean.shape)
    return ops.reshape(ops.sum(weights, axis=axis), mean.shape)


@entry
def ediff1d(ary, to_end=None, to_begin=None):
    x = ravel(array_of(ary))
    parts = [to_begin, ops.subtract(x[1:], x[:-1]), to_end]
    return ops.concat([ravel(ops.asarray(array_of(part))) for part in parts if part is not None])


@entry
def round_(a, decimals=0):
    x, rounded = array_of(a), ours("round", "numpy.round")
    if not is_floating(x.dtype):
        return x if decimals >= 0 else ops.astype(rounded(x * 10.0**decimals) * 10.0**-decimals, x.dtype)
    return rounded(x) if decimals == 0 else ops.divide(rounded(ops.multiply(x, 10.0**decimals)), 10.0**decimals)


TABLE["around"] = round_


@entry
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    start, stop = (fractional(array_of(end)) for end in (start, stop))
    span = ops.subtract(stop, start)
    parts = numpy.linspace(0, 1, num, endpoint=endpoint, dtype=str(span.dtype))
    points = ops.add(start, ops.multiply(span, placed(parts.reshape(-1, *(1,) * len(span.shape)), span)))
    points = in_dtype(points if axis == 0 else ops.moveaxis(points, 0, axis), dtype, "numpy.linspace")
    return (points, ops.divide(span, max(num - bool(endpoint), 1))) if retstep else points


def fractional(x: Any) -> Any:
    """x, or integers as NumPy's fractions."""
    return ops.astype(x, "float64") if hasattr(x, "dtype") and not is_floating(x.dtype) else x


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
    if isinstance(operands[0], str):
        subscripts, *arrays = operands
    else:
        # Arrays and lists of the numbers of their axes in turn, and perhaps a list for the result.
        arrays, lists = operands[::2], operands[1::2]
        out = ""
        if len(operands) % 2:
            *arrays, last = arrays
            out = "->" + _letters(last)
        subscripts = ",".join(map(_letters, lists)) + out
    return ops.einsum(subscripts, *(ops.asarray(array_of(x)) for x in arrays))


def _letters(numbers: Any) -> str:
    letters = string.ascii_letters
    return "".join("..." if number is Ellipsis else letters[number] for number in numbers)


@entry
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is not None:
        axisa = axisb = axisc = axis
    product = ours("cross", "numpy.cross")
    out = product(*(ops.moveaxis(array_of(x), place, -1) for x, place in ((a, axisa), (b, axisb))), axis=-1)
    return ops.moveaxis(out, -1, axisc)


@entry
def linalg_multi_dot(arrays):
    first, *rest = arrays
    for x in rest:
        first = ops.matmul(array_of(first), array_of(x))
    return first


@entry
def linalg_norm(x, ord=None, axis=None, keepdims=False):
    x = fractional(array_of(x))
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


@entry
def trace(a, offset=0, axis1=0, axis2=1, dtype=None):
    return ops.sum(in_dtype(diagonal(a, offset, axis1, axis2), dtype, "numpy.trace"), axis=-1)


@entry
def diagonal(a, offset=0, axis1=0, axis2=1):
    return ours("diagonal", "numpy.diagonal")(ops.moveaxis(array_of(a), (axis1, axis2), (-2, -1)), offset=offset)


@entry
def linalg_matrix_rank(A, tol=None, hermitian=False, *, rtol=None):
    x = array_of(A)
    if len(x.shape) < 2:
        return ops.astype(ops.any(ops.not_equal(x, 0)), "int64")
    if tol is not None:
        raise refuse("numpy.linalg.matrix_rank", "tol (rtol is a fraction of the largest singular value)")
    return ours("matrix_rank", "numpy.linalg.matrix_rank")(x, rtol=rtol)


@entry
def linalg_qr(a, mode="reduced"):
    factors = ours("qr", "numpy.linalg.qr")(array_of(a), mode="reduced" if mode == "r" else mode)
    return factors[1] if mode == "r" else factors


@entry
def linalg_svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    if not compute_uv:
        return ours("svdvals", "numpy.linalg.svd")(array_of(a))
    return ours("svd", "numpy.linalg.svd")(array_of(a), full_matrices=full_matrices)


@entry
def linalg_lstsq(a, b, rcond=None):
    a, b = array_of(a), array_of(b)
    x, residuals, rank, values = ours("lstsq", "numpy.linalg.lstsq")(a, b, rtol=rcond)
    # As NumPy: one for each column of b, and none where the equations have a solution.
    full = int(ops.asarray(rank).item()) == a.shape[-1] < a.shape[-2]
    residuals = ops.reshape(residuals, (-1,))
    return x, residuals if full else residuals[:0], ops.asarray(ops.astype(rank, "int32")), ops.asarray(values)


# Statistics, integrals, polynomials, transforms


@entry
def cov(m, y=None, rowvar=True, bias=False, ddof=None):
    def variables(x: Any) -> Any:
        x = array_of(x)
        return ops.reshape(x, (1, -1)) if len(x.shape) == 1 else x if rowvar else ops.matrix_transpose(x)

    x = variables(m) if y is None else ops.concat([variables(m), variables(y)])
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
    base = array_of(base)
    if getattr(base, "shape", ()):
        start, stop = (ops.add(array_of(end), ops.zeros_like(base)) for end in (start, stop))
        base = ops.expand_dims(base, axis=axis)
    return in_dtype(ops.power(base, linspace(start, stop, num, endpoint, axis=axis)), dtype, "numpy.logspace")


@entry
def geomspace(start, stop, num=50, endpoint=True, *, dtype=None, axis=0):
    start, stop = (ops.asarray(array_of(end)) for end in (start, stop))
    ratio = ops.log(ops.divide(stop, start))
    powers = linspace(ops.zeros_like(ratio), ratio, num, endpoint)
    points = ops.multiply(start, ops.exp(powers))
    return in_dtype(points if axis == 0 else ops.moveaxis(points, 0, axis), dtype, "numpy.geomspace")


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
