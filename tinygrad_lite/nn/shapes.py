"""Layers that change nothing but the shape, or nothing at all."""

from __future__ import annotations

from math import prod
from typing import Any

from ..core.errors import ShapeError
from ..core.op import Array
from ..ops import reshape
from .module import Module

__all__ = ["Flatten", "Identity", "Unflatten"]


class Identity(Module):
    """Its input as it is; all arguments of the constructor are ignored.

    >>> nn.Identity(54, unused=True)(np.ones(2))
    array([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def forward(self, x: Array) -> Array:
        return x


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


class Unflatten(Module):
    """The axis `dim` split into several; see `Flatten`.

    unflattened_size : the lengths of the new axes; one of them may be -1, and follows from the others.

    Raises ShapeError for an input that has no such axis, or whose length is another.

    >>> nn.Unflatten(1, (3, 4))(np.ones((2, 12))).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...] | list[int]) -> None:
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Array) -> Array:
        shape, sizes = tuple(x.shape), self.unflattened_size
        axis = self.dim + len(shape) if self.dim < 0 else self.dim
        if not 0 <= axis < len(shape):
            raise ShapeError(f"Unflatten: input is {shape}; it must have the axis dim = {self.dim}.")
        known = prod(n for n in sizes if n != -1)
        if sizes.count(-1) == 1 and known > 0 and shape[axis] % known == 0:
            sizes = tuple(shape[axis] // known if n == -1 else n for n in sizes)
        if min(sizes, default=0) < 0 or prod(sizes) != shape[axis] or not sizes:
            raise ShapeError(
                f"Unflatten: axis {self.dim} of the input {shape} has {shape[axis]} elements; unflattened_size = "
                f"{self.unflattened_size} must have as many."
            )
        return reshape(x, (*shape[:axis], *sizes, *shape[axis + 1 :]))
