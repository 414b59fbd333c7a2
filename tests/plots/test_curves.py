"""Curves show the numbers that they are given."""

import numpy as np
import pytest

from tinygrad_lite import plots, tensor
from tinygrad_lite.core.errors import ShapeError
from tinygrad_lite.train import History, Record

pytest.importorskip("matplotlib")


def lines(axes):
    return {line.get_label(): line.get_ydata().tolist() for line in axes.lines}


def by_title(figure):
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def test_history_of_records():
    rows = [(1, 1.0, 0.5, 0.4), (2, 0.5, 0.7, 0.6)]
    names = ("epoch", "loss", "accuracy", "val_accuracy")
    panels = by_title(plots.history(History(Record(zip(names, row, strict=True)) for row in rows)))
    assert list(panels) == ["loss", "accuracy"]
    assert lines(panels["loss"]) == {"training data": [1.0, 0.5]}
    assert lines(panels["accuracy"]) == {"training data": [0.5, 0.7], "held-out data": [0.4, 0.6]}


def test_history_of_columns():
    columns = {
        "lr": [0.1, 0.01], "accuracy": [0.5, 0.6], "val_loss": [3.0, None], "epoch": [4, 5], "loss": [200.0, 1.0],
        "note": ["a", "b"],
    }  # fmt: skip
    panels = by_title(plots.history(columns))
    assert list(panels) == ["loss", "accuracy", "lr"]
    assert panels["loss"].get_yscale() == "log" and panels["accuracy"].get_yscale() == "linear"
    assert panels["loss"].lines[0].get_xdata().tolist() == [4, 5]
    held_out = lines(panels["loss"])["held-out data"]
    assert held_out[0] == 3.0 and np.isnan(held_out[1])


def test_history_of_dicts():
    panels = by_title(plots.history([{"loss": 1.0}, {"loss": 0.5, "f1": 0.1}]))
    assert list(panels) == ["loss", "f1"]
    with pytest.raises(ShapeError, match="history: there are no numbers; at least one epoch"):
        plots.history([])


def test_learning_rates_that_diverge_end_and_are_marked():
    runs = {0.1: [1.0, 0.5, 0.25], 3.0: [1.0, 5.0, 1e9, 1e30], 9.0: tensor([1.0, float("nan")])}
    axes = plots.learning_rates(runs).axes[0]
    shown = lines(axes)
    assert shown["0.1"] == [1.0, 0.5, 0.25] and shown["3, diverges"] == [1.0, 5.0] and shown["9, diverges"] == [1.0]
    assert [line.get_marker() for line in axes.lines].count("x") == 2
    assert axes.get_yscale() == "log"


def test_learning_rates_into_given_axes():
    figure = plots.learning_rates([("slow", [1.0, -0.9])])
    assert figure.axes[0].get_yscale() == "linear"
    axes = figure.add_subplot()
    assert plots.learning_rates({"a": [1.0]}, axes=axes) is figure and len(axes.lines) == 1


def test_learning_rates_need_losses():
    for runs in ({}, {0.1: []}):
        with pytest.raises(ShapeError, match="learning_rates: a run without losses, or no run; each needs"):
            plots.learning_rates(runs)
    with pytest.raises(ShapeError, match=r"learning_rates: the losses of 0.1 is \(1, 2\); a row of numbers"):
        plots.learning_rates({0.1: [[1.0, 2.0]]})


def test_range_test():
    class Result:
        rates, losses, suggestion = np.logspace(-4, 0, 5), [1.0, 0.9, 0.4, 0.3, 50.0], 0.01

    axes = plots.lr_range(Result()).axes[0]
    assert axes.lines[0].get_xdata().tolist() == Result.rates.tolist()
    assert "suggested: 0.01" in axes.get_legend().texts[0].get_text()
    assert axes.get_ylim()[0] < 0.3 and 1.0 < axes.get_ylim()[1] < 2.0
    with pytest.raises(ShapeError, match="lr_range: 2 rates and 1 losses; as many of each are required"):
        plots.lr_range([0.1, 0.2], [1.0])


def test_confusion():
    axes = plots.confusion([[9, 1], [0, 5]], names=["cat", "dog"]).axes[0]
    assert {text.get_text() for text in axes.texts} == {"9", "1", "5"}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "dog"]
