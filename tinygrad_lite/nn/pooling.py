"""Pooling layers, and flattening."""

from __future__ import annotations

from math import prod

from ..core.errors import ShapeError
from ..core.op import Array
from ..ops import avg_pool2d, max_pool2d, reshape
from .module import Module

__all__ = ["AvgPool2d", "Flatten", "MaxPool2d"]

Pair = tuple[int, int]


class MaxPool2d(Module):
    """Maximum of each window of images `(n, channels, h, w)`; see `max_pool2d`. The stride is kernel_size if None.

    >>> nn.MaxPool2d(2)(np.ones((1, 3, 8, 8))).shape
    (1, 3, 4, 4)
    """

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Array) -> Array:
        return max_pool2d(x, kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)


class AvgPool2d(Module):
    """Mean of each window of images `(n, channels, h, w)`; see `avg_pool2d`. The stride is kernel_size if None.

    count_include_pad : whether padded zeros count as elements.
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.count_include_pad = count_include_pad

    def forward(self, x: Array) -> Array:
        return avg_pool2d(
            x,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            count_include_pad=self.count_include_pad,
        )


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` merged into one; by default all but the first.

    Raises ShapeError for an input without these axes.

    >>> nn.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Array) -> Array:
        shape = tuple(x.shape)
        ndim = len(shape)
        first, last = (d + ndim if d < 0 else d for d in (self.start_dim, self.end_dim))
        if not 0 <= first <= last < ndim:
            raise ShapeError(
                f"Flatten: input is {shape}; it must have the axes start_dim = {self.start_dim} to end_dim = "
                f"{self.end_dim}."
            )
        return reshape(x, (*shape[:first], prod(shape[first : last + 1]), *shape[last + 1 :]))
