"""Finding where a NaN or an infinity comes into a gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from ..core.backend import backend_of
from ..core.errors import GradientError
from ..core.graph import Handle, Leaf, no_grad
from ..core.op import Array
from ..core.sweep import freed, reach
from .gradients import cotangent, require_node

__all__ = ["NonFinite", "find_nan"]


class NonFinite(NamedTuple):
    """The operation whose derivative rule made the first NaN or infinity.

    operation : its name. place : the line of your code that called it.
    shape : of the gradient that is not finite. bad, total : how many of its elements are not finite, of how many.
    """

    operation: str
    place: str
    shape: tuple[int, ...]
    bad: int
    total: int

    def __str__(self) -> str:
        return (
            f"the derivative of {self.operation} is not finite in {self.bad} of {self.total} elements, shape "
            f"{self.shape}; the operation was called at {self.place}"
        )


def find_nan(output: Handle, gradient: Array | None = None) -> NonFinite | None:
    """Where the first NaN or infinity of a backward pass arises, or None if all gradients are finite.

    output, gradient : as for `backward`. Leaves' `grad` stays as it is, and so does the graph.

    Hooks are left out. Raises GradientError as `backward` does, and if the cotangent itself is not finite.

    >>> x = tensor([0.0, 4.0], requires_grad=True)
    >>> found = autograd.find_nan((x.sqrt() * 2.0).sum())
    >>> found.operation, found.bad, found.total
    ('sqrt', 1, 2)
    """
    root = require_node("find_nan", output)
    start = cotangent("find_nan", output, gradient, False)
    if _bad(start):
        raise GradientError(f"find_nan: the cotangent itself is not finite in {_bad(start)} of {start.size} elements.")
    grads = reach([root])
    order = sorted(grads, key=lambda node: node.birth, reverse=True)
    grads[root] = start
    with no_grad(), numpy.errstate(all="ignore"):
        for node in order:
            if grads[node] is None or isinstance(node, Leaf):
                continue
            if node.saved is None:
                raise GradientError(freed(node))
            node.op.pull(node, grads[node], grads)
            for parent in node.parents:
                if parent is not None and _bad(grads[parent]):
                    array = grads[parent]
                    return NonFinite(node.op.name, node.location(), tuple(array.shape), _bad(array), array.size)
    return None


def _bad(cotangent: Any) -> int:
    """How many elements are not finite. Of a call with several outputs there is a list, whose parts were looked at."""
    if cotangent is None or isinstance(cotangent, list):
        return 0
    xp = backend_of(cotangent).xp
    return cotangent.size - int(xp.sum(xp.astype(xp.isfinite(cotangent), xp.int64)))
