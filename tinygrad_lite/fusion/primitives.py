"""Elementwise primitives whose body, or whose rule, is more than one call: as calls of NumPy's and nothing else on
small arrays, as programs on large ones, and as one kernel on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy

from ..core.backend import Backend, backend_of
from ..core.codegen import rule_wants
from ..core.errors import TinygradLiteError
from ..core.op import Op
from .calls import calls_of
from .expressions import Expressions, Node, distinct, in_order, inputs_of
from .halves import FLOAT32, is_half, rounded, widened
from .machine import machine_step
from .makers import PROGRAMS
from .programs import SIGNATURES, Blocks, Program
from .recent import Recent
from .symbols import SHAPE, SYMBOLS, NotElementwise, Symbol, expression

__all__ = ["Threshold", "faster_body", "faster_rule"]


class Threshold:
    """size : elements from which on a program is faster than one call after another. Where there is machine code, both
        are one loop, and programs take several threads.

    Calls and program, in microseconds: relu 5.0 and 5.6 at 2^13, 8.8 and 6.9 at 2^14, 17 and 10 at 2^15; its gradient
    4.6 and 10 at 2^12, 11 and 16 at 2^14, 63 and 82 at 2^17; the gradient of elu 33 and 35 at 2^14, 117 and 52 at 2^15.
    """

    size = 1 << 14


Resolved = tuple[Callable[..., Any], list[str]]
"""What computes calls that are alike, and the names of the arguments that it takes."""


class _Compiled:
    """The programs of one function of arrays, by signature.

    make : called with symbols, numbers and other values by name, it returns the value of a symbol.
    """

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name, self.make = name, make
        self.programs: dict[tuple, tuple[Program, list[str]] | None] = Recent(SIGNATURES)
        self.calls: _Forms | None = None

    def __call__(self, given: dict[str, Any], like: numpy.ndarray) -> Any:
        """The value for these arguments; NotImplemented if there is none.

        like : one of the arrays. NumPy's have all its shape.
        """
        if type(like) is not numpy.ndarray:
            return self._on_device(given, like)
        found = self.find(given, like)
        if found is None:
            return NotImplemented
        program, used = found
        return program([given[name] for name in used])[0]

    def _on_device(self, given: dict[str, Any], like: Any) -> Any:
        """The value of arrays that broadcast, of a backend other than NumPy's."""
        backend, array_type = backend_of(like).name, type(like)
        if backend not in PROGRAMS:
            return NotImplemented
        key: list[Any] = [backend]
        shapes = set()
        for value in given.values():
            if type(value) is array_type:
                key.append(value.dtype)
                shapes.add(value.shape)
            else:
                key.append(distinct(value))
        try:
            found = self.programs[tuple(key)]
        except KeyError:
            found = self._compile(tuple(key), given, array_type, backend)
        except TypeError:  # a value without a hash
            return NotImplemented
        if found is None:
            return NotImplemented
        program, used = found
        arrays = [given[name] for name in used]
        try:
            if len(shapes) > 1 and numpy.broadcast_shapes(*shapes) != numpy.broadcast_shapes(
                *[x.shape for x in arrays]
            ):
                return NotImplemented  # what is not used has a say in the result's shape
        except ValueError:  # for the definition to explain
            return NotImplemented
        return program(arrays)[0]

    def find(self, given: dict[str, Any], like: numpy.ndarray) -> tuple[Program, list[str]] | None:
        """The program for such arguments, and the names of those that it takes; None if there is none."""
        key: list[Any] = []
        for value in given.values():
            if type(value) is numpy.ndarray:
                if value.shape != like.shape:
                    return None
                key.append(value.dtype)
            else:
                key.append(distinct(value))
        try:
            return self.programs[tuple(key)]
        except KeyError:
            return self._compile(tuple(key), given, numpy.ndarray, "numpy")
        except TypeError:  # a value without a hash
            return None

    def attempt(self, values: tuple, statics: dict[str, Any], needs: tuple[bool, ...]) -> Any:
        """The same as a kernel's attempt, see `core/op.py`."""
        value = self(*values)
        return value if value is NotImplemented else (value, None)

    def resolve(self, given: dict[str, Any], like: numpy.ndarray) -> Resolved | None:
        """What computes calls with arguments like these: a function, and the names of those that it takes; or None."""
        values = list(given.values())
        if self.calls is not None and all(_is_small(x) for x in values):
            dtypes = [value.dtype for value in values]
            return self.calls[tuple(dtypes) if len(dtypes) > 1 else dtypes[0]], list(given)
        found = None if like.size < Threshold.size else self.find(given, like)
        return None if found is None else (found[0].bound([given[name] for name in found[1]]), found[1])

    def _compile(self, key: tuple, given: dict[str, Any], array_type: type, backend: str) -> Any:
        root = self._root(
            {name: value.dtype if type(value) is array_type else value for name, value in given.items()},
            {name for name, value in given.items() if type(value) is array_type},
            widen=backend != "numpy",
        )
        made = None
        if root is not None:
            inputs, names = inputs_of([root]), list(given)
            with suppress(NotElementwise):  # a GPU has not all functions and dtypes
                made = PROGRAMS[backend]([root], inputs, self.name), [names[n.operands[0]] for n in inputs]
        self.programs[key] = made
        return made

    def _root(self, given: dict[str, Any], arrays: Collection[str], widen: bool = False) -> Node | None:
        """The expression for arguments by name, of `arrays` their dtypes; None if there is none.

        widen : see `halves.py`; float32 is then the dtype that the function is told.
        """
        expressions = Expressions()
        symbols: dict[str, Any] = {}
        for i, (name, value) in enumerate(given.items()):
            if name in arrays:
                node = expressions.input(i, value)
                symbols[name] = Symbol(expressions, widened(expressions, node) if widen else node)
            else:
                symbols[name] = FLOAT32 if widen and is_half(value) else value
        try:
            root = expression(self.make(**symbols))
            if widen:
                root = rounded(expressions, root, [given[name] for name in arrays])
        except (TinygradLiteError, TypeError, AttributeError, ValueError):
            return None
        return root if isinstance(root, Node) and root.name not in ("input", "full") else None

    def _loop(self, root: Node) -> Callable | None:
        """The function of arrays, which may broadcast, that computes `root` in one loop; None if there is none."""
        inputs = inputs_of([root])
        machine = machine_step([root], inputs, (), self.name, Blocks.shared)
        if machine is None:
            return None
        loop, used = machine[0], [node.operands[0] for node in inputs]
        return lambda *given: loop(*[given[i] for i in used])

    def by_dtypes(self, names: Sequence[str], function: Callable, otherwise: Callable) -> Callable:
        """The function of arrays called `names`, in two forms that are found by the arrays' dtypes alone.

        function : what is compiled, for small arrays that cannot be helped. otherwise : for all that are not NumPy's
        arrays of one shape.
        """

        def calls(*dtypes: numpy.dtype) -> Callable:
            root = self._root(dict(zip(names, dtypes, strict=True)), names)
            return (root and (self._loop(root) or calls_of(root, names, self.name))) or function

        def program(*dtypes: numpy.dtype) -> Callable:
            root = self._root(dict(zip(names, dtypes, strict=True)), names)
            if root is None:
                return function
            inputs = inputs_of([root])
            made, used = Program([root], inputs, self.name), [node.operands[0] for node in inputs]
            return lambda *given: made([given[i] for i in used])[0]

        given, dtypes = ", ".join(names), ", ".join(f"{name}.dtype" for name in names)
        shapes = " == ".join(f"{name}.shape" for name in names)

        def scalars(*given: Any) -> Any:
            if all(_is_small(x) for x in given):
                found = [x.dtype for x in given]
                return self.calls[tuple(found) if len(found) > 1 else found[0]](*given)
            return otherwise(*given)

        text = f"""
def quicker({given}):
    if {" is ".join(f"type({name})" for name in names)} is ndarray:
        if {names[0]}.size < Threshold.size:
            return CALLS[{dtypes}]({given})
        if {shapes if len(names) > 1 else True}:
            return PROGRAMS[{dtypes}]({given})
    return otherwise({given})
"""
        scope: dict[str, Any] = {"ndarray": numpy.ndarray, "Threshold": Threshold, "otherwise": scalars}
        self.calls = _Forms(calls)
        scope |= {"CALLS": self.calls, "PROGRAMS": _Forms(program)}
        exec(compile(text, f"<tinygrad_lite forms of {self.name}>", "exec"), scope)
        return scope["quicker"]


