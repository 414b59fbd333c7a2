"""The CuPy backend: arrays on NVIDIA GPUs, devices `"cuda"` (the first) and `"cuda:1"`. For CuPy 13 and 14.

Work is done on CuPy's current device, the first unless the caller chose another (`with cupy.cuda.Device(1): ...`).
"""
# pyright: reportAttributeAccessIssue=false
# Without CuPy installed, pyright takes `import cupy` for an import of this module.

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable
from typing import Any

import numpy

from ..core.backend import Backend
from ..core.errors import BackendError

try:
    import cupy
except ImportError as error:
    raise BackendError(
        f"device 'cuda': CuPy cannot be imported ({error}). Install it with pip install 'tinygrad-lite[cuda13]', "
        f"or 'tinygrad-lite[cuda12]' for a driver that has CUDA 12 only; or compute on the device 'cpu'."
    ) from error

__all__ = ["CupyBackend"]

_DEVICE = re.compile(r"cuda(?::([0-9]+))?")


class CupyBackend(Backend):
    """CuPy's namespace, with the Array API's names where CuPy lacks them.

    Raises BackendError where there is no GPU, or no driver for it.

    CuPy wraps indices around that are out of range, where NumPy raises an error. Indices that come from main memory are
    checked; those on the device are not, since the check would have to wait for the device.
    """

    name = "cupy"
    default_device = "cuda"
    asynchronous = True

    def __init__(self) -> None:
        self.device_count = _count_devices()
        self.xp = namespace(cupy)
        self.array_types = (cupy.ndarray,)

    def owns_device(self, device: str) -> bool:
        return _DEVICE.fullmatch(device) is not None

    def device_of(self, array: Any) -> str:
        return f"cuda:{array.device.id}"

    def full_name(self, device: str) -> str:
        return f"cuda:{self._index(device)}"

    def asarray(self, value: Any, *, dtype: Any = None, device: str | None = None) -> Any:
        if device is not None:
            with cupy.cuda.Device(self._index(device)):
                return cupy.asarray(value, dtype=dtype)
        if isinstance(value, cupy.ndarray):  # stays on its device; cupy.asarray would bring it to the current one
            with value.device:
                return value if dtype is None else value.astype(dtype, copy=False)
        return cupy.asarray(value, dtype=dtype)

    def dtype(self, dtype: Any) -> numpy.dtype:
        return numpy.dtype(getattr(dtype, "name", dtype))

    def to_numpy(self, array: Any) -> numpy.ndarray:
        return cupy.asnumpy(array)

    def may_share_memory(self, a: Any, b: Any) -> bool:
        return cupy.may_share_memory(a, b)

    def owns_memory(self, array: Any) -> bool:
        return array.base is None

    def copy(self, array: Any) -> Any:
        with array.device:
            return array.copy()

    def synchronize(self) -> None:
        cupy.cuda.Device().synchronize()

    def getitem(self, array: Any, index: Any) -> Any:
        _check_range(array, index)
        return array[index]

    def assign(self, target: Any, index: Any, values: Any) -> Any:
        _check_range(target, index)
        if not hasattr(values, "shape") or not values.size > 1 or not _may_repeat(index):
            target[index] = values
            return target
        # CuPy leaves open which of several values for one element remains; NumPy's rule is the last.
        shape = target[index].shape
        order = cupy.reshape(cupy.arange(1, math.prod(shape) + 1, dtype=numpy.int32), shape)
        latest = cupy.zeros(target.shape, dtype=numpy.int32)
        cupy.maximum.at(latest, index, order)
        values = cupy.reshape(cupy.broadcast_to(values, shape), (-1,)).astype(target.dtype)
        target[...] = cupy.where(latest > 0, cupy.take(values, cupy.maximum(latest - 1, 0)), target)
        return target

    def scatter_add(self, target: Any, index: Any, values: Any) -> Any:
        _check_range(target, index)
        cupy.add.at(target, index, values)
        return target

    def special(self, name: str) -> Callable:
        import cupyx.scipy.special  # on demand: few programs need it

        return getattr(cupyx.scipy.special, name)

    def _index(self, device: str) -> int:
        """The number of the device called `device`."""
        match = _DEVICE.fullmatch(device)
        if match is None:
            raise BackendError(f"unknown device {device!r}; devices of CuPy are called 'cuda', 'cuda:0', 'cuda:1', ...")
        index = int(match[1] or 0)
        if index >= self.device_count:
            last = self.device_count - 1
            raise BackendError(
                f"device {device!r}: there {'is 1 GPU' if last == 0 else f'are {last + 1} GPUs'}; "
                f"the last is 'cuda:{last}'."
            )
        return index


