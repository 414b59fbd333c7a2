"""One capture of a program as CUDA graphs: its statements are executed once more while their work is not done.

Nothing is changed by a capture: what the statements do on the host is put back afterwards (`host.py`), and on the
device they do nothing. Effects that cannot be part of a graph are left out; the graph ends before one and another
begins after it, and what it returns is copied to the place where the next graph reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import CodeType
from typing import TYPE_CHECKING, Any

from ..core.backend import backend_of
from ..core.effects import live_numbers
from ..core.errors import CaptureError
from ..core.graph import Handle, as_array, source_line, wrap
from ..core.tree import map_leaves
from .graph_replay import Apart, Captured, Gradient, Graph, Stale
from .recorded import is_array
from .recorder import Effect, is_gradient

if TYPE_CHECKING:
    from .graphs import GraphProgram

__all__ = ["Again", "capture"]


_NAMES = re.compile(r"\b[rtx][0-9]+\b")


class Again(Exception):
    """The capture must be repeated, with what it found out: an effect that is to be apart, more room for numbers."""


class _Untouched:
    """Stands for a leaf's gradient until somebody looks at it."""


class _Statement:
    """A statement of a program: its text and code, the effect that it is, and whether it reads a tensor's array."""

    def __init__(self, line: str, effects: dict[str, Effect]) -> None:
        self.text = line.split("  # ")[0]
        self.code = compile(self.text, "<tinygrad_lite captured step>", "exec")
        self.effect = effects.get(self.text)
        self.name, _, self.value = self.text.partition(" = ")
        self.reads = self.name[0] == "t" and self.value.endswith(".data")
        self.works = not self.reads and not self.text.startswith("del ")

    def called(self) -> CodeType:
        """The code of the value alone."""
        return compile(self.value, "<tinygrad_lite captured step>", "eval")

    def used(self, names: dict[str, Any]) -> dict[str, Any]:
        """What the names in it stand for."""
        return {name: names[name] for name in _NAMES.findall(self.value) if name in names}

    @property
    def function(self) -> str:
        """What it calls."""
        return self.value.partition("(")[0] if self.value else self.text.partition("(")[0]


class Live:
    """The live numbers of one graph; see `core/effects.py`.

    constant : whether the effect that runs is not called again, and so takes numbers that stay as they are.
    """

    def __init__(self, capacity: int) -> None:
        from ..cuda.graphs import Words

        self.words, self.capacity = Words(capacity), capacity
        self.refreshing = self.constant = False
        self.count = 0  # of words
        self._taken: list[tuple[int, tuple[bool, ...], Hashable]] = []
        self._kept: list[Any] = []
        self._place = self._turn = 0

    def take(self, values: Sequence[int | float], form: Hashable = None) -> Any:
        kinds = tuple([isinstance(value, float) for value in values])
        if self.refreshing:
            if self._place == len(self._taken) or self._taken[self._place][1:] != (kinds, form):
                raise Stale
            start = self._taken[self._place][0]
            self._place += 1
            return self.words.put(start, values)
        start, self.count = self.count, self.count + len(values)
        if self.count > self.capacity:
            raise _Full
        if not self.constant:
            self._taken.append((start, kinds, form))
        return self.words.put(start, values)

    def once(self, work: Callable[[], Any]) -> Any:
        if self.refreshing:
            self._turn += 1
            if self._turn > len(self._kept):
                raise Stale
            return self._kept[self._turn - 1]
        result = work()
        if not self.constant:
            self._kept.append(result)
        return result

    def refuse(self, why: str) -> None:
        raise Stale if self.refreshing else _Refused(why)

    @contextmanager
    def refreshed(self) -> Iterator[None]:
        """Within the block, effects find the numbers of the next launch. Stale if they want others than before."""
        self._place = self._turn = 0
        token = live_numbers.set(self)
        self.refreshing = True
        try:
            yield
        finally:
            self.refreshing = False
            live_numbers.reset(token)
        if self._place < len(self._taken) or self._turn < len(self._kept):
            raise Stale


