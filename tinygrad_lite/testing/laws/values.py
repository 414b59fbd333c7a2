"""Values: they are the reference's, Tensors agree with arrays, kernels agree with definitions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...autodiff.gradients import grad
from ...core.op import Kernel, Op
from ...core.tree import leaves
from ...tensor import Tensor
from ..samples import Sample
from .calls import as_tensors, assert_close, called, cast, law, op_defaults

__all__ = ["kernel_equals_definition", "tensors_agree", "values"]

RTOL = {"float64": 1e-10, "float32": 2e-4}
"""How far values may be from the reference, relative to the largest; float32 against the reference in float64."""


@law
def values(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """The value is the reference's, in float64 and in float32."""
    reference = sample.expected()
    if reference is None:
        return
    for dtype in ("float64", "float32"):
        given = cast(arrays, dtype)
        got = leaves(called(op.function, given, statics))
        expected = leaves(called(reference, cast(given, "float64"), statics))
        assert len(got) == len(expected), f"{len(got)} results, expected {len(expected)}"
        for mine, theirs in zip(got, expected, strict=True):
            assert_close(mine, theirs, RTOL[dtype] * sample.tolerance)


@law
def tensors_agree(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Arrays give arrays, Tensors give Tensors, of exactly equal values and dtypes."""
    plain = leaves(called(op.function, arrays, statics))
    wrapped = leaves(called(op.function, as_tensors(arrays), statics))
    for array, tensor in zip(plain, wrapped, strict=True):
        assert isinstance(array, (np.ndarray, np.generic)), f"arrays gave a {type(array).__name__}"
        assert isinstance(tensor, Tensor) and isinstance(tensor.data, np.ndarray), "Tensors gave something else"
        assert tensor.dtype == array.dtype
        np.testing.assert_array_equal(tensor.data, array)


def _attempt(kernel: Kernel, needs: tuple[bool, ...], *arrays: Any, **statics: Any) -> Any:
    return kernel.attempt(arrays, statics, needs)


@law
def kernel_equals_definition(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Each NumPy kernel that accepts the call has the value and the gradients of the definition."""
    statics = {**op_defaults(op), **statics}
    for kernel in op.kernels["numpy"]:
        if op.primitive:
            if not called(kernel.when, arrays, statics):
                continue
            expected = called(functools.partial(op.body, np), arrays, statics)
            assert_close(called(kernel.forward, arrays, statics), expected, 1e-12)
            continue
        tensors = as_tensors(arrays, requires_grad=True)
        needs = tuple(isinstance(x, Tensor) and x.requires_grad for x in tensors)
        attempt = functools.partial(_attempt, kernel, needs)
        found = called(attempt, arrays, statics)
        if found is NotImplemented:
            continue
        out, saved = found
        expected = called(op.body, tensors, statics)
        assert_close(out, expected.data, 1e-12)
        g = np.cos(np.arange(out.size, dtype=out.dtype)).reshape(out.shape)
        wanted = [x for x, needed in zip(tensors, needs, strict=True) if needed]
        got = [part for part, needed in zip(kernel._backward(g, saved, needs), needs, strict=True) if needed]
        for mine, theirs in zip(got, grad(expected, wanted, g), strict=True):
            assert_close(mine, theirs.data, 1e-12)
