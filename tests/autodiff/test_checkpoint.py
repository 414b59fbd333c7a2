"""Checkpoints: the same derivatives from less memory."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import autograd, tensor


def leaf(values):
    return tensor(values, dtype="float64", requires_grad=True)


def block(x, w):
    return tl.tanh(x @ w) * x


def test_same_gradients_as_without():
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
    results = []
    for f in (block, tl.checkpoint(block)):
        x, w = leaf(values), leaf(weights)
        (f(f(x, w), w) ** 2).sum().backward()
        results.append((x.grad.numpy(), w.grad.numpy()))
    for plain, checkpointed in zip(*results, strict=True):
        np.testing.assert_allclose(checkpointed, plain, rtol=1e-14)


def test_captured_leaves_and_captured_results_get_gradients():
    w = leaf(3.0)
    scaled = w * 2.0
    x = leaf(5.0)
    out = tl.checkpoint(lambda t: t * scaled * w)(x)  # 2 x w^2
    out.backward()
    assert x.grad.item() == 18.0 and w.grad.item() == 2 * 5.0 * 2 * 3.0


def test_second_derivatives():
    x = leaf(0.7)
    y = tl.checkpoint(lambda t: tl.sin(t) * t)(x)
    first = autograd.grad(y, x, create_graph=True)
    second = autograd.grad(first, x)
    assert second.item() == pytest.approx(2 * np.cos(0.7) - 0.7 * np.sin(0.7))


def test_nested_and_constant_arguments():
    inner = tl.checkpoint(lambda t: tl.exp(t))
    outer = tl.checkpoint(lambda t, c, scale: inner(t) * c * scale)
    x = leaf(0.5)
    outer(x, tensor(2.0, dtype="float64"), scale=3.0).backward()
    assert x.grad.item() == pytest.approx(6 * np.exp(0.5))


def nested(wrapped):
    """Gradients to third order of a function of functions, each wrapped, that capture a leaf."""
    x, w = leaf(0.7), leaf(0.4)
    inner = wrapped(lambda t: tl.sin(t * w) * t)
    middle = wrapped(lambda t: inner(t) + tl.exp(inner(t) * w))
    y = wrapped(lambda t: middle(middle(t)) * t * w)(x)
    found = [y.item()]
    for _ in range(3):
        gx, gw = autograd.grad(y, [x, w], create_graph=True)
        found += [gx.item(), gw.item()]
        y = gx * gw
    return found


def test_nested_to_third_order_with_captured_leaves():
    np.testing.assert_allclose(nested(tl.checkpoint), nested(lambda f: f), rtol=1e-12)


def test_inside_and_around_transforms():
    cube = tl.checkpoint(lambda t: t**3)
    f = tl.checkpoint(lambda x: cube(x) * x)
    assert tl.grad(tl.grad(f))(2.0) == pytest.approx(12 * 4.0)
    assert tl.jvp(f, (2.0,), (1.0,)) == pytest.approx((16.0, 32.0))
    assert tl.grad(tl.checkpoint(lambda x: tl.grad(cube)(x) * x))(2.0) == pytest.approx(9 * 4.0)
    assert tl.hvp(lambda x: f(x).sum(), np.array([2.0]), np.array([1.0])) == pytest.approx(48.0)


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_keeps_only_its_inputs():
    kept = []

    def long(t):
        for _ in range(10):
            t = tl.sin(t)
            kept.append(t.node is not None)
        return t

    x = leaf(np.ones(4))
    y = tl.checkpoint(long)(x)
    assert y.node.parents == (x.node,) and len(y.node.saved) == 1 and y.node.saved[0] is x.data
    y.sum().backward()
    assert len(kept) == 20  # the function ran twice


def test_without_gradients_it_is_the_function():
    with tl.no_grad():
        assert not tl.checkpoint(lambda t: t * 2.0)(leaf(1.0)).requires_grad
    assert not tl.checkpoint(lambda t: t * 2.0)(tensor(1.0)).requires_grad
    assert tl.checkpoint(lambda t: t * 2.0)(3.0) == 6.0
