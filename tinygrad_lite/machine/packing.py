"""What matrix products are made of: numbers on the stack, and parts of the matrices in the order of their use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from .loops import BYTES
from .x86 import R8, R9, R10, R11, R12, R13, R14, RAX, RBX, RCX, RDI, RSP, Assembler, Memory, Op

__all__ = ["BLOCK", "BUFFER", "KC", "LEFT", "LONGEST", "MASKS", "ONE", "RIGHT", "ROWS", "Packing", "variable"]

KC, LONGEST = 256, 320
"""Rows of B in the buffer: 16 KB, half of the first-level cache of most processors; and the most that the last block
may have, so that few rows are no block of their own."""

MC = 192
"""Rows of A that go with a strip: these and KC columns stay in the second-level cache for the next strip."""

ROWS = 6
"""Rows of A that are multiplied at a time."""

PACKED = 192
"""Columns of B from which on a block of A whose columns are contiguous is copied, which then is read often enough. On a
Zen 4, (512, 768) by (768, 128) takes 0.89 of the time without; a GPT's or a large MLP's step 0.98 of that with 64 here.
"""

LEFT, RIGHT, ONE, OTHER = 12, 13, 14, 15
"""Vector registers for two of B and two of A; those before them are sums."""

VARIABLES = (
    "items", "m", "k", "n", "a", "b", "c", "a item", "b item", "c item", "a row", "a column", "b row", "b column",
    "c row", "first", "depth", "top", "bottom", "left", "wide", "row", "packed",
)  # fmt: skip
"""Numbers on the stack: the lengths and strides; where the block of columns of A begins and how many it has, the block
of rows and its end, the strip and its columns, and the panel of rows."""

MASKS = 8 * len(VARIABLES) + -8 * len(VARIABLES) % 64
BUFFER = MASKS + 64
BLOCK = BUFFER + LONGEST * 2 * BYTES


def variable(name: str) -> Memory:
    """Where a number lies."""
    return Memory(RSP, offset=8 * VARIABLES.index(name))


class Packing:
    """Writes the code that copies parts of A and B."""

    def __init__(self, dtype: numpy.dtype) -> None:
        self.size, self.wide = dtype.itemsize, int(dtype == numpy.float64)
        self.lanes = BYTES // self.size
        self.columns = 2 * self.lanes
        self.masked_load = Op(0x2D if self.wide else 0x2C, 2, 1)
        self.most = MC * 4 // self.size
        self.code = Assembler()

    def keep(self, name: str, register: int) -> None:
        """variable = register"""
        self.code.store(register, variable(name), 8)

    def unless(self, name: str, end: str, label: str) -> None:
        """Go to a label if a variable has reached its end."""
        self.code.load(RAX, variable(name))
        self.code.compare(RAX, variable(end))
        self.code.jump(label, ">=")

    def least(self, name: str, most: int, end: str, begin: str, longest: int = 0) -> None:
        """variable = end - begin if that is at most a number, or another, and else the number"""
        code, label = self.code, f"least {name}"
        code.load(RAX, variable(end))
        code.subtract(RAX, variable(begin))
        self.keep(name, RAX)
        code.compare_number(RAX, longest or most)
        code.jump(label, "<=")
        code.set_number(RCX, most)
        self.keep(name, RCX)
        code.label(label)

    def load(self, register: int, place: Memory) -> None:
        """A vector register from memory."""
        self.code.vector(Op(0x10, 1, self.wide), register, 0, place)

    def store(self, register: int, place: Memory) -> None:
        """A vector register to memory."""
        self.code.vector(Op(0x11, 1, self.wide), register, 0, place)

    # The buffer. R8 is where the strip's next row lies, RBX how far rows are apart, R12 columns; RDI is the place in
    # the buffer, R14 how many rows are to come.

    def pack(self) -> None:
        """Write a strip to the buffer; columns that it lacks repeat the last one, whose products raise no new flag."""
        code = self.code
        code.load(RBX, variable("b row"))
        code.load(R12, variable("b column"))
        code.load(R8, variable("first"))
        code.multiply(R8, RBX)
        code.load(RAX, variable("left"))
        code.multiply(RAX, R12)
        code.add(R8, RAX)
        code.add(R8, variable("b"))
        code.find(RDI, Memory(RSP, offset=BUFFER))
        code.load(R14, variable("depth"))
        code.compare_number(variable("wide"), self.columns)
        code.jump("elements", "!=")
        code.compare_number(R12, self.size)
        code.jump("not in rows", "!=")
        self.pack_rows()
        code.label("not in rows")
        code.compare_number(RBX, self.size)
        code.jump("elements", "!=")
        self.pack_columns()
        code.label("elements")
        self.pack_elements()
        code.label("packed")

    def pack_rows(self) -> None:
        """Rows of B that are contiguous."""
        code = self.code
        code.label("row of b")
        code.add_number(R14, -1)
        code.jump("packed", "<")
        for i in range(2):
            self.load(i, Memory(R8, offset=BYTES * i))
            self.store(i, Memory(RDI, offset=BYTES * i))
        code.add(R8, RBX)
        code.add_number(RDI, 2 * BYTES)
        code.jump("row of b")

    def pack_columns(self) -> None:
        """Columns of B that are contiguous: lanes x lanes elements change places in registers."""
        code, size, half = self.code, self.size, self.lanes // 2
        code.label("rows of b")
        code.add_number(R14, -self.lanes)
        code.jump("last rows of b", "<")
        code.move(R13, R8)
        for group in range(2):
            # Columns 0 to 7 from three places: their distances are R12 times 0, 1, 2 and 4.
            code.find(R10, Memory(R13, R12, 2))
            code.find(R9, Memory(R10, R12, 1))
            places = [
                (R13, None, 1), (R13, R12, 1), (R10, None, 1), (R9, None, 1),
                (R13, R12, 4), (R9, R12, 2), (R10, R12, 4), (R9, R12, 4),
            ]  # fmt: skip
            for part in range(2):
                offset = part * half * size
                for i in range(half):
                    register = part * half + i
                    code.vector(Op(0x10), register, 0, Memory(*places[i], offset), bits=128)
                    code.vector(Op(0x18, 3, 1), register, register, Memory(*places[i + half], offset), 1)
            for part in range(2):
                for i, register in enumerate(self.exchanged(part * half)):
                    row = part * half + i
                    self.store(register, Memory(RDI, offset=2 * BYTES * row + BYTES * group))
            if group == 0:
                code.find(R13, Memory(R13, R12, 8))
                if self.lanes == 4:
                    code.find(R13, Memory(R8, R12, 4))
        code.add_number(R8, BYTES)
        code.add_number(RDI, 2 * BYTES * self.lanes)
        code.jump("rows of b")
        code.label("last rows of b")
        code.add_number(R14, self.lanes)

    def exchanged(self, first: int) -> list[int]:
        """The registers with the rows of those from `first` on, which have half of the lanes' columns twice."""
        code, low, high = self.code, Op(0x14, 1, self.wide), Op(0x15, 1, self.wide)
        free = 8
        if self.lanes == 4:
            code.vector(low, free, first, first + 1)
            code.vector(high, free + 1, first, first + 1)
            return [free, free + 1]
        for i, op in enumerate((low, high, low, high)):
            code.vector(op, free + i, first + i // 2 * 2, first + i // 2 * 2 + 1)
        for i, order in enumerate((0x44, 0xEE, 0x44, 0xEE)):
            code.vector(Op(0xC6), first + i, free + i // 2, free + 2 + i // 2, order)
        return [first + i for i in range(4)]

    def pack_elements(self) -> None:
        """Any strides, and fewer columns; one element at a time."""
        code, move = self.code, 3 if self.wide else 2
        code.label("elements of b")
        code.add_number(R14, -1)
        code.jump("packed", "<")
        code.move(R9, R8)
        code.set_number(RCX, self.columns)
        code.load(R10, variable("wide"))
        code.label("element of b")
        code.vector(Op(0x10, 1, move), 0, 0, Memory(R9), bits=128)
        code.vector(Op(0x11, 1, move), 0, 0, Memory(RDI), bits=128)
        code.add_number(RDI, self.size)
        code.add_number(R10, -1)
        code.jump("same column", "<=")
        code.add(R9, R12)
        code.label("same column")
        code.add_number(RCX, -1)
        code.jump("element of b", "!=")
        code.add(R8, RBX)
        code.jump("elements of b")

    def make_masks(self) -> None:
        """The masks of the strip's columns."""
        self.masks("wide", (LEFT, RIGHT))
        for i, mask in enumerate((LEFT, RIGHT)):
            self.code.vector(Op(0x11), mask, 0, Memory(RSP, offset=MASKS + BYTES * i))

    def pack_block(self) -> None:
        """Copy a block of A whose columns are contiguous, panel after panel: what is multiplied lies together."""
        code = self.code
        code.set_number(variable("packed"), 0)
        code.load(R10, variable("a row"))
        code.compare_number(R10, self.size)
        code.jump("block lies", "!=")
        code.compare_number(variable("n"), PACKED)
        code.jump("block lies", "<")
        code.set_number(variable("packed"), 1)
        code.load(R11, variable("a column"))
        code.load(R8, variable("first"))
        code.multiply(R8, R11)
        code.load(RAX, variable("top"))
        code.find(R8, Memory(R8, RAX, self.size))
        code.add(R8, variable("a"))
        code.find(RDI, Memory(RSP, offset=BLOCK))
        code.load(R13, variable("bottom"))
        code.subtract(R13, RAX)
        parts = range(0, ROWS, self.lanes)
        code.label("panel of a")
        code.compare_number(R13, 0)
        code.jump("block lies", "<=")
        self.keep("row", R13)
        self.masks("row", [LEFT + part // self.lanes for part in parts])
        code.move(R9, R8)
        code.load(RCX, variable("depth"))
        code.label("column of a")
        code.add_number(RCX, -1)
        code.jump("panel of a packed", "<")
        for part in parts:
            offset = part * self.size
            code.vector(self.masked_load, 0, LEFT + part // self.lanes, Memory(R9, offset=offset))
            self.store(0, Memory(RDI, offset=offset))
        code.add(R9, R11)
        code.add_number(RDI, ROWS * self.size)
        code.jump("column of a")
        code.label("panel of a packed")
        code.add_number(R8, ROWS * self.size)
        code.add_number(R13, -ROWS)
        code.jump("panel of a")
        code.label("block lies")

    def masks(self, count: str, registers: Sequence[int]) -> None:
        """The masks of the first elements of several registers, as many as a variable says."""
        code = self.code
        code.vector(Op(0x59 if self.wide else 0x58, 2, 1), OTHER, 0, variable(count))
        code.find(RAX, Memory(label="places"))
        for i, register in enumerate(registers):
            place = Memory(RAX, offset=BYTES * i)
            code.vector(Op(0x37, 2, 1) if self.wide else Op(0x66, 1, 1), register, OTHER, place)
