"""Traces: what a rule does to its arrays, in as little time as it takes to note it.

An update rule runs in every step, and nearly always does what it did before with other numbers. So the first look at
it, which finds the program that was made then, notes names, places and numbers, and builds no expression: 0.4 of the
time of `symbols.py`. What it does not understand it leaves to those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..core.backend import Backend, register_backend
from ..core.graph import Handle
from .device_numbers import DeviceNumber
from .expressions import distinct
from .symbols import ELEMENTWISE, OPERATORS, SHAPE, UNARY, NotElementwise

__all__ = ["trace_form"]


class _Trace:
    """form, numbers : as those of the tape in `updates.py`. count : the arrays and values so far."""

    __slots__ = ("count", "form", "numbers")

    def __init__(self, form: list[Any]) -> None:
        self.form, self.numbers, self.count = form, [], len(form)

    def made(self) -> _Traced:
        """What stands for the value of what was just noted."""
        made = _Traced(self, self.count)
        self.count += 1
        return made


class _Traced:
    """Stands for an array, or for a value that was computed."""

    __slots__ = ("index", "trace")

    shape, ndim, size = SHAPE, 1, SHAPE[0]
    __array_ufunc__ = None

    def __init__(self, trace: _Trace, index: int) -> None:
        self.trace, self.index = trace, index

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotElementwise("a value is looked at")

    dtype = property(_refuse)
    __bool__ = __float__ = __int__ = __index__ = __array__ = __getitem__ = __iter__ = __setitem__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _refuse
    __hash__ = object.__hash__


def _note(trace: _Trace, name: str, operands: Sequence[Any]) -> _Traced:
    form = trace.form
    form.append(name)
    for operand in operands:
        kind = type(operand)
        if kind is _Traced:
            form.append(operand.index)
        elif kind is float or kind is int:
            form.append(kind)
            trace.numbers.append(operand)
        elif issubclass(kind, (Handle, DeviceNumber)):
            return NotImplemented  # the operator is theirs
        else:
            raise NotElementwise(f"a {kind.__name__}")
    return trace.made()


def _binary(name: str, reflected: bool = False) -> Callable:
    def method(self: _Traced, other: Any) -> Any:
        return _note(self.trace, name, (other, self) if reflected else (self, other))

    return method


class _Namespace:
    """The elementwise functions of one argument or several."""

    def __getattr__(self, name: str) -> Any:
        if name not in ELEMENTWISE:
            raise NotElementwise(f"{name} is not noted")

        def function(*args: Any) -> Any:
            trace = next((arg.trace for arg in args if type(arg) is _Traced), None)
            found = getattr(numpy, name)(*args) if trace is None else _note(trace, name, args)
            if found is NotImplemented:
                raise NotElementwise(f"{name} of what is neither an array nor a number")
            return found

        setattr(self, name, function)
        return function

    def where(self, condition: Any, x: Any, y: Any, /) -> Any:
        trace = condition.trace
        trace.form.append("where")
        for arg in (condition, x, y):
            if type(arg) not in (_Traced, int, float):
                raise NotElementwise(f"a selection of a {type(arg).__name__}")
            trace.form.append(arg.index if type(arg) is _Traced else distinct(arg))  # compiled with its numbers
        return trace.made()

    def norm_of_each(self, x: Any, /) -> Any:
        return _note(x.trace, "norm_of_each", (x,))

    def astype(self, x: Any, dtype: Any, /) -> Any:
        trace = x.trace
        trace.form += ["astype", numpy.dtype(dtype), x.index]
        return trace.made()


class _TraceBackend(Backend):
    """Notes what is to be computed."""

    name = "traces"
    default_device = "traces"
    without_dtypes = True
    xp = _Namespace()
    array_types = (_Traced,)

    def to_numpy(self, array: Any) -> Any:
        return array._refuse()


for _name, _function in OPERATORS.items():
    setattr(_Traced, f"__{_name}__", _binary(_function))
    setattr(_Traced, f"__r{_name}__", _binary(_function, reflected=True))
for _name, _function in UNARY.items():
    setattr(_Traced, f"__{_name}__", lambda self, _function=_function: _note(self.trace, _function, (self,)))

register_backend(_TraceBackend())


def trace_form(
    arrays: Sequence[numpy.ndarray], rule: Callable[..., Sequence[Any]]
) -> tuple[tuple, list[Any], list[int]]:
    """What `rule(*arrays)` does: a key of its form, its numbers, and the places of the values that are not arrays.

    Raises NotElementwise, or what the rule raises, where that is not seen.
    """
    trace = _Trace([array.dtype for array in arrays])
    values = rule(*[_Traced(trace, i) for i in range(len(arrays))])
    found = [value.index if type(value) is _Traced else None for value in values]
    if len(found) != len(arrays) or None in found:
        raise NotElementwise("a value is a number")
    changed = [i for i, index in enumerate(found) if index != i]
    return (*trace.form, None, *[(i, found[i]) for i in changed]), trace.numbers, changed
