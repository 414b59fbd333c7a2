"""Activation functions as modules, for use in `Sequential`. The functions themselves are in `ops`."""

from __future__ import annotations

from typing import Literal

from .. import ops
from ..core.op import Array
from .module import Module

__all__ = [
    "ELU", "GELU", "LeakyReLU", "LogSoftmax", "ReLU", "SiLU", "Sigmoid", "Softmax", "Softplus", "Step", "Tanh",
]  # fmt: skip


class ReLU(Module):
    """max(x, 0); see `relu`."""

    def forward(self, x: Array) -> Array:
        return ops.relu(x)


class LeakyReLU(Module):
    """x where x > 0, negative_slope * x elsewhere; see `leaky_relu`."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Array) -> Array:
        return ops.leaky_relu(x, negative_slope=self.negative_slope)


class ELU(Module):
    """x where x > 0, alpha * (e^x - 1) elsewhere; see `elu`."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        return ops.elu(x, alpha=self.alpha)


class GELU(Module):
    """x times the normal distribution function at x, exact or by the `"tanh"` approximation; see `gelu`."""

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        self.approximate: Literal["none", "tanh"] = approximate

    def forward(self, x: Array) -> Array:
        return ops.gelu(x, approximate=self.approximate)


class SiLU(Module):
    """x times the logistic function of x; see `silu`."""

    def forward(self, x: Array) -> Array:
        return ops.silu(x)


class Sigmoid(Module):
    """The logistic function 1 / (1 + e^-x); see `sigmoid`."""

    def forward(self, x: Array) -> Array:
        return ops.sigmoid(x)


class Softplus(Module):
    """log(1 + e^(beta x)) / beta; see `softplus`."""

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def forward(self, x: Array) -> Array:
        return ops.softplus(x, beta=self.beta)


class Tanh(Module):
    """The hyperbolic tangent; see `tanh`."""

    def forward(self, x: Array) -> Array:
        return ops.tanh(x)


class Softmax(Module):
    """e^x over the sum of e^x along `axis`; see `softmax`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return ops.softmax(x, axis=self.axis)


class LogSoftmax(Module):
    """The logarithm of softmax along `axis`, computed without overflow; see `log_softmax`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return ops.log_softmax(x, axis=self.axis)


class Step(Module):
    """1 where x > 0, 0 elsewhere; its derivative is 0; see `step`."""

    def forward(self, x: Array) -> Array:
        return ops.step(x)
