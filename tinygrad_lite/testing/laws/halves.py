"""The dtypes of 16 bits: what an operation makes of them, forward and backward."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...core.backend import BACKENDS
from ...core.dtypes import is_floating
from ...core.errors import TinygradLiteError
from ...core.op import Op
from ...core.tree import leaves, map_leaves
from ...ops.datatypes import finfo
from ..samples import Sample
from ..values import with_constants
from .calls import called, is_float, law

__all__ = ["bfloat16_kept", "float16_kept"]


@law
def bfloat16_kept(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Of bfloat16 arrays: bfloat16 results near those of float32 arrays of the same numbers, and bfloat16 gradients."""
    check_half(op, sample, arrays, statics, "bfloat16")


@law
def float16_kept(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Of float16 arrays: float16 results near those of float32 arrays of the same numbers, and float16 gradients."""
    check_half(op, sample, arrays, statics, "float16")


def check_half(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any], name: str) -> None:
    """AssertionError where one of the two laws does not hold, TinygradLiteError where the arrays are refused."""
    dtype = BACKENDS["numpy"].dtype(name)
    if statics.get("dtype") is not None or not any(map(is_float, leaves(arrays))):
        return
    narrow = map_leaves(lambda x: x.astype(dtype) if is_float(x) else x, arrays)
    wide = map_leaves(lambda x: x.astype("float32") if getattr(x, "dtype", None) == dtype else x, narrow)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = leaves(called(op.function, wide, statics))
        got = leaves(called(op.function, narrow, statics))
        for one, other in zip(got, expected, strict=True):
            _compare(op.name, np.asarray(one), np.asarray(other), dtype, sample.tolerance, leaves(wide))
        _check_gradients(op, sample, narrow, statics, dtype)


def _compare(name: str, got: np.ndarray, expected: np.ndarray, dtype: Any, tolerance: float, arrays: list) -> None:
    if expected.dtype != "float32":
        return  # indices, comparisons: close numbers may become equal
    assert got.dtype == dtype, f"{name}: {dtype} arrays gave {got.dtype}"
    assert got.shape == expected.shape, f"{name}: got shape {got.shape}, expected {expected.shape}"
    limits = finfo(dtype)
    got = got.astype("float64")
    known = np.isfinite(expected) & (np.abs(expected) < limits.max) & np.isfinite(got)
    largest = _largest(expected[known])
    inputs = max([_largest(x) for x in arrays if is_float(x)], default=0.0)  # terms that cancel are as large as these
    atol = limits.eps * (16 * largest * max(tolerance, 1.0) + 2 * inputs)
    np.testing.assert_allclose(got[known], expected[known], rtol=16 * limits.eps, atol=atol)


def _largest(x: np.ndarray) -> float:
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))


def _check_gradients(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any], dtype: Any) -> None:
    from ...autodiff.gradients import grad
    from ...tensor import Tensor

    numbers = [name for name, x in zip(op.arrays, arrays, strict=False) if isinstance(x, (int, float, complex))]
    call, moving = with_constants(op, arrays, (*sample.constant, *numbers))

    def moved(x: Any) -> Any:
        return Tensor(x, requires_grad=is_floating(x.dtype)) if isinstance(x, np.ndarray) else x

    inputs = map_leaves(moved, moving)
    outputs = [out for out in leaves(called(call, inputs, statics)) if isinstance(out, Tensor) and out.requires_grad]
    wanted = [x for x in leaves(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not outputs or not wanted:
        return
    for out in outputs:
        assert out.dtype in (dtype, "complex64"), f"{op.name}: {dtype} Tensors gave {out.dtype}"
    ones = [np.ones(out.shape, out.dtype) for out in outputs]
    for create_graph in (False, True):
        try:
            gradients = grad(outputs, wanted, ones, create_graph=create_graph, retain_graph=True)
        except TinygradLiteError:
            return
        for gradient in gradients:
            assert gradient.dtype == dtype, f"{op.name}: a {dtype} input has a {gradient.dtype} gradient"
