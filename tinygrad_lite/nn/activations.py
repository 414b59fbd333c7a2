"""Activation functions as modules, for use in `Sequential`. The functions themselves are in `ops`."""

from __future__ import annotations

from typing import Any, Literal

from .. import ops
from ..core.errors import ShapeError
from ..core.op import Array
from .module import Module
from .parameter import Parameter

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU",
    "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softmax2d",
    "Softmin", "Softplus", "Softshrink", "Softsign", "Step", "Tanh", "Tanhshrink", "Threshold",
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


class RReLU(Module):
    """x where x >= 0, r x elsewhere, in training with a random r from lower to upper for each element; see `rrelu`."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, *, rng: Any = None) -> None:
        self.lower, self.upper, self.rng = lower, upper, rng

    def forward(self, x: Array) -> Array:
        return ops.rrelu(x, lower=self.lower, upper=self.upper, training=self.training, rng=self.rng)


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


class Softmax2d(Module):
    """Softmax over the channels of images `(n, channels, h, w)` or `(channels, h, w)`; see `softmax`.

    Raises ShapeError for an input with another number of axes.
    """

    def forward(self, x: Array) -> Array:
        if len(x.shape) not in (3, 4):
            raise ShapeError(f"Softmax2d: input is {tuple(x.shape)}; it must be (n, channels, h, w), or without n.")
        return ops.softmax(x, axis=-3)


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


class ReLU6(Module):
    """min(max(x, 0), 6); see `relu6`."""

    def forward(self, x: Array) -> Array:
        return ops.relu6(x)


class Hardtanh(Module):
    """x limited to the interval from min_val to max_val; see `hardtanh`."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val, self.max_val = min_val, max_val

    def forward(self, x: Array) -> Array:
        return ops.hardtanh(x, min_val=self.min_val, max_val=self.max_val)


class Hardsigmoid(Module):
    """The logistic function in three lines; see `hardsigmoid`."""

    def forward(self, x: Array) -> Array:
        return ops.hardsigmoid(x)


class Hardswish(Module):
    """x times the logistic function in three lines; see `hardswish`."""

    def forward(self, x: Array) -> Array:
        return ops.hardswish(x)


class Softshrink(Module):
    """x moved towards 0 by lambd; see `softshrink`."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Array) -> Array:
        return ops.softshrink(x, lambd=self.lambd)


class Hardshrink(Module):
    """x where |x| > lambd, 0 elsewhere; see `hardshrink`."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Array) -> Array:
        return ops.hardshrink(x, lambd=self.lambd)


class Threshold(Module):
    """x where x > threshold, value elsewhere; see `threshold`."""

    def __init__(self, threshold: float, value: float) -> None:
        self.threshold, self.value = threshold, value

    def forward(self, x: Array) -> Array:
        return ops.threshold(x, threshold=self.threshold, value=self.value)


class PReLU(Module):
    """x where x > 0, weight * x elsewhere, with a learned weight for all channels or for each; see `prelu`.

    num_parameters : 1, or the number of channels, on axis 1 of the input; init : the weight's initial value.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = None, device: str | None = None
    ) -> None:
        self.weight = Parameter(ops.full(num_parameters, init, dtype=dtype, device=device))

    def forward(self, x: Array) -> Array:
        return ops.prelu(x, self.weight)


class CELU(Module):
    """x where x > 0, alpha * (e^(x / alpha) - 1) elsewhere; see `celu`."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        return ops.celu(x, alpha=self.alpha)


class SELU(Module):
    """The scaled exponential linear unit, which keeps mean 0 and variance 1; see `selu`."""

    def forward(self, x: Array) -> Array:
        return ops.selu(x)


class Softsign(Module):
    """x / (1 + |x|); see `softsign`."""

    def forward(self, x: Array) -> Array:
        return ops.softsign(x)


class Mish(Module):
    """x tanh(softplus(x)); see `mish`."""

    def forward(self, x: Array) -> Array:
        return ops.mish(x)


class LogSigmoid(Module):
    """The logarithm of the logistic function; see `logsigmoid`."""

    def forward(self, x: Array) -> Array:
        return ops.logsigmoid(x)


class Tanhshrink(Module):
    """x - tanh(x); see `tanhshrink`."""

    def forward(self, x: Array) -> Array:
        return ops.tanhshrink(x)


class GLU(Module):
    """The first half of x along `axis`, gated by the second; see `glu`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return ops.glu(x, axis=self.axis)


class Softmin(Module):
    """Softmax of -x along `axis`; see `softmin`."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Array) -> Array:
        return ops.softmin(x, axis=self.axis)
