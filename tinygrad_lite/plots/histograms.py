"""How the weights of a model, and their gradients, are distributed."""

from __future__ import annotations

from typing import Any

import numpy

from ..core.errors import ShapeError
from .canvas import BLUE, GREY, ORANGE, host, new_figure

__all__ = ["histograms"]


def histograms(model: Any, *, bins: int = 60, gradients: bool = True, limit: int = 24) -> Any:
    """Histograms of the weights of a model, a row for each parameter, with those of their gradients beside them.

    model : a Module, or pairs of name and Tensor. bins : how many bars. gradients : whether to show gradients; a
        parameter that has none says so. limit : how many parameters at most, the first ones.
    Values that are not finite numbers are left out and counted in the panel. Returns the Figure.

    Raises ShapeError if there are no parameters.

    >>> plots.histograms(nn.Linear(3, 2)).axes[0].get_ylabel()
    'weight\\n(2, 3)'
    """
    named = list(model.named_parameters() if hasattr(model, "named_parameters") else model)
    if not named:
        raise ShapeError("histograms: the model has no parameters; at least one is required.")
    shown = named[:limit]
    across = 2 if gradients else 1
    figure = new_figure(size=(4.4 * across, 1.25 * len(shown) + 0.9))
    if len(shown) < len(named):
        figure.suptitle(f"the first {len(shown)} of {len(named)} parameters", fontsize=10)
    places = figure.subplots(len(shown), across, squeeze=False)
    for row, (name, parameter) in zip(places, shown, strict=True):
        _draw(row[0], host(parameter), bins, BLUE)
        label = name if len(name) <= 18 else "..." + name[-16:]
        row[0].set_ylabel(f"{label}\n{tuple(parameter.shape)}", rotation=0, ha="right", va="center", fontsize=8)
        if gradients:
            grad = parameter.grad
            _draw(row[1], None if grad is None else host(grad), bins, ORANGE)
    for axes, title in zip(places[0], ("weights", "gradients"), strict=False):
        axes.set_title(title, fontsize=11)
    return figure


def _draw(axes: Any, values: numpy.ndarray | None, bins: int, color: str) -> None:
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.tick_params(labelsize=7)
    axes.xaxis.get_major_locator().set_params(nbins=5)
    axes.xaxis.set_major_formatter("{x:.2g}")
    note = {"transform": axes.transAxes, "fontsize": 7, "color": GREY}
    if values is None:
        axes.set_xticks([])
        axes.text(0.5, 0.4, "no gradient", ha="center", **note)
        return
    finite = values[numpy.isfinite(values)].astype(float)
    if finite.size:
        axes.hist(finite, bins=bins, color=color)
        axes.axvline(0, color="black", linewidth=0.7)
        text = f"mean {finite.mean():.2g}\nstd {finite.std():.2g}"
    else:
        text = ""
    if finite.size < values.size:
        text += f"\n{values.size - finite.size} not finite"
    axes.text(1.01, 0.95, text.strip(), ha="left", va="top", **note)
