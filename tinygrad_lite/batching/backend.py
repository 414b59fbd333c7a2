"""The backend of batches: the namespace that computes on all examples at once, for any root backend."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy

from ..core.backend import Backend, backend_of, register_backend
from ..core.errors import LoopWarning
from ..core.graph import Handle, Node, unwrap
from ..core.registry import OPS
from .array import Batched, highest
from .indexing import Index
from .rules import CREATION, RULES, Call, elementwise, looped
from .transfer import leave

__all__ = ["BatchedBackend", "batched_class", "operators"]


class Namespace:
    """The Array API's functions for Batched arrays and those of the root backend.

    shapes : the level and size of each batch that arrays made from nothing, such as zeros, have in front.
    """

    def __init__(self, backend: BatchedBackend, prefix: str = "", sizes: tuple[tuple[int, int], ...] = ()) -> None:
        self._backend, self._prefix, self._sizes = backend, prefix, sizes

    def __getattr__(self, name: str) -> Any:
        own = self._backend.root_function(self._prefix + name)
        if name in ("linalg", "fft") and not self._prefix:
            return Namespace(self._backend, f"{name}.")
        if not callable(own) or isinstance(own, type):
            return own
        if name in CREATION and self._sizes:
            return partial(self._create, own)
        return partial(self._call, self._prefix + name, own)

    def _create(self, function: Callable, shape: Any, *args: Any, **kwargs: Any) -> Any:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        made = function((*(size for _, size in self._sizes), *shape), *args, **kwargs)
        for level, _ in self._sizes:
            made = self._backend.cls(made, level)
        return made

    def _call(self, name: str, own: Callable, *args: Any, **kwargs: Any) -> Any:
        top = highest((*args, *kwargs.values()))
        if top is None:
            return own(*args, **kwargs)
        if name in ("result_type", "isdtype", "finfo", "iinfo"):
            return own(*(x.dtype if isinstance(x, Batched) else x for x in args), **kwargs)
        # A function of the root's takes what lies inside; in a vmap inside a vmap, that are Batched again.
        call = Call(name, self._backend.xp, self._backend.cls, top.level, top.data.shape[0])
        if name not in RULES:
            warnings.warn(f"vmap: {name} is computed example by example.", LoopWarning, stacklevel=2)
        out = RULES.get(name, looped)(call, *args, **kwargs)
        cls = self._backend.cls
        if isinstance(out, tuple):
            parts = [cls(part, top.level) for part in out]
            return type(out)(*parts) if hasattr(out, "_fields") else tuple(parts)
        return cls(out, top.level)


class BatchedBackend(Backend):
    """Computes on all examples of a batch at once, with the functions of the root backend."""

    root: Backend
    asynchronous = True  # the values of one example cannot be looked at, as those of a queue cannot

    def __init__(self, root: Backend, cls: type[Batched]) -> None:
        self.root, self.cls = root, cls
        self.name = f"vmap({root.name})"
        self.default_device = f"vmap({root.default_device})"
        self.array_types = (cls,)
        self.several_devices = root.several_devices
        self.place, self.run_body = root.place, root.run_body
        self.xp = Namespace(self)

    def root_function(self, name: str) -> Any:
        return operator.attrgetter(name)(self.root.xp)

    def bind(self, body: Callable, xp: Any = None) -> Callable:
        def bound(*args: Any, **statics: Any) -> Any:
            return body(Namespace(self, sizes=_sizes(args)), *args, **statics)

        return bound

    def device_of(self, array: Any) -> str:
        inside = array.data
        return backend_of(inside).device_of(inside)

    def on(self, where: Any) -> Any:
        while isinstance(where, Batched):
            where = where.data
        return self.root.on(where)

    def asarray(self, value: Any, *, dtype: Any = None, device: str | None = None) -> Any:
        if isinstance(value, Batched):
            return value if dtype is None else self.xp.astype(value, dtype)
        return self.root.asarray(value, dtype=dtype, device=device)

    def dtype(self, dtype: Any) -> Any:
        return self.root.dtype(dtype)

    def to_numpy(self, array: Any) -> numpy.ndarray:
        return array._refuse() if isinstance(array, Batched) else self.root.to_numpy(array)

    def text(self, array: Any) -> str:
        return repr(array)

    def copy(self, array: Any) -> Any:
        if not isinstance(array, Batched):
            return self.root.copy(array)
        return self.cls(self.copy(array.data), array.level)

    def getitem(self, array: Any, index: Any) -> Any:
        call = self._indexed(array, index)
        if call is None:
            return self.root.getitem(array, index)
        found = Index(call, index, len(array.shape))
        return self.cls(found.ordered(self.getitem(call.rows(array), found.parts)), call.level)

    def assign(self, target: Any, index: Any, values: Any) -> Any:
        return self._write("assign", target, index, values)

    def scatter_add(self, target: Any, index: Any, values: Any) -> Any:
        return self._write("scatter_add", target, index, values)

    def _write(self, how: str, target: Any, index: Any, values: Any) -> Any:
        call = self._indexed(target, index, values)
        if call is None:
            return getattr(self.root, how)(target, index, values)
        rows = target.data if call.batched(target) else self.copy(call.rows(target))
        found = Index(call, index, len(target.shape))
        written = self._write(how, rows, found.parts, found.values(values))
        if call.batched(target):
            target.data = written
            return target
        return self.cls(written, call.level)

    def _indexed(self, array: Any, index: Any, *values: Any) -> Call | None:
        top = highest((array, index, *values))
        return None if top is None else Call("", self.xp, self.cls, top.level, top.data.shape[0])

    def special(self, name: str) -> Callable:
        function = self.root.special(name)
        return partial(self._special, function)

    def _special(self, function: Callable, *args: Any) -> Any:
        top = highest(args)
        if top is None:
            return function(*args)
        call = _Inside(partial(self._special, function), self.xp, self.cls, top.level, top.data.shape[0])
        return self.cls(elementwise(call, *args), top.level)

    def inward(self, gradient: Any, node: Node, parent: Node) -> Any:
        array = unwrap(gradient)
        for level, size in _sizes((array,)):
            if parent.birth < level < node.birth:
                gradient = OPS["sum"].function(leave(self.cls, gradient, 0, level, size), axis=0)
        return gradient


def _sizes(values: Any) -> tuple[tuple[int, int], ...]:
    """The level and the size of every batch of the arrays among `values`, from the earliest on."""
    found: dict[int, int] = {}
    for value in values:
        while isinstance(value, Batched):
            found[value.level] = value.data.shape[0]
            value = value.data
    return tuple(sorted(found.items()))


class _Inside(Call):
    """A call of a function that is given, not named."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.name(*args, **kwargs)


