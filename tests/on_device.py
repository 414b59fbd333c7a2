"""The whole suite on another device: `python -m pytest --device cuda`.

The library has no default device: it computes where its arrays are, and tests make theirs with NumPy. So there is a
border between the library and everything else. NumPy's arrays that cross it inwards, as arguments of operations,
functions, constructors and modules, are moved to the device; what comes out is on the device if it is a Tensor, and
NumPy's again if arrays were given and no Tensor. `tensor.data`, read by a test, is a copy in main memory. Within the
library nothing is moved: an array of NumPy's that it makes there and mixes with the device's is an error.

An operation whose arguments were on the device and that gives an array of NumPy's fails here too.
"""

from __future__ import annotations

import functools
import inspect
import operator
import os
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy

import tinygrad_lite
from tinygrad_lite import nn, optim
from tinygrad_lite.autodiff.sparse import SparseJacobian
from tinygrad_lite.core import backend as core
from tinygrad_lite.core import codegen, graph, publish, scalars
from tinygrad_lite.core.graph import Handle
from tinygrad_lite.core.op import OPS
from tinygrad_lite.core.tree import leaves, map_leaves
from tinygrad_lite.nn.utils.rnn import PackedSequence
from tinygrad_lite.regularizers.outputs import GradientPenalty, JacobianPenalty

__all__ = ["cross", "install"]

_PACKAGE = os.path.dirname(tinygrad_lite.__file__) + os.sep
_TENSOR = os.path.join(_PACKAGE, "tensor.py")
_TESTING = os.path.join(_PACKAGE, "testing") + os.sep  # checks of operations, which use them as tests do
_PASSING = os.path.join(_PACKAGE, "interop", "")  # NumPy's functions of Tensors
_PASSING_CODE = {"operator", "__setitem__", "__array_ufunc__", "__array_function__"}


class _Codes(dict):
    """Whether code is the library's; None if it stands for its caller."""

    def __missing__(self, code: Any) -> bool | None:
        name = code.co_filename
        inside: bool | None = name == __file__
        if name.startswith((_PACKAGE, "<tinygrad_lite")) and not name.startswith(_TESTING):
            of_tensor = name == _TENSOR and code.co_name in _PASSING_CODE
            inside = None if of_tensor or name.startswith(_PASSING) or name == publish.__file__ else True
        self[code] = inside
        return inside


_INSIDE = _Codes()


class _Border:
    """The device beyond the border."""

    device = ""


def outside(frame: Any) -> bool:
    """Whether a frame is that of code which uses the library."""
    found = _INSIDE[frame.f_code]
    while found is None:
        frame = frame.f_back
        found = _INSIDE[frame.f_code]
    return not found


# What crosses


def _is_moved(value: Any) -> bool:
    return isinstance(value, numpy.ndarray) and (value.dtype.kind in "biufc" or value.dtype.name == "bfloat16")


def _on_device(value: Any) -> bool:
    array = value.data if isinstance(value, Handle) else value
    return core._BY_TYPE.get(type(array)) is core.device_backend(_Border.device)


def _inwards(value: Any) -> Any:
    if _is_moved(value):
        return core.device_backend(_Border.device).asarray(value, device=_Border.device)
    return value


def _outwards(value: Any, to_host: bool, given: set[int]) -> Any:
    if to_host and _on_device(value) and not isinstance(value, Handle):
        return core.backend_of(value).to_numpy(value)
    if isinstance(value, nn.Module):
        return value.to(_Border.device)
    if type(value) is tinygrad_lite.Tensor and _is_moved(value.data) and value.is_leaf and id(value) not in given:
        return tinygrad_lite.Tensor(value.data, requires_grad=value.requires_grad, device=_Border.device)
    if isinstance(value, types.FunctionType) and _INSIDE[value.__code__] and not hasattr(value, "op"):
        return _crossing(value)
    return value


def _map(change: Callable, tree: Any) -> Any:
    """`map_leaves` for trees of known kinds; of others nothing is changed."""
    known = (list, tuple, dict)
    if isinstance(tree, PackedSequence):  # the rest of which is of main memory
        return tree._replace(data=change(tree.data))
    if isinstance(tree, known) and type(tree) not in known and not hasattr(tree, "_fields"):
        return tree
    return map_leaves(change, tree) if isinstance(tree, known) else change(tree)


