"""Machine code for rows, where the computer has it: each function describes a kernel, `row_code` makes it once a dtype.

Values and gradients are those of the NumPy calls beside which these are used, but for rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...machine import MachineCode
from ...machine.functions import exp_of_negative, log, quiet_exp
from ...machine.rows import SHARED, RowKernel
from ...machine.sequences import LoopSequence
from ...machine.team import assemble
from ...machine.ufuncs import available, where_possible

__all__ = [
    "attention_weights", "attention_weights_gradient", "cross_entropy", "in_rows", "log_softmax", "log_softmax_rule",
    "logsumexp", "logsumexp_rule", "normalised", "normalised_rule", "row_code", "softmax", "softmax_rule",
]  # fmt: skip


def row_code(describe: Callable[..., RowKernel | LoopSequence], like: np.ndarray, *variant: bool) -> Any:
    """The generalized ufunc that a function describes for an array's dtype and further arguments, ready for its size.

    None without machine code.
    """
    if not MachineCode.wanted or not available():
        return None
    if like.size >= SHARED:
        assemble()
    return _made(describe, like.dtype, *variant)


@functools.cache
@where_possible
def _made(describe: Callable[..., RowKernel | LoopSequence], dtype: Any, *variant: bool) -> Any:
    return describe(dtype, *variant).ufunc(describe.__name__)


def in_rows(x: np.ndarray) -> np.ndarray:
    """x as (rows, n), rows contiguous, as the code reads them."""
    rows = x.reshape(-1, x.shape[-1])
    return rows if rows.strides[-1] == rows.itemsize else np.ascontiguousarray(rows)


def softmax(dtype: Any) -> RowKernel:
    """x -> e / sum(e), e = exp(x - max(x))"""
    kernel = RowKernel(dtype, "(n)->(n)")
    lanes, x = kernel.lanes, kernel.operand(0)
    (largest,) = kernel.over_row(maxima=[x])
    e = exp_of_negative(lanes, lanes.subtract(x, largest))
    (total,) = kernel.over_row({1: e}, sums=[e])
    (factor,) = kernel.once(lanes.divide(1.0, total))
    kernel.over_row({1: lanes.multiply(kernel.operand(1), factor)})
    return kernel


def softmax_rule(dtype: Any) -> RowKernel:
    """g, out -> out (g - sum(g out))"""
    kernel = RowKernel(dtype, "(n),(n)->(n)")
    lanes, g, out = kernel.lanes, kernel.operand(0), kernel.operand(1)
    (inner,) = kernel.over_row(sums=[lanes.multiply(g, out)])
    kernel.over_row({2: lanes.multiply(out, lanes.subtract(g, inner))})
    return kernel


def log_softmax(dtype: Any) -> RowKernel:
    """x -> x - max(x) - log(sum(exp(x - max(x))))"""
    kernel = RowKernel(dtype, "(n)->(n)")
    lanes = kernel.lanes
    (largest,) = kernel.over_row(maxima=[kernel.operand(0)])
    below = lanes.subtract(kernel.operand(0), largest)
    (total,) = kernel.over_row(sums=[exp_of_negative(lanes, below)])
    (logarithm,) = kernel.once(log(lanes, total))
    kernel.over_row({1: lanes.subtract(below, logarithm)})
    return kernel


def log_softmax_rule(dtype: Any) -> RowKernel:
    """g, out -> g - exp(out) sum(g)"""
    kernel = RowKernel(dtype, "(n),(n)->(n)")
    lanes, g = kernel.lanes, kernel.operand(0)
    (total,) = kernel.over_row(sums=[g])
    kernel.over_row({2: lanes.subtract(g, lanes.multiply(exp_of_negative(lanes, kernel.operand(1)), total))})
    return kernel


def logsumexp(dtype: Any) -> RowKernel:
    """x -> max(x) + log(sum(exp(x - m))), where m is max(x), or finite if that is infinite"""
    kernel = RowKernel(dtype, "(n)->()")
    lanes, x, huge = kernel.lanes, kernel.operand(0), float(np.finfo(dtype).max)
    (largest,) = kernel.over_row(maxima=[x])
    (finite,) = kernel.once(lanes.least(huge, lanes.greatest(-huge, largest)))
    (total,) = kernel.over_row(sums=[quiet_exp(lanes, lanes.subtract(x, finite))])
    logarithm = log(lanes, lanes.select(lanes.compare(total, "==", 0.0), 1.0, total))
    kernel.once(stores={1: lanes.add(largest, logarithm)})
    return kernel


def logsumexp_rule(dtype: Any) -> RowKernel:
    """g, x, out -> g e / sum(e), e = exp(x - out)"""
    kernel = RowKernel(dtype, "(),(n),()->(n)")
    lanes, out = kernel.lanes, kernel.operand(2)
    (shift,) = kernel.once(lanes.both(lanes.compare(out, "!=", -np.inf), out))
    e = exp_of_negative(lanes, lanes.subtract(kernel.operand(1), shift))
    (total,) = kernel.over_row({3: e}, sums=[e])
    some = lanes.select(lanes.compare(total, "==", 0.0), 1.0, total)
    (factor,) = kernel.once(lanes.divide(kernel.operand(0), some))
    kernel.over_row({3: lanes.multiply(kernel.operand(3), factor)})
    return kernel


def cross_entropy(dtype: Any, smoothed: bool, differentiated: bool) -> RowKernel:
    """logits, target, label smoothing, its share of a class, 1 / rows -> loss, gradient

    Without a gradient, the exponentials are not stored.
    """
    kernel = RowKernel(dtype, "(n),(),(),(),()->()" + differentiated * ",(n)", indices=[1])
    lanes, z = kernel.lanes, kernel.operand(0)
    (largest,) = kernel.over_row(maxima=[z])
    below = lanes.subtract(z, largest)
    e = exp_of_negative(lanes, below)
    total, *others = kernel.over_row({6: e} if differentiated else None, sums=[e, below] if smoothed else [e])
    score, kept, share = lanes.subtract(kernel.operand((0, 1)), largest), 1.0, None
    if smoothed:
        kept = lanes.subtract(1.0, kernel.operand(2))
        share = kernel.operand(3)
        score = lanes.multiply_add(kept, score, lanes.multiply(share, others[0]))
    kernel.once(stores={5: lanes.subtract(log(lanes, total), score)})
    if differentiated:
        each = kernel.operand(4)
        factor, removed = kernel.once(lanes.divide(each, total), lanes.multiply(kept, each))
        gradient = lanes.multiply(kernel.operand(6), factor)
        if share is not None:
            (even,) = kernel.once(lanes.multiply(share, each))
            gradient = lanes.subtract(gradient, even)
        kernel.over_row({6: gradient})
        kernel.once(stores={(6, 1): lanes.subtract(kernel.operand((6, 1)), removed)})
    return kernel


def normalised(dtype: Any, centred: bool, weighted: bool, shifted: bool) -> RowKernel:
    """x, weight, bias, length, eps -> r weight + bias, mean, 1 / deviation, for r = (x - mean) / deviation

    Of what is not there nothing is read. Without `centred` the mean is 0.
    """
    kernel = RowKernel(dtype, "(n),(n),(n),(),()->(n),(),()")
    lanes, x, length, mean = kernel.lanes, kernel.operand(0), kernel.operand(3), kernel.lanes.constant(0.0)
    if centred:
        (total,) = kernel.over_row(sums=[x])
        (mean,) = kernel.once(lanes.divide(total, length))
        x = lanes.subtract(x, mean)
    (squares,) = kernel.over_row(sums=[lanes.multiply(x, x)])
    variance = lanes.add(lanes.divide(squares, length), kernel.operand(4))
    (scale,) = kernel.once(lanes.divide(1.0, lanes.sqrt(variance)))
    kernel.once(stores={6: lanes.add(mean, 0.0), 7: lanes.add(scale, 0.0)})
    out = lanes.multiply(x, scale)
    if weighted:
        out = lanes.multiply(out, kernel.operand(1))
    if shifted:
        out = lanes.add(out, kernel.operand(2))
    kernel.over_row({5: out})
    return kernel


def normalised_rule(dtype: Any, centred: bool, weighted: bool, of_weight: bool, of_bias: bool) -> LoopSequence:
    """For parts of r rows: g, x, weight, mean, 1 / deviation, length, and two rows to which g r and g of the part's are
    added -> gradient of x

    (h - sum(h) / length - r sum(h r) / length) / deviation for h = g weight; without `centred` less the second term.
    """
    kernel = RowKernel(dtype, "(n),(n),(n),(),(),(),(n),(n)->(n)")
    lanes, g, h = kernel.lanes, kernel.operand(0), kernel.operand(0)
    mean, scale = kernel.once(lanes.add(kernel.operand(3), 0.0), lanes.add(kernel.operand(4), 0.0))
    r = lanes.subtract(kernel.operand(1), mean) if centred else kernel.operand(1)
    r = lanes.multiply(r, scale)
    if weighted:
        h = lanes.multiply(g, kernel.operand(2))
    stores = {}
    if of_weight:
        stores[6] = lanes.multiply_add(g, r, kernel.operand(6))
    if of_bias:
        stores[7] = lanes.add(kernel.operand(7), g)
    inner, *total = kernel.over_row(stores, sums=[lanes.multiply(h, r), h] if centred else [lanes.multiply(h, r)])
    (inner,) = kernel.once(lanes.divide(inner, kernel.operand(5)))
    rest = lanes.subtract_product(h, r, inner)
    if centred:
        (average,) = kernel.once(lanes.divide(total[0], kernel.operand(5)))
        rest = lanes.subtract(rest, average)
    kernel.over_row({8: lanes.multiply(rest, scale)})
    parts = LoopSequence(dtype, "(r,n),(r,n),(n),(r),(r),(),(n),(n)->(r,n)", SHARED)
    parts.rows(kernel, "r", "n", list(range(9)))
    return parts


def attention_weights(dtype: Any, some_unseen: bool) -> RowKernel:
    """scores[, seen] -> e, sum(e), where e = exp(scores), or 0 where `seen` is"""
    kernel = RowKernel(dtype, "(n),(n)->(n),()" if some_unseen else "(n)->(n),()")
    lanes, result = kernel.lanes, 1 + some_unseen
    e = quiet_exp(lanes, kernel.operand(0))
    if some_unseen:
        e = lanes.both(lanes.compare(kernel.operand(1), "!=", 0.0), e)
    (total,) = kernel.over_row({result: e}, sums=[e])
    kernel.once(stores={result + 1: total})
    return kernel


def attention_weights_gradient(dtype: Any) -> RowKernel:
    """c, e, total -> e (c - sum(c e) / total)"""
    kernel = RowKernel(dtype, "(n),(n),()->(n)")
    lanes, c, e = kernel.lanes, kernel.operand(0), kernel.operand(1)
    (inner,) = kernel.over_row(sums=[lanes.multiply(c, e)])
    (shift,) = kernel.once(lanes.divide(inner, kernel.operand(2)))
    kernel.over_row({3: lanes.multiply(e, lanes.subtract(c, shift))})
    return kernel
