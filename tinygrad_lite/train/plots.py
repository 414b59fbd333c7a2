"""The figure of a trained classifier. matplotlib is imported when a figure is drawn, and no display is needed."""

from __future__ import annotations

from typing import Any

import numpy

from .loop import History

__all__ = ["classifier_figure", "misread_figure"]

BLUE, ORANGE = "#2a6fbb", "#d9762b"


def classifier_figure(
    history: History, confusion: Any, images: Any, labels: Any, predictions: Any, *, title: str
) -> Any:
    """A figure of the loss curves, of the confusion matrix, and of the misread images.

    confusion : (classes, classes) of the held-out images; images, labels, predictions : (n, h, w), (n,), (n,) of them.
    Returns a matplotlib Figure; `figure.savefig(path)` writes it.

    Raises ImportError without matplotlib.
    """
    figure = _new_figure(title, size=(15, 5.2))
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1.05, 1, 1))
    _draw_losses(left.add_subplot(), history)
    _draw_confusion(middle.add_subplot(), numpy.asarray(confusion))
    _draw_misread(right, images, labels, predictions, limit=20)
    return figure


def misread_figure(images: Any, labels: Any, predictions: Any, *, title: str, limit: int = 40) -> Any:
    """A figure of the misread images alone, at most `limit` of them. Arguments and result as of `classifier_figure`."""
    figure = _new_figure(title, size=(11, 7))
    _draw_misread(figure.subfigures(), images, labels, predictions, limit=limit)
    return figure


def _new_figure(title: str, *, size: tuple[float, float]) -> Any:
    try:
        from matplotlib.figure import Figure  # not pyplot: that would choose a display for the whole process
    except ImportError as error:
        hint = "pip install 'tinygrad-lite[plot]'"
        raise ImportError(f"matplotlib is not installed; a figure needs it: {hint}") from error
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    figure.suptitle(title, fontsize=13)
    return figure


def _draw_losses(axes: Any, history: History) -> None:
    epochs = history.column("number")
    marker = {"marker": "o", "markersize": 3} if len(epochs) < 40 else {}
    axes.plot(epochs, history.column("loss"), color=BLUE, label="training images", **marker)
    if history and history[0].held_out_loss is not None:
        axes.plot(epochs, history.column("held_out_loss"), color=ORANGE, label="held-out images", **marker)
    axes.set(title="Loss", xlabel="epoch", ylabel="mean loss per image", yscale="log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(True, which="both", alpha=0.25)
    if history:
        axes.legend(frameon=False)


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
