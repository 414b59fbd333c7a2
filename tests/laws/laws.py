"""The laws that every operation obeys, as functions `law(op, sample)` that raise AssertionError where one is broken.

Each is called with an `Op` and one of its samples, and checks a number of examples that Hypothesis draws. The modules
beside this one call them for every operation; `test_planted_bugs.py` shows that each of them can fail.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings

from tests.samples import Fresh, Sample
from tinygrad_lite import Tensor, autograd, imag, real
from tinygrad_lite.core.codegen import rule_wants
from tinygrad_lite.core.dtypes import is_complex
from tinygrad_lite.core.op import Op
from tinygrad_lite.core.tree import leaves, map_leaves
from tinygrad_lite.testing import check_gradients
from tinygrad_lite.testing.strategies import LAYOUTS, laid_out
from tinygrad_lite.testing.values import with_constants

__all__ = [
    "composed", "derivatives", "float32_kept", "gradients_fit", "inputs_unchanged", "kernel_equals_definition",
    "layouts_agree", "least_norm", "rules_keep_dtype", "tensors_agree", "third_derivative", "values",
]  # fmt: skip

RTOL = {"float64": 1e-10, "float32": 2e-4}
"""How far values may be from the reference, relative to the largest; float32 against the reference in float64."""


def law(check: Callable) -> Callable[[Op, Sample], None]:
    """Make a check of one example, `check(op, sample, arrays, statics)`, a law that is checked on several."""

    @functools.wraps(check)
    def checked(op: Op, sample: Sample, examples: int | None = None) -> None:
        @given(sample.strategy)
        def run(drawn: tuple[tuple, dict]) -> None:
            check(op, sample, *drawn)

        (run if examples is None else settings(max_examples=examples)(run))()

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
    """The operation as a function of its differentiable arguments (which see), and these."""
    call, moving = with_constants(op, arrays, sample.constant)

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
    return list(autograd.grad(outputs, wanted, cotangents, create_graph=create_graph))


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


@law
def values(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """The value is the reference's, in float64 and in float32."""
    reference = sample.expected()
    if reference is None:
        return
    for dtype in ("float64", "float32"):
        given = cast(arrays, dtype)
        got = leaves(called(op.function, given, statics))
        expected = leaves(called(reference, cast(given, "float64"), statics))
        assert len(got) == len(expected), f"{len(got)} results, expected {len(expected)}"
        for mine, theirs in zip(got, expected, strict=True):
            assert_close(mine, theirs, RTOL[dtype] * sample.tolerance)


