"""Kernels for what `ops/normalization.py` does with channels."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ... import ops
from ...core.axes import axes_of, wrong_axis
from ...core.op import kernel
from ...cuda.module import cupy
from ...cuda.source import CudaSource
from .rows import COLUMN_THREADS, TYPES, Limits, accumulator, dense, floats, parameters_fit, type_of

__all__ = ["batch_norm", "batch_norm_training", "moments"]

SOURCE = CudaSource(__file__, [{"T": T} for T in TYPES])

BLOCKS = 528
"""Blocks that fill a GPU: with fewer, positions are divided into parts; with 4 times as many, pieces have several
examples. Not asked of the device, so that results are equal on all."""

PART = 1 << 13
"""Positions of a part, at least."""

COLUMN_PART = 4
"""Elements of a column that a thread adds up, at least, where there are so many."""


class Channels(NamedTuple):
    """How an array with an axis of channels lies in memory, and what threads do with it; see `channels.cu`.

    order : its axes by their place in memory.
    examples, channels, n : the lengths before, of and behind the channels' axis there.
    several, parts, length : a piece has `length` positions of `several` examples; `parts` such are in an example.
    lanes : the threads of a piece. blocks, threads : of a launch.
    suffix : the end of the kernels' names.
    """

    order: tuple[int, ...]
    examples: int
    channels: int
    n: int
    several: int
    parts: int
    length: int
    lanes: int
    blocks: int
    threads: Any
    suffix: str

    @classmethod
    def of(cls, x: Any, axis: int) -> Channels:
        """Of an array whose channels are on `axis`; one that no order of axes makes contiguous is to be copied."""
        order = tuple(range(x.ndim))
        if not x.flags.c_contiguous:
            order = tuple(sorted(order, key=lambda i: -x.strides[i]))
            if not cupy().transpose(x, order).flags.c_contiguous:
                order = tuple(range(x.ndim))
        lengths, place = [x.shape[i] for i in order], order.index(axis % x.ndim)
        examples, channels, n = math.prod(lengths[:place]), lengths[place], math.prod(lengths[place + 1 :])
        width = 16 // x.itemsize
        packs = (channels if n == 1 else n) % width == 0 and x.data.ptr % 16 == 0
        suffix, width = ("packs", width) if packs else ("single", 1)
        if n == 1:
            wide = min(1 << (-(-channels // width) - 1).bit_length(), 32)
            across, high = -(-channels // (wide * width)), COLUMN_THREADS // wide
            several = min(max(examples * across // BLOCKS, COLUMN_PART * high), examples)
            sizes = (several, 1, 1, 0, across * -(-examples // several), (wide, high))
            return cls(order, examples, channels, n, *sizes, f"columns_{suffix}")
        lanes = min(1 << (-(-n // (4 * width)) - 1).bit_length(), COLUMN_THREADS)
        threads = lanes if lanes > 32 else COLUMN_THREADS  # a piece has some lanes of a warp, or a whole block
        blocks = -(-examples * channels * lanes // threads)
        parts = max(min(BLOCKS // blocks, n // PART), 1)
        length = -(-n // (parts * width)) * width
        parts, several = -(-n // length), max(min(blocks // (4 * BLOCKS), examples), 1)
        groups = -(-examples // several)
        blocks = -(-groups * parts * channels * lanes // threads)
        return cls(order, examples, channels, n, several, parts, length, lanes, blocks, threads, suffix)

    @property
    def pieces(self) -> int:
        """How many each channel has."""
        return -(-self.examples // self.several) * self.parts

    def given(self, x: Any) -> Any:
        """An array of the same shape, or a copy, that lies so."""
        laid = dense(cupy().transpose(x, self.order))
        return laid.copy() if self.suffix.endswith("packs") and laid.data.ptr % 16 else laid

    def empty(self, x: Any) -> Any:
        """Memory for an array as x that lies so."""
        made = cupy().empty([x.shape[i] for i in self.order], x.dtype)
        return cupy().transpose(made, sorted(range(x.ndim), key=self.order.__getitem__))

    def partial(self, x: Any) -> Any:
        """Memory for a number of each piece of each channel."""
        return cupy().empty((self.pieces, self.channels), accumulator(x))

    def launch(self, x: Any, name: str, *args: Any) -> None:
        """Start a kernel for all elements."""
        sizes = (self.examples, self.channels, self.n, self.several, self.parts, self.length)
        lanes = (self.lanes,) if self.lanes else ()
        blocks = min(self.blocks, Limits.blocks)
        SOURCE(T=type_of(x)).launch(f"{name}_{self.suffix}", blocks, self.threads, (*args, *sizes, *lanes))

    def finish(self, x: Any, name: str, *args: Any, blocks: int | None = None) -> None:
        """Start a kernel for the channels, 32 of them in a block where no number of blocks is given."""
        sizes = (self.examples, self.channels, self.n, self.several, self.parts, self.length)
        threads = (32, COLUMN_THREADS // 32)
        blocks = -(-self.channels // 32) if blocks is None else blocks
        SOURCE(T=type_of(x)).launch(name, blocks, threads, (*args, *sizes))

    def moments(self, x: Any, laid: Any, *results: Any) -> None:
        """Write the means and variances of the channels, rounded and not, where there is memory for them."""
        parts = [self.partial(x) for _ in range(2)]
        self.launch(x, "moments", laid, *parts)
        self.finish(x, "joined", laid, *parts, *results)


def _all_but_one(x: Any, *, axis: Any = None, keepdims: bool = False) -> bool:
    """Moments over all axes but one."""
    if not floats(x) or isinstance(axis, bool) or wrong_axis(x.ndim, axis) is not None:
        return False
    return len(axes_of(axis, x.ndim)) == x.ndim - 1


@kernel(ops.moments, "cupy", when=_all_but_one)
def moments(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Those of pieces of channels first."""
    axes = axes_of(axis, x.ndim)
    (kept,) = (i for i in range(x.ndim) if i not in axes)
    plan = Channels.of(x, kept)
    shape = tuple(n if i == kept else 1 for i, n in enumerate(x.shape)) if keepdims else (plan.channels,)
    mean, variance = (cupy().empty(shape, x.dtype) for _ in range(2))
    plan.moments(x, plan.given(x), mean, variance, None, None)
    return mean, variance