def _is_small(x: Any) -> bool:
    """Whether it is an array, or a number of NumPy's, that one call after another is for."""
    return isinstance(x, (numpy.generic, numpy.ndarray)) and x.size < Threshold.size


class _Forms(dict):
    """What `make` makes, by the dtype of the one array, or the tuple of those of several."""

    def __init__(self, make: Callable[..., Callable]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, key: Any) -> Callable:
        self[key] = made = self.make(*(key if isinstance(key, tuple) else (key,)))
        return made


def faster_body(op: Op, backend: Backend, body: Callable) -> Callable:
    """`body`, but on small arrays as calls of NumPy's and on large ones as a program; itself if it is a single call."""
    if backend.name not in ("numpy", "cupy") or not _elementwise(op):
        return body
    several = _several_calls(partial(_on_symbols, op), op.arrays)
    names, compiled = op.arrays, _Compiled(op.name, partial(_on_symbols, op))
    if backend.name != "numpy":
        return _launched(compiled, names, backend.array_types[0], body, several)
    if not several:
        return body

    def quicker(*arrays: Any, **statics: Any) -> Any:
        for first in arrays:
            if type(first) is numpy.ndarray:
                if first.size >= Threshold.size:
                    out = compiled(dict(zip(names, arrays, strict=True)) | statics, first)
                    if out is not NotImplemented:
                        return out
                break
        return body(*arrays, **statics)

    return quicker if op.statics else compiled.by_dtypes(names, body, quicker)


