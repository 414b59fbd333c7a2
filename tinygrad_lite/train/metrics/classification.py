"""Metrics of classifiers, of any shape: images, pixels, tokens."""

from __future__ import annotations

from typing import Any, Literal

import numpy

from ...core.errors import ShapeError
from .base import Metric
from .counts import class_scores

__all__ = ["AUC", "F1", "Accuracy", "ConfusionMatrix", "Perplexity", "Precision", "Recall", "TopKAccuracy"]

IGNORED = -100
"""The target that `cross_entropy` does not count, and neither do these metrics."""


class Accuracy(Metric):
    """The share of targets whose class the model gave the largest output.

    outputs : (n, classes, ...) scores of each class, targets (n, ...) integers. Or, of the shape of the targets: scores
        of yes against no, where yes is what is above `threshold`; or integers, the predicted classes.
    threshold : 0 is right for logits; for probabilities it is 0.5.
    ignore_index : targets with this number do not count.

    >>> train.Accuracy()(np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 5.0]]), np.array([0, 1, 0]))
    0.6666666666666666
    """

    name = "accuracy"

    def __init__(self, *, threshold: float = 0.0, ignore_index: int = IGNORED) -> None:
        super().__init__()
        self.threshold, self.ignore_index = threshold, ignore_index

    def update(self, outputs: Any, targets: Any) -> None:
        chosen, targets = chosen_classes("Accuracy", outputs, targets, self.threshold)
        counts = targets != self.ignore_index
        self.add(right=int(((chosen == targets) & counts).sum()), count=int(counts.sum()))

    def compute(self) -> float:
        return _share(self.sums.get("right", 0), self.sums.get("count", 0))


class TopKAccuracy(Metric):
    """The share of targets that are among the k classes with the largest outputs.

    outputs, targets, ignore_index : as for `Accuracy`, (n, classes, ...) and (n, ...). Of equal outputs, those of the
    lower classes are taken as the larger.

    >>> train.TopKAccuracy(2)(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), np.array([1, 2]))
    0.5
    """

    def __init__(self, k: int = 5, *, ignore_index: int = IGNORED) -> None:
        super().__init__()
        self.k, self.ignore_index = k, ignore_index
        self.name = f"top{k}"

    def update(self, outputs: Any, targets: Any) -> None:
        scores = _by_class("TopKAccuracy", outputs, targets)
        targets = targets.reshape(-1)
        counts = targets != self.ignore_index
        scores, targets = scores[counts], targets[counts]
        own = scores[numpy.arange(len(targets)), targets][:, None]
        earlier = numpy.arange(scores.shape[1]) < targets[:, None]
        rank = ((scores > own) | ((scores == own) & earlier)).sum(axis=1)
        self.add(right=int(((rank < self.k) & ~numpy.isnan(own[:, 0])).sum()), count=len(targets))

    def compute(self) -> float:
        return _share(self.sums.get("right", 0), self.sums.get("count", 0))


class ConfusionMatrix(Metric):
    """How often each class was taken for each: row = target, column = prediction; (classes, classes) int64.

    classes : how many there are; by default as many as occur.
    outputs, targets, threshold, ignore_index : as for `Accuracy`.

    >>> train.ConfusionMatrix()(np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 5.0]]), np.array([0, 1, 0]))
    array([[1, 1],
           [0, 1]])
    """

    name = "confusion"

    def __init__(self, classes: int | None = None, *, threshold: float = 0.0, ignore_index: int = IGNORED) -> None:
        super().__init__()
        self.classes, self.threshold, self.ignore_index = classes, threshold, ignore_index

    def update(self, outputs: Any, targets: Any) -> None:
        kind = type(self).__name__
        chosen, targets = chosen_classes(kind, outputs, targets, self.threshold)
        counts = targets != self.ignore_index
        chosen, targets = chosen[counts].astype(numpy.int64), targets[counts].astype(numpy.int64)
        before = self.sums.get("matrix", numpy.zeros((self.classes or 0,) * 2, numpy.int64))
        largest = max(chosen.max(initial=-1), targets.max(initial=-1), len(before) - 1)
        smallest = min(chosen.min(initial=0), targets.min(initial=0))
        if smallest < 0 or (self.classes is not None and largest >= self.classes):
            limit = f"0 to {self.classes - 1}" if self.classes else "0 or more"
            raise ShapeError(f"{kind}: classes from {smallest} to {largest}; they must be {limit}.")
        size = int(largest) + 1
        matrix = numpy.bincount(targets * size + chosen, minlength=size**2).reshape(size, size)
        matrix[: len(before), : len(before)] += before
        self.sums["matrix"] = matrix

    def compute(self) -> Any:
        return self.sums.get("matrix", numpy.zeros((self.classes or 0,) * 2, numpy.int64)).copy()


