"""Finding where a NaN or an infinity comes into a value or a gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from ..core.backend import backend_of
from ..core.conjugate import Conjugated
from ..core.errors import GradientError
from ..core.graph import Handle, Leaf, Node, no_grad
from ..core.op import Array, Kernel, Op
from ..core.selection import LeftOut, pull_selected
from ..core.sweep import Identity, freed, reach
from .gradients import cotangent, require_node

__all__ = ["NonFinite", "find_nan"]


class NonFinite(NamedTuple):
    """The operation that made the first NaN or infinity.

    operation : its name, or `"leaf"` for a tensor that was created with it.
    place : the line of your code that called it; of what a derivative rule called, the line that asked for it.
    shape : of the value or gradient that is not finite. bad, total : how many of its elements, of how many.
    stage : `"value"` if the operation's result is not finite, `"derivative"` if its derivative rule's is not.
    """

    operation: str
    place: str
    shape: tuple[int, ...]
    bad: int
    total: int
    stage: str = "derivative"

    def __str__(self) -> str:
        return (
            f"the {self.stage} of {self.operation} is not finite in {self.bad} of {self.total} elements, shape "
            f"{self.shape}; the operation was called at {self.place}"
        )


def find_nan(output: Handle, gradient: Array | None = None) -> NonFinite | None:
    """Where the first NaN or infinity arises that reaches `output` or a gradient of it, or None if all are finite.

    output, gradient : as for `backward`. Leaves' `grad` stays as it is, and so does the graph.

    If `output` is not finite, it is the first operation whose value is known not to be: the values that the graph
    keeps, and those that follow from them, are looked at. Else it is the first in the order of the backward pass whose
    derivative is not finite. Hooks are left out.

    Raises GradientError as `backward` does, and if the cotangent itself is not finite.

    >>> x = tensor([0.0, 4.0], requires_grad=True)
    >>> found = autograd.find_nan((x.sqrt() * 2.0).sum())
    >>> found.operation, found.bad, found.total, found.stage
    ('sqrt', 1, 2, 'derivative')
    """
    root = require_node("find_nan", output)
    if _bad(output.data):
        return _first_value(root, output.data)
    start = cotangent("find_nan", output, gradient, False)
    if _bad(start):
        raise GradientError(f"find_nan: the cotangent itself is not finite in {_bad(start)} of {start.size} elements.")
    grads = reach([root])
    order = sorted(grads, key=lambda node: node.birth, reverse=True)
    grads[root] = start
    left_out: LeftOut = {}
    with no_grad(), numpy.errstate(all="ignore"):
        for node in order:
            if grads[node] is None or isinstance(node, Leaf):
                continue
            if node.saved is None:
                raise GradientError(freed(node))
            if not pull_selected(node, grads[node], grads, left_out, False):
                node.op.pull(node, grads[node], grads)
            for parent in node.parents:
                if parent is not None and _bad(grads[parent]):
                    array = grads[parent]
                    return NonFinite(node.op.name, node.location(), tuple(array.shape), _bad(array), array.size)
    return None


def _first_value(root: Node, value: Any) -> NonFinite:
    """The first operation with a value that is known not to be finite, where that of the root is not."""
    order = sorted(reach([root]), key=lambda node: node.birth)
    values = {root: value}
    for node in reversed(order):
        if node.saved is None:
            raise GradientError(freed(node))
        values.update(_kept(node, values))
    with no_grad(), numpy.errstate(all="ignore"):
        for node in order:
            if node not in values:
                values[node] = _computed_again(node, values)
            if _bad(values[node]):
                array = values[node]
                call = node.parents[0] if node.op.name == "output" else node  # one of an operation's several outputs
                name, place = call.op.name, call.location()
                return NonFinite(name, place, tuple(array.shape), _bad(array), array.size, "value")
    raise AssertionError("the root's value is not finite")


def _kept(node: Node, values: dict[Node, Any]) -> dict[Node, Any]:
    """The values of nodes that can be read off what `node` keeps."""
    op = _declaration(node)
    if node.op is Identity and node in values:
        return {node.parents[0]: values[node]}
    if isinstance(op, Op):
        kept = dict(zip(op.kept, node.saved, strict=True))
        known = list(kept[op.arrays[0]]) if op.variadic and op.arrays[0] in kept else map(kept.get, op.arrays)
        own = {node: kept["out"]} if "out" in kept and not op.outputs else {}
    else:  # a kernel and a checkpoint keep all their arrays
        known, own = node.saved[0] if isinstance(op, Kernel) else node.saved, {}
    return own | {p: x for p, x in zip(node.parents, known, strict=False) if p is not None and x is not None}


def _computed_again(node: Node, values: dict[Node, Any]) -> Any:
    """The value of a node, if all that its operation was called with is known, else None."""
    op = _declaration(node)
    if not isinstance(op, Op) or op.outputs or op.variadic:
        return None
    kept = dict(zip(op.kept, node.saved, strict=True))
    arrays = [kept.get(name, values.get(parent)) for name, parent in zip(op.arrays, node.parents, strict=True)]
    if any(x is None for x in arrays) or not all(name in kept for name in op.statics):
        return None
    return op.function(*arrays, **{name: kept[name] for name in op.statics})


def _declaration(node: Node) -> Any:
    """The operation of a node; what it stands for where the result is complex."""
    return node.op.op if isinstance(node.op, Conjugated) else node.op


def _bad(array: Any) -> int:
    """How many elements are not finite. Of a call with several outputs there is a list, whose parts were looked at."""
    if array is None or isinstance(array, list):
        return 0
    backend = backend_of(array)
    xp = backend.xp
    finite = backend.asarray(xp.sum(xp.astype(xp.isfinite(array), xp.int64)))
    return array.size - int(backend.to_numpy(finite))
