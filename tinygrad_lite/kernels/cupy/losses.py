"""Kernels for `ops/losses.py`."""

from __future__ import annotations

from typing import Any

import numpy

from ... import ops
from ...core.op import kernel
from ...cuda.module import cupy
from ...cuda.source import CudaSource
from .rows import TYPES, Limits, Rows, accumulator, dense, floats, type_of

__all__ = ["cross_entropy"]

SOURCE = CudaSource(__file__, [{"T": T} for T in TYPES])

COUNTED_BY_EACH = 1024
"""Rows up to which every block counts for itself which of them are not ignored; for more a kernel does once."""

SCALED = 1 << 13
"""Bytes of a gradient for which a block is started that multiplies them by the cotangent."""


def _class_rows(
    logits: Any,
    target: Any,
    weight: Any = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> bool:
    """Rows of logits and as many unweighted classes; the definition explains what is wrong with others."""
    return (
        floats(logits)
        and weight is None
        and logits.ndim == 2
        and isinstance(target, cupy().ndarray)
        and target.dtype.kind in "iu"
        and target.shape == logits.shape[:1]
        and reduction in ("mean", "sum", "none")
        and 0.0 <= label_smoothing <= 1.0
    )


class _Call:
    """What the kernels are told in the forward and, if the gradient is not kept, in the backward pass."""

    def __init__(self, logits: Any, target: Any, label_smoothing: float, ignore_index: int, reduction: str) -> None:
        self.logits = dense(logits)
        self.target = dense(target if target.dtype in (numpy.int32, numpy.int64) else target.astype(numpy.int64))
        self.reduction, self.ignored = reduction, ignore_index
        self.module = SOURCE(T=type_of(logits))
        self.accumulator = accumulator(logits)
        self.smoothing = self.accumulator.type(label_smoothing)
        self.wide, self.mean = self.target.dtype == numpy.int64, reduction == "mean"
        self.divisor = None
        rows, classes = logits.shape
        if self.mean and rows > COUNTED_BY_EACH:
            self.divisor = cupy().empty((), self.accumulator)
            args = (self.target, self.wide, self.divisor, rows, classes, self.ignored)
            self.module.launch("counted", 1, 1024, args)

    def rows(self, gradient: Any, up: Any, losses: Any, out: Any) -> None:
        """Fill those of the gradient, the losses to be added up and the losses to be returned that are not None."""
        rows, n = self.logits.shape
        args = (
            self.logits, self.target, gradient, up, losses, out, self.divisor, 0 if up is None or up.ndim == 0 else 1,
            self.ignored, self.smoothing, self.wide, self.mean, rows, n,
        )  # fmt: skip
        Rows.plan(rows, n, self.logits, gradient).launch(self.module, "losses", *args)

    def reduced(self, losses: Any) -> Any:
        out = cupy().empty((), self.logits.dtype)
        args = (losses, out, self.target, self.divisor, self.wide, self.mean, *self.logits.shape, self.ignored)
        self.module.launch("reduced", 1, 1024 if losses.size > 128 else 128, args)
        return out


@kernel(ops.cross_entropy, "cupy", when=_class_rows)
def cross_entropy(
    logits: Any,
    target: Any,
    weight: Any = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: str = "mean",
    needs: tuple[bool, ...] = (True,),
) -> Any:
    """Losses and gradient in one pass; the losses alone without `needs`.

    Keeps the gradient for a cotangent of 1. Not of float16: there it is divided by the number of rows before the
    cotangent, which may be a scale against underflow, is known; it is computed again.
    """
    call = _Call(logits, target, label_smoothing, ignore_index, reduction)
    kept = needs[0] and logits.dtype != numpy.float16
    gradient = cupy().empty(logits.shape, logits.dtype) if kept else None
    if reduction == "none":
        out = cupy().empty(target.shape, logits.dtype)
        call.rows(gradient, None, None, out)
    else:
        losses = cupy().empty(target.shape, call.accumulator)
        call.rows(gradient, None, losses, None)
        out = call.reduced(losses)
    return out, (call, [] if gradient is None else [gradient])


@cross_entropy.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    """What was kept, times the cotangent. It is given away: a second sweep computes it again."""
    call, kept = saved
    g = dense(g)
    if not kept:
        gradient = cupy().empty(call.logits.shape, call.logits.dtype)
        call.rows(gradient, g, None, None)
        return gradient, None, None
    gradient = kept.pop()
    args = (gradient, g, 0 if g.ndim == 0 else 1, *gradient.shape)
    call.module.launch("scaled", min(-(-gradient.nbytes // SCALED), Limits.blocks), 128, args)
    return gradient, None, None
