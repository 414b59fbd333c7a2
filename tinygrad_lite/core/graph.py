"""The record of a computation: tensor handles, nodes, leaves, and whether to record at all."""

from __future__ import annotations

import functools
import itertools
import linecache
import os
import sys
import weakref
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import CodeType, FrameType
from typing import Any, ParamSpec, TypeVar

import numpy

from .backend import PYTHON_SCALARS, backend_of
from .errors import GradientError

__all__ = [
    "Handle",
    "Leaf",
    "Node",
    "enable_grad",
    "grad_enabled",
    "no_grad",
    "note_write",
    "record",
    "set_grad_enabled",
]

P = ParamSpec("P")
R = TypeVar("R")

recording: ContextVar[bool] = ContextVar("tinygrad_lite_recording", default=True)
grad_enabled = recording.get
"""Whether operations record; each thread and each asynchronous task has its own setting."""

next_birth = itertools.count(1).__next__
"""The order of events: nodes and writes take consecutive numbers, so a node's parents have smaller ones."""


class set_grad_enabled:
    """Within the `with` block, or in the decorated function, operations record if `enabled`, and do not otherwise."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(recording.set(self._enabled))

    def __exit__(self, *exception: object) -> None:
        recording.reset(self._tokens.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def decorated(*args: P.args, **kwargs: P.kwargs) -> R:
            with set_grad_enabled(self._enabled):
                return function(*args, **kwargs)

        return decorated


def no_grad() -> set_grad_enabled:
    """Within the `with` block, or in the decorated function, nothing is recorded: no gradients, less memory."""
    return set_grad_enabled(False)


def enable_grad() -> set_grad_enabled:
    """Within the `with` block, or in the decorated function, operations record, even inside `no_grad`."""
    return set_grad_enabled(True)


class Node:
    """One recorded operation. It holds what its derivative rules asked for, and not its output.

    op : the operation: its `name`, `pull` and `pull_graph`.
    parents : the nodes of its inputs, None for inputs that need no gradient.
    saved : the values that the rules asked for; None once the sweep has passed and freed them.
    shape, dtype : those of its output, and so of its cotangent.
    birth : its place in the order of events.
    hooks : functions called with its cotangent, or None.
    code, lasti : the caller's code and instruction, from which `location` finds the source line.
    """

    __slots__ = ("birth", "code", "dtype", "hooks", "lasti", "op", "parents", "saved", "shape")

    def location(self) -> str:
        """Where the user's code made this node: file, line, function and the line's text."""
        return source_line(self.code, self.lasti)

    def __repr__(self) -> str:
        return f"<node of {self.op.name}, {tuple(self.shape)} {self.dtype}>"


class Selecting(Node):
    """A node of an operation that leaves out elements of its inputs, such as `where`; see `selection.py`."""

    __slots__ = ()


class _LeafOp:
    """The operation of leaves: they have no parents, so nothing is pulled through them."""

    name = "leaf"

    @staticmethod
    def pull(node: Node, g: Any, grads: dict) -> None: ...

    pull_graph = pull


class Leaf(Node):
    """Where gradients end: a tensor created with `requires_grad=True`, whose `grad` is a Tensor or None.

    internal : it is the input of a transform that has run its function; a derivative with respect to it is nobody's.
    """

    __slots__ = ("grad", "internal")

    def __init__(self, array: Any) -> None:
        self.op = _LeafOp
        self.parents = ()
        self.saved = ()
        self.shape = array.shape
        self.dtype = array.dtype
        self.birth = next_birth()
        self.hooks = None
        self.grad: Any = None
        self.internal = False
        self.code, self.lasti = caller(sys._getframe(1))


class Handle:
    """The two slots of a Tensor: an array and its place in the graph. The methods are in `tinygrad_lite.tensor`."""

    __slots__ = ("__weakref__", "data", "node")

    data: Any
    node: Node | None


class _TensorClass:
    """The class that operations return. `tinygrad_lite.tensor` sets it, since its methods need the operations first."""

    current: type[Handle] = Handle


def wrap(array: Any, node: Node | None) -> Any:
    """A Tensor of `array` at the place `node` of the graph, or of a constant if `node` is None."""
    tensor = object.__new__(_TensorClass.current)
    tensor.data = array
    tensor.node = node
    return tensor


def unwrap(value: Any) -> Any:
    """The array of a Tensor; anything else as it is."""
    return value.data if isinstance(value, Handle) else value


def node_of(value: Any) -> Node | None:
    """The node of a Tensor that needs a gradient, or None."""
    return value.node if isinstance(value, Handle) else None


def as_array(value: Any) -> Any:
    """NumPy's 0-d results are scalars; a Tensor holds an array. Other libraries' arrays are returned as they are."""
    return numpy.asarray(value) if isinstance(value, (numpy.generic, *PYTHON_SCALARS)) else value


def record(op: Any, parents: tuple[Node | None, ...], saved: tuple, out: Any, *, depth: int = 1) -> Any:
    """A Tensor of `out`, recorded if a parent needs a gradient. The generated dispatch functions contain the same."""
    if not out.shape:
        out = as_array(out)
    if parents.count(None) == len(parents) or not grad_enabled():
        return wrap(out, None)
    return wrap(out, new_node(op, parents, saved, out.shape, out.dtype, sys._getframe(depth)))


def new_node(op: Any, parents: tuple[Node | None, ...], saved: tuple, shape: Any, dtype: Any, frame: FrameType) -> Node:
    """A node born now; its source line is that of the innermost frame, from `frame` outwards, outside this package."""
    node = Node()
    node.op = op
    node.parents = parents
    node.saved = saved
    node.shape = shape
    node.dtype = dtype
    node.birth = next_birth()
    node.hooks = None
    node.code, node.lasti = caller(frame)
    return node


# Source lines. Recording (code, instruction) costs a tenth of a microsecond; the line is looked up only for a message.

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class _LibraryFiles(dict):
    """Whether a file belongs to this package; remembered by name."""

    def __missing__(self, filename: str) -> bool:
        self[filename] = inside = filename.startswith((_PACKAGE, "<tinygrad_lite"))
        return inside


library_files = _LibraryFiles()


class _Latest:
    """code : the user's code that recorded an operation last. To see that it is the same again takes 0.1 us less than
    to look up its file; a chain of small operations spends 1.6 us on each.
    """

    __slots__ = ("code",)

    code: CodeType | None


latest = _Latest()
latest.code = None


def caller(frame: FrameType) -> tuple[CodeType, int]:
    """The code and instruction of the innermost frame, from `frame` outwards, that is not in this package."""
    outer: FrameType | None = frame
    while outer is not None and library_files[outer.f_code.co_filename]:
        outer = outer.f_back
    if outer is frame:
        latest.code = frame.f_code
    found = outer if outer is not None else frame
    return found.f_code, found.f_lasti


def source_line(code: CodeType, lasti: int) -> str:
    """File, line, function and the line's text of an instruction."""
    line = list(code.co_positions())[lasti // 2][0] or code.co_firstlineno
    text = linecache.getline(code.co_filename, line).strip()
    place = f"{code.co_filename}:{line}, in {code.co_name}"
    return f"{place}: {text}" if text else place


# In-place writes. Only optimizers write into arrays, always into their flat buffers. They say so here, and a backward
# pass over nodes older than a write checks whether what they saved lies in the memory that was written.

_writes: list[tuple[weakref.ref, int, CodeType, int]] = []
last_write = 0


def note_write(buffer: Any) -> None:
    """Remember that `buffer` was changed in place just now, and by which line of the user's code."""
    global last_write
    last_write = next_birth()
    _writes[:] = [write for write in _writes if write[0]() is not None and write[0]() is not buffer]
    _writes.append((weakref.ref(buffer), last_write, *caller(sys._getframe(1))))


def check_unwritten(node: Node) -> None:
    """Raise GradientError if an array that `node` saved was changed in place since it was saved."""
    for ref, birth, code, lasti in _writes:
        buffer = ref()
        if buffer is None or birth < node.birth:
            continue
        backend = backend_of(buffer)
        for value in _arrays(node.saved, type(buffer)):
            if backend.may_share_memory(value, buffer):
                raise GradientError(
                    f"{node.op.name}: a value of shape {tuple(value.shape)} that its gradient needs was changed by an "
                    f"optimizer step after the forward pass. Call backward() before step(), or run the forward pass "
                    f"again.\nIt was used at {node.location()}\nIt was changed at {source_line(code, lasti)}"
                )


def _arrays(values: Any, array_type: type):
    for value in values:
        if isinstance(value, array_type):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _arrays(value, array_type)
