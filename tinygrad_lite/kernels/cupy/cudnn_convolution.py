"""Convolution by cuDNN, where it is installed.

Its engines for tensor cores read and write images whose channels lie innermost. So images of 16 bits, and those of
float32 where TF32 is allowed, are brought to that order, and results have it: the next convolution, and what is done
element by element in between, keeps it. Otherwise cuDNN would copy every array in every call: for 32 images 64 x 56 x
56 and filters 3 x 3 in bfloat16, its first engine on an H100 wants 25.8 MB of workspace for that, and else 131 bytes.
The engines for exact products of float32 read and write the public order. No time was measured.
"""

from __future__ import annotations

from typing import Any

from ...core import precision
from ...core.backend import backend_of
from ...cuda.cudnn import DATA_TYPES, Call, Spec, contiguous, plans
from ...cuda.module import cupy
from ...ops.windows import Geometry, Sizes

__all__ = ["by_cudnn"]

MOST = 1 << 31
"""Elements that an array has fewer of."""


def by_cudnn(operation: str, x: Any, y: Any, shape: Sizes, windows: Geometry) -> Any:
    """The result, of this shape, of one of cuDNN's convolutions of x and y; None if it is missing or declines.

    x, y : arrays of one dtype, not empty, in the order of `cuda.cudnn.OPERATIONS`.
    """
    library = plans(cupy())
    if library.library() is None or x.dtype.name not in DATA_TYPES or not 3 <= x.ndim <= 5:
        return None
    if max(x.size, y.size) >= MOST or 0 in shape or min(map(min, windows.padding)) < 0:
        return None
    exact = x.dtype.name == "float32" and precision.get_matmul_precision() == "highest"
    inputs = [_laid(array, not exact) for array in (x, y)]
    *specs, result = [Spec(each, contiguous(each, not exact), x.dtype.name) for each in (x.shape, y.shape, shape)]
    before, after = zip(*windows.padding, strict=True)
    options = (
        ("pre_padding", before), ("post_padding", after), ("stride", windows.stride), ("dilation", windows.dilation)
    )  # fmt: skip
    plan = library.find(Call(operation, tuple(specs), (result,), options, exact), *inputs)
    if plan is None:
        return None
    xp = backend_of(x).xp
    out = xp.empty(shape if exact else (shape[0], *shape[2:], shape[1]), dtype=x.dtype)
    out = out if exact else xp.moveaxis(out, -1, 1)
    plan.run(*inputs, out)
    return out


def _laid(x: Any, channels_last: bool) -> Any:
    """x with its channels innermost, or in the public order; a copy if it lies otherwise."""
    xp = backend_of(x).xp
    if not channels_last:
        return xp.ascontiguousarray(x)
    return xp.moveaxis(xp.ascontiguousarray(xp.moveaxis(x, 1, -1)), -1, 1)
