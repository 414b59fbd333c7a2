"""What a captured step must do again each time it is replayed: update, draw random numbers, forget gradients.

On a GPU a replay is one launch of a graph, whose kernels have the arguments that they were captured with. What changes
from step to step on the host - a learning rate, the count of steps, a generator's position - is read by the kernels
from memory of the device, and written there before the launch: these are the *live numbers*.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from contextvars import ContextVar
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, overload

import numpy

__all__ = ["Capture", "InGraph", "LiveNumbers", "active_capture", "as_words", "live_numbers", "once", "replayed"]

P = ParamSpec("P")
R = TypeVar("R")


class Capture(Protocol):
    """What records the calls of a step, see `autodiff/capture.py`."""

    def effect(self, function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call the function now and in every replay."""
        ...

    def enter_module(self, module: Any) -> None:
        """A module is called: its tensors are read anew in every replay, and its mode is part of the capture."""
        ...

    def backward(self, sweep: Callable[[], Any], root: Any) -> None:
        """Run a backward pass, whose gradients are added to leaves in every replay."""
        ...


active_capture: ContextVar[Capture | None] = ContextVar("tinygrad_lite_capture", default=None)
"""The capture that is going on in this thread or task."""


class LiveNumbers(Protocol):
    """The numbers of a captured step that its effects find anew for each replay; see `autodiff/graphs.py`.

    A function that launches a kernel with such numbers does so in one of three ways:

        live = live_numbers.get()
        if live is None:
            launch(..., *numbers)           # by value
            return
        pointer = live.take(numbers, form)  # always, and always in the same order
        if not live.refreshing:
            launch(..., pointer)            # the kernel's other form, which reads them

    While `refreshing`, an effect does its work on the host (counters, schedules), takes its numbers and does nothing on
    the device: no launch, no copy, no new array. What it returns is not looked at. Other work on the device, without
    such numbers, goes into `once`.

    refreshing : whether the effects run once more, before a replay, to find the numbers of that replay.
    """

    refreshing: bool

    def take(self, values: Sequence[int | float], form: Hashable = None) -> Any:
        """The next numbers of the step, as an array `(n,)` in memory of the device that is the same in every replay.

        Each has 8 bytes: an int those of an int64 (of 2**63 and more, modulo 2**64), a float those of a float64. The
        array is of int64 if all are ints, else of float64, where an int among floats has its own 8 bytes all the same.

        form : what says which kernel is launched, and everything else on which the launch depends. If the form, the
            count or the types of the numbers are others in a replay, the step is captured anew: the graph's kernel is
            another one.
        """
        ...

    def once(self, work: Callable[[], R]) -> R:
        """The result of `work()`, which is called at the capture and not in replays; those get the same object."""
        ...

    def refuse(self, why: str) -> None:
        """Say that the effect that is running cannot be part of a graph: it is called as it is between two graphs.

        For work on the device with numbers from the host that is not a kernel of the form above. It goes on then, with
        numbers by value.
        """
        ...


live_numbers: ContextVar[LiveNumbers | None] = ContextVar("tinygrad_lite_live_numbers", default=None)
"""Where the kernels of a step that is captured as a graph have their numbers; None if they get them by value."""


def once(work: Callable[[], R]) -> R:
    """The result of `work()`, which is part of the graph if a step is captured, and not called again in its replays."""
    live = live_numbers.get()
    return work() if live is None else live.once(work)


def as_words(values: Sequence[int | float]) -> numpy.ndarray:
    """Live numbers as they lie in memory, `(n,)`: of int64 if all are ints, else of float64; see `LiveNumbers.take`."""
    if all(isinstance(value, float) for value in values):
        return numpy.array(values, numpy.float64)
    words = numpy.empty(len(values), numpy.int64)
    floats = words.view(numpy.float64)
    for i, value in enumerate(values):
        if isinstance(value, float):
            floats[i] = value
        else:
            words[i] = (int(value) + (1 << 63)) % (1 << 64) - (1 << 63)
    return floats if any(isinstance(value, float) for value in values) else words


InGraph = Literal["apart", "fixed", "refreshed", "forgets"]
"""What an effect is in a step that is captured as a graph; see `replayed`."""


@overload
def replayed(function: Callable[P, R]) -> Callable[P, R]: ...


@overload
def replayed(*, graph: InGraph, gradients: bool = True) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def replayed(function: Any = None, *, graph: InGraph = "apart", gradients: bool = True) -> Any:
    """Decorator: the function changes something or gives other results each time; replays call it again.

    graph : what becomes of it in a step that is captured as a graph:
        "apart": it is no part of a graph. The graph ends before it, and another begins after it.
        "fixed": it is captured. It has no state on the host but the arrays that it binds, and no numbers that change.
        "refreshed": it is captured, and called again before each replay, with `live_numbers` refreshing.
        "forgets": it sets gradients to None without looking at them, and nothing else.
    gradients : whether it may look at gradients; where nobody does, those from before the step are not kept for it.
    """

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            capture = active_capture.get()
            return function(*args, **kwargs) if capture is None else capture.effect(function, args, kwargs)

        function.in_graph = graph  # type: ignore[attr-defined]
        function.looks_at_gradients = gradients and graph != "forgets"  # type: ignore[attr-defined]
        return called

    return declare if function is None else declare(function)
