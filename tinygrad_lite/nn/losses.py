"""Losses as modules. The functions themselves are in `ops`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from .. import ops
from ..core.op import Array
from ..ops.losses import Reduction
from .module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss",
    "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss", "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss",
    "TripletMarginLoss", "TripletMarginWithDistanceLoss",
]  # fmt: skip


class CrossEntropyLoss(Module):
    """Cross-entropy of logits `(n, classes, ...)` and targets, classes or probabilities; see `cross_entropy`."""

    def __init__(
        self,
        weight: Array | None = None,
        *,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        self.weight = None if weight is None else ops.tensor(weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.reduction: Reduction = reduction

    def forward(self, logits: Array, target: Array) -> Array:
        return ops.cross_entropy(
            logits,
            target,
            self.weight,
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

    def __init__(
        self, weight: Array | None = None, *, reduction: Reduction = "mean", pos_weight: Array | None = None
    ) -> None:
        self.weight, self.pos_weight = (None if w is None else ops.tensor(w) for w in (weight, pos_weight))
        self.reduction: Reduction = reduction

    def forward(self, logits: Array, target: Array) -> Array:
        return ops.binary_cross_entropy_with_logits(
            logits, target, self.weight, self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(Module):
    """Kullback-Leibler divergence of log probabilities and target probabilities; see `kl_div`."""

    def __init__(
        self, *, reduction: Literal["mean", "batchmean", "sum", "none"] = "mean", log_target: bool = False
    ) -> None:
        self.reduction: Literal["mean", "batchmean", "sum", "none"] = reduction
        self.log_target = log_target

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.kl_div(prediction, target, log_target=self.log_target, reduction=self.reduction)


class CTCLoss(Module):
    """Sequences of unknown alignment, from log probabilities `(time, n, classes)`; see `ctc`."""

    def __init__(self, *, blank: int = 0, reduction: Reduction = "mean", zero_infinity: bool = False) -> None:
        self.blank, self.zero_infinity = blank, zero_infinity
        self.reduction: Reduction = reduction

    def forward(self, log_probabilities: Array, targets: Array, input_lengths: Array, target_lengths: Array) -> Array:
        return ops.ctc(
            log_probabilities,
            targets,
            input_lengths,
            target_lengths,
            blank=self.blank,
            zero_infinity=self.zero_infinity,
            reduction=self.reduction,
        )


class L1Loss(Module):
    """Mean absolute error; see `l1`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.l1(prediction, target, reduction=self.reduction)


class SmoothL1Loss(Module):
    """Squared error near 0, absolute error beyond; see `smooth_l1`."""

    def __init__(self, *, beta: float = 1.0, reduction: Reduction = "mean") -> None:
        self.beta = beta
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.smooth_l1(prediction, target, beta=self.beta, reduction=self.reduction)


class HuberLoss(Module):
    """Huber's loss; see `huber`."""

    def __init__(self, *, delta: float = 1.0, reduction: Reduction = "mean") -> None:
        self.delta = delta
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.huber(prediction, target, delta=self.delta, reduction=self.reduction)


class PoissonNLLLoss(Module):
    """Negative log likelihood of counts; see `poisson_nll`."""

    def __init__(
        self, *, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: Reduction = "mean"
    ) -> None:
        self.log_input, self.full, self.eps = log_input, full, eps
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.poisson_nll(
            prediction, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(Module):
    """Negative log likelihood of numbers, given means and variances; see `gaussian_nll`."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: Reduction = "mean") -> None:
        self.full, self.eps = full, eps
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array, var: Array) -> Array:
        return ops.gaussian_nll(prediction, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class BCELoss(Module):
    """Binary cross-entropy of probabilities; see `binary_cross_entropy`."""

    def __init__(self, weight: Array | None = None, *, reduction: Reduction = "mean") -> None:
        self.weight = None if weight is None else ops.tensor(weight)
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.binary_cross_entropy(prediction, target, self.weight, reduction=self.reduction)


class NLLLoss(Module):
    """Negative log likelihood of log probabilities and target classes; see `nll`."""

    def __init__(self, weight: Array | None = None, *, ignore_index: int = -100, reduction: Reduction = "mean") -> None:
        self.weight = None if weight is None else ops.tensor(weight)
        self.ignore_index = ignore_index
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.nll(prediction, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class HingeEmbeddingLoss(Module):
    """Distances small for targets 1 and beyond a margin for -1; see `hinge_embedding`."""

    def __init__(self, *, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        self.margin = margin
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.hinge_embedding(prediction, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(Module):
    """The greater of two numbers, by a margin; see `margin_ranking`."""

    def __init__(self, *, margin: float = 0.0, reduction: Reduction = "mean") -> None:
        self.margin = margin
        self.reduction: Reduction = reduction

    def forward(self, x: Array, y: Array, target: Array) -> Array:
        return ops.margin_ranking(x, y, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(Module):
    """Logistic loss for targets 1 and -1; see `soft_margin`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.soft_margin(prediction, target, reduction=self.reduction)


class MultiMarginLoss(Module):
    """Multi-class hinge loss; see `multi_margin`."""

    def __init__(
        self, weight: Array | None = None, *, p: int = 1, margin: float = 1.0, reduction: Reduction = "mean"
    ) -> None:
        self.weight = None if weight is None else ops.tensor(weight)
        self.p, self.margin = p, margin
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.multi_margin(prediction, target, self.weight, p=self.p, margin=self.margin, reduction=self.reduction)


class MultiLabelSoftMarginLoss(Module):
    """Binary cross-entropy over classes; see `multilabel_soft_margin`."""

    def __init__(self, weight: Array | None = None, *, reduction: Reduction = "mean") -> None:
        self.weight = None if weight is None else ops.tensor(weight)
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.multilabel_soft_margin(prediction, target, self.weight, reduction=self.reduction)


class CosineEmbeddingLoss(Module):
    """Similar or dissimilar pairs, by their cosine; see `cosine_embedding`."""

    def __init__(self, *, margin: float = 0.0, reduction: Reduction = "mean") -> None:
        self.margin = margin
        self.reduction: Reduction = reduction

    def forward(self, x: Array, y: Array, target: Array) -> Array:
        return ops.cosine_embedding(x, y, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(Module):
    """Nearer to the positive than to the negative, by a margin; see `triplet_margin`."""

    def __init__(
        self,
        *,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap
        self.reduction: Reduction = reduction

    def forward(self, anchor: Array, positive: Array, negative: Array) -> Array:
        return ops.triplet_margin(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(Module):
    """The same with any distance; see `triplet_margin_with_distance`."""

    def __init__(
        self,
        *,
        distance_function: Callable[[Array, Array], Array] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        self.distance_function, self.margin, self.swap = distance_function, margin, swap
        self.reduction: Reduction = reduction

    def forward(self, anchor: Array, positive: Array, negative: Array) -> Array:
        return ops.triplet_margin_with_distance(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class MultiLabelMarginLoss(Module):
    """Hinge loss of examples of several classes; see `multilabel_margin`."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction: Reduction = reduction

    def forward(self, prediction: Array, target: Array) -> Array:
        return ops.multilabel_margin(prediction, target, reduction=self.reduction)
