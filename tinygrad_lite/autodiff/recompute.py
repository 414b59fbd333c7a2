"""Memory for time: `checkpoint` keeps a function's inputs and computes its inside again in the backward pass."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core.autocast import Policy, precision, under
from ..core.graph import Handle, Node, enable_grad, grad_enabled, next_birth, node_of, record
from ..core.sweep import pull_definition, stand_in

__all__ = ["checkpoint"]


class _Checkpoint:
    """The operation of a checkpointed call's node."""

    def __init__(self, function: Callable) -> None:
        self.function = function
        self.name = f"checkpoint({getattr(function, '__name__', type(function).__name__)})"

    def pull(self, node: Node, g: Any, grads: dict) -> None:
        pull_definition(self.function, node.saved, node, g, grads)

    pull_graph = pull


def checkpoint(f: Callable) -> Callable:
    """`f`, but keeping only its inputs for the backward pass, which runs it a second time.

    f : a deterministic function (or module) of positional tensors with one tensor as its result. It may use tensors
        that it captures, parameters for example; they receive their gradients. Keyword arguments are constants.

    >>> w = tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x * x).sum())(w).backward()
    >>> w.grad
    Tensor([2., 4.], dtype=float32)
    """

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if not grad_enabled():
            return f(*args, **kwargs)
        function = _in_same_precision(functools.partial(f, **kwargs), precision())
        before = next_birth()
        parents = tuple(map(node_of, args))
        values = tuple(x if parent is None else x.data for x, parent in zip(args, parents, strict=True))
        inputs = [stand_in(value, parent) for value, parent in zip(values, parents, strict=True)]
        with enable_grad():
            out = function(*inputs)
        if not isinstance(out, Handle) or out.node is None:
            return out
        own = [x.node for x, parent in zip(inputs, parents, strict=True) if parent is not None]
        captured = _captured(out.node, before, own)
        return record(_Checkpoint(function), parents + captured, values, out.data, depth=2)

    return checkpointed


def _in_same_precision(function: Callable, dtype: Any) -> Callable:
    """`function` under a policy of `autocast` of its own: a cast parameter of another one would be a captured node that
    the second run does not pass through.
    """
    if dtype is None:
        return function

    @functools.wraps(function)
    def computed(*args: Any) -> Any:
        with under(Policy(dtype)):
            return function(*args)

    return computed


def _captured(root: Node, before: int, own: list[Node]) -> tuple[Node, ...]:
    """The nodes older than the call that its result depends on directly, other than through its own inputs."""
    seen, stack, captured = {root, *own}, [root], set()
    while stack:
        for parent in stack.pop().parents:
            if parent is None or parent in seen:
                continue
            seen.add(parent)
            (captured.add if parent.birth < before else stack.append)(parent)
    return tuple(sorted(captured, key=lambda node: node.birth))
