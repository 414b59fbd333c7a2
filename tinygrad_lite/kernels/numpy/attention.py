"""Kernels for `ops/attention.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...core.blas import one_blas_thread
from ...core.op import kernel
from ...core.threads import run_blocks
from .memory import scratch
from .rows import dots, floats, sums

__all__ = ["scaled_dot_product_attention"]


class Scores:
    """elements : how many scores a block has, about: heads times queries times keys.

    rows : the most queries of a block where later keys are not seen, so that blocks of keys can be left out.
    kept : how many times the memory of the queries their exponentials may take to be kept for the backward pass; the
        scores of longer sequences are computed again, so that the memory grows with the length and not its square.
    """

    elements = 1 << 17
    rows = 128
    kept = 8


def _heads_alike(
    query: Any, key: Any, value: Any, mask: Any = None, *, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False, rng: Any = None,
) -> bool:  # fmt: skip
    """Arrays with equal axes in front, without dropout; the definition explains what is wrong with others."""
    if not (floats(query) and floats(key) and floats(value)) or dropout_p:
        return False
    if min(query.ndim, key.ndim) < (3 if enable_gqa else 2):
        return False
    if query.dtype != key.dtype or query.dtype != value.dtype or key.shape[:-1] != value.shape[:-1]:
        return False
    front = query.shape[:-2]
    if query.shape[-1] != key.shape[-1] or len(front) != key.ndim - 2:
        return False
    grouped = enable_gqa and front and front[:-1] == key.shape[:-3] and front[-1] % key.shape[-3] == 0
    if front != key.shape[:-2] and not grouped:
        return False
    if mask is None:
        return True
    if is_causal or not isinstance(mask, np.ndarray) or mask.dtype not in (np.dtype(bool), query.dtype):
        return False
    whole = (*front, query.shape[-2], key.shape[-2])
    return mask.ndim <= len(whole) and all(a in (1, b) for a, b in zip(mask.shape[::-1], whole[::-1], strict=False))


MODERATE = 10.0
"""The largest score whose exponential is computed without subtracting the query's largest score before."""

FEW = 8
"""Keys up to which that is subtracted in any case: the weight of a single key is 1 without rounding."""


