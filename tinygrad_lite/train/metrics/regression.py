"""Metrics of regression: outputs and targets of one shape."""

from __future__ import annotations

from typing import Any

import numpy

from ...core.errors import ShapeError
from .base import Metric

__all__ = ["R2", "MeanAbsoluteError", "MeanSquaredError"]


class MeanAbsoluteError(Metric):
    """The mean of |output - target| over all elements.

    outputs, targets : one shape, (n, ...).

    >>> train.MeanAbsoluteError()(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
    1.5
    """

    name = "mae"

    def update(self, outputs: Any, targets: Any) -> None:
        outputs, targets = _alike(type(self).__name__, outputs, targets)
        self.add(total=float(self.error(outputs - targets)), count=targets.size)

    @staticmethod
    def error(difference: numpy.ndarray) -> Any:
        return numpy.abs(difference).sum()

    def compute(self) -> float:
        return self.sums["total"] / self.sums["count"] if self.sums.get("count") else float("nan")


class MeanSquaredError(MeanAbsoluteError):
    """The mean of (output - target)^2 over all elements.

    outputs, targets : one shape, (n, ...).

    >>> train.MeanSquaredError()(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
    4.5
    """

    name = "mse"

    @staticmethod
    def error(difference: numpy.ndarray) -> Any:
        return numpy.square(difference).sum()


class R2(Metric):
    """The coefficient of determination, 1 - sum (target - output)^2 / sum (target - mean)^2.

    1 is perfect, and 0 what the mean of the targets would reach. Of several columns, the mean of their coefficients.
    A column of equal targets counts 1 if it is met exactly, else 0; of fewer than two examples the result is NaN.
    outputs, targets : one shape, (n, ...).

    >>> train.R2()(np.array([2.5, 0.0, 2.0, 8.0]), np.array([3.0, -0.5, 2.0, 7.0]))
    0.9486081370449679
    """

    name = "r2"

    def update(self, outputs: Any, targets: Any) -> None:
        outputs, targets = _alike("R2", outputs, targets)
        if not len(targets):
            return
        targets, residuals = targets.reshape(len(targets), -1), (targets - outputs).reshape(len(targets), -1)
        count, mean = len(targets), targets.mean(axis=0)
        spread = numpy.square(targets - mean).sum(axis=0)
        # Means and spreads of two parts are put together, since a difference of sums of squares would lose digits.
        before, old = self.sums.get("count", 0), self.sums.get("mean", numpy.zeros_like(mean))
        shift = (mean - old) * (count / (before + count))
        between = numpy.square(mean - old) * (before * count / (before + count))
        self.add(count=count, residual=numpy.square(residuals).sum(axis=0), spread=spread + between)
        self.sums["mean"] = old + shift

    def compute(self) -> float:
        if self.sums.get("count", 0) < 2:
            return float("nan")
        residual, spread = self.sums["residual"], self.sums["spread"]
        constant = numpy.where(residual > 0, 0.0, 1.0)
        safe = numpy.where(spread > 0, spread, 1.0)
        return float(numpy.where(spread > 0, 1.0 - residual / safe, constant).mean())


def _alike(name: str, outputs: Any, targets: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Both in double precision, or ShapeError for shapes that would broadcast silently."""
    if outputs.shape != targets.shape:
        raise ShapeError(
            f"{name}: outputs are {outputs.shape} and targets {targets.shape}; both must have one shape. "
            f"Reshape the targets, for example targets[:, None]."
        )
    return outputs.astype(numpy.float64), targets.astype(numpy.float64)
