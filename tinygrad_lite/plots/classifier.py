"""The figure of a trained classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from .canvas import canvas, host, new_figure
from .curves import draw_loss

__all__ = ["classifier_figure", "confusion", "misread_figure"]


def classifier_figure(history: Any, confusion: Any, images: Any, labels: Any, predictions: Any, *, title: str) -> Any:
    """A figure of the loss curves, of the confusion matrix, and of the misread images.

    history : as for `plots.history`.
    confusion : (classes, classes) of the held-out images; images, labels, predictions : (n, h, w), (n,), (n,) of them.
    Returns a matplotlib Figure; `figure.savefig(path)` writes it.

    Raises ImportError without matplotlib.
    """
    figure = new_figure(title, size=(15, 5.2))
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1.05, 1, 1))
    draw_loss(left.add_subplot(), history)
    _draw_confusion(middle.add_subplot(), numpy.asarray(confusion))
    _draw_misread(right, images, labels, predictions, limit=20)
    return figure


def misread_figure(images: Any, labels: Any, predictions: Any, *, title: str, limit: int = 40) -> Any:
    """A figure of the misread images alone, at most `limit` of them. Arguments and result as of `classifier_figure`."""
    figure = new_figure(title, size=(11, 7))
    _draw_misread(figure.subfigures(), images, labels, predictions, limit=limit)
    return figure


def confusion(matrix: Any, *, names: Sequence[Any] | None = None, axes: Any = None) -> Any:
    """How often each class was taken for each; the colour is the share of the row.

    matrix : (classes, classes) counts, row = true class, column = predicted class, as from `train.confusion_matrix`.
    names : of the classes; 0, 1, ... if None. axes : where to draw; a new figure if None.
    Returns the Figure.

    >>> plots.confusion([[9, 1], [0, 5]], names=["cat", "dog"]).axes[0].get_ylabel()
    'is'
    """
    matrix = host(matrix)
    figure, axes = canvas(axes, size=(1.9 + 0.42 * len(matrix), 1.5 + 0.42 * len(matrix)))
    _draw_confusion(axes, matrix)
    axes.set_title("Confusion matrix")
    if names is not None:
        longest = max(len(str(name)) for name in names)
        axes.set_xticks(range(len(names)), names, rotation=90 if longest > 3 else 0)
        axes.set_yticks(range(len(names)), names)
    return figure


def _draw_confusion(axes: Any, confusion: numpy.ndarray) -> None:
    classes = len(confusion)
    # Colour is the share of the row: a single mistake would vanish beside counts of hundreds, so its square root.
    share = confusion / numpy.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(numpy.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*numpy.nonzero(confusion), strict=True):
        colour = "white" if share[row, column] > 0.4 else "black"
        axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour, fontsize=8)
    axes.set(title="Confusion matrix of held-out images", xlabel="read as", ylabel="is")
    axes.set(xticks=range(classes), yticks=range(classes))


def _draw_misread(figure: Any, images: Any, labels: Any, predictions: Any, *, limit: int) -> None:
    wrong = numpy.flatnonzero(numpy.asarray(labels) != numpy.asarray(predictions))
    shown = wrong[:limit]
    number = f"{len(shown)} of {len(wrong)}" if len(shown) < len(wrong) else f"{len(wrong) or 'No'}"
    figure.suptitle(f"{number} misread held-out image{'' if len(wrong) == 1 else 's'}", fontsize=12)
    if not len(shown):
        return
    # At least 3 x 3 places, so that a single mistake does not fill the panel.
    columns = max(3, round((len(shown) * figure.bbox.width / figure.bbox.height) ** 0.5))
    rows = max(3, -(-len(shown) // columns))
    places = list(figure.subplots(rows, columns).flat)
    for axes in places:
        axes.set(xticks=(), yticks=())
        axes.spines[:].set_color("lightgray")
    for axes, i in zip(places, shown, strict=False):
        axes.imshow(images[i].reshape(images.shape[-2:]), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(f"{labels[i]}, read {predictions[i]}", fontsize=8, pad=3)
    for axes in places[len(shown) :]:
        axes.set_axis_off()
