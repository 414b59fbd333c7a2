"""Samples of the operations in `ops/losses.py`."""

import numpy as np
import scipy.special

from tests.samples import arrays, integer_arrays, sample, shapes, st
from tinygrad_lite import Interval

REDUCTIONS = st.sampled_from(["mean", "sum", "none"])


def reduced(losses, reduction):
    return {"mean": np.mean, "sum": np.sum, "none": lambda x: x}[reduction](losses)


@sample("mse", reference=lambda x, y, reduction: reduced((x - y) ** 2, reduction))
def _(draw):
    shape = draw(shapes())
    return (draw(arrays(shape)), draw(arrays(shape))), {"reduction": draw(REDUCTIONS)}


def binary(logits, target, reduction):
    p = scipy.special.expit(logits)
    return reduced(-target * np.log(p) - (1 - target) * np.log(1 - p), reduction)


@sample("binary_cross_entropy_with_logits", reference=binary)
def _(draw):
    shape = draw(shapes())
    return (draw(arrays(shape)), draw(arrays(shape, domain=Interval(0, 1)))), {"reduction": draw(REDUCTIONS)}


def cross_entropy(logits, target, reduction, label_smoothing=0.0, ignore_index=-100):
    axis = min(logits.ndim - 1, 1)
    logits = np.moveaxis(logits, axis, -1)
    classes = logits.shape[-1]
    counted = np.ones(logits.shape[:-1], bool)
    if target.dtype.kind == "f":
        target = np.moveaxis(target, axis, -1)
    else:
        counted = target != ignore_index
        target = np.eye(classes)[np.where(counted, target, 0)]
    target = (1 - label_smoothing) * target + label_smoothing / classes
    losses = np.where(counted, -np.sum(target * scipy.special.log_softmax(logits, axis=-1), axis=-1), 0.0)
    if reduction == "mean":
        return losses.sum() / max(counted.sum(), 1)
    return reduced(losses, reduction)


def options(draw):
    return {"reduction": draw(REDUCTIONS), "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0]))}


@sample("cross_entropy", reference=cross_entropy)
def _(draw):
    logits = draw(arrays(shapes(min_dims=1)))
    rest = logits.shape[:1] + logits.shape[2:] if logits.ndim > 1 else ()
    target = draw(integer_arrays(rest, 0, logits.shape[min(logits.ndim - 1, 1)]))
    return (logits, target), options(draw) | {"ignore_index": draw(st.sampled_from([-100, 0, 1]))}


@sample("cross_entropy", reference=cross_entropy)
def _(draw):
    shape = draw(shapes(min_dims=1))
    return (draw(arrays(shape)), draw(arrays(shape, domain=Interval(0, np.inf)))), options(draw)
