"""Edges of rounding and remainders, and the operators `//` and `%`."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.ops.test_trigonometry import gradients


def test_infinities_and_nan_stay():
    x = np.array([np.inf, -np.inf, np.nan])
    for function in (tl.floor, tl.ceil, tl.trunc, tl.round):
        np.testing.assert_array_equal(function(x), x)


@pytest.mark.parametrize(("x", "y", "slope"), [(3.0, 1.5, -1.0), (-3.0, 1.5, 2.0), (0.0, 1.5, 0.0), (3.5, 1.5, -2.0)])
def test_slope_of_the_remainder_at_multiples_is_the_smaller_one(x, y, slope):
    assert gradients(tl.remainder, x, y) == [1.0, slope]


def test_copysign_has_no_slope_at_zero():
    assert gradients(tl.copysign, 0.0, -1.0) == [0.0, 0.0]
    assert gradients(tl.copysign, -3.0, 1.0) == [-1.0, 0.0]
    assert gradients(tl.copysign, 3.0, -0.0) == [-1.0, 0.0]


def test_operators():
    x = tl.tensor(np.array([7.0, -7.0]), requires_grad=True)
    assert (x // 2).tolist() == [3.0, -4.0]
    assert (x % 2).tolist() == [1.0, 1.0]
    assert (9 // x).tolist() == [1.0, -2.0]
    assert (9 % x).tolist() == [2.0, -5.0]
    ((9 % x).sum() + (x // 2).sum()).backward()
    assert x.grad.tolist() == [-1.0, 2.0]


def test_operators_on_bits():
    x = tl.tensor([6, 5])
    assert [(x & 3).tolist(), (x | 3).tolist(), (x ^ 3).tolist(), (~x).tolist()] == [[2, 1], [7, 7], [5, 6], [-7, -6]]
    assert [(3 & x).tolist(), (3 | x).tolist(), (3 ^ x).tolist()] == [[2, 1], [7, 7], [5, 6]]
    assert [(x << 1).tolist(), (x >> 1).tolist(), (1 << x).tolist(), (64 >> x).tolist()] == [
        [12, 10], [3, 2], [64, 32], [1, 2],
    ]  # fmt: skip


def test_bits_of_fractions_are_refused():
    with pytest.raises(tl.DTypeError, match=r"bitwise_and: x is \(1,\) float64, y is 1; ufunc 'bitwise_and' not supp"):
        tl.bitwise_and(np.array([1.0]), 1)
