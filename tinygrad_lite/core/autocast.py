"""Mixed precision: `autocast` gives each operation its inputs in the dtype that its declaration asks for.

What a declaration says, `autocast=`:

- `"low"`: products of matrices and what is made of them; float32 inputs become the low dtype.
- `"float32"`: what loses too much, or overflows, in 16 bits, such as sums, exponentials, norms and losses; 16-bit
  inputs become float32.
- `"widest"`: all floating-point inputs get the widest dtype among them.
- `"as given"`: the inputs stay as they are, and nothing inside the operation is cast.
- None: the inputs stay as they are; of a composite, the operations inside decide for themselves.

Inside an operation with one of the four nothing is cast any further: it computes as it does outside of `autocast`.
Double precision, integers and complex numbers are left alone. Which operation belongs where is PyTorch's choice
(https://docs.pytorch.org/docs/stable/amp.html, "CUDA Op-Specific Behavior"), where it has the operation.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from . import graph
from .codegen import look_for_policies
from .dtypes import bfloat16, bfloat16_in_use, float16, float32, numpy_dtype, numpy_dtype_of
from .errors import DeclarationError, DTypeError
from .graph import Handle, Leaf, grad_enabled, record, wrap
from .publish import restart
from .registry import OPS

if TYPE_CHECKING:
    from .op import Op

__all__ = ["OTHERS", "Policy", "active_policy", "autocast", "autocasting", "check_kind", "precision", "recast", "under"]

P = ParamSpec("P")
R = TypeVar("R")

KINDS = ("low", "float32", "widest", "as given", None)


class Policy:
    """What `autocast` does: the low dtype, and the parameters that are cast already.

    A parameter is cast once, and again after an optimizer wrote into parameters or somebody bound other data to it.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self._held: dict[int, tuple[weakref.ref, Any, int, Any]] = {}

    def inputs(self, kind: str, arrays: tuple) -> tuple:
        """The arrays of a call in the dtypes that an operation of this kind computes in."""
        if kind == "low":
            return tuple([self._lowered(x) if numpy_dtype_of(x) == float32 else x for x in arrays])
        if kind == "float32":
            return tuple([_cast(x, float32) if _is_half(x) else x for x in arrays])
        if kind == "widest":
            found = {dtype for x in arrays if (dtype := numpy_dtype_of(x)) == float32 or _is_half(x)}
            if len(found) > 1:
                return tuple([_cast(x, float32) if _is_half(x) else x for x in arrays])
        return arrays

    def _lowered(self, x: Any) -> Any:
        if not isinstance(x, Handle) or type(x.node) is not Leaf:
            return _cast(x, self.dtype)
        ref, data, written, cast = self._held.get(id(x), (None, None, 0, None))
        if ref is None or ref() is not x or data is not x.data or written != graph.last_write:
            cast = _cast(x, self.dtype)
            gone = weakref.ref(x, functools.partial(_forget, self._held, id(x)))
            self._held[id(x)] = gone, x.data, graph.last_write, cast
        elif grad_enabled():
            if cast.node is None or cast.node.saved is None:  # made without a graph, or swept
                rule = OPS["cast"]
                cast = record(rule, (x.node,), tuple([x.data.dtype for _ in rule.kept]), cast.data)
                self._held[id(x)] = ref, data, written, cast
        elif cast.node is not None:
            cast = wrap(cast.data, None)
        return cast


def _forget(held: dict[int, Any], key: int, ref: weakref.ref) -> None:
    if key in held and held[key][0] is ref:
        del held[key]


def _is_half(x: Any) -> bool:
    dtype = numpy_dtype_of(x)
    return dtype == float16 or (bfloat16_in_use() and dtype == bfloat16())


def _cast(x: Any, dtype: Any) -> Any:
    return OPS["cast"].function(x, dtype=dtype)


autocasting: ContextVar[Policy | None] = ContextVar("tinygrad_lite_autocast", default=None)
active_policy = autocasting.get
"""The policy of this thread or task, None outside of `autocast`."""


