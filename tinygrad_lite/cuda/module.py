"""Compiling and launching: a source becomes a module through CuPy, which keeps what NVRTC made of it on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

__all__ = ["Module", "cupy"]

OPTIONS = ("-std=c++17",)
"""Beside what CuPy adds: the device's architecture, folders of headers, and -ftz=true. So, as in CuPy's own kernels,
numbers of float32 below 2^-126 count as 0."""

LIMIT = 48 << 10
"""Bytes of shared memory that a block may have without asking for more."""


def cupy() -> Any:
    """The module `cupy`, imported when a kernel first needs it."""
    import cupy

    return cupy


class Module:
    """A compiled source. It is compiled when one of its kernels is first launched, for the current device.

    text : the whole source; its kernels are `extern "C"`. options : for the compiler.
    """

    def __init__(self, text: str, options: tuple[str, ...] = OPTIONS) -> None:
        self.text = text
        self._module = cupy().RawModule(code=text, options=options)
        self._kernels: dict[str, Any] = {}

    def launch(
        self, name: str, blocks: int | tuple[int, ...], threads: int | tuple[int, ...], args: Sequence[Any],
        shared: int = 0,
    ) -> None:  # fmt: skip
        """Start a kernel on the current stream.

        blocks, threads : how many, along one, two or three axes; without a block nothing is done.
        args : arrays, for pointers to their first elements, or None; NumPy's scalars, which are passed as what they
            are; Python's integers and truth values as `long long` and `bool`. Floats must be NumPy's.
        shared : bytes of shared memory whose size is given here.
        """
        grid = blocks if isinstance(blocks, tuple) else (blocks,)
        if 0 in grid:
            return
        kernel = self._kernels.get(name)
        if kernel is None:
            kernel = self._kernels[name] = self._module.get_function(name)
        if shared > LIMIT and kernel.max_dynamic_shared_size_bytes < shared:
            kernel.max_dynamic_shared_size_bytes = shared
        block = threads if isinstance(threads, tuple) else (threads,)
        kernel(grid, block, tuple(map(_passed, args)), shared_mem=shared)


NULL = numpy.zeros((), numpy.uintp)


def _passed(value: Any) -> Any:
    """What CuPy 13 passes as well: it knows neither None nor structures, but arrays of one element in main memory."""
    if value is None:
        return NULL
    if isinstance(value, numpy.void):
        return numpy.asarray(value)
    if isinstance(value, float) and not isinstance(value, numpy.floating):
        raise TypeError(f"a kernel is given the number {value}; it must be numpy.float32 or numpy.float64.")
    return value
