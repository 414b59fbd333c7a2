"""The memory of the stand-in's devices: CuPy's pool with an arena for each stream, allocators, pinned memory."""

from __future__ import annotations

import ctypes
import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy

from .runtime import DEVICES, Device, state
from .streams import Queue, Uses, current_queue, read, write

__all__ = [
    "FREED", "TOTAL", "Block", "Memory", "MemoryPointer", "MemoryPool", "OutOfMemoryError", "PinnedMemoryPool",
    "alloc_pinned_memory", "at", "default_pinned_pool", "default_pool", "empty_pinned", "get_allocator",
    "is_memory_pinned", "known", "read_again", "set_allocator", "taken", "touch", "using_allocator", "write_again",
]  # fmt: skip

TOTAL = 8 << 30
"""Bytes of each device."""


class OutOfMemoryError(MemoryError):
    """There is no room on the device."""


class MemoryPointer:
    """Where memory begins; it keeps the memory."""

    def __init__(self, mem: Any, offset: int, device_id: int | None = None) -> None:
        self.mem, self.ptr = mem, offset
        self.device_id = state.device if device_id is None else device_id


class Memory:
    """Memory from CUDA itself. What nobody has any more is given to whoever asks next."""

    def __init__(self, size: int) -> None:
        free = FREED.setdefault((state.device, size), [])
        self.size, self.device_id, self.uses = size, state.device, free.pop() if free else Uses()
        self.uses.written, self.uses.reads = None, {}  # CUDA waits for all work before it frees memory

    def __del__(self) -> None:
        if FREED is not None:  # the interpreter ends
            FREED.setdefault((self.device_id, self.size), []).append(self.uses)


FREED: dict[tuple[int, int], list[Uses]] = {}
"""Memory that CUDA has back, by device and size."""


class _Chunk:
    """Memory that the pool has handed out; it comes back when nobody has it any more."""

    def __init__(self, pool: _DevicePool, arena: Queue, memory: Memory) -> None:
        self.pool, self.size, self.arena, self.memory, self.uses = pool, memory.size, arena, memory, memory.uses

    def __del__(self) -> None:
        self.pool.used -= self.size
        self.pool.arenas.setdefault(self.arena, []).append(self.memory)


class _DevicePool:
    """Of one device: bytes in use, and in the arenas what was freed, with who used it last. owned : all memory."""

    def __init__(self) -> None:
        self.used = self.limit = 0
        self.owned: list[Memory] = []
        self.arenas: dict[Queue, list[Memory]] = {}

    def free(self) -> int:
        return sum(memory.size for arena in self.arenas.values() for memory in arena)


_addresses = itertools.count(1 << 50, TOTAL)