class under:
    """Within the `with` block operations follow `policy`; None for none."""

    def __init__(self, policy: Policy | None) -> None:
        self._new = policy

    def __enter__(self) -> None:
        self._token = autocasting.set(self._new)

    def __exit__(self, *exception: object) -> None:
        autocasting.reset(self._token)


def precision() -> Any:
    """The low dtype, or None outside of `autocast`: what the computation of this thread or task depends on."""
    policy = active_policy()
    return None if policy is None else policy.dtype


OTHERS: list[weakref.ref] = []
"""The operations that are not in OPS."""


class _Used:
    """once : whether there was an `autocast` in this process. Before that no operation looks for one."""

    once = False


class autocast:
    """Within the `with` block, or in the decorated function, operations compute in 16 bits where that is enough.

    dtype : `"bfloat16"`, which has the range of float32, or `"float16"`, which needs a `GradScaler`.
    enabled : False for a block that computes as it is written, inside another one too.

    Matrix products, convolutions and attention take float32 inputs as `dtype`; sums, exponentials, norms and losses
    take 16-bit ones as float32; other operations promote what they are given (bfloat16 and float32 to float32). Each
    parameter is cast once, until an optimizer changes it. Casts are differentiable: parameters and their gradients stay
    float32. It holds for the thread or the task, not for those that it starts; a backward pass, wherever it is called,
    computes in the dtypes of the forward pass.

    Raises DTypeError for another dtype.

    >>> with autocast("float16"):
    ...     y = matmul(ones((2, 2)), ones((2, 2)))
    >>> y.dtype, exp(y).dtype
    (dtype('float16'), dtype('float16'))
    >>> with autocast("float16"):
    ...     exp(y).dtype
    dtype('float32')
    """

    def __init__(self, dtype: Any = "bfloat16", enabled: bool = True) -> None:
        self._enabled = enabled
        self._tokens: list[Token[Policy | None]] = []
        self.dtype = self._low(dtype) if enabled else None

    @staticmethod
    def _low(dtype: Any) -> Any:
        try:
            low = numpy_dtype(dtype)
        except DTypeError:
            raise
        except TypeError:
            low = None
        if low is None or (low != float16 and not (bfloat16_in_use() and low == bfloat16())):
            raise DTypeError(f"autocast: dtype is {dtype!r}; it must be 'bfloat16' or 'float16'.")
        return low

    def __enter__(self) -> None:
        outer = active_policy()
        policy = None
        if self._enabled:
            if not _Used.once:
                _start()
            same = outer is not None and outer.dtype == self.dtype
            policy = outer if same else Policy(self.dtype)
        self._tokens.append(autocasting.set(policy))

    def __exit__(self, *exception: object) -> None:
        autocasting.reset(self._tokens.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def decorated(*args: P.args, **kwargs: P.kwargs) -> R:
            with autocast(self.dtype, self._enabled):
                return function(*args, **kwargs)

        return decorated


def _start() -> None:
    """Have the functions of operations generated anew, now with a look at the policy."""
    _Used.once = True
    look_for_policies(active_policy, recast)
    for op in [*dict.values(OPS), *[ref() for ref in OTHERS]]:
        if op is not None and op.autocast is not None:
            restart(op)


def recast(op: Op, arrays: Any, statics: dict[str, Any]) -> Any:
    """The result of an operation that is called under a policy."""
    policy = active_policy()
    assert policy is not None and op.autocast is not None
    token = autocasting.set(None)
    try:
        if "dtype" in statics and statics["dtype"] is None and op.autocast == "float32":
            # It converts by itself, in the same pass; an input of another dtype is to decide on its own.
            if any([_is_half(x) for x in arrays]):
                statics["dtype"] = float32
        else:
            arrays = policy.inputs(op.autocast, tuple(arrays))
        if op.primitive and op.variadic:
            return op.function(arrays, **statics)
        return op.function(*arrays, **statics)
    finally:
        autocasting.reset(token)


def check_kind(name: str, kind: str | None) -> str | None:
    """`kind`; DeclarationError if there is no such."""
    if kind not in KINDS:
        raise DeclarationError(f"{name}: autocast is {kind!r}; it must be one of {', '.join(map(repr, KINDS))}.")
    return kind
