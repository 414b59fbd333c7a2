"""Composites and `tl.fuse`: programs made from definitions, and what they decline."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.samples import samples_of
from tinygrad_lite.fusion import Threshold
from tinygrad_lite.fusion.derive import derive
from tinygrad_lite.fusion.expressions import Expressions, in_order
from tinygrad_lite.fusion.kernels import FusedKernel
from tinygrad_lite.fusion.programs import Blocks
from tinygrad_lite.machine import MachineCode
from tinygrad_lite.testing import laws

ELEMENTWISE = [name for name, op in tl.OPS.items() if op.shapes == "elementwise" and not op.variadic]


@pytest.fixture
def programs_for_all(monkeypatch):
    """Programs for arrays of any size, in tiny blocks."""
    monkeypatch.setattr(Threshold, "size", 1)
    monkeypatch.setattr(Blocks, "least", 1)
    monkeypatch.setattr(Blocks, "alone", 0)
    monkeypatch.setattr(Blocks, "most", 2)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_laws_hold_with_programs(programs_for_all, name):
    for sample in samples_of(name):
        laws.values(tl.OPS[name], sample, examples=3)
        laws.derivatives(tl.OPS[name], sample, examples=2)
        laws.kernel_equals_definition(tl.OPS[name], sample, examples=3)


def test_a_negative_argument_of_an_exponential_takes_no_call_of_its_own():
    """Its numbers have the other sign instead, where it has numbers."""
    numbers = Expressions()
    x = numbers.input(0, np.float32)
    z = numbers.make("multiply", x, numbers.make("add", 2.0, numbers.make("multiply", 3.0, numbers.make("square", x))))
    names = [(node.name, *[a for a in node.operands if type(a) is float]) for node in in_order([numbers.opposite(z)])]
    assert names == [("input",), ("square",), ("multiply", -3.0), ("add", -2.0), ("multiply",)]
    for none in (x, numbers.make("add", 2.0, x), numbers.make("multiply", x, x), numbers.make("multiply", 2, x)):
        assert numbers.opposite(none) is None
    for function, has_one in ((lambda x: tl.sigmoid(x * (2.0 + 3.0 * x)), False), (tl.silu, True)):
        value = derive(function, [np.dtype("float64")], [True]).value
        assert ("negative" in [node.name for node in in_order([value])]) == has_one
    y = np.linspace(-9, 9, 1001)
    np.testing.assert_allclose(tl.fuse(lambda x: tl.sigmoid(x * (2.0 + 3.0 * x)))(y), tl.sigmoid(y * (2.0 + 3.0 * y)))


def kernel_of(function):
    (kernel,) = [kernel for kernel in function.op.kernels["numpy"] if isinstance(kernel, FusedKernel)]
    return kernel


def swish(x, y, *, beta=1.0):
    return x * tl.sigmoid(beta * y)


@pytest.fixture
def fused():
    return tl.fuse(swish)


def test_a_users_function(fused):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 30, 7))
    np.testing.assert_allclose(fused(x, y, beta=2.0), swish(x, y, beta=2.0), rtol=1e-14)
    assert kernel_of(fused).pairs
    for i in (0, 1):
        got = tl.grad(lambda *a: (fused(*a) ** 2).sum(), argnums=i)(x, y)
        np.testing.assert_allclose(got, tl.grad(lambda *a: (swish(*a) ** 2).sum(), argnums=i)(x, y), rtol=1e-12)
    second = tl.hvp(lambda x: fused(x, x).sum(), x, y)
    np.testing.assert_allclose(second, tl.hvp(lambda x: swish(x, x).sum(), x, y), rtol=1e-12)
    assert "swish" not in tl.OPS


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones((3, 4)), np.ones(4)), (np.ones(3), 2.0), (2.0, np.ones(3)), (np.float64(2.0), np.float64(3.0)),
        (np.ones((0, 3)), np.ones((0, 3))), (np.ones(()), np.ones(())), (np.ones((3, 4)).T, np.ones((4, 3))),
        (np.ones(6)[::-2], np.ones(3)), (np.ones(3, "float32"), np.ones(3)), (np.ones(3), np.arange(3)),
        (np.ones(3, "complex128"), np.ones(3)),
    ],
)  # fmt: skip
def test_arguments_of_any_kind(fused, x, y):
    got, expected = fused(x, y), swish(x, y)
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_what_is_not_elementwise_runs_as_it_is_written():
    centred = tl.fuse(lambda x: x - tl.mean(x))
    np.testing.assert_array_equal(centred(np.arange(3.0)), [-1.0, 0.0, 1.0])
    np.testing.assert_allclose(tl.jacobian(centred)(np.arange(3.0)), np.eye(3) - 1 / 3)
    branching = tl.fuse(lambda x: x * 2 if tl.sum(x) > 0 else x)
    np.testing.assert_array_equal(branching(np.ones(2)), [2.0, 2.0])
    np.testing.assert_array_equal(branching(-np.ones(2)), [-1.0, -1.0])
    assert kernel_of(centred).pairs and not any(kernel_of(centred).pairs.values())


def test_numbers_and_static_arguments_are_part_of_the_signature(fused):
    x = np.array([1.0, 2.0])
    for beta in (1, 1.0, True, 2.0):
        np.testing.assert_allclose(fused(x, 3.0, beta=beta), swish(x, 3.0, beta=beta))
    np.testing.assert_allclose(fused(x, -0.0), swish(x, -0.0))
    assert fused(x, np.float32(2.0)).dtype == np.float64


def test_equal_numbers_of_other_types_have_programs_of_their_own():
    whole = np.arange(5)
    assert tl.clip(whole, min=0.0, max=1.0).dtype == np.float64
    assert tl.clip(whole, min=0, max=1).dtype == np.int64
    scaled = tl.fuse(lambda x, *, by=(1, 1): x * by[0] + by[1])
    assert scaled(whole, by=(1.0, 0.0)).dtype == np.float64 and scaled(whole, by=(1, 0)).dtype == np.int64
    least = tl.fuse(lambda x, *, low=0.0: tl.copysign(x, low))
    assert least(np.ones(2), low=0.0)[0] == 1.0 and least(np.ones(2), low=-0.0)[0] == -1.0


def test_only_what_is_needed_is_computed():
    product = tl.fuse(lambda x, y: x * tl.tanh(tl.sin(y)))
    x = tl.Tensor(np.ones(3), requires_grad=True)
    with tl.no_grad():
        product(x, x)
    product(x, np.ones(3)).sum().backward()
    counts = [len(pair.forward.dtypes) for pair in kernel_of(product).pairs.values()]
    assert counts == [1, 2]  # the value alone; the value and what the one gradient needs


def test_a_value_that_is_cheap_is_computed_again():
    pair = derive(lambda x: x * x * 3.0, [np.dtype("float64")], [True])
    assert pair.keep == []
    pair = derive(lambda x: tl.tanh(x) * 3.0, [np.dtype("float32")], [True])
    assert len(pair.keep) == 1


def test_parts_that_occur_twice_are_computed_once():
    pair = derive(lambda x: tl.exp(x) / (1 + tl.exp(x)), [np.dtype("float64")], [False])
    assert [node.name for node in in_order([pair.value])].count("exp") == 1


def test_what_changes_nothing_is_left_out():
    made = Expressions()
    x = made.input(0, "float32")
    assert made.make("multiply", x, 1) is x and made.make("divide", x, 1.0) is x
    assert made.make("subtract", x, 0.0) is x
    assert made.make("add", x, 0.0) is not x  # -0.0 + 0.0 is 0.0
    assert made.make("multiply", x, 0.0).name == "multiply"  # inf * 0 is NaN
    assert made.make("pow", x, 2).name == "square"
    assert made.make("add", 2, 3.5) == 5.5
    assert made.make("add", x, made.full(1, "float32")).operands == (x, 1)
    assert made.make("add", x, made.full(1, "float64")).dtype == np.float64
    assert made.make("multiply", x, 0.0) is not made.make("multiply", x, -0.0)


def test_the_program_can_be_read(fused, monkeypatch):
    monkeypatch.setattr(MachineCode, "wanted", False)
    fused(np.ones(3), np.ones(3))
    (pair,) = kernel_of(fused).pairs.values()
    assert pair.forward.source.startswith("def program(x0, x1, y0")
    assert "multiply(x0, s0_float64, out=y0)" in pair.forward.source


def test_results_lie_in_memory_of_their_own(fused):
    x = np.linspace(0, 1, 5)
    first = fused(x, x)
    kept = first.copy()
    second = fused(x + 1, x)
    np.testing.assert_array_equal(first, kept)
    assert not np.shares_memory(first, second) and not np.shares_memory(first, x)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_results_lie_in_memory_as_the_arrays(programs_for_all, fused, order):
    x, y = (np.random.default_rng(i).standard_normal((3, 4, 5)).transpose(order) for i in (0, 1))
    mixed = np.ascontiguousarray(y)
    for a, b in ((x, y), (x, mixed), (mixed, x), (x[::-1], y), (x[:, :1], mixed[:, :1])):
        got = fused(a, b)
        np.testing.assert_array_equal(got, fused(a.copy(), b.copy()))
        np.testing.assert_allclose(got, swish(a, b), rtol=1e-12)
    assert fused(x, y).strides == x.strides and fused(mixed, mixed).flags.c_contiguous


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", [0.0, np.nan])
def test_signs_are_numpys_with_and_without_nan(dtype, last):
    x = np.array([0.0, -0.0, 1e-45, -1e-45, 3.0, -2.0, np.inf, -np.inf, last] * 2000, dtype)
    with np.errstate(invalid="ignore"):
        found, expected = tl.fuse(lambda x: tl.sign(x) + 0.5)(x), np.sign(x) + 0.5
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)
