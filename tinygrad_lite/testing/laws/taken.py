"""Dtypes that an operation takes: of each it gives what is right, or it refuses them; complex derivatives."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.errors import DTypeError, GradientError, TinygradLiteError
from ...core.op import Op
from ...core.tree import leaves, map_leaves, unflatten
from ...ops.elementwise import add, multiply
from ..gradients import check_gradients
from ..samples import UNCLAIMED, Sample
from .calls import called, differentiable, is_float, law
from .derivatives import real_parts

__all__ = ["DTYPES", "complex64_kept", "complex_derivatives", "dtypes_right_or_refused", "takes"]

DTYPES = ("bool", "int64", "float16", "float32", "float64", "complex64", "complex128")
"""The dtypes that the laws try."""


@law
def dtypes_right_or_refused(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Arrays of any dtype in place of the floating-point ones give the reference's values, or an error."""
    for dtype in DTYPES:
        takes(op, sample, arrays, statics, dtype)


@law
def complex_derivatives(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Where complex arrays are taken, first and second derivatives by their parts are those of finite differences."""
    if sample.order and takes(op, sample, arrays, statics, "complex128"):
        _check_complex(op, sample, arrays, statics)


@law
def complex64_kept(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Results of complex64 arrays are in single precision wherever those of complex128 are in double precision."""
    narrow, wide = "complex64", "complex128"
    asked = statics.get("dtype") is not None
    if asked or not all(takes(op, sample, arrays, statics, dtype) for dtype in (narrow, wide)):
        return
    results = [
        leaves(called(op.function, map_leaves(lambda x: _as_dtype(x, dtype) if is_float(x) else x, arrays), statics))  # noqa: B023  # called at once
        for dtype in (narrow, wide)
    ]
    for one, other in zip(*results, strict=True):
        one, other = np.asarray(one).dtype, np.asarray(other).dtype
        if other in ("float64", "complex128"):
            assert np.finfo(one).eps == np.finfo(narrow).eps, f"{op.name}: {narrow} arrays gave {one}"


def takes(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any], dtype: str) -> bool:
    """Whether the operation takes the sample with its floating-point arrays cast to `dtype`.

    It does not if it has no such arrays, or refuses them by an error of this package or a TypeError, or if the
    reference cannot say what is right. AssertionError if what it gives is neither what the reference gives for the
    same arrays nor for the same numbers in double precision.
    """
    if dtype in UNCLAIMED.get(op.name, ()) or not any(map(is_float, leaves(arrays))):
        return False
    with np.errstate(all="ignore"):
        given = map_leaves(lambda x: _as_dtype(x, dtype) if is_float(x) else x, arrays)
        try:
            got = leaves(called(op.function, given, statics))
        except (TinygradLiteError, TypeError):
            return False
        reference = sample.expected() or (op.function if dtype != "complex128" else None)
        if reference is None:
            return True
        wide = map_leaves(lambda x: _widened(_as_dtype(x, dtype)) if is_float(x) else x, arrays)
        found = [_mismatch(got, reference, inputs, statics, sample.tolerance) for inputs in (given, wide)]
    if None in found:
        return True
    assert found[0] == found[1] == "", f"{op.name} of {dtype}: {found[0] or found[1]}"
    return False


def _as_dtype(x: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers near x of another dtype; complex ones get an imaginary part."""
    if dtype == "bool":
        return x > np.median(x) if x.size else x.astype(bool)
    if dtype == "int64":
        return np.round(2 * np.nan_to_num(x, nan=0.0, posinf=9.0, neginf=-9.0)).astype("int64")
    if dtype.startswith("complex"):
        return (x + 0.3j * np.cos(np.arange(x.size)).reshape(x.shape)).astype(dtype)
    return x.astype(dtype)


def _widened(x: np.ndarray) -> np.ndarray:
    """The same numbers in double precision."""
    return x.astype("complex128" if x.dtype.kind == "c" else "float64")


def _mismatch(got: list, reference: Callable, arrays: tuple, statics: dict[str, Any], tolerance: float) -> str | None:
    """How a result differs from the reference's; None if it does not, "" if the reference fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)  # it dropped imaginary parts
            expected = leaves(called(reference, arrays, statics))
    except (TypeError, ValueError, IndexError, ArithmeticError, np.exceptions.ComplexWarning):
        return ""
    for mine, theirs in zip(map(np.asarray, got), map(np.asarray, expected), strict=True):
        eps = max(float(np.finfo(x.dtype).eps) if x.dtype.kind in "fc" else 0.0 for x in (mine, theirs, np.zeros(1)))
        rtol = 4000 * eps * tolerance
        known = ~np.isnan(theirs)  # a number outside of the domain may get anything
        if mine.shape != theirs.shape:
            return f"got shape {mine.shape}, expected {theirs.shape}"
        largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=1.0)
        if not np.allclose(mine[known], theirs[known], rtol=rtol, atol=rtol * float(largest)):
            return f"got {mine}, expected {theirs}"
    return None


def _check_complex(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    given = map_leaves(lambda x: _as_dtype(x, "complex128") if is_float(x) else x, arrays)
    function, moving = differentiable(op, sample, given, statics)
    whole = leaves(moving)
    parts = [part for x in whole for part in ((x.real, x.imag) if np.iscomplexobj(x) else (x,))]
    inexact = any(np.asarray(out).dtype.kind in "fc" for out in leaves(function(*moving)))
    if not inexact or not any(map(is_float, parts)):
        return

    def of_parts(*values: Any) -> Any:
        one = iter(values)
        joined = (add(next(one), multiply(next(one), 1j)) if np.iscomplexobj(x) else next(one) for x in whole)
        return function(*unflatten(tuple(moving), joined))

    of_parts.__name__ = op.name
    try:
        check_gradients(real_parts(of_parts), *parts, order=sample.order)
    except (GradientError, DTypeError):
        return  # the derivative of complex numbers is refused
