"""Exact edges of `ops/activations.py`."""

import numpy as np
import pytest
import scipy.special

import tinygrad_lite as tl
from tinygrad_lite import ShapeError

inf, nan = np.inf, np.nan
EXTREMES = np.array([-inf, -1000.0, 1000.0, inf, nan])


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (tl.relu, [0, 0, 1000, inf, nan]),
        (tl.leaky_relu, [-inf, -10, 1000, inf, nan]),
        (tl.elu, [-1, -1, 1000, inf, nan]),
        (tl.step, [0, 0, 1, 1, nan]),
        (tl.sigmoid, [0, 0, 1, 1, nan]),
        (tl.silu, [0, 0, 1000, inf, nan]),
        (tl.softplus, [0, 0, 1000, inf, nan]),
        (tl.gelu, [0, 0, 1000, inf, nan]),
        (lambda x: tl.gelu(x, approximate="tanh"), [0, 0, 1000, inf, nan]),
        (tl.erf, [-1, -1, 1, 1, nan]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes(op, expected, dtype):
    np.testing.assert_allclose(op(EXTREMES.astype(dtype)), np.array(expected, dtype))


@pytest.mark.parametrize(
    ("op", "slopes"),
    [
        (tl.relu, [0, 0, 1]),
        (tl.leaky_relu, [0.01, 0.01, 1]),
        (tl.elu, [0, 1, 1]),
        (lambda x: tl.elu(x, alpha=0.5), [0, 0.5, 1]),
        (tl.step, [0, 0, 0]),
        (tl.sigmoid, [0, 0.25, 0]),
        (tl.silu, [0, 0.5, 1]),
        (tl.softplus, [0, 0.5, 1]),
        (tl.gelu, [0, 0.5, 1]),
        (lambda x: tl.gelu(x, approximate="tanh"), [0, 0.5, 1]),
        (tl.erf, [0, 2 / np.sqrt(np.pi), 0]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slopes_at_zero_and_far_away(op, slopes, dtype):
    x = np.array([-1000.0, 0.0, 1000.0], dtype)
    np.testing.assert_allclose(tl.grad(lambda x: op(x).sum())(x), np.array(slopes, dtype), rtol=1e-6)


def test_small_results_keep_their_relative_accuracy():
    x = np.array([-40.0, -80.0])
    np.testing.assert_allclose(tl.sigmoid(x), np.exp(x), rtol=1e-14)
    np.testing.assert_allclose(tl.softplus(x), np.exp(x), rtol=1e-14)
    np.testing.assert_allclose(tl.silu(x), x * np.exp(x), rtol=1e-14)
    np.testing.assert_allclose(tl.gelu(np.array([1e-20, -1e-30])), [5e-21, -5e-31], rtol=1e-14)


def test_erf_is_accurate_to_the_last_digits():
    x = np.concatenate([np.linspace(-7, 7, 20001), np.geomspace(1e-300, 1, 2001), -np.geomspace(1e-300, 1, 2001)])
    np.testing.assert_allclose(tl.erf(x), scipy.special.erf(x), rtol=1e-15, atol=0)
    single = x[np.abs(x) > 1e-30].astype("float32")
    np.testing.assert_allclose(tl.erf(single), scipy.special.erf(single.astype("float64")), rtol=4e-7, atol=0)
    half = np.linspace(-6, 6, 101).astype("float16")
    assert tl.erf(half).dtype == np.float16
    np.testing.assert_allclose(tl.erf(half), scipy.special.erf(half.astype("float64")), rtol=1e-3, atol=0)


def test_softmax_at_the_edges():
    np.testing.assert_array_equal(tl.softmax(np.array([1000.0, -inf, 1000.0])), [0.5, 0.0, 0.5])
    np.testing.assert_array_equal(tl.log_softmax(np.array([0.0, -inf])), [0.0, -inf])
    np.testing.assert_array_equal(tl.log_softmax(np.array([0.0, 1000.0], "float32")), [-1000.0, 0.0])
    assert np.isnan(tl.softmax(np.array([nan, 0.0]))).all()
    assert tl.softmax(np.ones((2, 0))).shape == tl.log_softmax(np.ones((0, 2))).shape[::-1] == (2, 0)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_softmax_of_a_row_of_minus_infinity_is_nan():
    x = np.array([[-inf, -inf], [0.0, 0.0]])
    np.testing.assert_array_equal(tl.softmax(x), [[nan, nan], [0.5, 0.5]])
    np.testing.assert_allclose(tl.log_softmax(x), [[nan, nan], [-np.log(2), -np.log(2)]])


def test_gradients_pass_over_minus_infinity():
    x = np.array([0.0, -inf, 1.0])
    for op in (tl.softmax, tl.log_softmax):
        gradient = tl.grad(lambda x, op=op: op(x)[2])(x)
        assert gradient[1] == 0 and np.isfinite(gradient).all()


def test_errors():
    with pytest.raises(ShapeError) as caught:
        tl.gelu(np.ones(2), approximate="erf")
    assert str(caught.value) == "gelu: approximate is 'erf'; it must be 'none' or 'tanh'."
    with pytest.raises(ShapeError) as caught:
        tl.softmax(np.ones((2, 3)), axis=2)
    assert (
        str(caught.value) == "softmax: x is (2, 3) and axis=2; axis 2 does not exist: the array has 2 axes, so axis "
        "must be from -2 to 1."
    )
    with pytest.raises(ShapeError, match=r"^log_softmax: x is \(2, 3\) and axis=\(0, -2\); axis is \(0, -2\); each"):
        tl.log_softmax(np.ones((2, 3)), axis=(0, -2))


@pytest.mark.parametrize("name", ["erf", "sigmoid", "softplus", "silu", "gelu"])
def test_complex_numbers_are_refused(name):
    with pytest.raises(tl.DTypeError, match=r"(erf|sigmoid|softplus): x has dtype complex128; only real numbers"):
        getattr(tl, name)(np.array([1.0 + 2.0j]))
