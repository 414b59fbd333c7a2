"""Samples of the operations in `ops/class_losses.py`."""

import itertools

import numpy as np

from tests.samples import arrays, integer_arrays, sample, shapes, st
from tests.samples.losses import REDUCTIONS, reduced
from tinygrad_lite import Interval


def nll(x, t, weight, ignore_index, reduction):
    x = np.moveaxis(x, min(x.ndim - 1, 1), -1)
    losses, counts = np.zeros(t.shape), np.zeros(t.shape)
    for i in np.ndindex(t.shape):
        if t[i] != ignore_index:
            counts[i] = 1 if weight is None else weight[t[i]]
            losses[i] = -x[i][t[i]] * counts[i]
    return losses.sum() / (counts.sum() or 1) if reduction == "mean" else reduced(losses, reduction)


@sample("nll", reference=nll)
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    rest = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    classes = x.shape[min(x.ndim - 1, 1)]
    weight = draw(arrays((classes,), domain=Interval(0, np.inf))) if draw(st.booleans()) else None
    statics = {"ignore_index": draw(st.sampled_from([-100, 0])), "reduction": draw(REDUCTIONS)}
    return (x, draw(integer_arrays(rest, 0, classes)), weight), statics


def ctc(logp, targets, times, lengths, blank, zero_infinity, reduction):
    """The sum over all alignments, one by one."""
    losses = []
    for i, (time, length) in enumerate(zip(times, lengths, strict=True)):
        total = 0.0
        for path in itertools.product(range(logp.shape[2]), repeat=time):
            merged = [label for label, _ in itertools.groupby(path) if label != blank]
            if merged == targets[i, :length].tolist():
                total += np.exp(sum(logp[t, i, label] for t, label in enumerate(path)))
        losses.append(-np.log(total) if total else 0.0 if zero_infinity else np.inf)
    return reduced(np.array(losses) / (np.maximum(lengths, 1) if reduction == "mean" else 1), reduction)


@sample("ctc", reference=ctc)
def _(draw):
    steps, n, blank = draw(st.integers(1, 4)), draw(st.integers(1, 2)), draw(st.integers(0, 2))
    logp = draw(arrays((steps, n, 3)))
    targets = (blank + draw(integer_arrays((n, 2), 1, 3))) % 3
    times, lengths = draw(integer_arrays((n,), 1, steps + 1)), draw(integer_arrays((n,), 0, 3))
    return (logp, targets, times, lengths), {"blank": blank, "zero_infinity": True, "reduction": draw(REDUCTIONS)}
