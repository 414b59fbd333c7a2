"""Counts of classes on NumPy arrays of labels and predictions, and what follows from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from ...core.errors import ShapeError

__all__ = ["ClassScores", "accuracy", "class_scores", "confusion_matrix", "scores_table"]


def accuracy(labels: Any, predictions: Any) -> float:
    """The share of predictions that equal their label; NaN for none.

    >>> train.accuracy([1, 2, 3, 4], [1, 2, 3, 9])
    0.75
    """
    labels, predictions = _checked("accuracy", labels, predictions)
    return float(numpy.mean(labels == predictions)) if labels.size else float("nan")


def confusion_matrix(labels: Any, predictions: Any, classes: int | None = None) -> numpy.ndarray:
    """How often each class was taken for each: row = label, column = prediction.

    labels, predictions : (n,) integers from 0.
    classes : how many classes there are; by default as many as occur.
    Returns (classes, classes) int64.

    Raises ShapeError if the lengths differ or a value is outside the classes.

    >>> train.confusion_matrix([0, 0, 1], [0, 1, 1])
    array([[1, 1],
           [0, 1]])
    """
    labels, predictions = _checked("confusion_matrix", labels, predictions)
    largest = max(labels.max(initial=-1), predictions.max(initial=-1))
    smallest = min(labels.min(initial=0), predictions.min(initial=0))
    classes = int(largest) + 1 if classes is None else classes
    if largest >= classes or smallest < 0:
        raise ShapeError(
            f"confusion_matrix: values from {smallest} to {largest} with {classes} classes; "
            f"labels and predictions must be 0 to {classes - 1}."
        )
    return numpy.bincount(labels * classes + predictions, minlength=classes**2).reshape(classes, classes)


def _checked(name: str, labels: Any, predictions: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
    labels, predictions = numpy.asarray(labels), numpy.asarray(predictions)
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise ShapeError(
            f"{name}: labels {labels.shape} and predictions {predictions.shape}; both must be (n,), one class for each "
            f"image. Take the argmax of probabilities or logits first."
        )
    return labels, predictions


class ClassScores(NamedTuple):
    """Arrays with one entry per class, from the counts of a confusion matrix; 0 where nothing was counted.

    precision : of what was taken for this class, the share that is.
    recall : of this class, the share that was recognised.
    f1 : their harmonic mean.
    count : how many of this class there are.
    """

    precision: numpy.ndarray
    recall: numpy.ndarray
    f1: numpy.ndarray
    count: numpy.ndarray


def class_scores(confusion: Any) -> ClassScores:
    """Precision, recall, their harmonic mean and the count of each class.

    confusion : (classes, classes), as `confusion_matrix` returns it.

    >>> train.class_scores([[3, 1], [0, 4]]).recall
    array([0.75, 1.  ])
    """
    confusion = numpy.asarray(confusion)
    right, taken, count = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    # 2 right / (taken + count) equals 2 p r / (p + r), and is 0 rather than NaN where p = r = 0.
    return ClassScores(_ratio(right, taken), _ratio(right, count), _ratio(2 * right, taken + count), count)


def _ratio(part: numpy.ndarray, whole: numpy.ndarray) -> numpy.ndarray:
    return numpy.where(whole > 0, part / numpy.maximum(whole, 1), 0.0)


def scores_table(confusion: Any, *, name: str = "class") -> str:
    """The scores of each class as lines of text, with the class that it was most often taken for.

    confusion : (classes, classes), as `confusion_matrix` returns it.
    name : what a class is called.

    >>> print(train.scores_table([[3, 1], [0, 4]]))
    class  precision  recall      f1   count  taken for
        0     1.0000  0.7500  0.8571       4  1 (once)
        1     0.8000  1.0000  0.8889       4
    """
    confusion = numpy.asarray(confusion)
    scores = class_scores(confusion)
    width = max(len(name), len(str(len(confusion) - 1)))
    lines = [f"{name:>{width}}  precision  recall      f1   count  taken for"]
    for i, (precision, recall, f1, count) in enumerate(zip(*scores, strict=True)):
        wrong = confusion[i].copy()
        wrong[i] = 0
        other = int(wrong.argmax())
        times = {0: "", 1: f"{other} (once)"}.get(int(wrong[other]), f"{other} ({wrong[other]} times)")
        lines.append(f"{i:>{width}}  {precision:9.4f}  {recall:6.4f}  {f1:6.4f}  {count:6d}  {times}".rstrip())
    return "\n".join(lines)
