"""Fully connected layers."""

from __future__ import annotations

from math import sqrt
from typing import Any

from ..core.errors import ShapeError
from ..core.op import Array
from ..ops import bilinear, linear
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Bilinear", "Linear"]


class Linear(Module):
    """Affine map of the last axis, y = x W^T + b.

    in_features, out_features : lengths of the last axis of input `(..., in_features)` and output `(..., out_features)`.
    bias : whether there is a b.
    rng : generator of the initial values, uniform in +-1/sqrt(in_features); the default generator if None.

    Parameters: weight `(out_features, in_features)`, bias `(out_features,)`.

    Raises ShapeError for an input whose last axis is not in_features.

    >>> nn.Linear(4, 3)(np.ones((2, 4), np.float32)).shape
    (2, 3)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / sqrt(max(in_features, 1))
        how = {"rng": rng, "dtype": dtype, "device": device}
        self.weight = Parameter(init.uniform((out_features, in_features), -bound, bound, **how))
        self.bias = Parameter(init.uniform((out_features,), -bound, bound, **how)) if bias else None

    def forward(self, x: Array) -> Array:
        try:
            return linear(x, self.weight, self.bias)
        except ShapeError as error:
            raise ShapeError(
                f"Linear: input is {tuple(x.shape)}; the last axis must be in_features = {self.in_features}."
            ) from error


class Bilinear(Module):
    """Bilinear map of the last axes of two inputs, x1^T W[o] x2 + b[o] for each output o; see `bilinear`.

    in1_features, in2_features, out_features : lengths of the last axes of the inputs and of the output.
    bias, rng : as for `Linear`.

    Parameters: weight `(out_features, in1_features, in2_features)`, bias `(out_features,)`.

    >>> nn.Bilinear(4, 5, 3)(np.ones((2, 4), np.float32), np.ones((2, 5), np.float32)).shape
    (2, 3)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        bound = 1 / sqrt(max(in1_features, 1))
        how = {"rng": rng, "dtype": dtype, "device": device}
        self.weight = Parameter(init.uniform((out_features, in1_features, in2_features), -bound, bound, **how))
        self.bias = Parameter(init.uniform((out_features,), -bound, bound, **how)) if bias else None

    def forward(self, x: Array, y: Array) -> Array:
        return bilinear(x, y, self.weight, self.bias)
