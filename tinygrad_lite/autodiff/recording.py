"""Arrays that note what is computed with them: what a step is captured with, see `capture.py`.

A backend like any other, on top of NumPy's. What it notes is what computes an operation there, so replays take the
same fast ways as the first call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any, NoReturn

import numpy

from ..batching.backend import operators
from ..core.backend import BACKENDS, Backend, register_backend
from ..core.effects import active_capture
from ..core.errors import CaptureError
from ..core.graph import Handle, Leaf, Node, wrap
from ..core.op import Kernel, Op
from ..core.sweep import reach

__all__ = ["Recorded", "Recorder", "plain"]


class Recorded:
    """An array whose calls are noted.

    data : the array. name : what the program calls it. recorder : the capture that it belongs to.
    """

    __slots__ = ("__weakref__", "data", "name", "recorder")
    __array_ufunc__ = None

    backend: Backend

    def __init__(self, data: Any, name: str, recorder: Recorder) -> None:
        self.data, self.name, self.recorder = data, name, recorder

    shape = property(lambda self: self.data.shape)
    dtype = property(lambda self: self.data.dtype)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        return self.recorder.call(_item, (self, index), {})

    def __repr__(self) -> str:
        return f"<{self.name}, {self.shape} {self.dtype}>"

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise CaptureError(
            "jit: a value is looked at, for example by `if`, `float()` or `.numpy()`; a captured step cannot depend on "
            "it. Return it, and look at what the call returns."
        )

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __array__ = __iter__ = __setitem__ = _refuse


def _item(array: Any, index: Any) -> Any:
    return array[index]


class _Namespace:
    """NumPy's functions, noted when they are called with Recorded."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._module, name)
        if name in ("linalg", "fft"):
            return _Namespace(own)
        if not callable(own) or isinstance(own, type):
            return own
        return functools.partial(_noted, own)


def _noted(function: Callable, *args: Any, **kwargs: Any) -> Any:
    found = next(_recorded((args, kwargs)), None)
    return function(*args, **kwargs) if found is None else found.recorder.call(function, args, kwargs)


def _recorded(values: Any) -> Iterator[Recorded]:
    """The Recorded in a structure."""
    if isinstance(values, Recorded):
        yield values
    elif isinstance(values, dict):
        for value in values.values():
            yield from _recorded(value)
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _recorded(value)


class _RecordedBackend(Backend):
    """NumPy's backend with every call noted: an operation's implementation there is one call."""

    name = "jit(numpy)"
    default_device = "jit(numpy)"
    asynchronous = True
    array_types = (Recorded,)
    kernel_backend = "numpy"

    def __init__(self) -> None:
        self.root = BACKENDS["numpy"]
        self.xp = _Namespace(self.root.xp)

    def implement(self, op: Op) -> Callable:
        return functools.partial(_computed, op)

    def attempt(self, kernel: Kernel, values: tuple, statics: dict[str, Any], needs: tuple[bool, ...]) -> Any:
        found = kernel.attempt(plain(values), statics, needs)
        if found is NotImplemented:
            return found
        recorder = next(_recorded(values)).recorder
        name = recorder.note(kernel.attempt, (values, statics, needs), {}, kernel.name)
        # What a kernel keeps is handed back to it as it is: it may hold numbers that depend on the values.
        return Recorded(found[0], f"{name}[0]", recorder), Recorded(found[1], f"{name}[1]", recorder)

    def differentiate(self, kernel: Kernel, g: Any, saved: Any, needs: tuple[bool, ...]) -> Any:
        recorder = next(_recorded((g, saved))).recorder
        return recorder.call(kernel._backward, (g, saved, needs), {}, f"{kernel.name}_backward")

    def device_of(self, array: Any) -> str:
        return self.root.default_device

    def dtype(self, dtype: Any) -> Any:
        return self.root.dtype(dtype)

    def asarray(self, value: Any, *, dtype: Any = None, device: str | None = None) -> Any:
        if isinstance(value, Recorded):
            return value if dtype is None or dtype == value.dtype else _noted(self.root.asarray, value, dtype=dtype)
        return self.root.asarray(value, dtype=dtype)

    def to_numpy(self, array: Any) -> Any:
        return array._refuse() if isinstance(array, Recorded) else array

    def text(self, array: Any) -> str:
        return repr(array)

    def copy(self, array: Any) -> Any:
        return _noted(self.root.copy, array)

    def owns_memory(self, array: Any) -> bool:
        return self.root.owns_memory(plain(array))

    def getitem(self, array: Any, index: Any) -> Any:
        return _noted(self.root.getitem, array, index)

    def assign(self, target: Any, index: Any, values: Any) -> Any:
        return _noted(self._on_a_copy, self.root.assign, target, index, values)

    def scatter_add(self, target: Any, index: Any, values: Any) -> Any:
        return _noted(self._on_a_copy, self.root.scatter_add, target, index, values)

    def _on_a_copy(self, write: Callable, target: Any, index: Any, values: Any) -> Any:
        """Zeros to be written into may be a constant of the program."""
        return write(self.root.copy(target), index, values)

    def special(self, name: str) -> Callable:
        return functools.partial(_noted, self.root.special(name))


