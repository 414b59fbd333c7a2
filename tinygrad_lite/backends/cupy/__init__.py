"""The CuPy backend: arrays on NVIDIA GPUs, devices `"cuda"` (the first) and `"cuda:1"`. For CuPy 13 and 14.

Work is done on the device of its arrays, whichever is CuPy's current one, and on that device's current stream, the
default one unless the caller chose another (`with cupy.cuda.Stream(): ...`).
"""
# pyright: reportAttributeAccessIssue=false
# Without CuPy installed, pyright takes `import cupy` for an import of this module.

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy

from ...core.backend import Backend
from ...core.bfloat16 import body_in_float32
from ...core.dtypes import bfloat16_in_use, numpy_dtype
from ...core.errors import BackendError, DTypeError, OutOfMemoryError
from ...core.registry import OPS

try:
    import cupy
except ImportError as error:
    raise BackendError(
        f"device 'cuda': CuPy cannot be imported ({error}). Install it with pip install 'tinygrad-lite[cuda13]', "
        f"or 'tinygrad-lite[cuda12]' for a driver that has CUDA 12 only; or compute on the device 'cpu'."
    ) from error

from ...cuda.random import draw_on_device
from .devices import common_device, count_devices, index_of, is_name
from .memory import Memory
from .namespace import namespace, placed
from .transfers import Feed, across, from_host

__all__ = ["CupyBackend"]


