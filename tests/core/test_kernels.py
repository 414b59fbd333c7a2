"""Kernels: chosen by `when`, a forward and backward pair for composites, second derivatives from the definition."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.laws.test_planted_bugs import temporary
from tinygrad_lite import DeclarationError, autograd, composite, kernel, primitive, tensor
from tinygrad_lite.testing import check_gradients

X = np.array([0.5, -1.5, 2.0])


@pytest.fixture(autouse=True)
def forget_operations():
    with temporary():
        yield


def swish_with_kernel(calls, when=lambda x, *, slope: x.size > 2):
    @composite()
    def swish(x, *, slope=1.0):
        return x / (1.0 + tl.exp(-slope * x))

    @kernel(swish, "numpy", when=when)
    def forward(x, *, slope):
        calls.append("forward")
        s = 1 / (1 + np.exp(-slope * x))
        return x * s, (x, s, slope)

    @forward.backward
    def backward(g, saved, needs):
        calls.append("backward")
        x, s, slope = saved
        assert needs == (True,)
        return (g * (s + slope * x * s * (1 - s)),)

    return swish


def test_a_pair_computes_value_and_gradient_and_the_definition_higher_derivatives():
    calls = []
    swish = swish_with_kernel(calls)
    x = tensor(X, requires_grad=True)
    out = swish(x, slope=2.0)
    assert calls == ["forward"]
    out.sum().backward()
    assert calls == ["forward", "backward"]
    s = 1 / (1 + np.exp(-2 * X))
    np.testing.assert_allclose(x.grad.numpy(), s + 2 * X * s * (1 - s), rtol=1e-12)
    assert check_gradients(lambda x: swish(x, slope=2.0), X, order=3).ok


def test_arrays_use_the_kernel_and_the_guard_decides():
    calls = []
    swish = swish_with_kernel(calls)
    assert isinstance(swish(X), np.ndarray) and calls == ["forward"]
    swish(X[:2])
    assert calls == ["forward"]
    np.testing.assert_allclose(swish(X[:2]), swish(X)[:2], rtol=1e-12)


def test_the_graph_goes_on_before_and_after_a_kernel():
    swish = swish_with_kernel([])
    assert check_gradients(lambda x, y: swish(x * y) ** 2, X, X + 2).ok


def test_without_recording_nothing_is_recorded():
    swish = swish_with_kernel([])
    assert not swish(tensor(X)).requires_grad
    with tl.no_grad():
        assert not swish(tensor(X, requires_grad=True)).requires_grad


def test_a_kernel_gives_only_the_gradients_that_are_needed():
    asked = []

    @composite(shapes="any")
    def dot(x, y):
        return tl.sum(x * y)

    @kernel(dot, "numpy")
    def forward(x, y):
        return np.asarray(np.vdot(x, y)), (x, y)

    @forward.backward
    def backward(g, saved, needs):
        asked.append(needs)
        x, y = saved
        return (g * y if needs[0] else None), (g * x if needs[1] else None)

    x, y = tensor(X, requires_grad=True), tensor(X + 1, requires_grad=True)
    dot(x, X).backward()
    dot(X, y).backward()
    assert autograd.grad(dot(x, y), y).tolist() == X.tolist()
    assert asked == [(True, False), (False, True), (False, True)]
    assert check_gradients(dot, X, X + 1).ok


def test_a_primitives_kernel_keeps_the_rules():
    calls = []

    @primitive(x=lambda g, out: g * out)
    def growth(xp, x):
        return xp.exp(x)

    np.testing.assert_array_equal(growth(X), np.exp(X))

    @kernel(growth, "numpy", when=lambda x: x.ndim == 1)
    def forward(x):
        calls.append(x.shape)
        return np.exp(x)

    assert check_gradients(growth, X).ok and set(calls) == {(3,)}
    calls.clear()
    growth(X.reshape(3, 1))
    assert calls == []


def test_the_first_kernel_that_accepts_takes_the_call():
    @composite()
    def plain(x):
        return x * 1.0

    for value, when in ((10.0, lambda x: x.size == 1), (20.0, lambda x: True), (30.0, lambda x: True)):
        kernel(plain, "numpy", when=when)(lambda x, value=value: (x * value, None))
    assert plain(np.ones(1))[0] == 10.0 and plain(np.ones(2))[0] == 20.0


def test_kernels_of_other_backends_are_not_used():
    @composite()
    def plain(x):
        return x * 2.0

    @kernel(plain, "another")
    def forward(x):
        raise AssertionError

    np.testing.assert_array_equal(plain(X), 2 * X)


def test_refusals():
    @primitive(x=lambda g: g)
    def same(xp, x):
        return xp.positive(x)

    made = kernel(same, "numpy")(lambda x: x)
    with pytest.raises(DeclarationError, match="same: a primitive's kernel has no backward; its rules are"):
        made.backward(lambda g, saved, needs: (g,))