def _may_repeat(index: Any) -> bool:
    """Whether the index may name an element twice: whether it has an array of integers."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(getattr(part, "dtype", numpy.bool_) != numpy.bool_ and part.size > 1 for part in parts)


def _check_range(array: Any, index: Any) -> None:
    """IndexError, as NumPy's, if an array of indices from main memory does not fit `array`."""
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, numpy.ndarray) for part in parts) and not any(isinstance(p, cupy.ndarray) for p in parts):
        numpy.broadcast_to(numpy.False_, array.shape)[index]


def _count_devices() -> int:
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except RuntimeError as error:  # CuPy's CUDARuntimeError: no driver, too old a driver, no device
        raise _no_gpu(str(error)) from error
    if count == 0:
        raise _no_gpu("the driver reports no device")
    return count


def _no_gpu(reason: str) -> BackendError:
    return BackendError(
        f"device 'cuda': CuPy {cupy.__version__} is installed, but no GPU can be used ({reason}). "
        f"Check that nvidia-smi lists one; or compute on the device 'cpu'."
    )


def namespace(module: Any) -> Any:
    """CuPy's main namespace, with the Array API's names and parameters where CuPy has others."""
    names = vars(module) | _parameters(module)
    return types.SimpleNamespace(**(names if "astype" in names else names | _names_of_14(module)))


def _parameters(cupy: Any) -> dict[str, Any]:
    """Functions that take the Array API's parameters."""

    def argsort(x, *, axis=-1, stable=True):  # CuPy's is always stable
        return cupy.argsort(x, axis=axis)

    def std(x, *, axis=None, correction=0.0, keepdims=False):
        return cupy.std(x, axis=axis, ddof=correction, keepdims=keepdims)

    def var(x, *, axis=None, correction=0.0, keepdims=False):
        return cupy.var(x, axis=axis, ddof=correction, keepdims=keepdims)

    return {"argsort": argsort, "std": std, "var": var}


def _names_of_14(cupy: Any) -> dict[str, Any]:
    """What came with CuPy 14."""

    def astype(x, dtype, *, copy=True):
        return x.astype(dtype, copy=copy)

    def cumulative(scan, first):
        def function(x, *, axis=None, dtype=None, include_initial=False):
            axis = 0 if axis is None else axis
            results = scan(x, axis=axis, dtype=dtype)
            if include_initial:
                shape = [1 if i == axis % x.ndim else n for i, n in enumerate(x.shape)]
                results = cupy.concatenate([cupy.full(shape, first, dtype=results.dtype), results], axis=axis)
            return results

        return function

    def matrix_transpose(x):
        return cupy.swapaxes(x, -1, -2)

    def sign(x):  # was 0 for NaN
        return cupy.where(x != x, x, cupy.sign(x))

    def unique_all(x):
        return cupy.unique(x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False)

    def unique_values(x):
        return cupy.unique(x, equal_nan=False)

    renamed = {
        "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
        "atan2": "arctan2", "atanh": "arctanh", "bitwise_invert": "invert", "bitwise_left_shift": "left_shift",
        "bitwise_right_shift": "right_shift", "bool": "bool_", "concat": "concatenate", "permute_dims": "transpose",
        "pow": "power",
    }  # fmt: skip
    names = {new: getattr(cupy, old) for new, old in renamed.items()}
    functions = (astype, matrix_transpose, sign, unique_all, unique_values)
    names |= {function.__name__: function for function in functions}
    scans = {"cumulative_prod": cumulative(cupy.cumprod, 1), "cumulative_sum": cumulative(cupy.cumsum, 0)}
    return names | scans | {"isdtype": numpy.isdtype}
