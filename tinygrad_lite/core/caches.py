"""Caches that hold memory of a device: plans, workspaces. They are emptied when memory runs out, or when asked to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["empty_caches", "on_empty"]

F = TypeVar("F", bound=Callable[[], object])

_EMPTY: list[Callable[[], object]] = []


def on_empty(function: F) -> F:
    """Decorator: call the function when caches are to be emptied. It lets go of whatever can be made again."""
    _EMPTY.append(function)
    return function


def empty_caches() -> None:
    """Let every cache go of what it holds."""
    for function in list(_EMPTY):
        function()
