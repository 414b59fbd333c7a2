"""Declaring operations: `primitive`, `composite`, `kernel`, and the registry `OPS`.

    @primitive(x=lambda g, out: g * out)
    def exp(xp, x):
        return xp.exp(x)

A *primitive* computes with a backend's namespace `xp` and has one derivative rule per differentiable input. A rule is
a vector-Jacobian product written with operations; the names of its parameters say what it needs: `g` (the cotangent),
an input, `out`, `<input>_shape`, `<input>_dtype`, or a static argument. Nothing else is kept until the backward pass.
A *composite* is written with other operations and needs no rules. A *kernel* computes either of them faster.

In the declared signature the positional parameters are arrays (if there is a `/`, only those before it), and
`*arrays` stands for a sequence of them. All other parameters are static arguments.
"""

from __future__ import annotations

import inspect
import weakref
from collections import namedtuple
from collections.abc import Callable
from types import EllipsisType
from typing import Any, Concatenate, ParamSpec, TypeVar

from . import codegen, scalars
from .autocast import OTHERS, check_kind
from .backend import Backend, common_backend
from .bfloat16 import foreign_dtypes, in_float32
from .conjugate import Conjugated
from .domain import REALS, Interval
from .dtypes import ON_BFLOAT16
from .errors import (
    BackendError,
    DTypeError,
    GradientError,
    IndexingError,
    OutOfMemoryError,
    ShapeError,
    TinygradLiteError,
    describe,
)
from .graph import Handle, grad_enabled, record
from .kernels import Kernel, Kernels, kernel
from .outputs import record_outputs
from .publish import publish, restart
from .registry import OPS

__all__ = ["OPS", "Array", "Kernel", "Op", "composite", "kernel", "primitive"]

Array = Any
"""An array of any backend, a Tensor or a Python number: what operations take and return."""

P = ParamSpec("P")
R = TypeVar("R")


