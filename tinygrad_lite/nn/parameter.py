"""Tensors that a module learns."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A Tensor that belongs to a module and is trained: a leaf that requires a gradient, unless told otherwise.

    data : an array, number or nested list, as for `Tensor`.

    >>> nn.Parameter([1.0, 2.0])
    Parameter([1., 2.], dtype=float32, requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, *, requires_grad: bool = True, dtype: Any = None, device: str | None = None) -> None:
        super().__init__(data, requires_grad=requires_grad, dtype=dtype, device=device)

    def __repr__(self) -> str:
        # The label is three letters longer than the base class's, and continuation lines stay aligned.
        return super().__repr__().replace("Tensor(", "Parameter(", 1).replace("\n", "\n   ")
