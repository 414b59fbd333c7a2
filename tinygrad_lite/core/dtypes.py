"""Floating-point defaults and checks."""

from __future__ import annotations

from typing import Any

import numpy

from .errors import DTypeError

__all__ = ["default_dtype", "is_complex", "is_floating", "set_default_dtype"]

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
    chosen = numpy.dtype(dtype)
    if chosen.kind != "f":
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
