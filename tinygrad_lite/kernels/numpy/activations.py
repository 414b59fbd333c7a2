"""Kernels for `ops/activations.py`, but for those that work on rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...core.op import kernel

__all__ = ["sigmoid"]


def _floating(x: Any, **_: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.size > 0 and x.ndim > 0


# Forward, float32: 0.84 at 64 elements, 0.6 at 2048. Larger arrays go through a program made from the definition, which
# takes as long: 0.99 at 131072.
@kernel(ops.sigmoid, "numpy", when=_floating)
def sigmoid(x: Any) -> Any:
    """1 / (1 + e**-x), whose limit is right where e**-x overflows."""
    out = np.negative(x)
    with np.errstate(over="ignore"):
        np.exp(out, out=out)
    out += 1
    return np.divide(1, out, out=out)
