"""Kernels: faster ways to compute operations, by backend, and the files that declare them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import codegen
from .accumulation import accumulate
from .backend import BACKENDS, backend_of, common_backend
from .errors import DeclarationError
from .graph import Node
from .sweep import pull_definition

if TYPE_CHECKING:
    from .op import Op

__all__ = ["KERNEL_FILES", "Kernel", "Kernels", "kernel"]

KERNEL_FILES: dict[str, dict[str, list[str]]] = {}
"""The modules that declare kernels, by the names of the operation and of the backend; `kernels/` fills it."""


class Kernel:
    """A faster way to compute an operation on one backend, for the calls that `when` accepts.

    A primitive's kernel returns the output, and the primitive's rules stay. A composite's kernel returns the output and
    what its backward needs; `backward(g, saved, needs)` returns one gradient (or None) per array argument, `needs`
    saying which are wanted. Second derivatives through it come from the composite's definition.

    Where the composite has several outputs, the output and `g` are tuples; the cotangent of one that had none is None.

    A composite's kernel that has the static parameter `needs` is told by it for which arguments a gradient will be
    wanted, and need not keep anything for the others.
    """

    automatic = False
    """Whether it was not declared, but made from the definition; such kernels come after the declared ones."""

    def __init__(self, op: Op, backend: str, forward: Callable, when: Callable[..., bool]) -> None:
        self.op, self.backend_name, self.forward, self.when = op, backend, forward, when
        self.name = op.name
        self.asks = "needs" in codegen.split_arguments(getattr(forward, "func", forward), skip=0)[2]
        self._backward: Callable | None = None

    @property
    def result(self) -> Any:
        """The class of the operation's results, if it has several outputs."""
        return self.op.result

    def backward(self, function: Callable) -> Callable:
        """Decorator: `function(g, saved, needs)` is the derivative of this kernel."""
        if self.op.primitive:
            raise DeclarationError(f"{self.name}: a primitive's kernel has no backward; its rules are the derivative.")
        self._backward = function
        return function

    def guard(self, otherwise: Callable) -> Callable:
        """This primitive's kernel where `when` accepts the call, else `otherwise`."""
        when, forward = self.when, self.forward

        def guarded(*arrays, **statics):
            return (forward if when(*arrays, **statics) else otherwise)(*arrays, **statics)

        return guarded

    def attempt(self, values: tuple, statics: dict[str, Any], needs: tuple[bool, ...]) -> Any:
        """The output of a composite and what the backward needs, or NotImplemented if `when` does not accept the call.

        needs : for each array argument whether a gradient will be wanted.
        """
        if not self.when(*values, **statics):
            return NotImplemented
        return self.forward(*values, **statics, needs=needs) if self.asks else self.forward(*values, **statics)

    def pull(self, node: Node, g: Any, grads: dict) -> None:
        assert self._backward is not None, f"{self.name}: the kernel lacks a backward"
        if self.op.outputs:
            g = tuple(g)
            backend = common_backend(self.name, tuple([type(part) for part in g if part is not None]))
        else:
            backend = backend_of(g)
        if backend.kernel_backend != self.backend_name:  # a batch of cotangents
            return self.pull_graph(node, g, grads)
        parents = node.parents
        needs = tuple([parent in grads for parent in parents])
        saved = node.saved[2]
        if backend.name == self.backend_name:  # a constant, perhaps, where what was saved is recorded
            backend = getattr(saved, "backend", backend)
        gradients = backend.differentiate(self, g, saved, needs)
        for parent, needed, gradient in zip(parents, needs, gradients, strict=True):
            if needed:
                accumulate(grads, parent, gradient, node)

    def pull_graph(self, node: Node, g: Any, grads: dict) -> None:
        values, statics, _ = node.saved
        pull_definition(partial(self.op.body, **statics), values, node, g, grads)


def kernel(
    function: Callable, backend: str, *, when: Callable[..., bool] = lambda *_, **__: True
) -> Callable[[Callable], Kernel]:
    """Declare a faster computation of the operation `function` on the backend called `backend`.

    `when` gets the call's arrays and static arguments and says whether the kernel can take it. See `Kernel`.
    """
    op: Op = function.op  # type: ignore[attr-defined]  # the generated functions carry their declaration

    def declare(forward: Callable) -> Kernel:
        made = Kernel(op, backend, forward, when)
        op.add_kernel(made)
        return made

    return declare


class Kernels(dict):
    """The kernels of an operation by backend; files that declare some are imported when a backend is first asked for.

    declared : the backends of those that were added, and those that compute definitions themselves, see
        `Backend.run_body`.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.declared = [name for name, backend in BACKENDS.items() if backend.several_devices]
        self.automatic: dict[str, list[Kernel]] = {}

    def __missing__(self, backend: str) -> list[Kernel]:
        self[backend] = found = []
        for file in KERNEL_FILES.get(self.name, {}).get(backend, ()):
            import_module(file)
        found += self.automatic.pop(backend, ())
        return found

    def backends(self) -> list[str]:
        """The backends that have kernels, or files with some: a list that grows as kernels are added."""
        self.declared += [name for name in KERNEL_FILES.get(self.name, ()) if name not in self.declared]
        return self.declared

    def add(self, made: Kernel) -> None:
        """One more: after those that there are, but an automatic one after all others."""
        if made.backend_name not in self.declared:
            self.declared.append(made.backend_name)
        if made.automatic:
            waiting = self.get(made.backend_name)
            (self.automatic.setdefault(made.backend_name, []) if waiting is None else waiting).append(made)
        else:
            others = self[made.backend_name]
            others.insert(len([other for other in others if not other.automatic]), made)
