"""Kernels over rows: each kind of pass at lengths around those that fill registers, and what must not be touched."""

import numpy as np
import pytest

from tinygrad_lite.machine.rows import RowKernel
from tinygrad_lite.machine.ufuncs import available

pytestmark = pytest.mark.skipif(not available(), reason="there is no machine code for this computer")

LENGTHS = [*range(1, 18), 31, 32, 33, 64, 65, 127]
DTYPES = ["float32", "float64"]


def made(dtype, signature, indices=()):
    kernel = RowKernel(dtype, signature, indices)
    return kernel, kernel.lanes, kernel.operand


def rows(dtype, n, count=5):
    """Numbers with few bits, whose sums are exact."""
    return (np.arange(count * n) * 37 % 101 - 50).astype(dtype).reshape(count, n)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_maxima(dtype):
    kernel, lanes, operand = made(dtype, "(n),(n)->(),(),(),(n)")
    x, y = operand(0), operand(1)
    total, other, largest = kernel.over_row({5: lanes.add(x, y)}, sums=[x, lanes.multiply(x, y)], maxima=[x])
    kernel.once(stores={2: total, 3: other, 4: largest})
    ufunc = kernel.ufunc("reduced")
    for n in LENGTHS:
        x, y = rows(dtype, n), rows(dtype, n)[::-1] + 1
        for left, right in ((x, y), (x[::2], y[:1]), (x[:0], y[:0])):
            found = ufunc(left, right)
            expected = left.sum(axis=1), (left * right).sum(axis=1), left.max(axis=1), left + right
            for mine, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("dtype", DTYPES)
def test_passes_know_what_those_before_them_found(dtype):
    kernel, lanes, operand = made(dtype, "(n),()->(n)")
    (total,) = kernel.over_row({2: lanes.multiply(operand(0), 2.0)}, sums=[operand(0)])
    (least,) = kernel.over_row(maxima=[lanes.negative(operand(2))])
    (added,) = kernel.once(lanes.add(lanes.multiply_add(total, operand(1), least), 1.0))
    kernel.over_row({2: lanes.add(operand(2), added)})
    ufunc = kernel.ufunc("known")
    for n in LENGTHS:
        x, k = rows(dtype, n), np.arange(5).astype(dtype)
        expected = 2 * x + (x.sum(axis=1) * k - (2 * x).min(axis=1) + 1)[:, None]
        np.testing.assert_array_equal(ufunc(x, k), expected)
        np.testing.assert_array_equal(ufunc(x, 1), ufunc(x, np.ones(5, dtype)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_beside_the_rows_is_written(dtype):
    kernel, lanes, operand = made(dtype, "(n)->(n)")
    kernel.over_row({1: lanes.add(operand(0), 1.0)})
    ufunc = kernel.ufunc("next")
    for n in LENGTHS:
        held = np.full((7, n + 9), 7, dtype)
        ufunc(rows(dtype, n), held[1:6, 4 : n + 4])
        np.testing.assert_array_equal(held[1:6, 4 : n + 4], rows(dtype, n) + 1)
        held[1:6, 4 : n + 4] = 7
        assert (held == 7).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_elements_behind_the_last_one_raise_no_flag(dtype):
    kernel, lanes, operand = made(dtype, "(n)->(n),()")
    quotient = lanes.divide(1.0, operand(0))
    (total,) = kernel.over_row({1: quotient}, sums=[quotient])
    kernel.once(stores={2: total})
    ufunc = kernel.ufunc("quotients")
    for n in LENGTHS:
        held = np.zeros((3, n + 8), dtype)
        held[:, :n] = 2.0
        found, totals = ufunc(held[:, :n])  # a warning would be an error
        assert (found == 0.5).all() and (totals == n / 2).all()
    with pytest.warns(RuntimeWarning, match="divide by zero encountered in quotients"):
        ufunc(np.zeros((1, 3), dtype))


def test_maxima_pass_over_nan_and_sums_do_not():
    kernel, _, operand = made("float32", "(n)->(),()")
    total, largest = kernel.over_row(sums=[operand(0)], maxima=[operand(0)])
    kernel.once(stores={1: total, 2: largest})
    ufunc = kernel.ufunc("reduced")
    for place in (0, 7, 8, 30, 42):
        x = rows("float32", 43)
        expected = np.delete(x, place, axis=1).max(axis=1)
        x[:, place] = np.nan
        totals, largest = ufunc(x)
        np.testing.assert_array_equal(largest, expected)
        assert np.isnan(totals).all()
    assert ufunc(np.full((1, 9), -np.inf, "float32"))[1] == -np.inf


@pytest.mark.parametrize("dtype", DTYPES)
def test_single_elements_by_their_numbers(dtype):
    kernel, lanes, operand = made(dtype, "(n),()->(n),()", indices=[1])
    kernel.over_row({2: operand(0)})
    (own,) = kernel.once(operand((0, 1)))
    kernel.once(stores={(2, 1): lanes.subtract(own, 100.0), 3: own})
    ufunc = kernel.ufunc("elements")
    for n in (3, 8, 21):
        x, places = rows(dtype, n), np.arange(5) * 5 % n
        expected = x.copy()
        expected[np.arange(5), places] -= 100
        found, own = ufunc(x, places)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(own, x[np.arange(5), places])


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_for_all_rows_collects_sums_over_them(dtype):
    kernel, lanes, operand = made(dtype, "(n),(n)->()")
    (total,) = kernel.over_row({1: lanes.add(operand(1), operand(0))}, sums=[operand(0)])
    kernel.once(stores={2: total})
    ufunc = kernel.ufunc("collected")
    for n in LENGTHS:
        x, over = rows(dtype, n), np.ones(n, dtype)
        np.testing.assert_array_equal(ufunc(x, over), x.sum(axis=1))
        np.testing.assert_array_equal(over, x.sum(axis=0) + 1)


def test_the_error_of_sums_of_long_rows():
    kernel, _, operand = made("float32", "(n)->()")
    (total,) = kernel.over_row(sums=[operand(0)])
    kernel.once(stores={1: total})
    x = np.random.default_rng(1).random((20, 32_000), "float32")
    error = np.abs(kernel.ufunc("total")(x) / x.astype("float64").sum(axis=1) - 1)
    assert error.max() < 1e-6  # added one after the other it is 1e-5
