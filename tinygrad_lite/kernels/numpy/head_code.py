"""Attention of a head as machine code: its products and what is between them, one after the other.

Operands: queries (m, d), keys (n, d), values (n, v); exponentials (m, n), their sums (m,).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...machine.lanes import Lanes, Value
from ...machine.rows import RowKernel
from ...machine.sequences import LoopSequence
from .row_code import attention_weights, attention_weights_gradient

__all__ = ["heads_backward", "heads_forward"]

SHARED = 1 << 22
"""The product of all axes' lengths from which on threads share the heads: about 10 us."""


def _by_a_number(dtype: Any, how: Callable[[Lanes, Value, Value], Value]) -> RowKernel:
    """x, y -> x / y or x y, for a number y"""
    kernel = RowKernel(dtype, "(n),()->(n)")
    (y,) = kernel.once(kernel.lanes.add(kernel.operand(1), 0.0))
    kernel.over_row({2: how(kernel.lanes, kernel.operand(0), y)})
    return kernel


def heads_forward(dtype: Any, some_unseen: bool) -> LoopSequence:
    """queries, keys, values[, seen] -> exponentials, sums, result; `seen` (m, n) is 0 where a key is not seen."""
    seen = [3] if some_unseen else []
    e = 3 + len(seen)
    total, out = e + 1, e + 2
    heads = LoopSequence(dtype, f"(m,d),(n,d),(n,v){',(m,n)' if seen else ''}->(m,n),(m),(m,v)", SHARED)
    heads.product((0, "m", "d"), (1, "d", "n"), e)
    heads.rows(attention_weights(dtype, some_unseen), "m", "n", [e, *seen, e, total])
    heads.product((e, "m", "n"), (2, "n", "v"), out)
    heads.rows(_by_a_number(dtype, Lanes.divide), "m", "v", [out, total, out])
    return heads


def heads_backward(dtype: Any, again: bool, some_unseen: bool) -> LoopSequence:
    """g, queries, keys, values, factor, exponentials, sums -> g / sums, the gradients of scores, queries, keys, values

    With `again`, instead of exponentials and sums, [seen] -> exponentials, sums, and the rest.
    """
    seen = [5] if again and some_unseen else []
    e = 5 + len(seen)
    total, up, of_scores, of_q, of_k, of_v = range(e + 1, e + 7)
    inputs = ["m,v", "m,d", "n,d", "n,v", "", *["m,n"] * len(seen)]
    results = ["m,v", "m,n", "m,d", "n,d", "n,v"]
    if again:
        results = ["m,n", "m", *results]
    else:
        inputs += ["m,n", "m"]
    given, made = (",".join(f"({axes})" for axes in operands) for operands in (inputs, results))
    heads = LoopSequence(dtype, f"{given}->{made}", SHARED)
    if again:
        heads.product((1, "m", "d"), (2, "d", "n"), e)
        heads.rows(attention_weights(dtype, some_unseen), "m", "n", [e, *seen, e, total])
    heads.rows(_by_a_number(dtype, Lanes.divide), "m", "v", [0, total, up])
    heads.product((up, "m", "v"), (3, "v", "n"), of_scores)
    heads.rows(attention_weights_gradient(dtype), "m", "n", [of_scores, e, total, of_scores])
    heads.product((of_scores, "m", "n"), (2, "n", "d"), of_q)
    heads.rows(_by_a_number(dtype, Lanes.multiply), "m", "d", [of_q, 4, of_q])
    heads.product((of_scores, "n", "m"), (1, "m", "d"), of_k)
    heads.product((e, "n", "m"), (up, "m", "v"), of_v)
    return heads
