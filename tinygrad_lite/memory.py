"""Memory for large arrays: kept by the process when it is freed, instead of given back at once; and how much there is.

On a GPU the memory is that of CuPy's pool: `stats`, `set_limit` and `empty_cache` are given the device. When it runs
out, all caches are emptied before the program gets an `OutOfMemoryError`. The rest is about main memory.
Fresh memory costs more than most of what is done with it: the system hands it out page by page, each filled with zeros.
Four operations on 16 M float32 numbers take 167 ms of processor time in fresh memory and 35 ms in memory that was used
before. The C library that NumPy allocates from gives large blocks back as soon as an array dies; importing this
package tells it to keep them, for the whole process, where that library is glibc (Linux); elsewhere it does nothing.
The environment variable `TINYGRAD_LITE_KEEP_MEMORY` is the limit in bytes; 0 leaves everything as it was.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import NamedTuple, overload

from .core.backend import BACKENDS, DeviceMemory, device_backend
from .core.caches import empty_caches
from .core.errors import BackendError

__all__ = ["DeviceStats", "MemoryStats", "empty_cache", "keep", "reset_peak", "set_limit", "stats"]

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 2**31 - 1
_DEFAULT_SHARE = 4
"""A part of the machine's memory may be kept: one in so many bytes, at most `_LARGEST`."""


class MemoryStats(NamedTuple):
    """Bytes that the process has from its C library.

    in_use : in blocks that belong to somebody, arrays or not.
    kept : free, and ready for the next arrays.
    """

    in_use: int
    kept: int


class DeviceStats(NamedTuple):
    """Bytes of a GPU.

    in_use : in arrays.
    kept : free in the pool, and ready for the next arrays.
    peak : the most that were in use at once since `reset_peak` was called; None if it never was.
    free : of the device, that neither the pool nor any other program has.
    total : all that the device has.
    limit : the most that the pool takes from the device; 0 if there is no limit.
    """

    in_use: int
    kept: int
    peak: int | None
    free: int
    total: int
    limit: int


class _MallocInfo(ctypes.Structure):
    """What `mallinfo2` returns: ten counts, of which four are used here."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def _glibc() -> ctypes.CDLL | None:
    """The C library of the process if it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None


def keep(limit: int) -> bool:
    """Keep freed memory of up to `limit` bytes, at most 2 GiB, for the next arrays. False if that cannot be set here.

    Raises ValueError for a negative limit.

    >>> keep(1 << 30) in (True, False)
    True
    """
    if limit < 0:
        raise ValueError(f"memory.keep: limit is {limit} bytes; it must be at least 0.")
    library = _glibc()
    if library is None:
        return False
    limit = min(limit, _LARGEST)
    # Blocks beyond the first threshold come straight from the system and go back to it.
    return bool(library.mallopt(_M_MMAP_THRESHOLD, max(limit, 1 << 17))) and bool(
        library.mallopt(_M_TRIM_THRESHOLD, max(limit, 1 << 17))
    )


def empty_cache(device: str | None = None) -> None:
    """Give what is kept and free back to the system: main memory's, a device's, or all of it.

    The caches of this package let go of their memory on GPUs before.

    >>> empty_cache()
    """
    if device != "cpu":
        empty_caches()
    if device is None:
        for backend in BACKENDS.values():
            for index in range(backend.device_count if backend.memory is not None else 0):
                backend.memory.empty(index)
    elif device != "cpu":
        memory, index = _of("empty_cache", device)
        memory.empty(index)
        return
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@overload
def stats() -> MemoryStats | None: ...


@overload
def stats(device: str) -> MemoryStats | DeviceStats | None: ...


def stats(device: str = "cpu") -> MemoryStats | DeviceStats | None:
    """How much memory is in use and how much is kept, in main memory or on a GPU.

    None for main memory where the C library cannot tell. Raises BackendError for a device that there is not.

    >>> found = stats()
    >>> found is None or found.in_use > 0
    True
    """
    if device != "cpu":
        memory, index = _of("stats", device)
        return DeviceStats(*memory.stats(index))
    library = _glibc()
    if library is None or not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _MallocInfo
    info = library.mallinfo2()
    return MemoryStats(in_use=info.uordblks + info.hblkhd, kept=info.fordblks)


def reset_peak(device: str = "cuda") -> None:
    """Begin anew to note the most bytes that are in use on a GPU at once, for `stats`.

    From the first call on, an allocation takes 0.2 us longer. Raises BackendError for the CPU.
    """
    memory, index = _of("reset_peak", device)
    memory.reset_peak(index)


def set_limit(limit: int | None, device: str = "cuda") -> None:
    """Let the pool take at most `limit` bytes from a GPU; any number with None. What it has, it keeps.

    Raises BackendError for the CPU, ValueError for a negative limit.
    """
    memory, index = _of("set_limit", device)
    if limit is not None and limit < 0:
        raise ValueError(f"memory.set_limit: limit is {limit} bytes; it must be at least 0, or None.")
    memory.set_limit(index, limit or 0)


def _of(function: str, device: str) -> tuple[DeviceMemory, int]:
    """The memory that a device belongs to, and the device's number."""
    backend = device_backend(device)
    if backend.memory is None:
        raise BackendError(
            f"memory.{function}: got the device {device!r}; a GPU is required, such as 'cuda'. "
            f"memory.keep() is for main memory."
        )
    return backend.memory, backend.index(device)


def _at_import() -> None:
    """Keep what the environment says, or a part of the machine's memory."""
    given = os.environ.get("TINYGRAD_LITE_KEEP_MEMORY", "")
    if given:
        if not given.isdigit():
            raise ValueError(f"TINYGRAD_LITE_KEEP_MEMORY is {given!r}; it must be a number of bytes.")
        limit = int(given)
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _DEFAULT_SHARE
    else:
        return
    if limit:
        keep(limit)


_at_import()