class Op:
    """The declaration of one operation and the functions made from it.

    name : of the declared function.
    body : the declared function itself; definition, fallback and test oracle.
    primitive : whether the body takes `xp` and the derivative comes from `rules`, one per differentiable array.
    arrays : names of the array arguments; `variadic` says that the one name stands for a sequence of arrays.
    statics : names of the static arguments.
    domain : where the arrays may lie (an Interval, or a dict of them by name).
    kinks : values of an input at which the operation is not differentiable.
    shapes : `"elementwise"` if it takes any shapes that broadcast; `"any"` if what it takes is special to it.
    unused : for an operation that selects, where elements of each array are left out, see `core/selection.py`.
    conjugated : what stands for the operation in nodes with a complex result.
    outputs : names of the outputs if there are several; the result is then a named tuple, and `g` and `out` are tuples.
        `...` stands for any number of them, and a plain tuple.
    autocast : in which dtype it computes within `autocast`, see `core/autocast.py`.
    registered : whether it is in OPS; not if it is a user's own function that happens to be compiled.
    explain : called as the operation was when it fails; returns a message, or None if it has none.
    kept : what the rules ask for, and so what a call keeps for the backward pass.
    function : the public function.
    """

    def __init__(
        self,
        body: Callable,
        rules: dict[str, Callable] | None,
        *,
        domain: Interval | dict[str, Interval] = REALS,
        kinks: tuple[float, ...] = (),
        shapes: str = "elementwise",
        unused: dict[str, Callable] | None = None,
        outputs: tuple[str, ...] | EllipsisType = (),
        holomorphic: bool = True,
        explain: Callable[..., str | None] | None = None,
        autocast: str | None = None,
        registered: bool = True,
    ) -> None:
        self.name = body.__name__ if body.__name__.isidentifier() else "function"  # a lambda's is not
        self.body = body
        self.primitive = rules is not None
        self.rules = rules or {}
        self.domain, self.kinks, self.shapes, self.explain = domain, kinks, shapes, explain
        self.unused = unused
        self.autocast = check_kind(self.name, autocast)
        if autocast is None and not self.primitive and shapes == "elementwise":
            self.autocast = "as given"
        self.outputs = outputs
        self.conjugated = Conjugated(self) if holomorphic else self
        self.result: Any = None
        if outputs:
            self.result = _plain_tuple if outputs is ... else namedtuple(f"{self.name}_result", outputs)
        self.kernels = Kernels(self.name)
        self.arrays, self.variadic, self.statics = codegen.split_arguments(body, skip=int(self.primitive))
        self.kept = codegen.values_to_keep(self)
        self.backends = _Backends(self)
        self.implementations = _Implementations(self)
        self.pull = codegen.lazy_pull(self, "pull")
        self.pull_graph = codegen.lazy_pull(self, "pull_graph")
        self.function = publish(self)
        if registered:
            self._register()
        else:
            OTHERS[:] = [*(ref for ref in OTHERS if ref() is not None), weakref.ref(self)]

    @property
    def signature(self) -> inspect.Signature:
        """The parameters of the public function."""
        return inspect.signature(self.function)

    def add_kernel(self, made: Kernel) -> None:
        """Let a kernel compute this operation: after those that there are, but an automatic one after all others."""
        self.kernels.add(made)
        self.implementations.clear()

    def _register(self) -> None:
        module = self.body.__module__
        known = OPS.declared(self.name) if module.startswith("tinygrad_lite.ops.") else OPS.get(self.name)
        taken = known is not None and known.body.__module__ != module
        # A name that this package takes one day may be a program's: that goes on, with its module in front.
        OPS[f"{module}.{self.name}" if taken else self.name] = self

    def domain_of(self, array: str) -> Interval:
        """Where the array argument called `array` may lie."""
        return self.domain if isinstance(self.domain, Interval) else self.domain.get(array, REALS)

    def fail(self, error: Exception, arrays: tuple, statics: dict[str, Any]) -> None:
        """After the body failed with `error`: raise one that names the operation and its arguments, if that helps."""
        if isinstance(error, OutOfMemoryError):
            error.name_operation(self.name)
        if isinstance(error, (TinygradLiteError, MemoryError)) or not isinstance(
            error, (ValueError, TypeError, IndexError, AttributeError)
        ):
            return
        message = self.explain(*arrays, **statics) if self.explain is not None else None
        if message is None:
            given = [
                f"{name} is {describe(value)}" for name, value in zip(self._array_names(arrays), arrays, strict=True)
            ]
            given += [f"{name}={describe(value)}" for name, value in statics.items()]
            broadcast = self.shapes == "elementwise" and isinstance(error, ValueError) and len(arrays) > 1
            why = "to broadcast, lengths must be equal or 1 from the last axis on." if broadcast else str(error)
            message = f"{', '.join(given)}; {why}"
        wrong_type = isinstance(error, (TypeError, AttributeError))
        kind = DTypeError if wrong_type else IndexingError if isinstance(error, IndexError) else ShapeError
        raise kind(f"{self.name}: {message}") from error

    def beside_a_device(self, error: Exception, arrays: tuple, nodes: tuple) -> tuple | None:
        """What to call the operation with once more, if 0-d Tensors of main memory were why it failed with `error`."""
        return scalars.beside_a_device(arrays, nodes) if isinstance(error, BackendError) else None

    def missing_rule(self, array: str) -> GradientError:
        """The error for an input that needs a gradient and has no rule."""
        return GradientError(
            f"{self.name}: {array} requires a gradient, but {self.name} has no derivative with respect to it; "
            f"give it {array}.detach() if it is a constant."
        )

    def _array_names(self, arrays: tuple) -> list[str]:
        return [f"{self.arrays[0]}[{i}]" for i in range(len(arrays))] if self.variadic else self.arrays

    def implementation(self, backend: Backend) -> Callable:
        """What computes this primitive on `backend`: its body there, behind the kernels whose `when` accepts a call."""
        special = backend.implement(self)
        if special is not None:
            return special
        chosen = backend.bind(self.body)
        foreign = () if backend.without_dtypes else foreign_dtypes(self)
        if foreign and backend.bfloat16_kernels:
            chosen = in_float32(self, chosen, backend.xp.astype)
        for candidate in self.kernels[backend.name]:
            chosen = candidate.guard(chosen)
        for quicker in FASTER_BODIES:
            chosen = quicker(self, backend, chosen)
        if foreign and not backend.bfloat16_kernels:
            chosen = in_float32(self, chosen, backend.xp.astype)
        return backend.place(self.name, chosen)

    def run_kernels(self, arrays: tuple, statics: dict[str, Any]) -> Any:
        """The result of the first kernel of this composite that accepts the call, or NotImplemented."""
        values, nodes, needs = [], [], []
        constant, recording = True, grad_enabled()
        for array in arrays:
            node = None
            if isinstance(array, Handle):
                constant, node, array = False, array.node, array.data
            values.append(array)
            nodes.append(node)
            needs.append(recording and node is not None)
        values, nodes, needs = tuple(values), tuple(nodes), tuple(needs)
        try:
            backend = self.backends[tuple(map(type, values))]
        except BackendError as error:
            given = None if constant else self.beside_a_device(error, values, nodes)
            if given is None:
                raise
            return self.function(*given, **statics)
        for candidate in self.kernels[backend.kernel_backend]:
            found = backend.attempt(candidate, values, statics, needs)
            if found is not NotImplemented:
                out, saved = found
                if self.outputs:
                    if constant:
                        return self.result(*out)
                    return record_outputs(candidate, nodes, (values, statics, saved), out)
                return out if constant else record(candidate, nodes, (values, statics, saved), out, depth=2)
        out = backend.run_body(self, arrays, values, statics)
        return self.result(*out) if self.outputs and out is not NotImplemented else out


