"""Matrix products as machine code: C = A B for float32 and float64, in the thread that asks for them.

The columns of B go a strip of two registers' lanes at a time, KC of its rows, into a buffer on the stack, where they
follow each other; with a strip, six rows of A at a time are multiplied. Twelve registers hold the sums; A is read where
it lies, an element into all lanes, so that any strides of its rows and columns will do.

Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM Trans. Math. Softw. 34 (2008).
"""

from __future__ import annotations

from typing import Any

import numpy

from .loops import BYTES
from .packing import BLOCK, BUFFER, KC, LEFT, LONGEST, MASKS, ONE, RIGHT, ROWS, Packing, variable
from .team import shared
from .ufuncs import machine_ufunc, where_possible
from .x86 import R8, R9, R10, R11, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, Memory, Op

__all__ = ["product_code", "product_ufunc"]

UNROLL = 4
"""Columns of A that are multiplied before it is looked whether there are more."""


@where_possible
def product_ufunc(dtype: Any, least: int) -> Any:
    """The generalized ufunc `(m,k),(k,n)->(m,n)`, whose matrices threads share; None where there is no machine code.

    Rows of the result must be contiguous; other strides are free. least : multiplications from which on it is shared.
    """
    dtype = numpy.dtype(dtype)
    code = shared(product_code(dtype), 3, 4, least=least)
    return machine_ufunc("matmul", code, [dtype] * 3, 2, "(m,k),(k,n)->(m,n)")


def product_code(dtype: Any) -> bytes:
    """The loop of a generalized ufunc `(m,k),(k,n)->(m,n)`; rows of the result are contiguous, the rest is free."""
    return _Product(numpy.dtype(dtype)).written()


