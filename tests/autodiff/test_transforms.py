"""Transforms: values, nesting, structures, what comes back, and what is refused."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, GradientError, ShapeError, Tensor, tensor


def quartic(x):
    return (x * x * x * x).sum()


def test_numbers_give_floats_in_double_precision():
    g = tl.grad(lambda x: x**3)(2)
    assert type(g) is float and g == 12.0
    assert tl.grad(lambda x: tl.exp(x))(1.0) == np.exp(1.0)


def test_arrays_give_arrays_and_tensors_tensors():
    x = np.array([1.0, 2.0], dtype=np.float32)
    g = tl.grad(quartic)(x)
    assert type(g) is np.ndarray and g.dtype == np.float32
    t = tl.grad(quartic)(tensor(x))
    assert isinstance(t, Tensor) and not t.requires_grad
    np.testing.assert_array_equal(t.numpy(), g)


def test_nesting_to_the_fourth_order():
    f = lambda x: x**4
    for expected in (4 * 8.0, 12 * 4.0, 24 * 2.0, 24.0):
        f = tl.grad(f)
        assert f(2.0) == pytest.approx(expected)


def test_value_and_grad_with_auxiliary_output_and_argnums():
    def f(x, y, scale=1.0):
        return (x * y).sum() * scale, {"seen": y}

    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    (value, aux), (gy, gx) = tl.value_and_grad(f, argnums=(1, 0), has_aux=True)(x, y, scale=2.0)
    assert value == 22.0 and "seen" in aux
    np.testing.assert_array_equal(gx, 2 * y)
    np.testing.assert_array_equal(gy, 2 * x)
    gradient, aux = tl.grad(f, has_aux=True)(x, y)
    np.testing.assert_array_equal(gradient, y)
    with pytest.raises(ShapeError, match="argnums 2 with 2 positional"):
        tl.grad(f, argnums=2)(x, y)


@pytest.mark.numpy_only("Python numbers are differentiated in main memory")
def test_nested_structures():
    Pair = namedtuple("Pair", "a b")
    parameters = {"w": np.ones((2, 2)), "rest": [np.ones(2), Pair(2.0, None)]}

    def f(p, x):
        return ((p["w"] @ x + p["rest"][0]) * p["rest"][1].a).sum()

    g = tl.grad(f)(parameters, np.array([1.0, 2.0]))
    np.testing.assert_array_equal(g["w"], [[2.0, 4.0], [2.0, 4.0]])
    np.testing.assert_array_equal(g["rest"][0], [2.0, 2.0])
    assert g["rest"][1] == Pair(8.0, None)


@pytest.mark.numpy_only("Python numbers are differentiated in main memory")
def test_gradient_inside_a_loss_reaches_captured_tensors():
    # The pattern of physics-informed networks: du/dx is part of the loss, and parameters are captured.
    w = tensor(3.0, requires_grad=True)
    slope = tl.grad(lambda x: w * x * x)(2.0)
    assert isinstance(slope, Tensor) and slope.item() == 12.0
    (slope * slope).backward()
    assert w.grad.item() == 2 * 12.0 * 4.0


@pytest.mark.numpy_only("Python numbers are differentiated in main memory")
def test_captured_tensors_are_ignored_without_recording():
    w = tensor(3.0, requires_grad=True)
    with tl.no_grad():
        assert tl.grad(lambda x: w * x * x)(2.0) == 12.0


def test_inner_gradient_with_captured_outer_variable():
    def outer(y):
        return tl.grad(lambda x: x * x * y)(3.0) * y  # 6 y^2

    assert tl.grad(outer)(2.0) == pytest.approx(24.0)
    assert tl.grad(tl.grad(outer))(2.0) == pytest.approx(12.0)


@pytest.mark.numpy_only("Python numbers are differentiated in main memory")
def test_results_that_do_not_depend_on_the_input_have_zero_derivatives():
    assert tl.grad(lambda x: tensor(1.0))(2.0) == 0.0
    np.testing.assert_array_equal(tl.grad(lambda x: (x * 0 + 1 > 0).sum() * 1.0)(np.ones(2)), [0.0, 0.0])
    _, tangent = tl.jvp(lambda x: tensor([1.0, 2.0]), (1.0,), (1.0,))
    np.testing.assert_array_equal(tangent, [0.0, 0.0])
    np.testing.assert_array_equal(tl.jacobian(lambda x: tensor([1.0, 2.0]))(np.ones(3)), np.zeros((2, 3)))


def test_refusals():
    with pytest.raises(GradientError, match=r"shape \(2,\); a gradient needs a scalar"):
        tl.grad(lambda x: x * 2.0)(np.ones(2))
    with pytest.raises(DTypeError, match="int64; derivatives need floating point"):
        tl.grad(lambda x: x.sum())(np.array([1, 2]))
    with pytest.raises(GradientError, match="returned a list"):
        tl.grad(lambda x: [x])(1.0)
    with pytest.raises(GradientError, match="2 primals and 1 tangents"):
        tl.jvp(lambda x, y: x * y, (1.0, 2.0), (1.0,))
    with pytest.raises(GradientError, match=r"cotangent has shape \(3,\) and the output \(2,\)"):
        tl.jvp(lambda x: x, (np.ones(2),), (np.ones(3),))
    with pytest.raises(GradientError, match=r"cotangent has shape \(3,\)"):
        tl.vjp(lambda x: x * 2.0, np.ones(2))[1](np.ones(3))
    with pytest.raises(GradientError, match="mode is 'sideways'"):
        tl.jacobian(quartic, mode="sideways")
    with pytest.raises(GradientError, match=r"vector has shape \(3,\) and the primal \(2,\)"):
        tl.hvp(quartic, np.ones(2), np.ones(3))


def test_vjp_may_be_called_often_and_nests():
    x = np.array([1.0, 2.0])
    out, pull = tl.vjp(lambda x: tl.exp(x) * 2.0, x)
    np.testing.assert_allclose(out, 2 * np.exp(x))
    for scale in (1.0, 3.0):
        np.testing.assert_allclose(pull(np.full(2, scale))[0], 2 * scale * np.exp(x))
    # The derivative of a vector-Jacobian product with respect to its cotangent is the transposed Jacobian.
    g = tl.grad(lambda u: (pull(u)[0] * np.array([1.0, 10.0])).sum())(np.ones(2))
    np.testing.assert_allclose(g, 2 * np.exp(x) * [1.0, 10.0])


def test_vjp_of_several_outputs():
    out, pull = tl.vjp(lambda x, y: {"sum": x + y, "product": x * y}, 2.0, 3.0)
    assert out == {"sum": 5.0, "product": 6.0}
    assert pull({"sum": 1.0, "product": 10.0}) == (31.0, 21.0)


def test_jvp_agrees_with_the_jacobian():
    def f(x, y):
        return tl.sin(x) * y.sum() + tl.tanh(y)

    x, y = np.array([0.3, -0.7]), np.array([1.1, 0.2])
    u, v = np.array([1.0, 2.0]), np.array([-0.5, 0.25])
    value, tangent = tl.jvp(f, (x, y), (u, v))
    expected = tl.jacobian(f, 0)(x, y) @ u + tl.jacobian(f, 1)(x, y) @ v
    np.testing.assert_allclose(tangent, expected)
    np.testing.assert_allclose(value, np.sin(x) * y.sum() + np.tanh(y))


def test_jvp_nests_in_both_orders():
    d = lambda f: lambda x: tl.jvp(f, (x,), (1.0,))[1]
    cube = lambda x: x**3
    assert d(d(cube))(2.0) == pytest.approx(12.0)
    assert tl.grad(d(cube))(2.0) == pytest.approx(12.0)
    assert d(tl.grad(cube))(2.0) == pytest.approx(12.0)


def test_jacobian_in_both_modes():
    a = np.arange(6.0).reshape(3, 2)
    x = np.array([[0.5, -1.0]])
    f = lambda x: tl.exp(x[0]) @ a.T
    expected = (a * np.exp(x[0])).reshape(3, 1, 2)
    for mode in ("forward", "reverse", None):
        np.testing.assert_allclose(tl.jacobian(f, mode=mode)(x), expected)


def test_jacobian_and_hessian_by_argument():
    def f(x, y):
        return x * x * y

    x, y = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    for argnum in (1, -1):
        np.testing.assert_allclose(tl.jacobian(f, argnum)(x, y), np.diag(x * x))
    np.testing.assert_allclose(tl.hessian(lambda y, x: f(x, y).sum(), -1)(y, x), np.diag(2 * y))
    with pytest.raises(ShapeError, match="jacobian: argnums 2 with 2 positional"):
        tl.jacobian(f, 2)(x, y)


def test_jacobian_of_empty_arrays():
    assert tl.jacobian(lambda x: x * 2.0)(np.ones(0)).shape == (0, 0)
    assert tl.jacobian(lambda x: x.sum())(np.ones(0)).shape == (0,)


def test_hessian_and_hessian_vector_product():
    def f(x):
        return (tl.sin(x[:-1]) * x[1:] ** 2).sum()

    x = np.array([0.1, 0.7, -0.4, 1.3])
    v = np.array([1.0, -2.0, 0.5, 3.0])
    h = tl.hessian(f)(x)
    np.testing.assert_allclose(h, h.T, atol=1e-15)
    np.testing.assert_allclose(tl.hvp(f, x, v), h @ v)
    step = 1e-6
    difference = (tl.grad(f)(x + step * v) - tl.grad(f)(x - step * v)) / (2 * step)
    np.testing.assert_allclose(h @ v, difference, rtol=1e-7, atol=1e-7)


def test_products_with_second_derivatives_of_structures():
    weights, vector = np.array([[0.3, 0.5], [0.1, -0.2]]), np.array([1.0, 2.0])

    def f(p):
        return {"a": tl.tanh(p["w"] @ p["b"][0]), "c": [tl.sum(p["w"]) * p["b"][1]]}

    def loss(out):
        return (out["a"] ** 2).sum() * out["c"][0]

    def flat(function):
        return lambda x: function({"w": tl.reshape(x[:4], (2, 2)), "b": (x[4:6], x[6])})

    def together(tree):
        return np.concatenate([tree["w"].ravel(), tree["b"][0], tree["b"][1].reshape(1)])

    primal = {"w": weights, "b": (vector, np.array(3.0))}
    direction = {"w": np.ones((2, 2)), "b": (np.array([0.5, -1.0]), np.array(2.0))}
    x, v = together(primal), together(direction)
    h = tl.hessian(flat(lambda p: loss(f(p))))(x)
    np.testing.assert_allclose(together(tl.hvp(lambda p: loss(f(p)), primal, direction)), h @ v)
    outputs = flat(lambda p: tl.concat([f(p)["a"], tl.reshape(f(p)["c"][0], (1,))]))
    j = tl.jacobian(outputs)(x)
    inner = tl.hessian(lambda y: loss({"a": y[:2], "c": [y[2]]}))(outputs(x))
    found = tl.gauss_newton_product(f, loss, primal, direction)
    np.testing.assert_allclose(together(found), j.T @ (inner @ (j @ v)))


def test_transforms_keep_functions_names():
    assert tl.grad(quartic).__name__ == "quartic"


def test_float32_stays_float32():
    x = np.ones(3, dtype=np.float32)
    assert tl.jacobian(tl.tanh)(x).dtype == np.float32
    assert tl.hvp(quartic, x, x).dtype == np.float32
    assert tl.jvp(tl.tanh, (x,), (x,))[1].dtype == np.float32


def test_results_do_not_share_memory_with_what_was_given():
    x, u = np.ones(3), np.ones(3)
    pulled = tl.vjp(lambda x: +x, x)[1](u)[0]
    u[:] = 5.0
    np.testing.assert_array_equal(pulled, np.ones(3))
