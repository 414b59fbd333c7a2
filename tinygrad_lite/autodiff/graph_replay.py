"""Replays of captured steps on a GPU: arguments are copied in, graphs launched, results copied out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any

from ..core.errors import CaptureError
from ..core.graph import Handle, wrap
from ..core.tree import leaves
from .host import HostState
from .recorded import is_array

if TYPE_CHECKING:
    from .graph_capture import Live

__all__ = ["Apart", "Captured", "Gradient", "Graph", "Stale"]


class Stale(Exception):
    """An effect wants other launches than those that were captured."""


class Gradient:
    """The gradient that a step binds to a leaf, in memory of the graph. Nothing else of the graph refers to it.

    It can be told, so, whether somebody else does.
    """

    __slots__ = ("leaf", "tensor")

    def __init__(self, leaf: Any, tensor: Handle | None) -> None:
        self.leaf, self.tensor = leaf, tensor

    def let_go(self) -> None:
        """If somebody has the tensor, it gets memory of its own, since the graph writes over the other."""
        tensor = self.tensor
        # Known: `tensor`, `self.tensor`, the argument of getrefcount, and perhaps the leaf's.
        if tensor is not None and sys.getrefcount(tensor) > 3 + (self.leaf.grad is tensor):
            self.tensor = wrap(tensor.data, None)
            tensor.data = tensor.data.copy()


class Graph:
    """A part of a step that is one launch.

    start : its first statement. names : what names stand for there.
    boundary : the gradients that are bound before it, if it is not the first part.
    graph : CuPy's, or None if there is nothing to launch. live : its numbers.
    effects : what finds the numbers: code, what its names stand for, and what it may change.
    copies : code of arrays from outside, and where they are copied to first.
    gradients, arrays : what is bound after the launch: gradients to leaves, and arrays to what finds tensors.
    """

    def __init__(self, start: int, names: dict[str, Any], live: Live, boundary: list[Gradient]) -> None:
        self.start, self.names, self.live, self.boundary = start, names, live, boundary
        self.graph: Any = None
        self.effects: list[tuple[CodeType, dict[str, Any], list]] = []
        self.copies: list[tuple[CodeType, Any]] = []
        self.gradients: list[Gradient] = []
        self.arrays: list[tuple[Callable[[], Any], Any]] = []

    def describe(self) -> str:
        """What is in it, for people."""
        if self.graph is None:
            return "nothing to launch"
        from ..cuda.graphs import what_is_in

        inside = what_is_in(self.graph)
        return "a graph" if inside is None else f"a graph of {len(inside)}: {', '.join(inside)}"


class Apart:
    """An effect between graphs: its statement's code, the names that it uses, and where its result is copied to."""

    def __init__(self, text: str, code: CodeType, used: dict[str, Any], result: Any) -> None:
        self.text, self.code, self.used, self.result = text, code, used, result

    def describe(self) -> str:
        """What it is, for people."""
        return f"apart: {self.text}"


