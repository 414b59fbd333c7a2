"""Symbols: arrays without elements, from which a definition, run on them, makes an expression.

A backend like any other: its functions compute nothing, and note what is to be computed. A function that is not
elementwise raises `NotElementwise`: what uses it is no expression.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from ..core.backend import Backend, register_backend
from ..core.errors import TinygradLiteError
from ..core.graph import Handle
from .device_numbers import DeviceNumber
from .expressions import Expressions, Node

__all__ = [
    "ELEMENTWISE",
    "OPERATORS",
    "SHAPE",
    "SYMBOLS",
    "UNARY",
    "NotElementwise",
    "Symbol",
    "expression",
    "quiet_exp",
]

SHAPE = (3,)
"""The shape that every symbol shows: that of one axis, neither empty nor a single element."""

ELEMENTWISE = frozenset({
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert",
    "bitwise_or", "bitwise_xor", "ceil", "conj", "copysign", "cos", "cosh", "divide", "equal", "exp", "expm1", "floor",
    "floor_divide", "greater", "greater_equal", "hypot", "isfinite", "isinf", "isnan", "less", "less_equal", "log",
    "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum",
    "minimum", "multiply", "negative", "nextafter", "not_equal", "positive", "pow", "real", "reciprocal", "remainder",
    "sign", "signbit", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "trunc", "where",
})  # fmt: skip
"""The Array API's functions that expressions are made of."""

_NUMPY_NAMES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh", "arctan": "atan",
    "arctan2": "atan2", "arctanh": "atanh", "conjugate": "conj", "invert": "bitwise_invert", "power": "pow",
    "true_divide": "divide",
}  # fmt: skip
"""What NumPy's functions call themselves that have another name there."""


class NotElementwise(TinygradLiteError):
    """A definition does more than compute each element from those in its place."""


class Symbol:
    """Stands for an array of any shape; every symbol of an expression has the same."""

    __slots__ = ("expressions", "node")

    shape, ndim, size = SHAPE, 1, SHAPE[0]

    def __init__(self, expressions: Expressions, node: Node | Any) -> None:
        self.expressions, self.node = expressions, node

    @property
    def dtype(self) -> numpy.dtype:
        """The dtype of the elements."""
        return self.node.dtype

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = _NUMPY_NAMES.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__" or kwargs or name not in ELEMENTWISE:
            raise NotElementwise(f"numpy.{ufunc.__name__}.{method} is none of the functions of expressions")
        return _apply(name, *inputs)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotElementwise("a value is looked at")

    __bool__ = __float__ = __int__ = __index__ = __array__ = __getitem__ = __iter__ = __setitem__ = _refuse


def expression(value: Any) -> Any:
    """The node of a symbol; a Python number as it is."""
    return value.node if isinstance(value, Symbol) else value


class _Namespace:
    """The Array API's elementwise functions for symbols, and NumPy's dtypes and constants."""

    def __getattr__(self, name: str) -> Any:
        if name in ELEMENTWISE:
            return lambda *args: _apply(name, *args)
        own = getattr(numpy, name)
        if isinstance(own, type) or not callable(own):
            return own
        if name in ("finfo", "iinfo", "isdtype"):
            return own
        raise NotElementwise(f"{name} is not elementwise")

    def clip(self, x: Any, /, min: Any = None, max: Any = None) -> Any:  # the Array API's names
        if min is not None:
            x = _apply("maximum", x, min)
        return x if max is None else _apply("minimum", x, max)

    def norm_of_each(self, x: Symbol, /) -> Any:  # see `norms.py`
        return _apply("norm_of_each", x)

    def astype(self, x: Symbol, dtype: Any, /, *, copy: bool = True) -> Any:
        return _symbol(x.expressions, x.expressions.convert(x.node, dtype))

    def asarray(self, x: Any, /, *, dtype: Any = None, copy: bool | None = None, device: Any = None) -> Any:
        if not isinstance(x, Symbol):
            return numpy.asarray(x, dtype=dtype)
        return x if dtype is None else self.astype(x, dtype)

    def result_type(self, *args: Any) -> Any:
        return numpy.result_type(*(x.dtype if isinstance(x, Symbol) else x for x in args))

    def full_like(self, x: Symbol, value: Any, /, *, dtype: Any = None) -> Any:
        return Symbol(x.expressions, x.expressions.full(value, dtype or x.dtype))

    def zeros_like(self, x: Symbol, /, *, dtype: Any = None) -> Any:
        return self.full_like(x, 0, dtype=dtype)

    def ones_like(self, x: Symbol, /, *, dtype: Any = None) -> Any:
        return self.full_like(x, 1, dtype=dtype)


def quiet_exp(x: Symbol) -> Any:
    """The exponential function, infinite without a warning where it is too large."""
    argument = x.expressions.opposite(x.node.operands[0]) if x.node.name == "negative" else None
    operand = argument if isinstance(argument, Node) else x.node
    return Symbol(x.expressions, x.expressions.node("quiet_exp", (operand,), x.dtype))


def _symbol(expressions: Expressions, node: Any) -> Any:
    return Symbol(expressions, node) if isinstance(node, Node) else node


def _apply(name: str, *args: Any) -> Any:
    for arg in args:
        if isinstance(arg, Symbol):
            expressions = arg.expressions
            return _symbol(expressions, expressions.make(name, *[_operand(expressions, arg) for arg in args]))
    return getattr(numpy, name)(*args)


def _operand(expressions: Expressions, value: Any) -> Any:
    if isinstance(value, Symbol):
        return value.node
    if isinstance(value, (numpy.bool_, numpy.integer, numpy.floating)):
        return expressions.full(value.item(), value.dtype)
    if isinstance(value, (bool, int, float)):
        return value
    raise NotElementwise(f"a {type(value).__name__} is no operand of an expression")


class _SymbolBackend(Backend):
    """Computes nothing: notes what is to be computed."""

    name = "symbols"
    default_device = "symbols"
    xp = _Namespace()
    array_types = (Symbol,)

    def asarray(self, value: Any, *, dtype: Any = None, device: str | None = None) -> Any:
        return self.xp.asarray(value, dtype=dtype)

    def dtype(self, dtype: Any) -> Any:
        return numpy.dtype(dtype)

    def copy(self, array: Any) -> Any:
        return array

    def to_numpy(self, array: Any) -> Any:
        return array._refuse()

    def special(self, name: str) -> Callable:
        raise NotElementwise(f"{name} is computed by SciPy")


def _binary(name: str, reflected: bool = False) -> Callable:
    def method(self: Symbol, other: Any) -> Any:
        if isinstance(other, (Handle, DeviceNumber)):
            return NotImplemented
        return _apply(name, *((other, self) if reflected else (self, other)))

    return method


OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "pow", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}  # fmt: skip
_COMPARISONS = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}  # fmt: skip
UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}
for _name, _function in (OPERATORS | _COMPARISONS).items():
    setattr(Symbol, f"__{_name}__", _binary(_function))
for _name, _function in OPERATORS.items():
    setattr(Symbol, f"__r{_name}__", _binary(_function, reflected=True))
for _name, _function in UNARY.items():
    setattr(Symbol, f"__{_name}__", lambda self, _function=_function: _apply(_function, self))
Symbol.__hash__ = object.__hash__  # type: ignore[method-assign]

SYMBOLS = register_backend(_SymbolBackend())
"""The backend of symbols."""
