"""Captured steps on a GPU: the whole step as CUDA graphs, each of which is one launch.

The first call of a step runs it and writes a `Program`, as on the CPU. The second executes that program once more while
its work becomes a graph and is not done (`graph_capture.py`), and launches it, as do all later calls. So every call is
one step, and the first is the warm-up that compiles kernels and fills caches.

What a graph reads and writes lies at fixed places. Arguments are copied there before a launch and results copied out
after it; parameters and the optimizer's state are changed in place, where they are. Where a tensor around the step is
found with another array, or an optimizer would launch other kernels than those captured, the step is captured anew.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy

from ..core.errors import CaptureError
from .graph_capture import Again, capture
from .graph_replay import Captured
from .host import HostState
from .program import Program
from .recorder import Recorder

__all__ = ["GRAPHS", "GraphProgram"]

GRAPHS = 16
"""How many programs of one function have graphs, and so memory of their own; the least recently used gives its up."""

AGAIN = 32
"""How often a capture is repeated at most, each time with something that the one before found out."""

WASTED = 4
"""After so many captures one after the other that served for one launch at most, a step is no longer captured."""


class GraphProgram(Program):
    """A captured step of CuPy's arrays.

    `print(program)` shows the program, and what is in its graphs.
    """

    def __init__(self, recorder: Recorder, inputs: int, out: Any, recent: list[GraphProgram]) -> None:
        super().__init__(recorder, inputs, out)
        self.recorder = recorder
        self.leaves = [*recorder.leaves]
        self.moving: set[str] = set()
        self.capacity = 64
        self._recent = recent
        self._replaced: set[str] = set()
        self._captured: Captured | None = None
        self._launches = 0
        self._wasted = 0 if len(recorder.devices) == 1 else WASTED  # a graph is of one device
        self._lock = threading.Lock()

    def replay(self, arrays: list[Any]) -> tuple:
        with self._lock, self.backend.on(min(self.recorder.devices)):
            _keep(self._recent, self)
            arrays = [self.backend.asarray(x) if type(x) is numpy.ndarray else x for x in arrays]
            if self._wasted >= WASTED:
                return self._run(*arrays)
            captured = self._fitting(arrays)
            self._launches += 1
            found, usable = captured.replay(arrays)
            if not usable:
                self._forget()
            return found

    def release(self) -> None:
        """Give up the graphs and their memory; the next call captures anew."""
        self._captured = None

    def _fitting(self, arrays: list[Any]) -> Captured:
        """The graphs, captured anew if they do not fit what is around the step now."""
        captured = self._captured
        if captured is not None and captured.holds():
            return captured
        for owner in self.owners:  # parameters move back to where they were, though others were bound to them
            for flat in getattr(owner, "groups", ()):
                if hasattr(flat, "take_in"):
                    flat.take_in()
        if captured is not None:
            if captured.holds():
                return captured
            replaced = captured.replaced()
            self.moving.update(name for name in replaced if name in self._replaced)  # not for the first time
            self._replaced.update(replaced)
            self._forget()
        self._captured = self._capture(arrays)
        return self._captured

    def _forget(self) -> None:
        self._wasted = self._wasted + 1 if self._launches <= 1 else 0
        self._captured, self._launches = None, 0

    def _capture(self, arrays: list[Any]) -> Captured:
        tensors = [tensor for watched in self.watched.values() if (tensor := watched.find()) is not None]
        objects = [owner for effect in self.recorder.effects.values() for owner in effect.owners]
        for _ in range(AGAIN):
            before = HostState([*objects, *(module for module, _ in self.modes)], self.leaves, tensors)
            try:
                return capture(self, arrays)
            except Again:
                continue
            finally:
                before.restore()
        raise CaptureError(
            f"jit: the step is another one each time that it is captured. The program is:\n{self.source}"
        )

    def __str__(self) -> str:
        if self._captured is None:
            return f"{self.source}# {'no graph' if self._wasted >= WASTED else 'no graph yet'}\n"
        return self.source + "".join(f"# {part.describe()}\n" for part in self._captured.parts)


def _keep(recent: list[GraphProgram], program: GraphProgram) -> None:
    """Note that a program is used; of more than `GRAPHS` the least recent gives up its graphs."""
    if recent and recent[-1] is program:
        return
    recent[:] = [*(other for other in recent if other is not program), program]
    while len(recent) > GRAPHS:
        recent.pop(0).release()
