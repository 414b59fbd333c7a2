"""Convolutional layers."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any, Literal

from ..core.errors import ShapeError
from ..core.op import Array
from ..ops import conv2d
from ..ops.windows import per_axis
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Conv2d"]

Pair = tuple[int, int]
Padding = int | Pair | Literal["same", "valid"]


class Conv2d(Module):
    """Two-dimensional convolution (cross-correlation) of images `(n, in_channels, h, w)`; see `conv2d`.

    in_channels, out_channels : both multiples of `groups`.
    kernel_size, stride, padding, dilation : an integer, or (height, width); padding also `"same"` or `"valid"`.
    groups : the channels are split into so many groups, convolved separately.
    bias : whether a number is added to each output channel.
    rng : generator of the initial values, uniform in +-1/sqrt(fan-in); the default generator if None.

    Parameters: weight `(out_channels, in_channels / groups, *kernel_size)`, bias `(out_channels,)`.

    Raises ShapeError for channels that are no multiples of groups, and for an input that does not fit.

    >>> nn.Conv2d(1, 6, 5, padding=2)(np.ones((2, 1, 28, 28), np.float32)).shape
    (2, 6, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ShapeError(
                f"Conv2d: in_channels is {in_channels}, out_channels is {out_channels} and groups is {groups}; both "
                f"must be multiples of groups."
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.padding: Padding = padding
        shape = (out_channels, in_channels // groups, *per_axis("Conv2d", "kernel_size", kernel_size, 1, 2))
        bound = 1 / sqrt(max(prod(shape[1:]), 1))
        how = {"rng": rng, "dtype": dtype, "device": device}
        self.weight = Parameter(init.uniform(shape, -bound, bound, **how))
        self.bias = Parameter(init.uniform((out_channels,), -bound, bound, **how)) if bias else None

    def forward(self, x: Array) -> Array:
        try:
            return conv2d(
                x,
                self.weight,
                self.bias,
                stride=self.stride,
                padding=self.padding,
                dilation=self.dilation,
                groups=self.groups,
            )
        except ShapeError as error:
            if len(x.shape) == 4 and x.shape[1] == self.in_channels:
                raise
            raise ShapeError(
                f"Conv2d: input is {tuple(x.shape)}; it must be (n, {self.in_channels}, h, w), with in_channels = "
                f"{self.in_channels} on axis 1."
            ) from error
