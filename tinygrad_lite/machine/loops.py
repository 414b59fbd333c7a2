"""Loops of ufuncs: code that goes through arrays, a register's lanes at a time, and one element at a time for the rest.

Registers: RDI has the address of the operands' addresses, RSI that of the count, RDX that of the strides; R9 has the
count, RCX the number of the element, RAX and R11 are for anything.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy

from .lanes import Lanes
from .registers import Placed
from .x86 import R9, R10, R11, RAX, RCX, RDI, RDX, RSI, RSP, Assembler, Memory, Op

__all__ = ["BYTES", "elementwise"]

BYTES = 32
"""Of a vector register."""

BIT_PER_BYTE = 0x0101010101010101


class Body:
    """Writes the steps of a piece of code, for arrays that are read by lanes or by elements.

    fixed : the inputs of which there is one element for all.
    """

    def __init__(
        self,
        assembler: Assembler,
        lanes: Lanes,
        placed: Placed,
        inputs: int,
        results: Sequence[numpy.dtype],
        fixed: Container[int] = (),
    ) -> None:
        self.code, self.placed, self.inputs, self.results, self.fixed = assembler, placed, inputs, results, fixed
        self.double, self.size = lanes.double, lanes.dtype.itemsize

    def write(self, address: Any, packed: bool) -> None:
        """Write the steps; `address(i, size)` writes what finds the place of operand i, and returns it."""
        code = self.code
        move, store = Op(0x10, 1, int(self.double)), Op(0x11, 1, int(self.double))
        for kind, *what in self.placed.steps:
            if kind == "op":
                op, register, first, second, immediate = what
                if isinstance(second, tuple):
                    second = self._constant(second[1])
                code.vector(op, register, first, second, immediate)
            elif kind == "copy":
                code.vector(move, what[0], 0, what[1])
            elif kind == "constant":
                code.vector(move, what[0], 0, self._constant(what[1]))
            elif kind == "spill":
                code.vector(store, what[0], 0, Memory(RSP, offset=BYTES * what[1]))
            elif kind == "restore":
                code.vector(move, what[0], 0, Memory(RSP, offset=BYTES * what[1]))
            elif kind == "load":
                register, number, dtype = what
                place = address(number, dtype.itemsize)
                self._load(register, place, dtype, packed and number not in self.fixed)
            else:
                number, register = what
                dtype = self.results[number]
                self._store(register, address(self.inputs + number, dtype.itemsize), dtype, packed)

    def _constant(self, bits: int) -> Memory:
        return Memory(label=f"{bits:x}")

    def _load(self, register: int, place: Memory, dtype: numpy.dtype, packed: bool) -> None:
        code = self.code
        if dtype.kind == "b":
            if packed:
                code.vector(Op(0x32 if self.double else 0x31, 2, 1), register, 0, place)  # bytes to lanes
            else:
                code.vector(Op(0x78, 2, 1), register, 0, place)  # a byte to all bytes
            ones = "one" if packed else "ones"
            code.vector(Op(0xDA, 1, 1), register, register, Memory(label=ones))  # any byte but 0 is true
            code.vector(Op(0x29, 2, 1) if self.double else Op(0x76, 1, 1), register, register, Memory(label=ones))
        elif packed:
            code.vector(Op(0x10, 1, int(self.double)), register, 0, place)
        else:
            code.vector(Op(0x19 if self.double else 0x18, 2, 1), register, 0, place)

    def _store(self, register: int, place: Memory, dtype: numpy.dtype, packed: bool) -> None:
        code = self.code
        if dtype.kind == "b":
            code.vector(Op(0x50, 1, int(self.double)), R11, 0, register)  # a bit of each lane
            code.vector(Op(0xF5, 2, 3, 1), R11, R11, Memory(label="ones"), bits=128)  # a byte of each bit
            code.store(R11, place, BYTES // self.size if packed else 1)
        elif packed:
            code.vector(Op(0x11, 1, int(self.double)), register, 0, place)
        else:
            code.vector(Op(0x11, 1, 3 if self.double else 2), register, 0, place, bits=128)

    def constants(self) -> None:
        """Write what instructions read."""
        for bits in self.placed.constants:
            self.code.data(f"{bits:x}", bits.to_bytes(self.size, "little") * (BYTES // self.size))
        self.code.data("one", (1).to_bytes(self.size, "little") * (BYTES // self.size))
        self.code.data("ones", BIT_PER_BYTE.to_bytes(8, "little") * 4)


def elementwise(
    lanes: Lanes, placed: Placed, kinds: Sequence[numpy.dtype], results: Sequence[numpy.dtype], numbers: int = 0
) -> bytes:
    """The loop of a ufunc that computes the values of `placed` for each element.

    kinds : dtypes of the inputs, that of the lanes or bool. results : those of the values.
    numbers : how many inputs at the end are the same for all elements.

    Arrays that are not contiguous, and inputs that do not change where they were not to, go element by element.
    """
    code = Assembler()
    count = BYTES // lanes.dtype.itemsize
    fixed = range(len(kinds) - numbers, len(kinds))
    body = Body(code, lanes, placed, len(kinds), results, fixed)
    code.load(R9, Memory(RSI))
    code.clear(RCX)
    if placed.slots:
        code.add_number(RSP, -BYTES * placed.slots)
    for i, dtype in enumerate((*kinds, *results)):
        code.compare_number(Memory(RDX, offset=8 * i), 0 if i in fixed else dtype.itemsize)
        code.jump("single", "!=")
    code.move(R10, R9)
    code.add_number(R10, -count)

    def packed(i: int, size: int) -> Memory:
        code.load(RAX, Memory(RDI, offset=8 * i))
        return Memory(RAX) if i in fixed else Memory(RAX, RCX, size)

    def single(i: int, size: int) -> Memory:
        code.load(RAX, Memory(RDX, offset=8 * i))
        code.multiply(RAX, RCX)
        code.add(RAX, Memory(RDI, offset=8 * i))
        return Memory(RAX)

    code.label("packed")
    code.compare(RCX, R10)
    code.jump("single", ">")
    body.write(packed, True)
    code.add_number(RCX, count)
    code.jump("packed")
    code.label("single")
    code.compare(RCX, R9)
    code.jump("end", ">=")
    body.write(single, False)
    code.add_number(RCX, 1)
    code.jump("single")
    code.label("end")
    if placed.slots:
        code.add_number(RSP, BYTES * placed.slots)
    code.zero_upper()
    code.end()
    body.constants()
    return code.finished()