class MemoryPool:
    """CuPy's: keeps what is freed for the same stream. allocator : where it has memory from."""

    def __init__(self, allocator: Callable[[int], MemoryPointer] | None = None) -> None:
        self._allocator = allocator or (lambda size: MemoryPointer(Memory(size), 0))
        self._pools = [_DevicePool() for _ in range(DEVICES)]
        _POOLS.add(self)

    def _pool(self) -> _DevicePool:
        return self._pools[state.device]

    def malloc(self, size: int) -> MemoryPointer:
        pool, queue, size = self._pool(), current_queue(), -(-size // 512) * 512
        arena = pool.arenas.get(queue, [])
        found = next((memory for memory in arena if memory.size == size), None)
        if found is not None:
            arena.remove(found)
        else:
            if self._no_room(size):
                self.free_all_blocks()
            if self._no_room(size):
                raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")
            found = self._allocator(size).mem
            pool.owned.append(found)
        pool.used += size
        # Addresses that nothing is at; where an array's elements are, says the array.
        return MemoryPointer(_Chunk(pool, queue, found), next(_addresses))

    def _no_room(self, size: int) -> bool:
        limit = self._pool().limit
        return taken(state.device) + size > TOTAL or bool(limit and self.total_bytes() + size > limit)

    def free_all_blocks(self, stream: Any = None) -> None:
        pool = self._pool()
        free = [memory for arena in pool.arenas.values() for memory in arena]
        pool.owned = [memory for memory in pool.owned if memory not in free]
        pool.arenas.clear()

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


_POOLS: weakref.WeakSet[MemoryPool] = weakref.WeakSet()
default_pool = MemoryPool()


def taken(index: int) -> int:
    """The bytes that pools have of a device."""
    with Device(index):
        return sum(pool.total_bytes() for pool in _POOLS)


class _Allocator(threading.local):
    """The allocator of all threads, and that of one."""

    everywhere: Callable[[int], MemoryPointer] = default_pool.malloc
    here: Callable[[int], MemoryPointer] | None = None


_allocator = _Allocator()


def get_allocator() -> Callable[[int], MemoryPointer]:
    return _allocator.here or _Allocator.everywhere


@contextmanager
def using_allocator(allocator: Callable[[int], MemoryPointer]) -> Iterator[None]:
    before, _allocator.here = _allocator.here, allocator
    try:
        yield
    finally:
        _allocator.here = before


def set_allocator(allocator: Callable[[int], MemoryPointer] | None = None) -> None:
    _Allocator.everywhere = staticmethod(allocator or default_pool.malloc)


class Block:
    """The memory of an array and of its views.

    root : the NumPy array that owns it. owner : the first array of the device that had it.
    start, stop : its bytes.
    """

    def __init__(self, root: numpy.ndarray) -> None:
        self.root = root
        self.start = root.ctypes.data
        self.stop = self.start + root.nbytes
        self.pointer = get_allocator()(root.nbytes)
        self.uses: Uses = self.pointer.mem.uses
        self.owner: Any = None
        _BLOCKS[id(root)] = _LATEST[id(self.uses)] = self

    @staticmethod
    def of(host: numpy.ndarray) -> tuple[Block, bool]:
        """The memory of a NumPy array, and whether it is new here."""
        root = host
        while isinstance(root.base, numpy.ndarray):
            root = root.base
        found = _BLOCKS.get(id(root))
        return (Block(root), True) if found is None else (found, False)


_BLOCKS: weakref.WeakValueDictionary[int, Block] = weakref.WeakValueDictionary()
_LATEST: weakref.WeakValueDictionary[int, Block] = weakref.WeakValueDictionary()
"""Who got a piece of memory last, by its uses."""


def read_again(uses: Uses, root: numpy.ndarray) -> None:
    """A graph reads memory that it knows as `root`: what is in it now is what the latest owner wrote."""
    latest = _LATEST.get(id(uses))
    if latest is not None and latest.root is not root:
        _copy_bytes(root, latest.root)


def write_again(uses: Uses, root: numpy.ndarray) -> None:
    """A graph wrote on memory that it knows as `root`: the latest owner has it in his."""
    latest = _LATEST.get(id(uses))
    if latest is not None and latest.root is not root:
        _copy_bytes(latest.root, root)


def _copy_bytes(target: numpy.ndarray, source: numpy.ndarray) -> None:
    """As many bytes as both have."""
    (to, end), (start, stop) = map(numpy.lib.array_utils.byte_bounds, (target, source))
    count = min(end - to, stop - start)
    ctypes.memmove(to, start, count)


def at(address: int) -> Block | None:
    """The memory that an address is in."""
    for block in list(_BLOCKS.values()):
        if block.start <= address < max(block.stop, block.start + 1):
            return block
    return None


_KNOWN: list[Any] = []
"""What a graph that is launched knows of memory, whoever has it."""


@contextmanager
def known(twins: list[Any]) -> Iterator[None]:
    _KNOWN[:] = twins
    try:
        yield
    finally:
        _KNOWN.clear()


def touch(address: int, size: int, *, writes: bool) -> None:
    """Work on the current stream reads bytes or writes on them; they must be of one array of the current device."""
    for block in (*_KNOWN, *_BLOCKS.values()):
        if block.start <= address and address + size <= block.stop:
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
