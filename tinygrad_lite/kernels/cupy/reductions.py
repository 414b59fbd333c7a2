"""Kernels for `logsumexp`, and for the operations of `ops/activations.py` that work on rows."""

from __future__ import annotations

from typing import Any

from ... import ops
from ...core.axes import axes_of
from ...core.op import kernel
from ...cuda.module import cupy
from ...cuda.source import CudaSource
from ..rules import rule
from .rows import TYPES, Rows, collapsed, dense, floats, launch_columns, type_of

__all__ = ["log_softmax", "logsumexp", "softmax"]

SOURCE = CudaSource(
    __file__,
    [{"T": T, "KIND": kind} for T in TYPES for kind in ("SOFTMAX", "LOG_SOFTMAX", "LOGSUMEXP")],
)


def _neighbours(x: Any, *, axis: Any = -1, **_: Any) -> bool:
    return floats(x) and collapsed(x.shape, axis) is not None


def _forward(kind: str, x: Any, axis: Any, out: Any) -> Any:
    outer, n, inner = collapsed(x.shape, axis)  # type: ignore[misc]  # `when` has looked
    x, module = dense(x), SOURCE(T=type_of(x), KIND=kind)
    if inner == 1:
        Rows.plan(outer, n, x, out).launch(module, "forward", x, out, outer, n)
    else:
        launch_columns(module, "forward_columns", (x, out), outer, n, inner)
    return out


def _backward(kind: str, g: Any, y: Any, out: Any, axis: Any) -> Any:
    """The gradient; y is the output of softmax and log_softmax, the input of logsumexp, which has an output besides."""
    if not _neighbours(y, axis=axis) or type_of(g) != type_of(y):
        return NotImplemented
    outer, n, inner = collapsed(y.shape, axis)  # type: ignore[misc]
    g, y, out = dense(g), dense(y), None if out is None else dense(out)
    gradient, module = cupy().empty(y.shape, y.dtype), SOURCE(T=type_of(y), KIND=kind)
    if inner == 1:
        plan = Rows.plan(outer, n, y, gradient, g if out is None else None)
        plan.launch(module, "backward", g, y, out, gradient, outer, n)
    else:
        launch_columns(module, "backward_columns", (g, y, out, gradient), outer, n, inner)
    return gradient


@kernel(ops.softmax, "cupy", when=_neighbours)
def softmax(x: Any, *, axis: Any = -1) -> Any:
    return _forward("SOFTMAX", x, axis, cupy().empty(x.shape, x.dtype))


@rule(ops.softmax, "cupy")
def _(g: Any, out: Any, axis: Any) -> Any:
    """out * (g - sum(g * out))"""
    return _backward("SOFTMAX", g, out, None, axis)


@kernel(ops.log_softmax, "cupy", when=_neighbours)
def log_softmax(x: Any, *, axis: Any = -1) -> Any:
    return _forward("LOG_SOFTMAX", x, axis, cupy().empty(x.shape, x.dtype))


@rule(ops.log_softmax, "cupy")
def _(g: Any, out: Any, axis: Any) -> Any:
    """g - exp(out) * sum(g)"""
    return _backward("LOG_SOFTMAX", g, out, None, axis)


@kernel(ops.logsumexp, "cupy", when=_neighbours)
def logsumexp(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    axes = axes_of(axis, x.ndim)
    lengths = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
    return _forward("LOGSUMEXP", x, axis, cupy().empty(tuple(lengths), x.dtype))


@rule(ops.logsumexp, "cupy")
def _(g: Any, x: Any, out: Any, axis: Any) -> Any:
    """g * softmax(x), divided by its sum because of the rounding of out."""
    return _backward("LOGSUMEXP", g, x, out, axis)
