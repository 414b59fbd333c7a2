"""Samples of the operations in `ops/regression_losses.py`."""

import numpy as np
import scipy.special

from tests.samples import arrays, sample, shapes, st
from tests.samples.losses import REDUCTIONS, averaged, reduced
from tinygrad_lite import Interval

POSITIVE, UNIT = Interval(0, np.inf), Interval(0, 1)


def pair(draw, first=None, second=None):
    shape = draw(shapes())
    return draw(arrays(shape, **(first or {}))), draw(arrays(shape, **(second or {})))


def apart(draw):
    """Two arrays whose difference is not near 0, 1/2 or 1 in size."""
    error, y = pair(draw, {"kinks": (-1.0, -0.5, 0.0, 0.5, 1.0)})
    return y + error, y


def weighted(draw):
    """The same, and weights."""
    x, y = apart(draw)
    return x, y, draw(st.none() | arrays(x.shape, domain=POSITIVE))


@sample("l1", reference=lambda x, y, weight, reduction: averaged(np.abs(x - y), weight, reduction))
def _(draw):
    return weighted(draw), {"reduction": draw(REDUCTIONS)}


def huber(x, y, weight, delta, reduction):
    e = np.abs(x - y)
    losses = np.where(e < delta, e**2 / 2, delta * (e - delta / 2))
    return reduced(losses if weight is None else losses * weight, reduction)


@sample("huber", reference=huber)
def _(draw):
    return weighted(draw), {"delta": draw(st.sampled_from([0.5, 1.0])), "reduction": draw(REDUCTIONS)}


def smooth_l1(x, y, beta, reduction):
    return huber(x, y, None, beta, reduction) / beta if beta else reduced(np.abs(x - y), reduction)


@sample("smooth_l1", reference=smooth_l1)
def _(draw):
    return apart(draw), {"beta": draw(st.sampled_from([0.0, 0.5, 1.0])), "reduction": draw(REDUCTIONS)}


def kl_div(x, y, reduction, log_target):
    t = np.exp(y) if log_target else y
    losses = t * (np.log(t) - x)
    return (
        losses.sum() / (len(losses) if losses.ndim else 1) if reduction == "batchmean" else reduced(losses, reduction)
    )


@sample("kl_div", reference=kl_div)
def _(draw):
    logarithms = draw(st.booleans())
    x, y = pair(draw, None, {} if logarithms else {"domain": POSITIVE})
    reduction = draw(st.sampled_from(["mean", "sum", "none", "batchmean"]))
    return (x - 7.0, y), {"reduction": reduction, "log_target": logarithms}


def poisson_nll(x, t, log_input, full, reduction):
    losses = np.exp(x) - t * x if log_input else x - t * np.log(x + 1e-8)
    if full:
        losses = losses + np.where(t > 1, t * np.log(t) - t + 0.5 * np.log(2 * np.pi * t), 0)
    return reduced(losses, reduction)


@sample("poisson_nll", reference=poisson_nll)
def _(draw):
    statics = {"log_input": draw(st.booleans()), "full": draw(st.booleans()), "reduction": draw(REDUCTIONS)}
    return pair(draw, {"domain": POSITIVE}, {"domain": POSITIVE, "kinks": (1.0,)}), statics


def gaussian_nll(x, t, var, full, reduction):
    return reduced(0.5 * (np.log(var) + (x - t) ** 2 / var) + full * 0.5 * np.log(2 * np.pi), reduction)


@sample("gaussian_nll", reference=gaussian_nll)
def _(draw):
    x, y = pair(draw)
    shape = draw(st.sampled_from([x.shape, (*x.shape[:-1], 1)])) if x.ndim else ()
    return (x, y, draw(arrays(shape, domain=POSITIVE))), {"full": draw(st.booleans()), "reduction": draw(REDUCTIONS)}


def binary_cross_entropy(p, t, weight=None, *, reduction):
    losses = -t * np.log(p) - (1 - t) * np.log(1 - p)
    return reduced(losses if weight is None else losses * weight, reduction)


@sample("binary_cross_entropy", reference=binary_cross_entropy)
def _(draw):
    p, t = pair(draw, {"domain": UNIT}, {"domain": UNIT})
    return (p, t, draw(st.sampled_from([None, np.array(2.0)]))), {"reduction": draw(REDUCTIONS)}


def focal(z, t, alpha, gamma, reduction):
    p = scipy.special.expit(z)
    losses = (-t * np.log(p) - (1 - t) * np.log(1 - p)) * (1 - (p * t + (1 - p) * (1 - t))) ** gamma
    return reduced(losses if alpha < 0 else losses * (alpha * t + (1 - alpha) * (1 - t)), reduction)


@sample("focal", reference=focal)
def _(draw):
    statics = {"alpha": draw(st.sampled_from([0.25, -1.0])), "gamma": draw(st.sampled_from([0.0, 1.5, 2.0]))}
    return pair(draw, None, {"domain": UNIT}), statics | {"reduction": draw(REDUCTIONS)}
