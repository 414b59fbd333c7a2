"""Arrays of the stand-in: NumPy's, behind a strict door."""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any

import numpy

from . import streams
from .capture import capturable, refuse_while_capturing
from .memory import Block, MemoryPointer, is_memory_pinned
from .runtime import Device, HostCopyError, state

__all__ = ["NAMESPACE", "Ufunc", "from_numpy", "ndarray", "refuse_foreign", "to_numpy", "uninitialized", "written"]

NAMESPACE: dict[str, Any] = {}
"""The names of the module, which arrays find their functions in."""


def from_numpy(host: Any) -> Any:
    """What NumPy returned, as CuPy would: arrays for arrays, and 0-d arrays for its scalars."""
    if isinstance(host, (numpy.ndarray, numpy.generic)):
        made = _wrap(numpy.asarray(host))
        if made.base is None:
            streams.write(made._block.uses)
        return made
    if isinstance(host, (tuple, list)):
        return type(host)(map(from_numpy, host)) if type(host) in (tuple, list) else tuple(map(from_numpy, host))
    return host


def _wrap(host: numpy.ndarray) -> ndarray:
    """An array of the device in the memory of NumPy's, or a view of the one that was there first."""
    made = object.__new__(ndarray)
    made._host = host
    made._block, new = Block.of(host)
    if new:
        made._base, made._block.owner = None, weakref.ref(made)
    else:
        made._base = made._block.owner()
    made._device = made._block.pointer.device_id
    return made


def uninitialized(shape: tuple[int, ...], dtype: Any) -> ndarray:
    """New memory, full of NaN, that nobody has written on."""
    made = _wrap(numpy.empty(shape, dtype))
    byte = 1 if made.dtype == bool else 0xFF
    made._host[...] = numpy.full(made.itemsize, byte, numpy.uint8).view(made.dtype)[0]
    return made


def written(array: ndarray, later: Any = None) -> numpy.ndarray:
    """The memory of an array of the current device that the current stream writes on; see `streams.write`."""
    _require_device(array)
    streams.write(array._block.uses, later)
    return array._host


def _require_device(array: ndarray) -> None:
    if array._device != state.device:
        raise ValueError(f"array is on device {array._device}, and the current device is {state.device}")


def to_numpy(value: Any) -> Any:
    """An argument for NumPy: the memory of an array of the current device, which the current stream reads."""
    if isinstance(value, ndarray):
        _require_device(value)
        streams.read(value._block.uses)
        return value._host
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        return type(value)(map(to_numpy, value))
    return value


def _wrapped(shape: tuple[int, ...], index: Any) -> Any:
    """An index for NumPy, where arrays of integers that are out of range wrap around, as CuPy's do."""
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(numpy.asarray(part) if isinstance(part, list) else to_numpy(part) for part in parts)
    used = [_axes_used(part) for part in parts]
    rest = len(shape) - sum(used)
    wrapped, axis = [], 0
    for part, n in zip(parts, used, strict=True):
        integers = isinstance(part, numpy.ndarray) and part.dtype != numpy.bool_
        wrapped.append(part % shape[axis] if integers and shape[axis] else part)
        axis += rest if part is Ellipsis else n
    return tuple(wrapped)


def _axes_used(part: Any) -> int:
    """How many axes a part of an index is for; `...` takes those that remain."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return part.ndim if getattr(part, "dtype", None) == numpy.bool_ else 1


def refuse_foreign(*values: Any) -> None:
    """TypeError for NumPy arrays and anything else that CuPy's functions do not take beside its own arrays."""
    for value in values:
        if isinstance(value, (tuple, list)):
            refuse_foreign(*value)
        elif hasattr(value, "__array_ufunc__") and not isinstance(value, (ndarray, numpy.generic)):
            raise TypeError(f"Unsupported type {type(value)}")


