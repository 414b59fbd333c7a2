"""Losses of numbers, counts and probabilities. See `losses` for what is common to all."""

from __future__ import annotations

from math import log as log_of_number
from math import pi
from typing import Literal

from ..core.op import Array, composite
from .activations import sigmoid
from .comparison import equal, greater, where
from .conversion import detach
from .elementwise import abs, clip, exp, log, log1p, maximum, square
from .losses import Reduction, binary_cross_entropy_with_logits, check_equal, reduced, weighted
from .reductions import sum
from .special_functions import xlogy

__all__ = [
    "binary_cross_entropy", "focal", "gaussian_nll", "huber", "kl_div", "l1", "poisson_nll", "smooth_l1",
]  # fmt: skip


@composite(shapes="any", autocast="float32")
def l1(prediction: Array, target: Array, weight: Array | None = None, *, reduction: Reduction = "mean") -> Array:
    """Mean absolute error, the mean of |prediction - target|. Raises ShapeError if the shapes differ.

    weight : as for `mse`.

    >>> float(l1(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    1.5
    """
    check_equal("l1", prediction, target)
    return weighted("l1", abs(prediction - target), weight, reduction)


def _huber(error: Array, delta: float) -> Array:
    # error**2 / 2 within delta, and its tangent beyond, without a branch that overflows where it is not taken.
    near = clip(error, -delta, delta)
    return near * (error - 0.5 * near)


@composite(shapes="any", autocast="float32")
def huber(
    prediction: Array,
    target: Array,
    weight: Array | None = None,
    *,
    delta: float = 1.0,
    reduction: Reduction = "mean",
) -> Array:
    """Mean of e**2 / 2 where |e| <= delta, and delta (|e| - delta / 2) elsewhere, for e = prediction - target.

    weight : factors of the elements' losses, of the same shape; unlike that of `mse` the mean is not weighted.
    Raises ShapeError if the shapes differ.
    Source: Huber 1964, https://doi.org/10.1214/aoms/1177703732.

    >>> float(huber(np.array([0.5, 3.0]), np.array([0.0, 0.0]), reduction="sum"))
    2.625
    """
    check_equal("huber", prediction, target)
    if weight is not None:
        check_equal("huber", prediction, weight, other="weight")
    losses = _huber(prediction - target, delta)
    return reduced("huber", losses if weight is None else losses * weight, reduction)


@composite(shapes="any", autocast="float32")
def smooth_l1(prediction: Array, target: Array, *, beta: float = 1.0, reduction: Reduction = "mean") -> Array:
    """Huber's loss over its `beta`: e**2 / (2 beta) where |e| < beta, and |e| - beta / 2 elsewhere; l1 for beta 0.

    Raises ShapeError if the shapes differ.

    >>> float(smooth_l1(np.array([0.5, 3.0]), np.array([0.0, 0.0]), reduction="sum"))
    2.625
    """
    check_equal("smooth_l1", prediction, target)
    error = prediction - target
    return reduced("smooth_l1", _huber(error, beta) / beta if beta else abs(error), reduction)


@composite(shapes="any", autocast="float32")
def kl_div(
    prediction: Array,
    target: Array,
    *,
    log_target: bool = False,
    reduction: Literal["mean", "batchmean", "sum", "none"] = "mean",
) -> Array:
    """Kullback-Leibler divergence from predicted to target probabilities: t (log(t) - p), p being log probabilities.

    prediction : logarithms of probabilities; target : probabilities, or their logarithms if `log_target`.
    reduction : `"mean"` over all elements, `"batchmean"` (the sum over the length of axis 0, which is the divergence's
        mean), `"sum"` or `"none"`.
    Raises ShapeError if the shapes differ. Where a target is 0 the loss is 0, also if the prediction is -inf.

    >>> float(kl_div(np.log([0.5, 0.5]), np.array([0.0, 1.0]), reduction="sum"))
    0.6931471805599453
    """
    check_equal("kl_div", prediction, target)
    if log_target:
        losses = exp(target) * (target - prediction)
    else:
        losses = xlogy(target, target) - target * where(equal(detach(target), 0.0), 0.0, prediction)
    if reduction == "batchmean":
        return sum(losses) / losses.shape[0] if losses.shape else losses
    return reduced("kl_div", losses, reduction)


