"""Exact edges of scans: equal elements, NaN, infinities, nothing."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError

inf, nan = np.inf, np.nan
SCANS = [tl.cummax, tl.cummin, tl.logcumsumexp]


def gradient(function, x, g):
    out, pull = tl.vjp(function, np.asarray(x))
    return pull(np.asarray(g, dtype=np.asarray(out).dtype))[0]


def test_equal_elements_share_each_result():
    x = [2.0, 1.0, 2.0, 3.0, 3.0, 2.0]
    for function, values in ((tl.cummax, np.array(x)), (lambda x: tl.cummin(-x), np.array(x))):
        sign = -1.0 if function is not tl.cummax else 1.0
        got = gradient(function, values, [1.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0])
        assert (sign * got).tolist() == [61.0, 0.0, 50.0, 56000.0, 55000.0, 0.0]


def test_nan_remains_and_gets_the_gradient():
    assert np.array_equal(tl.cummax(np.array([1.0, nan, 3.0])), [1.0, nan, nan], equal_nan=True)
    assert gradient(tl.cummax, [1.0, nan, 3.0, nan], [1.0, 2.0, 4.0, 8.0]).tolist() == [1.0, 14.0, 0.0, 0.0]


def test_infinities():
    x = np.array([-inf, -inf, 1.0, -inf, inf, 2.0])
    assert tl.cummax(x).tolist() == [-inf, -inf, 1.0, 1.0, inf, inf]
    assert tl.logcumsumexp(x).tolist() == [-inf, -inf, 1.0, 1.0, inf, inf]
    assert gradient(tl.logcumsumexp, x, np.ones(6)).tolist() == [1.0, 0.0, 2.0, 0.0, 2.0, 0.0]


@pytest.mark.parametrize("scan", SCANS, ids=lambda f: f.__name__)
def test_shapes_and_dtypes(scan):
    assert scan(np.zeros((2, 0))).shape == (2, 0)
    assert gradient(scan, np.zeros((2, 0)), np.zeros((2, 0))).shape == (2, 0)
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    assert scan(x, axis=0).dtype == np.float32
    assert gradient(scan, x, np.ones((3, 5))).dtype == np.float32
    with pytest.raises(ShapeError, match=rf"{scan.__name__}: axis 2 does not exist"):
        scan(x, axis=2)


def test_of_integers():
    assert tl.cummax(np.array([1, 3, 2])).tolist() == [1, 3, 3]


@pytest.mark.parametrize("name", ["cummax", "cummin", "logcumsumexp"])
def test_as_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    x, g = np.random.default_rng(1).normal(size=(2, 4, 100))
    t = torch.tensor(x, requires_grad=True)
    expected = getattr(torch, name)(t, 1)
    expected = expected if name == "logcumsumexp" else expected.values
    np.testing.assert_allclose(getattr(tl, name)(x, axis=1), expected.detach().numpy(), rtol=1e-12)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(gradient(getattr(tl, name), x, g), t.grad.numpy(), rtol=1e-9, atol=1e-12)
