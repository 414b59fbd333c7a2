"""y <- a x + b y in one pass over the arrays, where NumPy needs three: a function of the BLAS that NumPy comes with."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy

__all__ = ["axpby"]

Axpby = Callable[[float, Any, float, Any], None]

_KINDS = {"float32": ("s", ctypes.c_float), "float64": ("d", ctypes.c_double)}
_found: dict[str, Axpby | None] = {}


def axpby(dtype: numpy.dtype) -> Axpby | None:
    """The function of `(a, x, b, y)` that writes a x + b y over y, for contiguous arrays `(n,)` of this dtype.

    Its results are NumPy's to the last bit, which is tried when it is first asked for; it does not warn where they are
    infinite or NaN. None where NumPy's library is not known or rounds otherwise. float32, per element within the cache:
    0.14 to 0.17 ns, beside 0.4 to 0.5 for NumPy's three passes.
    """
    name = dtype.name
    if name not in _found:
        kernel = _kernel(*_KINDS[name]) if name in _KINDS else None
        _found[name] = kernel if kernel is not None and _agrees(kernel, dtype) else None
    return _found[name]


def _kernel(letter: str, number: Any) -> Axpby | None:
    try:
        library = ctypes.CDLL(numpy._core._multiarray_umath.__file__)  # finds what it is linked with, too
    except (AttributeError, OSError):
        return None
    for suffix, integer in (("64_", ctypes.c_int64), ("", ctypes.c_int)):
        for prefix in ("scipy_", ""):
            function = getattr(library, f"{prefix}cblas_{letter}axpby{suffix}", None)
            if function is not None:
                array = ctypes.c_void_p
                function.argtypes = [integer, number, array, integer, number, array, integer]
                function.restype = None
                return _guarded(function)
    return None


def _guarded(function: Callable) -> Axpby:
    memory, address = ctypes.c_char.from_buffer, ctypes.byref  # 0.3 us; `ndarray.ctypes` takes 1.4

    def kernel(a: float, x: Any, b: float, y: Any) -> None:
        # BLAS leaves an array out where its factor is 0, and NaN and infinities in it with it.
        if 1e-30 < abs(a) < 1e30 and 1e-30 < abs(b) < 1e30:
            try:
                return function(y.size, a, address(memory(x)), 1, b, address(memory(y)), 1)
            except (TypeError, ValueError):
                pass  # an array that is read-only, or empty
        numpy.multiply(y, b, out=y)
        numpy.add(numpy.multiply(x, a), y, out=y)

    return kernel


def _agrees(kernel: Axpby, dtype: numpy.dtype) -> bool:
    """Whether results are NumPy's, wherever in its loops an element is."""
    x = numpy.sin(numpy.arange(300, dtype=dtype))
    y = numpy.cos(x * 7)
    for a, b in ((0.1, 0.9), (-0.003, 1.0)):
        expected = x * a + y * b
        for start, stop in ((0, 300), (1, 72), (33, 300), (299, 300)):
            out = y.copy()
            kernel(a, x[start:stop], b, out[start:stop])
            if not numpy.array_equal(out[start:stop], expected[start:stop]):
                return False
    return True
