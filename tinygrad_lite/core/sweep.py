"""The backward sweep: reverse-mode differentiation over recorded nodes. It knows nodes and rules, and no operation.

Nodes are visited in the reverse order of their birth, so each is visited after all its consumers; nothing recurses.
Cotangents live in one dictionary per sweep, keyed by node. A node that is not in it needs no gradient. So sweeps in
several threads, or one inside another, do not disturb each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy

from . import graph
from .accumulation import accumulate
from .autocast import autocasting
from .backend import backend_of, several_devices
from .errors import GradientError, OutOfMemoryError
from .graph import Leaf, Node, Selecting, check_unwritten, node_of, record, recording, set_grad_enabled, unwrap, wrap
from .selection import LeftOut, pull_selected

__all__ = ["Identity", "freed", "pull_definition", "reach", "stand_in", "sweep"]

_birth = attrgetter("birth")


def reach(roots: Iterable[Node], since: int = 0) -> dict[Node, Any]:
    """Every node born at `since` or later that the roots depend on, as the keys of a dictionary of None."""
    found: dict[Any, Any] = {node: None for node in roots if node.birth >= since}
    queue = [*found]
    found[None] = None  # what inputs have that need no gradient
    for node in queue:  # it grows
        for parent in node.parents:
            if parent not in found and parent.birth >= since:
                found[parent] = None
                queue.append(parent)
    del found[None]
    return found


def sweep(
    roots: Sequence[tuple[Node, Any]],
    inputs: Sequence[Node] | None,
    *,
    create_graph: bool = False,
    retain_graph: bool = False,
    partial: bool = False,
) -> list[Any]:
    """Pull the cotangents of `roots` back through the graph.

    roots : pairs of a node and its cotangent, an array, or a Tensor if `create_graph`.
    inputs : the nodes whose cotangents are returned, None for those that the roots do not depend on. Without `inputs`,
        the cotangents of leaves are added to their `grad` and nothing is returned.
    create_graph : compute with Tensors, so that the result can be differentiated again.
    retain_graph : keep what the nodes saved, so that they can be swept again.
    partial : take the inputs as independent, even if one was computed from another.
    """
    wanted: Collection[Node] = ()
    ends: Collection[Node] = ()  # the wanted nodes behind which no other is
    if inputs is None:
        grads = reach([node for node, _ in roots])
        order = sorted(grads, key=_birth, reverse=True)
    else:
        wanted = frozenset(inputs)
        order, ends = _between([node for node, _ in roots], wanted, partial)
        grads = dict.fromkeys(order)
    given = set()
    for node, cotangent in roots:
        given.add(id(cotangent))
        if node in grads:
            held = grads[node]
            grads[node] = cotangent if held is None else held + cotangent
    older_than_write = graph.last_write > 0 and _oldest_birth(order) < graph.last_write
    left_out: LeftOut = {}
    several = several_devices()
    pull_specially = _pull_on_device if several else pull_selected
    token, policy = recording.set(create_graph), autocasting.set(None)
    try:
        for node in order:
            g = grads[node]
            if g is None:
                continue
            if node.hooks is not None:
                g = grads[node] = _run_hooks(node, g, create_graph)
            kind = type(node)
            if kind is Leaf:
                if inputs is None:
                    g = g if create_graph else wrap(_owned(g, given), None)
                    node.grad = g if node.grad is None else node.grad + g
                continue
            if ends and node in ends:
                continue
            if node.saved is None:
                raise GradientError(freed(node))
            if older_than_write:
                check_unwritten(node)
            if (left_out or kind is Selecting or several) and pull_specially(node, g, grads, left_out, create_graph):
                pass
            elif create_graph:
                node.op.pull_graph(node, g, grads)
            else:
                node.op.pull(node, g, grads)
            if not retain_graph:
                node.saved = None
                node.parents = ()
            if not wanted or node not in wanted:
                grads[node] = None
    except OutOfMemoryError as error:
        error.name_operation(f"the gradient of {node.op.name}")
        raise
    finally:
        recording.reset(token)
        autocasting.reset(policy)
    if inputs is None:
        return []
    results = [grads.get(node) for node in inputs]
    return results if create_graph else [None if g is None else _owned(g, given) for g in results]


def _pull_on_device(node: Node, g: Any, grads: dict[Node, Any], left_out: LeftOut, create_graph: bool) -> bool:
    """Pull `g` through `node` on the device of g: rules use the operators of raw arrays, which do not look for it."""
    array = unwrap(g if not isinstance(g, list) else next(part for part in g if part is not None))
    with backend_of(array).on(array):
        if not ((left_out or type(node) is Selecting) and pull_selected(node, g, grads, left_out, create_graph)):
            (node.op.pull_graph if create_graph else node.op.pull)(node, g, grads)
    return True


def _between(roots: list[Node], wanted: frozenset[Node], partial: bool) -> tuple[list[Node], frozenset[Node]]:
    """The nodes from the roots to the wanted ones, latest first, and those wanted ones at which a sweep ends."""
    # Whatever depends on an input was born after it: nothing older needs a look.
    order = sorted(reach(roots, min([node.birth for node in wanted], default=0)), key=_birth, reverse=True)
    useful: set[Node] = set()
    for node in reversed(order):
        for parent in node.parents:
            if parent in useful or parent in wanted:
                useful.add(node)
                break
    if partial:
        useful -= wanted
    return [node for node in order if node in useful or node in wanted], wanted - useful


def _oldest_birth(order: list[Node]) -> int:
    for node in reversed(order):
        if type(node) is not Leaf:
            return node.birth
    return graph.last_write


def _run_hooks(node: Node, g: Any, create_graph: bool) -> Any:
    for hook in list(node.hooks.values()):
        changed = hook(g if create_graph else wrap(g, None))
        if changed is not None:
            changed = changed if create_graph else unwrap(changed)
            if tuple(changed.shape) != tuple(node.shape):
                raise GradientError(
                    f"a hook returned a gradient of shape {tuple(changed.shape)} for a tensor of shape "
                    f"{tuple(node.shape)}; return one of the same shape, or None to leave it."
                )
            g = changed
    return g


def _owned(g: Any, given: set[int]) -> Any:
    """A resulting array that shares no memory with a cotangent from outside or with another result of the sweep.

    Rules may hand on their cotangent as it is (add) or a view of it (reshape).
    """
    if type(g) is numpy.ndarray and g.base is None and id(g) not in given:
        given.add(id(g))  # by far the most, and without a call
        return g
    backend = backend_of(g)
    g = backend.asarray(g)
    if id(g) in given or not backend.owns_memory(g):
        g = backend.copy(g)
    given.add(id(g))
    return g


def freed(node: Node) -> str:
    """What to say of a node whose saved values were freed."""
    return (
        f"{node.op.name}: this part of the graph was freed by an earlier backward pass. "
        f"Give that pass retain_graph=True to go through it twice. The node was made at {node.location()}"
    )


class Identity:
    """The operation of nodes that stand for another node: gradients pass through unchanged."""

    name = "identity"

    @staticmethod
    def pull(node: Node, g: Any, grads: dict) -> None:
        if node.parents[0] in grads:
            accumulate(grads, node.parents[0], g, node)

    pull_graph = pull


def pull_definition(
    function: Callable,
    values: Sequence[Any],
    node: Node,
    g: Any,
    grads: dict[Node, Any],
) -> None:
    """Pull `g` through `node` by computing its `function` once more on `values`, and add the results to `grads`.

    For kernels, whose second derivatives are those of their definition, and for checkpoints, which keep nothing else.
    The node's parents beyond the number of values are nodes that the function captures.
    """
    parents = node.parents
    inputs = [stand_in(value, parent) for value, parent in zip(values, parents, strict=False)]
    with set_grad_enabled(True):
        out = function(*inputs)
    cotangents = zip(out, g, strict=True) if isinstance(g, (list, tuple)) else [(out, g)]
    roots = [(end, part) for x, part in cotangents if part is not None and (end := node_of(x)) is not None]
    if not roots:
        return
    pairs: list[Any] = [(x.node, parent) for x, parent in zip(inputs, parents, strict=False) if parent in grads]
    pairs += [(parent, parent) for parent in parents[len(inputs) :] if parent in grads]
    again = any([isinstance(part, graph.Handle) for _, part in roots])
    gradients = sweep(roots, [inside for inside, _ in pairs], create_graph=again, retain_graph=again, partial=True)
    for (_, parent), gradient in zip(pairs, gradients, strict=True):
        if gradient is not None:
            accumulate(grads, parent, gradient, node)


def stand_in(value: Any, parent: Node | None) -> Any:
    """A Tensor of `value` with a node of its own in front of `parent`, at which a sweep can stop; `value` if None."""
    if parent is None:
        return value
    with set_grad_enabled(True):
        return record(Identity, (parent,), (), value)
