"""Clipping of gradients."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.core.errors import GradientError


def with_gradients(*gradients):
    params = [nn.Parameter(np.zeros_like(gradient)) for gradient in gradients]
    for parameter, gradient in zip(params, gradients, strict=True):
        parameter.grad = tl.tensor(gradient)
    return params


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
def test_norm_of_all_gradients_together(norm_type):
    first, second = np.random.default_rng(0).normal(size=(2, 3, 4))
    params = [*with_gradients(first, second), nn.Parameter(np.zeros(2))]
    expected = np.linalg.norm(np.concatenate([first.ravel(), second.ravel()]), norm_type)
    norm = optim.clip_grad_norm(params, 0.5, norm_type)
    assert norm.shape == () and norm.item() == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(params[0].grad.data, first * 0.5 / (expected + 1e-6), rtol=1e-12)
    np.testing.assert_allclose(params[1].grad.data, second * 0.5 / (expected + 1e-6), rtol=1e-12)
    assert params[2].grad is None


def test_small_gradients_stay():
    g = np.array([0.3, 0.4])
    (w,) = with_gradients(g)
    assert optim.clip_grad_norm([w], 1.0).item() == pytest.approx(0.5)
    np.testing.assert_array_equal(w.grad.data, g)


def test_clipping_makes_new_gradients():
    (w,) = with_gradients(np.array([3.0, 4.0]))
    before = w.grad
    optim.clip_grad_norm([w], 1.0)
    optim.clip_grad_value([w], 0.1)
    assert before.tolist() == [3.0, 4.0]


def test_no_gradients():
    assert optim.clip_grad_norm([nn.Parameter([1.0])], 1.0).item() == 0.0


def test_modules_and_float32():
    model = nn.Linear(2, 2)
    model(np.ones((1, 2), np.float32)).sum().backward()
    optim.clip_grad_norm(model, 0.1)
    assert model.weight.grad.dtype == np.float32
    assert optim.clip_grad_norm(model, 0.1).item() == pytest.approx(0.1, rel=1e-3)


def test_infinite_and_nan_norms():
    (w,) = with_gradients(np.array([np.inf, 1.0]))
    with np.errstate(invalid="ignore"):
        assert optim.clip_grad_norm([w], 1.0).item() == np.inf
    np.testing.assert_array_equal(w.grad.data, [np.nan, 0.0])
    (w,) = with_gradients(np.array([np.nan, 1.0]))
    assert np.isnan(optim.clip_grad_norm([w], 1.0).item())
    assert np.isnan(w.grad.data).all()


@pytest.mark.parametrize(("value", "text"), [(np.inf, "inf"), (np.nan, "nan")])
def test_nonfinite_norms_as_errors(value, text):
    (w,) = with_gradients(np.array([value, 1.0]))
    with pytest.raises(GradientError, match=f"clip_grad_norm: the norm of the gradients is {text}; it must be finite"):
        optim.clip_grad_norm([w], 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(w.grad.data, [value, 1.0])


def test_values():
    (w,) = with_gradients(np.array([-5.0, 0.5, 2.0, np.nan]))
    optim.clip_grad_value([w], 1.0)
    np.testing.assert_array_equal(w.grad.data, [-1.0, 0.5, 1.0, np.nan])
