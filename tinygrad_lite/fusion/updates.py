"""Update rules as programs that write over their arrays: one pass over memory for a step of an optimizer.

A rule is elementwise code on arrays; it is run on symbols in every step, since its numbers may change each time and it
may branch on them. What it comes to is compiled once for each form; the numbers are given to the program. On a GPU that
is one kernel, which reads the numbers from the device's memory where the step is captured (`core/effects.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy

from ..core.backend import backend_of
from ..core.effects import live_numbers
from .combinations import combined
from .expressions import Expressions, Node, distinct, result_dtype
from .halves import rounded, widened
from .makers import NORM_PROGRAMS, PROGRAMS
from .norms import has_norms, split
from .pieces import Pieces, whole
from .recent import Recent
from .symbols import NotElementwise, Symbol, expression
from .traces import trace_form

__all__ = ["write_over", "write_over_each"]

FORMS = 256
"""How many programs are kept."""

_programs: dict[tuple, Any] = Recent(FORMS)

Found = tuple[Any, list[Any], list[int]]
"""A program, its numbers, and which of the arrays it writes over."""


class _Tape(Expressions):
    """Notes what a rule does, and looks at nothing; `traces.py` does it faster where the program is known.

    inputs : the nodes of the arrays. given : what the rule gets, which is float32 for 16 bits if `widen`.
    form : the functions and their operands, with types for the numbers: what makes two steps the same program.
    nodes : in the order of their making, without the inputs.
    numbers, places : the numbers, and where they are operands.
    """

    def __init__(self, arrays: Sequence[Any], widen: bool) -> None:
        super().__init__()
        self.inputs = [Node("input", (i,), array.dtype) for i, array in enumerate(arrays)]
        plain = Expressions()
        self.given = [widened(plain, node) if widen else node for node in self.inputs]
        self.nodes: list[Node] = []
        self.index: dict[Node, int] = {node: i for i, node in enumerate(self.given)}
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
            if node.name == "norm_of_each":
                node.dtype = node.operands[0].dtype
            elif node.name != "astype":
                kinds = [x.dtype if isinstance(x, Node) else type(x) for x in node.operands]
                node.dtype = result_dtype(node.name, *kinds)


def write_over(arrays: Sequence[Any], rule: Callable[..., Sequence[Any]], bounds: Sequence[int] | None = None) -> None:
    """`array[...] = value` for the values of `rule(*arrays)` and the arrays in their places.

    arrays : of one shape, and beside them arrays without axes and arrays in pieces, which the rule leaves as they are;
        contiguous, for a program. rule : elementwise code on them, but for `norms.norm_of_each`; it changes none.
    bounds : of arrays of one axis, where the parts begin that norms are of, and the end of the last, counted from
        anywhere; None for one part. Those of pieces, if there are any.
    """
    backend = backend_of(arrays[0])
    if backend.name == "numpy" and any(array.ndim < arrays[0].ndim for array in arrays):
        return _with_numbers(arrays, rule, bounds)
    found = _find(arrays, rule, backend.name) if backend.name in PROGRAMS and _fit(arrays) else None
    return _do(arrays, rule, found, bounds)


def write_over_each(groups: Iterable[Sequence[Any]], rule: Callable[..., Sequence[Any]]) -> None:
    """`write_over` for several lists of arrays, each of one shape; the rule is looked at once for lists of one form."""
    known: dict[tuple, Found | None] = {}
    for arrays in groups:
        name = backend_of(arrays[0]).name
        found = None
        if name in PROGRAMS and _fit(arrays):
            form = (name, *[array.dtype for array in arrays])
            if form not in known:
                known[form] = _find(arrays, rule, name)
            found = known[form]
        _do(arrays, rule, found)


def _find(arrays: Sequence[Any], rule: Callable[..., Sequence[Any]], backend: str) -> Found | None:
    """The program of a rule, or None if there can be none."""
    for way in (_known, _compiled):
        try:
            found = way(arrays, rule, backend)
        except (NotElementwise, AttributeError, TypeError, ValueError):
            continue  # no expression, or an error, which the rule raises on arrays too
        if found is not None:
            return found
    return None


def _do(
    arrays: Sequence[Any],
    rule: Callable[..., Sequence[Any]],
    found: Found | None,
    bounds: Sequence[int] | None = None,
) -> None:
    """Run a program, or the rule where there is none."""
    backend = backend_of(arrays[0])
    if found is not None:
        program, numbers, changed = found
        of_parts = [_from_0(bounds or (0, arrays[0].size))] if program.of_parts else []
        with backend.on(arrays[0]):
            program(arrays, [arrays[i] for i in changed], numbers, *of_parts)
        return
    live = live_numbers.get()
    if live is not None:
        live.refuse("an update without a kernel")
    with backend.on(arrays[0]):
        arrays = [whole(array) for array in arrays]
        for a, b in pairwise(_from_0(bounds or ())):
            _run([array[a:b] if array.ndim else array for array in arrays], rule)
        if bounds is None:
            _run(arrays, rule)


def _from_0(bounds: Sequence[int]) -> tuple[int, ...]:
    return tuple([bound - bounds[0] for bound in bounds])


def _with_numbers(arrays: Sequence[Any], rule: Callable[..., Sequence[Any]], bounds: Sequence[int] | None) -> None:
    """`write_over`, with numbers for the arrays without axes."""
    own = [i for i, array in enumerate(arrays) if array.ndim == arrays[0].ndim]
    given: list[Any] = [array if array.ndim else array.item() for array in arrays]

    def shorter(*values: Any) -> list[Any]:
        for i, value in zip(own, values, strict=True):
            given[i] = value
        found = rule(*given)
        return [found[i] for i in own]

    write_over([arrays[i] for i in own], shorter, bounds)


def _fit(arrays: Sequence[Any]) -> bool:
    """Whether a program takes the arrays."""
    first = arrays[0]
    return all(
        array.shape in (first.shape, ())
        and (isinstance(array, Pieces) or (type(array) is type(first) and array.flags.c_contiguous))
        for array in arrays
    )


def _run(arrays: Sequence[Any], rule: Callable[..., Sequence[Any]]) -> None:
    """The rule, as it is written."""
    values = list(rule(*arrays))
    for i, value in enumerate(values):  # what would be written over before it is read
        if any(value is array for array in arrays[:i]):
            values[i] = backend_of(value).copy(value)
    for array, value in zip(arrays, values, strict=True):
        if value is not array:
            array[...] = value


def _known(arrays: Sequence[Any], rule: Callable[..., Sequence[Any]], backend: str = "numpy") -> Found | None:
    """The program that was compiled before, if there is one."""
    key, numbers, changed = trace_form(arrays, rule)
    program = _programs.get((backend, *key))
    return None if program is None else (program, numbers, changed)


def _compiled(arrays: Sequence[Any], rule: Callable[..., Sequence[Any]], backend: str = "numpy") -> Found:
    tape = _Tape(arrays, widen=backend != "numpy")
    roots = [expression(value) for value in rule(*(Symbol(tape, node) for node in tape.given))]
    if len(roots) != len(arrays) or not all(isinstance(root, Node) for root in roots):
        raise NotElementwise("a value is a number")
    changed = [i for i, root in enumerate(roots) if root is not tape.given[i]]
    if any(arrays[i].ndim < arrays[0].ndim or isinstance(arrays[i], Pieces) for i in changed):
        raise NotElementwise("what is only read is changed")
    key = (backend, *tape.form, None, *[(i, tape.index[roots[i]]) for i in changed])
    program = _programs.get(key)
    if program is None:
        tape.find_dtypes()
        chosen, places = [roots[i] for i in changed], tape.places
        if backend == "numpy":
            chosen, places = combined(chosen, places)
        else:
            plain = Expressions()
            chosen = [rounded(plain, root, [arrays[i].dtype]) for root, i in zip(chosen, changed, strict=True)]
        if any(root.dtype != arrays[i].dtype for root, i in zip(chosen, changed, strict=True)):
            raise NotElementwise("a value has another dtype than its array")
        over = dict(enumerate(changed))
        if has_norms(chosen):
            program = NORM_PROGRAMS[backend](split(chosen, tape.inputs, places), "update", over)
        else:
            program = PROGRAMS[backend](chosen, tape.inputs, "update", over=over, numbers=places)
        _programs[key] = program
    return program, tape.numbers, changed
