"""NumPy's universal functions on Tensors: calls, and the methods `reduce`, `accumulate`, `outer` and `at`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from .. import ops
from ..core.dtypes import is_complex, is_floating
from ..core.errors import DTypeError
from ..core.graph import Handle
from ..core.registry import OPS
from .names import RENAMED, find, no_counterpart, refuse
from .translation import array_of, in_dtype

__all__ = ["call_ufunc", "scan"]

REDUCTIONS = {
    "add": "sum", "bitwise_and": "bitwise_and_reduce", "logaddexp": "logsumexp", "logical_and": "all",
    "logical_or": "any", "maximum": "max", "minimum": "min", "multiply": "prod",
}  # fmt: skip
"""What reducing with a function is called."""

SCANS = {
    "add": "cumulative_sum", "logaddexp": "logcumsumexp", "maximum": "cumulative_max", "minimum": "cumulative_min",
    "multiply": "cumulative_prod",
}  # fmt: skip
"""What accumulating with a function is called."""

SCIPY = (
    "beta", "betaln", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "expit", "exprel", "gamma",
    "gammaln", "i0", "i0e", "i1", "i1e", "j0", "j1", "log_expit", "log_ndtr", "logit", "ndtr", "ndtri", "polygamma",
    "psi", "sinc", "xlog1py", "xlogy", "y0", "y1",
)  # fmt: skip
"""Functions of scipy.special that mean the same here. Others have the name of a loss (huber, kl_div)."""


def _cbrt(x: Any) -> Any:
    ones = ops.ones_like(x)
    sign = ops.where(ops.less(x, 0), ops.negative(ones), ones)  # 1 at 0: the derivative there is inf, and not NaN
    return ops.multiply(sign, ops.power(ops.multiply(sign, x), 1 / 3))


def _double(x: Any) -> Any:
    return ops.astype(x, "complex128" if is_complex(x.dtype) else "float64") if hasattr(x, "dtype") else x


def _fmax(x: Any, y: Any) -> Any:
    return ops.where(ops.isnan(x), y, ops.where(ops.isnan(y), x, ops.maximum(x, y)))


def _fmin(x: Any, y: Any) -> Any:
    return ops.where(ops.isnan(x), y, ops.where(ops.isnan(y), x, ops.minimum(x, y)))


def _fmod(x: Any, y: Any) -> Any:
    rest = ops.remainder(ops.abs(x), ops.abs(y))
    return ops.where(ops.less(x, 0), ops.negative(rest), rest)


def _modf(x: Any) -> tuple[Any, Any]:
    whole = OPS["trunc"].function(x)
    return OPS["copysign"].function(ops.where(ops.isinf(x), 0.0, ops.subtract(x, whole)), x), whole


def _logaddexp2(x: Any, y: Any) -> Any:
    return OPS["logaddexp"].function(x * math.log(2), y * math.log(2)) * (1 / math.log(2))


COMPOSED: dict[str, Callable] = {
    "cbrt": _cbrt,
    "deg2rad": lambda x: x * (math.pi / 180),
    "degrees": lambda x: x * (180 / math.pi),
    "divmod": lambda x, y: (ops.floor_divide(x, y), ops.remainder(x, y)),
    "exp2": lambda x: ops.power(2.0, x),
    "fabs": lambda x: ops.abs(x if is_floating(x.dtype) else ops.astype(x, "float64")),
    "float_power": lambda x, y: ops.power(_double(x), _double(y)),
    "fmax": _fmax,
    "fmin": _fmin,
    "fmod": _fmod,
    "heaviside": lambda x, y: ops.where(ops.equal(x, 0), y, ops.astype(ops.greater(x, 0), str(x.dtype))),
    "ldexp": lambda x, y: x * ops.astype(ops.power(2.0, y), x.dtype if is_floating(x.dtype) else "float64"),
    "logaddexp2": _logaddexp2,
    "matvec": lambda x, y: ops.squeeze(ops.matmul(x, ops.expand_dims(y, axis=-1)), axis=-1),
    "modf": _modf,
    "rad2deg": lambda x: x * (180 / math.pi),
    "radians": lambda x: x * (math.pi / 180),
    "vecmat": lambda x, y: ops.squeeze(ops.matmul(ops.expand_dims(x, axis=-2), y), axis=-2),
}
"""NumPy's functions that are several operations. An operation of the same name comes first."""

_DEFAULTS = {"where": True, "dtype": None, "casting": "same_kind", "order": "K", "subok": True, "axis": -1}


