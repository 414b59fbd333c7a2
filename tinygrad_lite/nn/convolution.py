"""Convolutional layers."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any, ClassVar, Literal

from ..core.errors import ShapeError
from ..core.op import Array
from ..ops import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d, pad
from ..ops.convolution import borders_of
from ..ops.windows import LETTERS, per_axis
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

Sizes = int | tuple[int, ...]
Padding = Sizes | Literal["same", "valid"]


class _Convolution(Module):
    """What all convolutional layers share: weights, their initial values, and the check of the channels."""

    operation: ClassVar[Any]
    axes: ClassVar[int]
    options: ClassVar[tuple[str, ...]] = ("stride", "padding", "dilation", "groups")

    def _start(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        groups: int,
        bias: bool,
        rng: Any,
        dtype: Any,
        device: str | None,
        transposed: bool = False,
    ) -> None:
        name = type(self).__name__
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ShapeError(
                f"{name}: in_channels is {in_channels}, out_channels is {out_channels} and groups is {groups}; both "
                f"must be multiples of groups."
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = kernel_size
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        shape = (first, second // groups, *per_axis(name, "kernel_size", kernel_size, 1, self.axes))
        bound = 1 / sqrt(max(prod(shape[1:]), 1))
        how = {"rng": rng, "dtype": dtype, "device": device}
        self.weight = Parameter(init.uniform(shape, -bound, bound, **how))
        self.bias = Parameter(init.uniform((out_channels,), -bound, bound, **how)) if bias else None

    def forward(self, x: Array) -> Array:
        options = {name: getattr(self, name) for name in self.options}
        try:
            return self.convolved(x, **options)
        except ShapeError as error:
            if len(x.shape) == 2 + self.axes and x.shape[1] == self.in_channels:
                raise
            raise ShapeError(
                f"{type(self).__name__}: input is {tuple(x.shape)}; it must be (n, {self.in_channels}, "
                f"{LETTERS[self.axes]}), with in_channels = {self.in_channels} on axis 1."
            ) from error

    def convolved(self, x: Array, **options: Any) -> Array:
        """The result of the operation with these options."""
        return type(self).operation(x, self.weight, self.bias, **options)


class Conv2d(_Convolution):
    """Two-dimensional convolution (cross-correlation) of images `(n, in_channels, h, w)`; see `conv2d`.

    in_channels, out_channels : both multiples of `groups`.
    kernel_size, stride, padding, dilation : an integer, or (height, width); padding also `"same"` or `"valid"`.
    groups : the channels are split into so many groups, convolved separately.
    bias : whether a number is added to each output channel.
    padding_mode : what the padding is made of: `"zeros"`, or `"reflect"`, `"replicate"` or `"circular"`, see `pad`.
    rng : generator of the initial values, uniform in +-1/sqrt(fan-in); the default generator if None.

    Parameters: weight `(out_channels, in_channels / groups, *kernel_size)`, bias `(out_channels,)`.

    Raises ShapeError for channels that are no multiples of groups, and for an input that does not fit.

    >>> nn.Conv2d(1, 6, 5, padding=2)(np.ones((2, 1, 28, 28), np.float32)).shape
    (2, 6, 28, 28)
    """

    operation = staticmethod(conv2d)
    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Padding = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self._start(in_channels, out_channels, kernel_size, groups, bias, rng, dtype, device)
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ShapeError(
                f"{type(self).__name__}: padding_mode is {padding_mode!r}; it must be 'zeros', 'reflect', 'replicate' "
                f"or 'circular'."
            )
        self.stride, self.dilation, self.padding_mode = stride, dilation, padding_mode
        self.padding: Padding = padding

    def convolved(self, x: Array, **options: Any) -> Array:
        if self.padding_mode != "zeros":
            name, kernel = type(self).__name__, tuple(self.weight.shape[2:])
            steps, gaps = (per_axis(name, what, options[what], 1, self.axes) for what in ("stride", "dilation"))
            borders = borders_of(name, self.padding, kernel, steps, gaps)
            x, options["padding"] = pad(x, ((0, 0), (0, 0), *borders), mode=self.padding_mode), 0
        return super().convolved(x, **options)


class Conv1d(Conv2d):
    """One-dimensional convolution of sequences `(n, in_channels, l)`; see `conv1d`. Arguments as for `Conv2d`.

    >>> nn.Conv1d(2, 4, 3)(np.ones((1, 2, 10), np.float32)).shape
    (1, 4, 8)
    """

    operation = staticmethod(conv1d)
    axes = 1


class Conv3d(Conv2d):
    """Three-dimensional convolution of volumes `(n, in_channels, d, h, w)`; see `conv3d`. Arguments as for `Conv2d`.

    >>> nn.Conv3d(1, 4, 3, padding="same")(np.ones((1, 1, 4, 5, 6), np.float32)).shape
    (1, 4, 4, 5, 6)
    """

    operation = staticmethod(conv3d)
    axes = 3


class ConvTranspose2d(_Convolution):
    """Two-dimensional transposed convolution of `(n, in_channels, h, w)`; see `conv_transpose2d`.

    in_channels, out_channels, kernel_size, stride, groups, bias, dilation, rng : as for `Conv2d`.
    padding : elements cut off on each side of the result. output_padding : elements more at its end.
    padding_mode : `"zeros"`; there is no other.

    Parameters: weight `(in_channels, out_channels / groups, *kernel_size)`, bias `(out_channels,)`.

    Raises ShapeError for channels that are no multiples of groups, and for an input that does not fit.

    >>> nn.ConvTranspose2d(6, 1, 2, stride=2)(np.ones((2, 6, 14, 14), np.float32)).shape
    (2, 1, 28, 28)
    """

    operation = staticmethod(conv_transpose2d)
    axes = 2
    options = ("stride", "padding", "output_padding", "groups", "dilation")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: Literal["zeros"] = "zeros",
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self._start(in_channels, out_channels, kernel_size, groups, bias, rng, dtype, device, transposed=True)
        if padding_mode != "zeros":
            raise ShapeError(f"{type(self).__name__}: padding_mode is {padding_mode!r}; it must be 'zeros'.")
        self.stride, self.padding, self.output_padding, self.dilation = stride, padding, output_padding, dilation


class ConvTranspose1d(ConvTranspose2d):
    """One-dimensional transposed convolution of `(n, in_channels, l)`. Arguments as for `ConvTranspose2d`.

    >>> nn.ConvTranspose1d(4, 2, 3, stride=2)(np.ones((1, 4, 5), np.float32)).shape
    (1, 2, 11)
    """

    operation = staticmethod(conv_transpose1d)
    axes = 1


class ConvTranspose3d(ConvTranspose2d):
    """Three-dimensional transposed convolution of `(n, in_channels, d, h, w)`. Arguments as for `ConvTranspose2d`.

    >>> nn.ConvTranspose3d(4, 2, 2, stride=2)(np.ones((1, 4, 2, 3, 4), np.float32)).shape
    (1, 2, 4, 6, 8)
    """

    operation = staticmethod(conv_transpose3d)
    axes = 3
