"""A call of a NumPy function as a call of ours: arrays by position, all other arguments by name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy

from .. import ops
from ..core.dtypes import is_floating
from ..core.errors import DTypeError, GradientError
from ..core.graph import Handle
from .names import refuse

__all__ = ["array_of", "holds_tensor", "in_dtype", "translated"]

PARAMETERS = {"ddof": "correction"}
"""NumPy's names of parameters that are called otherwise here."""

_COMPUTE_IN = ("cumprod", "cumsum", "mean", "prod", "std", "sum", "var")
"""Functions whose `dtype=` is the one to compute in: as if the argument were converted first."""

signature_of = functools.cache(inspect.signature)


def holds_tensor(value: Any) -> bool:
    """Whether `value` is a Tensor, or a list or tuple that holds one at any depth."""
    return isinstance(value, Handle) or (isinstance(value, (list, tuple)) and any(map(holds_tensor, value)))


def array_of(value: Any) -> Any:
    """What NumPy would make an array of: a list with Tensors becomes one Tensor, another list an array."""
    if not isinstance(value, (list, tuple)):
        return value
    return ops.stack([array_of(v) for v in value]) if holds_tensor(value) else numpy.asarray(value)


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


def translated(asked: str, function: Callable, counterpart: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """The result of our `counterpart` for a call of NumPy's `function`, whose name is `asked`.

    Arguments that ours does not have must be left at NumPy's defaults; all others are passed on, defaults too.
    """
    theirs, accepted = signature_of(function), signature_of(counterpart).parameters
    bound = theirs.bind(*args, **kwargs)
    bound.apply_defaults()
    op = getattr(counterpart, "op", None)
    count = 1 if op is None or op.variadic else len(op.arrays)
    positional = [name for name, p in accepted.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    arrays, statics = [], {}
    for i, (key, value) in enumerate(bound.arguments.items()):
        if i == 0 and theirs.parameters[key].kind is inspect.Parameter.VAR_POSITIONAL:
            arrays.extend(ops.asarray(array_of(v)) for v in value)
            continue
        if i < count:
            arrays.append(list(map(array_of, value)) if op is not None and op.variadic else array_of(value))
            continue
        name = PARAMETERS.get(key, key)
        if name not in accepted and i < len(positional) and positional[i] not in theirs.parameters:
            name = positional[i]
        if name in accepted:
            # None asks for the default, but along an axis: there it stands for all of them.
            if value is not numpy._NoValue and (value is not None or name == "axis"):
                if statics.get(name):
                    raise refuse(asked, key, value)
                statics[name] = _static(asked, key, value)
        elif name == "dtype" and function.__name__ in _COMPUTE_IN:
            arrays[0] = in_dtype(arrays[0], value, asked)
        elif not (_is_default(value, theirs.parameters[key].default) or (key == "where" and value is True)):
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


def _is_default(value: Any, default: Any) -> bool:
    if value is default or value is None or value is numpy._NoValue:
        return True
    return isinstance(value, (bool, int, float, str)) and type(value) is type(default) and value == default
