"""Entries of the table for polynomials, as vectors of their coefficients, the highest power first."""

from __future__ import annotations

from typing import Any

import numpy

from .. import ops
from .choice import constant, vander
from .composed import fractional, linalg_lstsq
from .functions import atleast_1d, entry
from .names import ours, refuse
from .signals import convolve
from .translation import array_of, in_dtype, placed

__all__: list[str] = []


def _coefficients(p: Any) -> Any:
    if isinstance(p, numpy.poly1d):
        p = p.coeffs
    return atleast_1d(p)


@entry
def polyadd(a1, a2):
    return ops.add(*_of_one_length(a1, a2))


@entry
def polysub(a1, a2):
    return ops.subtract(*_of_one_length(a1, a2))


def _of_one_length(a1: Any, a2: Any) -> list[Any]:
    a1, a2 = _coefficients(a1), _coefficients(a2)
    n = max(len(a1), len(a2))
    return [ops.pad(a, (n - len(a), 0)) for a in (a1, a2)]


@entry
def polymul(a1, a2):
    return convolve(_coefficients(a1), _coefficients(a2))


@entry
def polyder(p, m=1):
    p = _coefficients(p)
    for _ in range(m):
        powers = numpy.arange(len(p) - 1, 0, -1)
        p = ops.multiply(p[:-1], placed(powers.astype(str(p.dtype)), p))
    return p


@entry
def polyint(p, m=1, k=None):
    p = fractional(_coefficients(p))
    constants = numpy.zeros(m) if k is None else numpy.broadcast_to(numpy.asarray(k, dtype="float64"), (m,))
    for added in constants.tolist():
        powers = numpy.arange(len(p), 0, -1)
        p = ops.pad(ops.divide(p, placed(powers.astype(str(p.dtype)), p)), (0, 1), value=added)
    return p


@entry
def polyfit(x, y, deg, rcond=None, *, w=None):
    x, y = in_dtype(array_of(x), "float64", "numpy.polyfit"), in_dtype(array_of(y), "float64", "numpy.polyfit")
    if not isinstance(deg, int):
        raise refuse("numpy.polyfit", "deg (other than an integer)")
    matrix = vander(x, deg + 1)
    if w is not None:
        w = ops.reshape(array_of(w), (-1, 1))
        matrix, y = ops.multiply(matrix, w), ops.multiply(y, w if len(y.shape) == 2 else w[:, 0])
    # Columns of length 1 make the problem far better conditioned.
    scale = ops.sqrt(ops.sum(ops.square(matrix), axis=0))
    found = linalg_lstsq(ops.divide(matrix, scale), y, len(x) * 2.0**-52 if rcond is None else rcond)[0]
    return ops.divide(found, scale if len(y.shape) == 1 else ops.reshape(scale, (-1, 1)))


@entry
def poly(seq_of_zeros):
    zeros = fractional(array_of(seq_of_zeros))
    if len(zeros.shape) != 1:
        raise refuse("numpy.poly", "seq_of_zeros (other than a vector)")
    out = ops.ones_like(zeros[:1] if len(zeros) else zeros)
    for i in range(len(zeros)):
        out = ops.pad(out, (0, 1)) - ops.pad(out * zeros[i], (1, 0))
    return out


@entry
def roots(p):
    p = fractional(_coefficients(p))
    (kept,) = numpy.nonzero(constant(p))
    if not len(kept):
        return p[:0]
    first, last = int(kept[0]), int(kept[-1])
    zeros = placed(numpy.zeros(len(p) - 1 - last, dtype="complex128"), p)
    if first == last:
        return ops.asarray(zeros)
    top = ops.negative(p[first + 1 : last + 1]) / p[first]
    below = placed(numpy.eye(last - first, k=-1, dtype=str(p.dtype))[1:], p)
    companion = ops.concat([ops.expand_dims(top, axis=0), below])
    found = ours("eigvals", "numpy.roots")(companion)
    return ops.concat([found, zeros]) if zeros.shape[0] else found


@entry
def polydiv(u, v):
    u, v = fractional(_coefficients(u)), fractional(_coefficients(v))
    steps, quotient, rest = max(len(u) - len(v) + 1, 0), [], u
    for k in range(steps):
        factor = rest[k : k + 1] / v[:1]
        quotient.append(factor)
        rest = rest - ops.pad(factor * v, (k, len(u) - len(v) - k))
    rest = rest[steps:]
    (kept,) = numpy.nonzero(abs(constant(rest)) > 1e-8)
    rest = rest[int(kept[0]) if len(kept) else max(len(rest) - 1, 0) :]
    none = ops.zeros_like(u[:1])
    return ops.concat(quotient) if quotient else none, rest if len(rest) else none
