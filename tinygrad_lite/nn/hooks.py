"""Functions that are called when a module is called, and when gradients pass it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..core.accumulation import accumulate
from ..core.errors import GradientError
from ..core.graph import Handle, Node, grad_enabled, new_node, unwrap, wrap
from ..core.outputs import complete, wrap_outputs
from ..tensor import RemovableHook

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Hooks"]


class Hooks:
    """The hooks of one module, by kind; each kind is a dict, in the order in which they are called."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[int, tuple]] = {
            kind: {} for kind in ("forward_pre", "forward", "backward_pre", "backward")
        }
        self._count = 0

    def add(self, kind: str, hook: Callable, prepend: bool, *options: bool) -> RemovableHook:
        """One more hook of a kind, before all others if `prepend`; what is returned takes it away."""
        hooks, key = self.kinds[kind], self._count
        self._count += 1
        others = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[key] = (hook, *options)
        hooks.update(others)
        return RemovableHook(hooks, key)

    def call(self, module: Module, args: tuple, kwargs: dict[str, Any]) -> Any:
        """The module's forward between its hooks."""
        try:
            return self._call(module, args, kwargs)
        except Exception:
            for hook, with_kwargs, always in list(self.kinds["forward"].values()):
                if always:
                    hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
            raise

    def _call(self, module: Module, args: tuple, kwargs: dict[str, Any]) -> Any:
        for hook, with_kwargs in list(self.kinds["forward_pre"].values()):
            changed = hook(module, args, kwargs) if with_kwargs else hook(module, args)
            if changed is not None and with_kwargs:
                args, kwargs = changed
            elif changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        passing = None
        if grad_enabled() and (self.kinds["backward_pre"] or self.kinds["backward"]):
            passing = _Passing(module, self)
            args = passing.inputs(args)
        out = module.forward(*args, **kwargs)
        for hook, with_kwargs, _ in list(self.kinds["forward"].values()):
            changed = hook(module, args, kwargs, out) if with_kwargs else hook(module, args, out)
            out = out if changed is None else changed
        return out if passing is None else passing.outputs(out)


class _Passing:
    """One call of a module with backward hooks: the gradients of its outputs, and later those of its inputs."""

    def __init__(self, module: Module, hooks: Hooks) -> None:
        self.module, self.hooks = module, hooks
        self.places: list[int] = []  # of the arguments that need gradients, among `count`
        self.count = 0
        self.grad_output: tuple = ()

    def inputs(self, args: tuple) -> tuple:
        self.count = len(args)
        self.places = [i for i, x in enumerate(args) if isinstance(x, Handle) and x.node is not None]
        behind = iter(_behind(self._into, [args[i] for i in self.places]))
        return tuple(next(behind) if i in self.places else x for i, x in enumerate(args))

    def outputs(self, out: Any) -> Any:
        several = isinstance(out, (tuple, list))
        outs = list(out) if several else [out]
        places = [i for i, x in enumerate(outs) if isinstance(x, Handle) and x.node is not None]
        total = len(outs)

        def arrived(cotangents: tuple) -> tuple:
            return self._out(cotangents, places, total)

        for i, x in zip(places, _behind(arrived, [outs[i] for i in places]), strict=True):
            outs[i] = x
        if not several:
            return outs[0]
        return type(out)(*outs) if hasattr(out, "_fields") else type(out)(outs)

    def _out(self, cotangents: tuple, places: list[int], total: int) -> tuple:
        found = _spread(cotangents, places, total)
        for (hook,) in list(self.hooks.kinds["backward_pre"].values()):
            found = _changed(hook(self.module, found), found, places, "full_backward_pre_hook")
        self.grad_output = found
        if not self.places:  # no gradient goes further, so nothing will call the hooks later
            for (hook,) in list(self.hooks.kinds["backward"].values()):
                hook(self.module, (None,) * self.count, found)
        return tuple(found[i] for i in places)

    def _into(self, cotangents: tuple) -> tuple:
        found = _spread(cotangents, self.places, self.count)
        for (hook,) in list(self.hooks.kinds["backward"].values()):
            changed = hook(self.module, found, self.grad_output)
            found = _changed(changed, found, self.places, "full_backward_hook")
        return tuple(found[i] for i in self.places)


def _spread(values: Sequence, places: list[int], total: int) -> tuple:
    spread: list[Any] = [None] * total
    for i, value in zip(places, values, strict=True):
        spread[i] = value
    return tuple(spread)


def _changed(new: Any, old: tuple, places: list[int], kind: str) -> tuple:
    """What a hook returned for the gradients `old`, or these if it returned None."""
    if new is None:
        return old
    new = tuple(new) if isinstance(new, (tuple, list)) else (new,)
    shapes = [[None if x is None else tuple(x.shape) for x in values] for values in (new, old)]
    if len(new) != len(old) or any(shapes[0][i] != shapes[1][i] for i in places):
        raise GradientError(
            f"a {kind} returned gradients of the shapes {shapes[0]} for {shapes[1]}; return as many of the same "
            f"shapes, or None to leave them."
        )
    return new


def _behind(arrived: Callable[[tuple], tuple], tensors: list[Any]) -> list[Any]:
    """The tensors behind one node that calls `arrived` with their gradients, and sends on what it returns."""
    if not tensors:
        return []
    frame = sys._getframe(1)
    outs = tuple(x.data for x in tensors)
    shapes, dtypes = tuple(x.shape for x in outs), tuple(x.dtype for x in outs)
    call = new_node(_Boundary(arrived), tuple(x.node for x in tensors), (), shapes, dtypes, frame)
    return list(wrap_outputs(call, outs))


class _Boundary:
    """The operation of the nodes before and behind a module with backward hooks."""

    name = "module with hooks"

    def __init__(self, arrived: Callable[[tuple], tuple]) -> None:
        self.arrived = arrived

    @staticmethod
    def result(*tensors: Any) -> tuple:
        return tensors

    def pull(self, node: Node, g: Any, grads: dict[Node, Any]) -> None:
        cotangents = tuple(wrap(x, None) for x in complete(node, g))
        self._send(node, tuple(map(unwrap, self.arrived(cotangents))), grads)

    def pull_graph(self, node: Node, g: Any, grads: dict[Node, Any]) -> None:
        self._send(node, self.arrived(complete(node, g)), grads)

    @staticmethod
    def _send(node: Node, values: tuple, grads: dict[Node, Any]) -> None:
        for parent, value in zip(node.parents, values, strict=True):
            if parent in grads:
                accumulate(grads, parent, value, node)
