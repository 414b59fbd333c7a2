"""Programs for elementwise primitives whose body, or whose rule, is more than one call of NumPy's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy

from ..core.accumulation import accumulate
from ..core.backend import Backend, backend_of
from ..core.codegen import rule_wants
from ..core.errors import TinygradLiteError
from ..core.graph import Node as GraphNode
from ..core.op import Op
from .expressions import Expressions, Node, distinct, in_order, inputs_of
from .programs import SIGNATURES, Program
from .recent import Recent
from .symbols import SHAPE, SYMBOLS, Symbol, expression

__all__ = ["Threshold", "faster_body", "faster_pull"]


class Threshold:
    """size : elements from which on a program is faster than one call after another."""

    size = 1 << 12


class _Compiled:
    """The programs of one function of arrays, by signature.

    make : called with symbols, numbers and other values by name, it returns the value of a symbol.
    """

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name, self.make = name, make
        self.programs: dict[tuple, tuple[Program, list[str]] | None] = Recent(SIGNATURES)

    def __call__(self, given: dict[str, Any], like: numpy.ndarray) -> Any:
        """The value for these arguments, of which arrays have the shape of `like`; NotImplemented if there is none."""
        key: list[Any] = []
        for value in given.values():
            if type(value) is numpy.ndarray:
                if value.shape != like.shape:
                    return NotImplemented
                key.append(value.dtype)
            else:
                key.append(distinct(value))
        try:
            found = self.programs[tuple(key)]
        except KeyError:
            found = self._compile(tuple(key), given)
        except TypeError:  # a value without a hash
            return NotImplemented
        if found is None:
            return NotImplemented
        program, used = found
        return program([given[name] for name in used])[0]

    def attempt(self, values: tuple, statics: dict[str, Any], needs: tuple[bool, ...]) -> Any:
        """The same as a kernel's attempt, see `core/op.py`."""
        value = self(*values)
        return value if value is NotImplemented else (value, None)

    def _compile(self, key: tuple, given: dict[str, Any]) -> tuple[Program, list[str]] | None:
        expressions = Expressions()
        symbols = {
            name: Symbol(expressions, expressions.input(i, value.dtype)) if type(value) is numpy.ndarray else value
            for i, (name, value) in enumerate(given.items())
        }
        try:
            root = expression(self.make(**symbols))
        except (TinygradLiteError, TypeError, AttributeError, ValueError):
            root = None
        if not isinstance(root, Node) or root.name in ("input", "full"):
            self.programs[key] = None
            return None
        inputs, names = inputs_of([root]), list(given)
        self.programs[key] = made = Program([root], inputs, self.name), [names[n.operands[0]] for n in inputs]
        return made


def faster_body(op: Op, backend: Backend, body: Callable) -> Callable:
    """`body`, but on large arrays as a program; itself if it is a single call."""
    if backend.name != "numpy" or not _elementwise(op) or not _several_calls(partial(_on_symbols, op), op.arrays):
        return body
    names, compiled = op.arrays, _Compiled(op.name, partial(_on_symbols, op))

    def quicker(*arrays: Any, **statics: Any) -> Any:
        for first in arrays:
            if type(first) is numpy.ndarray:
                if first.size >= Threshold.size:
                    out = compiled(dict(zip(names, arrays, strict=True)) | statics, first)
                    if out is not NotImplemented:
                        return out
                break
        return body(*arrays, **statics)

    return quicker


def _elementwise(op: Op) -> bool:
    return op.shapes == "elementwise" and not op.variadic and not op.outputs


def _on_symbols(op: Op, **given: Any) -> Any:
    arrays = [given.pop(name) for name in op.arrays]
    return op.implementation(SYMBOLS)(*arrays, **given)


def faster_pull(op: Op, pull: Callable) -> Callable:
    """`pull`, but on large arrays by one program for each rule; itself if the rules are single calls."""
    if not _elementwise(op) or not any(_several_calls(rule, rule_wants(rule)) for rule in op.rules.values()):
        return pull
    rules = [
        (op.arrays.index(array), _Compiled(f"{op.name}, gradient of {array}", rule), rule_wants(rule))
        for array, rule in op.rules.items()
    ]

    def quicker(node: GraphNode, g: Any, grads: dict) -> None:
        if g.size < Threshold.size:
            return pull(node, g, grads)
        backend = backend_of(g)
        if backend.kernel_backend != "numpy":
            return pull(node, g, grads)
        given = dict(zip(op.kept, node.saved, strict=True), g=g)
        for name, value in given.items():
            if name.endswith("_shape") and value != g.shape and value != ():
                return pull(node, g, grads)
        found = []
        for number, compiled, wants in rules:
            parent = node.parents[number]
            if parent in grads:
                if parent.shape != g.shape:
                    return pull(node, g, grads)
                chosen = {name: given[name] for name in wants}
                made = backend.attempt(compiled, (chosen, g), {}, ())  # a call of its own where a step is captured
                if made is NotImplemented:
                    return pull(node, g, grads)
                found.append((parent, made[0]))
        for parent, gradient in found:
            accumulate(grads, parent, gradient, node)

    return quicker


def _several_calls(function: Callable, names: Sequence[str]) -> bool:
    """Whether a body or rule with these arguments comes, for float arrays, to more than one call, or a slow one."""
    expressions = Expressions()
    dtype = numpy.dtype("float32")
    given: dict[str, Any] = {}
    for i, name in enumerate(names):
        shown = SHAPE if name.endswith("_shape") else dtype if name.endswith("_dtype") else None
        given[name] = shown or Symbol(expressions, expressions.input(i, dtype))
    try:
        root = expression(function(**given))
    except (TinygradLiteError, TypeError, AttributeError, ValueError):
        return True  # there are static arguments, perhaps: it is seen when it is called
    calls = [node.name for node in in_order([root]) if node.name not in ("input", "full")]
    return len(calls) > 1 or calls in (["where"], ["maximum"], ["minimum"])
