"""Update rules as programs that write over their arrays: one pass over blocks for a step of an optimizer.

A rule is elementwise code on arrays; it is run on symbols in every step, since its numbers may change each time and it
may branch on them. What it comes to is compiled once for each form; the numbers are given to the program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from .expressions import Expressions, Node, in_order
from .programs import Program
from .symbols import NotElementwise, Symbol, expression

__all__ = ["write_over"]

FORMS = 256
"""How many programs are kept."""

_programs: dict[tuple, Program] = {}


def write_over(arrays: Sequence[Any], rule: Callable[..., Sequence[Any]]) -> None:
    """`array[...] = value` for the values of `rule(*arrays)` and the arrays in their places.

    arrays : of one shape; contiguous, for a program. rule : elementwise code on them; it changes none.
    """
    if all(type(array) is numpy.ndarray and array.flags.c_contiguous for array in arrays):
        try:
            return _compiled(arrays, rule)
        except (NotElementwise, AttributeError, TypeError, ValueError):
            pass  # no expression, or an error, which the rule raises on arrays too
    for array, value in zip(arrays, rule(*arrays), strict=True):
        if value is not array:
            array[...] = value


def _compiled(arrays: Sequence[numpy.ndarray], rule: Callable[..., Sequence[Any]]) -> None:
    expressions = Expressions()
    inputs = [expressions.input(i, array.dtype) for i, array in enumerate(arrays)]
    values = [expression(value) for value in rule(*(Symbol(expressions, node) for node in inputs))]
    roots = [
        expressions.convert(value, array.dtype) if isinstance(value, Node) else expressions.full(value, array.dtype)
        for value, array in zip(values, arrays, strict=True)
    ]
    changed = [i for i, root in enumerate(roots) if root is not inputs[i]]
    form, places, numbers = _form([roots[i] for i in changed])
    key = (*[array.dtype for array in arrays], *changed, *form)
    program = _programs.get(key)
    if program is None:
        if len(_programs) >= FORMS:
            _programs.pop(next(iter(_programs)))
        over = dict(enumerate(changed))
        program = _programs[key] = Program([roots[i] for i in changed], inputs, "update", over=over, numbers=places)
    program(arrays, [arrays[i] for i in changed], numbers)


def _form(roots: Sequence[Any]) -> tuple[tuple, list[tuple[Node, int]], list[Any]]:
    """What makes two expressions the same program: all but the numbers; where these are, and their values."""
    order = in_order(roots)
    index = {node: i for i, node in enumerate(order)}
    form: list[Any] = [tuple(index[root] for root in roots)]
    places, numbers = [], []
    for node in order:
        form += [node.name, node.dtype]
        for position, operand in enumerate(node.operands):
            if isinstance(operand, Node):
                form.append(index[operand])
            elif node.name in ("input", "full", "where"):
                form += ["number", operand]
            else:
                form.append(type(operand))
                places.append((node, position))
                numbers.append(operand)
    return tuple(form), places, numbers
