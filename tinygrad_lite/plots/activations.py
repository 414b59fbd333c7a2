"""Activation functions and their derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from ..autodiff.transforms import grad
from ..core.errors import ShapeError
from ..core.graph import no_grad
from .canvas import BLUE, ORANGE, grid, host, new_figure

__all__ = ["activations"]


def activations(
    functions: Callable[[Any], Any] | Sequence[Callable[[Any], Any]] | Mapping[str, Callable[[Any], Any]],
    *,
    low: float = -4.0,
    high: float = 4.0,
    points: int = 401,
) -> Any:
    """A figure of activation functions, each in a panel of its own with its derivative, found by `grad`.

    functions : elementwise functions or modules, such as `relu` or `nn.GELU()`; one, several, or a dict of name and
        function. low, high : the ends of the axis of inputs. points : how many inputs.

    A jump of the derivative (relu's at 0) is drawn as a gap. Returns the Figure.

    Raises ShapeError without a function or unless low < high.

    >>> [axes.get_title() for axes in plots.activations([relu, tanh, nn.GELU()]).axes]
    ['relu', 'tanh', 'GELU()']
    """
    if callable(functions):
        functions = [functions]
    named = functions if isinstance(functions, Mapping) else {_name(function): function for function in functions}
    if not named or not low < high:
        raise ShapeError(f"activations: {len(named)} functions from {low} to {high}; one and low < high are required.")
    across = min(len(named), 4)
    down = -(-len(named) // across)
    figure = new_figure(size=(max(3.1 * across, 4.6), 2.7 * down + 0.5))
    places = list(figure.subplots(down, across, squeeze=False).flat)
    x = numpy.linspace(low, high, points)
    for axes, (name, function) in zip(places, named.items(), strict=False):
        with no_grad():
            y = host(function(x))
        slope = grad(lambda x, function=function: function(x).sum())(x)
        axes.axhline(0, color="black", linewidth=0.6, alpha=0.5)
        axes.axvline(0, color="black", linewidth=0.6, alpha=0.5)
        axes.plot(x, _with_gaps(y), color=BLUE, linewidth=2.0, label="value")
        axes.plot(x, _with_gaps(host(slope)), color=ORANGE, linewidth=1.6, linestyle="--", label="derivative")
        axes.set_title(name, fontsize=11)
        axes.set_xlim(low, high)
        grid(axes)
    for axes in places[max(0, len(named) - across) : len(named)]:
        axes.set_xlabel("input")
    for axes in places[len(named) :]:
        axes.set_axis_off()
    handles, labels = places[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _name(function: Callable) -> str:
    return getattr(function, "__name__", None) or repr(function)


def _with_gaps(y: numpy.ndarray) -> numpy.ndarray:
    """y with NaN where it jumps: where a step between neighbours is far larger than both beside it."""
    steps = numpy.abs(numpy.diff(y))
    around = numpy.maximum(numpy.append(steps[1:], 0.0), numpy.append(0.0, steps[:-1]))
    jumps = numpy.flatnonzero((steps > 0.02 * max(float(numpy.ptp(y)), 1e-12)) & (steps > 20 * around))
    shown = y.astype(float)
    shown[jumps] = numpy.nan
    return shown
