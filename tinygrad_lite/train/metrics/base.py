"""What a metric is: it is shown batches, and tells a number for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy

from ...core.errors import DTypeError

__all__ = ["Mean", "Metric", "named_metrics"]


class Metric:
    """Base of the metrics: `reset`, then `update` with each batch, then `compute` for the number.

    A subclass keeps what it counts in `self.sums`, a dict of numbers, arrays and lists of arrays, so that a training
    can be resumed in the middle of an epoch.
    """

    name = "metric"
    """Under which it stands in the history."""

    def __init__(self) -> None:
        self.sums: dict[str, Any] = {}

    def reset(self) -> None:
        """Forget all batches."""
        self.sums = {}

    def update(self, outputs: Any, targets: Any) -> None:
        """Count a batch: the model's outputs and the targets, NumPy arrays."""
        raise NotImplementedError(f"{type(self).__name__}: define update(self, outputs, targets).")

    def compute(self) -> Any:
        """The number for all batches since `reset`, NaN if there were none."""
        raise NotImplementedError(f"{type(self).__name__}: define compute(self).")

    def __call__(self, outputs: Any, targets: Any) -> Any:
        """The number for these outputs and targets alone."""
        self.reset()
        self.update(numpy.asarray(outputs), numpy.asarray(targets))
        return self.compute()

    def add(self, **values: Any) -> None:
        """Add to entries of `sums`, which begin at 0."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value

    def state_dict(self) -> dict[str, Any]:
        """What was counted so far."""
        return dict(self.sums)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting from there."""
        self.sums = dict(state)


class Mean(Metric):
    """The mean over all examples of a function (outputs, targets) that is itself a mean over a batch.

    >>> far = train.Mean(lambda outputs, targets: np.abs(outputs - targets).max(axis=1).mean(), "far")
    >>> far(np.zeros((2, 2)), np.array([[1.0, 2.0], [0.0, 4.0]]))
    3.0
    """

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None) -> None:
        super().__init__()
        self.function = function
        self.name = name or getattr(function, "__name__", "mean")

    def update(self, outputs: Any, targets: Any) -> None:
        size = len(outputs) if hasattr(outputs, "shape") and outputs.shape else 1
        self.add(total=float(self.function(outputs, targets)) * size, examples=size)

    def compute(self) -> float:
        return self.sums["total"] / self.sums["examples"] if self.sums else float("nan")


def named_metrics(metrics: Any) -> dict[str, Metric]:
    """Metrics by name, of one, a list, or a dict of names; functions as `Mean`.

    Raises DTypeError for anything else, ValueError if two have the same name.
    """
    if metrics is None:
        return {}
    if isinstance(metrics, Metric) or callable(metrics):
        metrics = [metrics]
    if not isinstance(metrics, Iterable):
        raise DTypeError(f"metrics: got a {type(metrics).__name__}; a list, or a dict by name, of Metric is required.")
    named: dict[str, Metric] = {}
    for name, metric in metrics.items() if isinstance(metrics, Mapping) else ((None, metric) for metric in metrics):
        if isinstance(metric, type) or not callable(metric):
            hint = f" Give {metric.__name__}()." if isinstance(metric, type) else ""
            raise DTypeError(f"metrics: {metric!r}; a Metric or a function of (outputs, targets) is required.{hint}")
        made = metric if isinstance(metric, Metric) else Mean(metric, name)
        if (name or made.name) in named:
            raise ValueError(f"metrics: there are two called {made.name!r}; give a dict with a name for each.")
        named[name or made.name] = made
    return named