def _notice_bfloat16() -> None:
    """Forget what was made without knowing of bfloat16."""
    for op in [*dict.values(OPS), *[ref() for ref in OTHERS]]:
        if op is not None:
            op.implementations.clear()
            if not op.primitive:
                restart(op)


ON_BFLOAT16.append(_notice_bfloat16)


def _plain_tuple(*outs: Any) -> tuple:
    return outs


class _Backends(dict):
    """The backend for the types of a call's arrays; found once per combination of types."""

    def __init__(self, op: Op) -> None:
        super().__init__()
        self.op = op

    def __missing__(self, types: tuple[type, ...]) -> Backend:
        self[types] = found = common_backend(self.op.name, types)
        return found


class _Implementations(dict):
    """The implementation of a primitive for the types of a call's arrays; found once per combination of types."""

    def __init__(self, op: Op) -> None:
        super().__init__()
        self.op = op

    def __missing__(self, types: type | tuple[type, ...]) -> Callable:
        backend = self.op.backends[types if isinstance(types, tuple) else (types,)]
        self[types] = chosen = self.op.implementation(backend)
        return chosen


def primitive(
    *,
    domain: Interval | dict[str, Interval] = REALS,
    kinks: tuple[float, ...] = (),
    shapes: str = "elementwise",
    unused: dict[str, Callable] | None = None,
    outputs: tuple[str, ...] | EllipsisType = (),
    holomorphic: bool = True,
    explain: Callable[..., str | None] | None = None,
    autocast: str | None = None,
    **rules: Callable,
) -> Callable[[Callable[Concatenate[Any, P], R]], Callable[P, R]]:
    """Declare an operation by its computation on a namespace and one derivative rule per differentiable array.

    rules : for an array argument's name, the function from what it asks for by name to the vector-Jacobian product.
        Broadcasting is undone after the rule, and the gradient gets its input's dtype; no rule mentions either.
        An operation without rules (a comparison, argmax) gives constants.
    domain : where the arrays may lie, for all or by name; kinks : where it is not differentiable. Checks read both.
    shapes : `"elementwise"` if it takes any shapes that broadcast, else `"any"`.
    unused : for an operation that selects elements, a function for each array, of what a rule may ask for, to a mask
        that is true where the result does not depend on it; see `core/selection.py`.
    outputs : names of the outputs where the body returns a tuple. The operation returns a named tuple, and a rule's `g`
        and `out` are tuples; the cotangent of an output that had none is zero. `...` if their number varies; the
        operation then returns a plain tuple.
    holomorphic : False for an operation such as the complex conjugate, see `core/conjugate.py`.
    explain : called with the arguments of a call that failed; returns what to say of them, or None.
    autocast : in which dtype it computes within `autocast`: `"low"`, `"float32"`, `"widest"`, `"as given"`, or None.

    Raises DeclarationError if a rule is not for an array argument or asks for something that there is not.

    >>> from tinygrad_lite import primitive, grad
    >>> @primitive(x=lambda g, x: 3 * x * x * g)
    ... def cube(xp, x):
    ...     return x * x * x
    >>> grad(grad(cube))(2.0)
    12.0
    """

    def declare(body: Callable[Concatenate[Any, P], R]) -> Callable[P, R]:
        facts: dict[str, Any] = {"domain": domain, "kinks": kinks, "shapes": shapes, "explain": explain}
        facts["autocast"] = autocast
        return Op(body, rules, outputs=outputs, holomorphic=holomorphic, unused=unused, **facts).function

    return declare


def composite(
    *,
    domain: Interval | dict[str, Interval] = REALS,
    kinks: tuple[float, ...] = (),
    shapes: str = "elementwise",
    outputs: tuple[str, ...] = (),
    autocast: str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare an operation by a body written with other operations; its derivatives follow from theirs.

    domain, kinks, shapes, outputs, autocast : as for `primitive`; an elementwise one is "as given" where nothing else
        is said.

    >>> from tinygrad_lite import composite, grad, tanh
    >>> @composite()
    ... def squashed(x):
    ...     return x * tanh(x)
    >>> print(f"{grad(squashed)(1.0):.4f}")
    1.1816
    """

    def declare(body: Callable[P, R]) -> Callable[P, R]:
        op = Op(body, None, domain=domain, kinks=kinks, shapes=shapes, outputs=outputs, autocast=autocast)
        for make in AUTOMATIC_KERNELS:
            make(op)
        return op.function

    return declare


AUTOMATIC_KERNELS: list[Callable[[Op], None]] = []
"""What gives every new composite its kernels; `fuse/` adds itself here."""


FASTER_BODIES: list[Callable[[Op, Backend, Callable], Callable]] = []
"""What makes the bodies of primitives faster, given an operation, a backend and a body; `fuse/` adds itself here."""
