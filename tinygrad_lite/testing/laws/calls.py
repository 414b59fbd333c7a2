"""What the laws share: making a check a law, calling operations on samples, comparing results."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...autodiff.gradients import grad
from ...core.op import Op
from ...core.tree import leaves, map_leaves
from ...tensor import Tensor
from ..samples import Fresh, Sample
from ..values import with_constants

__all__ = [
    "as_tensors", "assert_close", "called", "cast", "differentiable", "gradients_of", "is_float", "law", "op_defaults",
]  # fmt: skip


def law(check: Callable) -> Any:
    """Make a check of one example, `check(op, sample, arrays, statics)`, a law that is checked on several.

    The law is called as `law(op, sample)`, or with the number of `examples`; `law.check` is the check of one.
    """

    @functools.wraps(check)
    def checked(op: Op, sample: Sample, examples: int | None = None) -> None:
        from hypothesis import given, settings

        @given(sample.strategy)
        def run(drawn: tuple[tuple, dict]) -> None:
            check(op, sample, *drawn)

        (run if examples is None else settings(max_examples=examples)(run))()

    checked.check = check  # type: ignore[attr-defined]
    return checked


def called(function: Callable, arrays: tuple, statics: dict[str, Any]) -> Any:
    """The result of a call, with static arguments that must be new made anew."""
    made = {name: value.make() if isinstance(value, Fresh) else value for name, value in statics.items()}
    return function(*arrays, **made)


def is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def as_tensors(arrays: tuple, *, requires_grad: bool = False) -> tuple:
    """The arguments with each array a Tensor; those of floating point require a gradient if asked."""
    return map_leaves(
        lambda x: Tensor(x, requires_grad=requires_grad and is_float(x)) if isinstance(x, np.ndarray) else x, arrays
    )


def differentiable(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> tuple[Callable, list]:
    """The operation as a function of its differentiable arrays, and these; Python numbers are constants."""
    numbers = [name for name, x in zip(op.arrays, arrays, strict=False) if isinstance(x, (int, float, complex))]
    call, moving = with_constants(op, arrays, (*sample.constant, *numbers))

    def function(*values: Any) -> Any:
        return called(call, values, statics)

    function.__name__, function.__signature__ = op.name, call.__signature__
    return function, moving


def gradients_of(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any], *, create_graph: bool = False) -> list:
    """The gradient of each differentiable floating-point input for a fixed cotangent, as Tensors; none if constant."""
    function, moving = differentiable(op, sample, arrays, statics)
    inputs = [as_tensors((x,), requires_grad=True)[0] for x in moving]
    outputs = [out for out in leaves(function(*inputs)) if isinstance(out, Tensor) and out.requires_grad]
    wanted = [x for x in leaves(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not outputs or not wanted:
        return []
    cotangents = [np.cos(np.arange(out.size, dtype=out.dtype)).reshape(out.shape) for out in outputs]
    return list(grad(outputs, wanted, cotangents, create_graph=create_graph))


def assert_close(got: Any, expected: Any, rtol: float) -> None:
    """Equal shapes, and equal values up to rounding relative to the largest; integers and booleans exactly."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"got shape {got.shape}, expected {expected.shape}"
    if expected.dtype.kind in "biu":
        assert got.dtype.kind in "biu", f"got dtype {got.dtype}, expected {expected.dtype}"
        np.testing.assert_array_equal(got, expected)
    else:
        finite = np.abs(expected[np.isfinite(expected)])
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * finite.max(initial=1e-300))


def cast(arrays: tuple, dtype: str) -> tuple:
    return map_leaves(lambda x: x.astype(dtype) if is_float(x) else x, arrays)


def op_defaults(op: Op) -> dict[str, Any]:
    return {name: op.signature.parameters[name].default for name in op.statics}
