"""Questions about dtypes, the constants, and what the Array API's inspection asks of a namespace.

The standard: https://data-apis.org/array-api/2024.12/.
"""

from __future__ import annotations

from math import e, inf, nan, pi
from typing import Any, NamedTuple

import numpy

from ..core import dtypes
from ..core.backend import backend_of, device_backend
from ..core.dtypes import default_dtype, is_floating
from ..core.errors import BackendError, DTypeError
from ..core.graph import unwrap

__all__ = [
    "__array_namespace_info__", "can_cast", "e", "finfo", "iinfo", "inf", "isdtype", "nan", "newaxis", "pi",
    "result_type",
]  # fmt: skip

newaxis = None
"""In an index, a new axis of length 1."""


def _plain(dtype: Any) -> numpy.dtype:
    """The NumPy dtype of a dtype of any library, a name, an array or a Tensor."""
    dtype = getattr(unwrap(dtype), "dtype", dtype) if not isinstance(dtype, type) else dtype
    try:
        return dtypes.numpy_dtype(dtype)
    except DTypeError:
        raise
    except TypeError as error:
        raise DTypeError(f"unknown dtype {dtype!r}; give a name, 'float32', or tinygrad_lite.float32.") from error


class FloatLimits(NamedTuple):
    """What a floating-point dtype can represent; of a complex one, its components.

    bits : of one number; eps : from 1 to the next number; max, min : the largest and the smallest number;
    smallest_normal : the smallest positive number with full precision; dtype : the dtype of the numbers.
    """

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: Any


class IntegerLimits(NamedTuple):
    """The number of bits, the largest and the smallest number of an integer dtype, and the dtype."""

    bits: int
    max: int
    min: int
    dtype: Any


def finfo(type: Any, /) -> FloatLimits:
    """The limits of a floating-point dtype, or of that of an array, as Python numbers.

    Raises DTypeError for another dtype.

    >>> finfo("float32").eps
    1.1920928955078125e-07
    """
    dtype = _plain(type)
    if not is_floating(dtype):
        raise DTypeError(f"finfo: got {dtype}; a floating-point dtype is required. For integers there is iinfo.")
    found = dtypes.limits(dtype)
    numbers = (float(x) for x in (found.eps, found.max, found.min, found.smallest_normal))
    return FloatLimits(int(found.bits), *numbers, numpy.dtype(found.dtype))


def iinfo(type: Any, /) -> IntegerLimits:
    """The limits of an integer dtype, or of that of an array.

    Raises DTypeError for another dtype.

    >>> iinfo("int8").max
    127
    """
    dtype = _plain(type)
    if dtype.kind not in "iu":
        raise DTypeError(f"iinfo: got {dtype}; an integer dtype is required. For floating point there is finfo.")
    found = numpy.iinfo(dtype)
    return IntegerLimits(int(found.bits), int(found.max), int(found.min), dtype)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether `dtype` is of a kind, or of one of several.

    kind : `"bool"`, `"signed integer"`, `"unsigned integer"`, `"integral"`, `"real floating"`, `"complex floating"`,
        `"numeric"`, a dtype, or a tuple of them.

    Raises DTypeError for an unknown kind.

    >>> isdtype(float32, "real floating"), isdtype(float32, (float64, "integral"))
    (True, False)
    """
    dtype = _plain(dtype)
    for one in kind if isinstance(kind, tuple) else (kind,):
        if isinstance(one, str) and one not in _KINDS:
            raise DTypeError(f"isdtype: kind is {one!r}; it must be a dtype or one of {', '.join(map(repr, _KINDS))}.")
        letter = "f" if is_floating(dtype) and dtype.kind == "V" else dtype.kind
        if letter in _KINDS[one] if isinstance(one, str) else dtype == _plain(one):
            return True
    return False


_KINDS = {
    "bool": "b", "signed integer": "i", "unsigned integer": "u", "integral": "iu", "real floating": "f",
    "complex floating": "c", "numeric": "iufc",
}  # fmt: skip
"""NumPy's letters for the kinds of dtype that the standard names."""


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether the promotion of dtypes leads from a dtype, or that of an array, to another one.

    >>> can_cast("int32", "int64"), can_cast("float64", "float32")
    (True, False)
    """
    return bool(numpy.can_cast(_plain(from_), _plain(to)))


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype that arithmetic with these arrays, dtypes and Python numbers gives.

    Python numbers take the dtype of the others where that is of their kind.

    >>> result_type(np.ones(2, dtype="float32"), "int16", 1.0)
    dtype('float32')
    """
    if not arrays_and_dtypes:
        raise DTypeError("result_type: got nothing; at least one array or dtype is required.")
    given = [unwrap(one) for one in arrays_and_dtypes]
    kinds = [x if isinstance(x, (bool, int, float, complex)) else _plain(x) for x in given]
    found = _promoted(kinds)
    arrays = [x for x in given if hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, numpy.dtype)]
    return backend_of(arrays[0]).dtype(found) if arrays else found


def _is_bfloat16(kind: Any) -> bool:
    return isinstance(kind, numpy.dtype) and kind.kind == "V" and is_floating(kind)


def _promoted(kinds: list[Any]) -> numpy.dtype:
    """NumPy's promotion, where bfloat16 is float32 that no other floating-point dtype has made wider."""
    wide = [dtypes.float32 if _is_bfloat16(kind) else kind for kind in kinds]
    found = numpy.result_type(*wide)
    others = [kind for kind in kinds if isinstance(kind, numpy.dtype) and is_floating(kind) and not _is_bfloat16(kind)]
    return dtypes.bfloat16() if wide != kinds and found == dtypes.float32 and not others else found


class NamespaceInfo:
    """What `__array_namespace_info__` of the standard tells of the package: devices, dtypes and capabilities."""

    def capabilities(self) -> dict[str, Any]:
        """Whether masks can be indices and shapes may depend on data (both yes), and how many axes there can be."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where creation functions put their results: main memory."""
        return "cpu"

    def devices(self) -> list[str]:
        """The names of the devices that there are."""
        try:
            found = device_backend("cuda")
        except BackendError:
            return ["cpu"]
        return ["cpu", *(f"cuda:{i}" for i in range(getattr(found, "device_count", 1)))]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, Any]:
        """The dtypes of what is made from Python numbers, and of indices, by the standard's names of their kinds."""
        real = default_dtype()
        complex_ = dtypes.complex128 if real == dtypes.float64 else dtypes.complex64
        return {
            "real floating": real, "complex floating": complex_, "integral": dtypes.int64, "indexing": dtypes.int64,
        }  # fmt: skip

    def dtypes(self, *, device: str | None = None, kind: str | tuple[str, ...] | None = None) -> dict[str, Any]:
        """The dtypes by name; with `kind` those of which `isdtype` says that they are of it."""
        return {name: dtype for name, dtype in _DTYPES.items() if kind is None or isdtype(dtype, kind)}


_NAMES = (
    "bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "float32", "float64",
    "complex64", "complex128",
)  # fmt: skip
_DTYPES = {name: numpy.dtype(name) for name in _NAMES}


def __array_namespace_info__() -> NamespaceInfo:
    """The devices, dtypes and capabilities of the package, as the Array API standard asks for them.

    >>> __array_namespace_info__().default_dtypes()["real floating"]
    dtype('float32')
    """
    return NamespaceInfo()
