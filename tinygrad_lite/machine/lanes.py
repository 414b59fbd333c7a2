"""What a piece of machine code computes, as values: each is written once, by an instruction on all lanes of a register.

A register has 8 lanes of float32 or 4 of float64. A mask has all bits of a lane or none. `registers.py` makes
instructions of the values that are needed.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy

from .x86 import Op

__all__ = ["Lanes", "Value"]


class Value:
    """One value.

    kind : "load", "constant", or how its instruction takes the operands: "op", "fma", "blend", "shift".
    op : its instruction. operands : values it is computed from. immediate : the instruction's constant.
    content : of a constant the bits of a lane, of a load the number of the operand and its dtype, of a shift what
        stands in its instruction instead of a register.
    """

    __slots__ = ("content", "immediate", "kind", "op", "operands")

    def __init__(
        self, kind: str, op: Op | None = None, operands: tuple = (), immediate: int | None = None, content: Any = None
    ) -> None:
        self.kind, self.op, self.operands = kind, op, operands
        self.immediate, self.content = immediate, content


class Lanes:
    """Makes values for lanes of a dtype: float32 or float64.

    Operands of the methods are values and numbers.

    digits : bits of the dtype's fraction. bits : of a lane. bias : of its exponent.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = numpy.dtype(dtype)
        self.double = self.dtype == numpy.float64
        self.digits, self.bits, self.bias = (52, 64, 1023) if self.double else (23, 32, 127)
        self._constants: dict[int, Value] = {}

    def load(self, number: int, dtype: Any = None) -> Value:
        """An operand of the loop; of bool as a mask."""
        return Value("load", content=(number, numpy.dtype(dtype or self.dtype)))

    def constant(self, number: float | Value) -> Value:
        """A number in all lanes."""
        if isinstance(number, Value):
            return number
        return self.pattern(self.bits_of(number))

    def bits_of(self, number: float) -> int:
        """The bits of a number."""
        return int.from_bytes(struct.pack("<d" if self.double else "<f", self.dtype.type(number)), "little")

    def pattern(self, bits: int) -> Value:
        """The same bits in all lanes."""
        bits &= (1 << self.bits) - 1
        return self._constants.setdefault(bits, Value("constant", content=bits))

    def _two(self, opcode: int, x: Any, y: Any, immediate: int | None = None) -> Value:
        return Value("op", Op(opcode, 1, int(self.double)), (self.constant(x), self.constant(y)), immediate)

    def add(self, x: Any, y: Any) -> Value:
        """x + y"""
        return self._two(0x58, x, y)

    def subtract(self, x: Any, y: Any) -> Value:
        """x - y"""
        return self._two(0x5C, x, y)

    def multiply(self, x: Any, y: Any) -> Value:
        """x y"""
        return self._two(0x59, x, y)

    def divide(self, x: Any, y: Any) -> Value:
        """x / y"""
        return self._two(0x5E, x, y)

    def least(self, x: Any, y: Any) -> Value:
        """The smaller of x and y; y if one is NaN. The processor's own instruction would raise a flag then."""
        return self.select(self.compare(x, "<", y), x, y)

    def greatest(self, x: Any, y: Any) -> Value:
        """The larger of x and y; y if one is NaN."""
        return self.select(self.compare(x, ">", y), x, y)

    def sqrt(self, x: Any) -> Value:
        """The square root."""
        return Value("op", Op(0x51, 1, int(self.double)), (self.constant(x),))

    def round(self, x: Any, way: str = "nearest") -> Value:
        """The integer that is nearest (even where two are), below ("floor"), above ("ceil"), or towards 0 ("trunc")."""
        immediate = 8 | ("nearest", "floor", "ceil", "trunc").index(way)
        return Value("op", Op(0x09 if self.double else 0x08, 3, 1), (self.constant(x),), immediate)

    def both(self, x: Any, y: Any) -> Value:
        """The bits that are set in x and y."""
        return self._two(0x54, x, y)

    def without(self, x: Any, y: Any) -> Value:
        """The bits that are set in y and not in x."""
        return self._two(0x55, x, y)

    def either(self, x: Any, y: Any) -> Value:
        """The bits that are set in x or y."""
        return self._two(0x56, x, y)

    def differing(self, x: Any, y: Any) -> Value:
        """The bits that are set in one of x and y."""
        return self._two(0x57, x, y)

    def compare(self, x: Any, how: str, y: Any) -> Value:
        """The mask of a comparison, false where there is a NaN but for "!="; "unordered" is where there is one."""
        predicate = {"==": 0x00, "<": 0x11, "<=": 0x12, "!=": 0x04, ">=": 0x1D, ">": 0x1E, "unordered": 0x03}[how]
        return self._two(0xC2, x, y, predicate)

    def select(self, mask: Value, x: Any, y: Any) -> Value:
        """x where the mask is set, else y."""
        op = Op(0x4B if self.double else 0x4A, 3, 1)
        return Value("blend", op, (self.constant(y), self.constant(x), mask))

    def multiply_add(self, x: Any, y: Any, z: Any) -> Value:
        """x y + z, rounded once."""
        return Value("fma", Op(0xA8, 2, 1, int(self.double)), tuple(map(self.constant, (x, y, z))))

    def subtract_product(self, z: Any, x: Any, y: Any) -> Value:
        """z - x y, rounded once."""
        return Value("fma", Op(0xAC, 2, 1, int(self.double)), tuple(map(self.constant, (x, y, z))))

    # Lanes as integers

    def add_integers(self, x: Any, y: Any) -> Value:
        """The sum of the lanes as integers."""
        return Value("op", Op(0xD4 if self.double else 0xFE, 1, 1), (self.constant(x), self.constant(y)))

    def subtract_integers(self, x: Any, y: Any) -> Value:
        """The difference of the lanes as integers."""
        return Value("op", Op(0xFB if self.double else 0xFA, 1, 1), (self.constant(x), self.constant(y)))

    def shift_left(self, x: Value, count: int) -> Value:
        """The lanes' bits moved up."""
        return Value("shift", Op(0x73 if self.double else 0x72, 1, 1), (x,), count, 6)

    def shift_right(self, x: Value, count: int) -> Value:
        """The lanes' bits moved down, zeros after them."""
        return Value("shift", Op(0x73 if self.double else 0x72, 1, 1), (x,), count, 2)

    # What takes several

    def polynomial(self, x: Value, coefficients: Any) -> Value:
        """c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule."""
        *rest, last = coefficients
        value = self.constant(last)
        for c in reversed(rest):
            value = self.multiply_add(value, x, c)
        return value

    def absolute(self, x: Any) -> Value:
        """|x|"""
        return self.without(self.pattern(1 << (self.bits - 1)), x)

    def negative(self, x: Any) -> Value:
        """-x"""
        return self.differing(x, self.pattern(1 << (self.bits - 1)))

    def with_sign_of(self, x: Value, y: Value) -> Value:
        """x with the sign of y, where x is not negative or y is."""
        return self.either(x, self.both(y, self.pattern(1 << (self.bits - 1))))
