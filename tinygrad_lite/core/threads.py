"""One pool of threads for the whole package: independent blocks of work, on as many cores as the process may use.

NumPy's functions let other threads run while they compute, so blocks of large arrays go through several cores at once.
A block's result depends on nothing but the block: results are the same for any number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["get_num_threads", "run_blocks", "set_num_threads"]


class _Pool:
    """The threads beside the caller's own, made when they are first needed."""

    count = 0
    executor: ThreadPoolExecutor | None = None
    lock = threading.Lock()


_inside = threading.local()


def available_cores() -> int:
    """How many cores this process may use: its affinity, its control group's limit, and `OMP_NUM_THREADS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    counts = [cores, _group_limit(Path("/sys/fs/cgroup/cpu.max")), int(limit) if limit.isdigit() else None]
    return max(1, min(count for count in counts if count is not None))


def _group_limit(path: Path) -> int | None:
    """The cores that a control group allows (the file holds microseconds of work per period), or None."""
    try:
        quota, period = path.read_text().split()[:2]
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, round(int(quota) / int(period)))


def get_num_threads() -> int:
    """How many threads work on large arrays.

    >>> get_num_threads() >= 1
    True
    """
    if not _Pool.count:
        _Pool.count = available_cores()
    return _Pool.count


def set_num_threads(count: int) -> None:
    """Use `count` threads for large arrays, of the package's own; NumPy's matrix products have threads of their own.

    Raises ValueError if `count` is less than 1.

    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> set_num_threads(before)
    """
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"set_num_threads: count is {count!r}; it must be an integer from 1 up.")
    with _Pool.lock:
        _stop()
        _Pool.count = count


def _stop() -> None:
    executor, _Pool.executor = _Pool.executor, None
    if executor is not None:
        executor.shutdown(wait=False)


def _after_fork() -> None:
    """The threads stay behind in the parent process."""
    _Pool.executor, _Pool.lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def run_blocks(work: Callable[[Any], Any], blocks: Sequence[Any]) -> None:
    """Call `work` with each of `blocks`, in any order, in several threads if there are several blocks.

    An exception of a block ends the call, once the blocks that others work on are done.
    """
    helpers = min(get_num_threads(), len(blocks)) - 1
    if helpers < 1 or getattr(_inside, "working", False):
        for block in blocks:
            work(block)
        return
    remaining = iter(blocks)
    lock = threading.Lock()

    def some() -> None:
        _inside.working = True
        try:
            while True:
                with lock:
                    block = next(remaining, None)
                if block is None:
                    return
                work(block)
        except BaseException:
            with lock:
                for _ in remaining:
                    pass
            raise
        finally:
            _inside.working = False

    tasks = [_executor().submit(copy_context().run, some) for _ in range(helpers)]
    try:
        some()
    finally:
        # Those that have not begun have nothing left to do. On a busy machine a call takes 0.7 of the time on average.
        tasks = [task for task in tasks if not task.cancel()]
        for task in tasks:
            task.exception()
    for task in tasks:
        task.result()


def _executor() -> ThreadPoolExecutor:
    if _Pool.executor is None:
        from concurrent.futures import ThreadPoolExecutor  # on demand: costs time at import

        with _Pool.lock:
            if _Pool.executor is None:
                _Pool.executor = ThreadPoolExecutor(get_num_threads() - 1, thread_name_prefix="tinygrad_lite")
    return _Pool.executor