class Captured:
    """Everything of a capture that replays need."""

    def __init__(self, made: Any, statements: Sequence[Any], parts: list[Any], out: tuple) -> None:
        self.memory, self.inputs, self.parts = made.memory, made.inputs, parts
        self.scope = made.program.recorder.scope
        self.entries = list(made.entries.values())
        self._statements, self._result, self._out = statements, made.program.result, out
        self._moving = [(made.slots[name].find, array) for name, array in made.own.items()]
        self._fixed = {name: (made.slots[name], array) for name, array in made.fixed.items()}
        self._held = _guard(list(self._fixed.values()), self.scope)
        graphs = [part for part in parts if isinstance(part, Graph)]
        self._gradients = list({id(bound): bound for part in graphs for bound in part.gradients}.values())

    def holds(self) -> bool:
        """Whether the tensors around the step have the arrays that were captured, or can get them."""
        if not self._held():
            return False
        if any((entry.leaf.grad is None) is not (entry.tensor is None) for entry in self.entries):
            return False
        return all((tensor := find()) is not None and _alike(tensor.data, array) for find, array in self._moving)

    def replaced(self) -> list[str]:
        """The names of the arrays that are not where they were, but could be copied there."""
        found = {name: (slot.find(), array) for name, (slot, array) in self._fixed.items()}
        return [
            name
            for name, (tensor, array) in found.items()
            if tensor is not None and tensor.data is not array and _alike(tensor.data, array)
        ]

    def replay(self, arrays: Sequence[Any]) -> tuple[tuple, bool]:
        """The results, and whether the graphs can be used again."""
        from ..cuda.graphs import begin_launch, copy_over

        begin_launch()
        for place, array in zip(self.inputs, arrays, strict=True):
            copy_over(place, array)
        for bound in self._gradients:
            bound.let_go()
        for entry in self.entries:
            if entry.tensor is not None and entry.leaf.grad.data is not entry.tensor.data:
                copy_over(entry.tensor.data, entry.leaf.grad.data)
        for find, place in self._moving:
            tensor = find()
            if tensor.data is not place:
                copy_over(place, tensor.data)
                tensor.data = place
        for part in self.parts:
            if isinstance(part, Apart):
                self._do(part, copy_over)
            elif not self._launch(part, copy_over):
                return self._finish(part), False
        for find, place in self._moving:
            if find().data is not place:  # an effect after the last graph
                copy_over(place, find().data)
                find().data = place
        return tuple(map(_copied, self._out)), True

    def _launch(self, part: Graph, copy_over: Callable) -> bool:
        for bound in part.boundary:
            leaf, gradient = bound.leaf, bound.tensor
            if leaf.grad is not gradient:
                if leaf.grad is None or gradient is None:
                    return False
                copy_over(gradient.data, leaf.grad.data)
                leaf.grad = gradient
        for code, place in part.copies:
            copy_over(place, eval(code, self.scope))
        if part.effects:
            before = HostState(owner for _, _, owners in part.effects for owner in owners)
            try:
                with part.live.refreshed():
                    for code, used, _ in part.effects:
                        eval(code, self.scope, used)
            except Stale:
                before.restore()
                return False
        part.live.words.send(part.live.count)
        if part.graph is not None:
            part.graph.launch()
        for bound in part.gradients:
            bound.leaf.grad = bound.tensor
        for find, array in part.arrays:
            find().data = array
        return True

    def _do(self, part: Apart, copy_over: Callable) -> None:
        got = eval(part.code, self.scope, part.used)
        for place, value in zip(leaves(part.result), leaves(got), strict=True):
            if isinstance(place, Handle):
                place, value = place.data, value.data
            if is_array(place):
                if value.shape != place.shape or value.dtype != place.dtype:
                    raise CaptureError(
                        f"jit: {part.text.partition(' = ')[2]} gave {tuple(place.shape)} {place.dtype} when the step "
                        f"was captured and {tuple(value.shape)} {value.dtype} now; a step must not depend on it."
                    )
                copy_over(place, value)

    def _finish(self, part: Graph) -> tuple:
        """The results, where the rest of the step, from a part on, is executed as it is written."""
        names = dict(part.names)
        for statement in self._statements[part.start :]:
            exec(statement.code, self.scope, names)
        return eval(self._result, self.scope, names)


def _guard(fixed: list[tuple[Any, Any]], scope: dict[str, Any]) -> Callable[[], bool]:
    """Whether tensors around the step still have the same arrays, as one function."""
    names = {f"array{i}": array for i, (_, array) in enumerate(fixed)}
    conditions = " and ".join(f"{slot.source}.data is array{i}" for i, (slot, _) in enumerate(fixed))
    return eval(f"lambda: {conditions or True}", {**scope, **names})


def _alike(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a.shape == b.shape and a.dtype == b.dtype


def _copied(value: Any) -> Any:
    return value.copy() if is_array(value) else value
