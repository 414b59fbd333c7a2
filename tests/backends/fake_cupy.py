"""A strict stand-in for CuPy, so that the CuPy code path runs on machines without a GPU.

It computes with NumPy, and has only the names and parameters of CuPy 14's main namespace (`cupy_names.txt`). Its arrays
are no NumPy arrays: they refuse, as CuPy's do, to meet NumPy arrays and to become one implicitly. It is stricter than
CuPy in one respect: `float(x)`, `int(x)` and `bool(x)` are refused, each of which makes CuPy wait for the device.
Explicit copies to the host are counted in `host_copies`. There are two devices.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy
import scipy.special

from tinygrad_lite import backends
from tinygrad_lite.batching.backend import batched_class
from tinygrad_lite.core import backend as core

__all__ = ["HostCopyError", "cupy", "installed", "ndarray"]

_BACKEND_MODULE = "tinygrad_lite.backends.cupy"
_CUPYX = ("cupyx", "cupyx.scipy", "cupyx.scipy.special")

host_copies = 0
_current_device = 0


class HostCopyError(TypeError):
    """An implicit copy from the device to the host."""


class Device:
    """One of the devices; `with Device(1):` makes it the current one."""

    def __init__(self, index: int | None = None) -> None:
        self.id = _current_device if index is None else index

    def __enter__(self) -> Device:
        global _current_device
        self._before, _current_device = _current_device, self.id
        return self

    def __exit__(self, *_: object) -> None:
        global _current_device
        _current_device = self._before

    def synchronize(self) -> None: ...


def _array(host: Any) -> Any:
    """What NumPy returned, as CuPy would: arrays for arrays, and 0-d arrays for its scalars."""
    if isinstance(host, (numpy.ndarray, numpy.generic)):
        made = object.__new__(ndarray)
        made._host, made._device = numpy.asarray(host), _current_device
        return made
    if isinstance(host, (tuple, list)):
        return type(host)(map(_array, host)) if type(host) in (tuple, list) else tuple(map(_array, host))
    return host


def _host(value: Any) -> Any:
    """An argument for NumPy: the memory of an array of the current device."""
    if isinstance(value, ndarray):
        if value._device != _current_device:
            raise ValueError(f"array is on device {value._device}, and the current device is {_current_device}")
        return value._host
    if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
        return type(value)(map(_host, value))
    return value


def _wrapped(shape: tuple[int, ...], index: Any) -> Any:
    """An index for NumPy, where arrays of integers that are out of range wrap around, as CuPy's do."""
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(numpy.asarray(part) if isinstance(part, list) else _host(part) for part in parts)
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


def _refuse_foreign(*values: Any) -> None:
    """TypeError for NumPy arrays and anything else that CuPy's functions do not take beside its own arrays."""
    for value in values:
        if isinstance(value, (tuple, list)):
            _refuse_foreign(*value)
        elif hasattr(value, "__array_ufunc__") and not isinstance(value, (ndarray, numpy.generic)):
            raise TypeError(f"Unsupported type {type(value)}")