def call_ufunc(ufunc: numpy.ufunc, method: str, inputs: tuple, kwargs: dict[str, Any]) -> Any:
    """The result of a universal function, or of one of its methods, on arguments with Tensors among them.

    DTypeError for functions without a counterpart, and for `out=`, `where=`, `dtype=` of a call.
    """
    name = ufunc.__name__
    if kwargs or method != "__call__":
        asked = f"{_module(name)}.{name}" + ("" if method == "__call__" else f".{method}")
        if kwargs.get("out") is not None:
            raise refuse(asked, "out")
        kwargs = {key: value for key, value in kwargs.items() if key != "out"}
        made = _METHODS.get(method)
        if made is None:
            raise no_counterpart(asked)
        return made(asked, name, *inputs, **kwargs)
    return _function(name)(*map(array_of, inputs))


def _module(name: str) -> str:
    return "numpy" if hasattr(numpy, name) else "scipy.special"


def _function(name: str) -> Any:
    """Our function for the universal function `name`."""
    try:
        known = OPS[RENAMED.get(name, name)]
    except KeyError:
        known = OPS.get(name)
    function = known.function if known is not None else COMPOSED.get(name) or find(name)
    if function is None or (name not in SCIPY and not hasattr(numpy, name)):
        raise no_counterpart(f"{_module(name)}.{name}")
    return function


def _call(asked: str, name: str, *inputs: Any, **options: Any) -> Any:
    extra = {key: value for key, value in options.items() if _DEFAULTS.get(key, options) is not value}
    dtype = extra.pop("dtype", None)
    if dtype is not None:
        inputs = tuple(in_dtype(ops.asarray(array_of(x)), dtype, asked) for x in inputs)
    if name == "vecdot" and set(extra) == {"axis"}:
        return ops.vecdot(*map(array_of, inputs), axis=extra["axis"])
    for key, value in extra.items():
        raise refuse(asked, key, value)
    return _function(name)(*map(array_of, inputs))


def _reduce(
    asked: str, name: str, x: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False, **options: Any
) -> Any:
    function = find(REDUCTIONS[name]) if name in REDUCTIONS else None
    if function is None:
        raise no_counterpart(asked)
    _check_options(asked, options)
    return function(in_dtype(array_of(x), dtype, asked), axis=axis, keepdims=keepdims)


def _accumulate(asked: str, name: str, x: Any, axis: int = 0, dtype: Any = None, **options: Any) -> Any:
    if name not in SCANS:
        raise no_counterpart(asked)
    _check_options(asked, options)
    return scan(name, in_dtype(array_of(x), dtype, asked), axis)


def scan(name: str, x: Any, axis: int) -> Any:
    """The results of an associative universal function of the elements up to each one along an axis."""
    known = find(SCANS[name])
    if known is not None:
        return known(x, axis=axis)
    function, length, distance = _function(name), x.shape[axis], 1
    while distance < length:
        # Each element becomes that of twice as many: its own and those before it.
        head, tail = ops.split(x, [distance], axis=axis)
        before, _ = ops.split(x, [length - distance], axis=axis)
        x = ops.concat([head, function(before, tail)], axis=axis)
        distance *= 2
    return x


def _check_options(asked: str, options: dict[str, Any]) -> None:
    for key, value in options.items():
        if value is not numpy._NoValue and not (key == "where" and value is True):
            raise refuse(asked, key, value)


def _outer(asked: str, name: str, x: Any, y: Any, **options: Any) -> Any:
    function = _function(name)
    x, y = array_of(x), array_of(y)
    _check_options(asked, options)
    ones = (1,) * len(getattr(y, "shape", ()))
    return function(ops.reshape(x, (*x.shape, *ones)) if ones and hasattr(x, "shape") else x, y)


def _at(asked: str, name: str, x: Any, index: Any, value: Any = None) -> None:
    if name not in ("add", "subtract"):
        raise no_counterpart(asked)
    if not isinstance(x, Handle):
        raise DTypeError(
            f"{asked}: the array is NumPy's and the values are a Tensor; make it a Tensor first, with "
            f"tinygrad_lite.tensor(array)."
        )
    target: Any = x
    index = ops.indexing.plain_index(index)
    values = ops.broadcast_to(ops.asarray(array_of(value)), tuple(target[index].shape))
    added = OPS["scatter"].function(values, index=index, shape=target.shape)
    target[...] = ops.add(target, added) if name == "add" else ops.subtract(target, added)


_METHODS = {"__call__": _call, "reduce": _reduce, "accumulate": _accumulate, "outer": _outer, "at": _at}
