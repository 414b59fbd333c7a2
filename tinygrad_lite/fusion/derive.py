"""From a definition to its value and its derivative as expressions, and what to keep between them.

The derivative comes from the rules of the operations that the definition uses: it is run on symbols and swept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..core.graph import Handle, Leaf, enable_grad, wrap
from ..core.sweep import sweep
from .expressions import Expressions, Node, cost, dependents, in_order
from .halves import rounded, widened
from .symbols import NotElementwise, Symbol, expression

__all__ = ["Pair", "derive", "trace"]

KEEPING = 8.0
"""The cost for an element of keeping a value from the forward pass: written there, read in the backward pass."""


class Pair:
    """A value and its derivative.

    value : the node of the value.
    keep : nodes that the forward pass computes too, for the backward pass.
    gradients : for each input that needs one, the node of its gradient. In them the cotangent is the input whose number
        is the number of arguments, and what was kept has the numbers after it.
    """

    def __init__(self, value: Node, keep: list[Node], gradients: list[Node]) -> None:
        self.value, self.keep, self.gradients = value, keep, gradients


def trace(function: Callable, kinds: Sequence[Any], *, widen: bool = False) -> tuple[Any, list[Handle | Any]]:
    """What `function` computes from symbols: its result, and the arguments that it was given.

    kinds : for each argument the dtype of an array, or a Python number. widen : see `halves.py`.
    Raises NotElementwise, or what the function raises on arrays of length 3.
    """
    expressions = Expressions()
    arguments: list[Any] = []
    for number, kind in enumerate(kinds):
        if isinstance(kind, numpy.dtype):
            node = expressions.input(number, kind)
            symbol = Symbol(expressions, widened(expressions, node) if widen else node)
            arguments.append(wrap(symbol, Leaf(symbol) if symbol.dtype.kind == "f" else None))
        else:
            arguments.append(kind)
    with enable_grad():
        out = function(*arguments)
    if not isinstance(out, Handle) or not isinstance(out.data, Symbol):
        raise NotElementwise("the result is not one array")
    return out, arguments


def derive(
    function: Callable, kinds: Sequence[Any], needs: Sequence[bool], *, widen: bool = False, memory: float = 1.0
) -> Pair:
    """The pair of an elementwise function.

    kinds, widen : as for `trace`. needs : for each argument whether its gradient is wanted. memory : what a value that
    is read or written costs, in units of what it costs beside NumPy's arithmetic.
    Raises NotElementwise where there is none.
    """
    out, arguments = trace(function, kinds, widen=widen)
    expressions, computed = out.data.expressions, expression(out.data)
    value = rounded(expressions, computed, kinds) if widen else computed
    wanted = [x.node for x, needed in zip(arguments, needs, strict=True) if needed]
    if not wanted:
        return Pair(value, [], [])
    cotangent = expressions.input(len(kinds), value.dtype)
    start = widened(expressions, cotangent) if widen else cotangent
    plans = []
    for g in (start, expressions.full(1, computed.dtype)):
        found = _gradients(out, wanted, Symbol(expressions, g))
        if g is not start:  # the derivative itself: the gradient is its product with the cotangent
            found = [expressions.make("multiply", start, slope) for slope in found]
        dtypes = [kind for kind, needed in zip(kinds, needs, strict=True) if needed]
        found = [expressions.convert(gradient, dtype) for gradient, dtype in zip(found, dtypes, strict=True)]
        plans.append(_plan(expressions, value, found, cotangent, memory))
    return min(plans, key=lambda plan: plan[0])[1]


def _gradients(out: Handle, wanted: list[Any], g: Symbol) -> list[Node]:
    """The cotangents of the wanted nodes as expressions."""
    if out.node is None:
        raise NotElementwise("the result does not depend on an argument that needs a gradient")
    found = [expression(gradient) for gradient in sweep([(out.node, g)], wanted, retain_graph=True)]
    if not all(isinstance(gradient, Node) for gradient in found):
        raise NotElementwise("a gradient is missing or a number")
    return found


def _plan(
    expressions: Expressions, value: Node, gradients: list[Node], cotangent: Node, memory: float
) -> tuple[float, Pair]:
    """What to keep for these gradients, and the cost of both passes for an element."""
    nodes = in_order(gradients)
    moving = dependents(nodes, cotangent)
    border = dict.fromkeys(p for node in nodes if node in moving for p in node.parents if p not in moving)
    border |= dict.fromkeys(gradient for gradient in gradients if gradient not in moving)
    keep = [node for node in border if node.name not in ("input", "full") and cost([node]) > memory * _keeping(node)]
    number = cotangent.operands[0] + 1
    known = {node: expressions.input(number + i, node.dtype) for i, node in enumerate(keep)}
    replaced = [_replaced(expressions, gradient, known) for gradient in gradients]
    inputs = [node for node in in_order(replaced) if node.name == "input"]
    total = cost([value, *keep]) + cost(replaced) + memory * (sum(map(_keeping, keep)) + 4.0 * len(inputs))
    return total, Pair(value, keep, replaced)


def _keeping(node: Node) -> float:
    return KEEPING * node.dtype.itemsize / 4


def _replaced(expressions: Expressions, root: Node, known: dict[Node, Node]) -> Node:
    """The expression with what is known in its place."""
    made: dict[Node, Any] = dict(known)
    for node in in_order([root]):
        if node not in made:
            operands = tuple(made[x] if isinstance(x, Node) else x for x in node.operands)
            made[node] = node if operands == node.operands else expressions.node(node.name, operands, node.dtype)
    return made[root]
