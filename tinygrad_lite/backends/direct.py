"""NumPy's functions without their Python wrappers, which cost as much as the work on a small array.

The times are those of the functions here and of NumPy's, in microseconds, for a float32 array of shape (32, 64).
"""

from __future__ import annotations

from math import copysign
from types import ModuleType
from typing import Any

import numpy
from numpy import add, logical_and, logical_or, maximum, minimum, multiply, ndarray

from .products import matmul

__all__ = ["DIRECT_NUMPY"]


def _reduction(name: str, ufunc: Any) -> Any:
    otherwise, reduce = getattr(numpy, name), ufunc.reduce

    def reduced(x: Any, /, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        if type(x) is ndarray and type(axis) is not list:
            return reduce(x, axis, dtype, None, keepdims)
        return otherwise(x, axis=axis, keepdims=keepdims, **({} if dtype is None else {"dtype": dtype}))

    reduced.__name__ = name
    return reduced


_REAL = (numpy.dtype("float32"), numpy.dtype("float64"))


def mean(x: Any, /, axis: Any = None, keepdims: bool = False) -> Any:
    """2.2, and NumPy 7.0."""
    if type(x) is not ndarray or type(axis) is list or x.dtype not in _REAL or not x.shape or not x.size:
        return numpy.mean(x, axis=axis, keepdims=keepdims)
    total = add.reduce(x, axis, None, None, keepdims)
    return total / (x.size // total.size)


def broadcast_to(x: Any, /, shape: Any) -> Any:
    """1.3 for a scalar and 2.5 for a row, where NumPy takes 3.5."""
    if isinstance(x, numpy.generic):
        x = numpy.asarray(x)
    if type(x) is not ndarray or type(shape) is not tuple or not x.flags.c_contiguous or x.dtype.hasobject:
        return numpy.broadcast_to(x, shape)
    if x.shape:
        lengths, strides = x.shape, [0] * len(shape)
        new = len(shape) - len(lengths)
        if new < 0:
            return numpy.broadcast_to(x, shape)
        for i, (length, stride) in enumerate(zip(lengths, x.strides, strict=True), new):
            if length == shape[i]:
                strides[i] = stride
            elif length != 1:
                return numpy.broadcast_to(x, shape)
        out = ndarray(shape, x.dtype, x, 0, strides)
    else:
        out = ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
    out.flags.writeable = False
    return out


def reshape(x: Any, /, shape: Any, **how: Any) -> Any:
    """0.4, and NumPy 1.1."""
    return numpy.reshape(x, shape, **how) if how or type(x) is not ndarray else x.reshape(shape)


def permute_dims(x: Any, /, axes: Any) -> Any:
    """0.3, and NumPy 0.7."""
    return x.transpose(axes) if type(x) is ndarray else numpy.permute_dims(x, axes)


def matrix_transpose(x: Any, /) -> Any:
    """0.2, and NumPy 0.9."""
    return x.mT if type(x) is ndarray else numpy.matrix_transpose(x)


def squeeze(x: Any, /, axis: Any) -> Any:
    """0.3, and NumPy 0.6."""
    return x.squeeze(axis) if type(x) is ndarray else numpy.squeeze(x, axis)


def expand_dims(x: Any, /, *, axis: Any = 0) -> Any:
    """0.9, and NumPy 2.9."""
    if type(x) is not ndarray or type(axis) is not int or not -x.ndim <= axis + 1 <= x.ndim + 1:
        return numpy.expand_dims(x, axis)
    shape, place = x.shape, axis % (x.ndim + 1)
    return x.reshape((*shape[:place], 1, *shape[place:]))


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: str | None = None) -> Any:
    """To float64 1.1, and NumPy 1.8."""
    if type(x) is not ndarray or device is not None:
        return numpy.astype(x, dtype, copy=copy, device=device)
    return x.astype(dtype, copy=copy)


def ones_like(x: Any, /, dtype: Any = None, **where: Any) -> Any:
    """For a scalar 0.7, and NumPy 1.4."""
    if type(x) is not ndarray or where:
        return numpy.ones_like(x, dtype=dtype, **where)
    out = ndarray(x.shape, x.dtype if dtype is None else dtype)
    out.fill(1)
    return out


_BITS = {numpy.dtype(f"float{bits}"): numpy.dtype(f"int{bits}") for bits in (16, 32, 64)}
_BOOL = numpy.dtype("bool")


def where(condition: Any, x: Any, y: Any, /) -> Any:
    """x or 0.0 by multiplying the bits of x by 1 or 0; NumPy branches, and guesses random conditions wrongly.

    With conditions that are new in each call, fractions of NumPy's time: 0.9 at 512 elements, 0.35 at 2048.
    """
    if type(y) is float and type(x) is ndarray and type(condition) is ndarray and x.size >= 512:
        bits = _BITS.get(x.dtype)
        zero = bits is not None and y == 0.0 and copysign(1.0, y) > 0.0
        if zero and condition.dtype is _BOOL and condition.shape == x.shape:
            return multiply(x.view(bits), condition).view(x.dtype)
    return numpy.where(condition, x, y)


def _namespace() -> ModuleType:
    made = ModuleType("numpy", __doc__)
    reductions = {"sum": add, "prod": multiply, "max": maximum, "min": minimum, "any": logical_or, "all": logical_and}
    functions = (
        broadcast_to, reshape, permute_dims, matrix_transpose, squeeze, expand_dims, astype, ones_like, where, mean,
        matmul,
    )  # fmt: skip

    def on_demand(name: str) -> Any:
        found = getattr(numpy, name)
        setattr(made, name, found)
        return found

    made.__dict__.update(
        vars(numpy)
        | {function.__name__: function for function in functions}
        | {name: _reduction(name, ufunc) for name, ufunc in reductions.items()}
        | {"__getattr__": on_demand}
    )
    return made


DIRECT_NUMPY = _namespace()
"""NumPy's namespace with the functions of this module in the place of its own."""
