"""Edges of `ops/bessel.py`: derivatives at 0 and near it, and where the series and the recurrence meet."""

import math

import numpy as np
import pytest
import scipy.special

import tinygrad_lite as tl
from tinygrad_lite import special
from tinygrad_lite.ops.bessel import bessel_i_ratio, bessel_j_ratio


def derivatives(f, x, count):
    found = []
    for _ in range(count):
        f = tl.grad(f)
        found.append(f(x))
    return found


def test_derivatives_at_zero_are_those_of_the_power_series():
    for op, expected in (
        (special.j0, [0, -1 / 2, 0, 3 / 8, 0, -5 / 16]),
        (special.j1, [1 / 2, 0, -3 / 8, 0, 5 / 16, 0]),
        (special.i0, [0, 1 / 2, 0, 3 / 8, 0, 5 / 16]),
        (special.i1, [1 / 2, 0, 3 / 8, 0, 5 / 16, 0]),
    ):
        np.testing.assert_allclose(derivatives(op, 0.0, 6), expected, rtol=1e-15)
    assert derivatives(special.i0e, 0.0, 1) == [0.0] and derivatives(special.i1e, 0.0, 2) == [0.5, 0.0]


@pytest.mark.parametrize("x", [1e-300, 1e-9, 0.02, 3.0, 25.0, -0.3])
def test_derivatives_beside_zero_are_sums_of_other_orders(x):
    # The m-th derivative of J_1 is the sum over k of (-1)**k C(m, k) J_{1 - m + 2 k} / 2**m; that of I_1 has no signs.
    for op, known, sign in ((special.j1, scipy.special.jv, -1), (special.i1, scipy.special.iv, 1)):
        for m, got in enumerate(derivatives(op, x, 5), start=1):
            terms = [sign**k * math.comb(m, k) * known(1 - m + 2 * k, x) for k in range(m + 1)]
            assert got == pytest.approx(sum(terms) / 2**m, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_series_and_recurrence_meet(n):
    for op, edge in ((bessel_j_ratio, 2 * math.sqrt(n + 1)), (bessel_i_ratio, 2 * n + 6)):
        below, above = op(np.array([edge * (1 - 1e-13), edge * (1 + 1e-13)]), n=n)
        assert below == pytest.approx(above, rel=1e-10)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_extremes(dtype):
    x = np.array([-1000.0, 0.0, 1000.0, np.nan], dtype)
    for n in (1, 3):
        at_zero = 1 / (2**n * math.factorial(n))
        for out in (bessel_j_ratio(x, n=n), bessel_i_ratio(x, n=n, scaled=True)):
            assert out.dtype == dtype and out[1] == pytest.approx(at_zero, rel=1e-3) and np.isnan(out[3])
            np.testing.assert_allclose(out[::2], 0.0, atol=1e-4)
    slopes = tl.grad(lambda x: special.i1e(x).sum())(x)
    assert slopes.dtype == dtype and np.isfinite(slopes[:3]).all()
