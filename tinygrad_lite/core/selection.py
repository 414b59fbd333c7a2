"""Gradients of what `where` did not take: none at all, rather than zero times a derivative.

In `where(x > 0, sqrt(x), 0.0)` the square root at 0 is computed and not taken. Its cotangent is 0, its derivative is
infinite, and 0 * inf is NaN, although the result does not depend on it. A cotangent of 0 alone does not say so: that of
sqrt(x) in sqrt(x)**2 is 0 at 0 too, and the derivative is 1. So a sweep remembers which elements a selection left out
(its op declares them, `unused`, and so its nodes are `Selecting`), hands that on through elementwise operations, and
there makes the gradient of these elements 0. It ends at an element that has another use, and at an operation that is
not elementwise; what lies behind it receives zeros. A sweep through no selection does none of this.
"""

from __future__ import annotations

from typing import Any

import numpy

from .accumulation import fit
from .axes import shape_of
from .codegen import rule_wants
from .graph import Node, unwrap, wrap
from .registry import OPS

__all__ = ["LeftOut", "pull_selected"]

LeftOut = dict[Node, tuple[Any, Any]]
"""For a node, a mask of the elements that nobody who used them took, and the cotangent that is known to come from such
users alone: if another contribution was added, or a hook changed it, the node has another cotangent when the sweep
arrives."""


def pull_selected(node: Node, g: Any, grads: dict[Node, Any], left_out: LeftOut, create_graph: bool) -> bool:
    """Pull `g` through `node`, and say so, if it selects, or is elementwise and some of its elements are left out."""
    mask, cotangent = left_out.pop(node, (None, None))
    if cotangent is not g:
        mask = None
    op = _operation(node)
    if getattr(op, "unused", None) is not None:
        if mask is None and not any([parent in grads and _passes_on(parent) for parent in node.parents]):
            return False
    elif mask is None or not _passes_on(node):
        return False
    # What is computed for the elements left out may be anything, and no warning is due for it.
    with numpy.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if op.primitive:
            _pull_rules(node, op, g, grads, mask, left_out, create_graph)
        else:
            _pull_kernel(node, g, grads, mask, left_out, create_graph)
    return True


def _operation(node: Node) -> Any:
    """The operation of a node, which may be behind a kernel, or the conjugations of a complex result."""
    return getattr(node.op, "op", node.op)


def _passes_on(node: Node) -> bool:
    return getattr(_operation(node), "shapes", None) == "elementwise"


def _pull_rules(
    node: Node, op: Any, g: Any, grads: dict[Node, Any], mask: Any, left_out: LeftOut, create_graph: bool
) -> None:
    conjugate = OPS["conj"].function if op is not node.op else None
    known = _values(node, op, g if conjugate is None else conjugate(g), create_graph)
    for name, rule in op.rules.items():
        parent = node.parents[op.arrays.index(name)]
        if parent not in grads:
            continue
        gradient, unused = _apply(rule, known), mask
        if op.unused is not None:
            if _passes_on(parent):
                unused = _apply(op.unused[name], known)
                if isinstance(unused, numpy.bool_):  # of a condition that is a Python value: as an array where g is
                    unused = OPS["full_like"].function(unwrap(g), bool(unused), dtype="bool")
                unused = _either(unused, mask, node)
        elif rule_wants(rule) != ("g",):
            gradient = OPS["where"].function(mask, 0.0, gradient)
        _add(grads, parent, gradient if conjugate is None else conjugate(gradient), unused, left_out, node)


def _pull_kernel(node: Node, g: Any, grads: dict[Node, Any], mask: Any, left_out: LeftOut, create_graph: bool) -> None:
    found: dict[Node, Any] = {parent: None for parent in node.parents if parent in grads}
    (node.op.pull_graph if create_graph else node.op.pull)(node, g, found)
    for parent, gradient in found.items():
        if gradient is not None:
            if tuple(gradient.shape) == tuple(node.shape):
                gradient = OPS["where"].function(mask, 0.0, gradient)
            _add(grads, parent, gradient, mask, left_out, node)


def _add(grads: dict[Node, Any], parent: Node, gradient: Any, mask: Any, left_out: LeftOut, node: Node) -> None:
    held, fitted = grads[parent], fit(gradient, parent, node)
    grads[parent] = fitted if held is None else held + fitted
    if mask is None or not _passes_on(parent) or fitted is not gradient or tuple(mask.shape) != tuple(parent.shape):
        return
    before, cotangent = left_out.get(parent, (None, None))
    if held is None or cotangent is held:
        left_out[parent] = (mask if held is None else mask & before, grads[parent])


def _either(unused: Any, mask: Any, node: Node) -> Any:
    """A mask of the shape of the node: what it leaves out of an input, and what is left out of the node itself."""
    if shape_of(unused) != tuple(node.shape):
        unused = OPS["broadcast_to"].function(unused, tuple(node.shape))
    return unused if mask is None else unused | mask


def _apply(rule: Any, known: dict[str, Any]) -> Any:
    return rule(*[known[want] for want in rule_wants(rule)])


def _values(node: Node, op: Any, g: Any, create_graph: bool) -> dict[str, Any]:
    """What the rules ask for, by name; as Tensors at their place in the graph if `create_graph`."""
    known = dict(zip(op.kept, node.saved, strict=True))
    if create_graph:
        for name, parent in zip(op.arrays, node.parents, strict=True):
            if name in known and parent is not None:
                known[name] = wrap(known[name], parent)
        if "out" in known:
            known["out"] = wrap(known["out"], node)
    return known | {"g": g}
