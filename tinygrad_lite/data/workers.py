"""Threads that work ahead of a loop and give it results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from itertools import islice
from queue import SimpleQueue
from typing import Any

__all__ = ["in_order"]


def in_order(work: Callable[[Any], Any], items: Iterable[Any], workers: int, prefetch: int) -> Iterator[Any]:
    """`work(item)` for each item, in their order, made by `workers` threads that are `prefetch` results each ahead.

    With no workers a result is made when it is asked for. An exception comes out in the place of its result. Closing
    the iterator, or dropping it, ends the threads once each has finished what it is at.
    """
    if not workers:
        return (work(item) for item in items)
    return _ahead(work, iter(items), workers, workers * prefetch)


class _Task:
    """One item and, when `done`, what came of it."""

    def __init__(self, item: Any) -> None:
        self.item, self.done = item, threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, work: Callable[[Any], Any]) -> None:
        try:
            self.result = work(self.item)
        except BaseException as error:
            self.error = error
        self.done.set()


def _ahead(work: Callable[[Any], Any], items: Iterator[Any], workers: int, most: int) -> Iterator[Any]:
    begun: deque[_Task] = deque()
    waiting: SimpleQueue[_Task | None] = SimpleQueue()
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def live() -> None:
        while not ended.is_set() and (task := waiting.get()) is not None:
            task.run(work)
            del task  # and with it the result, while waiting for the next one

    def begin() -> None:
        for item in islice(items, 1):
            begun.append(_Task(item))
            waiting.put(begun[-1])

    try:
        for _ in range(most):
            begin()
        for _ in range(min(workers, len(begun))):
            run = copy_context().run
            thread = threading.Thread(target=run, args=(live,), name="DataLoader", daemon=True)
            thread.start()
            threads.append(thread)
        while begun:
            begun[0].done.wait()
            task = begun.popleft()
            if task.error is not None:
                raise task.error
            begin()
            yield task.result
    finally:
        ended.set()
        for _ in threads:
            waiting.put(None)
        for thread in threads:
            if thread is not threading.current_thread():  # which may be collecting garbage
                thread.join()