def _channels(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, *, axis: int = 1, eps: float = 1e-5
) -> bool:
    """Parameters of the dtype of x; the definition explains what is wrong."""
    return (
        floats(x)
        and type(axis) is int
        and -x.ndim <= axis < x.ndim
        and parameters_fit(x, (x.shape[axis],), mean, var, weight, bias)
    )


@kernel(ops.batch_norm, "cupy", when=_channels)
def batch_norm(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, *, axis: int = 1, eps: float = 1e-5
) -> Any:
    """Keeps no array beside the input. Results lie in memory as it does."""
    plan, kind = Channels.of(x, axis), accumulator(x)
    statistics = [dense(a.astype(kind, copy=False)) for a in (mean, var)]
    parameters = (*statistics, *_parameters(weight, bias), kind.type(eps), 1, plan.channels)
    out = plan.empty(x)
    plan.launch(x, "forward", plan.given(x), out, *parameters)
    return out, (x, parameters, plan)


@batch_norm.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    x, parameters, plan = saved
    g = g.astype(x.dtype, copy=False)
    of_x = plan.empty(x) if needs[0] else None
    sums = [plan.partial(x) if any(needs[1:]) else None for _ in range(2)]
    plan.launch(x, "backward", plan.given(g), plan.given(x), of_x, *sums, None, None, *parameters)
    if not any(needs[1:]):
        return (of_x, None, None, None, None)[: len(needs)]
    found = [_column(x, plan.channels, needed) for needed in (*needs, False, False)[1:5]]
    plan.finish(x, "finished", *sums, None, None, *found, None, None, *parameters)
    return (of_x, *found)[: len(needs)]


def _own(x: Any, weight: Any = None, bias: Any = None, *, axis: int = 1, eps: float = 1e-5) -> bool:
    """Several values in each channel, and parameters of the dtype of x."""
    return _channels(x, None, None, weight, bias, axis=axis) and x.size >= 2 * x.shape[axis]


@kernel(ops.batch_norm_training, "cupy", when=_own)
def batch_norm_training(x: Any, weight: Any = None, bias: Any = None, *, axis: int = 1, eps: float = 1e-5) -> Any:
    """As `batch_norm`; the statistics that it keeps are not rounded to 16 bits."""
    plan, kind = Channels.of(x, axis), accumulator(x)
    exact = [cupy().empty(plan.channels, kind) for _ in range(2)]
    given = exact if kind == x.dtype else [cupy().empty(plan.channels, x.dtype) for _ in range(2)]
    laid, out = plan.given(x), plan.empty(x)
    plan.moments(x, laid, *(given if kind != x.dtype else (None, None)), *exact)
    parameters = (*exact, *_parameters(weight, bias), kind.type(eps), 1, plan.channels)
    plan.launch(x, "forward", laid, out, *parameters)
    return (out, *given), (x, parameters, plan)


@batch_norm_training.backward
def _(g: tuple, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    x, parameters, plan = saved
    up, *of_statistics = (None if part is None else part.astype(x.dtype, copy=False) for part in g)
    up = plan.given(cupy().zeros(x.shape, x.dtype) if up is None else up)
    sums, laid = [plan.partial(x) for _ in range(2)], plan.given(x)
    plan.launch(x, "backward", up, laid, None, *sums, None, None, *parameters)
    found = [_column(x, plan.channels, needed) for needed in needs[1:3]]
    corrections = [cupy().empty(plan.channels, accumulator(x)) if needs[0] else None for _ in range(2)]
    plan.finish(x, "finished", *sums, *_parameters(*of_statistics), None, None, *found, *corrections, *parameters)
    if not needs[0]:
        return None, *found
    of_x = plan.empty(x)
    plan.launch(x, "backward", up, laid, of_x, None, None, *corrections, *parameters)
    return of_x, *found


def _parameters(*parameters: Any) -> list[Any]:
    return [None if a is None else dense(a) for a in parameters]


def _column(x: Any, channels: int, needed: bool) -> Any:
    """Memory for a number of each channel, if that is needed."""
    return cupy().empty((channels,), x.dtype) if needed else None