def cross(function: Callable, args: tuple, kwargs: dict[str, Any], operation: bool = False) -> Any:
    """The call of a function of the library from outside."""
    if kwargs.get("device") is not None:
        return function(*args, **kwargs)
    code = getattr(function, "__code__", None)
    if not operation and code is not None and "device" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        kwargs = {**kwargs, "device": _Border.device}
    given = leaves([list(args), list(kwargs.values())])
    raw = any(_on_device(value) for value in given if not isinstance(value, Handle))
    moved = raw or any(map(_is_moved, given)) or any(map(_on_device, given))
    keywords = kwargs if operation else {name: _map(_inwards, x) for name, x in kwargs.items()}
    out = function(*(_map(_inwards, a) for a in args), **keywords)
    if operation and moved:
        stayed = [x for x in leaves(out) if _is_moved(x.data if isinstance(x, Handle) else x)]
        assert not stayed, f"{function.__name__}: arrays of {_Border.device} gave {stayed}"
    known = set(map(id, given))
    return _map(lambda value: _outwards(value, not raw, known), out)


def _crossing(function: Callable) -> Callable:
    @functools.wraps(function)
    def crossing(*args: Any, **kwargs: Any) -> Any:
        if outside(sys._getframe(1)):
            return cross(function, args, kwargs)
        return function(*args, **kwargs)

    return crossing


# Where


def _operations() -> None:
    """Operations look where they are called from."""
    lines_of = publish.dispatch_lines

    def dispatch_lines(op: Any) -> list[str]:
        head, *lines = lines_of(op)
        arrays = ", ".join([f"*{name}" if op.variadic and not op.primitive else name for name in op.arrays] + [""])
        statics = ", ".join(f"{name!r}: {name}" for name in op.statics)
        call = f"cross(OP.function, ({arrays}), {{{statics}}}, OP.name not in ('to_device', 'transfer'))"
        return [head, "    if outside(getframe(1)):", f"        return {call}", *lines]

    publish.dispatch_lines = dispatch_lines  # type: ignore[assignment]
    codegen._GLOBALS.update(outside=outside, cross=cross)
    for op in dict.values(OPS):
        publish.restart(op)


_PUBLIC = ("", ".autograd", ".fft", ".linalg", ".nn", ".nn.init", ".nn.utils", ".nn.utils.rnn", ".optim", ".special")
"""Where functions are found that compute with the arrays which they are given. Files, datasets and plots are of main
memory, and training moves the batches to the model's device itself."""


def _functions() -> None:
    """Every function that is no operation gets code that looks where it is called from."""
    calls: list[Callable] = []
    for name in _PUBLIC:
        public = operator.attrgetter(name[1:])(tinygrad_lite) if name else tinygrad_lite
        for value in [getattr(public, name) for name in dir(public)]:
            if isinstance(value, types.FunctionType) and _is_border(value):
                _replace_code(value, calls)


_HOMES = tuple(f"tinygrad_lite.{name}." for name in ("autodiff", "fft", "linalg", "nn", "ops", "optim", "special"))


def _is_border(function: types.FunctionType) -> bool:
    """Whether a public function computes with what it is given; patterns of sparse matrices are of main memory."""
    plain = not hasattr(function, "op") and not function.__code__.co_freevars
    return plain and function.__module__.startswith(_HOMES) and not function.__name__.startswith("sparse_")


def _replace_code(function: Any, calls: list[Callable]) -> None:
    if function.__code__.co_names == ("__border__",):
        return  # it is found in two places
    original = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    functools.update_wrapper(original, function)
    original.__kwdefaults__ = function.__kwdefaults__
    function.__signature__ = inspect.signature(function)
    calls.append(original)
    text = f"def call(*args, **kwargs): return __border__({len(calls) - 1}, args, kwargs)"
    scope: dict[str, Any] = {}
    exec(compile(text, function.__code__.co_filename, "exec"), scope)

    def border(number: int, args: tuple, kwargs: dict[str, Any]) -> Any:
        if outside(sys._getframe(2)):
            return cross(calls[number], args, kwargs)
        return calls[number](*args, **kwargs)

    function.__globals__.setdefault("__border__", border)
    function.__defaults__ = function.__kwdefaults__ = None
    function.__code__ = scope["call"].__code__


