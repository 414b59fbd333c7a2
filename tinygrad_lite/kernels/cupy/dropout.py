"""Dropout whose mask is made inside the kernel, in the backward pass anew: nothing is kept but its place in the stream.

Both read an array and write one, where a mask that is kept costs a write, two reads and its memory.
"""

from __future__ import annotations

from typing import Any

from ... import ops
from ...core.kernels import kernel
from ...core.philox import Draw
from ...cuda.random import FLOATS
from ...cuda.random import drop as launch

__all__: list[str] = []


def _floats(x: Any, *, draw: Draw, scale: float) -> bool:
    return hasattr(x, "dtype") and x.dtype.name in FLOATS and x.shape == draw.shape


@kernel(ops.drop, "cupy", when=_floats)
def drop(x: Any, *, draw: Draw, scale: float) -> Any:
    return launch(x if x.flags.c_contiguous else x.copy(), draw, scale)
