"""A captured step as straight-line Python: calls of an array library and of kernels, one after the other."""

from __future__ import annotations

import linecache
import re
import weakref
from typing import Any

import numpy

from ..core.graph import Handle, Leaf, as_array, node_of, wrap
from ..core.tree import leaves, map_leaves, unflatten
from .recorded import Recorded
from .recorder import Recorder, is_gradient

__all__ = ["NAMES", "Program"]


class Program:
    """A captured step: its source, and what must be as it was.

    inputs, lines, result : names of its arguments, its statements, and the expression of what it returns.
    source : all of it as a function; `print(program)` shows it.
    """

    def __init__(self, recorder: Recorder, inputs: int, out: Any) -> None:
        self.modes, self.owners, self.watched = recorder.modes, recorder.owners, recorder.watched
        self.backend = recorder.backend
        around = [watched.find for key, watched in self.watched.items() if not is_gradient(key)]
        self._around = [(find, _as_used(find())) for find in around]
        self._out = map_leaves(lambda value: isinstance(value, Handle), out)
        results = [self._result(recorder, value) for value in leaves(out)]
        self.inputs = [f"x{i}" for i in range(inputs)]
        self.result = f"({', '.join([*results, ''])})" if results else "()"
        self.lines, most = _with_ends(_needed(recorder.lines, results), self.result, recorder.arrays)
        head = f"def program({', '.join(self.inputs)}):  # its own arrays take up to {most / 1e6:.3g} MB at a time"
        self.source = "\n    ".join([head, *self.lines, f"return {self.result}"]) + "\n"
        scope, made = recorder.scope, {}
        filename = f"<tinygrad_lite captured step {id(self):x}>"
        exec(compile(self.source, filename, "exec"), scope, made)
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(keepends=True), filename)
        weakref.finalize(self, linecache.cache.pop, filename, None).atexit = False
        self._run = made["program"]

    @staticmethod
    def _result(recorder: Recorder, value: Any) -> str:
        if isinstance(value, Handle) and isinstance(value.data, Recorded):
            return value.data.name
        return recorder.expression(value)

    def fits(self) -> bool:
        """Whether modules are in the same mode, and tensors around the step are as they were but for their elements."""
        if not all([module.training == training for module, training in self.modes]):
            return False
        return all([_as_used(find()) == used for find, used in self._around])

    def is_over(self) -> bool:
        """Whether it will never fit again: gradients of a tensor that it used now go to another leaf, or nowhere."""
        kept = [(used[0], find()) for find, used in self._around if used is not None and used[0] is not None]
        return any([node_of(tensor) is not node for node, tensor in kept])

    def __call__(self, arrays: list[Any]) -> Any:
        """Replay with other arrays of the same shapes and dtypes."""
        found = self.replay(arrays)
        if self._out is True:
            return _as_result(True, found[0])
        return unflatten(self._out, map(_as_result, leaves(self._out), found))

    def replay(self, arrays: list[Any]) -> tuple:
        """The results as arrays of their own."""
        return self._run(*arrays)

    def __str__(self) -> str:
        return self.source


def _as_used(tensor: Any) -> tuple | None:
    """What a program depends on of a tensor around it: where gradients go, shape and dtype; None if there is none."""
    if tensor is None:
        return None
    node, data = tensor.node, tensor.data
    return node if type(node) is Leaf else None, data.shape, data.dtype


def _as_result(tensor: bool, value: Any) -> Any:
    if isinstance(value, Handle):  # a constant of the program, which nobody outside may change
        return wrap(value.data.copy(), None)
    return wrap(as_array(value), None) if tensor else value


def _needed(lines: list[str], results: list[str]) -> list[str]:
    """The statements without those that read an array that is not used before it is read again."""
    kept: list[str] = []
    used = set(NAMES.findall(" ".join(results)))
    for line in reversed(lines):
        name, _, value = line.partition(" = ")
        if name[0] == "t" and value.endswith(".data"):
            if name in used:
                used.discard(name)
                kept.append(line)
        else:
            used.update(NAMES.findall(line))
            kept.append(line)
    return kept[::-1]


def _with_ends(lines: list[str], result: str, arrays: dict[str, numpy.ndarray]) -> tuple[list[str], int]:
    """The statements, with what is not needed any more forgotten after its last use.

    arrays : by the names of results, arrays like those that they will be.
    Returns the lines and the bytes that the arrays take at most at a time.
    """
    last: dict[str, int] = {}
    for i, line in enumerate([*lines, result]):
        for name in NAMES.findall(line):
            last[name] = i
    ends: dict[int, list[str]] = {}
    for name, i in last.items():
        if i < len(lines):
            ends.setdefault(i, []).append(name)
    body = []
    now = most = 0
    for i, line in enumerate(lines):
        made = arrays.get(line.partition(" = ")[0])
        if made is not None:
            now += made.nbytes
            most = max(most, now)
            line += f"  # {made.shape} {made.dtype}"
        body.append(line)
        if i in ends:
            body.append(f"del {', '.join(ends[i])}")
            now -= sum(arrays[name].nbytes for name in ends[i] if name in arrays)
    return body, most


NAMES = re.compile(r"\b[rt][0-9]+\b")
"""What a statement calls results and tensors of the surroundings."""
