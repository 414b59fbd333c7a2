"""CuPy's main namespace with the Array API's names and parameters, whichever version it is.

Its `matmul` is cuBLASLt's where that can be; so bodies, rules of batches and optimizers have the same products, plans
and precision as the operation `matmul`.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy

from ...cuda.plans import multipliable, multiply

__all__ = ["is_capturing", "namespace", "placed"]

JOINED = 8
"""Arrays that CuPy joins with a copy for each. It sends the addresses of more to the device, which captures refuse."""


def namespace(module: Any) -> Any:
    """CuPy's main namespace, with the Array API's names and parameters where CuPy has others, and our products."""
    names = vars(module) | _parameters(module) | {"matmul": _product(module.matmul)}
    return types.SimpleNamespace(**(names if "astype" in names else names | _names_of_14(module)))


def _product(otherwise: Callable) -> Callable:
    def matmul(x, y, /):
        out = multiply(x, y) if multipliable(x, y) else None
        return otherwise(x, y) if out is None else out

    return matmul


def placed(xp: Any, place: Callable[[str, Callable], Callable]) -> Any:
    """A namespace whose functions are wrapped by `place(name, function)`, those of `xp.linalg` and `xp.fft` too."""
    names = {}
    for name, value in vars(xp).items():
        if name in ("linalg", "fft") and not callable(value):
            value = placed(value, place)
        elif callable(value) and not isinstance(value, type) and not name.startswith("_"):
            value = place(name, value)
        names[name] = value
    return types.SimpleNamespace(**names)


def _parameters(cupy: Any) -> dict[str, Any]:
    """Functions that take the Array API's parameters."""

    def argsort(x, *, axis=-1, stable=True):  # CuPy's is always stable
        return cupy.argsort(x, axis=axis)

    def std(x, *, axis=None, correction=0.0, keepdims=False):
        return cupy.std(x, axis=axis, ddof=correction, keepdims=keepdims)

    def var(x, *, axis=None, correction=0.0, keepdims=False):
        return cupy.var(x, axis=axis, ddof=correction, keepdims=keepdims)

    def concat(arrays, *, axis=0):
        if len(arrays) <= JOINED or not is_capturing(cupy.cuda.get_current_stream()):
            return cupy.concatenate(arrays, axis=axis)
        if axis is None:
            arrays, axis = [x.reshape(-1) for x in arrays], 0
        shape = list(arrays[0].shape)
        shape[axis] = sum(x.shape[axis] for x in arrays)
        out = cupy.empty(tuple(shape), dtype=reduce(numpy.promote_types, {x.dtype for x in arrays}))
        before, start = (slice(None),) * (axis % len(shape)), 0
        for x in arrays:
            stop = start + x.shape[axis]
            out[(*before, slice(start, stop))] = x
            start = stop
        return out

    def stack(arrays, *, axis=0):
        return concat([cupy.expand_dims(x, axis) for x in arrays], axis=axis)

    def where(condition, x, y):  # CuPy's takes no condition that is a Python value
        return cupy.where(condition if isinstance(condition, cupy.ndarray) else cupy.full((), condition), x, y)

    return {"argsort": argsort, "concat": concat, "stack": stack, "std": std, "var": var, "where": where}


def is_capturing(stream: Any) -> bool:
    """Whether work on a stream becomes a part of a graph."""
    try:
        return stream.is_capturing()
    except RuntimeError:  # of the default stream while a stream that waits for it is capturing
        return True


def _names_of_14(cupy: Any) -> dict[str, Any]:
    """What came with CuPy 14."""

    def astype(x, dtype, *, copy=True):
        return x.astype(dtype, copy=copy)

    def cumulative(scan, first):
        def function(x, *, axis=None, dtype=None, include_initial=False):
            axis = 0 if axis is None else axis
            results = scan(x, axis=axis, dtype=dtype)
            if include_initial:
                shape = [1 if i == axis % x.ndim else n for i, n in enumerate(x.shape)]
                results = cupy.concatenate([cupy.full(shape, first, dtype=results.dtype), results], axis=axis)
            return results

        return function

    def matrix_transpose(x):
        return cupy.swapaxes(x, -1, -2)

    def sign(x):  # was 0 for NaN
        return cupy.where(x != x, x, cupy.sign(x))

    def unique_all(x):
        return cupy.unique(x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False)

    def unique_values(x):
        return cupy.unique(x, equal_nan=False)

    renamed = {
        "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
        "atan2": "arctan2", "atanh": "arctanh", "bitwise_invert": "invert", "bitwise_left_shift": "left_shift",
        "bitwise_right_shift": "right_shift", "bool": "bool_", "permute_dims": "transpose", "pow": "power",
    }  # fmt: skip
    names = {new: getattr(cupy, old) for new, old in renamed.items()}
    functions = (astype, matrix_transpose, sign, unique_all, unique_values)
    names |= {function.__name__: function for function in functions}
    scans = {"cumulative_prod": cumulative(cupy.cumprod, 1), "cumulative_sum": cumulative(cupy.cumsum, 0)}
    return names | scans | {"isdtype": numpy.isdtype}