@lru_cache
def batched_class(root: Backend) -> type[Batched]:
    """The class of batches of arrays of `root`: the class of an array tells its backend, so each root has its own."""
    if isinstance(root, BatchedBackend):
        return root.cls
    cls = type("Batched", (Batched,), {"__slots__": (), "__module__": __name__, **operators()})
    cls.backend = register_backend(BatchedBackend(root, cls))
    return cls


_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "pow", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
}  # fmt: skip
_COMPARISONS = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}  # fmt: skip
_UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}


def operators() -> dict[str, Callable]:
    """The operators, each of which calls its function in the namespace."""

    def binary(name: str, reflected: bool = False) -> Callable:
        def operator(self: Batched, other: Any) -> Any:
            if isinstance(other, Handle) or (isinstance(other, Batched) and not isinstance(self, Batched)):
                return NotImplemented  # what is around this array has the operator
            return getattr(self.backend.xp, name)(*((other, self) if reflected else (self, other)))

        return operator

    def unary(name: str) -> Callable:
        return lambda self: getattr(self.backend.xp, name)(self)

    table = {f"__{name}__": binary(function) for name, function in (_OPERATORS | _COMPARISONS).items()}
    table |= {f"__r{name}__": binary(function, reflected=True) for name, function in _OPERATORS.items()}
    return table | {f"__{name}__": unary(function) for name, function in _UNARY.items()} | {"__hash__": object.__hash__}
