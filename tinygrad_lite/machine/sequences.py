"""Loops of machine code one after the other for each item, so that what lies between them stays in the cache.

Attention, for example, is for each head a product, a kernel of rows, another product and another kernel of rows. Each
is a loop of its own, of `rows.py` or `products.py`, on parts of what the whole is given.
"""

from __future__ import annotations

from typing import Any

import numpy

from .products import product_code
from .rows import RowKernel
from .team import shared
from .ufuncs import machine_ufunc, where_possible
from .x86 import R12, RAX, RBP, RBX, RDI, RDX, RSI, RSP, Assembler, Memory

__all__ = ["LoopSequence", "shifted_product_ufunc"]

Stride = tuple[int, str] | None
"""An operand and one of its axes; None for no stride."""


class LoopSequence:
    """What is done with each item: an index of the axes in front of those that the signature names.

    dtype : float32 or float64. signature : as of a generalized ufunc, axes by their names. shared : elements, the
    product of all axes' lengths, from which on threads share the items.

    The last axis of every operand is contiguous. Operands of several loops may be results of those before.

    >>> from tinygrad_lite.machine.ufuncs import available
    >>> both = LoopSequence("float64", "(m,k),(k,n),(p,n)->(m,n),(m,p)", 10_000)
    >>> both.product((0, "m", "k"), (1, "k", "n"), 3)
    >>> both.product((3, "m", "n"), (2, "n", "p"), 4)  # its third operand the other way round
    >>> x, y, z = numpy.ones((2, 3)), numpy.ones((3, 4)), numpy.ones((5, 4))
    >>> both.ufunc("both")(x, y, z)[1][0] if available() else numpy.full(5, 12.0)
    array([12., 12., 12., 12., 12.])
    """

    def __init__(self, dtype: Any, signature: str, shared: int) -> None:
        self.dtype, self.signature, self.shared = numpy.dtype(dtype), signature, shared
        inputs, results = (
            [part.strip("()").split(",") for part in side.split("),(")] for side in signature.split("->")
        )
        self.inputs = len(inputs)
        self.axes = [[axis for axis in operand if axis] for operand in (*inputs, *results)]
        self.names = list(dict.fromkeys(axis for operand in self.axes for axis in operand))
        self.loops: list[tuple[bytes, list[str | int], list[int], list[Stride]]] = []

    def product(self, x: tuple[int, str, str], y: tuple[int, str, str], out: int) -> None:
        """out = x y, of operands with their axes in the order of the product's."""
        (a, m, k), (b, _, n) = x, y
        strides: list[Stride] = [None, None, None, (a, m), (a, k), (b, k), (b, n), (out, m), (out, n)]
        self.loops.append((product_code(self.dtype), [1, m, k, n], [a, b, out], strides))

    def rows(self, kernel: RowKernel, over: str, along: str, operands: list[int]) -> None:
        """A kernel of rows for all of one axis, along another; operands without the first are the same for all."""
        strides: list[Stride] = [(i, over) if over in self.axes[i] else None for i in operands]
        self.loops.append((kernel.code(), [over, along], operands, strides))

    def ufunc(self, name: str) -> Any:
        """The generalized ufunc."""
        code = shared(self._code(), len(self.axes), 1 + len(self.names), least=self.shared)
        return machine_ufunc(name, code, [self.dtype] * len(self.axes), self.inputs, self.signature)

    def _code(self) -> bytes:
        """The loop: RBX has the strides' address, R12 how many items are to come; the stack has the operands' places
        and, for each loop, what it is given."""
        code, count = Assembler(), len(self.axes)
        places, frame = [], 8 * count
        for _, lengths, operands, strides in self.loops:
            places.append((frame, frame + 8 * len(operands), frame + 8 * (len(operands) + len(lengths))))
            frame = places[-1][2] + 8 * len(strides)
        code.save()
        code.move(RBP, RSP)
        code.add_number(RSP, -frame)
        code.move(RBX, RDX)
        code.load(R12, Memory(RSI))
        for i in range(count):
            code.load(RAX, Memory(RDI, offset=8 * i))
            code.store(RAX, Memory(RSP, offset=8 * i), 8)
        for (_, lengths, _, strides), (_, to_lengths, to_strides) in zip(self.loops, places, strict=True):
            for i, length in enumerate(lengths):
                if isinstance(length, str):
                    code.load(RAX, Memory(RSI, offset=8 * (1 + self.names.index(length))))
                else:
                    code.set_number(RAX, length)
                code.store(RAX, Memory(RSP, offset=to_lengths + 8 * i), 8)
            for i, stride in enumerate(strides):
                if stride is None:
                    code.set_number(RAX, 0)
                else:
                    code.load(RAX, Memory(RDX, offset=8 * self._place(*stride)))
                code.store(RAX, Memory(RSP, offset=to_strides + 8 * i), 8)
        code.label("item")
        code.add_number(R12, -1)
        code.jump("end", "<")
        for number, ((_, _, operands, _), (to, lengths, strides)) in enumerate(zip(self.loops, places, strict=True)):
            for i, operand in enumerate(operands):
                code.load(RAX, Memory(RSP, offset=8 * operand))
                code.store(RAX, Memory(RSP, offset=to + 8 * i), 8)
            for register, place in ((RDI, to), (RSI, lengths), (RDX, strides)):
                code.find(register, Memory(RSP, offset=place))
            code.call_label(f"loop {number}")
        for i in range(count):
            code.load(RAX, Memory(RBX, offset=8 * i))
            code.add(RAX, Memory(RSP, offset=8 * i))
            code.store(RAX, Memory(RSP, offset=8 * i), 8)
        code.jump("item")
        code.label("end")
        code.move(RSP, RBP)
        code.give_back()
        for number, (loop, *_) in enumerate(self.loops):
            code.data(f"loop {number}", loop)
        return code.finished()

    def _place(self, operand: int, axis: str) -> int:
        """Where in the strides that of an operand's axis is: they come after one for each operand."""
        before = sum(len(axes) for axes in self.axes[:operand])
        return len(self.axes) + before + self.axes[operand].index(axis)


@where_possible
def shifted_product_ufunc(dtype: Any, least: int) -> Any:
    """The generalized ufunc `(m,k),(k,n),(n)->(m,n)`, x y + z, see `product_ufunc`; None without machine code."""
    kernel = RowKernel(dtype, "(n),(n)->(n)")
    kernel.over_row({2: kernel.lanes.add(kernel.operand(0), kernel.operand(1))})
    both = LoopSequence(dtype, "(m,k),(k,n),(n)->(m,n)", least)
    both.product((0, "m", "k"), (1, "k", "n"), 3)
    both.rows(kernel, "m", "n", [3, 2, 3])
    return both.ufunc("linear")