def _launched(compiled: _Compiled, names: Sequence[str], array_type: type, body: Callable, several: bool) -> Callable:
    """`body` as one kernel, if it is several calls or its arrays are 16-bit floating point, which is then computed in
    float32."""

    def launched(*arrays: Any, **statics: Any) -> Any:
        like = None
        chosen = several
        for x in arrays:
            if type(x) is array_type:
                like = x
                chosen = chosen or is_half(x.dtype)
        if chosen and like is not None:
            out = compiled(dict(zip(names, arrays, strict=True)) | statics, like)
            if out is not NotImplemented:
                return out
        return body(*arrays, **statics)

    return launched


def _elementwise(op: Op) -> bool:
    return op.shapes == "elementwise" and not op.variadic and not op.outputs


def _on_symbols(op: Op, **given: Any) -> Any:
    arrays = [given.pop(name) for name in op.arrays]
    return op.implementation(SYMBOLS)(*arrays, **given)


def faster_rule(op: Op, array: str, rule: Callable) -> Callable:
    """`rule`, but on small arrays as calls of NumPy's and on large ones as a program; itself if it is a single call."""
    wants = rule_wants(rule)
    if not _elementwise(op) or "g" not in wants or not _several_calls(rule, wants):
        return rule
    compiled, place = _Compiled(f"{op.name}, gradient of {array}", rule), wants.index("g")
    arrays = [i for i, name in enumerate(wants) if name in ("g", "out", *op.arrays)]

    def quicker(*given: Any) -> Any:
        g = given[place]
        backend = op.backends[tuple([type(given[i]) for i in arrays])]  # in a capture g may be a constant
        if backend.kernel_backend not in PROGRAMS or (backend.name == "numpy" and g.size < Threshold.size):
            return rule(*given)
        for name, value in zip(wants, given, strict=True):
            if name.endswith("_shape") and value != g.shape and value != ():
                return rule(*given)
        chosen = dict(zip(wants, given, strict=True))
        made = backend.attempt(compiled, (chosen, g), {}, ())  # a call of its own where a step is captured
        return rule(*given) if made is NotImplemented else made[0]

    return compiled.by_dtypes(wants, rule, quicker) if {*wants} <= {"g", "out", *op.arrays} else quicker


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
