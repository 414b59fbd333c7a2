"""Samples of the operations in `ops/losses.py`."""

import numpy as np
import scipy.special

from tests.samples import arrays, integer_arrays, sample, shapes, st
from tinygrad_lite import Interval

REDUCTIONS = st.sampled_from(["mean", "sum", "none"])


def reduced(losses, reduction):
    return {"mean": np.mean, "sum": np.sum, "none": lambda x: x}[reduction](losses)


def averaged(losses, weight, reduction):
    """The weighted mean, or another reduction of losses times weights."""
    weight = np.ones_like(losses) if weight is None else weight
    return np.average(losses, weights=weight) if reduction == "mean" else reduced(losses * weight, reduction)


POSITIVE = Interval(0, np.inf)


@sample("mse", reference=lambda x, y, weight, reduction: averaged((x - y) ** 2, weight, reduction))
def _(draw):
    shape = draw(shapes())
    weight = draw(st.none() | arrays(shape, domain=POSITIVE))
    y, error = draw(arrays(shape)), draw(arrays(shape, kinks=(0.0,)))  # no error that is 0 to the third order
    return (y + error, y, weight), {"reduction": draw(REDUCTIONS)}


def binary(logits, target, weight, pos_weight, reduction):
    p = scipy.special.expit(logits)
    weight, pos_weight = (1 if w is None else w for w in (weight, pos_weight))
    return reduced((-pos_weight * target * np.log(p) - (1 - target) * np.log(1 - p)) * weight, reduction)


@sample("binary_cross_entropy_with_logits", reference=binary)
def _(draw):
    shape = draw(shapes())
    weights = [draw(st.none() | arrays(part, domain=POSITIVE)) for part in (shape, shape[-1:])]
    statics = {"reduction": draw(REDUCTIONS)}
    return (draw(arrays(shape)), draw(arrays(shape, domain=Interval(0, 1))), *weights), statics


def cross_entropy(logits, target, weight, reduction, label_smoothing=0.0, ignore_index=-100):
    axis = min(logits.ndim - 1, 1)
    logits = np.moveaxis(logits, axis, -1)
    classes = logits.shape[-1]
    weight = np.ones(classes) if weight is None else weight
    counts = np.ones(logits.shape[:-1])
    if target.dtype.kind == "f":
        target = np.moveaxis(target, axis, -1)
    else:
        counted = target != ignore_index
        target = np.where(counted, target, 0)
        counts = weight[target] * counted
        target = np.eye(classes)[target]
    target = (1 - label_smoothing) * target + label_smoothing / classes
    losses = -np.sum(target * weight * scipy.special.log_softmax(logits, axis=-1), axis=-1) * (counts != 0)
    if reduction == "mean":
        return losses.sum() / (counts.sum() or 1)
    return reduced(losses, reduction)


def class_weights(draw, logits):
    return draw(st.none() | arrays(logits.shape[min(logits.ndim - 1, 1) :][:1], domain=POSITIVE))


def options(draw):
    return {"reduction": draw(REDUCTIONS), "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0]))}


@sample("cross_entropy", reference=cross_entropy)
def _(draw):
    logits = draw(arrays(shapes(min_dims=1)))
    rest = logits.shape[:1] + logits.shape[2:] if logits.ndim > 1 else ()
    target = draw(integer_arrays(rest, 0, logits.shape[min(logits.ndim - 1, 1)]))
    statics = options(draw) | {"ignore_index": draw(st.sampled_from([-100, 0, 1]))}
    return (logits, target, class_weights(draw, logits)), statics


@sample("cross_entropy", reference=cross_entropy)
def _(draw):
    logits = draw(arrays(shapes(min_dims=1)))
    target = draw(arrays(logits.shape, domain=POSITIVE))
    return (logits, target, class_weights(draw, logits)), options(draw)
