"""Exact edges of histograms."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, ShapeError

X = np.array([1.0, 2.0, 1.5, 4.0, 3.0])


def test_edges_belong_to_the_bin_above_and_the_last_one_to_its_own():
    counts, edges = tl.histogram(X, bins=3, range=(1.0, 4.0))
    assert counts.tolist() == [2, 1, 2] and edges.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert counts.dtype == np.int64
    assert tl.histogram(X, bins=[1.5, 2.0]).counts.tolist() == [2]
    assert tl.histogram(np.zeros(0), bins=2).counts.tolist() == [0, 0]
    assert tl.histogram(X.astype("float32"), bins="auto").edges.dtype == np.float32
    assert tl.histogram(X > 1.5, bins=2).counts.tolist() == [2, 3]


def test_the_derivative_is_that_of_the_weights():
    x, w = tl.tensor(X, requires_grad=True), tl.tensor(np.ones(5), requires_grad=True)
    assert not tl.histogram(x, bins=2).counts.requires_grad
    counts = tl.histogram(x, w, bins=3, range=(1.0, 3.5)).counts
    (counts * np.array([1.0, 10.0, 100.0])).sum().backward()
    assert w.grad.tolist() == [1.0, 10.0, 1.0, 0.0, 100.0]
    assert x.grad is None


def test_density_has_integral_1():
    counts, edges = tl.histogram(X, bins=4, density=True)
    assert float((counts * np.diff(edges)).sum()) == pytest.approx(1.0)


def test_what_is_no_histogram():
    with pytest.raises(ShapeError, match=r"histogram: x is \(5,\) and weights are \(4,\); they must be equal"):
        tl.histogram(X, np.ones(4))
    with pytest.raises(ShapeError, match=r"histogram: bins=\[2.0, 1.0\] and range=None; .* monotonically"):
        tl.histogram(X, bins=[2.0, 1.0])
    with pytest.raises(DTypeError, match="histogram: x has dtype complex128; complex numbers have no order"):
        tl.histogram(X * 1j)
