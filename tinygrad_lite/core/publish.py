"""The public function of an operation: a stub with the right parameters, until it is first called."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from .codegen import compile_function, dispatch_lines

if TYPE_CHECKING:
    from .op import Op

__all__ = ["publish", "restart"]


def publish(op: Op) -> Callable:
    """The public function of `op`, with the declaration's name, docstring and annotations.

    Generating and compiling takes a millisecond, too long at import for every operation. So the function starts as a
    stub with the right parameters, and takes on its real code when it is first called.
    """
    scope = {"__name__": op.body.__module__, "__builtins__": builtins, "OP": op, "first_call": _first_call}
    after, defaults = _after_a_sequence(op), op.body.__kwdefaults__ or {}
    given = tuple([defaults[name] for name in after]) if after else op.body.__defaults__
    function = FunctionType(_stub_code(op), scope, op.name, given)
    function.__kwdefaults__ = None if after else op.body.__kwdefaults__
    function.__doc__, function.__module__ = op.body.__doc__, op.body.__module__
    function.__qualname__ = op.body.__qualname__
    function.__annotations__ = {name: kind for name, kind in op.body.__annotations__.items() if name != "xp"}
    function.op = op  # type: ignore[attr-defined]
    return function


def restart(op: Op) -> None:
    """Make the public function the stub again, so that its code is generated anew."""
    op.function.__code__ = _stub_code(op)  # type: ignore[attr-defined]


def _after_a_sequence(op: Op) -> tuple[str, ...]:
    """The statics that may be given by position, as in `concat(arrays, 1)`: if all of them have defaults."""
    if not (op.primitive and op.variadic) or set(op.statics) != set(op.body.__kwdefaults__ or ()):
        return ()
    return tuple(op.statics)


def _stub() -> Any:
    return first_call(OP, locals())  # type: ignore[name-defined]  # noqa: F821  # in the function's own globals


def _stub_code(op: Op) -> CodeType:
    """The code of `_stub`, which names no parameter, with the public ones: the body's without `xp`.

    A primitive's arrays are positional-only, but for optional ones, and its `*arrays` is one sequence.
    """
    body, skip = op.body.__code__, int(op.primitive)
    keywords = body.co_varnames[body.co_argcount : body.co_argcount + body.co_kwonlyargcount]
    positional = body.co_varnames[skip : body.co_argcount]
    sequence = tuple(op.arrays) if op.variadic else ()
    flags = _stub.__code__.co_flags
    if op.primitive:
        after = _after_a_sequence(op)
        positional = (*sequence, *positional, *after)
        keywords = () if after else keywords
        names = (*positional, *keywords)
        optional = body.co_varnames[body.co_argcount - len(op.body.__defaults__ or ()) : body.co_argcount]
        only = len([name for name in op.arrays if name not in optional])
    else:
        names = (*positional, *keywords, *sequence)
        only = body.co_posonlyargcount
        flags |= body.co_flags & inspect.CO_VARARGS
    return _stub.__code__.replace(
        co_argcount=len(positional), co_posonlyargcount=only, co_kwonlyargcount=len(keywords),
        co_varnames=names, co_nlocals=len(names), co_flags=flags,
    )  # fmt: skip


def _first_call(op: Op, given: dict[str, Any]) -> Any:
    """Give the public function of `op` its real code, and call it with what its stub was called with."""
    function = op.function
    real = compile_function(op, dispatch_lines(op), op.name, function.__globals__)
    function.__code__ = real.__code__
    kinds = inspect.Parameter
    arguments, keywords = [], {}
    for parameter in op.signature.parameters.values():
        value = given[parameter.name]
        if parameter.kind is kinds.VAR_POSITIONAL:
            arguments.extend(value)
        elif parameter.kind is kinds.KEYWORD_ONLY:
            keywords[parameter.name] = value
        else:
            arguments.append(value)
    return function(*arguments, **keywords)
