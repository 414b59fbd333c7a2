"""Kernels for the reductions of `ops/reductions.py`, and for `sum_to`, which undoes broadcasting in gradients."""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...core.axes import axes_of, wrong_axis
from ...core.op import kernel
from ...core.registry import OPS
from ...cuda.module import Module, cupy
from ...cuda.source import CudaSource
from .rows import COLUMN_THREADS, TYPES, Limits, accumulator, dense, floats, type_of

__all__ = ["reduced"]

SOURCE = CudaSource(__file__, [{"T": T, "R": R} for T in TYPES for R in ("Sum", "Largest", "Smallest", "Product")])

BLOCKS = 528
"""Blocks that fill a GPU: with fewer, rows and columns are divided into parts. Not asked of the device, so that results
are equal on all."""

PART = 1 << 14
"""Elements of the parts of a row, at least."""

COLUMN_PART = 8
"""Elements of a column that a thread adds up, at least, before columns are divided."""

ROW_THREADS = 256
"""Threads of a block, at most."""


# What is reduced


def _groups(shape: tuple[int, ...], axes: tuple[int, ...]) -> list[tuple[int, bool]]:
    """Lengths of neighbouring axes that are all reduced (True) or all kept; axes of length 1 do not matter."""
    found: list[tuple[int, bool]] = []
    for i, n in enumerate(shape):
        if n == 1:
            continue
        gone = i in axes
        if found and found[-1][1] == gone:
            found[-1] = (found[-1][0] * n, gone)
        else:
            found.append((n, gone))
    return found


def _reducible(x: Any, axis: Any) -> bool:
    """Whether kernels can reduce an array, and there is something to add up."""
    if not floats(x) or isinstance(axis, bool) or wrong_axis(x.ndim, axis) is not None:
        return False
    return any(gone for _, gone in _groups(x.shape, axes_of(axis, x.ndim)))


def _in_own_dtype(x: Any, *, axis: Any = None, dtype: Any = None, **_: Any) -> bool:
    return _reducible(x, axis) and (dtype is None or dtype == x.dtype)


def _of_any_shape(x: Any, *, axis: Any = None, **_: Any) -> bool:
    return _reducible(x, axis)


def _of_neighbours(x: Any, *, axis: Any = None, **_: Any) -> bool:
    return _reducible(x, axis) and len([gone for _, gone in _groups(x.shape, axes_of(axis, x.ndim)) if gone]) == 1


def _to_shape(x: Any, *, shape: Any) -> bool:
    return floats(x) and isinstance(shape, tuple) and x.ndim >= len(shape) and _reducible(x, _summed_axes(x, shape))


def _summed_axes(x: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    added = x.ndim - len(shape)
    return tuple(i for i, n in enumerate(x.shape) if i < added or shape[i - added] != n)


# How


def reduced(x: Any, axes: tuple[int, ...], kind: str, out: Any, divisor: float = 1.0, centre: Any = None) -> Any:
    """Fill `out`, of the dtype of x or its accumulator's, with the reduction of x over axes, divided by `divisor`.

    centre : for each result, what is subtracted from the elements before their squares are added up. Then the axes must
        be next to each other.
    """
    module, wide, groups = SOURCE(T=type_of(x), R=kind), accumulator(x), _groups(x.shape, axes)
    x, dtype = dense(x), x.dtype
    while groups:
        place = max(i for i, (_, gone) in enumerate(groups) if gone)
        outer, inner = (math.prod(n for n, _ in part) for part in (groups[:place], groups[place + 1 :]))
        n, groups = groups[place][0], groups[:place] + groups[place + 1 :]
        last = not any(gone for _, gone in groups)
        target = out if last else cupy().empty(outer * inner, wide)
        _reduce(module, x, x.dtype == dtype, (outer, n, inner), target, wide.type(divisor if last else 1), centre)
        if last:
            return out
        x = target
    return out


def _reduce(
    module: Module, x: Any, own: bool, shape: tuple[int, int, int], out: Any, divisor: Any, centre: Any
) -> None:  # fmt: skip
    """Reduce (outer, n, inner) to (outer, inner), in one launch or two.

    own : x is the array itself, no partial results.
    """
    outer, n, inner = shape
    width = 16 // x.itemsize
    packs = own and (n if inner == 1 else inner) % width == 0 and x.data.ptr % 16 == 0
    name, width = ("packs", width) if packs else ("single" if own else "partial", 1)
    if inner == 1:
        lanes = min(1 << (-(-n // (4 * width)) - 1).bit_length(), ROW_THREADS)
        threads = lanes if lanes > 32 else ROW_THREADS  # a row has some lanes of a warp, or a whole block
        blocks = -(-outer * lanes // threads)
        most, kind, extra = n // PART, "rows", (lanes,)
    else:
        wide = min(1 << (-(-inner // width) - 1).bit_length(), 32)
        blocks = outer * -(-inner // (wide * width))
        threads, kind, extra = (wide, COLUMN_THREADS // wide), "columns", ()
        most = n // (COLUMN_PART * threads[1])
    parts = max(min(BLOCKS // blocks, most), 1)
    length = -(-n // (parts * width)) * width
    parts = -(-n // length)
    target = out if parts == 1 else cupy().empty(outer * parts * inner, divisor.dtype)
    places = (target, None) if target.dtype == divisor.dtype else (None, target)
    scale = divisor if parts == 1 else divisor.dtype.type(1)
    sizes = (outer, n) if inner == 1 else (outer, n, inner)
    args = (x, *places, scale, centre, *sizes, parts, length, *extra)
    module.launch(f"{kind}_{name}", min(blocks * parts, Limits.blocks), threads, args)
    if parts > 1:
        _reduce(module, target, False, (outer, parts, inner), out, divisor, None)


def _result(x: Any, axes: tuple[int, ...], keepdims: bool, dtype: Any = None) -> Any:
    lengths = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
    return cupy().empty(tuple(lengths), dtype or x.dtype)


def _count(x: Any, axes: tuple[int, ...]) -> int:
    return math.prod(x.shape[i] for i in axes)


def _simple(kind: str) -> Any:
    def forward(x: Any, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        axes = axes_of(axis, x.ndim)
        return reduced(x, axes, kind, _result(x, axes, keepdims))

    return forward


kernel(ops.sum, "cupy", when=_in_own_dtype)(_simple("Sum"))
kernel(ops.prod, "cupy", when=_in_own_dtype)(_simple("Product"))
kernel(ops.max, "cupy", when=_of_any_shape)(_simple("Largest"))
kernel(ops.min, "cupy", when=_of_any_shape)(_simple("Smallest"))


@kernel(ops.mean, "cupy", when=_of_any_shape)
def mean(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    axes = axes_of(axis, x.ndim)
    return reduced(x, axes, "Sum", _result(x, axes, keepdims), _count(x, axes))


@kernel(ops.var, "cupy", when=_of_neighbours)
def var(x: Any, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The mean first, then the squares of the differences from it."""
    axes = axes_of(axis, x.ndim)
    x, count = dense(x), _count(x, axes)
    means = reduced(x, axes, "Sum", _result(x, axes, keepdims, accumulator(x)), count)
    return reduced(x, axes, "Sum", _result(x, axes, keepdims), max(count - correction, 0.0), means)


@kernel(OPS["sum_to"].function, "cupy", when=_to_shape)
def sum_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    return reduced(x, _summed_axes(x, shape), "Sum", cupy().empty(shape, x.dtype))
