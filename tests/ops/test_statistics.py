"""Exact edges of order statistics and of reductions that leave out NaN."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError

inf, nan = np.inf, np.nan
X = np.array([[1.0, nan, 3.0, 2.0], [nan, nan, 5.0, -1.0], [0.5, 7.0, 4.0, 2.5]])
NAN_REDUCTIONS = [tl.nansum, tl.nanmean, tl.nanvar, tl.nanstd, tl.nanmax, tl.nanmin]


def gradient(function, x, *args, **kwargs):
    out, pull = tl.vjp(lambda t: function(t, *args, **kwargs), np.asarray(x))
    return pull(np.ones(np.shape(out)))[0]


def failing(function, *args, **kwargs):
    with pytest.raises(ShapeError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("reduce", NAN_REDUCTIONS, ids=lambda f: f.__name__)
def test_nan_is_left_out(reduce):
    for axis in (None, 0, 1, (0, 1)):
        np.testing.assert_allclose(reduce(X, axis=axis), getattr(np, reduce.__name__)(X, axis=axis))
    kept = ~np.isnan(X)
    g = gradient(reduce, X)
    assert not g[~kept].any()
    plain = {"nansum": tl.sum, "nanmean": tl.mean, "nanvar": tl.var, "nanstd": tl.std, "nanmax": tl.max}
    np.testing.assert_allclose(g[kept], gradient(plain.get(reduce.__name__, tl.min), X[kept]), atol=1e-15)
    assert reduce(X.astype("float32"), axis=0).dtype == np.float32
    assert gradient(reduce, X.astype("float32")).dtype == np.float32


@pytest.mark.parametrize("reduce", NAN_REDUCTIONS, ids=lambda f: f.__name__)
def test_of_nothing_but_nan(reduce):
    x = np.full((2, 2), nan)
    assert np.array_equal(reduce(x, axis=0), np.full(2, 0.0 if reduce is tl.nansum else nan), equal_nan=True)
    assert not gradient(reduce, x).any()


def test_equal_elements_have_no_spread():
    assert tl.nanstd(np.array([2.0, nan, 2.0])) == 0.0
    assert gradient(tl.nanstd, [2.0, nan, 2.0]).tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(tl.nanvar(np.array([2.0, nan]), correction=1))


def test_equal_elements_share_the_gradient():
    assert gradient(tl.nanmax, [3.0, nan, 3.0]).tolist() == [0.5, 0.0, 0.5]
    assert gradient(tl.median, [2.0, 2.0, 1.0, 2.0]).tolist() == [1 / 3, 1 / 3, 0.0, 1 / 3]
    assert gradient(tl.quantile, [2.0, 2.0, 1.0], 1.0).tolist() == [0.5, 0.5, 0.0]
    assert gradient(lambda x: tl.topk(x, k=1).values, [2.0, 5.0, 5.0]).tolist() == [0.0, 0.5, 0.5]


def test_quantiles_at_infinities():
    x = np.array([-inf, 1.0, 2.0, inf])
    assert tl.quantile(x, (0.0, 1 / 3, 2 / 3, 1.0)).tolist() == pytest.approx([-inf, 1.0, 2.0, inf])
    assert tl.median(x) == 1.5
    assert np.isnan(tl.median(np.array([1.0, nan])))
    assert tl.median(X, axis=1).tolist()[2] == 3.25
    assert tl.quantile(X[2], 0.5).dtype == np.float64
    assert tl.quantile(X[2].astype("float32"), (0.1, 0.7)).dtype == np.float32


def test_what_is_no_quantile():
    assert failing(tl.quantile, X, 1.5) == (
        "quantile: x is (3, 4) and axis=None; q is 1.5; numbers from 0 to 1 are required."
    )
    assert "there is no element to choose from" in failing(tl.median, np.zeros((0, 2)), axis=0)
    assert "axis 2 does not exist" in failing(tl.median, X, axis=2)


def test_topk():
    x = np.array([[3.0, 1.0, 4.0], [nan, 5.0, 5.0]])
    values, indices = tl.topk(x, k=2)
    assert np.array_equal(values, [[4.0, 3.0], [nan, 5.0]], equal_nan=True)
    assert indices.tolist() == [[2, 0], [0, 1]]
    values, indices = tl.topk(x, k=1, axis=0, largest=False)
    assert (values.tolist(), indices.tolist()) == ([[3.0, 1.0, 4.0]], [[0, 0, 0]])
    assert tl.topk(x, k=0).values.shape == (2, 0)
    t = tl.tensor(x[:1], requires_grad=True)
    tl.topk(t, k=2).values.backward(np.array([[10.0, 20.0]]))
    assert t.grad.tolist() == [[20.0, 0.0, 10.0]]
    assert failing(tl.topk, x, k=4) == ("topk: x is (2, 3) and k is 4; it must be from 0 to the length of the axis, 3.")
    assert "axis 2 does not exist" in failing(tl.topk, x, k=1, axis=2)


def test_as_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    x = np.random.default_rng(0).normal(size=(4, 5))
    t = torch.tensor(x)
    for largest in (True, False):
        for ours, theirs in zip(tl.topk(x, k=3, largest=largest), t.topk(3, largest=largest), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(
        tl.quantile(x, (0.2, 0.9), axis=1), t.quantile(torch.tensor([0.2, 0.9], dtype=t.dtype), dim=1)
    )


def test_quantiles_of_integers_have_fractions():
    x = np.array([[10, 7, 4], [3, 2, 1]])
    for op in (tl.median, tl.nanmedian):
        assert op(x) == 3.5 and op(x, axis=0).tolist() == [6.5, 4.5, 2.5]
    assert tl.quantile(x, 0.3) == pytest.approx(np.quantile(x, 0.3))
    assert tl.nansum(x).dtype == x.dtype and tl.nanprod(x).dtype == x.dtype


def test_quantiles_without_nan():
    q = (0.0, 0.3, 0.5, 1.0)
    for axis in (0, 1, None):
        np.testing.assert_allclose(tl.nanquantile(X, q, axis=axis), np.nanquantile(X, q, axis=axis))
    assert tl.nanpercentile(X, 30.0) == pytest.approx(np.nanpercentile(X, 30.0))
    assert gradient(tl.nanmedian, [4.0, nan, 1.0, 3.0, nan]).tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]
    assert gradient(tl.nanmedian, [4.0, nan, 1.0]).tolist() == [0.5, 0.0, 0.5]
    assert np.isnan(tl.nanmedian(np.array([nan, nan]))) and not gradient(tl.nanmedian, [nan, nan]).any()
    assert tl.nanquantile(np.array([-inf, nan, 1.0, inf]), q=(0.0, 0.5, 1.0)).tolist() == [-inf, 1.0, inf]
    assert tl.nanmedian(np.array([1.0, nan, 2.0], "float32")).dtype == np.float32
    assert "there is no element" in failing(tl.nanmedian, np.zeros(0))
    assert "q is 120; numbers from 0 to 100" in failing(tl.percentile, X, 120)


def test_weighted_average():
    x = np.arange(8.0).reshape(2, 2, 2)
    weights = np.array([[0.25, 0.75], [1.0, 0.5]])
    for axis in ((0, 1), (2, 0), (-1, 1)):
        np.testing.assert_allclose(
            tl.average(x, weights, axis=axis, keepdims=True), np.average(x, axis=axis, weights=weights, keepdims=True)
        )
    assert gradient(tl.average, [1.0, 2.0], np.array([1.0, 3.0])).tolist() == [0.25, 0.75]
    assert failing(tl.average, x, np.ones(3), axis=0) == (
        "average: x is (2, 2, 2), weights are (3,) and axis=0; weights must be (2, 2, 2), or (2,), the lengths along "
        "the axis."
    )


def test_peak_to_peak():
    assert gradient(tl.ptp, [1.0, 3.0, 3.0]).tolist() == [-1.0, 0.5, 0.5]
    assert gradient(tl.ptp, [2.0, 2.0]).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "method",
    ["linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "median_unbiased", "normal_unbiased"],
)
def test_methods_of_quantiles(method):
    q = (0.0, 0.1, 0.25, 0.5, 0.7, 1.0)
    for n in (1, 2, 4, 7):
        x = np.random.default_rng(n).normal(size=n)
        np.testing.assert_allclose(tl.quantile(x, q, method=method), np.quantile(x, q, method=method), rtol=1e-14)
    np.testing.assert_allclose(
        tl.nanquantile(X, q, axis=1, method=method), np.nanquantile(X, q, axis=1, method=method), rtol=1e-14
    )
    assert "method is 'middle'; it must be one of hazen, higher, " in failing(tl.quantile, X, 0.5, method="middle")
