"""bfloat16: float32 with 8 bits of precision instead of 24, a dtype that the package `ml_dtypes` adds to NumPy's.

NumPy promotes it with Python numbers to float32, adds up in it without keeping more bits, and has no functions for much
else. So an operation on bfloat16 arrays computes in float32 and rounds what it found, once; only what moves elements
leaves them as they are. Backends whose kernels take bfloat16 do this only where no kernel takes the call. Nothing of it
is in the way before the first bfloat16 array. What no library has in float16 is computed in float32 in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy

from .backend import backend_of
from .dtypes import bfloat16, bfloat16_in_use, float16, float32, is_floating, numpy_dtype_of
from .graph import Handle
from .tree import map_leaves

if TYPE_CHECKING:
    from .op import Op

__all__ = ["MOVES", "NO_HALVES", "body_in_float32", "foreign_dtypes", "in_float32", "rounded", "widened"]

MOVES: set[str] = set()
"""The operations that give elements as they are, for arrays of one dtype; `ops/` fills it."""

NO_HALVES: set[str] = set()
"""The modules whose primitives no library computes in 16 bits; `ops/` fills it."""


def foreign_dtypes(op: Op) -> tuple:
    """The dtypes in which the primitive is not computed, but in float32."""
    halves = (float16,) if op.body.__module__ in NO_HALVES else ()
    return (*halves, bfloat16()) if bfloat16_in_use() else halves


def in_float32(op: Op, compute: Callable, astype: Callable) -> Callable:
    """What computes a primitive, but for arrays of its `foreign_dtypes` in float32.

    astype : converts an array of the backend.
    """
    foreign, moves = foreign_dtypes(op), op.name in MOVES

    def computed(*arrays: Any, **statics: Any) -> Any:
        dtypes = [numpy_dtype_of(x) for x in arrays if hasattr(x, "dtype")]
        if not any([dtype in foreign for dtype in dtypes]) or (moves and dtypes.count(dtypes[0]) == len(dtypes)):
            return compute(*arrays, **statics)
        asked = statics.get("dtype")
        if asked in foreign:
            statics["dtype"] = float32
        out = compute(*[widened(x, astype, foreign) for x in arrays], **statics)
        return out if asked is not None and asked not in foreign else rounded(out, arrays, astype)

    return computed


def body_in_float32(op: Op) -> Callable:
    """The body of a composite, but for arrays of bfloat16 that are no Tensors in float32; Tensors' operators round."""
    body = op.body
    if op.name in MOVES:
        return body

    def computed(*arrays: Any, **statics: Any) -> Any:
        low = [numpy_dtype_of(x) == bfloat16() for x in arrays]
        if True not in low or any([isinstance(x, Handle) for x in arrays]) or statics.get("dtype") is not None:
            return body(*arrays, **statics)
        return rounded(body(*[widened(x, _astype) for x in arrays], **statics), arrays, _astype)

    return computed


def _astype(x: Any, dtype: Any) -> Any:
    """In the library of the array, which a result may have changed."""
    return backend_of(x).xp.astype(x, dtype)


def widened(x: Any, astype: Callable, foreign: tuple = ()) -> Any:
    """An array of bfloat16, or of one of the dtypes given, in float32; anything else as it is."""
    if numpy_dtype_of(x) not in (foreign or (bfloat16(),)):
        return x
    return x.astype(float32) if isinstance(x, numpy.generic) else astype(x, float32)


def rounded(out: Any, arrays: tuple, astype: Callable) -> Any:
    """float32 results in the floating-point dtype of the arrays, if all have the same."""
    dtypes = {x.dtype for x in arrays if hasattr(x, "dtype") and is_floating(x.dtype)}
    if len(dtypes) != 1:
        return out
    (low,) = dtypes

    def narrow(x: Any) -> Any:
        if numpy_dtype_of(x) != float32:
            return x
        return x.astype(low) if isinstance(x, numpy.generic) else astype(x, low)

    return map_leaves(narrow, out)
