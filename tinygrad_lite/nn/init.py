"""Initial values of parameters. Each function returns a new array of the given shape and changes nothing:

    layer.weight.data = init.xavier_normal(layer.weight.shape, rng=rng)
    self.scale = Parameter(init.ones((64,)))

shape : a weight's `(out, in)` or `(out, in / groups, kh, kw)`.
rng : the generator to draw from; the default generator if None.
dtype, device : of the result; the default dtype and the CPU if None.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Any, Literal

from ..core.errors import ShapeError
from ..ops import creation, random

__all__ = [
    "constant", "gain", "kaiming_normal", "kaiming_uniform", "normal", "ones", "uniform", "xavier_normal",
    "xavier_uniform", "zeros",
]  # fmt: skip

Shape = tuple[int, ...]
Mode = Literal["fan_in", "fan_out"]

_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": sqrt(2), "selu": 3 / 4}


def gain(nonlinearity: str, negative_slope: float = 0.01) -> float:
    """The factor that keeps the scale of the values through a nonlinearity, as in `torch.nn.init.calculate_gain`.

    nonlinearity : `"linear"`, `"sigmoid"`, `"tanh"` (5/3), `"relu"` (sqrt 2), `"selu"` (3/4), or `"leaky_relu"`,
        sqrt(2 / (1 + negative_slope^2)).
    Raises ShapeError for any other name.

    >>> print(f"{nn.init.gain('relu'):.4f}")
    1.4142
    """
    if nonlinearity == "leaky_relu":
        return sqrt(2 / (1 + negative_slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join(map(repr, [*_GAINS, "leaky_relu"]))
        raise ShapeError(f"gain: nonlinearity is {nonlinearity!r}; it must be one of {known}.")
    return _GAINS[nonlinearity]


def fans(shape: Shape) -> tuple[int, int]:
    """How many values each output is made of, and in how many outputs each input takes part: fan-in and fan-out."""
    if len(shape) < 2:
        raise ShapeError(f"init: shape is {tuple(shape)}; fan-in and fan-out need at least two axes, (out, in, ...).")
    window = prod(shape[2:])
    return shape[1] * window, shape[0] * window


def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, rng: Any = None, dtype: Any = None, device: str | None = None
) -> Any:
    """Uniform on [low, high)."""
    return random.uniform(shape, low=low, high=high, rng=rng, dtype=dtype, device=device).data


def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, rng: Any = None, dtype: Any = None, device: str | None = None
) -> Any:
    """Normal with the given mean and standard deviation."""
    return random.normal(shape, mean=mean, std=std, rng=rng, dtype=dtype, device=device).data


def constant(shape: Shape, value: float, *, dtype: Any = None, device: str | None = None) -> Any:
    """The same value everywhere."""
    return creation.full(shape, float(value), dtype=dtype, device=device).data


def zeros(shape: Shape, *, dtype: Any = None, device: str | None = None) -> Any:
    """0 everywhere."""
    return creation.zeros(shape, dtype=dtype, device=device).data


def ones(shape: Shape, *, dtype: Any = None, device: str | None = None) -> Any:
    """1 everywhere."""
    return creation.ones(shape, dtype=dtype, device=device).data


def xavier_uniform(shape: Shape, gain: float = 1.0, **how: Any) -> Any:
    """Uniform with variance gain^2 * 2 / (fan-in + fan-out); `how` is rng, dtype, device.

    Source: X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010.
    """
    bound = gain * sqrt(6 / max(sum(fans(shape)), 1))
    return uniform(shape, -bound, bound, **how)


def xavier_normal(shape: Shape, gain: float = 1.0, **how: Any) -> Any:
    """Normal with variance gain^2 * 2 / (fan-in + fan-out); `how` is rng, dtype, device. Source: `xavier_uniform`'s."""
    return normal(shape, 0.0, gain * sqrt(2 / max(sum(fans(shape)), 1)), **how)


def kaiming_uniform(
    shape: Shape, a: float = 0.0, mode: Mode = "fan_in", nonlinearity: str = "leaky_relu", **how: Any
) -> Any:
    """Uniform with variance gain^2 / fan; the defaults' gain, sqrt 2, is relu's. `how` is rng, dtype, device.

    a : the negative slope, for `"leaky_relu"`.
    mode : `"fan_in"` keeps the scale of values in the forward pass, `"fan_out"` that of gradients in the backward pass.

    Source: K. He et al., Delving deep into rectifiers, 2015, arXiv:1502.01852.
    """
    bound = sqrt(3) * _kaiming_std(shape, a, mode, nonlinearity)
    return uniform(shape, -bound, bound, **how)


def kaiming_normal(
    shape: Shape, a: float = 0.0, mode: Mode = "fan_in", nonlinearity: str = "leaky_relu", **how: Any
) -> Any:
    """Normal with variance gain^2 / fan. Arguments and source as for `kaiming_uniform`."""
    return normal(shape, 0.0, _kaiming_std(shape, a, mode, nonlinearity), **how)


def _kaiming_std(shape: Shape, a: float, mode: Mode, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ShapeError(f"init: mode is {mode!r}; it must be 'fan_in' or 'fan_out'.")
    fan = fans(shape)[mode == "fan_out"]
    return gain(nonlinearity, a) / sqrt(max(fan, 1))
