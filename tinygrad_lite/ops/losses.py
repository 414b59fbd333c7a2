"""Losses: how far predictions are from targets, as one number (or one per example)."""

from __future__ import annotations

from math import nan
from typing import Literal

from ..core.backend import backend_of
from ..core.dtypes import is_floating
from ..core.errors import DTypeError, ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from .activations import log_softmax, softplus
from .comparison import equal, where
from .conversion import astype
from .elementwise import negative, square, subtract
from .indexing import take, take_along_axis
from .movement import expand_dims, reshape, squeeze
from .reductions import mean, sum

__all__ = ["binary_cross_entropy_with_logits", "cross_entropy", "mse"]

Reduction = Literal["mean", "sum", "none"]


@composite(shapes="any", autocast="float32")
def mse(prediction: Array, target: Array, weight: Array | None = None, *, reduction: Reduction = "mean") -> Array:
    """Mean squared error, the mean of (prediction - target)**2.

    prediction, target : arrays of equal shape.
    weight : factors of the elements' losses, of the same shape; the mean is then weighted.
    reduction : `"mean"` or `"sum"` over all elements, or `"none"`.
    Raises ShapeError if the shapes differ (they would broadcast silently), or for any other reduction.

    >>> float(mse(np.array([1.0, 2.0]), np.array([0.0, 4.0])))
    2.5
    """
    check_equal("mse", prediction, target)
    return weighted("mse", square(subtract(prediction, target)), weight, reduction)


@composite(shapes="any", autocast="float32")
def binary_cross_entropy_with_logits(
    logits: Array,
    target: Array,
    weight: Array | None = None,
    pos_weight: Array | None = None,
    *,
    reduction: Reduction = "mean",
) -> Array:
    """Binary cross-entropy, -t log(sigmoid(z)) - (1 - t) log(1 - sigmoid(z)) for logits z and targets t.

    logits, target : arrays of equal shape, targets from 0 to 1.
    weight : factors of the losses; broadcasts with them. pos_weight : factors of the first term, of the targets 1.
    reduction : `"mean"` or `"sum"` over all elements, or `"none"`.
    Raises ShapeError if the shapes differ (they would broadcast silently), or for any other reduction.

    >>> float(np.round(binary_cross_entropy_with_logits(np.array([0.0, 1000.0]), np.array([1.0, 1.0])), 4))
    0.3466
    """
    check_equal("binary_cross_entropy_with_logits", logits, target, "logits")
    # log(1 - sigmoid(z)) = -softplus(z); no difference of two large numbers, however sure the prediction is.
    positive = target if pos_weight is None else target * pos_weight
    losses = positive * softplus(negative(logits)) + (1.0 - target) * softplus(logits)
    return reduced("binary_cross_entropy_with_logits", losses if weight is None else losses * weight, reduction)


