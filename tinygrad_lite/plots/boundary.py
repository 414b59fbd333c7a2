"""What a classifier of points in the plane answers, and where it changes its mind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..core.errors import ShapeError
from ..ops.creation import to_array
from .canvas import COLORS, canvas, evaluating, host

__all__ = ["decision_boundary"]


def decision_boundary(
    model: Callable[[Any], Any],
    x: Any,
    y: Any,
    *,
    steps: int = 201,
    margin: float = 0.15,
    names: Sequence[str] | None = None,
    axes: Any = None,
) -> Any:
    """The regions of a classifier of points in the plane, its decision boundary, and the points.

    model : called with points (m, 2); gives logits (m, classes), or one number for each point, (m,) or (m, 1): a logit
        that is positive for class 1, or, if all lie from 0 to 1, a probability (or answer) that is above 1/2 for it.
        A module is called in evaluation mode; nothing is recorded.
    x, y : (n, 2) and (n,) classes from 0. A point that the model gets wrong has a cross on it.
    steps : how many points along each axis are asked for. margin : how far the picture goes beyond the points, as a
        share of their extent. names : of the classes and, behind them, perhaps of the two inputs.
    axes : where to draw; a new figure if None.
    Returns the Figure.

    Raises ShapeError for points that are not (n, 2) and (n,).

    >>> x, y = np.float32([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 0, 0, 1])
    >>> model = nn.Perceptron(2)
    >>> _ = model.fit(x, y)
    >>> plots.decision_boundary(model, x, y).axes[0].get_title()
    '4 of 4 right'
    """
    points, classes = host(x), host(y).astype(int)
    if points.ndim != 2 or points.shape[1] != 2 or classes.shape != points.shape[:1] or not len(points):
        raise ShapeError(
            f"decision_boundary: x is {points.shape} and y is {classes.shape}; (n, 2) and (n,) are required."
        )
    low, high = points.min(axis=0), points.max(axis=0)
    room = margin * numpy.where(high > low, high - low, 1.0)
    first, second = (numpy.linspace(a, b, steps) for a, b in zip(low - room, high + room, strict=True))
    plane = numpy.stack(numpy.meshgrid(first, second), axis=-1).reshape(-1, 2).astype(points.dtype)
    scores = _scores(model, numpy.concatenate([plane, points]))
    regions = scores.argmax(axis=1)
    count = int(max(scores.shape[1], classes.max() + 1))
    if count > len(COLORS):
        raise ShapeError(f"decision_boundary: there are {count} classes; at most {len(COLORS)} can be told apart.")

    figure, axes = canvas(axes, size=(5.4, 4.8))
    answers = regions[: len(plane)].reshape(steps, steps)
    levels = numpy.arange(count + 1) - 0.5
    axes.contourf(first, second, answers, levels=levels, colors=COLORS[:count], alpha=0.22)
    for k in range(scores.shape[1] if scores.shape[1] > 2 else 1):
        others = numpy.delete(scores[: len(plane)], k, axis=1).max(axis=1)
        lead = (scores[: len(plane), k] - others).reshape(steps, steps)
        if lead.min() < 0 < lead.max():
            axes.contour(first, second, lead, levels=[0.0], colors="black", linewidths=1.1)
    wrong = regions[len(plane) :] != classes
    for k in range(count):
        label = str(names[k]) if names is not None and k < len(names) else f"class {k}"
        axes.scatter(*points[classes == k].T, s=26, color=COLORS[k], edgecolor="white", linewidth=0.6, label=label)
    if wrong.any():
        axes.scatter(*points[wrong].T, s=30, marker="x", color="black", linewidth=1.2, label="wrong", zorder=3)
    inputs = list(names[count:]) if names is not None else []
    xlabel, ylabel = inputs if len(inputs) == 2 else ("first input", "second input")
    axes.set(xlabel=xlabel, ylabel=ylabel, title=f"{int((~wrong).sum())} of {len(wrong)} right")
    axes.set(xlim=(first[0], first[-1]), ylim=(second[0], second[-1]))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def _scores(model: Callable[[Any], Any], points: numpy.ndarray) -> numpy.ndarray:
    """One number per point and class, (n, classes), the largest of which is the answer."""
    parameters = model.parameters() if hasattr(model, "parameters") else ()
    device = next((parameter.device for parameter in parameters), "cpu")
    with evaluating(model):
        out = host(model(to_array(points, device=device))).astype(float)
    if out.ndim == 2 and out.shape[1] > 1:
        return out
    out = out.reshape(len(points))
    threshold = 0.5 if out.min() >= 0 and out.max() <= 1 else 0.0
    return numpy.stack([numpy.full_like(out, threshold), out], axis=1)
