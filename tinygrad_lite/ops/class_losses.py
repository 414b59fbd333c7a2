"""Losses of log probabilities: of one class per example, and of sequences of unknown alignment."""

from __future__ import annotations

from math import inf, nan

import numpy

from ..core.backend import backend_of
from ..core.dtypes import is_floating, is_half
from ..core.errors import DTypeError, ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from .comparison import equal, greater, where
from .conversion import astype, detach
from .elementwise import maximum, negative
from .indexing import getitem, take, take_along_axis
from .joining import pad, stack
from .losses import Reduction, check_classes, reduced
from .movement import expand_dims, reshape, squeeze
from .reductions import logsumexp, sum

__all__ = ["ctc", "nll"]


@composite(shapes="any", autocast="float32")
def nll(
    prediction: Array,
    target: Array,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Array:
    """Negative log likelihood, -prediction[target] for log probabilities; `cross_entropy` without its softmax.

    prediction : (n, classes), (n, classes, ...), or (classes,) for a single example.
    target : integers, the shape of prediction without the classes.
    weight : (classes,), factors of the losses by target class; the mean is then weighted.
    ignore_index : examples with this target class count nothing.
    Raises ShapeError for shapes that do not fit or a target that is no class; DTypeError for targets not integers.

    >>> float(nll(np.log([[0.5, 0.5], [0.2, 0.8]]), np.array([0, -100])))
    0.6931471805599453
    """
    if not prediction.shape:
        raise ShapeError("nll: prediction is 0-d; it must be (n, classes), (n, classes, ...) or (classes,).")
    axis = min(len(prediction.shape) - 1, 1)
    counted, wrong = check_classes("nll", prediction, target, axis, ignore_index)
    classes = where(counted, unwrap(target), 0)
    picked = squeeze(take_along_axis(prediction, expand_dims(classes, axis=axis), axis=axis), axis=axis)
    losses = where(counted, negative(picked), 0.0)
    counts = astype(counted, losses.dtype)
    if weight is not None:
        counts = reshape(take(weight, reshape(classes, (-1,))), tuple(classes.shape)) * counts
    losses = losses * counts
    if wrong is not None:
        losses = where(wrong, nan, losses)
    if reduction == "mean":
        total = sum(counts)
        return sum(losses) / where(equal(total, 0.0), 1.0, total)
    return reduced("nll", losses, reduction)


_IMPOSSIBLE = -1e30
"""Stands for the logarithm of 0: unlike -inf, differences of it are no NaN."""


@composite(shapes="any", autocast="float32")
def ctc(
    log_probabilities: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    *,
    blank: int = 0,
    zero_infinity: bool = False,
    reduction: Reduction = "mean",
) -> Array:
    """Connectionist temporal classification: -log of the probability of all alignments of a target with its input.

    An alignment names a class for each time; without repetitions and then without `blank` it must be the target.

    log_probabilities : (time, n, classes), as from `log_softmax`; or (time, classes) for a single example.
    targets : integers (n, length), padded at will, or all targets joined, (sum of target_lengths,).
    input_lengths, target_lengths : integers (n,); or () for a single example.
    zero_infinity : an example whose target is too long for its input has the loss 0 instead of infinity. Its gradient
        is 0 either way.
    reduction : `"mean"` of the losses divided by the targets' lengths, `"sum"`, or `"none"`.
    Raises ShapeError for shapes and lengths that do not fit and targets that are no class.
    Source: Graves et al. 2006, https://doi.org/10.1145/1143844.1143891.

    >>> float(ctc(np.log(np.full((2, 2), 0.5)), np.array([1]), np.array(2), np.array(1)).round(6))  # -log(3 / 4)
    0.287682
    """
    if not is_floating(log_probabilities.dtype):
        raise DTypeError(f"ctc: log_probabilities has dtype {log_probabilities.dtype}; it must be floating-point.")
    single = len(log_probabilities.shape) == 2
    logp = expand_dims(log_probabilities, axis=1) if single else log_probabilities
    narrow = logp.dtype if is_half(logp.dtype) else None
    logp = astype(logp, "float32") if narrow is not None else logp
    backend = backend_of(unwrap(logp))
    labels, skips, times, lengths = _alignment(logp, (targets, input_lengths, target_lengths), blank)
    steps = logp.shape[0]
    index = backend.asarray(numpy.broadcast_to(labels, (steps, *labels.shape)).copy())
    emitted = maximum(take_along_axis(logp, index, axis=2), _IMPOSSIBLE)
    skipping = backend.asarray(skips)
    starts = backend.asarray(
        (numpy.arange(labels.shape[1]) < 2) & (numpy.arange(labels.shape[1]) <= 2 * lengths[:, None])
    )
    alpha = where(starts, getitem(emitted, index=0), _IMPOSSIBLE)
    for t in range(1, steps):
        one = getitem(pad(alpha, ((0, 0), (1, 0)), value=_IMPOSSIBLE), index=(slice(None), slice(0, -1)))
        two = getitem(pad(one, ((0, 0), (1, 0)), value=_IMPOSSIBLE), index=(slice(None), slice(0, -1)))
        paths = stack([alpha, one, where(skipping, two, _IMPOSSIBLE)])
        after = logsumexp(paths, axis=0) + getitem(emitted, index=t)
        alpha = where(backend.asarray(times[:, None] > t), after, alpha)
    ends = numpy.stack([2 * lengths, numpy.maximum(2 * lengths - 1, 0)], axis=1)
    last = take_along_axis(alpha, backend.asarray(ends), axis=1)
    possible = backend.asarray(numpy.stack([lengths >= 0, lengths > 0], axis=1))
    losses = negative(logsumexp(where(possible, last, _IMPOSSIBLE), axis=1))
    losses = where(greater(detach(losses), -0.5 * _IMPOSSIBLE), 0.0 if zero_infinity else inf, losses)
    if reduction == "mean":
        losses = losses / backend.asarray(numpy.maximum(lengths, 1), dtype=losses.dtype)
    losses = losses if narrow is None else astype(losses, narrow)
    return reduced("ctc", squeeze(losses, axis=0) if single else losses, reduction)


def _alignment(logp: Array, given: tuple[Array, Array, Array], blank: int) -> tuple[numpy.ndarray, ...]:
    """For each example the labels with blanks between them, which of them may follow the last but one, and the lengths.

    Raises ShapeError or DTypeError if the targets do not fit.
    """
    targets, times, lengths = (backend_of(unwrap(x)).to_numpy(unwrap(x)) for x in given)
    if len(logp.shape) != 3:
        raise ShapeError(
            f"ctc: log_probabilities is {tuple(logp.shape)}; it must be (time, n, classes) or (time, classes)."
        )
    if any(x.dtype.kind not in "iu" for x in (targets, times, lengths)):
        raise DTypeError("ctc: targets, input_lengths and target_lengths must be integers.")
    steps, n, classes = logp.shape
    times, lengths = times.reshape(-1), lengths.reshape(-1)
    if times.shape != (n,) or lengths.shape != (n,):
        raise ShapeError(f"ctc: there are {n} examples, {times.size} input_lengths and {lengths.size} target_lengths.")
    if n and (times.min() < 1 or times.max() > steps):
        raise ShapeError(f"ctc: input_lengths are {times.tolist()}; they must be from 1 to {steps}.")
    longest = int(lengths.max(initial=0))
    padded = numpy.zeros((n, longest), int)
    inside = numpy.arange(longest) < lengths[:, None]
    if targets.ndim == 2 and targets.shape[0] == n and targets.shape[1] >= longest:
        padded[inside] = targets[:, :longest][inside]
    elif targets.ndim == 1 and targets.size == lengths.sum():
        padded[inside] = targets
    else:
        raise ShapeError(
            f"ctc: targets is {targets.shape}; it must be ({n}, {longest} or more) or ({int(lengths.sum())},)."
        )
    wrong = padded[inside & ((padded < 0) | (padded >= classes) | (padded == blank))]
    if wrong.size:
        raise ShapeError(
            f"ctc: targets contain {wrong[0]}; they must be from 0 to {classes - 1}, and not blank ({blank})."
        )
    labels = numpy.full((n, 2 * longest + 1), blank)
    labels[:, 1::2] = numpy.where(inside, padded, blank)
    skips = numpy.zeros(labels.shape, bool)
    skips[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    return labels, skips, times, lengths
