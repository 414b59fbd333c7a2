"""Numbers that only the device knows, in rules that are written for numbers: a count of steps, a factor of gradients.

Beside a Python number such a one computes in float64, as Python does; beside an array it takes the array's dtype, as a
Python number does. So a rule that is written with the functions below gives the same on both, and in a kernel what it
computes of such numbers alone is computed once for a block.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from ..core.backend import backend_of
from ..core.dtypes import float64

__all__ = ["DeviceNumber", "chosen", "larger", "root", "smaller"]


class DeviceNumber:
    """An array `()`, or a symbol of one, that behaves as a Python float beside arrays and numbers.

    value : of float64, or of bool if it is a condition. dtype : of the arrays that it meets.
    """

    __slots__ = ("dtype", "value")
    __array_ufunc__ = None
    __array_priority__ = 1000  # above CuPy's

    def __init__(self, value: Any, dtype: Any) -> None:
        self.value, self.dtype = value, dtype

    def _with(self, function: Callable[[Any, Any], Any], other: Any, reflected: bool = False) -> Any:
        if isinstance(other, DeviceNumber):
            other = other.value
        elif not isinstance(other, (int, float)):
            own = backend_of(self.value).xp.astype(self.value, self.dtype)
            return function(other, own) if reflected else function(own, other)
        return DeviceNumber(function(other, self.value) if reflected else function(self.value, other), self.dtype)

    def _compared(self, name: str, other: Any) -> DeviceNumber:
        value = other.value if isinstance(other, DeviceNumber) else other
        return DeviceNumber(getattr(backend_of(self.value).xp, name)(self.value, value), self.dtype)

    def __neg__(self) -> DeviceNumber:
        return DeviceNumber(-self.value, self.dtype)

    def _refuse(self, *_: Any) -> Any:
        raise TypeError(
            "a number that only the device knows is looked at; in rules of optimizers, use `chosen`, `root`, `larger` "
            "and `smaller` of tinygrad_lite.fusion.device_numbers in place of `if`, `sqrt`, `max` and `min`."
        )

    __bool__ = __float__ = __int__ = __index__ = _refuse
    __hash__ = None  # type: ignore[assignment]


def _method(function: Callable[[Any, Any], Any], reflected: bool) -> Callable:
    return lambda self, other: self._with(function, other, reflected)


for _name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(DeviceNumber, f"__{_name}__", _method(getattr(operator, _name), False))
    setattr(DeviceNumber, f"__r{_name}__", _method(getattr(operator, _name), True))
for _name, _function in {"eq": "equal", "ne": "not_equal", "gt": "greater", "lt": "less"}.items():
    setattr(DeviceNumber, f"__{_name}__", lambda self, other, _function=_function: self._compared(_function, other))


def root(x: Any) -> Any:
    """The square root of a number."""
    if not isinstance(x, DeviceNumber):
        return math.sqrt(x)
    return DeviceNumber(backend_of(x.value).xp.sqrt(x.value), x.dtype)


def larger(x: Any, y: Any) -> Any:
    """The larger of two numbers."""
    return _extreme(max, "maximum", x, y)


def smaller(x: Any, y: Any) -> Any:
    """The smaller of two numbers."""
    return _extreme(min, "minimum", x, y)


def _extreme(of_numbers: Callable[[Any, Any], Any], name: str, x: Any, y: Any) -> Any:
    known = x if isinstance(x, DeviceNumber) else y
    if not isinstance(known, DeviceNumber):
        return of_numbers(x, y)
    values = [number.value if isinstance(number, DeviceNumber) else number for number in (x, y)]
    return DeviceNumber(getattr(backend_of(known.value).xp, name)(*values), known.dtype)


def chosen(condition: Any, of_true: Callable[[], Any], of_false: Callable[[], Any]) -> Any:
    """What one of two functions returns: arrays, numbers, or tuples of them.

    Only that one is called, unless the condition is a DeviceNumber.
    """
    if not isinstance(condition, DeviceNumber):
        return of_true() if condition else of_false()
    x, y = of_true(), of_false()
    if isinstance(x, tuple):
        return tuple(_selected(condition, *pair) for pair in zip(x, y, strict=True))
    return _selected(condition, x, y)


def _selected(condition: DeviceNumber, x: Any, y: Any) -> Any:
    """x where the condition holds, else y."""
    xp = backend_of(condition.value).xp
    if not all(isinstance(number, (int, float, DeviceNumber)) for number in (x, y)):
        return xp.where(condition.value, x, y)
    none = xp.astype(condition.value, float64) * 0.0  # numbers of a selection would be compiled with it
    values = [number.value if isinstance(number, DeviceNumber) else none + number for number in (x, y)]
    return DeviceNumber(xp.where(condition.value, *values), condition.dtype)
