"""Update rules as programs that write over their arrays: one pass over blocks for a step of an optimizer.

A rule is elementwise code on arrays; it is run on symbols in every step, since its numbers may change each time and it
may branch on them. What it comes to is compiled once for each form; the numbers are given to the program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..core.backend import backend_of
from ..core.effects import live_numbers
from .combinations import combined
from .expressions import Expressions, Node, distinct, result_dtype
from .programs import Program
from .recent import Recent
from .symbols import NotElementwise, Symbol, expression
from .traces import trace_form

__all__ = ["write_over"]

FORMS = 256
"""How many programs are kept."""

_programs: dict[tuple, Program] = Recent(FORMS)


class _Tape(Expressions):
    """Notes what a rule does, and looks at nothing; `traces.py` does it faster where the program is known.

    form : the functions and their operands, with types for the numbers: what makes two steps the same program.
    nodes : in the order of their making, without the inputs.
    numbers, places : the numbers, and where they are operands.
    """

    def __init__(self, arrays: Sequence[numpy.ndarray]) -> None:
        super().__init__()
        self.inputs = [Node("input", (i,), array.dtype) for i, array in enumerate(arrays)]
        self.nodes: list[Node] = []
        self.index: dict[Node, int] = {node: i for i, node in enumerate(self.inputs)}
        self.form: list[Any] = [array.dtype for array in arrays]
        self.numbers: list[Any] = []
        self.places: list[tuple[Node, int]] = []

    def make(self, name: str, *operands: Any) -> Node:
        form, made = self.form, Node(name, operands, None)  # type: ignore[arg-type]  # its dtype is found when needed
        form.append(name)
        for position, operand in enumerate(operands):
            if isinstance(operand, Node):
                form.append(self.index[operand])
            elif name == "where":  # selections are compiled with their numbers
                form.append(distinct(operand))
            else:
                form.append(type(operand))
                self.numbers.append(operand)
                self.places.append((made, position))
        self.index[made] = len(self.index)
        self.nodes.append(made)
        return made

    def full(self, value: Any, dtype: Any) -> Node:
        raise NotElementwise("a number with a dtype")

    def convert(self, operand: Any, dtype: Any) -> Any:
        dtype = numpy.dtype(dtype)
        if not isinstance(operand, Node):
            raise NotElementwise("a conversion of a number")
        made = Node("astype", (operand,), dtype)
        self.form += ["astype", dtype, self.index[operand]]
        self.index[made] = len(self.index)
        self.nodes.append(made)
        return made

    def find_dtypes(self) -> None:
        """Give the nodes their dtypes."""
        for node in self.nodes:
            if node.name != "astype":
                kinds = [x.dtype if isinstance(x, Node) else type(x) for x in node.operands]
                node.dtype = result_dtype(node.name, *kinds)


def write_over(arrays: Sequence[Any], rule: Callable[..., Sequence[Any]]) -> None:
    """`array[...] = value` for the values of `rule(*arrays)` and the arrays in their places.

    arrays : of one shape; contiguous, for a program. rule : elementwise code on them; it changes none.
    """
    if all(type(array) is numpy.ndarray and array.flags.c_contiguous for array in arrays):
        for way in (_known, _compiled):
            try:
                found = way(arrays, rule)
            except (NotElementwise, AttributeError, TypeError, ValueError):
                continue  # no expression, or an error, which the rule raises on arrays too
            if found is not None:
                program, numbers, changed = found
                program(arrays, [arrays[i] for i in changed], numbers)
                return
    live = live_numbers.get()
    if live is not None:
        live.refuse("an update without a kernel")
    values = list(rule(*arrays))
    for i, value in enumerate(values):  # what would be written over before it is read
        if any(value is array for array in arrays[:i]):
            values[i] = backend_of(value).copy(value)
    for array, value in zip(arrays, values, strict=True):
        if value is not array:
            array[...] = value


Found = tuple[Program, list[Any], list[int]]
"""A program, its numbers, and which of the arrays it writes over."""


def _known(arrays: Sequence[numpy.ndarray], rule: Callable[..., Sequence[Any]]) -> Found | None:
    """The program that was compiled before, if there is one."""
    key, numbers, changed = trace_form(arrays, rule)
    program = _programs.get(key)
    return None if program is None else (program, numbers, changed)


def _compiled(arrays: Sequence[numpy.ndarray], rule: Callable[..., Sequence[Any]]) -> Found:
    tape = _Tape(arrays)
    roots = [expression(value) for value in rule(*(Symbol(tape, node) for node in tape.inputs))]
    if len(roots) != len(arrays) or not all(isinstance(root, Node) for root in roots):
        raise NotElementwise("a value is a number")
    changed = [i for i, root in enumerate(roots) if root is not tape.inputs[i]]
    key = (*tape.form, None, *[(i, tape.index[roots[i]]) for i in changed])
    program = _programs.get(key)
    if program is None:
        tape.find_dtypes()
        if any(roots[i].dtype != arrays[i].dtype for i in changed):
            raise NotElementwise("a value has another dtype than its array")
        over = dict(enumerate(changed))
        chosen, places = combined([roots[i] for i in changed], tape.places)
        program = _programs[key] = Program(chosen, tape.inputs, "update", over=over, numbers=places)
    return program, tape.numbers, changed
