"""How a kernel goes through arrays: which axes it can take as one, and what it reads at a time.

Axes of which every array's memory goes on where the next one ends are one axis. Where one remains, a kernel needs no
coordinates, whatever the arrays' shapes and the order of their axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy

__all__ = ["Layout", "pack_width"]

NARROW = 1 << 30
"""Elements, and offsets of elements, up to which 32 bits do for an index that may go a step too far."""


class Layout:
    """How the results of a kernel lie in memory, and how its inputs are read beside them.

    shapes : those of the inputs, which broadcast. strides : theirs, in bytes. sizes : of their elements, in bytes.
    ValueError for shapes that do not broadcast.

    shape : of the results. order : their axes from the outermost to the innermost, as those of the first input that
        fills its memory in some order; None for the usual order.
    count : elements of a result.
    axes : for each axis that remains, its length and the inputs' strides, in elements; the results have none left out.
    """

    def __init__(
        self, shapes: Sequence[tuple[int, ...]], strides: Sequence[tuple[int, ...]], sizes: Sequence[int]
    ) -> None:
        self.shape: tuple[int, ...] = numpy.broadcast_shapes(*shapes)
        self.count = prod(self.shape)
        self.order = self._find_order(shapes, strides, sizes)
        steps = []
        for shape, step, size in zip(shapes, strides, sizes, strict=True):
            missing = len(self.shape) - len(shape)
            steps.append([0] * missing + [0 if n == 1 else s // size for n, s in zip(shape, step, strict=True)])
        order = range(len(self.shape)) if self.order is None else self.order
        self.axes: list[tuple[int, tuple[int, ...]]] = []
        for axis in order:
            length, own = self.shape[axis], tuple(step[axis] for step in steps)
            if length == 1:
                continue
            if self.axes and all(before == s * length for before, s in zip(self.axes[-1][1], own, strict=True)):
                self.axes[-1] = (self.axes[-1][0] * length, own)
            else:
                self.axes.append((length, own))
        inner = self.axes[-1][1] if self.axes else (0,) * len(sizes)
        self.flat = len(self.axes) <= 1 and all(s in (0, 1) for s in inner)
        self.ones = [all(own[i] == 0 for _, own in self.axes) for i in range(len(sizes))]
        # For each input how often its first element of a row is aligned: the elements that all steps are multiples of.
        self._outer = [[abs(own[i]) for _, own in self.axes[:-1]] for i in range(len(sizes))]
        reach = max([sum(abs(own[i]) * (n - 1) for n, own in self.axes) for i in range(len(sizes))], default=0)
        self.wide = max(self.count, reach) >= NARROW

    def _find_order(
        self, shapes: Sequence[tuple[int, ...]], strides: Sequence[tuple[int, ...]], sizes: Sequence[int]
    ) -> tuple[int, ...] | None:
        for shape, step, size in zip(shapes, strides, sizes, strict=True):
            if shape == self.shape and self.count:
                order = sorted(range(len(shape)), key=lambda i: (-step[i], i))
                due = size
                for axis in reversed(order):
                    if shape[axis] != 1 and step[axis] != due:
                        break
                    due *= shape[axis]
                else:
                    long = [axis for axis in order if shape[axis] != 1]
                    return None if long == sorted(long) else tuple(order)
        return None

    def reads(self, width: int, sizes: Sequence[int]) -> tuple[str, ...] | None:
        """How the inputs are read by packs of `width` elements, as `Form.reads`; None if they cannot."""
        if self.flat:
            return tuple("one" if one else "pack" for one in self.ones)
        length, inner = self.axes[-1]
        if length % width:
            return None
        found = []
        for one, step, outer, size in zip(self.ones, inner, self._outer, sizes, strict=True):
            aligned = min(width, 16 // size)
            if width > 1 and (step not in (0, 1) or (step == 1 and any(s % aligned for s in outer))):
                return None
            found.append("one" if one else "row" if step == 0 else "pack")
        return tuple(found)

    def structure(self, width: int) -> Any:
        """The argument of a kernel that computes coordinates, see `cuda.kernel_text`."""
        index, signed = ("u8", "i8") if self.wide else ("u4", "i4")
        rank, inputs = len(self.axes), len(self.ones)
        fields: list[Any] = [("packs", "i8"), ("sizes", index, (rank,)), ("strides", signed, (inputs, rank))]
        made = numpy.zeros((), numpy.dtype(fields, align=True))
        made["packs"] = self.count // width
        made["sizes"] = [n for n, _ in self.axes[:-1]] + [self.axes[-1][0] // width]
        steps = [list(own) for _, own in self.axes]
        steps[-1] = [s * width for s in steps[-1]]
        made["strides"] = numpy.transpose(steps)
        return made[()]

    def empty(self, xp: Any, dtype: numpy.dtype) -> Any:
        """New memory for a result."""
        if self.order is None:
            return xp.empty(self.shape, dtype=dtype)
        made = xp.empty(tuple(self.shape[axis] for axis in self.order), dtype=dtype)
        return xp.transpose(made, sorted(range(len(self.order)), key=self.order.__getitem__))


def pack_width(sizes: Sequence[int]) -> int:
    """Elements of a pack, for arrays whose elements have these sizes in bytes: 16 bytes of the narrowest.

    Single bytes count only among themselves: beside float32 four of them are read at once, as four numbers are.
    """
    return 16 // min([size for size in sizes if size > 1], default=1)
