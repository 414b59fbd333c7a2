"""Finding where a NaN or an infinity comes into a gradient."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import OPS, GradientError, autograd, primitive, tensor


def leaf(values):
    return tensor(values, dtype="float64", requires_grad=True)


def test_names_the_operation_and_the_line():
    x = leaf([0.0, 1.0, 4.0])
    roots = tl.sqrt(x)
    loss = (roots * 3.0 + x).sum()
    found = autograd.find_nan(loss)
    assert found.operation == "sqrt" and (found.shape, found.bad, found.total) == ((3,), 1, 3)
    assert "test_diagnosis.py" in found.place and "roots = tl.sqrt(x)" in found.place
    assert str(found).startswith("the derivative of sqrt is not finite in 1 of 3 elements, shape (3,); ")


def test_the_first_one_counts_and_not_those_that_follow():
    x = leaf([2.0])
    inner = (x - 2.0) * 5.0
    found = autograd.find_nan((tl.sqrt(inner) * 3.0).sum())
    assert found.operation == "sqrt" and found.bad == 1 and found.stage == "derivative"
    with np.errstate(all="ignore"):
        loss = (tl.log(inner) * inner).sum()
    found = autograd.find_nan(loss)
    assert found.operation == "log" and found.bad == 1 and found.stage == "value"


def test_of_operations_with_several_outputs():
    @primitive(outputs=("a", "b"), x=lambda g, x: g[0] / x + g[1])
    def log_and_self(xp, x):
        """Both."""
        return xp.log1p(x), +x

    try:
        found = autograd.find_nan(sum(out.sum() for out in log_and_self(leaf([0.0, 1.0]))))
    finally:
        del OPS["log_and_self"]
    assert found.operation == "log_and_self" and found.bad == 1 and "log_and_self(leaf" in found.place


def value_of(loss):
    found = autograd.find_nan(loss)
    assert found.stage == "value"
    return found


def quiet(function, *args):
    with np.errstate(all="ignore"):
        return function(*args)


def test_of_values_the_first_operation_and_its_line():
    x, w = leaf([-1.0, 2.0, 4.0]), leaf([1.0, 2.0, 3.0])
    shifted = x - 1.0
    with np.errstate(all="ignore"):
        logs = tl.log(shifted)
    loss = ((logs + 2.0) * w).sum() + w.sum()
    found = value_of(loss)
    assert found.operation == "log" and (found.shape, found.bad, found.total) == ((3,), 1, 3)
    assert found.place.endswith("in test_of_values_the_first_operation_and_its_line: logs = tl.log(shifted)")
    assert str(found).startswith("the value of log is not finite in 1 of 3 elements, shape (3,); the operation was ")


def test_of_values_that_nothing_keeps_it_is_computed_again():
    x = leaf([-1.0, 4.0])
    loss = quiet(tl.log, x).sum()  # the sum keeps no values
    assert value_of(loss).operation == "log"
    loss = quiet(lambda: tl.exp(x * 1000.0) + 1.0).sum()
    assert value_of(loss).operation == "exp"


def test_of_a_leaf_with_nan_and_of_other_kinds_of_nodes():
    x = tensor([np.nan, 1.0], requires_grad=True)  # made here
    found = value_of((x * 2.0).sum())
    assert found.operation == "leaf" and found.place.endswith("# made here")
    y = leaf([-1.0, 1.0])
    roots = quiet(tl.checkpoint(lambda t: tl.sqrt(t)), y)
    assert value_of((roots * 2.0).sum()).operation.startswith("checkpoint(")
    z = tl.tensor([[0.0, 1.0]], dtype="complex128", requires_grad=True)
    assert value_of(tl.real(quiet(lambda: 1.0 / z)).sum()).operation == "divide"
    assert value_of(quiet(lambda: tl.concat([tl.log(y), y])).sum()).operation == "log"
    assert value_of(quiet(lambda: tl.softmax(tl.log(y))).sum()).operation == "log"


def test_of_the_second_derivative():
    x = leaf([0.0, 4.0])
    y = (x * tl.sqrt(x)).sum()
    slopes = autograd.grad((x**1.5).sum(), x, create_graph=True)  # the line of the first derivative
    assert np.isfinite(slopes.detach().numpy()).all()
    found = autograd.find_nan(slopes.sum())
    assert found.stage == "derivative" and found.place.endswith("# the line of the first derivative")
    with np.errstate(all="ignore"):
        bad = autograd.grad(y, x, create_graph=True)  # 0 / 0 in the rule of sqrt
    found = value_of(bad.sum())
    assert found.operation == "divide" and found.place.endswith("# 0 / 0 in the rule of sqrt")


def test_of_a_freed_graph():
    x = leaf([-1.0])
    loss = quiet(tl.log, x).sum()
    loss.backward()
    with pytest.raises(GradientError, match="freed"):
        autograd.find_nan(loss)


def test_nothing_to_find_and_nothing_changed():
    x = leaf([1.0, 2.0])
    loss = (x.exp() * x).sum()
    assert autograd.find_nan(loss) is None
    assert x.grad is None
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1.0, 2.0]) * [2.0, 3.0])


def test_cotangents_and_freed_graphs():
    x = leaf([1.0, 2.0])
    y = x * 2.0
    assert autograd.find_nan(y, np.ones(2)) is None
    with pytest.raises(GradientError, match=r"cotangent itself is not finite in 1 of 2"):
        autograd.find_nan(y, np.array([1.0, np.nan]))
    y.backward(np.ones(2))
    with pytest.raises(GradientError, match="multiply: .*freed"):
        autograd.find_nan(y, np.ones(2))
    with pytest.raises(GradientError, match="requires_grad=True"):
        autograd.find_nan(tensor(1.0))


def test_gauss_newton_product_is_that_of_the_matrices():
    a = np.arange(6.0).reshape(3, 2) / 5

    def f(x):
        return tl.tanh(a @ x)

    def loss(y):
        return (y**4).sum()

    x, v = np.array([0.3, -0.8]), np.array([1.0, 2.0])
    j, h = tl.jacobian(f)(x), tl.hessian(loss)(f(x))
    np.testing.assert_allclose(tl.gauss_newton_product(f, loss, x, v), j.T @ (h @ (j @ v)))
