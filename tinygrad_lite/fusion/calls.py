"""Expressions as calls of NumPy's, one in another, for arrays that are too small for a program.

What is gained over the definition itself: no operation in between, and numbers that are arrays already. For a Python
number NumPy takes 0.4 us longer than for an array without axes, as long as the multiplication of a small array takes.
"""

from __future__ import annotations

import linecache
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from .expressions import Node, in_order

__all__ = ["calls_of"]

_REAL = (numpy.dtype("float32"), numpy.dtype("float64"))
_BITS = {numpy.dtype(f"float{bits}"): numpy.dtype(f"int{bits}") for bits in (32, 64)}


def calls_of(root: Node, names: Sequence[str], name: str) -> Callable | None:
    """The function of arrays called `names` that computes `root`, whose inputs have their numbers; None if it cannot.

    Its results are those of the expression's functions to the last bit, for arrays that broadcast too.
    """
    nodes = [node for node in in_order([root]) if node.name != "input"]
    if any(node.name in ("full", "quiet_exp") for node in nodes) or not all(
        node.dtype in _REAL or node.dtype == bool for node in in_order([root])
    ):
        return None
    writer = _Writer(names, Counter(parent for node in nodes for parent in node.parents))
    result = writer.write(nodes)
    head = f"def calls({', '.join(names)}):  # {name}"
    text = "\n".join([head, *writer.lines, f"    return {result}"]) + "\n"
    filename = f"<tinygrad_lite calls {name} {id(writer):x}>"
    exec(compile(text, filename, "exec"), writer.scope)
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    return writer.scope["calls"]


class _Writer:
    """Writes expressions; what is used more than once gets a name and a line of its own."""

    def __init__(self, names: Sequence[str], uses: Counter[Node]) -> None:
        self.names, self.uses = names, uses
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {}
        self.written: dict[Node, str] = {}

    def write(self, nodes: Sequence[Node]) -> str:
        """The expression of the last of the nodes, which are given operands first."""
        text = ""
        for node in nodes:
            text = self._call(node)
            if self.uses[node] > 1:
                self.lines.append(f"    v{len(self.lines)} = {text}")
                text = f"v{len(self.lines) - 1}"
            self.written[node] = text
        return text

    def _call(self, node: Node) -> str:
        arrays = [operand.dtype for operand in node.parents if operand.dtype in _REAL]
        kind = arrays[0] if arrays and node.name != "pow" else None
        operands = [self._operand(operand, kind) for operand in node.operands]
        if node.name == "astype":
            self.scope[node.dtype.name] = node.dtype
            return f"{operands[0]}.astype({node.dtype.name})"
        if node.name == "pow":  # the operator has quicker ways for some numbers
            return f"({operands[0]} ** {operands[1]})"
        if node.name == "where":
            _, x, y = node.operands
            for value, other, mask in ((x, y, operands[0]), (y, x, f"logical_not({operands[0]})")):
                if isinstance(value, Node) and _is_zero(other) and value.dtype == node.dtype:
                    bits = _BITS[node.dtype]
                    self.scope |= {node.dtype.name: node.dtype, bits.name: bits}
                    self.scope |= {"multiply": numpy.multiply, "logical_not": numpy.logical_not}
                    view = f"{self._operand(value, None)}.view({bits.name})"
                    return f"multiply({view}, {mask}).view({node.dtype.name})"
        self.scope[node.name] = getattr(numpy, node.name)
        return f"{node.name}({', '.join(operands)})"

    def _operand(self, operand: Any, kind: numpy.dtype | None) -> str:
        """The source of an operand; of a number as an array of the dtype `kind`, if there is one that can hold it."""
        if isinstance(operand, Node):
            return self.names[operand.operands[0]] if operand.name == "input" else self.written[operand]
        if type(operand) not in (int, float):
            return repr(operand)
        name = f"c{len(self.scope)}"
        number = operand
        if kind is not None and abs(operand) <= float(numpy.finfo(kind).max):
            number = numpy.array(operand, kind)
            number.flags.writeable = False
        self.scope[name] = number
        return name


def _is_zero(operand: Any) -> bool:
    return type(operand) in (int, float) and operand == 0 and math.copysign(1, operand) == 1
