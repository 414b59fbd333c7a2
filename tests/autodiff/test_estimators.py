"""Derivatives that are not those of what is computed: stopped, straight through, a surrogate's, a rule of one's own."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tinygrad_lite import ShapeError, Tensor, autograd, tensor
from tinygrad_lite.testing import check_op


def leaf(values):
    return tensor(values, dtype="float64", requires_grad=True)


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_stop_gradient_of_tensors_and_structures():
    x = leaf([1.0, 2.0])
    stopped = tl.stop_gradient({"a": x * 2.0, "b": [3.0, x.data, None]})
    assert isinstance(stopped["a"], Tensor) and not stopped["a"].requires_grad
    np.testing.assert_array_equal(stopped["a"].numpy(), [2.0, 4.0])
    assert stopped["b"][0] == 3.0 and stopped["b"][1] is x.data and stopped["b"][2] is None
    assert tl.grad(tl.grad(lambda x: x**2 * tl.stop_gradient(x)))(3.0) == 2 * 3.0


def test_straight_through_has_the_value_and_the_gradient_of_the_argument():
    x = leaf([0.3, -1.7, 2.5, np.inf])
    y = tl.straight_through(tl.round)(x)
    np.testing.assert_array_equal(y.detach().numpy(), [0.0, -2.0, 2.0, np.inf])
    (y * np.array([1.0, 2.0, 3.0, 4.0])).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1.0, 2.0, 3.0, 4.0])


def test_straight_through_agrees_with_the_usual_way_of_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    values = np.array([0.3, -1.7, 2.6])
    theirs = torch.tensor(values, requires_grad=True)
    (theirs + (theirs.round() - theirs).detach()).pow(3).sum().backward()
    ours = leaf(values)
    (tl.straight_through(tl.round)(ours) ** 3).sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy())


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_derivatives_of_every_order_are_the_surrogates():
    step = tl.straight_through(lambda x: np.heaviside(np.asarray(x), 0.5), surrogate=tl.sigmoid)
    f, known = step, tl.sigmoid
    assert step(np.array(0.7)) == 1.0
    for _ in range(3):
        f, known = tl.grad(f), tl.grad(known)
        assert f(0.7) == known(0.7)
    value, tangent = tl.jvp(step, (0.7,), (2.0,))
    assert value == 1.0 and tangent == 2.0 * tl.grad(tl.sigmoid)(0.7)


def test_other_arguments_reach_both_functions():
    def quantized(x, scale, *, levels):
        return np.round(np.asarray(x) * levels) / levels

    def scaled(x, scale, *, levels):
        return x * scale

    x, scale = leaf([0.3, 0.8]), leaf(2.0)
    y = tl.straight_through(quantized, scaled)(x, scale, levels=2)
    np.testing.assert_array_equal(y.detach().numpy(), [0.5, 1.0])
    gx, gs = autograd.grad(y.sum(), [x, scale])
    np.testing.assert_array_equal(gx.numpy(), [2.0, 2.0])
    assert gs.item() == pytest.approx(1.1) and tl.straight_through(quantized).__name__ == "quantized"


def test_arrays_constants_and_dtypes():
    above = tl.straight_through(lambda x: x > 0.5)
    found = above(np.array([0.0, 1.0], dtype="float32"))
    assert isinstance(found, np.ndarray) and found.dtype == np.float32
    constant = above(tensor([0.0, 1.0]))
    assert isinstance(constant, Tensor) and not constant.requires_grad and constant.dtype == np.float32
    assert above(0.7) == 1.0
    with fake_cupy.installed() as cupy:
        there = tl.Tensor(cupy.asarray(np.array([0.2, 0.9])), requires_grad=True)
        out = above(there)
        (out * out).sum().backward()
        np.testing.assert_array_equal(there.grad.numpy(), [0.0, 2.0])


def test_shapes_that_differ():
    with pytest.raises(
        ShapeError, match=r"value has shape \(\) and the argument \(2,\); they must be equal, since one"
    ):
        tl.straight_through(lambda x: x.sum())(leaf([1.0, 2.0]))
    with pytest.raises(ShapeError, match=r"value has shape \(2,\) and the surrogate's result \(\); they must be equal"):
        tl.straight_through(tl.round, surrogate=tl.sum)(leaf([1.0, 2.0]))


# Rules of one's own: a primitive's body may be anything


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_a_body_of_external_code_with_a_rule(declared):
    @tl.primitive(x=lambda g, x, out: g * out / (3 * x))
    def cube_root(xp, x):
        values = [math.copysign(abs(v) ** (1 / 3), v) for v in x.ravel().tolist()]
        return np.array(values, dtype=x.dtype).reshape(x.shape)

    assert tl.grad(tl.grad(cube_root))(8.0) == pytest.approx(-2 / 9 * 8 ** (-5 / 3))
    assert all(report.ok for report in check_op(cube_root, np.array([[1.5, -2.0], [0.3, 4.0]])))
    _, tangent = tl.jvp(cube_root, (np.array([8.0]),), (np.array([3.0]),))
    np.testing.assert_allclose(tangent, [0.25])


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_a_body_that_looks_up_a_table_and_a_rule_that_does(declared):
    grid = np.linspace(0.0, 7.0, 7001)
    sines, cosines = np.sin(grid), np.cos(grid)

    @tl.primitive(x=lambda g, x, order: g * looked_up(x, order=order + 1), shapes="any")
    def looked_up(xp, x, *, order=0):
        table = (sines, cosines, -sines, -cosines)[order % 4]
        return table[np.rint(x * 1000.0).astype(int)]

    x = np.array([0.5, 1.25])
    f = looked_up
    for known in (np.cos(x), -np.sin(x), -np.cos(x)):
        f = tl.grad(lambda x, f=f: f(x).sum())
        np.testing.assert_allclose(f(x), known, rtol=1e-12)


def test_a_body_that_solves_and_a_rule_by_the_implicit_function_theorem(declared):
    @tl.primitive(a=lambda g, out: g / (tl.exp(out) * (1.0 + out)))
    def product_log(xp, a):
        """The w with w e^w = a, by bisection: no derivative could go through its branches."""
        low, high = np.zeros_like(a), np.ones_like(a) * 10.0
        for _ in range(60):
            middle = (low + high) / 2
            above = middle * np.exp(middle) > a
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return (low + high) / 2

    assert product_log(math.e) == pytest.approx(1.0)
    assert tl.grad(product_log)(math.e) == pytest.approx(1 / (2 * math.e))
    assert check_op(product_log, np.array([0.5, 2.0, 7.0]))[0].ok


def test_a_rule_that_is_deliberately_another_derivative(declared):
    @tl.primitive(x=lambda g, bound: tl.clip(g, -bound, bound))
    def clip_gradient(xp, x, *, bound=1.0):
        return xp.asarray(x, copy=True)

    x = leaf([1.0, 2.0])
    (clip_gradient(x, bound=2.5) ** 3).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2.5, 2.5])
