"""What the strength of weight decay does: to the errors, and to the weights."""

from __future__ import annotations

from typing import Any

import numpy

from ..core.errors import ShapeError
from .canvas import BLUE, COLORS, GREEN, GREY, ORANGE, PURPLE, canvas, grid, host, new_figure, numbers

__all__ = ["weight_decay", "weight_paths"]


def weight_decay(result: Any, *, score: str = "score", title: str = "") -> Any:
    """The curve of a cross-validation over the strength of weight decay, with its spread and the chosen strengths.

    result : as `cross_validate` returns it: `strengths` (k,), `scores` (k, folds), `best` and `one_standard_error`, two
        of the strengths; perhaps `train_scores` (k, folds) and `norms` (k,) or (k, folds), which get a panel.
    score : what the scores are, for the axis. title : of the figure.
    Returns the Figure. The axis of strengths is logarithmic; a strength of 0 stands at its left end. The band is one
    standard error of the mean over the folds on each side.

    Raises ShapeError if there is not one row of scores for each strength.

    >>> class Result:
    ...     strengths, best, one_standard_error = [0.01, 0.1, 1.0], 0.1, 1.0
    ...     scores = [[1.0, 1.2], [0.8, 0.9], [0.9, 0.8]]
    >>> plots.weight_decay(Result()).axes[0].get_xscale()
    'log'
    """
    strengths, scores = numbers("weight_decay", "strengths", result.strengths), host(result.scores).astype(float)
    if scores.ndim != 2 or len(scores) != len(strengths) or not scores.size:
        raise ShapeError(
            f"weight_decay: strengths are {strengths.shape} and scores {scores.shape}; (k,) and (k, folds) are "
            f"required."
        )
    norms = getattr(result, "norms", None)
    trained = getattr(result, "train_scores", None)
    figure = new_figure(title, size=(6.4, 6.2 if norms is not None else 4.4))
    panels = figure.subplots(2 if norms is not None else 1, 1, sharex=True, squeeze=False)[:, 0]
    x, order = _positions(strengths), numpy.argsort(strengths)
    if trained is not None:
        _band(panels[0], x, host(trained).astype(float), order, color=BLUE, label="training data", marker="s")
    _band(panels[0], x, scores, order, color=ORANGE, label="held-out folds", marker="o")
    panels[0].set_ylabel(score)
    if norms is not None:
        norms = host(norms).astype(float)
        _band(panels[1], x, norms.reshape(len(norms), -1), order, color=PURPLE, label="norm of the weights", marker="o")
        panels[1].set_ylabel("norm of the weights")
        if norms.min() > 0 and norms.max() > 20 * norms.min():
            panels[1].set_yscale("log")
    for axes in panels:
        for name, color, style in (("best", GREEN, "-"), ("one_standard_error", GREY, "--")):
            chosen = getattr(result, name, None)
            if chosen is not None:
                at = x[int(numpy.argmin(abs(strengths - chosen)))]
                label = f"{name.replace('_', ' ')}: {chosen:.3g}"
                axes.axvline(
                    at, color=color, linestyle=style, linewidth=1.5, label=label if axes is panels[0] else None
                )
        axes.set_xscale("log")
        grid(axes)
    panels[0].legend(frameon=False)
    _label(panels[-1], x, strengths)
    return figure


def weight_paths(
    strengths: Any, weights: Any, *, names: Any = None, chosen: float | None = None, axes: Any = None
) -> Any:
    """How each weight shrinks as the strength of weight decay grows.

    strengths : (k,), on a logarithmic axis. weights : (k, n), those of the model that was trained with each.
    names : of the n weights, for a legend. chosen : a strength to mark. axes : where to draw; a new figure if None.
    Returns the Figure.

    Raises ShapeError if there is not one row of weights for each strength.

    >>> plots.weight_paths([0.1, 1.0], [[3.0, -2.0], [0.3, 0.0]]).axes[0].get_ylabel()
    'weight'
    """
    strengths, weights = numbers("weight_paths", "strengths", strengths), host(weights).astype(float)
    if weights.ndim != 2 or len(weights) != len(strengths):
        raise ShapeError(
            f"weight_paths: strengths are {strengths.shape} and weights {weights.shape}; (k,) and (k, n) are required."
        )
    figure, axes = canvas(axes)
    x, order = _positions(strengths), numpy.argsort(strengths)
    axes.axhline(0, color="black", linewidth=0.7)
    for i, path in enumerate(weights.T):
        label = str(names[i]) if names is not None else None
        style = {"color": COLORS[i % len(COLORS)], "linestyle": "-" if i < len(COLORS) else "--"}
        axes.plot(x[order], path[order], linewidth=1.5, label=label, **style)
    if chosen is not None:
        axes.axvline(x[int(numpy.argmin(abs(strengths - chosen)))], color=GREY, linestyle="--", linewidth=1.4)
    axes.set(xscale="log", ylabel="weight", title="Weights by strength of decay")
    _label(axes, x, strengths)
    grid(axes)
    if names is not None:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def _band(axes: Any, x: Any, scores: numpy.ndarray, order: Any, *, color: str, label: str, marker: str) -> None:
    mean = scores.mean(axis=1)
    axes.plot(x[order], mean[order], color=color, marker=marker, markersize=4, label=label)
    if scores.shape[1] > 1:
        error = scores.std(axis=1, ddof=1) / scores.shape[1] ** 0.5
        axes.fill_between(x[order], (mean - error)[order], (mean + error)[order], color=color, alpha=0.2, linewidth=0)


def _positions(strengths: numpy.ndarray) -> numpy.ndarray:
    """Where the strengths stand on a logarithmic axis: 0 at a tenth of the smallest other one."""
    positive = strengths[strengths > 0]
    return numpy.where(strengths > 0, strengths, (positive.min() if positive.size else 1.0) / 10)


def _label(axes: Any, x: numpy.ndarray, strengths: numpy.ndarray) -> None:
    zero = " (0 at the left end)" if (strengths == 0).any() else ""
    axes.set_xlabel(f"strength of weight decay, lambda{zero}")
