"""Kernels for `ops/attention.py`: no scores in memory, so that it grows with the length and not its square.

Attention and its gradients are cuDNN's where it is installed and takes them, see `cudnn_attention.py`.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy

from ... import ops
from ...core.backend import backend_of
from ...core.op import kernel
from ...cuda.module import Module, cupy
from ...cuda.source import CudaSource, c_type
from ..heads import heads_alike
from . import cudnn_attention

__all__ = ["Attention", "scaled_dot_product_attention"]

SIXTEEN = ("float16", "bfloat16")
LENGTHS = (64, 128)
"""To which of these the rows of queries, keys and values are filled up on the chip; longer ones are declined."""

TILES = {64: 64, 128: 32}
"""For each length, how many rows of the other side a block works on at a time."""

NO_MASK, CAUSAL, BOOLEANS, NUMBERS = range(4)

PLAIN = CudaSource(
    __file__,
    [
        {"T": "float", "DIM": dim, "TILE": TILES[dim], "MASK": mask} for dim in LENGTHS for mask in range(4)
    ],
)  # fmt: skip
TENSOR = CudaSource(
    __file__.replace("attention.py", "attention_mma.py"),
    [
        {"T": c_type(dtype), "DIM": dim, "STEP": TILES[dim], "MASK": mask}
        for dtype in SIXTEEN for dim in LENGTHS for mask in range(4)
    ],
)  # fmt: skip


class _Way(NamedTuple):
    """Which source computes a call.

    own : rows of a block. threads : of a block. shared : bytes of shared memory, of the three kernels in turn.
    """

    module: Module
    own: int
    threads: int
    shared: tuple[int, int, int]


def _way(dtype: Any, longest: int, mask: int) -> _Way:
    dim = next(length for length in LENGTHS if longest <= length)
    step = TILES[dim]
    if dtype.name in SIXTEEN:
        row = 2 * (dim + 8)
        backward = 2 * (64 + step) * row
        module = TENSOR(T=c_type(dtype), DIM=dim, STEP=step, MASK=mask)
        return _Way(module, 64, 128, (3 * 64 * row, backward + 8 * 64, backward + 8 * step))
    rows, scores = 4 * step * (dim + 1), 4 * step * (step + 1)
    module = PLAIN(T="float", DIM=dim, TILE=step, MASK=mask)
    backward = 3 * rows + scores + 8 * step
    return _Way(module, step, (step // 4) ** 2, (2 * rows + scores, backward, backward))


@functools.cache
def _is_recent(library: Any, device: int) -> bool:
    """Whether the device is of 2020 or later (Ampere).

    Then it has instructions for products of 16-bit matrices that keep float32 sums, of bfloat16 too, and a block may
    have more than 64 KiB of shared memory, which rows of 64 elements of float32 need in the backward pass.
    """
    return int(library.cuda.Device(device).compute_capability) >= 80


def _taken(
    query: Any, key: Any, value: Any, mask: Any = None, *, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False, rng: Any = None,
) -> bool:  # fmt: skip
    """Arrays with equal axes in front and rows that are not too long, without dropout."""
    arrays = (query, key, value)
    if dropout_p or any(not hasattr(x, "dtype") or x.dtype != query.dtype or not x.size for x in arrays):
        return False
    if query.dtype.name not in (*SIXTEEN, "float32") or not _is_recent(cupy(), query.device.id):
        return False
    longest = max(x.shape[-1] if x.ndim else 0 for x in arrays)
    return longest <= LENGTHS[-1] and heads_alike(query, key, value, mask, is_causal, enable_gqa)


def _stacked(x: Any) -> Any:
    """x as (outer, heads, rows, columns) with neighbouring columns: a view where its strides allow, else a copy."""
    xp = backend_of(x).xp
    if x.strides[-1] != x.itemsize and x.shape[-1] > 1:
        x = xp.ascontiguousarray(x)
    return x if x.ndim == 4 else xp.reshape(x, (-1, x.shape[-3] if x.ndim > 2 else 1, *x.shape[-2:]))


def _strides(x: Any, count: int) -> tuple[int, ...]:
    """The first strides, in elements."""
    return tuple(stride // x.itemsize for stride in x.strides[:count])


class Attention:
    """One call: its arrays as stacks, and the kernels for them."""

    def __init__(self, query: Any, key: Any, value: Any, mask: Any, causal: bool, scale: float | None) -> None:
        self.shapes = [x.shape for x in (query, key, value)]
        self.q, self.k, self.v = map(_stacked, (query, key, value))
        outer, self.heads, self.m, self.d = self.q.shape
        self.stacks, self.shared_stacks = outer * self.heads, outer * self.k.shape[1]
        self.n, self.e = self.v.shape[2:]
        self.factor = numpy.float32(self.d**-0.5 if scale is None else scale)
        kind = CAUSAL if causal else NO_MASK if mask is None else BOOLEANS if mask.dtype == bool else NUMBERS
        self.is_causal, self.has_mask = causal, mask is not None
        self.mask = self._full(mask, query.shape[:-2])
        self.way = _way(query.dtype, max(self.d, self.e), kind)
        self.xp = backend_of(query).xp

    def _full(self, mask: Any, front: tuple[int, ...]) -> tuple[Any, ...]:
        """The mask as an argument and its four strides, 0 along axes that it does not have."""
        if mask is None:
            return (None, 0, 0, 0, 0)
        xp = backend_of(mask).xp
        mask = xp.broadcast_to(mask, (*front, self.m, self.n))
        if mask.ndim > 4:
            mask = xp.reshape(mask, (-1, *mask.shape[-3:]))
        return (mask, *(0,) * (4 - mask.ndim), *_strides(mask, mask.ndim))

    def launch(self, name: str, which: int, rows: int, stacks: int, others: tuple[Any, ...], numbers: tuple) -> None:
        """Start a kernel whose blocks own `rows` rows of `stacks` matrices between them."""
        arrays = [part for x in (self.q, self.k, self.v) for part in (x, *_strides(x, 3))]
        passed = [part for x in others for part in (x, *_strides(x, 3))]
        sizes = (self.heads, self.heads // self.k.shape[1], self.m, self.n, self.d, self.e, self.factor)
        blocks = math.ceil(rows / self.way.own) * stacks
        args = [*arrays, *self.mask, *passed, *numbers, *sizes]
        self.way.module.launch(name, blocks, self.way.threads, args, self.way.shared[which])


# Forward and backward, not measured yet: nothing of size (m, n) is kept or moved.
@kernel(ops.scaled_dot_product_attention, "cupy", when=_taken)
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, mask: Any = None, *, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False, rng: Any = None, needs: tuple[bool, ...] = (),
) -> Any:  # fmt: skip
    """Keeps the results and, for each query, the logarithm of the sum of its exponentials.

    Scores and sums are in float32. It declines where a mask needs a gradient.
    """
    if any(needs[3:]):
        return NotImplemented
    call = Attention(query, key, value, mask, is_causal, scale)
    out = call.xp.empty((*query.shape[:-1], value.shape[-1]), query.dtype)
    stacked = _stacked(out)
    logs = None if call.has_mask else cudnn_attention.forward(call, stacked)
    if logs is None:
        logs = call.xp.empty(call.stacks * call.m, numpy.float32)
        call.launch("attention_forward", 0, call.m, call.stacks, (stacked,), (logs,))
    return out, (call, stacked, logs)


@scaled_dot_product_attention.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    call, out, logs = saved
    xp, up = call.xp, _stacked(g)
    found = None if call.has_mask else cudnn_attention.backward(call, out, up, logs)
    if found is not None:
        return (*[x if needed else None for x, needed in zip(found, needs, strict=False)], None)
    dots = xp.empty_like(logs)
    args = (up, *_strides(up, 3), out, *_strides(out, 3), dots, call.heads, call.m, call.e, dots.size)
    call.way.module.launch("attention_dots", min(math.ceil(dots.size / 4), 1 << 16), 128, args)
    of_query = of_key = of_value = None
    if needs[0]:
        of_query = xp.empty(call.shapes[0], out.dtype)
        call.launch("attention_query_gradient", 1, call.m, call.stacks, (up, _stacked(of_query)), (logs, dots))
    if needs[1] or needs[2]:
        of_key, of_value = (xp.empty(shape, out.dtype) for shape in call.shapes[1:])
        results = (up, _stacked(of_key), _stacked(of_value))
        call.launch("attention_key_gradients", 2, call.n, call.shared_stacks, results, (logs, dots))
    return of_query, of_key, of_value, None
