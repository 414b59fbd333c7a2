"""Streams and events of the stand-in: what is not ordered by them may happen in any order, and so is refused.

All work is done when it is given, but for copies from main memory, which are done as late as the streams allow: their
target holds NaN until then, and what is read from pinned memory is what it holds at that time. Each stream has a clock,
which counts the work it was given, and knows how far the other streams were when it last waited for them. To read what
another stream writes, or to write on what it uses, without having waited for it is a `StreamError` (L. Lamport, Time,
clocks, and the ordering of events in a distributed system, 1978). What is freed is handed out again to the stream that
it was allocated in, as CuPy's pool does, and that stream must have waited for those that used it.

The default stream of a device waits for its other streams, and they for it, but for non-blocking ones. Default streams
of two devices do not wait for each other.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from .runtime import DEVICES, CUDARuntimeError, Device, state

__all__ = [
    "Capture", "Event", "Queue", "Stream", "StreamError", "Uses", "current_queue", "get_current_stream",
    "get_elapsed_time", "read", "synchronize_device", "write",
]  # fmt: skip


class StreamError(RuntimeError):
    """Work on memory that work of another stream may still be using."""


Clock = dict["Queue", int]


class Queue:
    """The work of one stream on one device.

    time : how many works it was given. known : how far other streams' work is surely done before its next one begins.
    later : copies that are yet to be made, with their times.
    """

    def __init__(self, name: str, device: int, blocking: bool) -> None:
        self.name, self.device, self.blocking = name, device, blocking
        self.time = 0
        self.known: Clock = {}
        self.later: list[tuple[int, Callable[[], None]]] = []
        _QUEUES.append(self)

    def begin(self) -> None:
        """The next work, before which everything is done that comes before it."""
        if self is _DEFAULT[self.device]:
            others = [q for q in _QUEUES if q.blocking and q.device == self.device]
        else:
            others = [_DEFAULT[self.device]] if self.blocking else []
        for other in others:
            _merge(self.known, other.known | {other: other.time})
        _merge(self.known, _host)
        for other, time in self.known.items():
            other.finish(time)
        self.finish(self.time)
        self.time += 1

    def finish(self, time: int) -> None:
        """Do what was left for later, up to a time."""
        while self.later and self.later[0][0] <= time:
            self.later.pop(0)[1]()

    def is_after(self, other: Queue, time: int) -> bool:
        """Whether the work that this queue has begun comes after that work of another."""
        return other is self or self.known.get(other, 0) >= time


_QUEUES: list[Queue] = []
_DEFAULT: list[Queue] = []
_DEFAULT += [Queue(f"the default stream of device {index}", index, True) for index in range(DEVICES)]
_host: Clock = {}
"""How far the streams' work is surely done."""


def _merge(clock: Clock, other: Clock) -> None:
    for queue, time in other.items():
        if clock.get(queue, 0) < time:
            clock[queue] = time


class Uses:
    """Which works have used a piece of memory: the last that wrote on it, and since then those that read it."""

    def __init__(self) -> None:
        self.written: tuple[Queue, int] | None = None
        self.reads: Clock = {}


def read(uses: Uses) -> None:
    """Work on the current stream reads the memory."""
    if get_current_stream().capture is not None:
        return  # the work is done when the graph is launched
    queue = current_queue()
    queue.begin()
    if uses.written is not None and not queue.is_after(*uses.written):
        raise StreamError(f"{queue.name} reads what {uses.written[0].name} writes, and has not waited for it")
    uses.reads[queue] = queue.time


def write(uses: Uses, later: Callable[[], None] | None = None) -> None:
    """Work on the current stream writes on the memory; `later` is done when it must have been done."""
    if get_current_stream().capture is not None:
        return
    queue = current_queue()
    queue.begin()
    for other, time in (*uses.reads.items(), *([uses.written] if uses.written else [])):
        if not queue.is_after(other, time):
            raise StreamError(f"{queue.name} writes on memory that {other.name} uses, and has not waited for it")
    uses.written, uses.reads = (queue, queue.time), {}
    if later is not None:
        queue.later.append((queue.time, later))


def synchronize_device(index: int) -> None:
    """The host waits for all work of a device."""
    get_current_stream()._require_no_capture()
    for queue in _QUEUES:
        if queue.device == index:
            _wait({queue: queue.time})


