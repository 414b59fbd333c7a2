"""What a captured step must do again each time it is replayed: update, draw random numbers, forget gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, TypeVar

__all__ = ["Capture", "active_capture", "replayed"]

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


def replayed(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: the function changes something or gives other results each time; replays call it again."""

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        capture = active_capture.get()
        return function(*args, **kwargs) if capture is None else capture.effect(function, args, kwargs)

    return called
