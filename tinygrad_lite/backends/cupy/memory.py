"""The GPUs' memory: CuPy's pool, what it holds, and what to do when there is no more.

CuPy's pool gives back what it keeps and tries again before it fails. It does not know of the memory that this package's
caches hold: workspaces and plans. So its allocator is called through a function that empties these and tries once more.
An allocation that succeeds pays one Python call for it. Where the program has an allocator of its own, that
one is left alone.
"""
# pyright: reportAttributeAccessIssue=false
# Without CuPy installed, pyright takes `import cupy` for an import of this package's.

from __future__ import annotations

import gc
from typing import Any

import cupy

from ...core.caches import empty_caches
from ...core.errors import OutOfMemoryError

__all__ = ["Memory"]


class Memory:
    """Statistics, limits and the last resort for the memory of `count` devices."""

    def __init__(self, count: int) -> None:
        self.pool = cupy.get_default_memory_pool()
        self._malloc = self.pool.malloc
        self._peaks: list[int | None] = [None] * count
        if cupy.cuda.get_allocator() == self._malloc:
            cupy.cuda.set_allocator(self.allocate)

    def allocate(self, size: int) -> Any:
        """CuPy's allocator. OutOfMemoryError if emptying all caches does not help."""
        try:
            return self._malloc(size)
        except MemoryError:
            pass
        # Outside of the handler, whose traceback holds on to the arrays of the frames that it passed.
        empty_caches()
        gc.collect()
        self.pool.free_all_blocks()
        try:
            return self._malloc(size)
        except MemoryError as error:
            raise self._error(size) from error

    def _allocate_and_note(self, size: int) -> Any:
        """`allocate`, while somebody wants to know how much was in use at most."""
        pointer = self.allocate(size)
        peak, used = self._peaks[pointer.device_id], self.pool.used_bytes()
        if peak is not None and used > peak:
            self._peaks[pointer.device_id] = used
        return pointer

    def _error(self, size: int) -> OutOfMemoryError:
        index = cupy.cuda.Device().id
        used, kept, _, free, total, limit = self.stats(index)
        return OutOfMemoryError(f"cuda:{index}", size, used=used, held=used + kept, free=free, total=total, limit=limit)

    def stats(self, index: int) -> tuple[int, int, int | None, int, int, int]:
        with cupy.cuda.Device(index) as device:
            free, total = device.mem_info
            pool = self.pool
            return pool.used_bytes(), pool.free_bytes(), self._peaks[index], free, total, pool.get_limit()

    def reset_peak(self, index: int) -> None:
        with cupy.cuda.Device(index):
            self._peaks[index] = self.pool.used_bytes()
        if cupy.cuda.get_allocator() == self.allocate:
            cupy.cuda.set_allocator(self._allocate_and_note)

    def set_limit(self, index: int, limit: int) -> None:
        with cupy.cuda.Device(index):
            self.pool.set_limit(size=limit)

    def empty(self, index: int) -> None:
        with cupy.cuda.Device(index):
            self.pool.free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()
