"""Entries of the table for sampled functions: differences, interpolation, convolution."""

from __future__ import annotations

from typing import Any

import numpy

from .. import ops
from ..core.axes import axes_of
from .choice import constant
from .composed import dot
from .functions import entry
from .names import refuse
from .translation import array_of, placed

__all__: list[str] = []


@entry
def gradient(f, *varargs, axis=None, edge_order=1):
    f = array_of(f)
    axes = axes_of(axis, len(f.shape), "numpy.gradient")
    steps = list(varargs) * len(axes) if len(varargs) == 1 else list(varargs) or [1.0] * len(axes)
    if edge_order != 1:
        raise refuse("numpy.gradient", "edge_order", edge_order)
    if len(steps) != len(axes) or any(getattr(step, "shape", ()) or isinstance(step, list) for step in steps):
        raise refuse("numpy.gradient", "varargs (other than one distance for each axis)")
    made = [ops.divide(_differences(f, axis), step) for axis, step in zip(axes, steps, strict=True)]
    return made[0] if len(made) == 1 else tuple(made)


def _differences(f: Any, axis: int) -> Any:
    f = ops.moveaxis(f, axis, 0)
    inner = (f[2:] - f[:-2]) * 0.5
    return ops.moveaxis(ops.concat([f[1:2] - f[:1], inner, f[-1:] - f[-2:-1]], axis=0), 0, axis)


@entry
def interp(x, xp, fp, left=None, right=None, period=None):
    if period is not None:
        raise refuse("numpy.interp", "period", period)
    x, xp, fp = (ops.asarray(array_of(value)) for value in (x, xp, fp))
    points, where = constant(xp), constant(x)
    i = numpy.clip(numpy.searchsorted(points, where, side="right") - 1, 0, len(points) - 2)
    x0, x1, y0, y1 = (ops.take(a, placed(j, a)) for a in (xp, fp) for j in (i, i + 1))
    inside = y0 + (y1 - y0) * ((x - x0) / (x1 - x0))
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
