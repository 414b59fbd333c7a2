"""The capture of a step: what is written down of its calls, and the tensors around it, which stay alive.

A step is of one device. On a GPU its effects run with live numbers from the first call on, to see which of them can be
part of a graph; see `graphs.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from types import FunctionType, MethodType
from typing import Any

import numpy

from ..core.backend import Backend, backend_of
from ..core.effects import active_capture, as_words, live_numbers
from ..core.errors import CaptureError
from ..core.graph import Handle, Leaf, Node, as_array, caller, wrap
from ..core.sweep import reach
from .recorded import Recorded, is_array, plain, recorded, recorded_in

__all__ = ["Recorder", "is_gradient"]


class _Watched:
    """A tensor around the step, which holds a Recorded while the step is captured; replays read it anew.

    source : the expression that finds it, `find` the same as a function; the tensor may be replaced, or be None.
    name : of its array in the program.
    """

    def __init__(self, source: str, find: Callable[[], Any], name: str) -> None:
        self.source, self.find, self.name = source, find, name
        self.tensor: Any = None
        self.data: Any = None


class Rehearsal:
    """The live numbers of a step's first call: kernels read them from arrays of their own.

    refused : whether the effect that ran last cannot be part of a graph.
    """

    refreshing = False

    def __init__(self, backend: Backend) -> None:
        self.backend, self.refused = backend, False

    def take(self, values: Sequence[int | float], form: Hashable = None) -> Any:
        return self.backend.asarray(as_words(values))

    def once(self, work: Callable[[], Any]) -> Any:
        return work()

    def refuse(self, why: str) -> None:
        self.refused = True


class Effect:
    """A statement that replays execute with its effects: the function and what it is in a graph, see `replayed`.

    owners : what it may change of what it is called with: its own object, optimizers, scalers.
    """

    def __init__(self, function: Callable, args: tuple) -> None:
        self.function = function
        self.owners = [*args[:1], *(x for x in args[1:] if hasattr(x, "state_dict") and not hasattr(x, "modules"))]
        self.in_graph = getattr(function, "in_graph", "apart")
        self.looks_at_gradients = getattr(function, "looks_at_gradients", True)
        self.result: Any = None


class Recorder:
    """Writes down the calls of one capture.

    backend : the library of the arguments and of the tensors around the step.
    lines : the statements of the program. scope : the objects that they name.
    devices : those that arrays of the step were on. places : by statement, the user's code and instruction.
    effects : by statement, those of which it is one.
    arrays : by the names of results, arrays of their shapes and dtypes.
    modes : the modules that were called, and whether each was training.
    owners : the objects whose methods are called again in replays: optimizers, generators of random numbers.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.devices: set[str] = set()
        self.places: dict[str, tuple[Any, int]] = {}
        self.effects: dict[str, Effect] = {}
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {"accumulate": _accumulate, "wrap": wrap}
        self.names: dict[Any, str] = {}
        self.arrays: dict[str, numpy.ndarray] = {}
        self.watched: dict[Any, _Watched] = {}
        self.leaves: set[Node] = set()
        self.modes: list[tuple[Any, bool]] = []
        self.owners: list[Any] = []
        self.errors = numpy.geterr()

    # The step's surroundings

    def surround(self, thing: Any, depth: int = 4) -> None:
        """Watch the tensors of what a step uses: tensors, modules, optimizers, structures of them, own functions."""
        if isinstance(thing, Handle):
            if thing.node is None or type(thing.node) is Leaf:
                self._watch(id(thing), self.constant(thing), lambda: thing)
        elif hasattr(thing, "named_modules"):
            for _, module in thing.named_modules():
                self.enter_module(module)
        elif hasattr(thing, "param_groups"):
            self.surround([group["params"] for group in thing.param_groups], depth)
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
            self._move_to(backend_of(tensor.data), tensor)
            self._add(f"{watched.name} = {watched.source}.data")
        watched.tensor, watched.data = tensor, tensor.data
        tensor.data = self.recorded(watched.data, watched.name)
        if tensor.node is not None:
            self.leaves.add(tensor.node)

    def _move_to(self, backend: Backend, tensor: Handle) -> None:
        """A step that nothing has been computed in yet is of the device of what it uses."""
        if backend is self.backend or not backend.asynchronous:
            return
        if self.arrays:
            raise CaptureError(
                f"jit: a tensor of shape {tuple(tensor.data.shape)} is on {backend.device_of(tensor.data)}, and the "
                f"step was given arrays of {self.backend.name}; give it arrays of that device, for example with "
                f"x.to({backend.device_of(tensor.data)!r})."
            )
        self.backend = backend

    def _add(self, line: str) -> None:
        self.lines.append(line)
        self.places[line] = caller(sys._getframe(2))

    def show(self) -> None:
        """Give all tensors their arrays back."""
        for watched in self.watched.values():
            if watched.tensor is not None:
                watched.tensor.data, watched.tensor = watched.data, None

    def end(self) -> None:
        """Give all tensors their arrays back, and keep none: a program must not hold what the step replaces."""
        self.show()
        for watched in self.watched.values():
            watched.data = None

    # What the capture of `core/effects.py` does

    def effect(self, function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        self.show()  # it gets the step's own tensors, whose gradients it may look for
        args, kwargs = tuple(map(_kept, args)), {key: _kept(value) for key, value in kwargs.items()}
        name = self.note(function, args, kwargs)
        args, kwargs = plain(args), plain(kwargs)
        if args and hasattr(args[0], "load_state_dict") and not any(args[0] is owner for owner in self.owners):
            self.owners.append(args[0])
        made = self.effects[self.lines[-1]] = Effect(function, args)
        rehearsal = Rehearsal(self.backend) if self.backend.asynchronous and made.in_graph != "apart" else None
        tokens = active_capture.set(None), live_numbers.set(rehearsal)
        try:
            result = made.result = function(*args, **kwargs)
        finally:
            active_capture.reset(tokens[0])
            live_numbers.reset(tokens[1])
            for watched in self.watched.values():
                self._hide(watched)
        if rehearsal is not None and rehearsal.refused:
            made.in_graph = "apart"
        return self.wrapped(result, name)

    def backward(self, sweep: Callable[[], Any], root: Node) -> None:
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
        self._add(f"accumulate({source}, {self.expression(new.data)})")
        _accumulate(leaf, plain(new.data))
        if watched is not None:
            self._hide(watched)
        else:
            self._watch((leaf, "grad"), f"{source}.grad", lambda: leaf.grad)

    # Calls

    def call(self, function: Callable, args: tuple, kwargs: dict[str, Any], label: str = "") -> Any:
        """The result of a call with Recorded among its arguments, and a statement for it."""
        result = function(*plain(args), **plain(kwargs))
        return self.wrapped(result, self.note(function, args, kwargs, label, result))

    def note(self, function: Callable, args: tuple, kwargs: dict[str, Any], label: str = "", result: Any = None) -> str:
        """Write down a call; returns the name of its result. label : what the function is called in the program."""
        given = [self.expression(x) for x in args] + [f"{name}={self.expression(x)}" for name, x in kwargs.items()]
        name = f"r{len(self.lines)}"
        if not label:
            label = getattr(function, "__qualname__", "").replace(".", "_")
            label = label if label.isidentifier() else getattr(function, "__name__", "")
        self._add(f"{name} = {self.constant(self._with_errors(function), label)}({', '.join(given)})")
        if is_array(result):
            # Its shape, dtype and size are wanted, not its elements.
            self.arrays[name] = numpy.broadcast_to(numpy.empty((), result.dtype), result.shape)
        return name

    def _with_errors(self, function: Callable) -> Callable:
        """The function, with the floating-point errors ignored in replays that are ignored here in the step."""
        now = numpy.geterr()
        if self.backend.asynchronous or now == self.errors:
            return function
        return numpy.errstate(**{kind: how for kind, how in now.items() if how != self.errors[kind]})(function)

    def recorded(self, array: Any, name: str) -> Recorded:
        """An array of the step, which the program calls `name`."""
        backend = backend_of(array)
        if backend.asynchronous:
            self.devices.add(backend.device_of(array))
        return recorded(array, name, self)

    def wrapped(self, result: Any, name: str) -> Any:
        """A result with Recorded for its arrays."""
        if is_array(result):
            return self.recorded(result, name)
        if isinstance(result, Handle):
            return wrap(self.recorded(result.data, f"{name}.data"), None)
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
        if isinstance(value, (list, tuple, dict)) and next(recorded_in(value), None) is not None:
            if isinstance(value, dict):
                return "{" + ", ".join(f"{key!r}: {self.expression(x)}" for key, x in value.items()) + "}"
            parts = ", ".join(self.expression(x) for x in value)
            if hasattr(value, "_fields"):
                return f"{self.constant(type(value))}({parts})"
            return f"[{parts}]" if isinstance(value, list) else f"({parts},)"
        if value is None or isinstance(value, (bool, int, str)):
            return repr(value)
        if type(value) is tuple and all(type(part) in (bool, int) for part in value):
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


def is_gradient(key: Any) -> bool:
    """Whether what is watched under this key is a leaf's gradient."""
    return isinstance(key, tuple) and key[1] == "grad" and isinstance(key[0], Leaf)


def _kept(argument: Any) -> Any:
    """An argument that can be used again in every replay: a list in place of an iterator."""
    return list(argument) if isinstance(argument, Iterator) else argument


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _accumulate(leaf: Leaf, array: Any) -> None:
    """What a backward pass does at a leaf."""
    gradient = wrap(as_array(array), None)
    leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient
