"""bfloat16 in DLPack's capsules: NumPy and CuPy export and take it as uint16, which has the same bits.

Source: DLPack's header, https://github.com/dmlc/dlpack/blob/main/include/dlpack/dlpack.h.
"""

from __future__ import annotations

import ctypes
from typing import Any

from ..core.errors import DTypeError

__all__ = ["Integers", "as_bfloat16"]

_UNSIGNED, _BFLOAT = 1, 4
"""Codes of dtypes, `DLDataTypeCode`."""


class _Described(ctypes.Structure):
    """`DLTensor` up to its dtype: what describes an array to others."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
    ]


_BEFORE = {b"dltensor": 0, b"dltensor_versioned": 32}
"""The bytes before it in capsules of each name: none, or those of version, context, deleter and flags."""

_name = ctypes.pythonapi.PyCapsule_GetName
_name.argtypes, _name.restype = [ctypes.py_object], ctypes.c_char_p
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.argtypes, _pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p


def _recoded(capsule: Any, before: int, after: int) -> Any:
    """The capsule, which nobody has taken yet, of elements of 16 bits, with another code for their dtype."""
    name = _name(capsule)
    described = _Described.from_address(_pointer(capsule, name) + _BEFORE[name])
    if (described.code, described.bits, described.lanes) != (before, 16, 1):
        raise DTypeError(
            f"DLPack: an array is exported with the code {described.code} and {described.bits} bits in "
            f"{described.lanes} lanes; its dtype asks for {before}, 16 and 1."
        )
    described.code = after
    return capsule


def as_bfloat16(capsule: Any) -> Any:
    """A capsule of an array of uint16, as one of bfloat16."""
    return _recoded(capsule, _UNSIGNED, _BFLOAT)


class Integers:
    """An array of bfloat16 of any library, exported as one of uint16."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **given: Any) -> Any:
        return _recoded(self.array.__dlpack__(**given), _BFLOAT, _UNSIGNED)

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self.array.__dlpack_device__()
