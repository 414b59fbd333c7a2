"""Kernels: chosen by `when`, a forward and backward pair for composites, second derivatives from the definition."""

import math

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


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
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


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
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


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
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


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
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


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
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


def parts_with_kernel(calls):
    """The sum and the product of two arrays, in one operation."""

    @composite(outputs=("total", "product"))
    def parts(x, y, *, factor=1.0):
        return x + y, factor * x * y

    @kernel(parts, "numpy")
    def forward(x, y, *, factor):
        calls.append("forward")
        return (x + y, factor * x * y), (x, y, factor)

    @forward.backward
    def backward(g, saved, needs):
        x, y, factor = saved
        calls.append(tuple(part is not None for part in g))
        total, product = (0.0 if part is None else part for part in g)
        return tuple(
            total + factor * other * product if needed else None for other, needed in zip((y, x), needs, strict=True)
        )

    return parts


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_kernels_of_composites_with_several_outputs():
    calls = []
    parts = parts_with_kernel(calls)
    found = parts(X, 2 * X, factor=3.0)
    assert type(found).__name__ == "parts_result" and isinstance(found.product, np.ndarray)
    np.testing.assert_array_equal(found.total, 3 * X)
    x, y = tensor(X, requires_grad=True), tensor(2 * X, requires_grad=True)
    total, product = parts(x, y, factor=3.0)
    assert calls == ["forward"] * 2
    for out, expected, arrived in (
        (total.sum(), [np.ones(3), np.ones(3)], (True, False)),
        (product.sum(), [6 * X, 3 * X], (False, True)),
        ((total * product).sum(), [27 * X**2 + 0 * X - 3 * X**2, 15 * X**2], (True, True)),
    ):
        gradients = autograd.grad(out, [x, y], retain_graph=True)
        for mine, theirs in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-12)
        assert calls.pop() == arrived
    assert check_gradients(lambda x, y: math.prod(parts(x, y)), X, 2 * X, order=3).ok
    with tl.no_grad():
        assert not parts(x, y).total.requires_grad


def test_composites_with_several_outputs_without_a_kernel():
    """In batches they have the named tuple too."""
    calls = []
    parts = parts_with_kernel(calls)
    rows = np.stack([X, 2 * X])
    batched = tl.vmap(parts)(rows, rows)
    assert not calls and type(batched).__name__ == "parts_result"
    np.testing.assert_array_equal(batched.product, rows * rows)

    def loss(w):
        total, product = parts(w * 2.0, w)
        return (total * product).sum()

    np.testing.assert_allclose(tl.vmap(tl.grad(loss))(rows), 18 * rows**2, rtol=1e-12)


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_a_captured_kernel_with_several_outputs():
    calls = []
    parts = parts_with_kernel(calls)

    def loss(w):
        total, product = parts(w, w * w, factor=2.0)
        return (total * total).sum() + product.sum()

    step = tl.jit(lambda w: (parts(w, w).product, tl.grad(loss)(w)))
    for values in (X, 3 * X):
        product, gradient = step(values)
        np.testing.assert_array_equal(product.numpy(), values * values)
        expected = 2 * (values + values**2) * (1 + 2 * values) + 6 * values**2
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-12)
    ((program,),) = step.programs.values()
    assert "parts_backward" in program.source and len(calls) == 6
