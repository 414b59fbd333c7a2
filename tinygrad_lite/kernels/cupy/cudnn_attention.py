"""Attention by cuDNN, where it is installed, for queries, keys and values of 16 bits without a mask, causal or not.

It keeps what this package's own kernels keep, the logarithm of the sum of exponentials of each query, so that either
may compute the gradients of what the other has computed: cuDNN declines them where its workspace would be too large,
see `cuda/cudnn.py`. Masks are not for it: it adds them to the scores, and a query that sees no key, which only the
mask's elements tell, would get no number where the definition says 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy

from ...cuda.cudnn import ALIGNMENT, Call, Spec, contiguous, plans
from ...cuda.module import cupy

if TYPE_CHECKING:
    from .attention import Attention

__all__ = ["backward", "forward"]


def forward(call: Attention, out: Any) -> Any:
    """Write on `out` (outer, heads, m, e); returns the logarithms (outer * heads * m,), or None if cuDNN declines."""
    inputs = [call.q, call.k, call.v]
    if not _served(*inputs):
        return None
    rows = (*out.shape[:3], 1)
    outputs = _spec(out), Spec(rows, contiguous(rows), "float32")
    described = Call("sdpa", tuple(map(_spec, inputs)), outputs, (*_options(call), ("generate_stats", True)))
    plan = plans(cupy()).find(described, *inputs)
    if plan is None:
        return None
    logs = call.xp.empty(out.size // out.shape[3], numpy.float32)
    plan.run(*inputs, out, logs)
    return logs


def backward(call: Attention, out: Any, g: Any, logs: Any) -> list[Any] | None:
    """The gradients of query, key and value; None if cuDNN declines.

    out, logs : what the forward pass found. g : the cotangent, of the shape of `out`.
    """
    inputs = [call.q, call.k, call.v, out, g]
    if not _served(*inputs):
        return None
    rows = (*out.shape[:3], 1)
    specs = *map(_spec, inputs), Spec(rows, contiguous(rows), "float32")
    options = (*_options(call), ("use_deterministic_algorithm", True))
    outputs = tuple([Spec(x.shape, contiguous(x.shape), x.dtype.name) for x in inputs[:3]])
    plan = plans(cupy()).find(Call("sdpa_backward", specs, outputs, options), *inputs, logs)
    if plan is None:
        return None
    found = [call.xp.empty(shape, out.dtype) for shape in call.shapes]
    plan.run(*inputs, logs, *found)
    return found


def _options(call: Attention) -> tuple[tuple[str, Any], ...]:
    """The factor, and that query i sees the keys 0 to i: no score right of the diagonal."""
    causal = (("diagonal_band_right_bound", 0),) * call.is_causal
    return (("attn_scale", float(call.factor)), *causal)


def _served(*arrays: Any) -> bool:
    """Whether they are of 16 bits and have rows of a multiple of 16 bytes in one piece, at addresses of that kind."""
    return plans(cupy()).library() is not None and not any(
        x.itemsize != 2
        or x.strides[3] != 2
        or x.shape[3] * 2 % ALIGNMENT
        or any(stride % ALIGNMENT or stride <= 0 for stride in x.strides[:3])
        for x in arrays
    )


def _spec(x: Any) -> Spec:
    return Spec(x.shape, tuple([stride // x.itemsize for stride in x.strides]), x.dtype.name)
