"""The written convention at kinks and ties (`core/domain.py`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...autodiff.gradients import grad
from ...core.op import Op
from ...tensor import Tensor
from ..samples import Sample
from .calls import assert_close

__all__ = ["least_norm"]


def least_norm(op: Op, sample: Sample) -> None:
    """At a kink, or where two arrays are equal, the gradient is the element of least norm between those beside it.

    For elementwise operations with one array and `kinks`, or with two arrays. Where the value jumps it is 0.
    """
    delta = 1e-6
    if len(op.arrays) == 1:
        for kink in op.kinks:
            sides = [np.array([_slope(op.function, (kink + s * 2 * delta,), 0, delta)]) for s in (-1, 1)]
            across = op.function(np.array(kink + 2 * delta)) - op.function(np.array(kink - 2 * delta))
            expected = np.zeros(1) if abs(across) > 0.1 else _least_norm(*sides)
            assert_close(_gradient_at(op, (kink,)), expected, 1e-4)
    elif len(op.arrays) == 2:
        tie = 1.25
        sides = [
            np.array([_slope(op.function, (tie + s * 4 * delta, tie), i, delta) for i in range(2)]) for s in (-1, 1)
        ]
        assert_close(_gradient_at(op, (tie, tie)), _least_norm(*sides), 1e-4)


def _slope(function: Callable, point: tuple[float, ...], i: int, delta: float) -> float:
    """The partial derivative of a function of numbers by its i-th argument."""
    up, down = (function(*(np.array(x + s * delta * (i == k)) for k, x in enumerate(point))) for s in (1, -1))
    return float(up - down) / (2 * delta)


def _least_norm(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The point of least norm on the segment from a to b."""
    along = b - a
    length = float(along @ along)
    share = np.clip(-(a @ along) / length, 0.0, 1.0) if length > 1e-6 else 0.5
    return a + share * along


def _gradient_at(op: Op, point: tuple[float, ...]) -> np.ndarray:
    inputs = [Tensor(np.array(x), requires_grad=True) for x in point]
    return np.array([g.item() for g in grad(op.function(*inputs), inputs)])
