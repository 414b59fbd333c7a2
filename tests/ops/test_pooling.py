"""Exact edges and messages of `ops/pooling.py`."""

# ruff: noqa: E501  # messages stand on one line, as they are read

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError


def gradient(function, x):
    return tl.grad(lambda x: function(x).sum())(x)


@pytest.mark.parametrize("options", [{"kernel_size": 2}, {"kernel_size": 2, "stride": 1}])
def test_equal_maxima_share_the_gradient(options):
    x = np.array([[[[3.0, 3.0], [1.0, 3.0]]]])
    np.testing.assert_allclose(gradient(lambda x: tl.max_pool2d(x, **options), x), [[[[1 / 3, 1 / 3], [0, 1 / 3]]]])


def test_padding_is_never_the_maximum():
    x = np.full((1, 1, 2, 2), -5.0)
    np.testing.assert_array_equal(tl.max_pool2d(x, kernel_size=2, padding=1), x)


def test_minus_infinity_and_nan():
    x = np.array([[[[-np.inf, -np.inf, np.nan, 1.0]]]])
    np.testing.assert_array_equal(tl.max_pool2d(x, kernel_size=(1, 2)), [[[[-np.inf, np.nan]]]])


def test_rows_that_no_window_meets_get_no_gradient():
    x = np.arange(25.0).reshape(1, 1, 5, 5)
    expected = np.zeros((5, 5))
    expected[1:4:2, 1:4:2] = 1
    np.testing.assert_array_equal(gradient(lambda x: tl.max_pool2d(x, kernel_size=2), x)[0, 0], expected)


def test_padded_elements_count_or_not():
    x = np.ones((1, 1, 2, 2))
    np.testing.assert_array_equal(tl.avg_pool2d(x, kernel_size=2, padding=1), x / 4)
    np.testing.assert_array_equal(tl.avg_pool2d(x, kernel_size=2, padding=1, count_include_pad=False), x)


def test_an_infinite_corner_does_not_spoil_the_counts():
    x = np.array([[[[np.inf, 1.0], [1.0, 1.0]]]])
    out = tl.avg_pool2d(x, kernel_size=2, padding=1, count_include_pad=False)
    np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((3, 4, 4), {"kernel_size": 2}, "x is (3, 4, 4); it must be (n, c, h, w)."),
        ((1, 1, 4, 4), {"kernel_size": 0}, "kernel_size is 0; it must be an integer from 1 up, or two: (height, width)."),
        ((1, 1, 4, 4), {"kernel_size": 2, "stride": 0}, "stride is 0; it must be an integer from 1 up, or two: (height, width)."),
        ((1, 1, 4, 4), {"kernel_size": 2, "padding": 2}, "padding is (2, 2) and kernel_size (2, 2); it must be at most half of that."),
        ((1, 1, 4, 4), {"kernel_size": 5}, "x is (1, 1, 4, 4), padded by (0, 0), and kernel_size is (5, 5); the window must not be larger than the padded image."),
    ],
)  # fmt: skip
def test_messages(op, shape, options, message):
    with pytest.raises(ShapeError) as caught:
        getattr(tl, op)(np.zeros(shape), **options)
    assert str(caught.value) == f"{op}: {message}"


def test_messages_of_options():
    x = np.zeros((1, 1, 4, 4))
    with pytest.raises(ShapeError) as caught:
        tl.avg_pool2d(x, kernel_size=2, divisor_override=0)
    assert str(caught.value) == "avg_pool2d: divisor_override is 0; it must be another number, or None."
    with pytest.raises(ShapeError) as caught:
        tl.lp_pool2d(x, kernel_size=2, norm_type=0)
    assert str(caught.value) == "lp_pool2d: norm_type is 0; it must be another number."
    with pytest.raises(ShapeError) as caught:
        tl.max_pool1d(x, kernel_size=2)
    assert str(caught.value) == "max_pool1d: x is (1, 1, 4, 4); it must be (n, c, l)."


def test_windows_of_zeros_have_norm_and_gradient_zero():
    x = np.array([[[0.0, 0.0, 3.0, 4.0]]])
    np.testing.assert_array_equal(tl.lp_pool1d(x, norm_type=2, kernel_size=2), [[[0, 5]]])
    np.testing.assert_allclose(gradient(lambda x: tl.lp_pool1d(x, norm_type=2, kernel_size=2), x), [[[0, 0, 0.6, 0.8]]])
    minima = tl.lp_pool1d(x, norm_type=-np.inf, kernel_size=2)
    np.testing.assert_array_equal(minima, [[[0, 3]]])