def _computed(op: Op, *arrays: Any, **statics: Any) -> Any:
    """A primitive's call, noted as one of what computes it for NumPy's arrays."""
    types = tuple(map(type, plain(arrays)))
    function = op.implementations[types if op.variadic or len(types) != 1 else types[0]]
    return next(_recorded(arrays)).recorder.call(function, arrays, statics, op.name)


def plain(values: Any) -> Any:
    """A structure with the arrays themselves in place of the Recorded."""
    if isinstance(values, Recorded):
        return values.data
    if isinstance(values, Handle):
        return wrap(values.data.data, None) if isinstance(values.data, Recorded) else values
    if isinstance(values, dict):
        return {key: plain(value) for key, value in values.items()}
    if isinstance(values, tuple) and hasattr(values, "_fields"):
        return type(values)(*map(plain, values))
    return type(values)(map(plain, values)) if isinstance(values, (list, tuple)) else values


class _Watched:
    """A tensor around the step, which holds a Recorded while the step is captured; replays read it anew.

    source : the expression that finds it, `find` the same as a function; the tensor may be replaced, or be None.
    name : of its array in the program.
    """

    def __init__(self, source: str, find: Callable[[], Any], name: str) -> None:
        self.source, self.find, self.name = source, find, name
        self.tensor: Any = None
        self.data: Any = None


