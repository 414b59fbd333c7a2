"""How the functions of the Array API compute on batches: each rule says what becomes of a call's arrays and axes.

A rule gets a `Call`, which is a function's name and the batch that it is called for, and the call's arguments. It calls
the function of the same name on the arrays inside, with the batch in front.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core.axes import axes_of
from ..core.errors import BatchError
from .array import Batched, lifted

__all__ = ["CREATION", "RULES", "Call"]

RULES: dict[str, Callable] = {}
"""The rule of each function, by its name; those of linear algebra and Fourier transforms have dotted names."""

CREATION = ("empty", "full", "ones", "zeros")
"""Functions whose arrays may be written into, so that they are made with the batch in front."""


class Call:
    """A call of the function `name` on the examples of one batch.

    xp : the namespace for the arrays inside.
    cls : the class of the Batched; level, size : the batch's.
    """

    def __init__(self, name: str, xp: Any, cls: type[Batched], level: int, size: int) -> None:
        self.name, self.xp, self.cls, self.level, self.size = name, xp, cls, level, size

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function of this name for the arrays inside."""
        function = self.xp
        for part in self.name.split("."):
            function = getattr(function, part)
        return function(*args, **kwargs)

    def batched(self, value: Any) -> bool:
        """Whether `value` is another one for each example."""
        return isinstance(value, Batched) and value.level == self.level

    def rows(self, value: Any) -> Any:
        """All examples of `value` in one array; an array that all share is repeated."""
        return value.data if self.batched(value) else lifted(self.cls, value, self.size)

    def reshape(self, array: Any, *shape: int) -> Any:
        """An array inside with another shape."""
        return array if tuple(array.shape) == shape else self.xp.reshape(array, shape)

    def aligned(self, value: Any, ndim: int) -> Any:
        """`value` so that it broadcasts with examples of `ndim` axes."""
        if not self.batched(value):
            return value
        return self.reshape(value.data, self.size, *(1,) * (ndim - value.ndim), *value.shape)


def _rule(*names: str) -> Callable[[Callable], Callable]:
    def declare(rule: Callable) -> Callable:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return declare


def _ndim(value: Any) -> int:
    return 0 if isinstance(value, type) else len(getattr(value, "shape", ()))  # dtypes may be classes with a shape


def elementwise(call: Call, *args: Any, **kwargs: Any) -> Any:
    """For functions of each element, whose arguments broadcast."""
    ndim = max(map(_ndim, (*args, *kwargs.values())))
    return call(*(call.aligned(x, ndim) for x in args), **{name: call.aligned(x, ndim) for name, x in kwargs.items()})


_rule(
    "abs", "acos", "acosh", "add", "asin", "asinh", "astype", "atan", "atan2", "atanh", "bitwise_and",
    "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "clip",
    "conj", "copysign", "cos", "cosh", "divide", "equal", "exp", "expm1", "floor", "floor_divide", "greater",
    "greater_equal", "hypot", "imag", "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log10",
    "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum",
    "minimum", "multiply", "negative", "nextafter", "not_equal", "positive", "pow", "real", "reciprocal",
    "remainder", "round", "sign", "signbit", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh",
    "trunc", "where", "empty_like", "full_like", "ones_like", "zeros_like", "asarray",
)(elementwise)  # fmt: skip


# Axes


@_rule("all", "any", "max", "mean", "min", "prod", "std", "sum", "var", "count_nonzero", "flip")
def _over_axes(call: Call, x: Any, *, axis: Any = None, **kwargs: Any) -> Any:
    return call(x.data, axis=_axes(axis, x.ndim), **kwargs)


