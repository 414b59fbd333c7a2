"""Edges of hypot, logaddexp and the logarithms."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.ops.test_trigonometry import gradients


def test_hypot_at_the_origin_and_beyond_the_range_of_squares():
    assert gradients(tl.hypot, 0.0, 0.0) == [0.0, 0.0]
    assert gradients(tl.hypot, 3e200, 4e200) == pytest.approx([0.6, 0.8])
    assert gradients(tl.hypot, 3e30, 4e30, dtype="float32") == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize(
    ("x", "y", "slopes"),
    [
        (1000.0, 1000.0, [0.5, 0.5]),
        (1000.0, -1000.0, [1.0, 0.0]),
        (-np.inf, 1.0, [0.0, 1.0]),
        (np.inf, 1.0, [1.0, 0.0]),
        (np.inf, np.inf, [0.5, 0.5]),
        (-np.inf, -np.inf, [0.0, 0.0]),
    ],
)
def test_slopes_of_logaddexp(x, y, slopes):
    assert gradients(tl.logaddexp, x, y) == slopes


def test_second_derivative_of_logaddexp_at_equal_numbers():
    x = tl.tensor(np.array(2.0), requires_grad=True)
    assert tl.grad(tl.grad(lambda z: tl.logaddexp(z, 2.0)))(x.detach()).item() == pytest.approx(0.25)


def test_pow_is_power():
    assert tl.pow is tl.power
