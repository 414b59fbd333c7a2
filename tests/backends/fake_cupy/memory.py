"""The memory of the stand-in's devices: CuPy's pool with an arena for each stream, allocators, pinned memory."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

import numpy

from .runtime import DEVICES, Device, state
from .streams import Queue, Uses, current_queue, read, write

__all__ = [
    "TOTAL", "Block", "MemoryPointer", "MemoryPool", "OutOfMemoryError", "PinnedMemoryPool", "alloc_pinned_memory",
    "default_pinned_pool", "default_pool", "empty_pinned", "get_allocator", "is_memory_pinned", "set_allocator",
    "taken", "touch",
]  # fmt: skip

TOTAL = 8 << 30
"""Bytes of each device."""


class OutOfMemoryError(MemoryError):
    """There is no room on the device."""


class MemoryPointer:
    """Where memory begins; it keeps the memory."""

    def __init__(self, mem: Any, ptr: int, device_id: int) -> None:
        self.mem, self.ptr, self.device_id = mem, ptr, device_id


class _Chunk:
    """Memory that the pool has handed out; it comes back when nobody has it any more."""

    def __init__(self, pool: _DevicePool, size: int, arena: Queue, uses: Uses) -> None:
        self.pool, self.size, self.arena, self.uses = pool, size, arena, uses

    def __del__(self) -> None:
        self.pool.used -= self.size
        self.pool.arenas.setdefault(self.arena, []).append((self.size, self.uses))


class _DevicePool:
    """Of one device: bytes in use, and in the arenas what was freed, with who used it last."""

    def __init__(self) -> None:
        self.used = self.limit = 0
        self.arenas: dict[Queue, list[tuple[int, Uses]]] = {}

    def free(self) -> int:
        return sum(size for arena in self.arenas.values() for size, _ in arena)


_addresses = itertools.count(1 << 50, TOTAL)


class MemoryPool:
    """CuPy's: keeps what is freed for the same stream."""

    def __init__(self) -> None:
        self._pools = [_DevicePool() for _ in range(DEVICES)]
        _POOLS.append(self)

    def _pool(self) -> _DevicePool:
        return self._pools[state.device]

    def malloc(self, size: int) -> MemoryPointer:
        pool, queue, size = self._pool(), current_queue(), -(-size // 512) * 512
        uses = Uses()
        arena = pool.arenas.get(queue, [])
        for i, (free, before) in enumerate(arena):
            if free == size:
                del arena[i]
                uses = before
                break
        else:
            if self._no_room(size):
                self.free_all_blocks()
            if self._no_room(size):
                raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")
        pool.used += size
        # Addresses that nothing is at; where an array's elements are, says the array.
        return MemoryPointer(_Chunk(pool, size, queue, uses), next(_addresses), state.device)

    def _no_room(self, size: int) -> bool:
        limit = self._pool().limit
        return taken(state.device) + size > TOTAL or bool(limit and self.total_bytes() + size > limit)

    def free_all_blocks(self, stream: Any = None) -> None:
        self._pool().arenas.clear()

    def used_bytes(self) -> int:
        return self._pool().used

    def free_bytes(self) -> int:
        return self._pool().free()

    def total_bytes(self) -> int:
        return self.used_bytes() + self.free_bytes()

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self._pool().limit = size or 0

    def get_limit(self) -> int:
        return self._pool().limit


_POOLS: list[MemoryPool] = []
default_pool = MemoryPool()


def taken(index: int) -> int:
    """The bytes that pools have of a device."""
    with Device(index):
        return sum(pool.total_bytes() for pool in _POOLS)


class _Allocator:
    current: Callable[[int], MemoryPointer] = default_pool.malloc


def get_allocator() -> Callable[[int], MemoryPointer]:
    return _Allocator.current


def set_allocator(allocator: Callable[[int], MemoryPointer] | None = None) -> None:
    _Allocator.current = staticmethod(allocator or default_pool.malloc)


class Block:
    """The memory of an array and of its views.

    root : the NumPy array that owns it. owner : the first array of the device that had it.
    """

    def __init__(self, root: numpy.ndarray) -> None:
        self.root = root
        self.pointer = get_allocator()(root.nbytes)
        self.uses: Uses = self.pointer.mem.uses
        self.owner: Any = None
        _BLOCKS[id(root)] = self

    @staticmethod
    def of(host: numpy.ndarray) -> tuple[Block, bool]:
        """The memory of a NumPy array, and whether it is new here."""
        root = host
        while isinstance(root.base, numpy.ndarray):
            root = root.base
        found = _BLOCKS.get(id(root))
        return (Block(root), True) if found is None else (found, False)


_BLOCKS: weakref.WeakValueDictionary[int, Block] = weakref.WeakValueDictionary()


def touch(address: int, size: int, *, writes: bool) -> None:
    """Work on the current stream reads bytes or writes on them; they must be of one array of the current device."""
    for block in list(_BLOCKS.values()):
        start = block.root.ctypes.data
        if start <= address and address + size <= start + block.root.nbytes:
            if block.pointer.device_id != state.device:
                raise ValueError(f"memory of device {block.pointer.device_id} is used on device {state.device}")
            (write if writes else read)(block.uses)
            return
    raise ValueError(f"{size} bytes from {address:#x} on are not within an array of the device")


# Pinned memory: NumPy arrays whose places are known.

_PINNED: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


class _Pinned(numpy.ndarray):
    """What `alloc_pinned_memory` returns: memory with a pointer."""

    @property
    def ptr(self) -> int:
        return self.ctypes.data


def alloc_pinned_memory(size: int) -> Any:
    made = numpy.empty(max(size, 1), numpy.uint8)
    _PINNED[made.ctypes.data] = made  # which views of it keep alive
    return made.view(_Pinned)


def empty_pinned(shape: Any, dtype: Any = float, order: str = "C") -> numpy.ndarray:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    memory = alloc_pinned_memory(int(numpy.prod(shape)) * numpy.dtype(dtype).itemsize)
    return numpy.ndarray(shape, dtype=dtype, buffer=memory, order=order)


def is_memory_pinned(ptr: int) -> bool:
    return any(start <= ptr < start + memory.nbytes for start, memory in list(_PINNED.items()))


class PinnedMemoryPool:
    """CuPy's keeps blocks of pinned memory; here nothing is kept."""

    def free_all_blocks(self) -> None: ...


default_pinned_pool = PinnedMemoryPool()
