"""Edges and messages of `ops/adaptive_pooling.py`."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError


def test_equal_maxima_share_the_gradient_of_each_window():
    x = np.array([[[1.0, 1.0, 0.0]]])
    out = tl.grad(lambda x: tl.adaptive_max_pool1d(x, output_size=2).sum())(x)
    np.testing.assert_array_equal(out, [[[0.5, 1.5, 0.0]]])


def test_infinities_and_nan():
    x = np.array([[[-np.inf, -np.inf, 1.0, np.nan, np.inf]]])
    np.testing.assert_array_equal(tl.adaptive_max_pool1d(x, output_size=3), [[[-np.inf, np.nan, np.nan]]])
    np.testing.assert_array_equal(tl.adaptive_avg_pool1d(x[..., :3], output_size=2), [[[-np.inf, -np.inf]]])


@pytest.mark.parametrize("op", ["adaptive_max_pool2d", "adaptive_avg_pool2d"])
@pytest.mark.parametrize("size", [0, (2,), (2, 2.0), "all"])
def test_messages(op, size):
    with pytest.raises(ShapeError) as caught:
        getattr(tl, op)(np.zeros((1, 1, 4, 4)), output_size=size)
    assert str(caught.value) == (
        f"{op}: x is (1, 1, 4, 4) and output_size is {size!r}; it must be an integer from 1 up or (height, width), "
        "with None for the length of x, and x must not be empty there."
    )
    with pytest.raises(ShapeError) as caught:
        getattr(tl, op)(np.zeros((1, 4, 4)), output_size=2)
    assert str(caught.value) == f"{op}: x is (1, 4, 4); it must be (n, c, h, w)."
