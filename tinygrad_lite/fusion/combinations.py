"""a x + b y as one function, in expressions whose numbers are given later: a pass over the arrays instead of three."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..core.axpby import axpby
from .expressions import Node, in_order

__all__ = ["combined"]

Places = list[tuple[Node, int]]


def combined(roots: Sequence[Node], numbers: Places) -> tuple[list[Node], Places]:
    """The roots with sums and differences of multiples as nodes `axpby` and `axmby`, and where their numbers are then.

    Such a node has the operands a, x, b, y and stands for a x + b y, or a x - b y. There is one for a sum or difference
    of two arrays where one or both are products with a number that nothing else needs.
    """
    uses = Counter(parent for node in in_order(roots) for parent in node.parents)
    uses.update(roots)
    moved = {place: place for place in numbers}
    made: dict[Any, Node] = {}

    def term(node: Node) -> tuple[Any, int, Node]:
        """The number of a product, its position there, and the other operand; 1 for what is no such product."""
        if node.name == "multiply" and uses[node] == 1:
            for i in (0, 1):
                if (node, i) in moved and isinstance(node.operands[1 - i], Node):
                    return node.operands[i], i, node.operands[1 - i]
        return 1.0, -1, node

    for node in in_order(roots):
        operands = node.operands
        if node.name in ("add", "subtract") and all(isinstance(x, Node) for x in operands) and axpby(node.dtype):
            (a, i, x), (b, j, y) = map(term, operands)
            if (i >= 0 or j >= 0) and x is not y and x.dtype == y.dtype == node.dtype:
                name = "axpby" if node.name == "add" else "axmby"
                made[node] = Node(name, (a, made.get(x, x), b, made.get(y, y)), node.dtype)
                for k, position, product in ((0, i, operands[0]), (2, j, operands[1])):
                    if position >= 0:
                        moved[product, position] = made[node], k
                continue
        if any(x in made for x in node.parents):
            made[node] = Node(node.name, tuple(made.get(x, x) for x in operands), node.dtype)
            for i in range(len(operands)):
                if (node, i) in moved:
                    moved[node, i] = made[node], i
    return [made.get(root, root) for root in roots], list(moved.values())
