"""How rows and columns of arrays are laid over threads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from ...core.axes import wrong_axis
from ...cuda.module import Module, cupy
from ...cuda.source import c_type

__all__ = [
    "MOST_THREADS",
    "TYPES",
    "Limits",
    "Rows",
    "accumulator",
    "collapsed",
    "columns_of",
    "dense",
    "floats",
    "lanes_for",
    "launch_columns",
    "parameters_fit",
    "type_of",
]

TYPES = ("float", "double", "half16", "bfloat")
"""The types of elements that kernels of rows are compiled for."""

_NAMES = ("float32", "float64", "float16", "bfloat16")
_TYPES: dict[Any, str | None] = {}


class Limits:
    """blocks : the most that a kernel is started with; each then takes several rows in turn."""

    blocks = 1 << 16


class Rows(NamedTuple):
    """How the rows of an array are laid over threads; `rows.cuh` says what they do.

    kind : the end of the kernel's name.
    lanes : threads for one row. threads : of a block. blocks : how many.
    """

    kind: str
    lanes: int
    threads: int
    blocks: int

    @classmethod
    def plan(cls, rows: int, n: int, *arrays: Any) -> Rows:
        """For `rows` rows of n elements of arrays of one dtype, None among them if they are not wanted."""
        size = arrays[0].itemsize
        width = 16 // size
        if n % width == 0 and not any(x is not None and x.data.ptr % 16 for x in arrays):
            way, held = ("packs_few", width) if n <= 32 * width else ("packs_many", 8 if size == 8 else 16)
        else:
            way, held = "single_held", 8
        needed = -(-n // held)  # threads that hold a row
        if needed > MOST_THREADS:
            way = f"{way.partition('_')[0]}_long"
        lanes = min(lanes_for(needed), MOST_THREADS)
        threads = 128 if lanes <= 32 else lanes
        blocks = min(-(-rows * lanes // threads), Limits.blocks)
        return cls(way, lanes, threads, blocks)

    def launch(self, module: Module, name: str, *args: Any) -> None:
        """Start the kernel `name` of the right kind, with the number of lanes as its last argument."""
        module.launch(f"{name}_{self.kind}", self.blocks, self.threads, (*args, self.lanes))


def lanes_for(needed: int) -> int:
    """Threads that can work on a row together, at least `needed`: some lanes of a warp, a power of two, or warps."""
    return 1 << (needed - 1).bit_length() if needed <= 32 else -(-needed // 32) * 32


MOST_THREADS = 512
"""Threads of a block; so a row of up to 8192 elements is held in registers."""

COLUMN_THREADS = 256


def launch_columns(module: Module, name: str, args: tuple[Any, ...], outer: int, n: int, inner: int) -> None:
    """Start a kernel for the columns of arrays of (outer, n, inner), which it is told last."""
    wide = min(1 << (inner - 1).bit_length(), 32)
    blocks = min(outer * -(-inner // wide), Limits.blocks)
    module.launch(name, blocks, (wide, COLUMN_THREADS // wide), (*args, outer, n, inner))


def type_of(x: Any) -> str | None:
    """The name in a source of the dtype of an array of CuPy's, if it is one of `TYPES`; None for anything else."""
    if not isinstance(x, cupy().ndarray):
        return None
    try:
        return _TYPES[x.dtype]
    except KeyError:
        _TYPES[x.dtype] = found = c_type(x.dtype) if x.dtype.name in _NAMES else None
        return found


def floats(x: Any) -> bool:
    """Whether it is an array, not empty, of a dtype that kernels of rows take."""
    return type_of(x) is not None and x.size > 0


def parameters_fit(x: Any, shape: tuple[int, ...], *parameters: Any) -> bool:
    """Whether those that are not None are arrays of the dtype of x and of this shape."""
    return all(a is None or (type_of(a) == type_of(x) and a.shape == shape) for a in parameters)


def accumulator(x: Any) -> numpy.dtype:
    """The dtype in which kernels add up the elements of an array."""
    return numpy.dtype("float64" if x.dtype == numpy.float64 else "float32")


def dense(x: Any) -> Any:
    """The array, or a copy of it, row by row in memory."""
    return x if x.flags.c_contiguous else cupy().ascontiguousarray(x)


def collapsed(shape: tuple[int, ...], axis: Any) -> tuple[int, int, int] | None:
    """The shape as (outer, n, inner), where n is over the axes `axis`; None if they are not next to each other."""
    ndim = len(shape)
    if ndim == 0 or isinstance(axis, bool) or wrong_axis(ndim, axis) is not None:
        return None
    axes = range(ndim) if axis is None else sorted(i % ndim for i in (axis if isinstance(axis, tuple) else (axis,)))
    if not axes or axes[-1] - axes[0] != len(axes) - 1:
        return None
    return columns_of(shape, axes[0], axes[-1] + 1)


def columns_of(shape: tuple[int, ...], start: int, stop: int) -> tuple[int, int, int]:
    """The shape as (outer, n, inner), where n is over the axes from `start` to before `stop`."""
    outer = n = inner = 1
    for i, length in enumerate(shape):
        if i < start:
            outer *= length
        elif i < stop:
            n *= length
        else:
            inner *= length
    return outer, n, inner
