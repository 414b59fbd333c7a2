"""Kernels made from definitions: every elementwise composite gets a pair of programs for NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy

from ..core.errors import TinygradLiteError
from ..core.op import Kernel, Op
from .derive import derive
from .expressions import Node, distinct, inputs_of
from .programs import SIGNATURES, Program
from .recent import Recent

__all__ = ["FusedKernel", "fuse", "fuse_composite"]

P = ParamSpec("P")
R = TypeVar("R")


class _Pair:
    """The two programs for one signature."""

    def __init__(self, function: Callable, kinds: Sequence[Any], needs: Sequence[bool], name: str) -> None:
        pair = derive(function, kinds, needs)
        self.needs = needs
        values = [pair.value, *pair.keep]
        self.used, self.forward = _program(values, name)
        if pair.gradients:
            self.backward_used, self.backward = _program(pair.gradients, f"{name}, backward")


def _program(roots: list[Node], name: str) -> tuple[list[int], Program]:
    """The program of the roots, and the numbers of the inputs that it takes."""
    inputs = inputs_of(roots)
    return [node.operands[0] for node in inputs], Program(roots, inputs, name)


class FusedKernel(Kernel):
    """An elementwise composite as programs, which are made for a signature when it is first called.

    It takes real arrays of one shape and Python numbers. Where the definition turns out not to be elementwise, it
    declines.
    """

    automatic = True

    def __init__(self, op: Op) -> None:
        super().__init__(op, "numpy", op.body, lambda *_, **__: True)
        self._backward = self._gradients
        self.pairs: dict[tuple, _Pair | None] = Recent(SIGNATURES)

    def attempt(self, values: tuple, statics: dict[str, Any], needs: tuple[bool, ...]) -> Any:
        kinds, first = [], None
        for value in values:
            if type(value) is numpy.ndarray:
                if first is None:
                    first = value
                if value.shape != first.shape or value.dtype.kind == "c":
                    return NotImplemented
                kinds.append(value.dtype)
            elif isinstance(value, (bool, int, float)):
                kinds.append(value)
            else:
                return NotImplemented
        if first is None:
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
        out, *kept = pair.forward([values[i] for i in pair.used])
        return out, (pair, values, kept)

    def _make(self, key: tuple, kinds: list[Any], statics: dict[str, Any], needs: tuple[bool, ...]) -> _Pair | None:
        try:
            pair = _Pair(lambda *arrays: self.op.body(*arrays, **statics), kinds, needs, self.name)
        except (TinygradLiteError, TypeError, AttributeError, ValueError):
            pair = None
        self.pairs[key] = pair
        return pair

    def _gradients(self, g: Any, saved: tuple, needs: tuple[bool, ...]) -> list[Any]:
        pair, values, kept = saved
        given = (*values, g, *kept)
        gradients = iter(pair.backward([given[i] for i in pair.backward_used]))
        return [next(gradients) if needed else None for needed in pair.needs]


def fuse_composite(op: Op) -> None:
    """Give an elementwise composite its programs."""
    if not op.primitive and op.shapes == "elementwise" and not op.variadic:
        op.add_kernel(FusedKernel(op))


def fuse(function: Callable[P, R]) -> Callable[P, R]:
    """Compile an elementwise function: its value and its derivative become one pass over blocks of large arrays.

    function : computes each element of its result from the elements in its place, with operations of this package and
        operators. Positional arguments are arrays or numbers, keyword-only arguments are constants. Where it does
        something else, or is given arrays of different shapes, it runs as it is written.

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
