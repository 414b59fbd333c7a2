"""Reductions of the elements that `where=` chooses, and from a value `initial=` on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from .. import ops
from ..core.axes import axes_of
from ..core.dtypes import is_floating
from .names import find, refuse
from .translation import array_of, beside, in_dtype

__all__ = ["selected"]

_NEUTRAL = {"all": True, "any": False, "prod": 1, "sum": 0}
_JOIN = {
    "all": ops.logical_and, "any": ops.logical_or, "max": ops.maximum, "min": ops.minimum, "prod": ops.multiply,
    "sum": ops.add,
}  # fmt: skip
_MOMENTS = ("mean", "std", "var")


def selected(name: str, kwargs: dict[str, Any]) -> Callable | None:
    """What answers the call of a reduction with these named arguments, or None if they choose nothing."""
    name = {"amax": "max", "amin": "min"}.get(name, name)
    where = kwargs.get("where", True)
    chosen = where is not True and where is not numpy._NoValue
    started = kwargs.get("initial", numpy._NoValue) is not numpy._NoValue
    if name in _MOMENTS and chosen:
        return _moment(name)
    return _reduction(name) if name in _JOIN and (chosen or started) else None


def _reduction(name: str) -> Callable:
    def reduced(a, axis=None, dtype=None, *, keepdims=False, initial=None, where=True):
        x = in_dtype(array_of(a), dtype, f"numpy.{name}")
        initial = None if initial is numpy._NoValue else initial
        neutral = _NEUTRAL.get(name)
        if neutral is None:
            if where is not True and initial is None:
                raise refuse(f"numpy.{name}", "where (without initial)")
            infinity = float("-inf") if name == "max" else float("inf")
            neutral = infinity if is_floating(x.dtype) else initial
        if where is not True:
            x = ops.where(beside(where, x), x, neutral)
        out = find(name)(x, axis=axis, keepdims=keepdims is True)  # type: ignore[misc]  # they are there
        return out if initial is None else _JOIN[name](out, initial)

    return reduced


def _moment(name: str) -> Callable:
    def moment(a, axis=None, dtype=None, *, ddof=0, keepdims=False, where=True, correction=numpy._NoValue):
        x = in_dtype(array_of(a), dtype, f"numpy.{name}")
        x = x if is_floating(x.dtype) else ops.astype(x, "float64")
        axes, where = axes_of(axis, len(x.shape), f"numpy.{name}"), ops.broadcast_to(beside(where, x), x.shape)
        count = ops.sum(ops.astype(where, x.dtype), axis=axes, keepdims=True)
        out = ops.divide(ops.sum(ops.where(where, x, 0.0), axis=axes, keepdims=True), count)
        if name != "mean":
            free = ops.subtract(count, ddof if correction is numpy._NoValue else correction)
            squares = ops.where(where, ops.square(ops.subtract(x, out)), 0.0)
            out = ops.divide(ops.sum(squares, axis=axes, keepdims=True), free)
            out = ops.sqrt(out) if name == "std" else out
        return out if keepdims is True else ops.squeeze(out, axis=axes)

    return moment