class Recorder:
    """Writes down the calls of one capture.

    lines : the statements of the program. scope : the objects that they name.
    modes : the modules that were called, and whether each was training.
    owners : the objects whose methods are called again in replays: optimizers, generators of random numbers.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {"accumulate": _accumulate, "wrap": wrap}
        self.names: dict[Any, str] = {}
        self.watched: dict[Any, _Watched] = {}
        self.leaves: set[Node] = set()
        self.modes: list[tuple[Any, bool]] = []
        self.owners: list[Any] = []

    # The step's surroundings

    def surround(self, thing: Any, depth: int = 4) -> None:
        """Watch the tensors of what a step uses: tensors, modules, optimizers, structures of them, own functions."""
        if isinstance(thing, Handle):
            if thing.node is None or type(thing.node) is Leaf:
                self._watch(id(thing), self.constant(thing), lambda: thing)
        elif hasattr(thing, "named_modules"):
            for _, module in thing.named_modules():
                self.enter_module(module)
        elif hasattr(thing, "groups"):
            self.surround([group.parameters for group in thing.groups], depth)
        elif depth and isinstance(thing, (list, tuple, dict)):
            for part in thing.values() if isinstance(thing, dict) else thing:
                self.surround(part, depth - 1)
        elif depth and isinstance(thing, MethodType):
            self.surround([thing.__self__, thing.__func__], depth)
        elif depth and isinstance(thing, FunctionType) and not hasattr(thing, "op"):
            held = [cell.cell_contents for cell in thing.__closure__ or () if _is_filled(cell)]
            used = [thing.__globals__.get(name) for name in thing.__code__.co_names]
            self.surround([*held, *(x for x in used if not isinstance(x, (FunctionType, type)))], depth - 1)

    def enter_module(self, module: Any) -> None:
        if any(known is module for known, _ in self.modes):
            return
        self.modes.append((module, module.training))
        for name, value in vars(module).items():
            if isinstance(value, Handle):
                source = f"{self.constant(module)}.{name}"
                self._watch((id(module), name), source, lambda name=name: getattr(module, name))
            elif isinstance(value, (list, tuple, dict)):
                self.surround(
                    [x for x in (value.values() if isinstance(value, dict) else value) if isinstance(x, Handle)]
                )

    def _watch(self, key: Any, source: str, find: Callable[[], Any]) -> None:
        if key not in self.watched:
            self.watched[key] = _Watched(source, find, f"t{len(self.watched)}")
            self._hide(self.watched[key])

    def _hide(self, watched: _Watched) -> None:
        """Put a Recorded into the tensor; what is new in it is read by the program at this place."""
        tensor = watched.find()
        if tensor is None or isinstance(tensor.data, Recorded):
            return
        if watched.data is not tensor.data:
            self.lines.append(f"{watched.name} = {watched.source}.data")
        watched.tensor, watched.data = tensor, tensor.data
        tensor.data = Recorded(watched.data, watched.name, self)
        if tensor.node is not None:
            self.leaves.add(tensor.node)

    def show(self) -> None:
        """Give all tensors their arrays back."""
        for watched in self.watched.values():
            if watched.tensor is not None:
                watched.tensor.data, watched.tensor = watched.data, None

    # What the capture of `core/effects.py` does

    def effect(self, function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        name = self.note(function, args, kwargs)
        args, kwargs = plain(args), plain(kwargs)
        if args and hasattr(args[0], "load_state_dict") and not any(args[0] is owner for owner in self.owners):
            self.owners.append(args[0])
        token = active_capture.set(None)
        self.show()
        try:
            result = function(*args, **kwargs)
        finally:
            active_capture.reset(token)
            for watched in self.watched.values():
                self._hide(watched)
        return self.wrapped(result, name)

    def backward(self, sweep: Callable[[], None], root: Node) -> None:
        ends = [node for node in reach([root]) if type(node) is Leaf]
        unknown = next((leaf for leaf in ends if leaf not in self.leaves), None)
        if unknown is not None:
            raise CaptureError(
                f"jit: a gradient reaches a tensor of shape {tuple(unknown.shape)} that the step does not hold, so "
                f"that replays would not see it change. Put it into a module, or name it in the step. It was made at "
                f"{unknown.location()}"
            )
        before = [leaf.grad for leaf in ends]
        for leaf in ends:
            leaf.grad = None
        sweep()
        found = [leaf.grad for leaf in ends]
        for leaf, old, new in zip(ends, before, found, strict=True):
            leaf.grad = old
            if new is not None:
                self._accumulate(leaf, new)

    def _accumulate(self, leaf: Leaf, new: Any) -> None:
        watched = self.watched.get((leaf, "grad"))
        if watched is not None and watched.tensor is not None:
            watched.tensor.data, watched.tensor = watched.data, None
        source = self.constant(leaf)
        self.lines.append(f"accumulate({source}, {self.expression(new.data)})")
        _accumulate(leaf, plain(new.data))
        if watched is not None:
            self._hide(watched)
        else:
            self._watch((leaf, "grad"), f"{source}.grad", lambda: leaf.grad)

    # Calls

    def call(self, function: Callable, args: tuple, kwargs: dict[str, Any], label: str = "") -> Any:
        """The result of a call with Recorded among its arguments, and a statement for it."""
        result = function(*plain(args), **plain(kwargs))
        return self.wrapped(result, self.note(function, args, kwargs, label))

    def note(self, function: Callable, args: tuple, kwargs: dict[str, Any], label: str = "") -> str:
        """Write down a call; returns the name of its result. label : what the function is called in the program."""
        given = [self.expression(x) for x in args] + [f"{name}={self.expression(x)}" for name, x in kwargs.items()]
        name = f"r{len(self.lines)}"
        label = label or getattr(function, "__qualname__", "").replace(".", "_")
        self.lines.append(f"{name} = {self.constant(function, label)}({', '.join(given)})")
        return name

    def wrapped(self, result: Any, name: str) -> Any:
        """A result with Recorded for its arrays."""
        if isinstance(result, (numpy.ndarray, numpy.generic)):
            return Recorded(result, name, self)
        if isinstance(result, Handle):
            return wrap(Recorded(result.data, f"{name}.data", self), None)
        if isinstance(result, (list, tuple)):
            parts = [self.wrapped(part, f"{name}[{i}]") for i, part in enumerate(result)]
            return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
        return result

    def expression(self, value: Any) -> str:
        """The source of an argument."""
        if isinstance(value, Recorded):
            if value.recorder is not self:
                raise CaptureError("jit: an array of one captured step is used in another.")
            return value.name
        if isinstance(value, Handle) and isinstance(value.data, Recorded):
            return f"wrap({value.data.name}, None)"
        if isinstance(value, (list, tuple, dict)) and next(_recorded(value), None) is not None:
            if isinstance(value, dict):
                return "{" + ", ".join(f"{key!r}: {self.expression(x)}" for key, x in value.items()) + "}"
            parts = ", ".join(self.expression(x) for x in value)
            if hasattr(value, "_fields"):
                return f"{self.constant(type(value))}({parts})"
            return f"[{parts}]" if isinstance(value, list) else f"({parts},)"
        if value is None or isinstance(value, (bool, int, str)):
            return repr(value)
        return self.constant(value)

    def constant(self, value: Any, label: str = "") -> str:
        """The name of an object from outside; with the label in it, if it is one."""
        key = (id(value.__self__), value.__func__) if isinstance(value, MethodType) else id(value)
        name = self.names.get(key)
        if name is None:
            stem = label if label.isidentifier() else "c"
            name = f"{stem}{len(self.names)}" if stem == "c" or stem in self.scope else stem
            self.names[key] = name
            self.scope[name] = value
        return name


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _accumulate(leaf: Leaf, array: Any) -> None:
    """What a backward pass does at a leaf."""
    gradient = wrap(numpy.asarray(array), None)
    leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient


Recorded.backend = register_backend(_RecordedBackend())
for _name, _operator in operators().items():
    setattr(Recorded, _name, _operator)