class _Refused(Exception):
    """The effect that runs cannot be part of a graph."""


class _Full(Exception):
    """There are more numbers than there is room for."""


class _Capture:
    """The state of a capture.

    names : what the names of the program stand for so far; arrays at fixed places.
    entries : leaves whose gradients from before the step are used, with those that they are copied to.
    slots : tensors around the step by the names of their arrays. own : the arrays of those that the step binds anew.
    gradients, data : what is bound to leaves and tensors, as far as parts have said so.
    """

    def __init__(self, program: GraphProgram, arrays: Sequence[Any]) -> None:
        from ..cuda.graphs import GraphMemory

        self.program, self.memory = program, GraphMemory()
        self.inputs = [self.memory.empty_like(array) for array in arrays]
        self.names: dict[str, Any] = dict(zip(program.inputs, self.inputs, strict=True))
        self.scope = {**program.recorder.scope, "accumulate": self._accumulate}
        self.before = {leaf: leaf.grad for leaf in program.leaves}
        self.entries: dict[Any, Gradient] = {}
        self.gradients: dict[Any, Gradient] = {}
        found = {watched.name: watched for key, watched in program.watched.items() if not is_gradient(key)}
        self.slots = {name: slot for name, slot in found.items() if _is_there(slot.find())}
        self.own: dict[str, Any] = {}
        self.read: set[str] = set()
        for name in program.moving:
            tensor = self.slots[name].find()
            tensor.data = self.own[name] = self.memory.empty_like(tensor.data)
        self.data = {name: slot.find().data for name, slot in self.slots.items()}
        self.fixed = {name: array for name, array in self.data.items() if name not in self.own}
        for leaf in program.leaves:
            leaf.grad = _Untouched()

    # Gradients from before the step

    def _resolve(self, leaf: Any) -> None:
        """Somebody looks at the gradient that a leaf had before the step."""
        before = self.before[leaf]
        entry = None if before is None else wrap(self.memory.empty_like(before.data), None)
        self.entries[leaf] = self.gradients[leaf] = Gradient(leaf, entry)
        leaf.grad = entry

    def _resolve_all(self) -> None:
        for leaf in self.program.leaves:
            if type(leaf.grad) is _Untouched:
                self._resolve(leaf)

    def _accumulate(self, leaf: Any, array: Any) -> None:
        if type(leaf.grad) is _Untouched:
            self._resolve(leaf)
        gradient = wrap(as_array(array), None)
        leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient

    # Statements

    def run(self) -> Captured:
        statements = [_Statement(line, self.program.recorder.effects) for line in self.program.lines]
        parts: list[Any] = []
        group: list[_Statement] = []
        for i, statement in enumerate(statements):
            if statement.effect is not None and statement.effect.in_graph == "apart":
                self._graph(parts, group, i - len(group))
                parts.append(self._apart(statement, i))
                group = []
            else:
                group.append(statement)
        self._graph(parts, group, len(statements) - len(group), last=True)
        return Captured(self, statements, parts, eval(self.program.result, self.scope, self.names))

    def _graph(self, parts: list[Any], group: list[_Statement], start: int, last: bool = False) -> None:
        """Capture a group of statements, and add it to the parts."""
        if not group:
            return
        part = Graph(start, dict(self.names), Live(self.program.capacity), self._boundary() if parts else [])
        working = any(statement.works for statement in group)
        try:
            with self.memory.captured() if working else nullcontext([None]) as made:
                for statement in group:
                    self._execute(statement, part, bool(parts))
                if last and working:
                    self._fold()
        except _Full:
            self.program.capacity *= 4
            raise Again from None
        part.graph = made[0]
        part.gradients, part.arrays = self._bindings()
        parts.append(part)

    def _execute(self, statement: _Statement, part: Graph, later: bool) -> None:
        effect = statement.effect
        if ".grad.data" in statement.text or (effect is not None and effect.looks_at_gradients):
            self._resolve_all()
        part.live.constant = effect is not None and effect.in_graph != "refreshed"
        token = live_numbers.set(part.live if effect is not None else None)
        try:
            exec(statement.code, self.scope, self.names)
        except _Refused:
            assert effect is not None, "only effects have live numbers"
            effect.in_graph = "apart"
            raise Again from None
        except (_Full, Again):
            raise
        except Exception as error:
            raise CaptureError(
                f"jit: {statement.function} cannot be part of a CUDA graph ({type(error).__name__}: {error}). Take it "
                f"out of the step, or do not capture it. It is called at {self._place(statement)}"
            ) from error
        finally:
            live_numbers.reset(token)
        if effect is not None and effect.in_graph == "refreshed":
            part.effects.append((statement.called(), statement.used(self.names), effect.owners))
        if statement.reads and ".grad.data" not in statement.text:
            if statement.name in self.read and later:  # an effect between graphs has bound another, as it will again
                self.names[statement.name] = self.memory.empty_like(self.names[statement.name])
                part.copies.append((statement.called(), self.names[statement.name]))
            self.read.add(statement.name)

    def _place(self, statement: _Statement) -> str:
        place = self.program.recorder.places.get(statement.text)
        return "an unknown place" if place is None else source_line(*place)

    def _apart(self, statement: _Statement, i: int) -> Apart:
        assert statement.effect is not None, "what is apart is an effect"
        result = self._at_fixed_places(statement.effect.result)
        used = statement.used(self.names)
        self.names[statement.name] = result
        return Apart(statement.text, statement.called(), used, result)

    def _at_fixed_places(self, value: Any) -> Any:
        if is_array(value):
            return self.memory.empty_like(value)
        if isinstance(value, Handle):
            return wrap(self.memory.empty_like(value.data), None)
        if isinstance(value, (list, tuple, dict)):
            return map_leaves(self._at_fixed_places, value)
        return value

    # What is bound to tensors

    def _boundary(self) -> list[Gradient]:
        """The gradients that the step has bound so far."""
        return [self._gradient(leaf) for leaf in self.program.leaves if type(leaf.grad) is not _Untouched]

    def _gradient(self, leaf: Any) -> Gradient:
        known = self.gradients.get(leaf)
        if known is None or known.tensor is not leaf.grad:
            known = self.gradients[leaf] = Gradient(leaf, leaf.grad)
        return known

    def _fold(self) -> None:
        """Copy what the next step begins with to where it is read."""
        for leaf, entry in self.entries.items():
            if entry.tensor is not None and leaf.grad is not None and leaf.grad.data is not entry.tensor.data:
                entry.tensor.data[...] = leaf.grad.data
                leaf.grad, self.gradients[leaf] = entry.tensor, entry
        for name, array in self.own.items():
            tensor = self.slots[name].find()
            if tensor.data is not array:
                array[...] = tensor.data
                tensor.data = array

    def _bindings(self) -> tuple[list[Gradient], list[tuple[Any, Any]]]:
        """The gradients that are bound, and what was bound to tensors around the step since the last time."""
        arrays = []
        for name, slot in self.slots.items():
            tensor = slot.find()
            if self.data[name] is not tensor.data:
                if name not in self.own:
                    self.program.moving.add(name)  # the next step begins with what this one binds
                    raise Again
                arrays.append((slot.find, tensor.data))
                self.data[name] = tensor.data
        return self._boundary(), arrays


def _is_there(tensor: Handle | None) -> bool:
    """Whether there is a tensor, and it is on a device."""
    return tensor is not None and backend_of(tensor.data).asynchronous


def capture(program: GraphProgram, arrays: Sequence[Any]) -> Captured:
    """The program as graphs, for arrays like these. Changes things on the host, which the caller puts back.

    Raises CaptureError for a statement that cannot be captured, Again where it must be called once more.
    """
    return _Capture(program, arrays).run()
