"""NumPy's functions on Tensors, `np.concatenate([t, u])`: which of our functions answers, with which arguments."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy

from . import choice, composed, polynomials, positions, signals
from .functions import TABLE
from .names import find, no_counterpart, refuse
from .selected import selected
from .translation import signature_of, translated

__all__ = ["TABLE", "choice", "composed", "dispatched", "polynomials", "positions", "signals"]


@functools.cache
def positional_count(function: Callable) -> int:
    """How many arguments a function takes by position."""
    kinds = [parameter.kind for parameter in signature_of(function).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return sys.maxsize
    return kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)


def dispatched(function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """The result of a NumPy function on arguments with Tensors among them.

    DTypeError for a function without a counterpart, and for arguments that the counterpart does not have.
    """
    module = function.__module__.removeprefix("numpy").removeprefix(".")
    name = function.__name__
    asked = f"{function.__module__}.{name}"
    kwargs = dict(kwargs)
    if kwargs.get("out") is not None:
        raise refuse(asked, "out")
    made = selected(name, kwargs) if kwargs and not module else None
    made = made or TABLE.get(f"{module}.{name}" if module else name)
    if made is not None:
        accepted = signature_of(made).parameters
        count = positional_count(made)
        if len(args) > count:
            theirs = list(signature_of(function).parameters)[count:]
            kwargs |= dict(zip(theirs, args[count:], strict=False))
            args = args[:count]
        if not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
            for key in [key for key in kwargs if key not in accepted]:
                value = kwargs.pop(key)
                if value is not None and value is not numpy._NoValue:
                    raise refuse(asked, key, value)
        return made(*args, **kwargs)
    counterpart = find(name)
    if counterpart is None or module not in ("", "linalg", "fft"):
        raise no_counterpart(asked)
    return translated(asked, function, counterpart, args, kwargs)
