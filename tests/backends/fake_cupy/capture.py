"""Stream capture and graphs of the stand-in.

While a stream is capturing, calls are noted and not done: what they would have made is NaN, and what they would have
written stays as it was. A graph does the noted calls on the same memory, whoever has it then: memory is known by its
`Uses`, and what is written on it by one array is seen by every other that the pool gave the same memory.

What CuPy refuses while capturing is refused: copies between host and device, its calls of cuBLAS and cuSOLVER, results
whose shapes depend on elements, and waiting.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from . import memory, streams
from .runtime import CUDARuntimeError

__all__ = ["Graph", "capturable", "note_pointers", "refuse_while_capturing"]

_CUBLAS = re.compile(r"matmul|dot|vdot|inner|tensordot|einsum|kron|linalg\..*|convolve|correlate|cov|corrcoef|polyfit")
_SHAPES = re.compile(
    r"nonzero|argwhere|flatnonzero|unique.*|compress|extract|trim_zeros|setdiff1d|union1d|intersect1d|histogram.*|array"
)


def refuse_while_capturing(what: str) -> None:
    """RuntimeError if the current stream is capturing."""
    if streams.get_current_stream().capture is not None:
        raise RuntimeError(f"the current stream is capturing, so {what} need to be managed manually")


def capturable(name: str, writes: tuple[int | str, ...] = ()) -> Callable[[Callable], Callable]:
    """Decorator of what works on the device: the current stream's capture notes it.

    writes : which arguments it writes on, by place or name, if it makes no array.
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            capture = streams.get_current_stream().capture
            if capture is None or capture.busy:
                return function(*args, **kwargs)
            return _note(capture, name, function, writes, args, kwargs)

        return called

    return decorate


class _Twin:
    """The memory of an array without a claim to it: what a graph knows of it."""

    def __init__(self, block: Any) -> None:
        self.root, self.start, self.stop = block.root, block.start, block.stop
        self.uses, self.pointer = block.uses, _Place(block.pointer.device_id)
        self.owner = lambda: None


class _Place:
    def __init__(self, device_id: int) -> None:
        self.device_id, self.mem = device_id, None


def _note(capture: streams.Capture, name: str, function: Callable, writes: tuple, args: tuple, kwargs: dict) -> Any:
    """Note a call; returns arrays like its results, full of NaN, or views of its arguments."""
    _refuse(name, args, kwargs)
    twins, names = _twins(args), _twins(kwargs)
    if writes:
        places = [names[place] if isinstance(place, str) else twins[place] for place in writes]
        written = list(_arrays(places))
        label = args[0].name if name == "kernel" else name
        capture.nodes.append((label, functools.partial(_do, function, twins, names, [], written)))
        return kwargs.get("out")
    given = {id(array._block) for array in _arrays((args, kwargs))}
    capture.busy = True
    try:
        result = function(*args, **kwargs)
    finally:
        capture.busy = False
    made = [array for array in _arrays(result) if id(array._block) not in given]
    for array in made:
        _poison(array._host)
    if made and name not in ("empty", "empty_like"):
        outs = [_twin(array) for array in made]
        capture.nodes.append((name, functools.partial(_do, function, twins, names, outs, outs)))
    return result


def note_pointers(capture: streams.Capture, name: str, work: Callable[[], None], pointers: tuple[int, ...]) -> None:
    """Note work on memory that is given by addresses."""
    twins = [_Twin(block) for pointer in pointers if pointer and (block := memory.at(pointer)) is not None]

    def node() -> None:
        for twin in twins:
            memory.read_again(twin.uses, twin.root)
        with memory.known(twins):
            work()
        for twin in twins:
            memory.write_again(twin.uses, twin.root)

    capture.nodes.append((name, node))


def _refuse(name: str, args: tuple, kwargs: dict[str, Any]) -> None:
    if _CUBLAS.fullmatch(name):
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    if name in ("concat", "concatenate", "stack") and len(args[0]) > 8:  # whose addresses a kernel reads
        refuse_while_capturing("H2D transfers")
    condition = name == "where" and len(args) + len(kwargs) == 1
    index = args[1] if name in ("getitem", "setitem") else ()
    parts = index if isinstance(index, tuple) else (index,)
    mask = any(getattr(part, "dtype", None) == numpy.bool_ for part in parts)
    filled = name == "setitem" and not hasattr(args[2], "shape")
    if _SHAPES.fullmatch(name) or condition or (mask and not filled):
        refuse_while_capturing("D2H transfers")
    if any(isinstance(part, (numpy.ndarray, list)) for part in parts):
        refuse_while_capturing("H2D transfers")


def _do(function: Callable, args: tuple, kwargs: dict, outs: list, written: list) -> None:
    """What a node does when its graph is launched."""
    given = list(_arrays((args, kwargs)))
    for array in given:
        memory.read_again(array._block.uses, array._block.root)
    result = function(*args, **kwargs)
    if outs:
        known = {id(array._block.root) for array in given}
        made = [array for array in _arrays(result) if id(array._block.root) not in known]
        for out, array in zip(outs, made, strict=True):
            streams.write(out._block.uses)
            out._host[...] = array._host
    for array in written:
        memory.write_again(array._block.uses, array._block.root)


def _arrays(values: Any) -> Iterator[Any]:
    if hasattr(values, "_host"):
        yield values
    elif isinstance(values, dict):
        yield from itertools.chain.from_iterable(map(_arrays, values.values()))
    elif isinstance(values, (list, tuple)):
        yield from itertools.chain.from_iterable(map(_arrays, values))


def _twins(values: Any) -> Any:
    if hasattr(values, "_host"):
        return _twin(values)
    if isinstance(values, dict):
        return {name: _twins(value) for name, value in values.items()}
    return type(values)(map(_twins, values)) if type(values) in (list, tuple) else values


def _twin(array: Any) -> Any:
    made = object.__new__(type(array))
    made._host, made._block, made._device, made._base = array._host, _Twin(array._block), array._device, None
    return made


def _poison(host: numpy.ndarray) -> None:
    byte = 1 if host.dtype == bool else 0xFF
    host[...] = numpy.full(host.itemsize, byte, numpy.uint8).view(host.dtype)[0]


class Graph:
    """CuPy's, of what was noted."""

    def __init__(self, nodes: list[tuple[str, Callable[[], None]]]) -> None:
        self.nodes = nodes

    def launch(self, stream: Any = None) -> None:
        if streams.get_current_stream().capture is not None:
            raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: a graph is launched while capturing")
        with streams.get_current_stream() if stream is None else stream, memory.using_allocator(_SCRATCH.malloc):
            for _, node in self.nodes:
                node()

    def upload(self, stream: Any = None) -> None: ...

    def debug_dot_str(self, flags: int = 0) -> str:
        nodes = [f'"graph_1_node_{i}"[label="{i}\n{name}\n"];' for i, (name, _) in enumerate(self.nodes)]
        return "\n".join(["digraph dot {", "subgraph cluster_1 {", 'label="graph_1"', *nodes, "}", "}"])


_SCRATCH = memory.MemoryPool()
"""Where arrays are made that are the nodes' own."""
