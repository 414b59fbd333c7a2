"""Floating-point defaults and checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from .errors import DTypeError

__all__ = [
    "ON_BFLOAT16", "bfloat16", "bfloat16_in_use", "default_dtype", "is_complex", "is_floating", "is_half", "limits",
    "note_dtype", "numpy_dtype", "numpy_dtype_of", "set_default_dtype",
]  # fmt: skip

bool_ = numpy.dtype("bool")
int8, int16, int32, int64 = (numpy.dtype(f"int{bits}") for bits in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (numpy.dtype(f"uint{bits}") for bits in (8, 16, 32, 64))
float16, float32, float64 = (numpy.dtype(f"float{bits}") for bits in (16, 32, 64))
complex64, complex128 = numpy.dtype("complex64"), numpy.dtype("complex128")

_default = float32


def default_dtype() -> numpy.dtype:
    """The dtype that Python floats and lists of them take in creation functions: float32 unless set otherwise."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype that Python floats and lists of them take in creation functions, for the whole process.

    Raises DTypeError for a dtype that is not real floating-point.
    """
    global _default
    chosen = numpy_dtype(dtype)
    if not is_floating(chosen) or is_complex(chosen):
        raise DTypeError(
            f"set_default_dtype: got {chosen}; a real floating-point dtype is required, such as 'float64'."
        )
    _default = chosen


def is_floating(dtype: Any) -> bool:
    """Whether `dtype` is real or complex floating-point, and so can have gradients. Works for any backend's dtypes."""
    if isinstance(dtype, numpy.dtype) and dtype.kind != "V":
        return dtype.kind in "fc"  # its name NumPy composes anew, and slowly, each time
    name = getattr(dtype, "name", None) or str(dtype).rpartition(".")[2]
    return name.startswith(("float", "bfloat", "complex"))


def is_complex(dtype: Any) -> bool:
    """Whether `dtype`, of any backend, is complex."""
    try:
        return dtype.kind == "c"
    except AttributeError:  # not a NumPy dtype, which CuPy uses too
        return "complex" in str(dtype)


ON_BFLOAT16: list[Callable[[], None]] = []
"""What is called when bfloat16 is first asked for."""


class _Known:
    """bfloat16 : the dtype, or None before it was asked for."""

    bfloat16: numpy.dtype | None = None


def bfloat16() -> numpy.dtype:
    """The dtype bfloat16, see `core/bfloat16.py`. DTypeError where `ml_dtypes`, which has it, is not installed."""
    if _Known.bfloat16 is None:
        try:
            from ml_dtypes import bfloat16 as scalar  # on demand: an extra
        except ImportError as error:
            raise DTypeError(
                f"bfloat16: ml_dtypes, which adds it to NumPy, cannot be imported ({error}). Install it with "
                f"pip install 'tinygrad-lite[bf16]'; or use float16 or float32."
            ) from error
        _Known.bfloat16 = numpy.dtype(scalar)
        for notice in ON_BFLOAT16:
            notice()
    return _Known.bfloat16


def bfloat16_in_use() -> bool:
    """Whether there may be arrays of bfloat16."""
    return _Known.bfloat16 is not None


def note_dtype(dtype: Any) -> None:
    """Notice that there are arrays of bfloat16, which others may have made, if `dtype` is it."""
    if _Known.bfloat16 is None and getattr(dtype, "kind", "") == "V" and is_floating(dtype):
        bfloat16()


def limits(dtype: Any) -> Any:
    """NumPy's `finfo` of a floating-point dtype of any library, and for bfloat16 that of `ml_dtypes`."""
    known = numpy_dtype(dtype)
    if known.kind != "V":
        return numpy.finfo(known)
    from ml_dtypes import finfo  # it is there if the dtype is

    return finfo(known)


def is_half(dtype: Any) -> bool:
    """Whether `dtype` is floating-point of fewer than 32 bits."""
    return is_floating(dtype) and limits(dtype).bits < 32


def numpy_dtype_of(x: Any) -> numpy.dtype | None:
    """The dtype of an array of a library that has NumPy's, else None; others' may not be compared with these."""
    dtype = getattr(x, "dtype", None)
    return dtype if isinstance(dtype, numpy.dtype) else None


def numpy_dtype(dtype: Any) -> numpy.dtype:
    """NumPy's dtype for one of any library, or for a name. TypeError if there is none."""
    known = isinstance(dtype, (str, type, numpy.dtype))
    name = dtype if known else str(getattr(dtype, "name", dtype)).rpartition(".")[2]
    if isinstance(name, str) and name == "bfloat16":
        return bfloat16()
    found = numpy.dtype(name)
    note_dtype(found)
    return found
