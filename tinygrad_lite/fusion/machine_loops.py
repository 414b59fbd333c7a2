"""Programs as machine code: where the processor is one that `machine/` writes for, an expression is one loop.

Values stay in registers: memory is read and written once, and nothing but the functions and the loop takes time. The
results of arithmetic are NumPy's to the last bit; functions such as `exp` have errors of 1 to 3 units in the last
place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..machine import functions
from ..machine.lanes import Lanes, Value
from ..machine.loops import BYTES, elementwise
from ..machine.registers import Placed
from ..machine.team import assemble, shared
from ..machine.ufuncs import available, machine_ufunc
from .expressions import Node, in_order

__all__ = ["machine_loop"]

OPERANDS = 32
"""How many arrays and numbers a ufunc may have in all versions of NumPy."""


CALL = 0.65
"""What a pass over memory without arithmetic, and as many instructions as a register has lanes, count as, in calls of
NumPy's."""


def machine_loop(
    roots: Sequence[Node], inputs: Sequence[Node], numbers: Sequence[tuple[Node, int]], name: str, least: float
) -> tuple[Callable[..., Any], str, float, Callable[[], None]] | None:
    """See `machine_step`."""
    kinds, results = [node.dtype for node in inputs], [root.dtype for root in roots]
    dtypes = {node.dtype for node in in_order([*inputs, *roots])} - {numpy.dtype(bool)}
    if not available() or len(kinds) + len(numbers) + len(results) > OPERANDS:
        return None
    if dtypes not in ({numpy.dtype("float32")}, {numpy.dtype("float64")}):
        return None
    (dtype,) = dtypes
    lanes = Lanes(dtype)
    try:
        values = _Translation(lanes, inputs, numbers).values(roots)
    except _Unknown:
        return None
    kinds += [dtype] * len(numbers)
    placed = Placed(values)
    code = elementwise(lanes, placed, kinds, results, len(numbers))
    work = CALL * (1 + len(placed.steps) * dtype.itemsize / BYTES)
    try:
        code = shared(code, len(kinds) + len(results), 1, least=max(int(least / work), 1), multiple=BYTES)
        step = ufunc = machine_ufunc(name, code, [*kinds, *results], len(kinds))
    except OSError:  # a system allows so many pieces of memory of a process's own
        return None
    if numbers:
        x, y, k = (
            [f"{letter}{i}" for i in range(len(them))]
            for letter, them in zip("xyk", (inputs, roots, numbers), strict=True)
        )
        step = eval(f"lambda {', '.join(x + y + k)}: ufunc({', '.join(x + k + y)})", {"ufunc": ufunc})
    return step, _listing(roots, inputs, numbers, name), work, assemble


def _listing(roots: Sequence[Node], inputs: Sequence[Node], numbers: Sequence[tuple[Node, int]], name: str) -> str:
    """The expression as lines that can be read."""
    names = {node: f"x{i}" for i, node in enumerate(inputs)}
    given = {key: f"k{i}" for i, key in enumerate(numbers)}
    lines = [f"loop of {roots[0].dtype.name} in machine code:  # {name}"]
    for node in in_order(roots):
        if node not in names:
            operands = [given.get((node, j)) or names.get(x) or repr(x) for j, x in enumerate(node.operands)]
            names[node] = f"v{len(lines)}"
            lines.append(f"    {names[node]} = {node.name}({', '.join(operands)})")
    return "\n".join([*lines, *[f"    y{i} = {names[root]}" for i, root in enumerate(roots)]]) + "\n"


class _Unknown(Exception):
    """There is no machine code for a function."""


class _Translation:
    """Makes values of nodes; those of booleans are masks."""

    def __init__(self, lanes: Lanes, inputs: Sequence[Node], numbers: Sequence[tuple[Node, int]]) -> None:
        self.lanes = lanes
        self.made: dict[Node, Value] = {node: lanes.load(i, node.dtype) for i, node in enumerate(inputs)}
        self.numbers = {key: lanes.load(len(inputs) + i) for i, key in enumerate(numbers)}

    def values(self, roots: Sequence[Node]) -> list[Value]:
        """The values of the roots, which are all in registers before anything is written."""
        for node in in_order(roots):
            if node not in self.made:
                self.made[node] = self.make(node)
        found = [self.made[root] for root in roots]
        return [self.lanes.either(value, value) if value.kind in ("load", "constant") else value for value in found]

    def make(self, node: Node) -> Value:
        """The value of a node whose operands have theirs."""
        lanes, name = self.lanes, node.name
        if name == "full":
            return self.full(*node.operands, node.dtype)
        if name in ("where", "astype"):
            condition, *rest = node.operands
            if name == "astype":
                return self.operand(condition, node.dtype)
            return self.select(self.operand(condition, numpy.dtype(bool)), *rest, node.dtype)
        masks = node.dtype == bool and name in LOGICAL
        kind = numpy.dtype(bool) if masks else lanes.dtype
        operands = [self.numbers.get((node, j)) or self.operand(x, kind) for j, x in enumerate(node.operands)]
        known = LOGICAL if masks else REAL
        exponent = node.operands[1] if name == "pow" else None
        if isinstance(exponent, (int, float)) and not masks and (node, 1) not in self.numbers:
            made = functions.power(lanes, operands[0], exponent)
            if made is not None:
                return made
        if name not in known or (node.dtype.kind == "b" and not masks and name not in TESTS):
            raise _Unknown(name)
        return known[name](lanes, *operands)

    def operand(self, operand: Node | Any, dtype: numpy.dtype) -> Value:
        """An operand as a value or a mask."""
        if not isinstance(operand, Node):
            return self.full(operand, dtype)
        value = self.made[operand]
        if operand.dtype == dtype:
            return value
        return self.lanes.compare(value, "!=", 0.0) if dtype.kind == "b" else self.lanes.both(value, 1.0)

    def full(self, number: Any, dtype: numpy.dtype) -> Value:
        """A number in all lanes."""
        return self.lanes.pattern(-bool(number)) if dtype.kind == "b" else self.lanes.constant(number)

    def select(self, mask: Value, x: Any, y: Any, dtype: numpy.dtype) -> Value:
        """x where the mask is set, else y; zeros take no selection."""
        if _is_zero(y):
            return self.lanes.both(mask, self.operand(x, dtype))
        if _is_zero(x):
            return self.lanes.without(mask, self.operand(y, dtype))
        return self.lanes.select(mask, self.operand(x, dtype), self.operand(y, dtype))


