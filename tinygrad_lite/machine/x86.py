"""Instructions of 64-bit x86 processors with AVX2 and FMA, as bytes.

Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: 2.3 for the VEX prefix, 2.1 for ModR/M
and SIB. A vector instruction is `op destination, first, second`, where the second operand may lie in memory.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = [
    "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15", "RAX", "RBP", "RBX", "RCX", "RDI", "RDX", "RSI", "RSP",
    "SAVED", "Assembler", "Memory", "Op",
]  # fmt: skip

RAX, RCX, RDX, RSP, RSI, RDI, R8, R9, R10, R11 = 0, 1, 2, 4, 6, 7, 8, 9, 10, 11
"""Integer registers that a function may change without saving them (but for the stack pointer, `RSP`)."""

SAVED = RBX, RBP, R12, R13, R14, R15 = 3, 5, 12, 13, 14, 15
"""Those that a function gives back as they were."""


@dataclass(frozen=True)
class Op:
    """A vector instruction.

    opcode : its byte. map : 1 for those after 0F, 2 after 0F 38, 3 after 0F 3A.
    prefix : 0 for none, 1 for 66, 2 for F3, 3 for F2. wide : the bit W.
    """

    opcode: int
    map: int = 1
    prefix: int = 0
    wide: int = 0


@dataclass(frozen=True)
class Memory:
    """An address: base + index * scale + offset of registers, or the place of a label of the code.

    scale : 1, 2, 4 or 8.
    """

    base: int = 0
    index: int | None = None
    scale: int = 1
    offset: int = 0
    label: str | None = None


JUMPS = {"==": 0x84, "!=": 0x85, "<": 0x8C, ">=": 0x8D, "<=": 0x8E, ">": 0x8F}
"""Second bytes of jumps, by the signed comparison after which they jump."""


class Assembler:
    """Collects instructions; jumps and constants are found by labels, which may come later."""

    def __init__(self) -> None:
        self.code = bytearray()
        self.labels: dict[str, int] = {}
        self._fixups: list[tuple[int, int, str]] = []

    def label(self, name: str) -> None:
        """What comes next is known by this name."""
        self.labels[name] = len(self.code)

    def data(self, label: str, content: bytes, align: int = 32) -> None:
        """Bytes that instructions read."""
        self.code += bytes(-len(self.code) % align)
        self.label(label)
        self.code += content

    def finished(self) -> bytes:
        """The code, which may lie anywhere."""
        for place, end, label in self._fixups:
            struct.pack_into("<i", self.code, place, self.labels[label] - end)
        return bytes(self.code)

    # Vector instructions

    def vector(
        self, op: Op, register: int, first: int, second: int | Memory, immediate: int | None = None, bits: int = 256
    ) -> None:
        """`op register, first, second[, immediate]`; where an instruction has one source, `first` is 0."""
        r, x, b = _high_bits(register, second)
        self.code += bytes((
            0xC4,
            (not r) << 7 | (not x) << 6 | (not b) << 5 | op.map,
            op.wide << 7 | (~first & 15) << 3 | (bits == 256) << 2 | op.prefix,
            op.opcode,
        ))  # fmt: skip
        self._operand(register, second, 0 if immediate is None else 1)
        if immediate is not None:
            self.code.append(immediate)

    def zero_upper(self) -> None:
        """Let code without VEX run at full speed afterwards."""
        self.code += b"\xc5\xf8\x77"

    # Integer instructions, of 64 bits

    def load(self, register: int, source: Memory) -> None:
        """register = memory"""
        self._integer(0x8B, register, source)

    def move(self, register: int, source: int) -> None:
        """register = source"""
        self._integer(0x8B, register, source)

    def store(self, register: int, target: Memory, size: int) -> None:
        """memory = the lowest bytes of a register: 1, 4 or 8"""
        rex = 0x40 | (size == 8) << 3 | _rex(register, target)
        self.code += bytes((rex, 0x88 if size == 1 else 0x89))
        self._operand(register, target)

    def add(self, register: int, source: int | Memory) -> None:
        """register += source"""
        self._integer(0x03, register, source)

    def multiply(self, register: int, source: int | Memory) -> None:
        """register *= source"""
        self.code += bytes((0x48 | _rex(register, source), 0x0F, 0xAF))
        self._operand(register, source)

    def compare(self, register: int, source: int | Memory) -> None:
        """What the next jump depends on: register against source."""
        self._integer(0x3B, register, source)

    def add_number(self, target: int | Memory, number: int) -> None:
        """target += number"""
        self._integer(0x81, 0, target, number)

    def keep_bits(self, target: int | Memory, number: int) -> None:
        """target &= number"""
        self._integer(0x81, 4, target, number)

    def compare_number(self, target: int | Memory, number: int) -> None:
        """What the next jump depends on: target against a number."""
        self._integer(0x81, 7, target, number)

    def set_number(self, target: int | Memory, number: int) -> None:
        """target = number, of 32 bits with a sign"""
        self._integer(0xC7, 0, target, number)

    def set_address(self, register: int, address: int) -> None:
        """register = a number of 64 bits"""
        self.code += bytes((0x48 | register >> 3, 0xB8 | register & 7)) + struct.pack("<Q", address)

    def find(self, register: int, place: Memory) -> None:
        """register = the address of a place"""
        self._integer(0x8D, register, place)

    def subtract(self, register: int, source: int | Memory) -> None:
        """register -= source"""
        self._integer(0x2B, register, source)

    def divide(self, by: int | Memory) -> None:
        """RAX, RDX = RDX:RAX / by, and what is left, without signs"""
        self._integer(0xF7, 6, by)

    def clear(self, register: int) -> None:
        """register = 0"""
        self._integer(0x33, register, register)

    def jump(self, label: str, when: str | None = None) -> None:
        """Go on at a label, always or after a comparison."""
        self.code += bytes((0x0F, JUMPS[when])) if when else b"\xe9"
        self._displacement(label, 0)

    def end(self) -> None:
        """Return to the caller."""
        self.code.append(0xC3)

    def push(self, register: int) -> None:
        """Save a register on the stack."""
        self.code += bytes((0x40 | register >> 3, 0x50 | register & 7))

    def pop(self, register: int) -> None:
        """Give a register back what was saved last."""
        self.code += bytes((0x40 | register >> 3, 0x58 | register & 7))

    def save(self) -> None:
        """Save the registers that a function gives back."""
        for register in SAVED:
            self.push(register)

    def give_back(self) -> None:
        """Give them back, and return to the caller."""
        for register in reversed(SAVED):
            self.pop(register)
        self.end()

    def call(self, function: int | Memory) -> None:
        """Call the function at an address."""
        self.code += bytes((0x40 | _rex(2, function), 0xFF))
        self._operand(2, function)

    def call_label(self, label: str) -> None:
        """Call the function at a label."""
        self.code.append(0xE8)
        self._displacement(label, 0)

    # What threads share

    def add_at_once(self, target: Memory, number: int) -> None:
        """target += number, as one step to all threads"""
        self.code.append(0xF0)
        self.add_number(target, number)

    def set_bits_at_once(self, target: Memory, source: int) -> None:
        """target |= source, as one step"""
        self.code.append(0xF0)
        self._integer(0x09, source, target)

    def exchange(self, register: int, place: Memory) -> None:
        """The register's content and the memory's change places, as one step."""
        self._integer(0x87, register, place)

    def take_and_add(self, place: Memory, register: int) -> None:
        """register, place = place, place + register, as one step"""
        self.code += bytes((0xF0, 0x48 | _rex(register, place), 0x0F, 0xC1))
        self._operand(register, place)

    def pause(self) -> None:
        """Wait a moment in a loop that waits for memory to change."""
        self.code += b"\xf3\x90"

    def system_call(self) -> None:
        """Call the system: RAX says for what, RDI, RSI, RDX, R10, R8 and R9 are given; RAX, RCX and R11 change."""
        self.code += b"\x0f\x05"

    def _integer(self, opcode: int, register: int, operand: int | Memory, number: int | None = None) -> None:
        self.code += bytes((0x48 | _rex(register, operand), opcode))
        self._operand(register, operand, 0 if number is None else 4)
        if number is not None:
            self.code += struct.pack("<i", number)

    def _operand(self, register: int, operand: int | Memory, after: int = 0) -> None:
        """The bytes ModR/M and SIB, and the offset; `after` more bytes belong to the instruction."""
        middle = (register & 7) << 3
        if isinstance(operand, int):
            self.code.append(0xC0 | middle | operand & 7)
        elif operand.label is not None:
            self.code.append(middle | 5)
            self._displacement(operand.label, after)
        else:
            index = 4 if operand.index is None else operand.index & 7
            sib = (operand.scale.bit_length() - 1) << 6 | index << 3 | operand.base & 7
            self.code += bytes((0x80 | middle | 4, sib)) + struct.pack("<i", operand.offset)

    def _displacement(self, label: str, after: int) -> None:
        """The distance to a label from the end of an instruction, of which `after` bytes follow."""
        self._fixups.append((len(self.code), len(self.code) + 4 + after, label))
        self.code += bytes(4)


def _high_bits(register: int, operand: int | Memory) -> tuple[bool, bool, bool]:
    """The fourth bits of the register, of the index and of the base or other register."""
    if isinstance(operand, int):
        return register > 7, False, operand > 7
    return register > 7, (operand.index or 0) > 7, operand.base > 7


def _rex(register: int, operand: int | Memory) -> int:
    r, x, b = _high_bits(register, operand)
    return r << 2 | x << 1 | b
