"""Tensors that a module learns, and those that it keeps."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor

__all__ = ["Buffer", "Parameter"]


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


class Buffer(Tensor):
    """A Tensor that belongs to a module and is not trained: part of its state, whatever its name.

    data : an array, number or nested list, as for `Tensor`.
    persistent : whether it is part of the state; if not, it only moves with the module.

    >>> nn.Buffer([1.0, 2.0], persistent=False)
    Buffer([1., 2.], dtype=float32)
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any, *, persistent: bool = True, dtype: Any = None, device: str | None = None) -> None:
        super().__init__(data, dtype=dtype, device=device)
        self.persistent = persistent

    def __repr__(self) -> str:
        return super().__repr__().replace("Tensor(", "Buffer(", 1)

    def __reduce__(self) -> tuple:
        return _rebuild, (self.data, self.persistent)


def _rebuild(data: Any, persistent: bool) -> Buffer:
    return Buffer(data, persistent=persistent)