@law
def tensors_agree(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Arrays give arrays, Tensors give Tensors, of exactly equal values and dtypes."""
    plain = leaves(called(op.function, arrays, statics))
    wrapped = leaves(called(op.function, as_tensors(arrays), statics))
    for array, tensor in zip(plain, wrapped, strict=True):
        assert isinstance(array, (np.ndarray, np.generic)), f"arrays gave a {type(array).__name__}"
        assert isinstance(tensor, Tensor) and isinstance(tensor.data, np.ndarray), "Tensors gave something else"
        assert tensor.dtype == array.dtype
        np.testing.assert_array_equal(tensor.data, array)


@law
def derivatives(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """First and second derivatives, reverse and forward, are those of finite differences."""
    _check_derivatives(op, sample, arrays, statics, sample.order)


@law
def third_derivative(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """The third derivative, too."""
    _check_derivatives(op, sample, arrays, statics, 3)


def _check_derivatives(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any], order: int) -> None:
    function, moving = differentiable(op, sample, arrays, statics)
    inexact = any(np.asarray(out).dtype.kind in "fc" for out in leaves(called(op.function, arrays, statics)))
    if order and inexact and any(is_float(x) for x in leaves(moving)):
        check_gradients(real_parts(function), *moving, order=order)
    else:
        tracked = leaves(called(op.function, as_tensors(arrays, requires_grad=True), statics))
        assert not any(isinstance(out, Tensor) and out.requires_grad for out in tracked), "a constant is recorded"


def real_parts(function: Callable) -> Callable:
    """`function` with the real and the imaginary part of each complex result in its place."""

    @functools.wraps(function)
    def parts(*values: Any) -> Any:
        return map_leaves(lambda out: (real(out), imag(out)) if is_complex(out.dtype) else out, function(*values))

    return parts


@law
def float32_kept(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Results and gradients of float32 inputs are float32 wherever those of float64 inputs are float64."""
    single = cast(arrays, "float32")
    for narrow, wide in zip(
        leaves(called(op.function, single, statics)), leaves(called(op.function, arrays, statics)), strict=True
    ):
        asked = statics.get("dtype") is not None
        if wide.dtype == "float64" and any(is_float(x) for x in leaves(arrays)) and not asked:
            assert narrow.dtype == "float32", f"float32 inputs gave {narrow.dtype}"
    for create_graph in (False, True):
        for gradient in gradients_of(op, sample, single, statics, create_graph=create_graph):
            assert gradient.dtype == "float32", f"a float32 input has a {gradient.dtype} gradient"


@law
def rules_keep_dtype(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Each rule itself computes in float32 for float32 inputs; the engine's cast would hide it if one did not."""
    single = cast(arrays, "float32")
    out = called(op.function, single, statics) if op.rules else None
    if not any(is_float(np.asarray(part)) for part in leaves(out)):
        return
    names = {op.arrays[0]: list(single[0])} if op.variadic else dict(zip(op.arrays, single, strict=False))
    known = {**op_defaults(op), **statics, **names, "out": out, "g": map_leaves(np.ones_like, out)}
    for name, value in names.items():
        for what, none in (("shape", ()), ("dtype", None)):
            several = tuple(getattr(x, what, none) for x in leaves(value))
            known[f"{name}_{what}"] = several if op.variadic else getattr(value, what, none)
    for name, rule in op.rules.items():
        inputs = leaves(names[name])
        if any(map(is_float, inputs)):
            gradients = leaves(rule(*(known[want] for want in rule_wants(rule))))
            for one, gradient in zip(inputs, gradients, strict=True):
                single = gradient.dtype in ("float32", "complex64")  # of complex ones the engine keeps the real part
                assert not is_float(one) or single, f"the rule for {name} makes {gradient.dtype}"


def op_defaults(op: Op) -> dict[str, Any]:
    return {name: op.signature.parameters[name].default for name in op.statics}


@law
def gradients_fit(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """A gradient has its input's shape and dtype, also if the inputs have different dtypes."""
    for turn in range(2):
        count = iter(range(turn, 1000))
        mixed = map_leaves(lambda x: x.astype(f"float{32 << next(count) % 2}") if is_float(x) else x, arrays)  # noqa: B023  # called at once
        inputs = [x for x in leaves(differentiable(op, sample, mixed, statics)[1]) if is_float(x)]
        for gradient, x in zip(gradients_of(op, sample, mixed, statics), inputs, strict=False):
            assert gradient.shape == x.shape, f"the gradient of an input of shape {x.shape} has shape {gradient.shape}"
            assert gradient.dtype == x.dtype, f"the gradient of a {x.dtype} input is {gradient.dtype}"


@law
def inputs_unchanged(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Neither the call nor its derivatives write into the inputs."""
    before = map_leaves(lambda x: np.array(x, copy=True) if isinstance(x, np.ndarray) else x, arrays)
    called(op.function, arrays, statics)
    assert_same(arrays, before, "the call")
    gradients_of(op, sample, arrays, statics)
    assert_same(arrays, before, "the backward pass")
    gradients_of(op, sample, arrays, statics, create_graph=True)
    assert_same(arrays, before, "the backward pass with create_graph")


def assert_same(arrays: tuple, before: tuple, what: str) -> None:
    for now, then in zip(leaves(arrays), leaves(before), strict=True):
        assert np.array_equal(now, then, equal_nan=is_float(then)), f"{what} changed an input"


@law
def layouts_agree(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Values and gradients do not depend on how the inputs lie in memory, nor on whether they may be written to."""
    expected = leaves(called(op.function, arrays, statics))
    gradients = gradients_of(op, sample, arrays, statics)
    for layout in LAYOUTS:
        moved = map_leaves(lambda x: _frozen(x, layout), arrays)  # noqa: B023  # called at once
        for got, want in zip(leaves(called(op.function, moved, statics)), expected, strict=True):
            assert_close(got, want, 1e-12)
        for got, want in zip(gradients_of(op, sample, moved, statics), gradients, strict=True):
            assert_close(got.data, want.data, 1e-12)


def _frozen(x: Any, layout: str) -> Any:
    if not isinstance(x, np.ndarray):
        return x
    moved = laid_out(x, layout)
    moved.flags.writeable = False
    return moved


@law
def composed(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Gradients through the recorded graph (create_graph) are those of plain arrays: rules mean the same on Tensors."""
    plain = gradients_of(op, sample, arrays, statics)
    graph = gradients_of(op, sample, arrays, statics, create_graph=True)
    for one, other in zip(plain, graph, strict=True):
        assert_close(one.data, other.data, 1e-12)


@law
def kernel_equals_definition(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Each NumPy kernel that accepts the call has the value and the gradients of the definition."""
    statics = {**op_defaults(op), **statics}
    for kernel in op.kernels.get("numpy", ()):
        if not called(kernel.when, arrays, statics):
            continue
        if op.primitive:
            expected = called(functools.partial(op.body, np), arrays, statics)
            assert_close(called(kernel.forward, arrays, statics), expected, 1e-12)
            continue
        out, saved = called(kernel.forward, arrays, statics)
        tensors = as_tensors(arrays, requires_grad=True)
        expected = called(op.body, tensors, statics)
        assert_close(out, expected.data, 1e-12)
        g = np.cos(np.arange(out.size, dtype=out.dtype)).reshape(out.shape)
        needs = tuple(isinstance(x, Tensor) and x.requires_grad for x in tensors)
        wanted = [x for x, needed in zip(tensors, needs, strict=True) if needed]
        got = [part for part, needed in zip(kernel._backward(g, saved, needs), needs, strict=True) if needed]
        for mine, theirs in zip(got, autograd.grad(expected, wanted, g), strict=True):
            assert_close(mine, theirs.data, 1e-12)


def least_norm(op: Op, sample: Sample) -> None:
    """At a kink, or where two arrays are equal, the gradient is the element of least norm between those beside it.

    For elementwise operations with one array and `kinks`, or with two arrays. Where the value jumps it is 0.
    """
    delta = 1e-6
    if len(op.arrays) == 1:
        for kink in op.kinks:
            sides = [np.array([_slope(op.function, (kink + s * 2 * delta,), 0, delta)]) for s in (-1, 1)]
            across = op.function(np.array(kink + 2 * delta)) - op.function(np.array(kink - 2 * delta))
            expected = np.zeros(1) if abs(across) > 0.1 else _least_norm(*sides)
            assert_close(_gradient_at(op, (kink,)), expected, 1e-4)
    elif len(op.arrays) == 2:
        tie = 1.25
        sides = [
            np.array([_slope(op.function, (tie + s * 4 * delta, tie), i, delta) for i in range(2)]) for s in (-1, 1)
        ]
        assert_close(_gradient_at(op, (tie, tie)), _least_norm(*sides), 1e-4)


def _slope(function: Callable, point: tuple[float, ...], i: int, delta: float) -> float:
    """The partial derivative of a function of numbers by its i-th argument."""
    up, down = (function(*(np.array(x + s * delta * (i == k)) for k, x in enumerate(point))) for s in (1, -1))
    return float(up - down) / (2 * delta)


def _least_norm(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The point of least norm on the segment from a to b."""
    along = b - a
    length = float(along @ along)
    share = np.clip(-(a @ along) / length, 0.0, 1.0) if length > 1e-6 else 0.5
    return a + share * along


def _gradient_at(op: Op, point: tuple[float, ...]) -> np.ndarray:
    inputs = [Tensor(np.array(x), requires_grad=True) for x in point]
    return np.array([g.item() for g in autograd.grad(op.function(*inputs), inputs)])
