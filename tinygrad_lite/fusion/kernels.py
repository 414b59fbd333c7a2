"""Kernels made from definitions: every elementwise composite gets a pair of programs for NumPy and one for CuPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy

from ..core.backend import BACKENDS
from ..core.errors import TinygradLiteError
from ..core.op import Kernel, Op
from .derive import derive
from .expressions import Node, distinct, inputs_of
from .makers import PROGRAMS
from .programs import SIGNATURES
from .recent import Recent

__all__ = ["FusedKernel", "fuse", "fuse_composite"]

P = ParamSpec("P")
R = TypeVar("R")


MEMORY = {"numpy": 1.0, "cupy": 6.0}
"""What memory costs beside arithmetic, see `derive`: a GPU computes most values again in less time than it reads them.
An H100 has 70 operations for each 8 bytes that it moves."""


class _Pair:
    """The two programs for one signature."""

    def __init__(
        self, function: Callable, kinds: Sequence[Any], needs: Sequence[bool], name: str, backend: str
    ) -> None:
        pair = derive(function, kinds, needs, widen=backend != "numpy", memory=MEMORY[backend])
        self.needs = needs
        values = [pair.value, *pair.keep]
        self.used, self.forward = _program(values, name, backend)
        computed = pair.gradients
        if backend != "numpy":  # a gradient that is the cotangent itself needs no kernel
            computed = [node for node in computed if node.name != "input"]
        self.computed = [node in computed for node in pair.gradients]
        if computed:
            self.backward_used, self.backward = _program(computed, f"{name}, backward", backend)


def _program(roots: list[Node], name: str, backend: str) -> tuple[list[int], Any]:
    """The program of the roots, and the numbers of the inputs that it takes."""
    inputs = inputs_of(roots)
    return [node.operands[0] for node in inputs], PROGRAMS[backend](roots, inputs, name)


class FusedKernel(Kernel):
    """An elementwise composite as programs, which are made for a signature when it is first called.

    It takes real arrays and Python numbers; on NumPy, arrays of one shape. Where the definition turns out not to be
    elementwise, it declines.
    """

    automatic = True

    def __init__(self, op: Op, backend: str) -> None:
        super().__init__(op, backend, op.body, lambda *_, **__: True)
        self._backward = self._gradients
        self.broadcasts = backend != "numpy"
        self.pairs: dict[tuple, _Pair | None] = Recent(SIGNATURES)

    def attempt(self, values: tuple, statics: dict[str, Any], needs: tuple[bool, ...]) -> Any:
        kinds, first, shapes = [], None, 1
        array_type = numpy.ndarray if self.backend_name == "numpy" else BACKENDS[self.backend_name].array_types[0]
        for value in values:
            if type(value) is array_type:
                if first is None:
                    first = value
                elif value.shape != first.shape:
                    shapes += 1
                if value.dtype.kind == "c":
                    return NotImplemented
                kinds.append(value.dtype)
            elif isinstance(value, (bool, int, float)):
                kinds.append(value)
            else:
                return NotImplemented
        if first is None or (shapes > 1 and not self.broadcasts) or self.backend_name not in PROGRAMS:
            return NotImplemented
        key = (needs, *map(distinct, kinds), *map(distinct, statics.values()))
        try:
            pair = self.pairs[key]
        except KeyError:
            pair = self._make(key, kinds, statics, needs)
        except TypeError:  # a static argument without a hash
            return NotImplemented
        if pair is None:
            return NotImplemented
        used = [values[i] for i in pair.used]
        if shapes > 1 and len(used) < len(values) and _shape(used) != _shape(values):
            return NotImplemented  # the result does not depend on an array that has a say in its shape
        try:
            out, *kept = pair.forward(used)
        except ValueError:
            if shapes > 1:  # that do not broadcast: the definition says so with its names
                return NotImplemented
            raise
        return out, (pair, values, kept)

    def _make(self, key: tuple, kinds: list[Any], statics: dict[str, Any], needs: tuple[bool, ...]) -> _Pair | None:
        try:
            pair = _Pair(lambda *arrays: self.op.body(*arrays, **statics), kinds, needs, self.name, self.backend_name)
        except (TinygradLiteError, TypeError, AttributeError, ValueError):
            pair = None
        self.pairs[key] = pair
        return pair

    def _gradients(self, g: Any, saved: tuple, needs: tuple[bool, ...]) -> list[Any]:
        pair, values, kept = saved
        given = (*values, g, *kept)
        made = iter(pair.backward([given[i] for i in pair.backward_used]) if any(pair.computed) else ())
        gradients = iter([next(made) if computed else g for computed in pair.computed])
        return [next(gradients) if needed else None for needed in pair.needs]


def _shape(values: Sequence[Any]) -> tuple[int, ...]:
    return numpy.broadcast_shapes(*[value.shape for value in values if hasattr(value, "shape")])


def fuse_composite(op: Op) -> None:
    """Give an elementwise composite its programs."""
    if not op.primitive and op.shapes == "elementwise" and not op.variadic:
        for backend in ("numpy", "cupy"):
            op.add_kernel(FusedKernel(op, backend))


def fuse(function: Callable[P, R]) -> Callable[P, R]:
    """Compile an elementwise function: its value and its derivative become one pass over memory each.

    On NumPy that is a pass over blocks of large arrays of one shape, on CuPy one kernel for arrays that broadcast.

    function : computes each element of its result from the elements in its place, with operations of this package and
        operators. Positional arguments are arrays or numbers, keyword-only arguments are constants. Where it does
        something else, or is given NumPy's arrays of different shapes, it runs as it is written.

    >>> @fuse
    ... def swish(x, *, beta=1.0):
    ...     return x * sigmoid(beta * x)
    >>> swish(np.array([0.0, 1.0]))
    array([0.        , 0.73105858])
    >>> grad(lambda x: swish(x, beta=2.0).sum())(np.array([0.0]))
    array([0.5])
    """
    op = Op(function, None, registered=False)
    fuse_composite(op)
    return op.function
