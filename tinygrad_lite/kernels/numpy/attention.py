"""Kernels for `ops/attention.py`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import ops
from ...core.blas import one_blas_thread
from ...core.op import kernel
from ...core.threads import run_blocks
from ..heads import heads_alike
from .head_code import heads_backward, heads_forward
from .memory import in_order, scratch
from .row_code import row_code
from .rows import dots, floats, sums

__all__ = ["scaled_dot_product_attention"]


class Scores:
    """elements : how many scores a block has, about: heads times queries times keys. `few` if there are less than two
        such blocks.
    rows : the most queries of a block where later keys are not seen, so that blocks of keys can be left out.
    kept : how many times the memory of the queries their exponentials may take to be kept for the backward pass; the
        scores of longer sequences are computed again, so that the memory grows with the length and not its square.
    together, head : elements of a block of machine code, whose heads threads share, and of one of its heads.
    """

    elements = 1 << 18
    few = 1 << 17
    rows = 128
    kept = 8
    together, head = 1 << 20, 1 << 17


def _taken(
    query: Any, key: Any, value: Any, mask: Any = None, *, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False, rng: Any = None,
) -> bool:  # fmt: skip
    """Arrays with equal axes in front, without dropout; the definition explains what is wrong with others."""
    if not (floats(query) and floats(key) and floats(value)) or dropout_p:
        return False
    if mask is not None and not isinstance(mask, np.ndarray):
        return False
    return heads_alike(query, key, value, mask, is_causal, enable_gqa)


FEW = 8
"""Keys up to which a query's largest score is subtracted in any case: a single key's weight is 1 without rounding."""


class _Attention:
    """One call: queries (..., m, d), keys (..., n, d) and values (..., n, e), and its blocks of heads and queries.

    factor : of the scores; q is multiplied by it. causal : query i sees the keys 0 to i only.
    mask : (..., m or 1, n or 1), or None.
    blocks : indices of heads and queries, those of the same heads in succession; so many are in `strips`.
    totals, shifts : of the exponentials of each block, (..., rows, 1): the sums, and what was subtracted from the
        scores, or None.
    kept : the exponentials of each block, if they are kept.
    native : whether machine code goes through the heads, a block after the other; else blocks are NumPy's calls.
    """

    def __init__(self, query: Any, key: Any, value: Any, mask: Any, causal: bool, factor: float, keep: bool) -> None:
        front, (m, d), n = query.shape[:-2], query.shape[-2:], key.shape[-2]
        self.repeats = 1
        if front != key.shape[:-2]:
            self.repeats = front[-1] // key.shape[-3]
            key, value = (np.repeat(x, self.repeats, axis=-3) for x in (key, value))
        short = n <= Scores.kept * d
        self.q, self.k, self.v = (
            x if short and _in_rows(x) else np.ascontiguousarray(x)
            for x in (query * query.dtype.type(factor), key, value)
        )
        self.causal, self.factor, self.mask = causal, factor, mask
        if mask is not None:
            mask = mask.reshape((1,) * (2 - mask.ndim) + mask.shape)
            self.mask = np.broadcast_to(mask, (*front, *mask.shape[-2:]))
        self.native = mask is None and n > FEW and row_code(heads_forward, query, causal) is not None
        if self.native:
            size, rows = Scores.together, min(m, Scores.rows, max(Scores.head // n, 32))
        else:
            size = Scores.elements if math.prod(front) * m * n >= 2 * Scores.elements else Scores.few
            rows = min(m, max(size // n, 16), Scores.rows if causal else m)
        self.strips = _slices(m, rows)
        self.heads = _parts(front, max(size // (rows * n), 1))
        self.blocks = [(heads, rows) for heads in self.heads for rows in self.strips]
        self.totals: list[Any] = [None] * len(self.blocks)
        self.shifts: list[Any] = [None] * len(self.blocks)
        self.kept: list[np.ndarray] | None = None
        if keep and short:
            self.kept = [np.empty(self._shape(block), query.dtype) for block in self.blocks]
        if causal:
            self._step = np.repeat(np.array([1, 0], query.dtype), max(m, n))

    def keys(self, rows: slice) -> slice:
        """The keys that queries may see."""
        return slice(0, min(rows.stop, self.k.shape[-2]) if self.causal else self.k.shape[-2])

    def _shape(self, block: tuple[Any, slice]) -> tuple[int, ...]:
        heads, rows = block
        return (*self.q[heads].shape[:-2], rows.stop - rows.start, self.keys(rows).stop)

    def _first(self, block: tuple[Any, slice]) -> int | None:
        """From which key on there are some that not all queries of the block see."""
        rows = block[1]
        return rows.start if self.causal and self.keys(rows).stop > rows.start + 1 else None

    def _scores(self, number: int) -> np.ndarray:
        """Where a block's exponentials are written."""
        if self.kept is not None:
            return self.kept[number]
        return scratch("scores", self._shape(self.blocks[number]), self.q.dtype)

    def _fit(self, number: int, total: np.ndarray) -> bool:
        """Whether the sums of exponentials, from which nothing was subtracted, lie where none was too large or small,
        for a query or for a key that it does not see."""
        self.totals[number], limits = total, np.finfo(total.dtype)
        return bool(total.min() > limits.tiny**0.5 and total.max() < limits.max**0.5)

    def by_code(self, number: int, out: np.ndarray) -> bool:
        """Write a block's result; whether its exponentials could be computed without subtracting anything."""
        heads, rows = block = self.blocks[number]
        there, e, first = (*heads, self.keys(rows)), self._scores(number), self._first(block)
        seen = [] if first is None else [self._seen(first, e)]
        total = np.empty((*e.shape[:-1], 1), e.dtype)
        code = row_code(heads_forward, e, first is not None)
        with np.errstate(all="ignore"):
            code(self.q[*heads, rows], self.k[there], self.v[there], *seen, out=(e, total[..., 0], out))
        return self._fit(number, total)

    def gradients_by_code(self, number: int, g: np.ndarray, of_q: np.ndarray, into: tuple[np.ndarray, ...]) -> None:
        """Write a block's gradients of queries, keys and values."""
        heads, rows = block = self.blocks[number]
        there, again = (*heads, self.keys(rows)), self.kept is None and self.shifts[number] is None
        e = self.exponentials(number) if self.kept is None and not again else self._scores(number)
        first, total = self._first(block), self.totals[number]
        seen = [self._seen(first, e)] if again and first is not None else []
        code = row_code(heads_backward, e, again, bool(seen))
        up, of_scores = (scratch(name, shape, e.dtype) for name, shape in (("up", g.shape), ("products", e.shape)))
        weights = (e, np.empty_like(total[..., 0])) if again else (e, total[..., 0])
        given = (g, self.q[*heads, rows], self.k[there], self.v[there], self.factor)
        if again:
            code(*given, *seen, out=(*weights, up, of_scores, of_q, *into))
        else:
            code(*given, *weights, out=(up, of_scores, of_q, *into))

    def exponentials(self, number: int) -> np.ndarray:
        """Those of a block's scores, of its queries and the keys that they may see."""
        heads, rows = block = self.blocks[number]
        keys, q = self.keys(rows), self.q[*heads, rows]
        k, e, first = self.k[*heads, keys].mT, self._scores(number), self._first(block)
        corner = None if first is None else e[..., first:]
        again = self.totals[number] is not None and (not self.native or self.shifts[number] is not None)
        if self.mask is None and not self.native and (self.shifts[number] is None if again else keys.stop > FEW):
            np.matmul(q, k, out=e)
            with np.errstate(over="ignore", invalid="ignore"):
                np.exp(e, out=e)
                if corner is not None:
                    corner *= self._seen(first, e)[:, first:]
                if again or self._fit(number, sums(e)):
                    return e
        np.matmul(q, k, out=e)
        if corner is not None:
            np.copyto(corner, -np.inf, where=self._seen(first, e)[:, first:] == 0)
        elif self.mask is not None:
            mask = self.mask[heads]
            mask = mask[..., rows, :] if mask.shape[-2] > 1 else mask
            if mask.dtype == bool:
                np.copyto(e, -np.inf, where=~mask)
            else:
                e += mask
        if not again:
            self.shifts[number] = shift = np.maximum.reduce(e, axis=-1, keepdims=True)
            if self.causal or self.mask is not None:  # a query without any key has weights 0
                shift[shift == -np.inf] = 0
        e -= self.shifts[number]
        np.exp(e, out=e)
        if not again:
            self.totals[number] = total = sums(e)
            if self.causal or self.mask is not None:
                total[total == 0] = 1
        return e

    def _seen(self, first: int, e: np.ndarray) -> np.ndarray:
        """1 where a key is seen by the queries from `first` on and 0 where not: all rows are parts of one step."""
        step = self._step[self._step.size // 2 - 1 - first :]
        return np.lib.stride_tricks.as_strided(step, e.shape[-2:], (-e.itemsize, e.itemsize), writeable=False)


def _in_rows(x: np.ndarray) -> bool:
    """Whether BLAS takes its matrices as they are."""
    row, element = x.strides[-2:]
    return element == x.itemsize and row % x.itemsize == 0 and row >= x.shape[-1] * x.itemsize


def _slices(count: int, size: int) -> list[slice]:
    blocks = -(-count // size)
    return [slice(i * count // blocks, (i + 1) * count // blocks) for i in range(blocks)]


def _parts(front: tuple[int, ...], size: int) -> list[tuple[slice, ...]]:
    """Indices of parts of arrays with these axes in front, of about so many heads each."""
    if not front:
        return [()]
    inner = math.prod(front[1:])
    whole = (slice(None),) * (len(front) - 1)
    if size >= inner:
        return [(part, *whole) for part in _slices(front[0], size // inner)]
    return [(slice(i, i + 1), *rest) for i in range(front[0]) for rest in _parts(front[1:], size)]


def _alike(x: np.ndarray, width: int) -> np.ndarray:
    """A new array (..., width) whose axes lie in memory as those of x."""
    order = sorted(range(x.ndim - 1), key=lambda axis: -abs(x.strides[axis]))
    return in_order((*x.shape[:-1], width), (*order, x.ndim - 1), x.dtype)


# Forward and backward, (batch, heads, length, width), float32, two threads, of PyTorch's time: causal 0.45 at
# (12, 4, 64, 32), 0.58 at (8, 8, 256, 64), 0.84 at (1, 12, 1024, 64); all keys seen 0.81 at (4, 8, 256, 64), 1.0 to 1.2
# at (1, 12, 1024, 64). In NumPy's calls 0.87, 0.77, 1.08, 0.97 and 1.28. What exponentials are multiplied by is divided
# by their sums, which has less elements: 0.79 to 0.83 of the time at length 1024, with larger blocks.
@kernel(ops.scaled_dot_product_attention, "numpy", when=_taken)
def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, mask: Any = None, *, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False, rng: Any = None, needs: tuple[bool, ...] = (),
) -> Any:  # fmt: skip
    """Blocks of heads and queries. Results lie in memory as the arrays that they belong to."""
    if needs[3:] == (True,):
        return NotImplemented
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    of = _Attention(query, key, value, mask, is_causal, factor, any(needs))
    result = _alike(query, value.shape[-1])

    def work(number: int) -> None:
        heads, rows = of.blocks[number]
        out = result[*heads, rows]
        if of.native and of.by_code(number, out):
            return
        np.matmul(of.exponentials(number), of.v[*heads, of.keys(rows)], out=out)
        out /= of.totals[number]

    if of.native:
        for number in range(len(of.blocks)):
            work(number)
    else:
        with one_blas_thread():
            run_blocks(work, range(len(of.blocks)))
    return result, of


@scaled_dot_product_attention.backward
def _(g: Any, of: _Attention, needs: tuple[bool, ...]) -> tuple:
    """The exponentials once more, block by block, unless they were kept.

    With weights e / t, a cotangent g and c = g v^T / t, that of the scores is e (c - sum(c e) / t), of v e^T (g / t).
    sum(g out) would be less to compute than sum(c e), but not equal to c where one key has all the weight.
    """
    of_q = _alike(of.q, of.q.shape[-1])
    # Blocks of one head add to the same gradients; several threads work on a head if there are few.
    strips = len(of.strips)
    shares = _slices(strips, strips if of.native else -(-strips // max(4 // len(of.heads), 1)))
    of_k, of_v = ([_alike(x, x.shape[-1]) for _ in shares] for x in (of.k, of.v))

    def work(block: tuple[int, int]) -> None:
        head, share = block
        last = shares[share].stop - 1
        for strip in range(last, shares[share].start - 1, -1):
            number = head * strips + strip
            heads, rows = of.blocks[number]
            keys = of.keys(rows)
            here, there = (*heads, rows), (*heads, keys)
            e = of.exponentials(number) if of.kept is None else of.kept[number]
            total = of.totals[number]
            up = g[here] / total
            inner = np.matmul(up, of.v[there].mT, out=scratch("inner", e.shape, e.dtype))
            inner -= dots(inner, e) / total
            inner *= e
            np.matmul(inner, of.k[there], out=of_q[here])
            of_q[here] *= of.factor
            for target, a, b in ((of_k[share], inner, of.q[here]), (of_v[share], e, up)):
                if strip == last:  # which sees most keys
                    np.matmul(a.mT, b, out=target[there])
                    target[*heads, keys.stop :] = 0
                else:
                    target[there] += a.mT @ b

    def by_code(number: int) -> None:
        heads, rows = of.blocks[number]
        keys = of.keys(rows)
        here, there, last = (*heads, rows), (*heads, keys), (number + 1) % strips == 0
        targets = [target[0][there] for target in (of_k, of_v)]
        into = targets if last else [scratch(f"part {i}", x.shape, x.dtype) for i, x in enumerate(targets)]
        of.gradients_by_code(number, ups[here], of_q[here], tuple(into))
        for target, (whole,), part in zip(targets, (of_k, of_v), into, strict=True):
            if last:
                whole[*heads, keys.stop :] = 0
            else:
                target += part

    if of.native:
        ups = g if _in_rows(g) else np.ascontiguousarray(g)
        for number in range(len(of.blocks) - 1, -1, -1):
            by_code(number)
    else:
        with one_blas_thread():
            run_blocks(work, [(head, share) for head in range(len(of.heads)) for share in range(len(shares))])

    def whole(parts: list[np.ndarray]) -> np.ndarray:
        total = parts[0]
        for part in parts[1:]:
            total += part
        if of.repeats == 1:
            return total
        *front, heads, n, width = total.shape
        return total.reshape(*front, heads // of.repeats, of.repeats, n, width).sum(axis=-3)

    return of_q, whole(of_k), whole(of_v), None