class ndarray:
    """An array of the pretended device."""

    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    _host: numpy.ndarray
    _device: int
    _block: Block
    _base: ndarray | None

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    size = property(lambda self: self._host.size)
    ndim = property(lambda self: self._host.ndim)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: self._host.flags)
    data = property(lambda self: MemoryPointer(self._block.pointer.mem, self._host.ctypes.data, self._device))
    base = property(lambda self: self._base)
    device = property(lambda self: Device(self._device))
    T = property(lambda self: from_numpy(self._host.T))
    real = property(lambda self: from_numpy(self._host.real))
    imag = property(lambda self: from_numpy(self._host.imag))

    def get(self) -> numpy.ndarray:
        refuse_while_capturing("D2H transfers")
        state.host_copies += 1
        streams.read(self._block.uses)  # in the current stream of the current device, wherever this array is
        streams.get_current_stream().synchronize()
        return self._host.copy()

    def set(self, arr: numpy.ndarray, stream: Any = None) -> None:
        """Copy from main memory, without waiting; from pinned memory, what it holds when the copy is made."""
        refuse_while_capturing("H2D transfers")
        if not isinstance(arr, numpy.ndarray) or self.dtype != arr.dtype:
            raise TypeError("only arrays of NumPy's of the same dtype can be set")
        if self.shape != arr.shape:
            raise ValueError("Shape mismatch")
        if not self.flags.forc:
            raise RuntimeError("Cannot set to non-contiguous array")
        later = not isinstance(arr, numpy.ndarray) or is_memory_pinned(arr.ctypes.data)
        source = arr if later else arr.copy()
        if later or streams.get_current_stream().ptr:
            written(self, partial(numpy.copyto, self._host, source))
        else:
            numpy.copyto(written(self), source)

    def view(self, dtype: Any) -> ndarray:
        return from_numpy(self._host.view(dtype))

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    @capturable("copy")
    def copy(self) -> ndarray:
        """On the current device, wherever this array is; from another one only if its memory is in one piece."""
        if self._device != state.device and not self.flags.forc:
            raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
        streams.read(self._block.uses)
        return from_numpy(self._host.copy())

    def __deepcopy__(self, memo: Any) -> ndarray:
        with self.device:
            return self.copy()

    def __reduce__(self) -> tuple:
        return _unpickled, (self.get(),)

    @capturable("astype")
    def astype(self, dtype: Any, copy: bool = True) -> ndarray:
        return self if not copy and self.dtype == dtype else from_numpy(to_numpy(self).astype(dtype))

    def reshape(self, *shape: Any) -> ndarray:
        return from_numpy(to_numpy(self).reshape(*shape))

    def fill(self, value: Any) -> None:
        self[...] = value

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    @capturable("getitem")
    def __getitem__(self, index: Any) -> ndarray:
        return from_numpy(to_numpy(self)[_wrapped(self.shape, index)])

    @capturable("setitem", writes=(0,))
    def __setitem__(self, index: Any, value: Any) -> None:
        refuse_foreign(value)
        index = _wrapped(self.shape, index)
        places = numpy.arange(self.size).reshape(self.shape)[index]
        values = numpy.broadcast_to(to_numpy(value), numpy.shape(places))
        written(self)
        # CuPy leaves open which of several values for one element remains: here the first, in NumPy the last.
        self._host.flat[numpy.ravel(places)[::-1]] = numpy.ravel(values)[::-1]

    def _implicit(self, *_: Any, **__: Any) -> Any:
        raise HostCopyError("an implicit copy of an array to the host; .get() and asnumpy copy explicitly")

    __array__ = __bool__ = __float__ = __int__ = __complex__ = __index__ = _implicit

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = NAMESPACE.get(ufunc.__name__)
        if function is None or method != "__call__":
            return NotImplemented
        known = (ndarray, numpy.ndarray, numpy.generic, bool, int, float, complex)
        if not all(isinstance(x, known) for x in inputs):
            return NotImplemented
        return function(*inputs, **kwargs)

    def __array_function__(self, function: Any, classes: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        ours = NAMESPACE.get(function.__name__)
        if ours is None or not all(issubclass(cls, (ndarray, numpy.ndarray)) for cls in classes):
            return NotImplemented
        return ours(*args, **kwargs)

    def __repr__(self) -> str:
        return f"fake_cupy.{self._host!r}"


def _unpickled(host: numpy.ndarray) -> ndarray:
    return NAMESPACE["array"](host)


def _add_operators() -> None:
    def binary(ufunc: Any) -> Any:
        def operator(self: ndarray, other: Any) -> Any:
            if isinstance(other, ndarray):
                return NAMESPACE.get(ufunc.__name__)(self, other)
            if getattr(other, "__array_ufunc__", ...) is None:
                return NotImplemented
            return ufunc(self, other)  # which asks __array_ufunc__ of both

        return operator

    def reflected(ufunc: Any) -> Any:
        return lambda self, other: NAMESPACE.get(ufunc.__name__)(other, self)

    def in_place(ufunc: Any) -> Any:
        return lambda self, other: NAMESPACE.get(ufunc.__name__)(self, other, out=self)

    def unary(ufunc: Any) -> Any:
        return lambda self: NAMESPACE.get(ufunc.__name__)(self)

    arithmetic = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
        "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
        "matmul": "matmul",
    }  # fmt: skip
    for name, ufunc in arithmetic.items():
        setattr(ndarray, f"__{name}__", binary(getattr(numpy, ufunc)))
        setattr(ndarray, f"__r{name}__", reflected(getattr(numpy, ufunc)))
        setattr(ndarray, f"__i{name}__", in_place(getattr(numpy, ufunc)))
    comparisons = {
        "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
    }  # fmt: skip
    for name, ufunc in comparisons.items():
        setattr(ndarray, f"__{name}__", binary(getattr(numpy, ufunc)))
    for name in ("all", "any", "argmax", "argmin", "max", "mean", "min", "prod", "ravel", "std", "sum", "var"):
        setattr(ndarray, name, lambda self, *args, _name=name, **options: NAMESPACE[_name](self, *args, **options))
    for name, ufunc in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
        setattr(ndarray, f"__{name}__", unary(getattr(numpy, ufunc)))