def _wait(clock: Clock) -> None:
    _merge(_host, clock)
    for queue, time in clock.items():
        queue.finish(time)


class Capture:
    """What is noted while a stream captures: names and calls. spoilt : whether it cannot become a graph.

    busy : whether a call is being noted, and those in it are not.
    """

    def __init__(self) -> None:
        self.nodes: list[tuple[str, Callable[[], None]]] = []
        self.spoilt = self.busy = False


class _Current(threading.local):
    """The streams that are current in a thread, by device; the last one counts."""

    def __init__(self) -> None:
        self.stacks: list[list[Stream]] = [[] for _ in range(DEVICES)]
        self.entered: list[int] = []


_current = _Current()
_numbers = itertools.count(16)  # 0 to 2 are default streams


class Stream:
    """CuPy's: `with stream:` makes it the current one of its device."""

    null: Stream
    capture: Any = None
    """What it captures, see `capture.py`."""

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int | None = None
    ) -> None:
        self.ptr, self.device_id = (0, -1) if null else (next(_numbers), state.device)
        self._queue = None if null else Queue(f"stream {self.ptr}", state.device, not non_blocking)

    @property
    def queue(self) -> Queue:
        return _DEFAULT[state.device] if self._queue is None else self._queue

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.ptr == other.ptr

    def __hash__(self) -> int:
        return self.ptr

    def _here(self) -> int:
        if self.device_id not in (-1, state.device):
            raise RuntimeError(f"the stream is of device {self.device_id}, and the current one is {state.device}")
        return state.device

    def __enter__(self) -> Stream:
        _current.stacks[self._here()].append(self)
        _current.entered.append(state.device)
        return self

    def __exit__(self, *_: object) -> None:
        _current.stacks[_current.entered.pop()].pop()

    def use(self) -> Stream:
        stack = _current.stacks[self._here()]
        stack[-1:] = [self]
        return self

    def begin_capture(self, mode: Any = None) -> None:
        if self.ptr in (0, 1):
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if self.capture is not None:
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is capturing")
        self.capture = Capture()

    def end_capture(self) -> Any:
        made, self.capture = self.capture, None
        if made is None:
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is not capturing")
        if made.spoilt:
            raise CUDARuntimeError("cudaErrorStreamCaptureInvalidated: the host waited for a capturing stream")
        from .capture import Graph

        return Graph(made.nodes)

    def is_capturing(self) -> bool:
        return self.capture is not None

    def _require_no_capture(self) -> None:
        if self.capture is not None:
            self.capture.spoilt = True
            raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: not permitted when the stream is capturing")

    def synchronize(self) -> None:
        self._require_no_capture()
        queue = self.queue
        _wait(queue.known | {queue: queue.time})

    @property
    def done(self) -> bool:
        self._require_no_capture()
        return _host.get(self.queue, 0) >= self.queue.time

    def record(self, event: Event | None = None) -> Event:
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        _merge(self.queue.known, event.clock)


Stream.null = Stream(null=True)


def get_current_stream(device_id: int = -1) -> Stream:
    stack = _current.stacks[state.device if device_id == -1 else device_id]
    return stack[-1] if stack else Stream.null


def current_queue() -> Queue:
    """The work of the current stream of the current device."""
    return get_current_stream().queue


class Event:
    """A place in a stream's work."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.device = Device().id
        self.clock: Clock = {}
        self.timing, self.recorded = not disable_timing, 0.0

    def record(self, stream: Stream | None = None) -> None:
        self.recorded = perf_counter()
        queue = (get_current_stream() if stream is None else stream).queue
        if queue.device != self.device:
            raise CUDARuntimeError("cudaErrorInvalidResourceHandle: the event and the stream are of two devices")
        if queue is _DEFAULT[queue.device]:
            for other in _QUEUES:
                if other.blocking and other.device == queue.device:
                    _merge(queue.known, {other: other.time})
        self.clock = queue.known | {queue: queue.time}

    def synchronize(self) -> None:
        _wait(self.clock)

    @property
    def done(self) -> bool:
        return all(_host.get(queue, 0) >= time for queue, time in self.clock.items())


def get_elapsed_time(start: Event, end: Event) -> float:
    """Milliseconds between two events that are over."""
    if not (start.timing and end.timing and start.done and end.done):
        raise CUDARuntimeError("cudaErrorNotReady: an event is not over, or takes no time")
    return 1e3 * (end.recorded - start.recorded)
