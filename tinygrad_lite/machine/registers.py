"""Where values lie while a piece of code runs: each gets one of the sixteen vector registers, or a place on the stack.

The code has no branches, so one pass over it does: a value keeps its register until its last use; where there are too
few, the one whose next use is farthest away makes room (Belady, "A study of replacement algorithms for a
virtual-storage computer", IBM Systems Journal 5, 1966).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .lanes import Value
from .x86 import Op

__all__ = ["Placed", "Step"]

COUNT = 16

COMMUTATIVE = {0x58, 0x59, 0x54, 0x56, 0x57, 0xD4, 0xFE}
"""Instructions of the first map whose operands may be exchanged."""

FMA_231 = 0x10
"""From `a = b a + c` to `c = a b + c`: what is added to an opcode."""

Step = tuple
"""What is done, by its first element:

load, register, number, dtype; constant, register, bits: a value comes to a register
spill, register, place; restore, register, place: to the stack, and back
op, Op, register, first, second, immediate: an instruction; `second` may be `("constant", bits)`
store, number, register: a result is written
"""


class Placed:
    """The steps that compute some values, which are stored after everything has been read.

    roots : the values. registers : how many it may use, from the first on. steps : see `Step`.
    slots : how many registers the stack has place for. constants : patterns of bits that are read from memory.
    """

    def __init__(self, roots: Sequence[Value], registers: int = COUNT) -> None:
        self._registers = registers
        self.steps: list[Step] = []
        self.slots = 0
        self.constants: dict[int, None] = {}
        self._order = _in_order(roots)
        self._uses: dict[Value, list[int]] = {}
        for i, value in enumerate(self._order):
            for operand in value.operands:
                self._uses.setdefault(operand, []).append(i)
        for i, root in enumerate(roots):
            self._uses.setdefault(root, []).append(len(self._order) + i)
        self._held: dict[int, Value] = {}
        self._where: dict[Value, int] = {}
        self._slots: dict[Value, int] = {}
        for i, value in enumerate(self._order):
            self._compute(i, value)
        for i, root in enumerate(roots):
            self.steps.append(("store", i, self._register(root, len(self._order) + i, ())))
            self._release(root, len(self._order) + i)

    def _compute(self, i: int, value: Value) -> None:
        operands = list(value.operands)
        op = value.op
        if value.kind == "op" and op is not None and op.map == 1 and op.opcode in COMMUTATIVE:
            operands.sort(key=lambda operand: operand.kind == "constant")
        if value.kind == "fma":
            return self._compute_fma(i, value, operands)
        memory = None  # the operand that may be read from memory
        if value.kind == "op" or value.kind == "blend":
            last = min(len(operands) - 1, 1)
            if operands[last].kind == "constant" and operands[last] not in self._where:
                memory = last
        held: list[Any] = []
        for j, operand in enumerate(operands):
            held.append(self._constant(operand) if j == memory else self._register(operand, i, operands))
        for operand in operands:
            self._release(operand, i)
        register = self._free(i, ())
        self._hold(value, register)
        if value.kind == "shift":
            self.steps.append(("op", value.op, value.content, register, held[0], value.immediate))
        elif value.kind == "blend":
            self.steps.append(("op", value.op, register, held[0], held[1], held[2] << 4))
        elif len(held) == 1:
            self.steps.append(("op", value.op, register, 0, held[0], value.immediate))
        else:
            self.steps.append(("op", value.op, register, held[0], held[1], value.immediate))

    def _compute_fma(self, i: int, value: Value, operands: list[Value]) -> None:
        """x y + z is written over one of the three; `op` is for x or y."""
        x, y, z = operands
        assert value.op is not None
        op = value.op
        if x.kind == "constant":
            x, y = y, x
        x_in = self._register(x, i, operands)
        over_z = self._dies(z, i) and z.kind != "constant" and z not in (x, y)
        y_memory = over_z and y.kind == "constant" and y not in self._where
        if not y_memory:
            y_in: Any = self._register(y, i, operands)
        z_memory = z.kind == "constant" and z not in self._where
        z_in: Any = self._constant(z) if z_memory else self._register(z, i, operands)
        if y_memory:
            y_in = self._constant(y)
        if not z_memory and self._dies(z, i) and z not in (x, y):
            target, first, second = z_in, x_in, y_in
            op = Op(op.opcode + FMA_231, op.map, op.prefix, op.wide)
        else:
            if self._dies(x, i) and x not in (y, z):
                target, first = x_in, y_in
            elif self._dies(y, i) and y not in (x, z):
                target, first = y_in, x_in
            else:
                target = self._free(i, operands)
                self.steps.append(("copy", target, x_in))
                first = y_in
            second = z_in
        for operand in operands:
            self._release(operand, i)
        self._hold(value, target)
        self.steps.append(("op", op, target, first, second, None))

    def _constant(self, value: Value) -> tuple[str, int]:
        self.constants[value.content] = None
        return "constant", value.content

    def _register(self, value: Value, i: int, keep: Sequence[Value]) -> int:
        """The register of a value, which is brought there."""
        if value in self._where:
            return self._where[value]
        register = self._free(i, keep)
        self._hold(value, register)
        if value.kind == "constant":
            self.steps.append(("constant", register, self._constant(value)[1]))
        elif value.kind == "load":
            self.steps.append(("load", register, *value.content))
        else:
            self.steps.append(("restore", register, self._slots[value]))
        return register

    def _free(self, i: int, keep: Sequence[Value]) -> int:
        """A register that nothing is kept in."""
        for register in range(self._registers):
            if register not in self._held:
                return register
        farthest = max(
            (v for v in self._where if v not in keep), key=lambda v: next(n for n in self._uses[v] if n >= i)
        )
        register = self._where.pop(farthest)
        del self._held[register]
        if farthest.kind not in ("load", "constant") and farthest not in self._slots:
            self._slots[farthest] = self.slots
            self.steps.append(("spill", register, self.slots))
            self.slots += 1
        return register

    def _hold(self, value: Value, register: int) -> None:
        self._held[register] = value
        self._where[value] = register

    def _dies(self, value: Value, i: int) -> bool:
        return self._uses[value][-1] <= i

    def _release(self, value: Value, i: int) -> None:
        if value in self._where and self._dies(value, i):
            del self._held[self._where.pop(value)]


def _in_order(roots: Sequence[Value]) -> list[Value]:
    """The values that take an instruction, operands first."""
    found: dict[Value, None] = {}
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        value, entered = stack.pop()
        if value in found or value.kind in ("load", "constant"):
            continue
        if entered:
            found[value] = None
        else:
            stack.append((value, True))
            stack += [(operand, False) for operand in reversed(value.operands)]
    return list(found)