class _Score(ConfusionMatrix):
    """A score of each class, from the confusion matrix, averaged; see `F1`."""

    score = ""

    def __init__(
        self,
        average: Literal["macro", "weighted", "micro", "binary"] | None = "macro",
        *,
        classes: int | None = None,
        threshold: float = 0.0,
        ignore_index: int = IGNORED,
    ) -> None:
        if average not in ("macro", "weighted", "micro", "binary", None):
            raise ValueError(
                f"{type(self).__name__}: average is {average!r}; 'macro', 'weighted', 'micro', 'binary' or None is "
                f"required."
            )
        super().__init__(classes, threshold=threshold, ignore_index=ignore_index)
        self.average = average

    def compute(self) -> Any:
        matrix = super().compute()
        scores = class_scores(matrix)
        each = getattr(scores, self.score)
        if self.average is None:
            return each
        if self.average == "binary":
            return float(each[1]) if len(each) > 1 else 0.0
        if self.average == "micro":
            return _share(int(matrix.trace()), int(matrix.sum()))
        occurs = matrix.sum(axis=0) + matrix.sum(axis=1) > 0
        weights = scores.count if self.average == "weighted" else occurs
        return float((each * weights).sum() / weights.sum()) if weights.sum() else float("nan")


class Precision(_Score):
    """Of what was taken for a class, the share that is. Arguments as for `F1`.

    >>> train.Precision("binary")(np.array([1, 1, 0, 1]), np.array([1, 0, 0, 1]))
    0.6666666666666666
    """

    name = score = "precision"


class Recall(_Score):
    """Of a class, the share that was recognised. Arguments as for `F1`.

    >>> train.Recall("binary")(np.array([1, 0, 0, 1]), np.array([1, 1, 1, 1]))
    0.5
    """

    name = score = "recall"


class F1(_Score):
    """The harmonic mean of precision and recall.

    average : `"macro"`, the mean over the classes that occur among targets or predictions; `"weighted"`, by how many
        targets each class has; `"micro"`, of all classes counted together; `"binary"`, of class 1; None, an array.
    classes : how many there are; by default as many as occur.
    outputs, targets, threshold, ignore_index : as for `Accuracy`.

    Raises ValueError for another average.

    >>> train.F1("binary")(np.array([1, 0, 0, 1]), np.array([1, 1, 1, 1]))
    0.6666666666666666
    """

    name = score = "f1"


