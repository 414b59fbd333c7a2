"""Indexing on batches: the index of one example becomes an index into the array of all of them."""

from __future__ import annotations

from typing import Any

import numpy

from ..core.errors import BatchError
from .rules import Call

__all__ = ["Index"]


class Index:
    """What an index into one example, of `ndim` axes, becomes for all examples of a batch.

    parts : the index into the array of all examples.
    order : the axes of what it picks there in the order in which NumPy would give those of an example, batch first.
    """

    def __init__(self, call: Call, index: Any, ndim: int) -> None:
        self.call = call
        parts = _without_ellipsis(index if isinstance(index, tuple) else (index,), ndim)
        if any(_is_array(part) for part in parts):
            self._advanced(parts)
        else:
            self.parts: tuple = (slice(None), *parts)
            self.order = tuple(range(1 + sum(not isinstance(part, int) for part in parts)))

    def _advanced(self, parts: list[Any]) -> None:
        """NumPy puts the axes of index arrays in the place of the first, and in front if others lie between them."""
        parts = [array for part in parts for array in self._numbers(part)]
        chosen = [i for i, part in enumerate(parts) if _is_array(part) or isinstance(part, int)]
        together = chosen == list(range(chosen[0], chosen[-1] + 1))
        depth = max(len(getattr(parts[i], "shape", ())) for i in chosen)
        rest = len(parts) - len(chosen)
        first = chosen[0] if together else 0
        if any(self.call.batched(part) for part in parts):
            # With the number of the example as one more index array in front, their axes come first, the batch too.
            numbers = self.call.reshape(self.call.xp.arange(self.call.size), self.call.size, *(1,) * depth)
            self.parts = (numbers, *(self.call.aligned(part, depth) for part in parts))
            before = range(1 + depth, 1 + depth + first)
            self.order = (0, *before, *range(1, 1 + depth), *range(1 + depth + first, 1 + depth + rest))
        else:
            self.parts = (slice(None), *parts)
            axes = range(1 + depth + rest)
            self.order = tuple(axes) if together else (depth, *(i for i in axes if i != depth))

    def _numbers(self, part: Any) -> list[Any]:
        """An index of booleans as the indices of integers that it stands for."""
        if "bool" not in str(getattr(part, "dtype", "")):
            return [part]
        if not len(part.shape):
            raise BatchError("an index True or False is none that vmap can compute with; use None or where().")
        if self.call.batched(part):
            raise BatchError(
                "an index of booleans that differs between the examples picks another number of elements in each, and "
                "vmap needs equal shapes; use where()."
            )
        # A mask of main memory stays there: what is indexed may be on a device.
        return list((numpy if type(part) is numpy.ndarray else self.call.xp).nonzero(part))

    def ordered(self, picked: Any) -> Any:
        """What the index picked, with the axes as NumPy would give them for each example."""
        in_order = self.order == tuple(range(len(self.order)))
        return picked if in_order else self.call.xp.permute_dims(picked, self.order)

    def values(self, values: Any) -> Any:
        """Values for what the index picks, so that they broadcast with it."""
        if not len(getattr(values, "shape", ())) and not self.call.batched(values):
            return values
        ndim = len(self.order) - 1
        if not self.call.batched(values):
            shape = tuple(values.shape)
            while len(shape) > ndim and shape[0] == 1:  # as NumPy has it in assignments
                shape = shape[1:]
            aligned = self.call.reshape(values, *(1,) * (ndim + 1 - len(shape)), *shape)
        else:
            aligned = self.call.aligned(values, ndim)
        back = tuple(self.order.index(axis) for axis in range(len(self.order)))
        return self.call.xp.permute_dims(aligned, back)


def _is_array(part: Any) -> bool:
    return hasattr(part, "shape")


def _without_ellipsis(parts: tuple, ndim: int) -> list[Any]:
    """The parts with a slice for every axis that `...`, or nothing, stands for."""
    used = 0
    for part in parts:
        if isinstance(part, bool):
            raise BatchError("an index True or False is none that vmap can compute with; use None or where().")
        mask = "bool" in str(getattr(part, "dtype", ""))
        used += 0 if part is None or part is Ellipsis else len(part.shape) if mask else 1
    missing = [slice(None)] * (ndim - used)
    found: list[Any] = []
    for part in parts:
        found += missing if part is Ellipsis else [part]
    return found if any(part is Ellipsis for part in parts) else found + missing
