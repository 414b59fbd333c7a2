"""Operations with several outputs: one node for the call, and a node in front of it for each output.

The node of an output hands its cotangent to the node of the call, which is pulled when all have arrived.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .backend import backend_of
from .dtypes import is_floating
from .graph import Node, as_array, grad_enabled, new_node, unwrap, wrap

if TYPE_CHECKING:
    from .op import Op

__all__ = ["complete", "record_outputs", "wrap_outputs"]


class _Output:
    """The operation of the node of one output. Nodes of calls have, as cotangent, a list with one for each output."""

    name = "output"

    def __init__(self, index: int) -> None:
        self.index = index

    def pull(self, node: Node, g: Any, grads: dict[Node, Any]) -> None:
        (call,) = node.parents
        if call in grads:
            if grads[call] is None:
                grads[call] = [None] * len(call.shape)
            held = grads[call][self.index]
            grads[call][self.index] = g if held is None else held + g

    pull_graph = pull


def record_outputs(op: Op, parents: tuple[Node | None, ...], saved: tuple, outs: tuple) -> Any:
    """The outputs as Tensors in the operation's named tuple, recorded if a parent needs a gradient.

    Outputs of integers and booleans, indices for example, are constants.
    """
    outs = tuple(map(as_array, outs))
    if not grad_enabled() or all(parent is None for parent in parents):
        return op.result(*(wrap(out, None) for out in outs))
    shapes, dtypes = tuple(out.shape for out in outs), tuple(out.dtype for out in outs)
    return wrap_outputs(new_node(op, parents, saved, shapes, dtypes, sys._getframe(2)), outs)


def wrap_outputs(call: Node, outs: tuple) -> Any:
    """The arrays that the call of a node returned as Tensors behind new nodes, in the operation's named tuple."""
    tensors = []
    for i, out in enumerate(outs):
        node = None
        if is_floating(out.dtype):
            node = new_node(_Output(i), (call,), (), out.shape, out.dtype, sys._getframe(1))
        tensors.append(wrap(out, node))
    return call.op.result(*tensors)


def complete(call: Node, cotangents: list[Any]) -> tuple:
    """The cotangents that have arrived at the node of a call, and zeros for the outputs that had none."""
    xp = next(backend_of(unwrap(g)) for g in cotangents if g is not None).xp
    return tuple(
        xp.zeros(shape, dtype=dtype) if g is None else g
        for g, shape, dtype in zip(cotangents, call.shape, call.dtype, strict=True)
    )