class ndarray:
    """An array of the pretended device."""

    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    _host: numpy.ndarray
    _device: int

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    size = property(lambda self: self._host.size)
    ndim = property(lambda self: self._host.ndim)
    nbytes = property(lambda self: self._host.nbytes)
    base = property(lambda self: self._host.base)
    device = property(lambda self: Device(self._device))
    T = property(lambda self: _array(self._host.T))

    def get(self) -> numpy.ndarray:
        global host_copies
        host_copies += 1
        return self._host.copy()

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def copy(self) -> ndarray:
        return _array(self._host.copy())  # on the current device, wherever this array is

    def astype(self, dtype: Any, copy: bool = True) -> ndarray:
        return self if not copy and self.dtype == dtype else _array(_host(self).astype(dtype))

    def fill(self, value: Any) -> None:
        self[...] = value

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> ndarray:
        return _array(_host(self)[_wrapped(self.shape, index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        _refuse_foreign(value)
        index = _wrapped(self.shape, index)
        places = numpy.arange(self.size).reshape(self.shape)[index]
        values = numpy.broadcast_to(_host(value), numpy.shape(places))
        # CuPy leaves open which of several values for one element remains: here the first, in NumPy the last.
        self._host.flat[numpy.ravel(places)[::-1]] = numpy.ravel(values)[::-1]

    def _implicit(self, *_: Any, **__: Any) -> Any:
        raise HostCopyError("an implicit copy of an array to the host; .get() and asnumpy copy explicitly")

    __array__ = __bool__ = __float__ = __int__ = __complex__ = __index__ = _implicit

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = getattr(cupy, ufunc.__name__, None)
        if function is None or method != "__call__":
            return NotImplemented
        known = (ndarray, numpy.ndarray, numpy.generic, bool, int, float, complex)
        if not all(isinstance(x, known) for x in inputs):
            return NotImplemented
        return function(*inputs, **kwargs)

    def __array_function__(self, function: Any, classes: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        ours = getattr(cupy, function.__name__, None)
        if ours is None or not all(issubclass(cls, (ndarray, numpy.ndarray)) for cls in classes):
            return NotImplemented
        return ours(*args, **kwargs)

    def __repr__(self) -> str:
        return f"fake_cupy.{self._host!r}"


def _add_operators() -> None:
    def binary(ufunc: Any) -> Any:
        def operator(self: ndarray, other: Any) -> Any:
            if isinstance(other, ndarray):
                return getattr(cupy, ufunc.__name__)(self, other)
            if getattr(other, "__array_ufunc__", ...) is None:
                return NotImplemented
            return ufunc(self, other)  # which asks __array_ufunc__ of both

        return operator

    def reflected(ufunc: Any) -> Any:
        return lambda self, other: getattr(cupy, ufunc.__name__)(other, self)

    def in_place(ufunc: Any) -> Any:
        return lambda self, other: getattr(cupy, ufunc.__name__)(self, other, out=self)

    def unary(ufunc: Any) -> Any:
        return lambda self: getattr(cupy, ufunc.__name__)(self)

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
    for name, ufunc in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
        setattr(ndarray, f"__{name}__", unary(getattr(numpy, ufunc)))


class _Ufunc:
    """An elementwise function: arrays and scalars, nothing else."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self._ufunc = getattr(numpy, name)

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None) -> Any:
        _refuse_foreign(*args, out)
        if any(isinstance(x, (list, tuple)) for x in args):
            raise TypeError("Unsupported type <class 'list'>")
        keywords = {name: _host(value) for name, value in {"out": out, "dtype": dtype}.items() if value is not None}
        with numpy.errstate(all="ignore"):  # a GPU does not warn
            result = self._ufunc(*map(_host, args), **keywords)
        return _array(result) if out is None else out

    def at(self, target: ndarray, index: Any, values: Any) -> None:
        """Only `add`, `maximum` and the like have it, for 32- and 64-bit integers and floating point."""
        _refuse_foreign(values)
        if target.dtype.kind not in "iuf" or target.dtype.itemsize < 2:
            raise TypeError(f"cupy.{self.__name__}.at does not support {target.dtype}")
        self._ufunc.at(_host(target), _wrapped(target.shape, index), _host(values))


# Functions whose first argument need be no array of the device.
_FROM_NOTHING = {
    "arange", "array", "broadcast_shapes", "can_cast", "empty", "eye", "full", "identity", "indices", "isdtype",
    "issubdtype", "linspace", "ones", "promote_types", "result_type", "tri", "zeros",
}  # fmt: skip


def _function(name: str, parameters: str) -> Any:
    """CuPy's function `name`: takes CuPy's parameters, calls NumPy's function."""
    compute = attrgetter(name)(numpy)
    if name == "argsort":
        compute = partial(compute, kind="stable")  # as CuPy's always is
    signature = inspect.signature(eval(f"lambda {parameters}: None"))

    def function(*args: Any, **kwargs: Any) -> Any:
        signature.bind(*args, **kwargs)
        if name != "array":
            _refuse_foreign(*args, *kwargs.values())
        if name not in _FROM_NOTHING:
            _require_arrays(name, args[0])
        with numpy.errstate(all="ignore"):
            return _array(compute(*map(_host, args), **{key: _host(value) for key, value in kwargs.items()}))

    function.__name__ = name
    return function


def _require_arrays(name: str, value: Any) -> None:
    """TypeError unless the first argument is an array, or a sequence of arrays; for einsum, subscripts."""
    values = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(x, ndarray) for x in values) and name != "einsum":
        raise TypeError(f"Unsupported type {type(value)}: {name} takes arrays of the device")


def _asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None, blocking: bool = False) -> Any:
    if isinstance(a, ndarray) and not copy:
        if a._device == _current_device and dtype in (None, a.dtype):
            return a
        return _array(numpy.array(a._host, dtype=dtype))
    if hasattr(a, "__array_ufunc__") and not isinstance(a, (ndarray, numpy.ndarray, numpy.generic)):
        raise TypeError(f"Unsupported type {type(a)}")
    return _array(numpy.array(_host(a), dtype=dtype))


def _asnumpy(a: Any) -> numpy.ndarray:
    return a.get() if isinstance(a, ndarray) else numpy.asarray(a)


def _may_share_memory(a: ndarray, b: ndarray) -> bool:
    return a._device == b._device and numpy.may_share_memory(a._host, b._host)


def _build() -> Any:
    """The module."""
    module: Any = types.ModuleType("cupy")
    module.fft, module.linalg = types.SimpleNamespace(), types.SimpleNamespace(LinAlgError=numpy.linalg.LinAlgError)
    for line in Path(__file__).with_name("cupy_names.txt").read_text().splitlines():
        name, _, parameters = line.partition("(")
        name, _, kind = name.partition(" ")
        owner, _, own_name = name.rpartition(".")
        if not line.startswith("#") and (owner or hasattr(numpy, name)):
            made = _Ufunc(name) if kind else _function(name, parameters.removesuffix(")"))
            setattr(getattr(module, owner) if owner else module, own_name, made)
    for name in ("bool", "bool_", "e", "inf", "nan", "newaxis", "pi", "finfo", "iinfo", "dtype", "intp", *_DTYPES):
        setattr(module, name, getattr(numpy, name))
    ndarray.__module__ = "cupy"
    module.ndarray, module.asarray, module.asnumpy = ndarray, _asarray, _asnumpy
    module.may_share_memory = _may_share_memory
    module.__version__ = "14.2.0"
    module.cuda = types.SimpleNamespace(Device=Device, runtime=types.SimpleNamespace(getDeviceCount=lambda: 2))
    return module


def _cupyx() -> dict[str, types.ModuleType]:
    """The package `cupyx` as far as `cupyx.scipy.special`, which has more functions than are here."""
    made = {name: types.ModuleType(name) for name in _CUPYX}
    made["cupyx"].scipy, made["cupyx.scipy"].special = made["cupyx.scipy"], made["cupyx.scipy.special"]
    for name in _SPECIAL:
        setattr(made["cupyx.scipy.special"], name, _special(name))
    return made


def _special(name: str) -> Any:
    def function(*args: Any) -> Any:
        for arg in args:
            _require_arrays(name, arg)
        return _array(getattr(scipy.special, name)(*map(_host, args)))

    return function


_SPECIAL = [
    "beta", "betaln", "digamma", "erfc", "erfcx", "erfinv", "gammaln", "i0", "i0e", "i1", "i1e", "j0", "j1", "log_ndtr",
    "ndtr", "polygamma",
]  # fmt: skip

_DTYPES = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
_DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]

_add_operators()
cupy: Any = _build()


@contextmanager
def installed(module: Any = cupy) -> Iterator[Any]:
    """Within the block, `import cupy` gives `module` (fails if None), and the package has not loaded CuPy yet."""
    before = {name: sys.modules.get(name) for name in ("cupy", *_CUPYX, _BACKEND_MODULE)}
    batched_class(core.BACKENDS["numpy"])  # known before, so that it is not forgotten afterwards
    registries = [(registry, registry.copy()) for registry in (core.BACKENDS, core._BY_TYPE, core._ON_DEMAND)]
    try:
        sys.modules["cupy"] = module
        sys.modules.update(_cupyx() if module is not None else dict.fromkeys(_CUPYX))
        sys.modules.pop(_BACKEND_MODULE, None)
        vars(backends).pop("cupy", None)
        core.BACKENDS.pop("cupy", None)
        core.load_on_demand("cupy", "cuda", backends._load_cupy)
        yield module
    finally:
        for registry, contents in registries:
            registry.clear()
            registry.update(contents)
        vars(backends).pop("cupy", None)
        for name, loaded in before.items():
            sys.modules.pop(name, None)
            if loaded is not None:
                sys.modules[name] = loaded