class _Attention:
    """One call: queries (heads, m, d), keys (heads, n, d) and values (heads, n, e), and its blocks.

    factor : of the scores. causal : query i sees the keys 0 to i only. mask : (heads, m or 1, n or 1), or None.
    exponentials : e**(score - shift), (heads, m, n), if they are kept.
    """

    def __init__(self, query: Any, key: Any, value: Any, mask: Any, causal: bool, factor: float, keep: bool) -> None:
        self.front, self.repeats = query.shape[:-2], 1
        if self.front != key.shape[:-2]:
            self.repeats = self.front[-1] // key.shape[-3]
            key, value = (np.repeat(x, self.repeats, axis=-3) for x in (key, value))
        self.q, self.k, self.v = (x.reshape(-1, *x.shape[-2:]) for x in (query, key, value))
        self.causal, self.factor, self.masked = causal, factor, causal or mask is not None
        self.mask = None
        if mask is not None:
            mask = mask.reshape((1,) * (2 - mask.ndim) + mask.shape)
            last = mask.shape[-2:]
            self.mask = np.broadcast_to(mask, (*self.front, *last)).reshape(-1, *last)
        heads, m, d = self.q.shape
        n = self.k.shape[1]
        rows = min(m, max(Scores.elements // n, 16), Scores.rows if causal else m)
        self.rows = _slices(m, rows)
        self.heads = _slices(heads, max(Scores.elements // (rows * n), 1))
        self.exponentials = np.empty((heads, m, n), query.dtype) if keep and n <= Scores.kept * d else None

    def keys(self, rows: slice) -> slice:
        """The keys that queries may see."""
        return slice(0, min(rows.stop, self.k.shape[1]) if self.causal else self.k.shape[1])

    def scores(self, heads: slice, rows: slice) -> tuple[np.ndarray, bool]:
        """Those of some queries with the keys that they may see, -inf where they do not.

        Also whether their exponentials are neither large nor small as they are.
        """
        q, keys = self.q[heads, rows] * self.factor, self.keys(rows)
        if self.exponentials is None:
            out = scratch("scores", (*q.shape[:2], keys.stop), q.dtype)
        else:
            out = self.exponentials[heads, rows, keys]
        np.matmul(q, self.k[heads, keys].mT, out=out)
        # Two numbers of a block are found in a fifth of the time of the largest of each query.
        moderate = self.mask is None and keys.stop > FEW and out.max() <= MODERATE and out.min() >= -MODERATE
        if self.causal and keys.stop > rows.start + 1:
            corner = out[..., rows.start :]
            i, j = (np.arange(length) for length in corner.shape[1:])
            np.copyto(corner, -np.inf, where=i[:, None] < j)
        elif self.mask is not None:
            mask = self.mask[heads]
            mask = mask[:, rows] if mask.shape[1] > 1 else mask
            if mask.dtype == bool:
                np.copyto(out, -np.inf, where=~mask)
            else:
                out += mask
        return out, bool(moderate)


def _add(target: np.ndarray, a: np.ndarray, b: np.ndarray, first: bool) -> None:
    """Adds a product to what is there, which is 0 at first."""
    if first:
        np.matmul(a, b, out=target)
    else:
        target += a @ b


def _slices(count: int, size: int) -> list[slice]:
    blocks = -(-count // size)
    return [slice(i * count // blocks, (i + 1) * count // blocks) for i in range(blocks)]


# Forward and backward, causal, (batch, heads, length, width), float32, in processor time: 0.71 at (12, 4, 64, 32), 0.61
# at (4, 8, 256, 64), 0.54 at (2, 4, 1024, 64); all keys seen 1.07, 0.91 and, in less memory, 1.15. Causal, of
# PyTorch's: 1.4 at (12, 4, 64, 32), 0.8 at (2, 8, 1024, 64).
@kernel(ops.scaled_dot_product_attention, "numpy", when=_heads_alike)
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, mask: Any = None, *, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False, rng: Any = None, needs: tuple[bool, ...] = (),
) -> Any:  # fmt: skip
    """Blocks of heads and queries. Keeps shifts and sums, from which the weights are computed again."""
    if needs[3:] == (True,):
        return NotImplemented
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    of = _Attention(query, key, value, mask, is_causal, factor, any(needs))
    out = np.empty((*of.q.shape[:2], of.v.shape[2]), query.dtype)
    shifts, totals = (np.zeros((*of.q.shape[:2], 1), query.dtype) for _ in range(2))

    def work(block: tuple[slice, slice]) -> None:
        shift, part = shifts[block], out[block]
        e, moderate = of.scores(*block)
        if not moderate:
            np.maximum.reduce(e, axis=2, keepdims=True, out=shift)
            if of.masked:  # a query without any key has weights 0
                shift[shift == -np.inf] = 0
            e -= shift
        total = sums(np.exp(e, out=e))
        if of.masked:
            total[total == 0] = 1
        totals[block] = total
        np.matmul(e, of.v[block[0], of.keys(block[1])], out=part)
        part /= total

    with one_blas_thread():
        run_blocks(work, [(heads, rows) for heads in of.heads for rows in of.rows])
    return out.reshape(*of.front, *out.shape[1:]), (of, shifts, totals, key.shape, value.shape)


@scaled_dot_product_attention.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    """The weights once more, block by block, unless they were kept."""
    of, shifts, totals, key_shape, value_shape = saved
    ups = g.reshape(*of.q.shape[:2], -1)
    of_q = np.empty(of.q.shape, of.q.dtype)
    # Blocks of one head add to the same gradients; several threads work on a head if there are few.
    shares = _slices(len(of.rows), -(-len(of.rows) // max(4 // len(of.heads), 1)))
    of_k, of_v = (np.zeros((len(shares), *x.shape), x.dtype) for x in (of.k, of.v))

    def work(block: tuple[slice, int]) -> None:
        heads, share = block
        for rows in of.rows[shares[share]]:
            here, keys = (heads, rows), of.keys(rows)
            up, total, part = ups[here], totals[here], of_q[here]
            if of.exponentials is None:
                e, moderate = of.scores(*here)
                if not moderate:
                    e -= shifts[here]
                np.exp(e, out=e)
            else:
                e = of.exponentials[heads, rows, keys]
            first = rows is of.rows[shares[share]][0]
            _add(of_v[share, heads, keys], e.mT, up / total, first)
            inner = np.matmul(up, of.v[heads, keys].mT, out=scratch("inner", e.shape, e.dtype))
            inner -= dots(inner, e) / total
            inner *= e
            factor = of.factor / total
            np.matmul(inner, of.k[heads, keys], out=part)
            part *= factor
            _add(of_k[share, heads, keys], inner.mT, of.q[here] * factor, first)

    with one_blas_thread():
        run_blocks(work, [(heads, share) for heads in of.heads for share in range(len(shares))])

    def whole(parts: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        total = parts[0] if len(parts) == 1 else np.add.reduce(parts, axis=0)
        if of.repeats > 1:
            total = total.reshape(*of.front[:-1], shape[-3], of.repeats, *shape[-2:]).sum(axis=-3)
        return total.reshape(shape)

    return of_q.reshape(*of.front, *of_q.shape[1:]), whole(of_k, key_shape), whole(of_v, value_shape), None
