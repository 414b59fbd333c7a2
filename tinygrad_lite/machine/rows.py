"""Kernels that go over rows of arrays several times, as generalized ufuncs: softmax, norms and the like.

A kernel is a list of passes over a row. A pass computes on the row's elements, stores them, and reduces them to sums
and maxima; what it reduced is known to the passes after it. Rows stay in the cache from one pass to the next.

Registers of a pass: RSI has the length, RCX the number of the element, RDX the strides' address, `POINTERS` where the
rows lie; the vector registers from the last downwards are one for anything, one for the mask of the last elements, and
the accumulators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from .lanes import Lanes, Value
from .loops import BYTES, Body
from .registers import COUNT, Placed
from .team import shared
from .ufuncs import machine_ufunc
from .x86 import R8, R9, R10, R11, RAX, RCX, RDI, RDX, RSI, RSP, Assembler, Memory, Op

__all__ = ["SHARED", "RowKernel"]

SHARED = 10_000
"""Elements from which on threads share a call."""

POINTERS = (RDI, R8, R9, R10, R11)

FREE, MASK = COUNT - 1, COUNT - 2
"""The vector registers for anything and for the mask."""

Place = int | tuple[int, int]
"""An operand of one number a row, or an operand of rows and the one that has the number of its element."""


class RowKernel:
    """What is done with each row.

    dtype : float32 or float64. signature : the operands' axes as of a generalized ufunc, rows `(n)` or numbers `()`.
    indices : which operands are numbers of elements, int64.

    Rows must be contiguous and have elements. Maxima pass over NaN; sums do not.

    A sum of n elements comes from 4 registers, or 2 where a pass has several: its error is below (n / 32 + 7) units of
    roundoff of the sum of the magnitudes for float32 in 4 registers, and (n / 8 + 6) for float64 in 2.

    >>> from tinygrad_lite.machine.ufuncs import available
    >>> kernel = RowKernel("float32", "(n)->(n)")
    >>> x = kernel.operand(0)
    >>> (total,) = kernel.over_row(sums=[x])
    >>> _ = kernel.over_row({1: kernel.lanes.divide(x, total)})
    >>> kernel.ufunc("shares")(numpy.array([[1, 3], [2, 2]], "float32")) if available() else "no machine code"
    array([[0.25, 0.75],
           [0.5 , 0.5 ]], dtype=float32)
    """

    def __init__(self, dtype: Any, signature: str, indices: Sequence[int] = ()) -> None:
        self.lanes, self.signature = Lanes(dtype), signature
        inputs, results = (part.split(",") for part in signature.split("->"))
        self.inputs, self.operands = len(inputs), len(inputs) + len(results)
        self.types = [numpy.dtype("int64") if i in indices else self.lanes.dtype for i in range(self.operands)]
        self.size, self.count = self.lanes.dtype.itemsize, BYTES // self.lanes.dtype.itemsize
        self._parts: list[_Pass | _Once] = []
        self._known = 0

    def operand(self, place: Place) -> Value:
        """An operand's element, of a result what was stored; numbers and single elements are for `once`."""
        return self.lanes.load(place)  # type: ignore[arg-type]

    def over_row(
        self, stores: Mapping[int, Value] | None = None, sums: Sequence[Value] = (), maxima: Sequence[Value] = ()
    ) -> list[Value]:
        """A pass that stores elements of results, by operands; returns the sums and the maxima."""
        made = self._new_values(len(sums) + len(maxima))
        self._parts.append(_Pass(self, stores or {}, sums, maxima, made))
        return made

    def once(self, *values: Value, stores: Mapping[Place, Value] | None = None) -> list[Value]:
        """Numbers that are computed once a row, of sums, maxima, other numbers and single elements.

        stores : what is stored in results.
        """
        made = self._new_values(len(values))
        self._parts.append(_Once(self, values, made, stores or {}))
        return made

    def _new_values(self, count: int) -> list[Value]:
        """Values in all lanes of a place on the stack, which stand in code as constants do, by negative numbers."""
        self._known += count
        return [Value("constant", content=-1 - place) for place in range(self._known - count, self._known)]

    # The stack: what does not fit in registers, the known values, the mask, and integers

    @property
    def _spilled(self) -> int:
        return max((part.placed.slots for part in self._parts), default=0)

    def known(self, number: int) -> Memory:
        """Where a known value lies."""
        return Memory(RSP, offset=BYTES * (self._spilled + number))

    @property
    def mask(self) -> Memory:
        """The mask of the last elements, that do not fill a register."""
        return self.known(self._known)

    def integer(self, number: int) -> Memory:
        """0, 1, 2: the length without the elements that do not fill 1, 2, 4 registers; 3: rows to come."""
        return Memory(RSP, offset=BYTES * (self._spilled + self._known + 1) + 8 * number)

    def pointer(self, operand: int) -> Memory:
        """Where the operand's row lies."""
        return self.integer(4 + operand)

    def ufunc(self, name: str) -> Any:
        """The generalized ufunc, whose rows threads share. None of them may be written to by another."""
        code = shared(self.code(), self.operands, 2, least=SHARED)
        return machine_ufunc(name, code, self.types, self.inputs, self.signature)

    def code(self) -> bytes:
        """The loop."""
        code, wide, reads = Assembler(), int(self.lanes.double), {self.lanes.bits_of(-numpy.inf): None}
        frame = self.integer(4 + self.operands).offset
        code.add_number(RSP, -frame)
        for i in range(self.operands):
            code.load(RAX, Memory(RDI, offset=8 * i))
            code.store(RAX, self.pointer(i), 8)
        code.load(RAX, Memory(RSI))
        code.store(RAX, self.integer(3), 8)
        code.load(RSI, Memory(RSI, offset=8))
        for i, bits in enumerate((self.count - 1, -self.count, -2 * self.count, -4 * self.count)):
            code.move(RAX, RSI)
            code.keep_bits(RAX, bits)
            code.store(RAX, self.integer(max(i - 1, 0)), 8)
            if i == 0:
                code.vector(Op(0x59 if wide else 0x58, 2, 1), FREE, 0, self.integer(0))
                code.vector(Op(0x37, 2, 1) if wide else Op(0x66, 1, 1), FREE, FREE, Memory(label="places"))
                code.vector(Op(0x11), FREE, 0, self.mask)
        code.label("row")
        code.compare_number(self.integer(3), 0)
        code.jump("end", "<=")
        for number, part in enumerate(self._parts):
            part.write(code, number)
            reads |= part.placed.constants
        for i in range(self.operands):
            code.load(RAX, self.pointer(i))
            code.add(RAX, Memory(RDX, offset=8 * i))
            code.store(RAX, self.pointer(i), 8)
        code.add_number(self.integer(3), -1)
        code.jump("row")
        code.label("end")
        code.add_number(RSP, frame)
        code.zero_upper()
        code.end()
        for bits in reads:
            if bits >= 0:
                code.data(f"{bits:x}", bits.to_bytes(self.size, "little") * self.count)
        code.data("places", b"".join(i.to_bytes(self.size, "little") for i in range(self.count)))
        return code.finished()


