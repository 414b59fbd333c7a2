"""Kernels for what `ops/normalization.py` does with channels."""

from __future__ import annotations

from typing import Any

from ... import ops
from ...core.op import kernel
from ...cuda.module import cupy
from ...cuda.source import CudaSource
from .rows import COLUMN_THREADS, TYPES, Limits, accumulator, dense, floats, type_of

__all__ = ["batch_norm"]

SOURCE = CudaSource(__file__, [{"T": T} for T in TYPES])

POSITIONS = 4
"""With fewer for each channel the two numbers that are kept for a row are many."""

THREADS = 256


def _channels(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, *, axis: int = 1, eps: float = 1e-5
) -> bool:
    """Positions behind channels, and parameters of the dtype of x; the definition explains what is wrong."""
    return (
        floats(x)
        and x.ndim > 2
        and type(axis) is int
        and axis in (1, 1 - x.ndim)
        and x.size >= POSITIONS * x.shape[0] * x.shape[1]
        and all(
            type_of(a) == type_of(x) and a.shape == x.shape[1:2] for a in (mean, var, weight, bias) if a is not None
        )
    )


def _launch(name: str, arrays: tuple, x: Any, parameters: tuple, aligned: tuple) -> None:
    """Start a kernel for the rows of x."""
    rows, channels = x.shape[0] * x.shape[1], x.shape[1]
    n, width = x.size // rows, 16 // x.itemsize
    packs = n % width == 0 and not any(a is not None and a.data.ptr % 16 for a in aligned)
    lanes = min(1 << (-(-n // (4 * (width if packs else 1))) - 1).bit_length(), THREADS)
    threads = lanes if lanes > 32 else THREADS  # a row has some lanes of a warp, or a whole block
    blocks = min(-(-rows * lanes // threads), Limits.blocks)
    args = (*arrays, *parameters, rows, channels, n, lanes)
    SOURCE(T=type_of(x)).launch(f"{name}_{'packs' if packs else 'single'}", blocks, threads, args)


@kernel(ops.batch_norm, "cupy", when=_channels)
def batch_norm(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, *, axis: int = 1, eps: float = 1e-5
) -> Any:
    """Keeps no array beside the input."""
    x, *parameters = (None if a is None else dense(a) for a in (x, mean, var, weight, bias))
    parameters = (*parameters, accumulator(x).type(eps))
    out = cupy().empty(x.shape, x.dtype)
    _launch("forward", (x, out), x, parameters, (x, out))
    return out, (x, parameters)


@batch_norm.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    x, parameters = saved
    g = dense(g.astype(x.dtype, copy=False))
    examples, channels = x.shape[:2]
    of_x = cupy().empty(x.shape, x.dtype) if needs[0] else None
    sums = [cupy().empty((examples, channels), accumulator(x)) if any(needs[1:]) else None for _ in range(2)]
    _launch("backward", (g, x, of_x, *sums), x, parameters, (g, x, of_x))
    if not any(needs[1:]):
        return (of_x, None, None, None, None)[: len(needs)]
    wanted = (*needs, False, False)[1:5]
    found = [cupy().empty((channels,), x.dtype) if needed else None for needed in wanted]
    args = (*sums, *found, *parameters, examples, channels)
    SOURCE(T=type_of(x)).launch("finished", -(-channels // 32), (32, COLUMN_THREADS // 32), args)
    return (of_x, *found)[: len(needs)]
