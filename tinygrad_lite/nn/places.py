"""Moving a module's tensors to another device, or converting them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.dtypes import is_floating
from ..core.errors import DTypeError
from ..core.graph import Leaf, unwrap
from ..ops.conversion import to_device
from ..ops.creation import to_array
from ..tensor import Tensor

__all__ = ["place"]


def place(tensors: Iterable[Tensor], target: Any, device: str | None, dtype: Any, non_blocking: bool) -> None:
    """Rebind the data of parameters and buffers to their values on another device or in another dtype; see `Module.to`.

    They stay the same objects, with their hooks, and so does what is in two places of a module.
    """
    if target is not None:
        if not isinstance(target, str) or is_floating(target):
            dtype = target
        else:
            device = target
    if dtype is not None and not is_floating(getattr(dtype, "__name__", dtype)):
        raise DTypeError(f"to: got {dtype!r}; a device or a floating-point dtype is required, such as 'float32'.")
    for tensor in tensors:
        _convert(tensor, device, dtype, non_blocking)


def _convert(tensor: Tensor, device: str | None, dtype: Any, non_blocking: bool) -> None:
    array = tensor.data
    if dtype is not None and is_floating(array.dtype):
        array = to_array(array, dtype=dtype)
    if device is not None:
        array = unwrap(to_device(array, device=device, non_blocking=non_blocking))
    tensor.data = array
    if isinstance(tensor.node, Leaf):
        tensor.node.dtype = array.dtype
        if tensor.node.grad is not None:
            _convert(tensor.node.grad, device, dtype, non_blocking)
