"""Entries of the table for sampled functions: differences, interpolation, convolution."""

from __future__ import annotations

import math
from typing import Any

import numpy

from .. import ops
from ..core.axes import axes_of
from ..core.dtypes import is_complex
from .choice import constant
from .composed import dot, fractional
from .functions import entry
from .names import ours, refuse
from .translation import array_of, beside, placed

__all__: list[str] = []


@entry
def gradient(f, *varargs, axis=None, edge_order=1):
    f = fractional(array_of(f))
    axes = axes_of(axis, len(f.shape), "numpy.gradient")
    steps = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1.0] * len(axes)
    if edge_order not in (1, 2):
        raise refuse("numpy.gradient", "edge_order", edge_order)
    if len(steps) != len(axes):
        raise refuse("numpy.gradient", "varargs (other than one distance or one vector for each axis)")
    made = [_slopes(f, axis, beside(step, f), edge_order) for axis, step in zip(axes, steps, strict=True)]
    return made[0] if len(made) == 1 else tuple(made)


def _slopes(f: Any, axis: int, step: Any, edge_order: int) -> Any:
    """Slopes of the parabola through each point and its neighbours; at the ends of it, or of the line to the next."""
    f = ops.moveaxis(f, axis, -1)
    n = f.shape[-1]
    if len(getattr(step, "shape", ())) == 1:
        steps = ops.subtract(step[1:], step[:-1])
    else:
        steps = ops.multiply(step, placed(numpy.ones(n - 1, dtype=str(f.dtype)), f))
    rises = ops.divide(f[..., 1:] - f[..., :-1], steps)
    before, after = steps[:-1], steps[1:]
    width = before + after
    inner = (after * rises[..., :-1] + before * rises[..., 1:]) / width
    first, last = rises[..., :1], rises[..., -1:]
    if edge_order == 2:
        bends = (rises[..., 1:] - rises[..., :-1]) / width
        first, last = first - bends[..., :1] * steps[:1], last + bends[..., -1:] * steps[-1:]
    return ops.moveaxis(ops.concat([first, inner, last], axis=-1), -1, axis)


@entry
def interp(x, xp, fp, left=None, right=None, period=None):
    x, xp, fp = (ops.asarray(array_of(value)) for value in (x, xp, fp))
    if period is not None:
        x, xp = ops.remainder(x, period), ops.remainder(xp, period)
        order = ops.argsort(xp)
        xp, fp = (ops.take_along_axis(a, order) for a in (xp, fp))
        xp = ops.concat([xp[-1:] - period, xp, xp[:1] + period])
        fp = ops.concat([fp[-1:], fp, fp[:1]])
    i = ops.clip(ops.searchsorted(xp, x, side="right") - 1, 0, xp.shape[0] - 2)
    x0, x1, y0, y1 = (ops.getitem(a, index=ops.indexing.plain_index(j)) for a in (xp, fp) for j in (i, i + 1))
    flat = ops.equal(x1, x0)  # a single point, or one that is given twice
    inside = y0 + (y1 - y0) * ops.where(flat, 0.0, (x - x0) / ops.where(flat, 1.0, x1 - x0))
    below, above = fp[0] if left is None else left, fp[-1] if right is None else right
    return ops.where(ops.less(x, xp[0]), below, ops.where(ops.greater(x, xp[-1]), above, inside))


@entry
def convolve(a, v, mode="full"):
    a, v = array_of(a), array_of(v)
    a, v = (v, a) if a.shape[0] < v.shape[0] else (a, v)
    n, m = a.shape[0], v.shape[0]
    if mode not in ("full", "same", "valid"):
        raise refuse("numpy.convolve", "mode", mode)
    start, length = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    windows = numpy.arange(start, start + length)[:, None] + numpy.arange(m)
    return dot(ops.take(ops.pad(a, (m - 1, m - 1)), placed(windows, a)), ops.flip(v))


@entry
def correlate(a, v, mode="valid"):
    a, v = array_of(a), array_of(v)
    v = ours("conj", "numpy.correlate")(v) if is_complex(v.dtype) else v
    # NumPy exchanges the two where the second is longer, and reverses the result.
    return convolve(a, ops.flip(v), mode)


@entry
def unwrap(p, discont=None, axis=-1, *, period=2 * math.pi):
    p = array_of(p)
    values = constant(p)
    whole = numpy.unwrap(values, discont, axis, period=period) - values  # constant between the jumps
    return ops.add(p, placed(whole.astype(values.dtype), p))


@entry
def histogram(a, bins=10, range=None, density=False, weights=None):
    edges = histogram_bin_edges(a, bins, range)
    weights = None if weights is None else array_of(weights)
    counted = ours("histogram", "numpy.histogram")
    return ops.asarray(counted(array_of(a), weights, bins=constant(edges), density=bool(density)).counts), edges


@entry
def histogram_bin_edges(a, bins=10, range=None):
    bins = constant(bins) if not isinstance(bins, (int, str)) else bins
    return ops.asarray(placed(numpy.histogram_bin_edges(constant(a), bins, range), array_of(a)))
