"""What captured steps need of CUDA: a stream to capture on, memory of their own, and numbers written before a launch.

Memory that is freed while a graph is captured would go back to the pool, and to the next array that somebody makes;
every launch of the graph would write over it. So each graph has a pool of its own, and the blocks that this one got
from CUDA are kept until the graph goes.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy

from ..core.effects import as_words
from .module import cupy

__all__ = ["GraphMemory", "Words", "begin_launch", "copy_over", "streams_of_graphs", "what_is_in"]

RING = 16
"""How many launches the host may be ahead of the device before it waits for memory that their numbers lie in."""


class _Captures:
    """What captures on one device share, one at a time: a stream, and so the workspaces that libraries keep for it.

    latest : the stream that a graph was last launched on. On another one, the next launch waits for it.
    """

    def __init__(self) -> None:
        self.stream = cupy().cuda.Stream(non_blocking=True)
        self.lock = threading.RLock()
        self.latest: Any = None


_captures: dict[tuple[Any, int], _Captures] = {}

_living: weakref.WeakSet[GraphMemory] = weakref.WeakSet()
"""The memory of all graphs that there are."""


def _shared() -> _Captures:
    key = (cupy(), cupy().cuda.Device().id)
    if key not in _captures:
        _captures.setdefault(key, _Captures())
    return _captures[key]


class GraphMemory:
    """The pool of one captured step, of the current device."""

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self._pool = cupy().cuda.MemoryPool(self._allocate)
        self._places = cupy().cuda.MemoryPool(self._allocate)
        self._shared = _shared()
        _living.add(self)

    def _allocate(self, size: int) -> Any:
        """Memory that stays, even if the pool gives its free blocks back for want of memory."""
        cuda = cupy().cuda
        self._kept.append(cuda.MemoryPointer(cuda.Memory(size), 0))
        return self._kept[-1]

    @property
    def stream(self) -> int:
        """The number of the stream on which graphs are captured."""
        return self._shared.stream.ptr

    @property
    def size(self) -> int:
        """The bytes that the pool has."""
        return sum(pointer.mem.size for pointer in self._kept)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Within the block, arrays are made in this memory, and work goes to the stream."""
        with self._shared.stream, cupy().cuda.using_allocator(self._pool.malloc):
            yield

    @contextmanager
    def captured(self) -> Iterator[list[Any]]:
        """Within the block, work is not done but becomes a graph, which is in the list that is yielded after it."""
        made: list[Any] = []
        stream = self._shared.stream
        with self._shared.lock, self.used():
            stream.begin_capture()
            try:
                yield made
            except BaseException:
                with suppress(Exception):  # what failed may have spoilt the capture, which says so once more
                    stream.end_capture()
                raise
            made.append(stream.end_capture())

    def empty_like(self, array: Any) -> Any:
        """Memory for an array like this one that is written before a launch: nothing of the graph was ever there."""
        with self._shared.stream, cupy().cuda.using_allocator(self._places.malloc):
            return cupy().empty_like(array)


class Words:
    """Numbers of 8 bytes on the device, written anew before each launch without waiting for the device.

    They are copied from pinned memory, which must stay as it is until the copy is made; so it is used in turns.
    """

    def __init__(self, capacity: int) -> None:
        cuda = cupy().cuda
        self.there = cupy().empty(capacity, dtype=numpy.int64)
        self.here = numpy.zeros(capacity, numpy.int64)
        memory = [cuda.alloc_pinned_memory(8 * capacity) for _ in range(RING)]
        self._ring = [(numpy.frombuffer(m, numpy.int64, capacity), cuda.Event(disable_timing=True)) for m in memory]
        self._turn = 0

    def put(self, start: int, values: Sequence[int | float]) -> Any:
        """Set the numbers from `start` on; returns their array, with the dtype of `as_words`."""
        words = as_words(values)
        stop = start + len(words)
        self.here[start:stop] = words.view(numpy.int64)
        return self.there[start:stop].view(words.dtype)

    def send(self, count: int) -> None:
        """Copy the first `count` numbers to the device, on the current stream."""
        if not count:
            return
        pinned, copied = self._ring[self._turn % RING]
        if self._turn >= RING:
            copied.synchronize()
        self._turn += 1
        pinned[:count] = self.here[:count]
        self.there[:count].set(pinned[:count])
        copied.record()


def streams_of_graphs() -> set[int]:
    """The streams on which graphs were captured that still are: what libraries keep for these, the graphs write on."""
    return {memory.stream for memory in list(_living)}


def copy_over(target: Any, source: Any) -> None:
    """target <- source, on the current stream; the source may lie in main memory."""
    target[...] = cupy().asarray(source)


def begin_launch() -> None:
    """Let the current stream wait for the graphs that were launched on another one, if there was another.

    They may use the same memory: their own, and the workspaces of libraries.
    """
    shared, stream = _shared(), cupy().cuda.get_current_stream()
    if shared.latest is not None and shared.latest != stream:
        stream.wait_event(shared.latest.record())
    shared.latest = stream


def what_is_in(graph: Any) -> list[str] | None:
    """The nodes of a graph: the names of kernels, and of what else there is. None before CuPy 14, which can tell."""
    if not hasattr(graph, "debug_dot_str"):
        return None
    text = graph.debug_dot_str(1)  # verbose
    nodes = re.findall(r'"graph_\d+_node_\d+"\s*\[.*?label\s*=\s*"(.*?)"\s*\]', text, re.DOTALL)
    return [_label(node) for node in nodes]


def _label(node: str) -> str:
    """The name of the kernel in a node's label, else the label's first word."""
    kernel = re.search(r"([A-Za-z_]\w*)\s*\\<\\<\\<", node)
    words = re.findall(r"[A-Za-z_]\w*", node)
    return kernel[1] if kernel else (words[0] if words else "node")
