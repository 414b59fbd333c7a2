"""Memory for large arrays on the CPU: kept by the process when it is freed, instead of given back at once.

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
from typing import NamedTuple

__all__ = ["MemoryStats", "empty_cache", "keep", "stats"]

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


def empty_cache() -> None:
    """Give what is kept and free back to the system.

    >>> empty_cache()
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def stats() -> MemoryStats | None:
    """How much memory is in use and how much is kept; None where the C library cannot tell.

    >>> found = stats()
    >>> found is None or found.in_use > 0
    True
    """
    library = _glibc()
    if library is None or not hasattr(library, "mallinfo2"):
        return None
    library.mallinfo2.restype = _MallocInfo
    info = library.mallinfo2()
    return MemoryStats(in_use=info.uordblks + info.hblkhd, kept=info.fordblks)


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
