"""What a model consists of: the calls of its modules, observed while it computes once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, NamedTuple

import numpy

from ..core.dtypes import is_floating
from ..core.graph import Handle, Node, enable_grad, next_birth, unwrap
from ..core.op import Kernel
from ..core.sweep import reach
from ..core.tree import leaves, map_leaves
from ..ops.creation import zeros
from ..ops.random import Generator, default_generator
from ..tensor import Tensor
from .module import Module

__all__ = ["Summary", "SummaryRow", "summary"]


class SummaryRow(NamedTuple):
    """One call of a module, without the calls of modules within it, so that columns add up to their totals.

    path : where the module is; `""` for the model itself. kind : its class. depth : how many calls it is inside of.
    shape : of its output, as text.
    parameters : the numbers in its own parameters, 0 where they were counted in an earlier row.
    multiply_adds : of its matrix products, convolutions, attention and recurrent steps.
    kept : bytes of the arrays that its operations keep for a backward pass, counted where they were first kept.
    """

    path: str
    kind: str
    depth: int
    shape: str
    parameters: int
    multiply_adds: int
    kept: int


class Summary:
    """The rows of a model's calls, in order, and totals; `print` shows them as a table.

    rows : a SummaryRow for each call, and for each module with parameters that was not called.
    trainable, frozen : the numbers in parameters that require a gradient, and in the others.
    parameter_bytes, buffer_bytes : what parameters and buffers take.
    """

    def __init__(self, model: Module, rows: list[SummaryRow]) -> None:
        parameters, buffers = list(model.parameters()), list(model.buffers())
        self.rows = rows
        self.trainable = sum(p.size for p in parameters if p.requires_grad)
        self.frozen = sum(p.size for p in parameters if not p.requires_grad)
        self.parameter_bytes, self.buffer_bytes = (sum(t.data.nbytes for t in ts) for ts in (parameters, buffers))

    @property
    def parameters(self) -> int:
        """The numbers in all parameters, each parameter counted once."""
        return self.trainable + self.frozen

    @property
    def multiply_adds(self) -> int:
        """Those of all calls. A multiply-add is two floating-point operations (FLOPs)."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def kept(self) -> int:
        """Bytes that are kept for a backward pass, without the parameters."""
        return sum(row.kept for row in self.rows)

    def __str__(self) -> str:
        head = ("module", "kind", "output", "parameters", "multiply-adds", "kept for backward")
        table: list[tuple[str, ...]] = [head]
        for row in self.rows:
            counts = (f"{n:,}" if n else "" for n in (row.parameters, row.multiply_adds))
            kept = _bytes(row.kept) if row.kept else ""
            table.append(("  " * row.depth + (row.path or "(model)"), row.kind, row.shape, *counts, kept))
        table.append(("total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", _bytes(self.kept)))
        widths = [max(len(row[i]) for row in table) for i in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        rule = "-" * len(lines[0])
        note = (
            f"{self.trainable:,} parameters are trainable, {self.frozen:,} are frozen; they take "
            f"{_bytes(self.parameter_bytes)}, buffers {_bytes(self.buffer_bytes)}"
        )
        lines = [line.rstrip() for line in [lines[0], rule, *lines[1:-1], rule, lines[-1]]]
        return "\n".join([*lines, note])

    __repr__ = __str__


def summary(model: Module, input: Any, *, depth: int | None = None) -> Summary:
    """What a model consists of, and what it costs: the output, parameters, multiply-adds and memory of each module.

    input : what the model is called with: an array or a Tensor, or a shape such as `(1, 3, 32, 32)`, for which there
        are zeros where the model is; a tuple of these for several arguments, a dict for named ones.
    depth : from this many calls within calls on, calls are counted in the row of the call they are inside of.

    The model is called once, in evaluation mode, and is left as it was. Multiply-adds are those of matrix products,
    convolutions, attention and recurrent steps; other work is not counted. Returns a Summary.

    >>> print(nn.summary(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (32, 4)))
    module   kind        output   parameters  multiply-adds  kept for backward
    --------------------------------------------------------------------------
    (model)  Sequential  (32, 2)
      0      Linear      (32, 8)          40          1,024              512 B
      1      ReLU        (32, 8)                                        1.0 kB
      2      Linear      (32, 2)          18            512
    --------------------------------------------------------------------------
    total                                 58          1,536             1.5 kB
    58 parameters are trainable, 0 are frozen; they take 232 B, buffers 0 B
    """
    args, kwargs = (), {}
    device = next((parameter.device for parameter in model.parameters()), None)
    if isinstance(input, dict):
        kwargs = {name: _argument(value, device) for name, value in input.items()}
    elif isinstance(input, tuple) and not _is_shape(input) and not hasattr(input, "_fields"):
        args = tuple(_argument(value, device) for value in input)
    else:
        args = (_argument(input, device),)
    calls: list[_Call] = []
    with _observed(model, calls):
        out = model(*args, **kwargs)
    nodes = reach([leaf.node for leaf in leaves(out) if isinstance(leaf, Handle) and leaf.node is not None])
    return Summary(model, _rows(model, calls, sorted(nodes, key=lambda node: node.birth), depth))


class _Call:
    """A call of a module: events from `start` to `end` happened in it, see `core/graph.py`."""

    def __init__(self, path: str, module: Module, depth: int) -> None:
        self.path, self.module, self.depth = path, module, depth
        self.start = self.end = next_birth()
        self.shape = ""
        self.parameters = self.multiply_adds = self.kept = 0


CHANGED = ("forward", "training")
"""The attributes of modules that are others while calls are observed."""


@contextmanager
def _observed(model: Module, calls: list[_Call]) -> Iterator[None]:
    """Within the block, calls of the model's modules are noted and everything is recorded; nothing changes for good."""
    modules = list(model.named_modules())
    own = [(vars(module), {k: vars(module)[k] for k in CHANGED if k in vars(module)}) for _, module in modules]
    tensors = [(tensor, tensor.node, tensor.data) for tensor in (*model.parameters(), *model.buffers())]
    generators = {id(value): value for _, m in modules for value in vars(m).values() if isinstance(value, Generator)}
    streams = [(rng, rng.state_dict()) for rng in (default_generator(), *generators.values())]
    stack: list[_Call] = []

    def noted(path: str, module: Module) -> Any:
        forward = module.forward

        def call(*args: Any, **kwargs: Any) -> Any:
            entry = _Call(path, module, len(stack))
            calls.append(entry)
            stack.append(entry)
            try:
                out = forward(*args, **kwargs)
            finally:
                stack.pop()
            entry.end, entry.shape = next_birth(), _shapes(out)
            return out

        return call

    try:
        for path, module in modules:
            vars(module)["forward"] = noted(path, module)
            module.training = False
        for parameter in model.parameters():
            parameter.requires_grad = True
        with enable_grad():
            yield
    finally:
        for attributes, before in own:
            for name in CHANGED:
                attributes.pop(name, None)
            attributes.update(before)
        for tensor, node, data in tensors:
            tensor.node, tensor.data = node, data
        for rng, state in streams:
            rng.load_state_dict(state)


def _rows(model: Module, calls: list[_Call], nodes: list[Node], depth: int | None) -> list[SummaryRow]:
    kept: dict[int, int] = {id(_memory(p.data)): p.data.nbytes for p in model.parameters()}
    inner = iter(sorted(calls, key=lambda call: call.start))
    stack: list[_Call] = []
    following = next(inner, None)
    for node in nodes:
        while following is not None and following.start < node.birth:
            stack.append(following)
            following = next(inner, None)
        while stack and stack[-1].end < node.birth:
            stack.pop()
        open_calls = [call for call in stack if call.end >= node.birth]
        if open_calls:
            call = open_calls[-1]
            call.multiply_adds += _multiply_adds(node)
            for array in _arrays(node.saved):
                known = kept.get(id(_memory(array)), 0)
                call.kept += max(0, array.nbytes - known)
                kept[id(_memory(array))] = max(known, array.nbytes)

    counted: set[int] = set()
    called = {id(call.module) for call in calls}
    waiting = [_Call(path, module, 1) for path, module in model.named_modules() if id(module) not in called]
    for call in [*calls, *waiting]:
        within = {id(p) for m in call.module.modules() if m is not call.module for p in m.parameters()}
        own = [p for p in call.module.parameters() if id(p) not in within and id(p) not in counted]
        counted.update(map(id, own))
        call.parameters = sum(p.size for p in own)
    rows: list[_Call] = []
    for call in calls:
        if depth is None or call.depth <= depth:
            rows.append(call)
        else:
            rows[-1].parameters += call.parameters
            rows[-1].multiply_adds += call.multiply_adds
            rows[-1].kept += call.kept
    for call in waiting:
        if call.parameters:
            call.shape = "not called"
            rows.append(call)
    return [
        SummaryRow(c.path, type(c.module).__name__, c.depth, c.shape, c.parameters, c.multiply_adds, c.kept)
        for c in rows
    ]


def _multiply_adds(node: Node) -> int:
    """How many an operation needs, from the shapes of what it keeps; 0 for operations that are not listed."""
    op: Any = node.op
    shapes: dict[str, tuple[int, ...]] = {}
    if isinstance(op, Kernel):
        values = zip(op.op.arrays, node.saved[0], strict=False)
    else:
        values = zip(getattr(op, "kept", ()), node.saved, strict=False)
    for name, value in values:
        if name.endswith("_shape"):
            shapes[name.removesuffix("_shape")] = tuple(value)
        elif hasattr(value, "shape"):
            shapes[name] = tuple(value.shape)
    name = op.name
    if name == "matmul":
        return prod(node.shape) * shapes["x"][-1]
    if name == "linear":
        return prod(node.shape) * shapes["weight"][-1]
    if name == "convolve_nd":
        return prod(node.shape) * prod(shapes["w"][1:])
    if name == "convolve_nd_input":
        return prod(shapes["y"]) * prod(shapes["w"][1:])
    if name in ("conv1d", "conv2d", "conv3d"):
        return prod(node.shape) * prod(shapes["weight" if "weight" in shapes else "w"][1:])
    if name == "scaled_dot_product_attention":
        query, key, value = (shapes[part] for part in ("query", "key", "value"))
        return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    if name.endswith("_scan"):
        return prod(shapes["x"]) * shapes["weight"][-1]
    return 0


def _argument(value: Any, device: str | None) -> Any:
    """What the model is called with: arrays of fractions as Tensors that require a gradient, zeros for a shape."""
    if _is_shape(value):
        return Tensor(zeros(value, device=device).data, requires_grad=True)

    def recorded(leaf: Any) -> Any:
        array = unwrap(leaf)
        if not hasattr(array, "dtype") or not hasattr(array, "shape") or not is_floating(array.dtype):
            return leaf
        return Tensor(array, requires_grad=True)

    return map_leaves(recorded, value)


def _is_shape(value: Any) -> bool:
    return type(value) is tuple and bool(value) and all(type(n) is int for n in value)


def _shapes(out: Any) -> str:
    """The shapes of what a module returns."""
    found = [str(tuple(leaf.shape)) for leaf in leaves(out) if hasattr(leaf, "shape")]
    return ", ".join(found[:3]) + (f", and {len(found) - 3} more" if len(found) > 3 else "")


def _arrays(values: Any) -> Iterator[Any]:
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, (tuple, list, dict)):
            yield from _arrays(value)
        elif hasattr(unwrap(value), "nbytes") and not isinstance(value, numpy.generic):
            yield unwrap(value)


def _memory(array: Any) -> Any:
    """The array that owns the memory of an array."""
    while hasattr(getattr(array, "base", None), "nbytes") and hasattr(array.base, "shape"):
        array = array.base
    return array


def _bytes(n: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} B"
