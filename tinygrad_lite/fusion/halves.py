"""16-bit floating point in expressions: inputs become float32 when they are read, results 16-bit when they are written.

Nothing in between is rounded, and numbers keep the precision of float32. So a kernel's result is the definition's,
computed in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy

from .expressions import Expressions, Node, in_order
from .symbols import NotElementwise

__all__ = ["FLOAT32", "is_half", "rounded", "widened"]

FLOAT32 = numpy.dtype("float32")


def is_half(dtype: Any) -> bool:
    """Whether it is the dtype float16 or bfloat16."""
    return isinstance(dtype, numpy.dtype) and dtype.itemsize == 2 and dtype.name in ("float16", "bfloat16")


def widened(expressions: Expressions, node: Node) -> Any:
    """An input of 16-bit floating point in float32, any other as it is."""
    return expressions.convert(node, FLOAT32) if is_half(node.dtype) else node


def rounded(expressions: Expressions, value: Any, kinds: Iterable[Any]) -> Any:
    """A value in float32 in the 16-bit dtype of all floating-point arrays of dtypes `kinds`, if they have the same one.

    Raises NotElementwise where float32 does not do: for a neighbouring number.
    """
    dtypes = {kind for kind in kinds if isinstance(kind, numpy.dtype) and (kind.kind == "f" or is_half(kind))}
    if any(map(is_half, dtypes)) and any(node.name == "nextafter" for node in in_order([value])):
        raise NotElementwise("a neighbour among 16-bit numbers is another one than among those of 32 bits")
    if len(dtypes) != 1 or not isinstance(value, Node) or value.dtype != FLOAT32 or not is_half(*dtypes):
        return value
    return expressions.convert(value, *dtypes)