def _tensors() -> None:
    """Tensors are made on the device, and show their data in main memory."""
    slot = graph.Handle.__dict__["data"]

    def get(self: Handle) -> Any:
        array = slot.__get__(self)
        return _outwards(array, True, set()) if outside(sys._getframe(1)) else array

    def put(self: Handle, value: Any) -> None:
        if outside(sys._getframe(1)):
            value = _inwards(numpy.asarray(value) if isinstance(value, numpy.generic) else value)
        slot.__set__(self, value)

    graph.Handle.data = property(get, put)  # type: ignore[assignment]
    for cls in (tinygrad_lite.Tensor, nn.Parameter, nn.Buffer):
        cls.__init__ = _on_the_device_by_default(cls.__init__)  # type: ignore[method-assign]
    tinygrad_lite.Tensor.grad = property(  # type: ignore[assignment]
        tinygrad_lite.Tensor.grad.fget, _crossing(tinygrad_lite.Tensor.grad.fset)
    )


def _on_the_device_by_default(init: Callable) -> Callable:
    @functools.wraps(init)
    def wrapped(self: Any, data: Any, *, device: str | None = None, **options: Any) -> None:
        if device is None and outside(sys._getframe(1)):
            device = _Border.device
        init(self, data, device=device, **options)

    return wrapped


def _methods() -> None:
    """Methods that are given arrays, or make them."""
    for cls in (SparseJacobian, GradientPenalty, JacobianPenalty):
        cls.__call__ = _crossing(cls.__call__)  # type: ignore[method-assign]
    for name in ("uniform", "normal", "integers", "permutation", "bernoulli"):
        setattr(tinygrad_lite.Generator, name, _crossing(getattr(tinygrad_lite.Generator, name)))


def _modules() -> None:
    """Modules are moved when they have been made."""
    for name in ("__call__", "state_dict", "load_state_dict"):
        setattr(nn.Module, name, _crossing(getattr(nn.Module, name)))
    for name in ("state_dict", "load_state_dict"):
        setattr(optim.Optimizer, name, _crossing(getattr(optim.Optimizer, name)))

    def moving(cls: type) -> None:
        init = vars(cls).get("__init__")
        if init is not None:
            cls.__init__ = _moved_at_last(init)  # type: ignore[misc]

    def every(cls: type) -> None:
        for found in cls.__subclasses__():
            moving(found)
            for name, value in list(vars(found).items()):
                if isinstance(value, types.FunctionType) and not name.startswith("_"):
                    setattr(found, name, _crossing(value))
                elif isinstance(value, staticmethod) and not hasattr(value.__func__, "op"):
                    setattr(found, name, staticmethod(_crossing(value.__func__)))
            every(found)

    every(nn.Module)
    nn.Module.__init_subclass__ = classmethod(lambda cls, **options: moving(cls))  # type: ignore[assignment]


_MAKING: list[int] = []


def _moved_at_last(init: Callable) -> Callable:
    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        if id(self) in _MAKING:
            return init(self, *args, **kwargs)
        _MAKING.append(id(self))
        try:
            init(self, *args, **kwargs)
        finally:
            _MAKING.remove(id(self))
        if not _MAKING:
            self.to(_Border.device)

    return wrapped


def _comparisons() -> None:
    """NumPy's comparisons of tests take the device's arrays, such as an optimizer's buffers."""
    for name in ("assert_allclose", "assert_array_equal", "assert_equal"):
        compare = getattr(numpy.testing, name)

        @functools.wraps(compare)
        def compared(*arrays: Any, _compare: Callable = compare, **options: Any) -> None:
            _compare(*(_map(lambda value: _outwards(value, True, set()), x) for x in arrays), **options)

        setattr(numpy.testing, name, compared)


def install(device: str) -> None:
    """Put up the border, for the rest of the process."""
    _Border.device = device
    scalars.beside_a_device = lambda arrays, nodes: None
    graph.library_files[__file__] = True
    _functions()
    _operations()
    _tensors()
    _methods()
    _modules()
    _comparisons()
