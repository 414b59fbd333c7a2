"""Edges of the trigonometric functions: bounds of the domain, large numbers, the origin."""

import numpy as np
import pytest

import tinygrad_lite as tl


def gradients(function, *values, dtype="float64"):
    inputs = [tl.tensor(np.array(value, dtype=dtype), requires_grad=True) for value in values]
    return [g.item() for g in tl.autograd.grad(function(*inputs), inputs)]


@pytest.mark.parametrize(
    ("function", "point", "slope"),
    [
        (tl.asin, 1.0, np.inf),
        (tl.acos, -1.0, -np.inf),
        (tl.acosh, 1.0, np.inf),
        (tl.atanh, 1.0, np.inf),
        (tl.atan, np.inf, 0.0),
        (tl.atan, 1e200, 0.0),
        (tl.asinh, 1e200, 1e-200),
        (tl.acosh, 1e200, 1e-200),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:overflow")
def test_slopes_at_the_ends(function, point, slope):
    assert gradients(function, point) == [pytest.approx(slope)]


def test_slope_of_asin_close_to_one():
    # 1 - x * x would be wrong in the third digit.
    x = 1.0 - 1e-13
    assert gradients(tl.asin, x) == [pytest.approx(1.0 / np.sqrt((1.0 - x) * 2.0), rel=1e-9)]


@pytest.mark.parametrize(
    ("y", "x", "slopes"),
    [
        (0.0, 0.0, [0.0, 0.0]),
        (1.0, 0.0, [0.0, -1.0]),
        (0.0, -2.0, [-0.5, 0.0]),
        (1.0, np.inf, [0.0, 0.0]),
        (3e200, 4e200, [0.16e-200, -0.12e-200]),
    ],
)
def test_slopes_of_the_angle(y, x, slopes):
    assert gradients(tl.atan2, y, x) == pytest.approx(slopes, rel=1e-12, abs=1e-300)


def test_slope_of_the_angle_at_nan():
    assert np.isnan(gradients(tl.atan2, np.nan, 1.0)).all()
