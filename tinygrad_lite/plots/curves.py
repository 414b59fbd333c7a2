"""Curves of a training: its history, runs with several learning rates, a range test of the learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy

from ..core.errors import ShapeError
from .canvas import BLUE, COLORS, ORANGE, RED, canvas, grid, new_figure, numbers

__all__ = ["draw_loss", "history", "learning_rates", "lr_range"]

HELD_OUT = ("held_out_", "validation_", "val_")
"""How names of what was measured on other data begin; the rest is the name of the same on the training data."""

NOT_SHOWN = ("epoch", "number", "step", "seconds", "time")


def history(history: Any) -> Any:
    """A figure of a training's epochs: a panel for the loss, one for each metric, one for the learning rate.

    history : a `train.History`, or any sequence of records (named tuples, dicts) with one number or None for each
        epoch under each name, or a dict of such columns. `val_loss`, `validation_loss` or `held_out_loss` is drawn in
        the panel of `loss`, and so for every name.
    Returns a matplotlib Figure.

    Raises ShapeError if there is nothing to draw, ImportError without matplotlib.

    >>> figure = plots.history({"loss": [1.0, 0.6, 0.5], "val_loss": [1.1, 0.9, 0.8], "lr": [0.1, 0.1, 0.01]})
    >>> [axes.get_title() for axes in figure.axes]
    ['loss', 'lr']
    """
    table = columns(history)
    panels = list(dict.fromkeys(_base(name) for name in table if name not in NOT_SHOWN))
    if not panels or not len(next(iter(table.values()))):
        raise ShapeError("history: there are no numbers; at least one epoch with one of them is required.")
    panels.sort(key=lambda name: (name != "loss", name == "lr"))
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    figure = new_figure(size=(4.6 * across + 0.6, 3.5 * down))
    places = list(figure.subplots(down, across, squeeze=False).flat)
    for axes, name in zip(places, panels, strict=False):
        draw_panel(axes, table, name)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    return figure


def draw_loss(axes: Any, history: Any) -> None:
    """The losses of a history, of training and of held-out data, into axes; none for a history without epochs."""
    draw_panel(axes, columns(history), "loss", logarithmic=True)
    axes.set(title="Loss", ylabel="mean loss per image")


def draw_panel(axes: Any, table: Mapping[str, numpy.ndarray], name: str, *, logarithmic: bool | None = None) -> None:
    """One column of a history and its counterpart on held-out data."""
    other = next((prefix + name for prefix in HELD_OUT if prefix + name in table), "")
    pairs = (("training data", name), ("held-out data", other))
    found = {label: table[column] for label, column in pairs if column in table}
    epochs = next((table[key] for key in ("epoch", "number") if key in table), None)
    drawn = 0
    for (label, values), color in zip(found.items(), (BLUE, ORANGE), strict=False):
        if numpy.isfinite(values).any():
            x = numpy.arange(1, len(values) + 1) if epochs is None else epochs
            axes.plot(x, values, color=color, label=label, **_markers(len(values)))
            drawn += 1
    values = numpy.concatenate([*found.values(), []])
    values = values[numpy.isfinite(values)]
    positive = bool(values.size) and bool(values.min() > 0)
    if logarithmic is None:
        logarithmic = positive and (name == "lr" or ("loss" in name and values.max() > 10 * values.min()))
    axes.set(title=name, xlabel="epoch", ylabel={"lr": "learning rate"}.get(name, name))
    if logarithmic and (positive or not values.size):
        axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    grid(axes)
    if drawn > 1 or (drawn and name == "loss"):
        axes.legend(frameon=False)


def columns(history: Any) -> dict[str, numpy.ndarray]:
    """The columns of numbers of a history, by name, each (epochs,) with NaN for None; see `history`."""
    if not isinstance(history, Mapping):
        records = [record._asdict() if hasattr(record, "_asdict") else _fields(record) for record in history]
        names = dict.fromkeys(name for record in records for name in record)
        history = {name: [record.get(name) for record in records] for name in names}
    table = {}
    for name, values in history.items():
        values = list(values)
        if all(value is None or (isinstance(value, Real) and not isinstance(value, bool)) for value in values):
            table[name] = numpy.array([numpy.nan if value is None else float(value) for value in values])
    return {name: values for name, values in table.items() if not len(values) or not numpy.isnan(values).all()}


def _fields(record: Any) -> Mapping[str, Any]:
    return record if isinstance(record, Mapping) else vars(record)


def _base(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in HELD_OUT if name.startswith(prefix)), name)


def _markers(points: int) -> dict[str, Any]:
    return {"marker": "o", "markersize": 3} if points < 40 else {}


def learning_rates(runs: Mapping[Any, Any] | Iterable[tuple[Any, Any]], *, axes: Any = None) -> Any:
    """The losses of several runs, step by step, each with its learning rate.

    runs : from learning rate, or any name, to the losses of that run, (steps,); a dict or pairs. A run ends where its
        loss is no longer a finite number, which is marked. A loss of more than a thousand times the largest first one
        leaves the picture.
    axes : where to draw; a new figure if None.
    Returns the Figure.

    Raises ShapeError if there are no runs or one has no losses.

    >>> plots.learning_rates({0.01: [1.0, 0.9, 0.8], 0.1: [1.0, 0.5, 0.2]}).axes[0].get_xlabel()
    'step'
    """
    pairs = runs.items() if isinstance(runs, Mapping) else runs
    named = [(name, numbers("learning_rates", f"the losses of {name}", losses)) for name, losses in pairs]
    if not named or not all(losses.size for _, losses in named):
        raise ShapeError("learning_rates: a run without losses, or no run; each needs at least one loss.")
    figure, axes = canvas(axes)
    first = max(losses[0] for _, losses in named)
    shown = [losses[numpy.isfinite(losses) & (losses <= 1e3 * abs(first))] for _, losses in named]
    ceiling = max((part.max() for part in shown if part.size), default=1.0)
    for i, (name, losses) in enumerate(named):
        out = numpy.flatnonzero(~(losses <= ceiling))
        end = int(out[0]) if out.size else len(losses)
        label = f"{name:g}" if isinstance(name, Real) else str(name)
        color = COLORS[i % len(COLORS)]
        steps = numpy.arange(end)
        axes.plot(steps, losses[:end], color=color, label=label + (", diverges" if out.size else ""), **_markers(end))
        if out.size and end:
            axes.plot(end - 1, losses[end - 1], marker="x", markersize=9, markeredgewidth=2, color=color)
    everything = numpy.concatenate(shown)
    if everything.min() > 0:
        axes.set_yscale("log")
    axes.set(xlabel="step", ylabel="loss", title="Loss by learning rate")
    axes.xaxis.get_major_locator().set_params(integer=True)
    grid(axes)
    axes.legend(frameon=False, title="learning rate" if all(isinstance(name, Real) for name, _ in named) else None)
    return figure


def lr_range(rates: Any, losses: Any = None, *, suggestion: float | None = None, axes: Any = None) -> Any:
    """The result of a range test of the learning rate: the loss while the rate grows, on a logarithmic axis.

    rates, losses : (steps,) each; or, as the only argument, an object with the attributes `rates`, `losses` and perhaps
        `suggestion`.
    suggestion : the learning rate to mark.
    axes : where to draw; a new figure if None.
    Returns the Figure.

    Raises ShapeError if there are not as many losses as rates, or none.
    Source: L. Smith, Cyclical learning rates for training neural networks, 2017, arXiv:1506.01186.

    >>> plots.lr_range([1e-3, 1e-2, 1e-1], [1.0, 0.5, 2.0], suggestion=1e-2).axes[0].get_xscale()
    'log'
    """
    if losses is None:
        result = rates
        rates, losses = result.rates, result.losses
        suggestion = getattr(result, "suggestion", None) if suggestion is None else suggestion
    rates, losses = numbers("lr_range", "rates", rates), numbers("lr_range", "losses", losses)
    if rates.shape != losses.shape or not rates.size:
        raise ShapeError(f"lr_range: {rates.size} rates and {losses.size} losses; as many of each are required.")
    figure, axes = canvas(axes)
    finite = numpy.isfinite(losses)
    axes.plot(rates[finite], losses[finite], color=BLUE, linewidth=1.8)
    if finite.any():
        # The loss explodes at the end; what matters lies between the lowest and a little above the first.
        low, first = losses[finite].min(), losses[finite][: max(1, finite.sum() // 10)].max()
        room = (first - low) or abs(first) or 1.0
        axes.set_ylim(low - 0.1 * room, first + 0.5 * room)
    if suggestion is not None:
        axes.axvline(suggestion, color=RED, linestyle="--", linewidth=1.4, label=f"suggested: {suggestion:.2g}")
        axes.legend(frameon=False)
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", title="Range test of the learning rate")
    grid(axes)
    return figure
