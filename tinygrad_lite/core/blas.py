"""The threads of the library behind NumPy's matrix products, which must not multiply with the package's own.

A product inside a block (`core/threads.py`) has its core already; more threads would only take turns on it.

Products outside of blocks keep OpenBLAS's threads, where `backends/products.py` does not take them. After a product
these spin for some 20 ms and compete with the package's: gelu of (12, 64, 512), forward and backward, takes 3.2 ms then
and 1.9 otherwise. Three ways of having one pair of threads for OpenBLAS and the package were tried on two cores, before
products of the package's own took OpenBLAS's place in most steps. Products given to the package's threads, by
`openblas_set_threads_callback_function`: a captured step of a GPT took 0.9 of the time; but an interrupt by the user
could then be raised within a product, whose other half would wait for ever. Blocks given to OpenBLAS's threads, by
`gotoblas_pthread`: 0.93 to 0.97; but a fork during such a call could hang. The caller bound to one core and all other
threads to the other: 1.0 to 1.05. With machine code and its threads: 0.8.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path

import numpy

__all__ = ["one_blas_thread"]


def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The functions that get and set the number of threads of the OpenBLAS in NumPy's wheel, or None without one."""
    package = Path(numpy.__file__).parent
    folders = (package.parent / "numpy.libs", package / ".dylibs")
    for path in [found for folder in folders for found in sorted(folder.glob("*openblas*"))]:
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for prefix in ("scipy_", ""):
            for suffix in ("64_", ""):
                names = [f"{prefix}openblas_{what}_num_threads{suffix}" for what in ("get", "set")]
                if all(hasattr(library, name) for name in names):
                    get, put = (getattr(library, name) for name in names)
                    put.restype = None
                    return get, put
    return None


class one_blas_thread:
    """Within the `with` block, matrix products of the whole process run in the thread that asks for them.

    Blocks may overlap, also in several threads: the last that ends restores the number. Where NumPy's library is not
    known, nothing happens. It takes 0.5 us.
    """

    _lock = threading.Lock()
    _functions: tuple[Callable[[], int], Callable[[int], None]] | None = None
    _sought = False
    _inside = 0
    _before = 1

    def __enter__(self) -> None:
        kind = one_blas_thread
        with kind._lock:
            if not kind._sought:
                kind._functions, kind._sought = _openblas(), True
            if kind._functions is not None and not kind._inside:
                kind._before = kind._functions[0]()
                kind._functions[1](1)
            kind._inside += 1

    def __exit__(self, *exception: object) -> None:
        kind = one_blas_thread
        with kind._lock:
            kind._inside -= 1
            if kind._functions is not None and not kind._inside:
                kind._functions[1](kind._before)
