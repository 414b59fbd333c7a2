"""Kernels for `ops/comparison.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...core.op import kernel

__all__ = ["where"]

_BITS = {np.dtype("float16"): np.int16, np.dtype("float32"): np.int32, np.dtype("float64"): np.int64}

_WORTH_IT = 1 << 12
"""Elements from which on the kernel is faster."""


def _selects_bits(condition: Any, x: Any, y: Any) -> bool:
    """An array or the number 0.0 on either side, all arrays of one shape and floating-point dtype."""
    if not isinstance(condition, np.ndarray) or condition.size < _WORTH_IT:
        return False
    if condition.dtype != bool:
        return False
    arrays = [a for a in (x, y) if not (type(a) is float and a == 0.0)]
    return all(
        isinstance(a, np.ndarray) and a.shape == condition.shape and a.dtype in _BITS and a.dtype == arrays[0].dtype
        for a in arrays
    ) and bool(arrays)


# With random conditions, new ones in each call, and float32: 0.33 at 4096 elements, 0.10 at 16384, 0.05 at 65536.
@kernel(ops.where, "numpy", when=_selects_bits)
def where(condition: Any, x: Any, y: Any) -> Any:
    """Selects the bits with a mask of ones and zeros; `numpy.where` branches, and guesses random conditions wrongly."""
    dtype = x.dtype if isinstance(x, np.ndarray) else y.dtype
    bits = _BITS[dtype]
    mask = condition.view(np.int8).astype(bits)
    if type(y) is float:
        np.negative(mask, out=mask)
        mask &= x.view(bits)
    elif type(x) is float:
        mask -= 1
        mask &= y.view(bits)
    else:
        np.negative(mask, out=mask)
        mask &= x.view(bits) ^ y.view(bits)
        mask ^= y.view(bits)
    return mask.view(dtype)
