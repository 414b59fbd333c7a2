"""What a step may change on the host, kept and put back: counters, hyperparameters, streams of random numbers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from ..core.graph import Handle, Leaf

__all__ = ["HostState"]


class HostState:
    """The attributes, lists and dicts of some objects, and of the package's objects in them, as they are now.

    Arrays are kept as they are, not copied: what is written in place stays written.

    objects : optimizers, schedules, generators, modules. leaves : those whose gradients are kept.
    tensors : those whose `data` are kept.
    """

    def __init__(
        self, objects: Iterable[Any], leaves: Iterable[Leaf] = (), tensors: Iterable[Handle] = ()
    ) -> None:  # fmt: skip
        self._dicts: list[tuple[dict, dict]] = []
        self._lists: list[tuple[list, list]] = []
        self._streams: list[tuple[Any, Any]] = []
        self._seen: set[int] = set()
        self._gradients = [(leaf, leaf.grad) for leaf in leaves]
        self._data = [(tensor, tensor.data) for tensor in tensors]
        for thing in objects:
            self._attributes(thing)

    def _attributes(self, thing: Any) -> None:
        if id(thing) not in self._seen and hasattr(thing, "__dict__"):
            self._seen.add(id(thing))
            self._dict(vars(thing))

    def _dict(self, held: dict) -> None:
        self._dicts.append((held, held.copy()))
        for value in held.values():
            self._value(value)

    def _value(self, value: Any) -> None:
        kind = type(value)
        if kind is list:
            if id(value) not in self._seen:
                self._seen.add(id(value))
                self._lists.append((value, value.copy()))
                if value and _holds_more(type(value[0])):
                    for part in value:
                        self._value(part)
        elif _holds_more(kind):
            if isinstance(value, dict) and id(value) not in self._seen:
                self._dict(value)  # and its attributes, if it has some
            self._attributes(value)
        elif hasattr(value, "bit_generator"):
            self._streams.append((value.bit_generator, value.bit_generator.state))

    def restore(self) -> None:
        """Make everything as it was."""
        for held, before in self._dicts:
            held.clear()
            held.update(before)
        for held, before in self._lists:
            held[:] = before
        for stream, state in self._streams:
            stream.state = state
        for leaf, gradient in self._gradients:
            leaf.grad = gradient
        for tensor, data in self._data:
            tensor.data = data


@cache
def _holds_more(kind: type) -> bool:
    """Whether objects of a class have parts that a step may change: dicts, lists, and the package's own objects."""
    if issubclass(kind, Handle):
        return False
    return issubclass(kind, (dict, list)) or any(c.__module__.startswith("tinygrad_lite.") for c in kind.__mro__)
