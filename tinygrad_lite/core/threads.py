"""One pool of threads for the whole package: independent blocks of work, on as many cores as the process may use.

NumPy's functions let other threads run while they compute, so blocks of large arrays go through several cores at once.
A block's result depends on nothing but the block: results are the same for any number of threads. Machine code has
threads of its own, for what is too short for these, see `machine/team.py`.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any

__all__ = ["BLOCKS", "get_num_threads", "run_blocks", "set_num_threads"]

BLOCKS = ctypes.c_int64()
"""How many calls of `run_blocks` go on in several threads; machine code looks here for whether to work alone."""


class _Helper:
    """A thread that sleeps until it is given a call.

    Woken by a lock: two blocks of 0.2 ms after 0.3 ms of other work take 0.9 of the time of one thread, and 1.1 with
    `concurrent.futures`. So threads pay for calls of about 0.5 ms and more.
    """

    def __init__(self, pool: _Pool) -> None:
        self.pool, self.call, self.begin = pool, None, _held()
        threading.Thread(target=self._live, name="tinygrad_lite", daemon=True).start()

    def _live(self) -> None:
        while True:
            self.begin.acquire()
            call: _Call | None = self.call
            if call is None:
                return
            self.call = None
            call.join(self.pool.take_back, self)
            del call
            if self.pool.stopped:
                return

    def give(self, call: _Call | None) -> None:
        self.call = call
        self.begin.release()


class _Pool:
    """The threads beside the callers' own, made when they are first needed."""

    def __init__(self, count: int) -> None:
        self.count, self.made, self.stopped = count, 0, False
        self.idle: list[_Helper] = []
        self.lock = threading.Lock()

    def take(self, number: int) -> list[_Helper]:
        """At most so many threads that have nothing to do."""
        found = []
        with self.lock:
            while len(found) < number and (self.idle or self.made < self.count - 1):
                self.made += not self.idle
                found.append(self.idle.pop() if self.idle else _Helper(self))
        return found

    def take_back(self, helper: _Helper) -> None:
        self.idle.append(helper)

    def stop(self) -> None:
        with self.lock:
            self.stopped = True
            idle, self.idle = self.idle, []
        for helper in idle:
            helper.give(None)


class _Call:
    """Blocks that several threads take one after the other.

    ended : for each helper, a lock that it releases when it has ended; `unclaimed` are those of helpers yet to begin.
    """

    def __init__(self, work: Callable[[Any], Any], blocks: Sequence[Any], helpers: int) -> None:
        self.work, self.remaining, self.lock = work, iter(blocks), threading.Lock()
        self.context, self.errors = copy_context(), []
        self.ended = [_held() for _ in range(helpers)]
        self.unclaimed = list(self.ended)

    def run(self) -> None:
        """Work on blocks until there are no more."""
        _inside.working = True
        try:
            while True:
                with self.lock:
                    block = next(self.remaining, None)
                if block is None:
                    return
                self.work(block)
        except BaseException:
            with self.lock:
                for _ in self.remaining:
                    pass
            raise
        finally:
            _inside.working = False

    def join(self, leave: Callable[[_Helper], None], helper: _Helper) -> None:
        """What a helper does: its part of the work, unless the call has ended."""
        end = self._claim()
        if end is not None:
            try:
                self.context.copy().run(self.run)
            except BaseException as error:
                self.errors.append(error)
        leave(helper)
        if end is not None:
            end.release()

    def wait(self) -> None:
        """Until those helpers that have begun have ended; the others have nothing left to do.

        On a busy machine a call takes 0.7 of the time on average that it would take with waiting for all.
        """
        while (end := self._claim()) is not None:
            self.ended.remove(end)
        for end in self.ended:
            end.acquire()

    def _claim(self) -> Any:
        try:
            return self.unclaimed.pop()
        except IndexError:
            return None


def _held() -> Any:
    """A lock that is held."""
    lock = threading.Lock()
    lock.acquire()
    return lock


_inside = threading.local()
_pool: _Pool | None = None


def available_cores() -> int:
    """How many cores this process may use: its affinity, its control group's limit, and `OMP_NUM_THREADS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    counts = [cores, _group_limit("/sys/fs/cgroup/cpu.max"), int(limit) if limit.isdigit() else None]
    return max(1, min(count for count in counts if count is not None))


def _group_limit(path: str) -> int | None:
    """The cores that a control group allows (the file holds microseconds of work per period), or None."""
    try:
        with open(path) as file:
            quota, period = file.read().split()[:2]
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, round(int(quota) / int(period)))


def get_num_threads() -> int:
    """How many threads work on large arrays.

    >>> get_num_threads() >= 1
    True
    """
    return _current().count


def _current() -> _Pool:
    global _pool
    if _pool is None:
        _pool = _Pool(available_cores())
    return _pool


def set_num_threads(count: int) -> None:
    """Use `count` threads for large arrays, of the package's own; NumPy's matrix products have threads of their own.

    Raises ValueError if `count` is less than 1.

    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> set_num_threads(before)
    """
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"set_num_threads: count is {count!r}; it must be an integer from 1 up.")
    global _pool
    before, _pool = _pool, _Pool(count)
    if before is not None:
        before.stop()


def _after_fork() -> None:
    """The threads stay behind in the parent process."""
    global _pool
    _pool = None if _pool is None else _Pool(_pool.count)
    BLOCKS.value = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run_blocks(work: Callable[[Any], Any], blocks: Sequence[Any]) -> None:
    """Call `work` with each of `blocks`, in any order, in several threads if there are several blocks.

    An exception of a block ends the call, once the blocks that others work on are done.
    """
    pool = _current()
    wanted = min(pool.count, len(blocks)) - 1
    helpers = pool.take(wanted) if wanted > 0 and not getattr(_inside, "working", False) else ()
    if not helpers:
        for block in blocks:
            work(block)
        return
    call = _Call(work, blocks, len(helpers))
    with pool.lock:
        BLOCKS.value += 1
    for helper in helpers:
        helper.give(call)
    try:
        call.run()
    finally:
        call.wait()
        with pool.lock:
            BLOCKS.value -= 1
    if call.errors:
        raise call.errors[0]
