"""Where figures are drawn. matplotlib is imported when one is, and no display is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy

from ..core.backend import backend_of
from ..core.errors import DTypeError, ShapeError
from ..core.graph import no_grad, unwrap

__all__ = [
    "BLUE", "COLORS", "GREEN", "GREY", "ORANGE", "PURPLE", "RED", "canvas", "evaluating", "grid", "host", "new_figure",
    "numbers",
]  # fmt: skip

BLUE, ORANGE, GREEN, PURPLE, RED, GREY = "#2a6fbb", "#d9762b", "#2b8a63", "#8c56a8", "#c23b3b", "#5f6368"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, RED, "#8a6d3b", "#2aa5b5", "#d16ba5")


def new_figure(title: str = "", *, size: tuple[float, float]) -> Any:
    """An empty Figure of `size` inches.

    Raises ImportError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure  # not pyplot: that would choose a display for the whole process
    except ImportError as error:
        hint = "pip install 'tinygrad-lite[plot]'"
        raise ImportError(f"matplotlib is not installed; a figure needs it: {hint}") from error
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    if title:
        figure.suptitle(title, fontsize=13)
    return figure


def canvas(axes: Any, *, size: tuple[float, float] = (6.4, 4.4), **options: Any) -> tuple[Any, Any]:
    """The figure of `axes` and these axes; a new figure with its only axes, made with `options`, if they are None."""
    if axes is None:
        axes = new_figure(size=size).add_subplot(**options)
    return axes.figure.figure, axes  # the figure of a subfigure is the whole one


def grid(axes: Any) -> None:
    """Faint lines behind the data, at the small ticks of a logarithmic axis too."""
    axes.grid(True, which="both", alpha=0.25)
    axes.set_axisbelow(True)


def numbers(who: str, what: str, values: Any) -> numpy.ndarray:
    """`values` as a NumPy array (n,) of floats; arrays and Tensors of any device are taken.

    Raises ShapeError, in the name of the function `who`, if they are not a row of numbers.
    """
    array = host(values).astype("float64")
    if array.ndim != 1:
        raise ShapeError(f"{who}: {what} is {array.shape}; a row of numbers is required.")
    return array


def host(values: Any) -> numpy.ndarray:
    """Values of any kind as a NumPy array."""
    array = unwrap(values)
    try:
        return numpy.asarray(backend_of(array).to_numpy(array))
    except DTypeError:  # a list, or an array that is not the package's, such as pandas'
        return numpy.asarray(array)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Within the `with` block, nothing is recorded, and the modules of a model are in evaluation mode."""
    modes = [(module, module.training) for module in model.modules()] if hasattr(model, "modules") else []
    try:
        for module, _ in modes:
            module.training = False
        with no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
