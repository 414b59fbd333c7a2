"""Into a batch and out of it: the two ends of a `vmap`, recorded like operations. Each is the other's derivative."""

from __future__ import annotations

import sys
from typing import Any

from ..core.accumulation import accumulate
from ..core.graph import Handle, Node, grad_enabled, new_node, unwrap, wrap
from .array import Batched, put_in, take_out

__all__ = ["enter", "leave"]


class _Transfer:
    """The operation of the nodes at either end."""

    name = "vmap"

    def __init__(self, cls: type[Batched], axis: int, level: int, size: int, inward: bool) -> None:
        self.cls, self.axis, self.level, self.size, self.inward = cls, axis, level, size, inward

    def apply(self, value: Any) -> Any:
        """`value`, an array or a Tensor, at the other end."""
        array = unwrap(value)
        if self.inward:
            array = put_in(self.cls, array, self.axis, self.level)
        else:
            array = take_out(self.cls, array, self.axis, self.level, self.size)
        if not isinstance(value, Handle):
            return array
        if value.node is None or not grad_enabled():
            return wrap(array, None)
        return wrap(array, new_node(self, (value.node,), (), array.shape, array.dtype, sys._getframe(2)))

    def pull(self, node: Node, g: Any, grads: dict) -> None:
        (parent,) = node.parents
        if parent in grads:
            back = _Transfer(self.cls, self.axis, self.level, self.size, not self.inward)
            accumulate(grads, parent, back.apply(g), node)

    pull_graph = pull


def enter(cls: type[Batched], value: Any, axis: int, level: int) -> Any:
    """One example of `value`, whose examples follow each other along an axis."""
    return _Transfer(cls, axis, level, unwrap(value).shape[axis], True).apply(value)


def leave(cls: type[Batched], value: Any, axis: int, level: int, size: int) -> Any:
    """All examples along an axis; `value` is repeated if it is the same for all of them."""
    return _Transfer(cls, axis, level, size, False).apply(value)
