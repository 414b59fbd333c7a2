"""Entries of the table for polynomials, as vectors of their coefficients, the highest power first."""

from __future__ import annotations

from typing import Any

import numpy

from .. import ops
from .choice import vander
from .composed import fractional, linalg_lstsq
from .functions import atleast_1d, entry
from .names import refuse
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
    for constant in constants.tolist():
        powers = numpy.arange(len(p), 0, -1)
        p = ops.pad(ops.divide(p, placed(powers.astype(str(p.dtype)), p)), (0, 1), value=constant)
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
