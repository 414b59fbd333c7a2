"""Nested lists, tuples and dicts of arrays, flattened and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["leaves", "map_leaves", "unflatten"]


def leaves(tree: Any) -> list[Any]:
    """The leaves of `tree` in order: anything that is not a list, tuple or dict; None is no leaf."""
    found: list[Any] = []
    map_leaves(found.append, tree)
    return found


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """A tree of the same structure with `function` applied to each leaf; dicts in order of insertion."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return type(tree)((key, map_leaves(function, value)) for key, value in tree.items())
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_leaves(function, value) for value in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(map_leaves(function, value) for value in tree)
    return function(tree)


def unflatten(tree: Any, values: Iterator[Any]) -> Any:
    """A tree of the structure of `tree` whose leaves are the next `values`."""
    return map_leaves(lambda _: next(values), tree)
