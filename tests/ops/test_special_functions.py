"""Edges of `ops/special_functions.py`, its agreement with PyTorch, and what it says without SciPy."""

import sys

import numpy as np
import pytest
import scipy.special

import tinygrad_lite as tl
from tinygrad_lite import special

inf, nan = np.inf, np.nan
X = np.array([-3.0, -0.4, 0.0, 0.3, 2.5, 20.0])
POSITIVE = np.array([0.01, 0.3, 1.0, 2.5, 40.0])
INNER = np.array([-0.99, -0.3, 0.0, 0.5])


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("erfc", (X,)),
        ("erfinv", (INNER,)),
        ("ndtr", (X,)),
        ("log_ndtr", (X,)),
        ("gammaln", (POSITIVE,)),
        ("digamma", (POSITIVE,)),
        ("entr", (POSITIVE,)),
        ("i0", (X,)),
        ("i0e", (X,)),
        ("i1", (X,)),
        ("i1e", (X,)),
        ("bessel_j0", (X,)),
        ("bessel_j1", (X,)),
        ("logit", (np.array([1e-8, 0.3, 0.5, 0.9]),)),
        ("expit", (X,)),
        ("sinc", (X,)),
        ("xlogy", (np.array([0.0, 0.0, 2.0, -1.0]), np.array([0.0, 2.0, 0.5, 3.0]))),
        ("xlog1py", (np.array([0.0, 0.0, 2.0, -1.0]), np.array([-1.0, 2.0, -0.5, 3.0]))),
    ],
)
def test_agreement_with_torch(name, inputs):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    ours = [tl.tensor(x, requires_grad=True) for x in inputs]
    theirs = [torch.tensor(x, requires_grad=True) for x in inputs]
    out = getattr(special, name.removeprefix("bessel_"))(*ours)
    if name.startswith("bessel"):  # PyTorch has no derivative
        np.testing.assert_allclose(out.data, getattr(torch.special, name)(theirs[0]).detach(), rtol=1e-10, atol=1e-13)
        return
    expected = getattr(torch.special, name)(*theirs)
    np.testing.assert_allclose(out.data, expected.detach(), rtol=1e-9, atol=1e-14)
    g = np.cos(np.arange(len(inputs[0])))
    out.backward(g)
    expected.backward(torch.tensor(g))
    for mine, other in zip(ours, theirs, strict=True):
        wanted = other.grad.numpy()
        if name.startswith("xlog"):  # PyTorch's derivative 0 / 0 in the second argument is NaN; ours is 0
            wanted = np.nan_to_num(wanted, nan=0.0)
        np.testing.assert_allclose(mine.grad.data, wanted, rtol=1e-8, atol=1e-12)


def test_polygamma_agrees_with_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    for n in range(4):
        x = torch.tensor(POSITIVE, requires_grad=True)
        torch.polygamma(n, x).sum().backward()
        gradient = tl.grad(lambda x, n=n: special.polygamma(n, x).sum())(POSITIVE)
        np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes(dtype):
    x = np.array([-inf, -1000.0, 0.0, 1000.0, inf, nan], dtype)
    for op, expected in [
        (special.erfc, [2, 2, 1, 0, 0, nan]),
        (special.ndtr, [0, 0, 0.5, 1, 1, nan]),
        (special.log_ndtr, [-inf, -500007.827, -np.log(2), 0, 0, nan]),
        (special.inverse_mills, [inf, 1000.001, np.sqrt(2 / np.pi), 0, 0, nan]),
        (special.expit, [0, 0, 0.5, 1, 1, nan]),
        (special.entr, [-inf, -inf, 0, -1000 * np.log(1000), -inf, nan]),
        (lambda x: special.logaddexp2(x[:5], 0.0), [0, 0, 1, 1000, inf]),
    ]:
        out = op(x)
        assert out.dtype == dtype
        np.testing.assert_allclose(out, np.array(expected), rtol=1e-6, atol=1e-300)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slopes_of_log_ndtr(dtype):
    x = np.array([-1000.0, -10.0, 0.0, 1000.0], dtype)
    slope = tl.grad(lambda x: special.log_ndtr(x).sum())
    np.testing.assert_allclose(slope(x), [1000.001, 10.0980932, 0.797884561, 0], rtol=1e-6)
    curvature = tl.grad(lambda x: slope(x).sum())(x.astype("float64"))
    np.testing.assert_allclose(curvature, [-1.0, -0.99055462, -2 / np.pi, 0], rtol=1e-5)


def test_logit_keeps_its_relative_accuracy():
    x = 0.5 + np.array([-1e-10, 1e-15, 1e-3, 0.25])
    np.testing.assert_allclose(special.logit(x), 2 * np.arctanh(2 * (x - 0.5)), rtol=1e-14)
    np.testing.assert_allclose(special.logit(np.array([1e-300])), [np.log(1e-300)], rtol=1e-15)


def test_products_with_logarithms_of_zero():
    np.testing.assert_array_equal(special.xlogy(np.array([0.0, 0.0, 0.0]), np.array([0.0, inf, nan])), [0, 0, nan])
    np.testing.assert_array_equal(special.xlog1py(np.array([0.0, 0.0]), np.array([-1.0, nan])), [0, nan])
    assert special.xlogy(0.0, np.float32(0.0)).dtype == np.float32
    zero = np.zeros(1)
    for op, y in ((special.xlogy, zero), (special.xlog1py, zero - 1.0)):
        for i in (0, 1):
            np.testing.assert_array_equal(tl.grad(lambda *xs, op=op: op(*xs).sum(), argnums=i)(zero, y), [0.0])


def gradient_of(f):
    return tl.grad(lambda x: f(x).sum())


def test_derivatives_of_sinc_at_and_near_zero():
    x = np.array([0.0, 1e-9, 0.3])
    for n, at_zero in ((1, 0.0), (2, -(np.pi**2) / 3), (3, 0.0), (4, np.pi**4 / 5)):
        got = special.sinc_derivative(x, n=n)
        assert got[0] == pytest.approx(at_zero) and got[1] == pytest.approx(at_zero, abs=1e-6)
        f = special.sinc
        for _ in range(n):
            f = gradient_of(f)
        np.testing.assert_allclose(f(x), got, rtol=1e-12)
    # Where the series and the recurrence meet, both are accurate.
    for n in (1, 2, 5):
        edge = (n + 2) / np.pi
        below, above = special.sinc_derivative(np.array([edge * (1 - 1e-12), edge * (1 + 1e-12)]), n=n)
        assert below == pytest.approx(above, rel=1e-9)


def test_other_names():
    assert special.psi is special.digamma and special.expit is tl.sigmoid
    names = set(special.__all__) - {"inverse_mills", "sinc_derivative", "logaddexp2", "sinc"}
    assert [name for name in names if not hasattr(scipy.special, name)] == []
    assert all(hasattr(special, name) for name in special.__all__)


def test_half_precision_is_kept():
    x = np.array([0.5, 2.0], "float16")
    for op in (special.gammaln, special.erfc, special.i0e, lambda x: special.beta(x, x), special.sinc):
        assert op(x).dtype == np.float16 and op(x[0]).dtype == np.float16


@pytest.mark.numpy_only("SciPy is needed in main memory only")
def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(tl.BackendError) as caught:
        special.gammaln(np.ones(2))
    assert str(caught.value).startswith("gammaln: SciPy, which computes it, cannot be imported (")
    assert str(caught.value).endswith("). Install it with pip install 'tinygrad-lite[scipy]'.")
    np.testing.assert_allclose(special.expit(np.zeros(2)), 0.5)
