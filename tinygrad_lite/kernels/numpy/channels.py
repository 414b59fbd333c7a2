"""Kernels for what `ops/normalization.py` does with channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import ops
from ...core.op import kernel
from .memory import scratch
from .rows import dots, floats, over_rows, sums

__all__ = ["batch_norm"]

_WORTH_IT = 1 << 13
"""Elements from which on the kernel is faster."""


def _channels(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, *, axis: int = 1, eps: float = 1e-5
) -> bool:
    """Floats with the channels second, and parameters of their dtype; the definition explains what is wrong."""
    return (
        floats(x)
        and x.size >= _WORTH_IT
        and x.ndim > 1
        and axis == 1
        and type(axis) is int
        and all(
            isinstance(a, np.ndarray) and a.shape == x.shape[1:2] and a.dtype == x.dtype
            for a in (mean, var, weight, bias)
            if a is not None
        )
    )


def _views(x: Any) -> tuple[Callable[[Any], Any], tuple[int, ...]]:
    """How to see arrays of this shape as (n, c, positions), or (positions, c) if the channels lie last in memory.

    Also the shape that parameters of the channels then have.
    """
    n, c = x.shape[:2]
    if x.ndim == 2 or (np.moveaxis(x, 1, -1).flags.c_contiguous and not x.flags.c_contiguous):
        return lambda a: np.moveaxis(a, 1, -1).reshape(-1, c), (c,)
    return lambda a: a.reshape(n, c, -1), (c, 1)


# Forward and backward with weight and bias, float32, and batch_statistics before it: 0.74 at (256, 512), 0.71 at
# (64, 16, 14, 14), 0.65 at (64, 64, 32, 32). With other statistics 1.0, 0.75 and 0.57. Of PyTorch's at
# (64, 64, 32, 32): 0.7 to 1.35 in different runs.
@kernel(ops.batch_norm, "numpy", when=_channels)
def batch_norm(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, *, axis: int = 1, eps: float = 1e-5
) -> Any:
    """Blocks of examples; keeps no array beside the input."""
    view, shape = _views(x)
    out = np.empty_like(x)
    scale = 1 / np.sqrt(var + eps)
    factor = scale if weight is None else scale * weight
    given, result = view(x), view(out)
    if not np.may_share_memory(result, out):  # neither layout: a copy was made
        out = np.empty(x.shape, x.dtype)
        result = view(out)
    centre, slope = mean.reshape(shape), factor.reshape(shape)
    shift = None if bias is None else bias.reshape(shape)

    def work(block: slice) -> None:
        r = np.subtract(given[block], centre, out=result[block])
        r *= slope
        if shift is not None:
            r += shift

    over_rows(work, len(given), given[0].size)
    return out, (x, mean, scale, weight)


@batch_norm.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    x, mean, scale, weight = saved
    view, shape = _views(x)
    factor = scale if weight is None else scale * weight
    of_x = np.empty_like(x) if needs[0] else None
    if of_x is not None and not np.may_share_memory(view(of_x), of_x):
        of_x = np.empty(x.shape, x.dtype)
    given, ups, result = view(x), view(g), None if of_x is None else view(of_x)
    centre, slope = mean.reshape(shape), factor.reshape(shape)
    parts: dict[int, tuple[Any, Any]] = {}

    def work(block: slice) -> None:
        z, up = given[block], ups[block]
        if any(needs[1:]):
            centred = np.subtract(z, centre, out=scratch("row", z.shape, z.dtype))
            if z.ndim == 2:
                parts[block.start] = np.add.reduce(up, axis=0), np.einsum("ij,ij->j", up, centred)
            else:
                found = sums(up), dots(up, centred)
                parts[block.start] = tuple(np.add.reduce(part[..., 0], axis=0) for part in found)
        if result is not None:
            np.multiply(up, slope, out=result[block])

    blocks = over_rows(work, len(given), given[0].size)
    if not any(needs[1:]):
        return (of_x, None, None, None, None)[: len(needs)]
    total, product = (sum(parts[block.start][i] for block in blocks) for i in range(2))
    found = (of_x, -factor * total, factor * product * (-0.5 * scale * scale), scale * product, total)
    return tuple(part if needed else None for part, needed in zip(found, needs, strict=False))