class AUC(Metric):
    """The area under the receiver operating characteristic: how likely a positive scores higher than a negative.

    outputs : (n,) or (n, 1) scores, targets 0 or 1 of as many entries; or (n, classes) logits with targets (n,): of two
        classes, class 1 against class 0; of more, the mean over the classes, each against the rest by its softmax.
    All scores are kept, since their order decides. Equal scores count one half.

    The area is NaN where a class has no positives or no negatives.
    Source: J. Hanley, B. McNeil, The meaning and use of the area under a receiver operating characteristic (ROC) curve,
    Radiology 143(1), 1982.

    >>> train.AUC()(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """

    name = "auc"

    def reset(self) -> None:
        self.sums = {"scores": [], "targets": []}

    __init__ = reset

    def update(self, outputs: Any, targets: Any) -> None:
        targets = numpy.asarray(targets)
        scores = outputs.reshape(-1, 1) if outputs.size == targets.size else _by_class("AUC", outputs, targets)
        self.sums["scores"].append(numpy.array(scores))
        self.sums["targets"].append(targets.reshape(-1).astype(numpy.int64))

    def compute(self) -> float:
        if not self.sums["scores"]:
            return float("nan")
        scores, targets = (numpy.concatenate(self.sums[name]) for name in ("scores", "targets"))
        if scores.shape[1] == 1:
            return _area(scores[:, 0], targets == 1)
        if scores.shape[1] == 2:
            return _area(scores[:, 1] - scores[:, 0], targets == 1)
        shares = numpy.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return float(numpy.mean([_area(shares[:, c], targets == c) for c in range(scores.shape[1])]))


class Perplexity(Metric):
    """e to the mean cross-entropy of the targets: among how many equally likely classes the model still wavers.

    outputs : (n, classes, ...) logits, as for `cross_entropy`; targets (n, ...) integers.
    ignore_index : targets with this number do not count.

    >>> float(np.round(train.Perplexity()(np.zeros((2, 8)), np.array([0, 5])), 6))
    8.0
    """

    name = "perplexity"

    def __init__(self, *, ignore_index: int = IGNORED) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def update(self, outputs: Any, targets: Any) -> None:
        scores = _by_class("Perplexity", outputs, targets).astype(numpy.float64)
        targets = targets.reshape(-1)
        counts = targets != self.ignore_index
        scores, targets = scores[counts], targets[counts]
        highest = scores.max(axis=1, keepdims=True)
        log_total = numpy.log(numpy.exp(scores - highest).sum(axis=1)) + highest[:, 0]
        self.add(loss=float((log_total - scores[numpy.arange(len(targets)), targets]).sum()), count=len(targets))

    def compute(self) -> float:
        with numpy.errstate(over="ignore"):
            return float(numpy.exp(_share(self.sums.get("loss", 0.0), self.sums.get("count", 0))))


def chosen_classes(name: str, outputs: Any, targets: Any, threshold: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The predicted class for each target, and the targets, in one shape.

    Raises ShapeError for shapes that do not fit.
    """
    if outputs.shape == targets.shape:
        chosen = outputs > threshold if outputs.dtype.kind == "f" else outputs
        return chosen, targets
    if outputs.ndim == targets.ndim + 1 and outputs.shape[:1] + outputs.shape[2:] == targets.shape:
        return (outputs[:, 0] > threshold if outputs.shape[1] == 1 else outputs.argmax(axis=1)), targets
    raise ShapeError(
        f"{name}: outputs are {outputs.shape} and targets {targets.shape}; outputs must be of the targets' shape, or "
        f"have an axis of classes more, the second: (n, classes, ...) for (n, ...)."
    )


def _by_class(name: str, outputs: Any, targets: Any) -> numpy.ndarray:
    """Outputs (n, classes, ...) as (number of targets, classes)."""
    if outputs.ndim != targets.ndim + 1 or outputs.shape[:1] + outputs.shape[2:] != targets.shape:
        raise ShapeError(
            f"{name}: outputs are {outputs.shape} and targets {targets.shape}; (n, classes, ...) and (n, ...) are "
            f"required."
        )
    return numpy.moveaxis(outputs, 1, -1).reshape(-1, outputs.shape[1])


def _area(scores: numpy.ndarray, positive: numpy.ndarray) -> float:
    """The area from the ranks of the positives among all, equal scores sharing their mean rank (Mann and Whitney)."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives or numpy.isnan(scores).any():
        return float("nan")
    _, place, count = numpy.unique(scores, return_inverse=True, return_counts=True)
    rank = (numpy.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
