"""Derivatives with complex numbers.

Convention: the gradient of a real L with respect to a complex z = x + iy is dL/dx + i dL/dy, so that z - lr * gradient
goes downhill; PyTorch's is the same. For a holomorphic f the cotangent g of f(z) then becomes g * conj(f'(z)).

Derivative rules are written without conjugates, g * f'(z), and so cost real arrays nothing. Where an operation's result
is complex, the rule is applied to conj(g) and its result conjugated, which comes to the same. Operations that are not
holomorphic and have complex results (conj) are declared with `holomorphic=False`: their rules are in the convention
above, as are those of operations with real results (abs, real).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .accumulation import accumulate
from .graph import Node
from .registry import OPS

if TYPE_CHECKING:
    from .op import Op

__all__ = ["Conjugated"]


class Conjugated:
    """The operation of nodes with a complex result: the rules of `op` between two conjugations."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.name = op.name

    def pull(self, node: Node, g: Any, grads: dict[Node, Any]) -> None:
        self._between_conjugations(self.op.pull, node, g, grads)

    def pull_graph(self, node: Node, g: Any, grads: dict[Node, Any]) -> None:
        self._between_conjugations(self.op.pull_graph, node, g, grads)

    def _between_conjugations(self, pull: Any, node: Node, g: Any, grads: dict[Node, Any]) -> None:
        conj = OPS["conj"].function
        found: dict[Node, Any] = {parent: None for parent in node.parents if parent in grads}
        pull(node, conj(g), found)
        for parent, gradient in found.items():
            if gradient is not None:
                accumulate(grads, parent, conj(gradient), node)
