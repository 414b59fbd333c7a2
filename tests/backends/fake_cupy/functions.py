"""The stand-in's modules: CuPy's names and parameters, NumPy's functions."""

from __future__ import annotations

import inspect
import types
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy
import scipy.special

from . import memory, random, streams
from .arrays import NAMESPACE, Ufunc, from_numpy, ndarray, refuse_foreign, to_numpy, uninitialized, written
from .capture import capturable, refuse_while_capturing
from .emulator import RawModule
from .memory import is_memory_pinned
from .runtime import DEVICES, CUDARuntimeError, Device, state
from .streams import get_current_stream

__all__ = ["CUPYX", "build", "cupyx"]

CUPYX = ("cupyx", "cupyx.scipy", "cupyx.scipy.special")

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

    @capturable(name)
    def function(*args: Any, **kwargs: Any) -> Any:
        signature.bind(*args, **kwargs)
        if name != "array":
            refuse_foreign(*args, *kwargs.values())
        if name not in _FROM_NOTHING:
            _require_arrays(name, args[0])
        with numpy.errstate(all="ignore"):
            if name == "empty_like":  # looks at no element
                args = (args[0]._host, *args[1:])
            given = list(map(to_numpy, args))
            if name in ("where", "tril", "triu"):  # which have no kernel for bfloat16
                given = [x.astype("float32") if getattr(x, "dtype", None) == "bfloat16" else x for x in given]
            host = compute(*given, **{key: to_numpy(value) for key, value in kwargs.items()})
        return uninitialized(host.shape, host.dtype) if name in ("empty", "empty_like") else from_numpy(host)

    function.__name__ = name
    return function


def _require_arrays(name: str, value: Any) -> None:
    """TypeError unless the first argument is an array, or a sequence of arrays; for einsum, subscripts."""
    values = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(x, ndarray) for x in values) and name != "einsum":
        raise TypeError(f"Unsupported type {type(value)}: {name} takes arrays of the device")


def _asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None, blocking: bool = False) -> Any:
    if isinstance(a, ndarray):
        here = a if a._device == state.device else a.copy()
        return here.astype(dtype or here.dtype, copy=bool(copy) and here is a)
    if hasattr(a, "__array_ufunc__") and not isinstance(a, (numpy.ndarray, numpy.generic)):
        raise TypeError(f"Unsupported type {type(a)}")
    refuse_while_capturing("H2D transfers")
    source = numpy.asarray(to_numpy(a), dtype=dtype)
    pinned = is_memory_pinned(source.ctypes.data)
    if not source.ndim or not (pinned or get_current_stream().ptr):
        return from_numpy(source.copy())  # what the program notices no difference of
    made = uninitialized(source.shape, source.dtype)
    source = source if pinned else source.copy()  # by way of a pinned block that nobody else has
    written(made, partial(numpy.copyto, made._host, source))
    if blocking:
        get_current_stream().synchronize()
    return made


def _asnumpy(a: Any) -> numpy.ndarray:
    return a.get() if isinstance(a, ndarray) else numpy.asarray(a)


def _may_share_memory(a: ndarray, b: ndarray) -> bool:
    return a._device == b._device and numpy.may_share_memory(a._host, b._host)


def build() -> Any:
    """The module."""
    module: Any = types.ModuleType("cupy")
    module.fft, module.linalg = types.SimpleNamespace(), types.SimpleNamespace(LinAlgError=numpy.linalg.LinAlgError)
    for line in Path(__file__).with_name("cupy_names.txt").read_text().splitlines():
        name, _, parameters = line.partition("(")
        name, _, kind = name.partition(" ")
        owner, _, own_name = name.rpartition(".")
        if not line.startswith("#") and (owner or hasattr(numpy, name)):
            made = Ufunc(name) if kind else _function(name, parameters.removesuffix(")"))
            setattr(getattr(module, owner) if owner else module, own_name, made)
    for name in ("bool", "bool_", "e", "inf", "nan", "newaxis", "pi", "finfo", "iinfo", "dtype", "intp", *_DTYPES):
        setattr(module, name, getattr(numpy, name))
    ndarray.__module__ = "cupy"
    module.ndarray, module.asarray, module.asnumpy = ndarray, _asarray, _asnumpy
    module.may_share_memory = _may_share_memory
    module.__version__ = "14.2.0"
    module.RawModule = RawModule
    module.cuda, module.random = _cuda(), random.module()
    module.get_default_memory_pool = lambda: memory.default_pool
    module.get_default_pinned_memory_pool = lambda: memory.default_pinned_pool
    NAMESPACE.update(vars(module))
    return module


def _cuda() -> Any:
    """The module `cupy.cuda`."""
    runtime = types.SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError, getDevice=lambda: state.device, getDeviceCount=lambda: DEVICES,
        runtimeGetVersion=lambda: 13000, driverGetVersion=lambda: 13000,
        getDeviceProperties=lambda device: {"name": b"Stand-in", "major": 9, "minor": 0, "totalGlobalMem": 2**30},
    )  # fmt: skip
    return types.SimpleNamespace(
        Device=Device, Event=streams.Event, MemoryPointer=memory.MemoryPointer, MemoryPool=memory.MemoryPool,
        Stream=streams.Stream, alloc=lambda size: memory.get_allocator()(size),
        alloc_pinned_memory=memory.alloc_pinned_memory, get_allocator=memory.get_allocator,
        get_current_stream=get_current_stream, get_elapsed_time=streams.get_elapsed_time,
        memory=types.SimpleNamespace(OutOfMemoryError=memory.OutOfMemoryError),
        pinned_memory=types.SimpleNamespace(is_memory_pinned=is_memory_pinned), runtime=runtime,
        Memory=memory.Memory, set_allocator=memory.set_allocator, using_allocator=memory.using_allocator,
    )  # fmt: skip


def cupyx() -> dict[str, types.ModuleType]:
    """The package `cupyx` as far as `cupyx.scipy.special`, which has more functions than are here."""
    made = {name: types.ModuleType(name) for name in CUPYX}
    made["cupyx"].scipy, made["cupyx.scipy"].special = made["cupyx.scipy"], made["cupyx.scipy.special"]
    made["cupyx"].empty_pinned = memory.empty_pinned
    for name in _SPECIAL:
        setattr(made["cupyx.scipy.special"], name, _special(name))
    return made


def _special(name: str) -> Any:
    @capturable(name)
    def function(*args: Any) -> Any:
        for arg in args:
            _require_arrays(name, arg)
        return from_numpy(getattr(scipy.special, name)(*map(to_numpy, args)))

    return function


_SPECIAL = [
    "beta", "betaln", "digamma", "erfc", "erfcx", "erfinv", "gammaln", "i0", "i0e", "i1", "i1e", "j0", "j1", "log_ndtr",
    "ndtr", "polygamma",
]  # fmt: skip

_DTYPES = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
_DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]