def _is_zero(operand: Any) -> bool:
    number = operand.operands[0] if isinstance(operand, Node) and operand.name == "full" else operand
    return not isinstance(number, Node) and number == 0 and math.copysign(1, number) == 1


def _comparison(how: str) -> Callable[..., Value]:
    return lambda lanes, x, y: lanes.compare(x, how, y)


def _extreme(how: str) -> Callable[..., Value]:
    """The larger or smaller of x and y; NaN if one is, and y where they are equal, as NumPy has it for zeros."""

    def made(lanes: Lanes, x: Value, y: Value) -> Value:
        chosen = lanes.compare(x, how, y)
        if x.kind != "constant":
            chosen = lanes.either(chosen, lanes.compare(x, "unordered", x))
        return lanes.select(chosen, x, y)

    return made


def _sign(lanes: Lanes, x: Value) -> Value:
    positive, negative = (lanes.both(lanes.compare(x, how, 0.0), 1.0) for how in "><")
    return lanes.select(lanes.compare(x, "unordered", x), x, lanes.subtract(positive, negative))


REAL: dict[str, Callable[..., Value]] = {
    "abs": Lanes.absolute,
    "acosh": functions.acosh,
    "add": Lanes.add,
    "asinh": functions.asinh,
    "atan": functions.atan,
    "atanh": functions.atanh,
    "axmby": lambda lanes, a, x, b, y: lanes.subtract(lanes.multiply(a, x), lanes.multiply(b, y)),
    "axpby": lambda lanes, a, x, b, y: lanes.add(lanes.multiply(a, x), lanes.multiply(b, y)),
    "ceil": lambda lanes, x: lanes.round(x, "ceil"),
    "copysign": lambda lanes, x, y: lanes.with_sign_of(lanes.absolute(x), y),
    "cosh": functions.cosh,
    "divide": Lanes.divide,
    "equal": _comparison("=="),
    "exp": functions.exp,
    "expm1": functions.expm1,
    "floor": lambda lanes, x: lanes.round(x, "floor"),
    "greater": _comparison(">"),
    "greater_equal": _comparison(">="),
    "hypot": functions.hypot,
    "isfinite": lambda lanes, x: lanes.compare(lanes.absolute(x), "<", math.inf),
    "isinf": lambda lanes, x: lanes.compare(lanes.absolute(x), "==", math.inf),
    "isnan": lambda lanes, x: lanes.compare(x, "unordered", x),
    "less": _comparison("<"),
    "less_equal": _comparison("<="),
    "log": functions.log,
    "log10": functions.log10,
    "log1p": functions.log1p,
    "log2": functions.log2,
    "logaddexp": functions.logaddexp,
    "maximum": _extreme(">"),
    "minimum": _extreme("<"),
    "multiply": Lanes.multiply,
    "negative": Lanes.negative,
    "not_equal": _comparison("!="),
    "quiet_exp": functions.quiet_exp,
    "reciprocal": lambda lanes, x: lanes.divide(1.0, x),
    "sign": _sign,
    "signbit": lambda lanes, x: lanes.compare(lanes.with_sign_of(lanes.constant(1.0), x), "<", 0.0),
    "sinh": functions.sinh,
    "sqrt": Lanes.sqrt,
    "square": lambda lanes, x: lanes.multiply(x, x),
    "subtract": Lanes.subtract,
    "tanh": functions.tanh,
    "trunc": lambda lanes, x: lanes.round(x, "trunc"),
}
"""Functions of numbers, by the names of expressions."""

TESTS = {
    "equal", "greater", "greater_equal", "isfinite", "isinf", "isnan", "less", "less_equal", "not_equal", "signbit",
}  # fmt: skip
"""Those whose results are masks."""

LOGICAL: dict[str, Callable[..., Value]] = {
    "add": Lanes.either,
    "bitwise_and": Lanes.both,
    "bitwise_invert": lambda lanes, x: lanes.differing(x, lanes.pattern(-1)),
    "bitwise_or": Lanes.either,
    "bitwise_xor": Lanes.differing,
    "logical_and": Lanes.both,
    "logical_not": lambda lanes, x: lanes.differing(x, lanes.pattern(-1)),
    "logical_or": Lanes.either,
    "logical_xor": Lanes.differing,
    "maximum": Lanes.either,
    "minimum": Lanes.both,
    "multiply": Lanes.both,
}
"""Functions of masks."""