class Ufunc:
    """An elementwise function: arrays and scalars, nothing else."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self._ufunc = getattr(numpy, name)
        self._in_place = capturable(name, writes=("out",))(self._compute)
        self._new = capturable(name)(self._compute)
        self._at = capturable(f"{name}.at", writes=(0,))(self._add_at)

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None) -> Any:
        return (self._new if out is None else self._in_place)(*args, out=out, dtype=dtype)

    def _compute(self, *args: Any, out: Any, dtype: Any) -> Any:
        refuse_foreign(*args, out)
        if any(isinstance(x, (list, tuple)) for x in args):
            raise TypeError("Unsupported type <class 'list'>")
        keywords = {name: to_numpy(value) for name, value in {"out": out, "dtype": dtype}.items() if value is not None}
        inputs = [to_numpy(arg) for arg in args]
        if out is not None:
            written(out)
        with numpy.errstate(all="ignore"):  # a GPU does not warn
            result = self._ufunc(*inputs, **keywords)
        return from_numpy(result) if out is None else out

    def at(self, target: ndarray, index: Any, values: Any) -> None:
        """Only `add`, `maximum` and the like have it, for the dtypes of CuPy 13."""
        self._at(target, index, values)

    def _add_at(self, target: ndarray, index: Any, values: Any) -> None:
        refuse_foreign(values)
        known = {"int32", "uint32", "uint64", "float32", "float64"} | ({"float16"} if self.__name__ == "add" else set())
        if target.dtype.name not in known:
            raise TypeError(f"cupy.{self.__name__}.at does not support {target.dtype}")
        index, values = _wrapped(target.shape, index), to_numpy(values)
        self._ufunc.at(written(target), index, values)


_add_operators()
