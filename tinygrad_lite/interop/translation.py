"""A call of a NumPy function as a call of ours: arrays by position, all other arguments by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy

from .. import ops
from ..core.backend import backend_of
from ..core.dtypes import is_floating
from ..core.errors import DTypeError, GradientError
from ..core.graph import Handle, unwrap
from .names import refuse

__all__ = ["array_of", "beside", "holds_tensor", "in_dtype", "placed", "translated"]

PARAMETERS = {"ddof": "correction", "rcond": "rtol"}
"""NumPy's names of parameters that are called otherwise here."""

_COMPUTE_IN = ("cumprod", "cumsum", "mean", "prod", "std", "sum", "var")
"""Functions whose `dtype=` is the one to compute in: as if the argument were converted first."""

_PERMITS = ("UPLO", "assume_unique", "hermitian", "kind", "overwrite_input")
"""Arguments that permit a shorter way to the same result, which is not taken here."""

signature_of = functools.cache(inspect.signature)


def holds_tensor(value: Any) -> bool:
    """Whether `value` is a Tensor, or a list or tuple that holds one at any depth."""
    return isinstance(value, Handle) or (isinstance(value, (list, tuple)) and any(map(holds_tensor, value)))


def array_of(value: Any) -> Any:
    """What NumPy would make an array of: a list with Tensors becomes one Tensor, another list an array."""
    if not isinstance(value, (list, tuple, range)):
        return value
    return ops.stack([array_of(v) for v in value]) if holds_tensor(value) else numpy.asarray(value)


def placed(array: numpy.ndarray, x: Any) -> Any:
    """An array of NumPy's where x is, so that they can meet in an operation."""
    data = unwrap(x)
    backend = backend_of(data)
    return backend.asarray(array, device=backend.device_of(data))


def beside(value: Any, x: Any) -> Any:
    """What NumPy would make an array of, where x is."""
    value = array_of(value)
    return placed(value, x) if isinstance(value, numpy.ndarray) else value


def in_dtype(x: Any, dtype: Any, asked: str) -> Any:
    """x in the dtype that a NumPy function was asked for; DTypeError if the gradient would be lost by that."""
    if dtype is None:
        return x
    if isinstance(x, Handle) and x.node is not None and not is_floating(numpy.dtype(dtype)):
        raise DTypeError(
            f"{asked}: got dtype={numpy.dtype(dtype)} and a Tensor that requires a gradient, which would be lost; "
            f"give x.detach() if it is a constant."
        )
    return ops.astype(x, dtype)


class _Plan:
    """How the parameters of a NumPy function become those of ours; made once for each pair."""

    def __init__(self, function: Callable, counterpart: Callable) -> None:
        theirs, accepted = signature_of(function).parameters, signature_of(counterpart).parameters
        op = getattr(counterpart, "op", None)
        first = next(iter(theirs.values()))
        self.variadic = op is not None and op.variadic
        self.many = first.kind is first.VAR_POSITIONAL
        self.count = 1 if op is None or op.variadic else len(op.arrays)
        self.names = list(theirs)
        self.defaults = {name: parameter.default for name, parameter in theirs.items()}
        self.computes_in = "dtype" not in accepted and function.__name__ in _COMPUTE_IN
        positional = [name for name, p in accepted.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.ours: dict[str, str] = {}
        self.fixed: dict[str, Any] = {}
        for i, name in enumerate(self.names):
            known = PARAMETERS.get(name, name)
            if known not in accepted and i < len(positional) and positional[i] not in theirs:
                known = positional[i]
            if i < self.count or known not in accepted:
                continue
            self.ours[name] = known
            default = self.defaults[name]
            if _asks(known, default) and not _equal(default, accepted[known].default):
                self.fixed.setdefault(known, default)


def _asks(name: str, value: Any) -> bool:
    """Whether a value says something: None asks for the default, but along an axis, where it stands for all."""
    if value is None:
        return name == "axis"
    return value is not numpy._NoValue and value is not inspect.Parameter.empty


def _equal(a: Any, b: Any) -> bool:
    return a is b or (isinstance(a, (bool, int, float, str)) and type(a) is type(b) and a == b)


plan_of = functools.cache(_Plan)


def translated(asked: str, function: Callable, counterpart: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """The result of our `counterpart` for a call of NumPy's `function`, whose name is `asked`.

    Arguments that ours does not have must be left at NumPy's defaults. Where the two have other defaults, NumPy's hold.
    """
    plan = plan_of(function, counterpart)
    if plan.many:
        arrays, given = [ops.asarray(array_of(x)) for x in args], kwargs
    else:
        given = dict(zip(plan.names, args, strict=False)) | kwargs
        leading = [name for name in plan.names[: plan.count] if name in given]
        arrays = [given.pop(name) for name in leading]
        arrays = [list(map(array_of, x)) if plan.variadic else array_of(x) for x in arrays]
    statics = dict(plan.fixed)
    for key, value in given.items():
        name = plan.ours.get(key)
        if name is not None:
            if _asks(name, value):
                statics[name] = _static(asked, key, value)
        elif key == "dtype" and plan.computes_in:
            arrays[0] = in_dtype(arrays[0], value, asked)
        elif (
            key not in _PERMITS
            and _asks("", value)
            and not _equal(value, True if key == "where" else plan.defaults.get(key))
        ):
            raise refuse(asked, key, value)
    return counterpart(*arrays, **statics)


def _static(asked: str, key: str, value: Any) -> Any:
    if isinstance(value, Handle):
        if value.node is not None:
            raise GradientError(
                f"{asked}: {key} requires a gradient, and there is none with respect to it; give {key}.detach()."
            )
        value = value.data
    return value.item() if isinstance(value, numpy.generic) else value
