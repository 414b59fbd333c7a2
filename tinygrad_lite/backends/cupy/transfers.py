"""Between main memory and GPUs, and between GPUs: without waiting where nothing can go wrong by it.

A copy from ordinary memory goes through pinned memory, from a pool of CuPy's, which takes the block back when
the device has passed an event behind the copy. So the array may be changed as soon as the call returns. From an array
that is pinned itself the device copies directly, at some later time.
"""
# pyright: reportAttributeAccessIssue=false
# Without CuPy installed, pyright takes `import cupy` for an import of this package's.

from __future__ import annotations

import weakref
from typing import Any

import cupy
import numpy

from .namespace import is_capturing

__all__ = ["Feed", "across", "from_host"]


def from_host(value: Any, dtype: Any, *, wait: bool = True) -> Any:
    """An array of main memory, a number or a list on the current device.

    wait : for a copy from pinned memory, which the program may be about to fill anew.
    """
    made = cupy.asarray(value, dtype=dtype)
    if wait and isinstance(value, numpy.ndarray) and _is_pinned(value):
        cupy.cuda.get_current_stream().synchronize()
    return made


def _is_pinned(array: numpy.ndarray) -> bool:
    return array.size > 0 and array.ndim > 0 and cupy.cuda.pinned_memory.is_memory_pinned(array.ctypes.data)


def across(array: Any, index: int) -> Any:
    """A copy of an array of another device on the current one, which has that number.

    Each device's stream waits for the other one's: for the values, and with handing out the memory of `array` anew.
    """
    with array.device:
        source = cupy.cuda.get_current_stream()
        if not array.flags.c_contiguous:  # CuPy copies arrays in one piece only
            array = array.copy()
        ready = _mark(source)
    stream = cupy.cuda.get_current_stream()
    stream.wait_event(ready)
    made = array.copy()
    copied = _mark(stream)
    with array.device:
        source.wait_event(copied)
    return made


def _mark(stream: Any) -> Any:
    """An event behind the work that a stream of the current device has been given so far."""
    event = cupy.cuda.Event(disable_timing=True)
    event.record(stream)
    return event


class Feed:
    """Copies batches to one device in a stream of its own, while other streams compute.

    The batches' memory belongs to that stream: in CuPy, what is freed can be had at once by the stream that it was
    allocated in. So when an array dies, the feed's stream is made to wait for the work that used the array, before it
    copies something else into its memory.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        with cupy.cuda.Device(index):
            self.stream = cupy.cuda.Stream(non_blocking=True)  # the default stream would wait for one that is not
        self._in_captures: list[tuple[Any, Any]] = []

    def send(self, arrays: list[Any]) -> tuple[list[Any], Any]:
        with cupy.cuda.Device(self.index):
            while self._in_captures and not is_capturing(self._in_captures[-1][1]):
                self._free(*self._in_captures.pop())
            with self.stream:
                made = [cupy.asarray(array) for array in arrays]
                return made, _mark(self.stream)

    def take(self, sent: tuple[list[Any], Any]) -> list[Any]:
        made, arrived = sent
        with cupy.cuda.Device(self.index):
            stream = cupy.cuda.get_current_stream()
            stream.wait_event(arrived)
        for array in made:
            # Views keep `array` alive, and this its memory until `_free` has been called.
            weakref.finalize(array, self._free, array.data, stream).atexit = False
        return made

    def _free(self, memory: Any, stream: Any) -> None:
        """Before `memory` goes back to the pool: what the feed copies next waits for the stream that used it."""
        with cupy.cuda.Device(self.index):
            if is_capturing(stream):  # an event would become a part of the graph
                self._in_captures.append((memory, stream))
            else:
                self.stream.wait_event(_mark(stream))