class CupyBackend(Backend):
    """CuPy's namespace, with the Array API's names where CuPy lacks them.

    Raises BackendError where there is no GPU, or no driver for it.

    CuPy wraps indices around that are out of range, where NumPy raises an error. Indices that come from main memory are
    checked; those on the device are not, since the check would have to wait for the device.
    """

    name = "cupy"
    default_device = "cuda"
    asynchronous = True
    bfloat16_kernels = True
    draws = True

    def __init__(self) -> None:
        self.device_count = count_devices()
        self.several_devices = self.device_count > 1
        self.xp = self._unplaced = namespace(cupy)
        self.array_types = (cupy.ndarray,)
        self.memory = Memory(self.device_count)
        self._feeds: dict[int, Feed] = {}
        if self.several_devices:
            self.xp = placed(self.xp, self.place)
            for op in dict.values(OPS):  # those that there are so far; the others look for themselves
                op.kernels.declared.append(self.name)

    # Devices

    def owns_device(self, device: str) -> bool:
        return is_name(device)

    def device_of(self, array: Any) -> str:
        return f"cuda:{array.device.id}"

    def full_name(self, device: str) -> str:
        return f"cuda:{self.index(device)}"

    def index(self, device: str) -> int:
        """The number of the device called `device`. BackendError if there is none."""
        return index_of(device, self.device_count)

    def on(self, where: Any) -> AbstractContextManager[Any]:
        index = self.index(where) if isinstance(where, str) else 0
        if not self.several_devices:
            return super().on(where)
        return cupy.cuda.Device(index if isinstance(where, str) else where.device.id)

    def bind(self, body: Callable, xp: Any = None) -> Callable:
        return super().bind(body, self._unplaced)  # `place` sees to the device once for the whole body

    def place(self, name: str, compute: Callable) -> Callable:
        if not self.several_devices:
            return compute
        current = cupy.cuda.runtime.getDevice

        def placed(*arrays: Any, **statics: Any) -> Any:
            index = common_device(name, arrays, statics)
            if index is None or index == current():
                return compute(*arrays, **statics)
            with cupy.cuda.Device(index):
                return compute(*arrays, **statics)

        return placed

    def run_body(self, op: Any, arguments: tuple, arrays: tuple, statics: dict[str, Any]) -> Any:
        if not self.several_devices:
            return NotImplemented
        with cupy.cuda.Device(common_device(op.name, arrays, {})):  # the current one for None
            body = body_in_float32(op) if bfloat16_in_use() else op.body
            return body(*arguments, **statics)

    def attempt(self, kernel: Any, values: tuple, statics: dict[str, Any], needs: tuple[bool, ...]) -> Any:
        try:
            if not self.several_devices:
                return kernel.attempt(values, statics, needs)
            with cupy.cuda.Device(common_device(kernel.name, values, {})):
                return kernel.attempt(values, statics, needs)
        except OutOfMemoryError as error:
            error.name_operation(kernel.name)
            raise

    def synchronize(self, device: str | None = None) -> None:
        for index in range(self.device_count) if device is None else (self.index(device),):
            cupy.cuda.Device(index).synchronize()

    # Arrays

    def asarray(self, value: Any, *, dtype: Any = None, device: str | None = None) -> Any:
        if isinstance(value, cupy.ndarray):
            here = value.device.id
            there = here if device is None else self.index(device)
            with cupy.cuda.Device(there):
                value = value if here == there else across(value, there)
                return value if dtype is None else value.astype(dtype, copy=False)
        if device is None:
            return from_host(value, dtype)
        with cupy.cuda.Device(self.index(device)):
            return from_host(value, dtype)

    def draw(self, draw: Any, device: str | None = None, dtype: Any = None) -> Any:
        with cupy.cuda.Device(self.index(device or self.default_device)):
            return draw_on_device(draw, dtype)

    def send(self, value: Any, *, device: str) -> Any:
        if isinstance(value, cupy.ndarray):
            return self.asarray(value, device=device)
        with cupy.cuda.Device(self.index(device)):
            return from_host(value, None, wait=False)

    def feed(self, device: str) -> Feed:
        index = self.index(device)
        if index not in self._feeds:
            self._feeds[index] = Feed(index)
        return self._feeds[index]

    def dtype(self, dtype: Any) -> numpy.dtype:
        found = numpy_dtype(dtype)
        if found.name == "bfloat16" and int(cupy.__version__.partition(".")[0]) < 14:
            raise DTypeError(
                f"dtype bfloat16: CuPy {cupy.__version__} is installed; 14 or later is required for it. Install it "
                f"with pip install --upgrade 'tinygrad-lite[cuda13]', or compute in float16."
            )
        return found

    def to_numpy(self, array: Any) -> numpy.ndarray:
        with self.on(array):
            return cupy.asnumpy(array)

    def may_share_memory(self, a: Any, b: Any) -> bool:
        return cupy.may_share_memory(a, b)

    def owns_memory(self, array: Any) -> bool:
        return array.base is None

    def copy(self, array: Any) -> Any:
        with self.on(array):
            return array.copy()

    # Indexing

    def getitem(self, array: Any, index: Any) -> Any:
        _check_range(array, index)
        return array[index]

    def assign(self, target: Any, index: Any, values: Any) -> Any:
        _check_range(target, index)
        if getattr(values, "shape", ())[:1] == (1,):  # CuPy takes no more axes than there are to be assigned to
            first = next((axis for axis, n in enumerate(values.shape) if n != 1), values.ndim)
            values = values.reshape(values.shape[first:])
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
        if target.dtype.kind == "c":
            cupy.add.at(target.real, index, values.real)
            cupy.add.at(target.imag, index, values.imag)
        elif target.dtype.name in _ADDED:
            cupy.add.at(target, index, values)
        else:  # other integers are equal modulo 2^64
            sums = target.astype(numpy.uint64)
            cupy.add.at(sums, index, values.astype(numpy.uint64))
            target[...] = sums.astype(target.dtype)
        return target

    def special(self, name: str) -> Callable:
        import cupyx.scipy.special  # on demand: few programs need it

        return getattr(cupyx.scipy.special, name)


_ADDED = {"int32", "uint32", "uint64", "float16", "float32", "float64"}
"""What `cupy.add.at` takes, in CuPy 13 too."""


def _may_repeat(index: Any) -> bool:
    """Whether the index may name an element twice: whether it has an array of integers."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(getattr(part, "dtype", numpy.bool_) != numpy.bool_ and part.size > 1 for part in parts)


def _check_range(array: Any, index: Any) -> None:
    """IndexError, as NumPy's, if an array of indices from main memory does not fit `array`."""
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, numpy.ndarray) for part in parts) and not any(isinstance(p, cupy.ndarray) for p in parts):
        numpy.broadcast_to(numpy.False_, array.shape)[index]
