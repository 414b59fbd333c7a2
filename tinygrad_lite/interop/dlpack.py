"""Memory shared with other array libraries, through DLPack (https://dmlc.github.io/dlpack/latest/)."""

from __future__ import annotations

from typing import Any

from ..core.backend import device_backend
from ..core.dtypes import bfloat16
from ..core.errors import BackendError, DTypeError, GradientError
from ..core.graph import Handle, as_array, wrap

__all__ = ["capsule", "cuda_interface", "from_dlpack"]

_CPU, _CUDA, _CUDA_HOST, _CUDA_MANAGED = 1, 2, 3, 13
_DEVICES = {_CPU: "cpu", _CUDA_HOST: "cpu", _CUDA: "cuda", _CUDA_MANAGED: "cuda"}
"""The device on which we use memory of a kind, by the numbers in DLPack's header."""


def capsule(tensor: Handle, **given: Any) -> Any:
    """What `__dlpack__` of a Tensor gives. GradientError if the Tensor requires a gradient."""
    if tensor.node is not None:
        raise GradientError(
            "__dlpack__: this tensor requires a gradient, which the other library would lose; use x.detach()."
        )
    array = tensor.data
    if not _is_bfloat16(array):
        return array.__dlpack__(**given)
    from .capsules import as_bfloat16  # on demand: loads ctypes

    return as_bfloat16(array.view("uint16").__dlpack__(**given))


def _is_bfloat16(array: Any) -> bool:
    """Whether an array of any library is of bfloat16, which NumPy and CuPy neither export nor take."""
    return str(getattr(array, "dtype", "")).endswith("bfloat16")


def cuda_interface(tensor: Handle) -> dict[str, Any]:
    """`__cuda_array_interface__` of a Tensor on a GPU. AttributeError for others and where a gradient is required."""
    if tensor.node is not None:
        raise AttributeError("__cuda_array_interface__: this tensor requires a gradient; use x.detach().")
    return tensor.data.__cuda_array_interface__


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Any:
    """An array of any library as a Tensor in the same memory: NumPy, CuPy, PyTorch, JAX and others; bfloat16 too.

    x : an object with `__dlpack__` and `__dlpack_device__`.
    device : move it there; default: where x is.
    copy : True for memory of its own, False to fail rather than copy; None copies only if it must.

    Raises DTypeError if x has not the two methods or a dtype that is unknown here, BackendError for a device that no
    backend has.

    >>> a = np.array([1.0, 2.0])
    >>> x = from_dlpack(a)
    >>> a[0] = 5.0
    >>> x
    Tensor([5., 2.], dtype=float64)
    """
    if not (hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")):
        raise DTypeError(
            f"from_dlpack: got a {type(x).__name__}; an array with the methods __dlpack__ and __dlpack_device__ is "
            f"required. Lists and numbers become Tensors by tinygrad_lite.tensor(...)."
        )
    kind = int(x.__dlpack_device__()[0])
    if kind not in _DEVICES:
        raise BackendError(f"from_dlpack: the array is on a device of kind {kind}; main memory and CUDA are known.")
    here = _DEVICES[kind]
    backend = device_backend(here)
    low, dtype = None, getattr(x, "dtype", "unknown")
    if _is_bfloat16(x):
        from .capsules import Integers  # on demand: loads ctypes

        x, low = Integers(x), bfloat16()
    try:
        array = backend.xp.from_dlpack(x) if copy is None else backend.xp.from_dlpack(x, copy=copy)
    except (RuntimeError, TypeError) as error:
        if isinstance(error, GradientError):
            raise
        raise DTypeError(f"from_dlpack: the array has dtype {dtype}; {error}") from error
    made = wrap(as_array(array if low is None else array.view(low)), None)
    return made if device is None else made.to(device)
