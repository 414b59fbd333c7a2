"""Kernels for `ops/reductions.py`, and for the operations of `ops/activations.py` that work on rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...core.op import kernel
from ..rules import rule
from . import row_code as code
from .memory import scratch
from .row_code import in_rows, row_code
from .rows import dots, floats, over_rows, sums

__all__ = ["log_softmax", "logsumexp", "softmax"]

_WORTH_IT = 1 << 14
"""Elements from which on the kernels of NumPy calls are faster; those of machine code always are."""


def _last_axis(x: Any, *, axis: Any = -1, **_: Any) -> bool:
    if not floats(x) or x.ndim == 0 or axis not in (-1, x.ndim - 1) or type(axis) is not int:
        return False
    return x.size >= _WORTH_IT or row_code(code.softmax, x) is not None


def _rows(x: Any) -> Any:
    return x.reshape(-1, x.shape[-1])


# Machine code in one thread: 0.81 ns an element of float32 at (8192, 1024), and at (768, 65) 0.46 of the definition's
# time, at (3072, 64) 0.46. NumPy's calls take as long as the definition in one thread, exp for the most part.
@kernel(ops.softmax, "numpy", when=_last_axis)
def softmax(x: Any, *, axis: Any = -1) -> Any:
    out = np.empty(x.shape, x.dtype)
    made = row_code(code.softmax, x)
    if made is not None:
        made(in_rows(x), out=_rows(out))
        return out
    rows, results = _rows(x), _rows(out)

    def work(block: slice) -> None:
        e, z = results[block], rows[block]
        np.subtract(z, np.maximum.reduce(z, axis=1, keepdims=True), out=e)
        np.exp(e, out=e)
        e /= sums(e)

    over_rows(work, *rows.shape)
    return out


@rule(ops.softmax, "numpy")
def _(g: Any, out: Any, axis: Any) -> Any:
    """out * (g - sum(g * out))"""
    if not _last_axis(out, axis=axis) or g.dtype != out.dtype:
        return NotImplemented
    gradient = np.empty(out.shape, out.dtype)
    made = row_code(code.softmax_rule, out)
    if made is not None:
        made(in_rows(g), in_rows(out), out=_rows(gradient))
        return gradient
    ups, rows, results = _rows(g), _rows(out), _rows(gradient)

    def work(block: slice) -> None:
        up, p, r = ups[block], rows[block], results[block]
        np.subtract(up, dots(up, p), out=r)
        r *= p

    over_rows(work, *rows.shape)
    return gradient


@kernel(ops.log_softmax, "numpy", when=_last_axis)
def log_softmax(x: Any, *, axis: Any = -1) -> Any:
    out = np.empty(x.shape, x.dtype)
    made = row_code(code.log_softmax, x)
    if made is not None:
        made(in_rows(x), out=_rows(out))
        return out
    rows, results = _rows(x), _rows(out)

    def work(block: slice) -> None:
        r, z = results[block], rows[block]
        np.subtract(z, np.maximum.reduce(z, axis=1, keepdims=True), out=r)
        e = np.exp(r, out=scratch("row", r.shape, r.dtype))
        r -= np.log(sums(e))

    over_rows(work, *rows.shape)
    return out


@rule(ops.log_softmax, "numpy")
def _(g: Any, out: Any, axis: Any) -> Any:
    """g - exp(out) * sum(g)"""
    if not _last_axis(out, axis=axis) or g.dtype != out.dtype:
        return NotImplemented
    gradient = np.empty(out.shape, out.dtype)
    made = row_code(code.log_softmax_rule, out)
    if made is not None:
        made(in_rows(g), in_rows(out), out=_rows(gradient))
        return gradient
    ups, rows, results = _rows(g), _rows(out), _rows(gradient)

    def work(block: slice) -> None:
        up, r = ups[block], np.exp(rows[block], out=results[block])
        r *= sums(up)
        np.subtract(up, r, out=r)

    over_rows(work, *rows.shape)
    return gradient


@kernel(ops.logsumexp, "numpy", when=_last_axis)
def logsumexp(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    out = np.empty((*x.shape[:-1], 1), x.dtype)
    made = row_code(code.logsumexp, x)
    if made is not None:
        made(in_rows(x), out=out.reshape(-1))
        return out if keepdims else out[..., 0]
    rows, results = _rows(x), out.reshape(-1, 1)
    limits = np.finfo(x.dtype)

    def work(block: slice) -> None:
        z = rows[block]
        largest = np.maximum.reduce(z, axis=1, keepdims=True)
        # As in the definition: no inf - inf, and no log(0) where all elements are -inf.
        e = np.subtract(z, np.clip(largest, limits.min, limits.max), out=scratch("row", z.shape, z.dtype))
        total = sums(np.exp(e, out=e))
        np.add(np.log(np.where(total == 0, 1.0, total)), largest, out=results[block])

    over_rows(work, *rows.shape)
    return out if keepdims else out[..., 0]


@rule(ops.logsumexp, "numpy")
def _(g: Any, x: Any, out: Any, axis: Any) -> Any:
    """g * softmax(x), divided by its sum because of the rounding of out."""
    if not _last_axis(x, axis=axis) or g.dtype != x.dtype:
        return NotImplemented
    gradient = np.empty(x.shape, x.dtype)
    made = row_code(code.logsumexp_rule, x)
    if made is not None:
        made(g.reshape(-1), in_rows(x), np.asarray(out).reshape(-1), out=_rows(gradient))
        return gradient
    rows, results, ups, shifts = _rows(x), _rows(gradient), g.reshape(-1, 1), np.asarray(out).reshape(-1, 1)

    def work(block: slice) -> None:
        shift = shifts[block]
        e = np.subtract(rows[block], np.where(shift == -np.inf, 0.0, shift), out=results[block])
        total = sums(np.exp(e, out=e))
        e *= ups[block] / np.where(total == 0, 1.0, total)

    over_rows(work, *rows.shape)
    return gradient
