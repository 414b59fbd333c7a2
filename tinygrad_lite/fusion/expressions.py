"""Elementwise expressions: what a definition computes, as a graph without repeated parts.

This is what programs are made of, for NumPy (`programs.py`) and for any other emitter: a node has the name of an Array
API function, its operands, and the dtype of its result. Operands are nodes or Python numbers. Nodes of an `Expressions`
are equal only if they are the same object, so a part that occurs twice is computed once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Container, Iterable
from typing import Any

import numpy

__all__ = ["COST", "Expressions", "Node", "cost", "dependents", "distinct", "in_order", "inputs_of", "result_dtype"]

Number = bool | int | float


class Node:
    """One value of an expression.

    name : of the Array API function; `"input"` for an array from outside, `"astype"` for a conversion to `dtype`,
        `"full"` for a number that has a dtype, `"quiet_exp"` for `exp` without a warning where it is infinite.
    operands : nodes and Python numbers; of an input its number.
    dtype : of the value.
    """

    __slots__ = ("dtype", "name", "operands")

    def __init__(self, name: str, operands: tuple, dtype: numpy.dtype) -> None:
        self.name, self.operands, self.dtype = name, operands, dtype

    @property
    def parents(self) -> list[Node]:
        """The operands that are nodes."""
        return [operand for operand in self.operands if isinstance(operand, Node)]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.operands))})"


class Expressions:
    """Makes nodes: each only once, with numbers computed at once and what changes nothing left out."""

    def __init__(self) -> None:
        self._known: dict[tuple, Node] = {}

    def input(self, number: int, dtype: Any) -> Node:
        """The array from outside with this number."""
        return self.node("input", (number,), numpy.dtype(dtype))

    def full(self, value: Number, dtype: Any) -> Node:
        """A number with a dtype."""
        return self.node("full", (value,), numpy.dtype(dtype))

    def make(self, name: str, *operands: Node | Number) -> Node | Number:
        """The value of the function `name`; a Python number if all operands are."""
        kinds, numbers, full = [], 0, False
        for operand in operands:
            if isinstance(operand, Node):
                kinds.append(operand.dtype)
                full = full or operand.name == "full"
            else:
                kinds.append(type(operand))
                numbers += 1
        if full:
            plain = _without_full(operands)
            if not any(isinstance(operand, Node) for operand in plain):
                return self.full(_as_number(getattr(numpy, name)(*plain)), result_dtype(name, *kinds))
            if plain != operands:
                return self.make(name, *plain)
        if numbers == len(operands):
            return _as_number(getattr(numpy, name)(*operands))
        if numbers or len(operands) != 2:
            simpler = _simpler(self, name, operands)
            if simpler is not None:
                return simpler
        return self.node(name, operands, result_dtype(name, *kinds))

    def opposite(self, x: Node | Number) -> Node | Number | None:
        """-x by other signs of the numbers in it, equal to the last bit but for zeros; None if there are none."""
        if not isinstance(x, Node):
            return -x if type(x) is float else None
        if x.dtype.kind != "f" or x.name not in ("multiply", "add"):
            return None
        a, b = x.operands
        others = self.opposite(a), self.opposite(b)
        if x.name == "add":
            return None if None in others else self.make("add", *others)
        if others != (None, None):
            return self.make("multiply", a, others[1]) if others[0] is None else self.make("multiply", others[0], b)
        return None

    def convert(self, operand: Node | Number, dtype: Any) -> Node | Number:
        """The value with another dtype."""
        dtype = numpy.dtype(dtype)
        if not isinstance(operand, Node):
            return _as_number(dtype.type(operand))
        return operand if operand.dtype == dtype else self.node("astype", (operand,), dtype)

    def node(self, name: str, operands: tuple, dtype: numpy.dtype) -> Node:
        """The node with just these operands."""
        key = (name, dtype, *map(distinct, operands))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Node(name, operands, dtype)
        return found


def distinct(value: Any) -> Any:
    """A value as a part of a key: 1, 1.0 and True are three, 0.0 and -0.0 two, also in tuples."""
    if isinstance(value, tuple):
        return tuple(map(distinct, value))
    return (type(value), value, math.copysign(1, value)) if isinstance(value, (int, float)) else value


def _is_full(operand: Any) -> bool:
    return isinstance(operand, Node) and operand.name == "full"


def _without_full(operands: tuple) -> tuple:
    """The operands with Python numbers for those that are `full`, where the dtype of the result stays the same."""
    arrays = [x.dtype for x in operands if isinstance(x, Node) and not _is_full(x)]
    return tuple(
        x.operands[0] if _is_full(x) and (x.dtype in arrays or not arrays) else x  # type: ignore[union-attr]
        for x in operands
    )


def _as_number(value: Any) -> Number:
    return value.item() if hasattr(value, "item") else value


@functools.lru_cache(maxsize=4096)
def result_dtype(name: str, *kinds: Any) -> numpy.dtype:
    """The dtype that NumPy gives the result for arrays of these dtypes and numbers of these types."""
    samples = [numpy.empty(0, kind) if isinstance(kind, numpy.dtype) else kind(1) for kind in kinds]
    return getattr(numpy, name)(*samples).dtype


def _simpler(expressions: Expressions, name: str, operands: tuple) -> Node | Number | None:
    """A simpler value that is equal to the last bit, or None."""
    if name == "where":
        return _simpler_where(expressions, operands)
    if name == "positive" or (name in ("real", "conj") and operands[0].dtype.kind != "c"):
        return operands[0]
    if len(operands) != 2:
        return None
    x, y = operands
    if name == "multiply" and _keeps(x, y) and y == 1:
        return x
    if name == "multiply" and _keeps(y, x) and x == 1:
        return y
    if name in ("divide", "pow") and _keeps(x, y) and y == 1 and x.dtype.kind in "fc":
        return x
    if name == "pow" and isinstance(x, Node) and type(y) in (int, float) and y == 2 and _keeps(x, y):
        return expressions.make("square", x)
    # x + 0 is not x for -0.0, but x - 0 is.
    if name == "subtract" and _keeps(x, y) and y == 0 and math.copysign(1, y) == 1:
        return x
    return None


def _keeps(x: Any, number: Any) -> bool:
    """Whether an operation of the node x and a number has the dtype of x."""
    numbers = isinstance(x, Node) and isinstance(number, (int, float))
    return numbers and result_dtype("add", x.dtype, type(number)) == x.dtype


def _simpler_where(expressions: Expressions, operands: tuple) -> Node | Number | None:
    condition, x, y = operands
    if isinstance(condition, Node) and condition.dtype != bool:
        return expressions.make("where", expressions.make("not_equal", condition, 0), x, y)
    if not isinstance(condition, Node):
        chosen = x if condition else y
        return chosen if isinstance(chosen, Node) else None
    return x if x is y and isinstance(x, Node) else None


COST = {
    "astype": 1, "where": 4, "divide": 3, "reciprocal": 3, "sqrt": 3, "pow": 20, "exp": 6, "quiet_exp": 6, "expm1": 10,
    "log": 8, "log1p": 10, "log2": 8, "log10": 8, "tanh": 10, "sin": 8, "cos": 8, "tan": 15, "remainder": 10,
    "atan": 12, "atan2": 20, "asin": 12, "acos": 12, "sinh": 15, "cosh": 15, "hypot": 6, "logaddexp": 25,
}  # fmt: skip
"""What functions cost for an element, where an addition costs 1 and, in float32, a value written to memory about 8."""


def in_order(roots: Iterable[Node | Number], given: Container[Node] = ()) -> list[Node]:
    """The nodes that the roots are computed from, operands first, if those of `given` are there already."""
    found: dict[Node, None] = {}
    stack = [(root, False) for root in reversed(list(roots)) if isinstance(root, Node)]
    while stack:
        node, entered = stack.pop()
        if node in found or node in given:
            continue
        if entered:
            found[node] = None
        else:
            stack.append((node, True))
            stack += [(parent, False) for parent in reversed(node.parents)]
    return list(found)


def inputs_of(roots: Iterable[Node | Number]) -> list[Node]:
    """The inputs that the roots are computed from, by their numbers."""
    return sorted((node for node in in_order(roots) if node.name == "input"), key=lambda node: node.operands[0])


def dependents(nodes: Iterable[Node], on: Node) -> set[Node]:
    """Those of the nodes, given operands first, that are computed from `on`."""
    found = {on}
    for node in nodes:
        if any(parent in found for parent in node.parents):
            found.add(node)
    return found


def cost(roots: Iterable[Node | Number], given: Iterable[Node] = ()) -> float:
    """What computing the roots costs for an element, if the nodes of `given` are there already."""
    seen = set(given)
    total, stack = 0.0, [root for root in roots if isinstance(root, Node)]
    while stack:
        node = stack.pop()
        if node in seen or node.name in ("input", "full"):
            continue
        seen.add(node)
        total += COST.get(node.name, 1)
        stack += node.parents
    return total
