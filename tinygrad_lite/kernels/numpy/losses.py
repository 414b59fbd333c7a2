"""Kernels for `ops/losses.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...core.op import kernel
from . import row_code as code
from .memory import scratch
from .row_code import in_rows, row_code
from .rows import FLOATS, over_rows, sums

__all__ = ["cross_entropy"]


def _class_rows(
    logits: Any,
    target: Any,
    weight: Any = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> bool:
    """Rows of logits and unweighted classes that all exist; the definition explains what is wrong with others."""
    if not (isinstance(logits, np.ndarray) and isinstance(target, np.ndarray) and logits.dtype in FLOATS):
        return False
    if weight is not None or logits.ndim != 2 or 0 in logits.shape:
        return False
    if target.dtype.kind not in "iu" or target.shape != logits.shape[:1]:
        return False
    if reduction not in ("mean", "sum", "none") or not 0.0 <= label_smoothing <= 1.0:
        return False
    if np.minimum.reduce(target) >= 0 and np.maximum.reduce(target) < logits.shape[1]:
        return True
    return bool((((target >= 0) & (target < logits.shape[1])) | (target == ignore_index)).all())


def _of_exponentials(z: Any, e: Any, flat: Any, place: Any, losses: Any) -> Any:
    """The sums of the exponentials, which are written to `e`, as the losses to `losses`; None if any is too extreme.

    Without the largest logits subtracted, which are two passes of five. The loss is the logarithm of a quotient, so
    that it keeps its accuracy where it is small.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        total = sums(np.exp(z, e))
        own = flat[place]
        limits = np.finfo(e.dtype)
        if not (own.min() > limits.tiny**0.5 and total.max() < limits.max**0.5):
            return None
    np.log(np.divide(total[:, 0], own, own), losses)
    return total


# Forward and backward, float32, in processor time: 0.47 at (64, 10), 0.43 at (256, 1000), 0.47 at (512, 32000).
# With the largest logits subtracted it takes 1.15 of the time at (256, 1000), 1.4 at (2048, 32000).
@kernel(ops.cross_entropy, "numpy", when=_class_rows)
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
    """Losses and gradients in one pass over blocks of rows, which stay in the cache; the losses alone without `needs`.

    Keeps softmax - target for each row, divided by the number of rows for the mean.
    """
    n, classes = logits.shape
    counted: Any = None if ignore_index < 0 <= np.minimum.reduce(target) else target != ignore_index
    everything = counted is None or bool(counted.all())
    picked = target if everything else np.where(counted, target, 0)
    count = 1 if reduction != "mean" else n if everything else max(int(counted.sum()), 1)
    losses = np.empty(n, logits.dtype)
    gradient = np.empty((n, classes), logits.dtype) if needs[0] else None

    made = row_code(code.cross_entropy, logits, label_smoothing > 0, gradient is not None)

    def work(block: slice) -> None:
        z = logits[block]
        e = scratch("row", z.shape, z.dtype) if gradient is None else gradient[block]
        flat, place = e.reshape(-1), np.arange(0, e.size, classes)
        place += picked[block].astype(np.intp, copy=False)
        total = None if label_smoothing else _of_exponentials(z, e, flat, place, losses[block])
        if total is None:
            np.subtract(z, np.maximum.reduce(z, 1, None, None, True), e)
            scores = flat[place]
            if label_smoothing:
                scores = (1.0 - label_smoothing) * scores + (label_smoothing / classes) * sums(e)[:, 0]
            total = sums(np.exp(e, e))
            np.subtract(np.log(total[:, 0]), scores, losses[block])
        if gradient is not None:
            total *= count
            e *= np.divide(1, total, total)
            if label_smoothing:
                e -= label_smoothing / (classes * count)
            flat[place] -= (1.0 - label_smoothing) / count
            if not everything:
                e[~counted[block]] = 0

    if made is not None:
        places = picked.astype(np.int64, copy=False)
        results = (losses,) if gradient is None else (losses, gradient)
        made(in_rows(logits), places, label_smoothing, label_smoothing / classes, 1 / count, out=results)
        if gradient is not None and not everything:
            gradient[~counted] = 0
    else:
        over_rows(work, n, classes)
    if not everything:
        losses[~counted] = 0
    out = losses if reduction == "none" else np.add.reduce(losses) / count
    kept = [] if gradient is None else [gradient]
    return out, (kept, logits, target, label_smoothing, ignore_index, reduction)


@cross_entropy.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    """What was kept, times the cotangent. It is given away: a second sweep computes it again."""
    kept, logits, target, label_smoothing, ignore_index, reduction = saved
    try:
        gradient = kept.pop()
    except IndexError:
        statics = {"label_smoothing": label_smoothing, "ignore_index": ignore_index, "reduction": reduction}
        gradient = cross_entropy.forward(logits, target, **statics)[1][0].pop()
    if g.ndim or g != 1.0:
        factors = g[:, None] if g.ndim else g

        def work(block: slice) -> None:
            gradient[block] *= factors[block] if g.ndim else factors

        over_rows(work, *gradient.shape)
    return gradient, None, None