@_rule("argmax", "argmin")
def _position(call: Call, x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
    if axis is not None:
        return call(x.data, axis=_axis(axis, x.ndim), keepdims=keepdims)
    found = call(call.reshape(x.data, call.size, x.size), axis=1)
    return call.reshape(found, call.size, *(1,) * x.ndim) if keepdims else found


def _axis(axis: int, ndim: int) -> int:
    return axes_of(axis, ndim)[0] + 1


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    return tuple(i + 1 for i in axes_of(axis, ndim))


@_rule("cumulative_sum", "cumulative_prod")
def _scan(call: Call, x: Any, *, axis: int | None = None, **kwargs: Any) -> Any:
    return call(x.data, axis=1 if axis is None else _axis(axis, x.ndim), **kwargs)


@_rule("sort", "argsort", "fft.fft", "fft.ifft", "fft.rfft", "fft.irfft")
def _along(call: Call, x: Any, n: int | None = None, *, axis: int = -1, **kwargs: Any) -> Any:
    if n is not None:
        kwargs["n"] = n
    return call(x.data, axis=_axis(axis, x.ndim), **kwargs)


# Shapes


@_rule("reshape")
def _reshape(call: Call, x: Any, shape: Any, **kwargs: Any) -> Any:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if -1 in shape:
        known = math.prod(n for n in shape if n != -1)
        shape = tuple(x.size // known if n == -1 and known else n for n in shape)
    return call(x.data, (call.size, *shape), **kwargs)


@_rule("broadcast_to")
def _broadcast_to(call: Call, x: Any, shape: tuple[int, ...]) -> Any:
    return call(call.aligned(x, len(shape)), (call.size, *shape))


@_rule("permute_dims")
def _permute_dims(call: Call, x: Any, axes: tuple[int, ...]) -> Any:
    return call(x.data, (0, *_axes(tuple(axes), x.ndim)))


@_rule("expand_dims")
def _expand_dims(call: Call, x: Any, *, axis: int = 0) -> Any:
    return call(x.data, axis=_axis(axis, x.ndim + 1))


@_rule("squeeze")
def _squeeze(call: Call, x: Any, axis: Any) -> Any:
    return call(x.data, _axes(axis, x.ndim))


@_rule("roll")
def _roll(call: Call, x: Any, shift: Any, *, axis: Any = None) -> Any:
    if axis is None:
        return call.reshape(call(call.reshape(x.data, call.size, x.size), shift, axis=1), call.size, *x.shape)
    return call(x.data, shift, axis=_axis(axis, x.ndim) if isinstance(axis, int) else _axes(axis, x.ndim))


@_rule("concat")
def _concat(call: Call, arrays: Any, *, axis: int | None = 0) -> Any:
    rows = [call.rows(x) for x in arrays]
    if axis is None:
        return call([call.reshape(x, call.size, math.prod(x.shape[1:])) for x in rows], axis=1)
    return call(rows, axis=_axis(axis, len(rows[0].shape) - 1))


@_rule("stack")
def _stack(call: Call, arrays: Any, *, axis: int = 0) -> Any:
    rows = [call.rows(x) for x in arrays]
    return call(rows, axis=_axis(axis, len(rows[0].shape)))


# Choosing elements


@_rule("take")
def _take(call: Call, x: Any, indices: Any, *, axis: int) -> Any:
    chosen = x if call.batched(x) else call.cls(call.rows(x), call.level)
    return chosen[(slice(None),) * axes_of(axis, _ndim(x))[0] + (indices,)].data


@_rule("take_along_axis")
def _take_along_axis(call: Call, x: Any, indices: Any, *, axis: int = -1) -> Any:
    return call(call.rows(x), call.rows(indices), axis=_axis(axis, _ndim(x)))


@_rule("searchsorted")
def _searchsorted(call: Call, x: Any, values: Any, **kwargs: Any) -> Any:
    return call(x, values.data, **kwargs) if not call.batched(x) else looped(call, x, values, **kwargs)


# Matrices: every function takes axes in front of them


def matrices(call: Call, x: Any, **kwargs: Any) -> Any:
    """For functions of matrices, with any axes in front."""
    return call(x.data, **kwargs)


_rule(
    "matrix_transpose", "tril", "triu", "linalg.cholesky", "linalg.det", "linalg.eig", "linalg.eigh",
    "linalg.eigvals", "linalg.eigvalsh", "linalg.inv", "linalg.qr", "linalg.slogdet", "linalg.svd",
    "linalg.svdvals",
)(matrices)  # fmt: skip


@_rule("linalg.solve")
def _solve(call: Call, x: Any, y: Any) -> Any:
    column = _ndim(y) == 1
    ndim = max(_ndim(x), _ndim(y) + column)
    out = call(_matrix(call, x, ndim), _matrix(call, y, ndim, -1 if column else 0))
    return _without(call, out, -1) if column else out


@_rule("matmul")
def _matmul(call: Call, x: Any, y: Any) -> Any:
    row, column = _ndim(x) == 1, _ndim(y) == 1
    if not call.batched(y) and _ndim(y) <= 2:
        return _rows_times(call, x.data, y)
    if not call.batched(x) and _ndim(x) == 2 and column:
        return _rows_times(call, y.data, call.xp.matrix_transpose(x))
    ndim = max(_ndim(x) + row, _ndim(y) + column)
    out = call(_matrix(call, x, ndim, -2 if row else 0), _matrix(call, y, ndim, -1 if column else 0))
    out = _without(call, out, -1) if column else out
    return _without(call, out, -1 if column else -2) if row else out


def _matrix(call: Call, value: Any, ndim: int, new_axis: int = 0) -> Any:
    """`value` for a product with arrays of `ndim` axes; of a vector, the new axis makes a matrix."""
    data = value.data if call.batched(value) else value
    shape = list(data.shape)
    if new_axis:
        shape.insert(len(shape) + new_axis + 1, 1)
    if call.batched(value):
        shape[1:1] = [1] * (ndim + 1 - len(shape))
    return call.reshape(data, *shape)


def _without(call: Call, array: Any, axis: int) -> Any:
    shape = list(array.shape)
    del shape[axis]
    return call.reshape(array, *shape)


def _rows_times(call: Call, x: Any, y: Any) -> Any:
    """One product of all rows with one matrix or vector."""
    if len(y.shape) == 1 or len(x.shape) == 2:
        return call.xp.matmul(x, y)
    out = call.xp.matmul(call.reshape(x, math.prod(x.shape[:-1]), x.shape[-1]), y)
    return call.reshape(out, *x.shape[:-1], y.shape[1])


# Without a rule


def looped(call: Call, *args: Any, **kwargs: Any) -> Any:
    """Example by example."""
    if not call.size:
        raise BatchError(f"{call.name}: vmap has no rule for it, and cannot loop over a batch without examples.")

    def example(value: Any, i: int) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(example(part, i) for part in value)
        return value.data[i, ...] if call.batched(value) else value

    outs = [call(*(example(x, i) for x in args), **kwargs) for i in range(call.size)]
    if isinstance(outs[0], tuple):
        return tuple(call.xp.stack(parts) for parts in zip(*outs, strict=True))
    return call.xp.stack(outs)
