"""Matrix products by cuBLASLt: kernels for `ops/products.py` and `ops/linear_maps.py`.

A product reads its operands as they lie, transposed views too, and writes its result: no other memory is moved, but for
operands with gaps between the elements of both last axes, and for batches that no single stride describes. What
cuBLASLt cannot do, and everything if it is missing, is left to CuPy.
"""

from __future__ import annotations

from typing import Any

from ... import ops
from ...core.backend import backend_of
from ...core.op import kernel
from ...cuda.cublaslt import Epilogue
from ...cuda.plans import are_factors, multipliable, multiply

__all__ = ["affine", "linear", "matmul"]


@kernel(ops.matmul, "cupy", when=multipliable)
def matmul(x: Any, y: Any) -> Any:
    """One product, or a batch of them at one stride, as the namespace's `matmul` computes it.

    The operation's body would make one matrix of a batch first, with a copy where the batch has gaps.
    """
    out = multiply(x, y)
    return _defined(ops.matmul, x, y) if out is None else out


def _mapped(x: Any, weight: Any, bias: Any = None) -> bool:
    return (
        are_factors(x, weight)
        and weight.ndim <= 2
        and x.shape[-1] == weight.shape[-1]
        and (bias is None or (getattr(bias, "shape", None) == weight.shape[:-1] and bias.dtype == x.dtype))
    )


def affine(x: Any, weight: Any, bias: Any = None) -> bool:
    """Whether `linear` takes them, and the result has an axis of its own."""
    return _mapped(x, weight, bias) and weight.ndim == 2


@kernel(ops.linear, "cupy", when=_mapped)
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """The bias is added to the product before it is stored."""
    rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
    out = None
    if bias is not None and bias.ndim and bias.flags.c_contiguous:
        out = multiply(rows, weight.T, Epilogue.BIAS, bias)
    if out is None:
        out = multiply(rows, weight.T)
        if out is None:
            return _defined(ops.linear, x, weight, bias)
        if bias is not None:
            out += bias
    return out if x.ndim == 2 else out.reshape((*x.shape[:-1], *weight.shape[:-1]))


def _defined(function: Any, *arrays: Any) -> Any:
    """The operation by its definition."""
    return function.op.body(backend_of(arrays[0]).xp, *arrays)