class _Product(Packing):
    """Writes the code."""

    def written(self) -> bytes:
        """All of it."""
        code = self.code
        code.save()
        code.move(RBP, RSP)
        code.add_number(RSP, -(BLOCK + self.most * LONGEST * self.size + 64))
        code.keep_bits(RSP, -64)
        sources = {RDI: "abc", RSI: ("items", "m", "k", "n")}
        sources[RDX] = ("a item", "b item", "c item", "a row", "a column", "b row", "b column", "c row")
        for source, names in sources.items():
            for i, name in enumerate(names):
                code.load(RAX, Memory(source, offset=8 * i))
                self.keep(name, RAX)
        code.label("item")
        code.compare_number(variable("items"), 0)
        code.jump("end", "<=")
        code.set_number(variable("first"), 0)
        code.label("block")
        self.least("depth", KC, "k", "first", LONGEST)
        code.set_number(variable("top"), 0)
        code.label("rows")
        self.unless("top", "m", "rows done")
        self.least("bottom", self.most, "m", "top")
        code.load(RAX, variable("top"))
        code.add(RAX, variable("bottom"))
        self.keep("bottom", RAX)
        self.pack_block()
        code.set_number(variable("left"), 0)
        code.label("strip")
        self.unless("left", "n", "strips done")
        self.least("wide", self.columns, "n", "left")
        self.pack()
        self.make_masks()
        code.load(RAX, variable("top"))
        self.keep("row", RAX)
        code.label("panel")
        self.unless("row", "bottom", "panels done")
        self.panel()
        code.label("panel done")
        code.add_number(variable("row"), ROWS)
        code.jump("panel")
        code.label("panels done")
        code.add_number(variable("left"), self.columns)
        code.jump("strip")
        code.label("strips done")
        code.load(RAX, variable("bottom"))
        self.keep("top", RAX)
        code.jump("rows")
        code.label("rows done")
        code.load(RAX, variable("first"))
        code.add(RAX, variable("depth"))
        self.keep("first", RAX)
        code.compare(RAX, variable("k"))
        code.jump("block", "<")
        for name in "abc":
            code.load(RAX, variable(name))
            code.add(RAX, variable(f"{name} item"))
            self.keep(name, RAX)
        code.add_number(variable("items"), -1)
        code.jump("item")
        code.label("end")
        code.move(RSP, RBP)
        code.zero_upper()
        code.give_back()
        code.data("places", b"".join(i.to_bytes(self.size, "little") for i in range(self.columns)))
        return code.finished()

    # Six rows or fewer by a strip. R8 and R9 are where the next elements of rows 0 and 3 of A lie, R10 how far rows are
    # apart, R11 columns; RDI is the place in the buffer, RCX how many columns are to come; RDX is where the result's
    # row 0 lies and RSI how far its rows are apart.

    def panel(self) -> None:
        """Go to the code for the rows that there are."""
        code = self.code
        code.load(R10, variable("a row"))
        code.load(R11, variable("a column"))
        code.load(RAX, variable("row"))
        code.load(RSI, variable("c row"))
        code.compare_number(variable("packed"), 0)
        code.jump("panel lies", "==")
        code.set_number(R11, ROWS * self.size)
        code.move(R8, RAX)
        code.subtract(R8, variable("top"))
        code.multiply(R8, variable("depth"))
        code.find(R8, Memory(RSP, R8, self.size, BLOCK))
        code.jump("panel found")
        code.label("panel lies")
        code.load(R8, variable("first"))
        code.multiply(R8, R11)
        code.move(R9, RAX)
        code.multiply(R9, R10)
        code.add(R8, R9)
        code.add(R8, variable("a"))
        code.label("panel found")
        code.find(R9, Memory(R8, R10, 2))
        code.add(R9, R10)
        code.move(RDX, RAX)
        code.multiply(RDX, RSI)
        code.add(RDX, variable("c"))
        code.load(RCX, variable("left"))
        code.find(RDX, Memory(RDX, RCX, self.size))
        code.find(RDI, Memory(RSP, offset=BUFFER))
        code.load(RCX, variable("depth"))
        code.load(RBX, variable("bottom"))
        code.subtract(RBX, RAX)
        for rows in range(1, ROWS):
            code.compare_number(RBX, rows)
            code.jump(f"{rows} rows", "==")
        for rows in range(ROWS, 0, -1):
            code.label(f"{rows} rows")
            self.rows(rows)
            code.jump("panel done")

    def rows(self, rows: int) -> None:
        """So many rows by a strip."""
        code = self.code
        for register in range(2 * rows):
            code.vector(Op(0x57), register, register, register)
        code.label(f"{rows} by four")
        code.add_number(RCX, -UNROLL)
        code.jump(f"{rows} rest", "<")
        for step in range(UNROLL):
            self.multiply(rows, step)
        code.add_number(RDI, 2 * BYTES * UNROLL)
        code.jump(f"{rows} by four")
        code.label(f"{rows} rest")
        code.add_number(RCX, UNROLL)
        code.label(f"{rows} by one")
        code.add_number(RCX, -1)
        code.jump(f"{rows} sums", "<")
        self.multiply(rows, 0)
        code.add_number(RDI, 2 * BYTES)
        code.jump(f"{rows} by one")
        code.label(f"{rows} sums")
        code.find(RAX, Memory(RDX, RSI, 2))
        code.add(RAX, RSI)
        self.results(rows)

    def multiply(self, rows: int, step: int) -> None:
        """Add the products of a column of A with a row of the strip."""
        code, add = self.code, Op(0xB8, 2, 1, self.wide)
        self.load(LEFT, Memory(RDI, offset=2 * BYTES * step))
        self.load(RIGHT, Memory(RDI, offset=2 * BYTES * step + BYTES))
        for row in range(rows):
            element = ONE + row % 2
            code.vector(Op(0x19 if self.wide else 0x18, 2, 1), element, 0, self.of_row(R8, R9, R10, row))
            code.vector(add, 2 * row, element, LEFT)
            code.vector(add, 2 * row + 1, element, RIGHT)
        code.add(R8, R11)
        if rows > 3:
            code.add(R9, R11)

    def of_row(self, base: int, third: int, stride: int, row: int, offset: int = 0) -> Memory:
        """A place in a row, by where rows 0 and 3 are."""
        base, row = (base, row) if row < 3 else (third, row - 3)
        return Memory(base, offset=offset) if row == 0 else Memory(base, stride, row, offset)

    def results(self, rows: int) -> None:
        """Store the sums, or add them to what is there from the columns before."""
        code, add = self.code, Op(0x58, 1, self.wide)
        code.compare_number(variable("wide"), self.columns)
        code.jump(f"{rows} masked", "!=")
        places = [(2 * row + i, self.of_row(RDX, RAX, RSI, row, BYTES * i), i) for row in range(rows) for i in range(2)]
        code.compare_number(variable("first"), 0)
        code.jump(f"{rows} store", "==")
        for register, place, _ in places:
            code.vector(add, register, register, place)
        code.label(f"{rows} store")
        for register, place, _ in places:
            self.store(register, place)
        code.jump("panel done")
        code.label(f"{rows} masked")
        for i, mask in enumerate((LEFT, RIGHT)):
            code.vector(Op(0x10), mask, 0, Memory(RSP, offset=MASKS + BYTES * i))
        code.compare_number(variable("first"), 0)
        code.jump(f"{rows} masked store", "==")
        for register, place, i in places:
            code.vector(self.masked_load, ONE, LEFT + i, place)
            code.vector(add, register, register, ONE)
        code.label(f"{rows} masked store")
        for register, place, i in places:
            code.vector(Op(0x2F if self.wide else 0x2E, 2, 1), register, LEFT + i, place)