@composite(shapes="any", autocast="float32")
def poisson_nll(
    prediction: Array,
    target: Array,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> Array:
    """Negative log likelihood of counts under Poisson distributions: exp(p) - t p, without the constant log(t!).

    prediction : logarithms of the rates; the rates themselves if not `log_input`, then r - t log(r + eps).
    full : add Stirling's approximation of the constant, t log(t) - t + log(2 pi t) / 2, where t > 1.
    Raises ShapeError if the shapes differ.

    >>> float(poisson_nll(np.array([0.0]), np.array([2.0])))
    1.0
    """
    check_equal("poisson_nll", prediction, target)
    losses = exp(prediction) - target * prediction if log_input else prediction - target * log(prediction + eps)
    if full:
        many = greater(detach(target), 1.0)
        count = where(many, target, 1.0)
        losses = losses + where(many, count * log(count) - count + 0.5 * log(2 * pi * count), 0.0)
    return reduced("poisson_nll", losses, reduction)


@composite(shapes="any", autocast="float32")
def gaussian_nll(
    prediction: Array,
    target: Array,
    var: Array,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> Array:
    """Negative log likelihood under normal distributions: (log(var) + (prediction - target)**2 / var) / 2.

    var : variances, of the shape of prediction, or lengths 1 for axes that share them; at least `eps` is taken.
    full : add the constant log(2 pi) / 2.
    Raises ShapeError if the shapes of prediction and target differ.

    >>> float(gaussian_nll(np.array([1.0]), np.array([3.0]), np.array([1.0])))
    2.0
    """
    check_equal("gaussian_nll", prediction, target)
    var = maximum(var, eps)
    losses = 0.5 * (log(var) + square(prediction - target) / var)
    return reduced("gaussian_nll", losses + 0.5 * log_of_number(2 * pi) if full else losses, reduction)


@composite(shapes="any", autocast="float32")
def binary_cross_entropy(
    prediction: Array, target: Array, weight: Array | None = None, *, reduction: Reduction = "mean"
) -> Array:
    """Binary cross-entropy of probabilities, -t log(p) - (1 - t) log(1 - p), each logarithm at least -100.

    weight : factors of the losses; must broadcast with them.
    Raises ShapeError if the shapes differ. Prefer `binary_cross_entropy_with_logits`: a probability that is rounded to
    0 or 1 has a bounded loss and no gradient.

    >>> float(binary_cross_entropy(np.array([0.5, 0.0]), np.array([1.0, 1.0]), reduction="sum"))
    100.69314718055995
    """
    check_equal("binary_cross_entropy", prediction, target)
    zero, one = equal(detach(prediction), 0.0), equal(detach(prediction), 1.0)
    yes = maximum(where(zero, -100.0, log(where(zero, 1.0, prediction))), -100.0)
    no = maximum(where(one, -100.0, log1p(-where(one, 0.0, prediction))), -100.0)
    losses = -(target * yes + (1.0 - target) * no)
    return reduced("binary_cross_entropy", losses if weight is None else losses * weight, reduction)


@composite(shapes="any", autocast="float32")
def focal(
    logits: Array, target: Array, *, alpha: float = 0.25, gamma: float = 2.0, reduction: Reduction = "none"
) -> Array:
    """Binary cross-entropy that counts examples less the better they are classified: times alpha_t (1 - p_t)**gamma.

    p_t is the probability given to the target. Names and defaults are those of torchvision's sigmoid_focal_loss.
    logits, target : of equal shape, targets from 0 to 1.
    alpha : weight of target 1, and 1 - alpha that of target 0; no weights if negative.
    Raises ShapeError if the shapes differ.
    Source: Lin et al. 2017, arXiv:1708.02002.

    >>> focal(np.array([0.0, 1000.0]), np.array([1.0, 1.0])).round(4)
    array([0.0433, 0.    ])
    """
    check_equal("focal", logits, target, "logits")
    losses = binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = target * sigmoid(-logits) + (1.0 - target) * sigmoid(logits)
    losses = losses * wrong**gamma
    if alpha >= 0:
        losses = losses * (alpha * target + (1.0 - alpha) * (1.0 - target))
    return reduced("focal", losses, reduction)
