"""Losses as modules. The functions themselves are in `ops`."""

from __future__ import annotations

from .. import ops
from ..core.op import Array
from ..ops.losses import Reduction
from .module import Module

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "MSELoss"]


class CrossEntropyLoss(Module):
    """Cross-entropy of logits `(n, classes, ...)` and targets, classes or probabilities; see `cross_entropy`."""

    def __init__(
        self, *, ignore_index: int = -100, reduction: Reduction = "mean", label_smoothing: float = 0.0
    ) -> None:
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.reduction: Reduction = reduction

    def forward(self, logits: Array, target: Array) -> Array:
        return ops.cross_entropy(
            logits,
            target,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class MSELoss(Module):
    """Mean squared error of predictions and targets of equal shape; see `mse`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.mse(prediction, target, reduction=self.reduction)


class BCEWithLogitsLoss(Module):
    """Binary cross-entropy of logits and targets from 0 to 1; see `binary_cross_entropy_with_logits`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction: Reduction = reduction

    def forward(self, logits: Array, target: Array) -> Array:
        return ops.binary_cross_entropy_with_logits(logits, target, reduction=self.reduction)