@composite(shapes="any", autocast="float32")
def cross_entropy(
    logits: Array,
    target: Array,
    weight: Array | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Array:
    """Cross-entropy, -log(softmax(logits)) of the target class, or its mean under target probabilities.

    logits : (n, classes), (n, classes, ...), or (classes,) for a single example.
    target : integers, the shape of logits without the classes; or probabilities, the shape of logits.
    weight : (classes,), factors of the classes' terms; the mean over targets that are integers is then weighted.
    label_smoothing : s moves the target towards the uniform distribution, (1 - s) target + s / classes.
    ignore_index : examples with this target class count nothing.
    reduction : `"mean"` over the examples that count (0 if none does), `"sum"`, or `"none"`.
    Raises ShapeError for shapes that do not fit, a target that is no class, or any other reduction; DTypeError for
    targets that are neither integers nor floating-point. On a GPU a target that is no class gives NaN, and no error.

    >>> float(np.round(cross_entropy(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([0, 0])), 4))
    1.1269
    """
    if not logits.shape:
        raise ShapeError("cross_entropy: logits is 0-d; it must be (n, classes), (n, classes, ...) or (classes,).")
    axis = min(len(logits.shape) - 1, 1)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ShapeError(f"cross_entropy: label_smoothing is {label_smoothing}; it must be from 0 to 1.")
    classes = logits.shape[axis]
    if weight is not None:
        check_weight("cross_entropy", weight, classes)
        along = reshape(weight, tuple(classes if i == axis else 1 for i in range(len(logits.shape))))
    if is_floating(target.dtype):
        check_equal("cross_entropy", logits, target, "logits")
        if label_smoothing:
            target = target * (1.0 - label_smoothing) + label_smoothing / classes
        terms = target * log_softmax(logits, axis=axis)
        losses = negative(sum(terms if weight is None else terms * along, axis=axis))
        return reduced("cross_entropy", losses, reduction)
    counted, wrong = check_classes("cross_entropy", logits, target, axis, ignore_index)
    logp = log_softmax(logits, axis=axis)
    chosen = where(counted, unwrap(target), 0)
    losses = negative(squeeze(take_along_axis(logp, expand_dims(chosen, axis=axis), axis=axis), axis=axis))
    counts = astype(unwrap(counted), unwrap(losses).dtype)
    if weight is not None:
        counts = reshape(take(weight, reshape(chosen, (-1,)), axis=0), tuple(chosen.shape)) * counts
        losses = losses * counts
        logp = logp * along
    if label_smoothing:
        losses = losses * (1.0 - label_smoothing) - mean(logp, axis=axis) * label_smoothing
    losses = where(counted, losses, 0.0)
    if wrong is not None:
        losses = where(wrong, nan, losses)
    if reduction == "mean":
        total = sum(counts)
        return sum(losses) / where(equal(total, 0.0), 1.0, total)
    return reduced("cross_entropy", losses, reduction)


def check_classes(op: str, logits: Array, target: Array, axis: int, ignore_index: int) -> tuple[Array, Array | None]:
    """Which targets count, and, where looking would have to wait for the device, which name a class that there is not.

    Raises ShapeError or DTypeError if the targets do not fit the logits.
    """
    name = "logits" if op == "cross_entropy" else "prediction"
    data, classes = unwrap(target), logits.shape[axis]
    backend = backend_of(data)
    xp = backend.xp
    if not xp.isdtype(data.dtype, "integral"):
        raise DTypeError(
            f"{op}: target has dtype {data.dtype}; it must be integers (classes)"
            f"{' or floating-point (probabilities)' if op == 'cross_entropy' else ''}."
        )
    expected = tuple(logits.shape[:axis]) + tuple(logits.shape[axis + 1 :])
    if tuple(data.shape) != expected:
        raise ShapeError(
            f"{op}: {name} is {tuple(logits.shape)} and target is {tuple(data.shape)}; a target of classes must be "
            f"{expected}{f', one of probabilities {tuple(logits.shape)}' if op == 'cross_entropy' else ''}."
        )
    counted = data != ignore_index
    wrong = counted & ((data < 0) | (data >= classes))
    if backend.asynchronous:
        return counted & ~wrong, wrong
    if xp.any(wrong):
        raise ShapeError(
            f"{op}: target contains {int(data[wrong][0])} and there are {classes} classes; it must be from 0 "
            f"to {classes - 1}, or ignore_index ({ignore_index})."
        )
    return counted, None


def check_weight(op: str, weight: Array, classes: int) -> None:
    """Raise ShapeError unless there is one weight for each class."""
    if tuple(weight.shape) != (classes,):
        raise ShapeError(
            f"{op}: weight is {tuple(weight.shape)} and there are {classes} classes; it must be ({classes},)."
        )


def check_equal(op: str, x: Array, target: Array, name: str = "prediction", other: str = "target") -> None:
    """Raise ShapeError unless both have the same shape: they would broadcast silently."""
    if tuple(x.shape) != tuple(target.shape):
        raise ShapeError(
            f"{op}: {name} is {tuple(x.shape)} and {other} is {tuple(target.shape)}; they must be equal. Reshape one."
        )


def weighted(op: str, losses: Array, weight: Array | None, reduction: str) -> Array:
    """As `reduced`, of losses times weights of the same shape, if there are any; the mean is then weighted."""
    if weight is None:
        return reduced(op, losses, reduction)
    check_equal(op, losses, weight, "prediction", "weight")
    if reduction == "mean":
        return sum(losses * weight) / sum(weight)
    return reduced(op, losses * weight, reduction)


def reduced(op: str, losses: Array, reduction: str) -> Array:
    """The losses' mean, their sum, or the losses themselves. ShapeError for any other reduction."""
    if reduction == "mean":
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    if reduction == "none":
        return losses
    raise ShapeError(f"{op}: reduction is {reduction!r}; it must be 'mean', 'sum' or 'none'.")