class _Part(Body):
    """The code of a part of a kernel, whose constants may be known values."""

    def __init__(self, kernel: RowKernel, roots: Sequence[Value], registers: int) -> None:
        self.kernel = kernel
        placed = Placed(roots, registers)
        super().__init__(Assembler(), kernel.lanes, placed, kernel.operands, [kernel.lanes.dtype] * len(roots))

    def _constant(self, bits: int) -> Memory:
        return super()._constant(bits) if bits >= 0 else self.kernel.known(-1 - bits)

    def _vector(self, opcode: int, register: int, first: int, second: int | Memory) -> None:
        self.code.vector(Op(opcode, 1, int(self.double)), register, first, second)


class _Pass(_Part):
    """A pass over a row: several registers at a time, then one, then what is left."""

    def __init__(
        self, kernel: RowKernel, stores: Mapping[int, Value], sums: Sequence[Value], maxima: Sequence[Value],
        made: Sequence[Value],
    ) -> None:  # fmt: skip
        self.stores, self.sums, self.made = list(stores), len(sums), made
        self.unit = 4 if len(made) == 1 else 2
        # What is reduced comes first, since storing may overwrite what was read.
        super().__init__(kernel, [*sums, *maxima, *stores.values()], MASK - self.unit * len(made))
        read = [step[2] for step in self.placed.steps if step[0] == "load"]
        self.pointers = dict(zip(dict.fromkeys([*read, *self.stores]), POINTERS, strict=False))
        self.tail = False

    def _accumulator(self, number: int, copy: int) -> int:
        return MASK - 1 - self.unit * number - copy

    def write(self, code: Assembler, number: int) -> None:  # type: ignore[override]
        self.code = code
        for operand, register in self.pointers.items():
            code.load(register, self.kernel.pointer(operand))
        for i in range(len(self.made)):
            for copy in range(self.unit):
                register = self._accumulator(i, copy)
                if i < self.sums:
                    self._vector(0x57, register, register, register)
                else:
                    self._vector(0x10, register, 0, super()._constant(self.kernel.lanes.bits_of(-numpy.inf)))
        code.clear(RCX)
        for unit, limit in ((self.unit, self.unit // 2), (1, 0)):
            label, end = f"{number} by {unit}", f"{number} not by {unit}"
            code.compare(RCX, self.kernel.integer(limit))
            code.jump(end, ">=")
            code.label(label)
            for copy in range(unit):
                self._elements(copy)
            code.add_number(RCX, unit * self.kernel.count)
            code.compare(RCX, self.kernel.integer(limit))
            code.jump(label, "<")
            code.label(end)
        code.compare(RCX, RSI)
        code.jump(f"{number} done", ">=")
        self.tail = True
        self._vector(0x10, MASK, 0, self.kernel.mask)
        self._elements(0)
        code.label(f"{number} done")
        for i, value in enumerate(self.made):
            self._combine(i, self.kernel.known(-1 - value.content))

    def _elements(self, copy: int) -> None:
        """The steps for the elements of a register, which are reduced to a copy of the accumulators."""

        def address(operand: int, size: int) -> Any:
            reduced = operand - self.kernel.operands
            if 0 <= reduced < len(self.made):
                return reduced, self._accumulator(reduced, copy)
            if reduced >= 0:
                operand = self.stores[reduced - len(self.made)]
            return Memory(self.pointers[operand], RCX, size, BYTES * copy)

        super().write(address, True)

    def _load(self, register: int, place: Memory, dtype: numpy.dtype, packed: bool) -> None:
        if not self.tail:
            return super()._load(register, place, dtype, packed)
        # Behind the last element stands the first one of those left: it raises no flag that that one does not.
        super()._load(register, place, dtype, False)
        self.code.vector(Op(0x2D if self.double else 0x2C, 2, 1), FREE, MASK, place)
        self._select(register, FREE, MASK)

    def _store(self, register: int, place: Any, dtype: numpy.dtype, packed: bool) -> None:
        if isinstance(place, tuple):
            reduced, accumulator = place
            self._reduce(reduced < self.sums, accumulator, register, masked=self.tail)
        elif self.tail:
            self.code.vector(Op(0x2F if self.double else 0x2E, 2, 1), register, MASK, place)
        else:
            super()._store(register, place, dtype, packed)

    def _select(self, register: int, other: int, mask: int) -> None:
        """register = the other one where the mask is set"""
        self.code.vector(Op(0x4B if self.double else 0x4A, 3, 1), register, register, other, mask << 4)

    def _reduce(self, is_sum: bool, accumulator: int, register: int, masked: bool = False) -> None:
        """Reduce a register to an accumulator. The largest of elements of which one stands twice needs no mask."""
        if is_sum and masked:
            self._vector(0x54, FREE, register, MASK)
            register = FREE
        if is_sum:
            self._vector(0x58, accumulator, accumulator, register)
        else:
            self.code.vector(Op(0xC2, 1, int(self.double)), FREE, register, accumulator, 0x1E)
            self._select(accumulator, register, FREE)

    def _combine(self, number: int, place: Memory) -> None:
        """Reduce the copies of an accumulator, then its lanes by halves, so that all have the result."""
        first, other, is_sum = self._accumulator(number, 0), self._accumulator(number, 1), number < self.sums
        if self.unit == 4:
            self._reduce(is_sum, self._accumulator(number, 2), self._accumulator(number, 3))
        self._reduce(is_sum, first, other)
        if self.unit == 4:
            self._reduce(is_sum, first, self._accumulator(number, 2))
        self.code.vector(Op(0x06, 3, 1), other, first, first, 1)
        self._reduce(is_sum, first, other)
        for order in (5,) if self.double else (0x4E, 0xB1):
            self.code.vector(Op(0x05 if self.double else 0x04, 3, 1), other, 0, first, order)
            self._reduce(is_sum, first, other)
        self._vector(0x11, first, 0, place)


class _Once(_Part):
    """What is computed once a row."""

    def __init__(
        self, kernel: RowKernel, values: Sequence[Value], made: Sequence[Value], stores: Mapping[Place, Value]
    ) -> None:
        super().__init__(kernel, [*values, *stores.values()], COUNT)
        self.targets: list[Any] = [*made, *stores]

    def write(self, code: Assembler, number: int) -> None:  # type: ignore[override]
        self.code = code
        super().write(self._address, False)

    def _store(self, register: int, place: Memory, dtype: numpy.dtype, packed: bool) -> None:
        super()._store(register, place, dtype, place.base == RSP)  # known values are in all lanes

    def _address(self, place: Any, size: int) -> Memory:
        if isinstance(place, int) and place >= self.kernel.operands:
            place = self.targets[place - self.kernel.operands]
        if isinstance(place, Value):
            return self.kernel.known(-1 - place.content)
        row, index = place if isinstance(place, tuple) else (place, None)
        self.code.load(RDI, self.kernel.pointer(row))
        if index is None:
            return Memory(RDI)
        self.code.load(RAX, self.kernel.pointer(index))
        self.code.load(RAX, Memory(RAX))
        return Memory(RDI, RAX, size)
