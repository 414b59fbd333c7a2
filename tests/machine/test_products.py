"""Matrix products in machine code: all shapes around those of tiles and strips, with all kinds of strides."""

import functools
import itertools

import numpy as np
import pytest

from tinygrad_lite.machine import packing, ufuncs
from tinygrad_lite.machine.products import product_ufunc
from tinygrad_lite.machine.team import assemble
from tinygrad_lite.machine.ufuncs import available

pytestmark = pytest.mark.skipif(not available(), reason="there is no machine code for this computer")

DTYPES = ["float32", "float64"]


@functools.cache
def matrix_product(dtype):
    """The product, which threads share from a few multiplications on."""
    return product_ufunc(dtype, 1000)


@pytest.fixture(autouse=True)
def threads():
    assemble()


def placed(numbers, how):
    """The same matrix, with other strides."""
    *outer, rows, columns = numbers.shape
    if how == "by columns":
        held = np.empty((*outer, columns, rows), numbers.dtype).swapaxes(-1, -2)
    elif how == "part":
        held = np.empty((*outer, rows + 3, columns + 5), numbers.dtype)[..., 2 : rows + 2, 3 : columns + 3]
    elif how == "part by columns":
        held = placed(numbers.swapaxes(-1, -2), "part").swapaxes(-1, -2)
    elif how == "backwards":
        held = np.empty((*outer, rows, columns), numbers.dtype)[..., ::-1, ::-1]
    elif how == "rows backwards":
        held = np.empty((*outer, rows, columns), numbers.dtype)[..., ::-1, :]
    elif how == "steps":
        held = np.empty((*outer, 2 * rows, 3 * columns), numbers.dtype)[..., ::2, ::3]
    else:
        held = np.empty((*outer, rows, columns), numbers.dtype)
    held[...] = numbers
    return held


STRIDES = ["plain", "by columns", "part", "part by columns", "backwards", "rows backwards", "steps"]
RESULTS = ["plain", "part", "rows backwards"]
"""Those of results, whose rows are contiguous."""


def whole(draw, *shape, dtype, largest=8):
    """Integers, whose products and sums are exact."""
    return draw.integers(-largest, largest + 1, shape).astype(dtype)


def shapes(draw, count):
    """Some that are special, and some that are drawn: (m, k, n)."""
    for k in 0, 1, 3, 4, 5, 17:
        yield from ((m, k, n) for m, n in ((1, 1), (6, 16), (7, 9), (13, 23), (12, 24), (5, 17), (37, 8), (8, 3)))
        yield from ((m, k, packing.PACKED + 1) for m in (5, 6, 13))
    for _ in range(count):
        yield tuple(draw.integers(0, 70, 3))


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_integers_are_exact(dtype):
    product, draw = matrix_product(dtype), np.random.default_rng(0)
    kinds = itertools.cycle(itertools.product(STRIDES, STRIDES, RESULTS))
    for m, k, n in shapes(draw, 400):
        a, b, c = whole(draw, m, k, dtype=dtype), whole(draw, k, n, dtype=dtype), np.full((m, n), 99, dtype)
        for _ in range(3):
            ways = next(kinds)
            expected = a.astype(int) @ b.astype(int)
            out = placed(c, ways[2])
            assert product(placed(a, ways[0]), placed(b, ways[1]), out=out) is out
            np.testing.assert_array_equal(out, expected, err_msg=f"{m, k, n} {ways}")


@pytest.mark.parametrize("how", STRIDES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_of_rows_and_of_steps(dtype, how):
    product, draw = matrix_product(dtype), np.random.default_rng(1)
    heights = packing.MC - 1, packing.MC + 1, 2 * packing.MC + 20
    lengths = packing.LONGEST, packing.LONGEST + 1, packing.KC + packing.LONGEST + 1, 1000
    for m, k, n in [
        *((m, 30, 27) for m in heights),
        (*heights[1:], packing.PACKED + 6),
        *((7, k, 43) for k in lengths),
        (200, 330, 19),
        (50, 700, 3),
    ]:
        a, b = whole(draw, m, k, dtype=dtype), whole(draw, k, n, dtype=dtype)
        out = placed(np.zeros((m, n), dtype), how if how in RESULTS else "part")
        product(placed(a, how), placed(b, how), out=out)
        np.testing.assert_array_equal(out, a.astype(int) @ b.astype(int), err_msg=f"{m, k, n}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_beside_the_result_is_written(dtype):
    product, draw = matrix_product(dtype), np.random.default_rng(2)
    for m, k, n in itertools.product((1, 5, 6, 8), (0, 3, 321), (1, 4, 5, 7, 8, 11, 16, 17, 25)):
        a, b = whole(draw, m, k, dtype=dtype), whole(draw, k, n, dtype=dtype)
        held = np.full((m + 9, n + 40), 99, dtype)
        out = held[4 : m + 4, 20 : n + 20]
        product(a, b, out=out)
        np.testing.assert_array_equal(out, a.astype(int) @ b.astype(int))
        out[...] = 99
        assert (held == 99).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_strides_of_0_and_unaligned_addresses(dtype):
    product, draw = matrix_product(dtype), np.random.default_rng(3)
    for m, k, n in (1, 1, 1), (7, 9, 11), (40, 20, 30):
        a, b = whole(draw, m, k, dtype=dtype), whole(draw, k, n, dtype=dtype)
        expected = a.astype(int) @ b.astype(int)
        for axis in 0, 1:
            left = np.broadcast_to(np.take(a, [0], axis), a.shape)
            right = np.broadcast_to(np.take(b, [0], axis), b.shape)
            np.testing.assert_array_equal(product(left, b), left.astype(int) @ b.astype(int))
            np.testing.assert_array_equal(product(a, right), a.astype(int) @ right.astype(int))

        def shifted(x):
            held = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
            held[...] = x
            assert not held.flags.aligned
            return held

        out = shifted(np.zeros((m, n), dtype))
        product(shifted(a), shifted(b), out=out)
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_batches(dtype):
    product, draw = matrix_product(dtype), np.random.default_rng(4)
    for m, k, n in (1, 1, 1), (8, 0, 5), (9, 8, 17), (64, 32, 20), (3, 330, 10):
        a, b = whole(draw, 4, 3, m, k, dtype=dtype), whole(draw, 3, k, n, dtype=dtype)
        for left, right in ((a, b), (a, b[0]), (a[0, 0], b), (a[:, :1], b), (a[::-1, ::2], b[::2]), (a[:0], b)):
            np.testing.assert_array_equal(product(left, right), left.astype(int) @ right.astype(int))
        for how in STRIDES:
            out = placed(np.zeros((4, 3, m, n), dtype), how if how in RESULTS else "plain")
            product(placed(a, how), placed(b, how), out=out)
            np.testing.assert_array_equal(out, a.astype(int) @ b.astype(int))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_read_may_be_written_over(dtype):
    product, draw = matrix_product(dtype), np.random.default_rng(5)
    for n in 5, 16, 40:
        for place in (np.s_[:n, :n], np.s_[3 : n + 3, 1 : n + 1], np.s_[n + 2 : 2 : -1, :n]):
            held = whole(draw, n + 4, n + 4, dtype=dtype)
            a, b = held[:n, :n], held.T[:n, 1 : n + 1]
            expected = a.astype(int) @ b.astype(int)
            product(a, b, out=held[place])
            np.testing.assert_array_equal(held[place], expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinities_and_nan_reach_their_rows_and_columns_alone(dtype):
    product, draw = matrix_product(dtype), np.random.default_rng(6)
    for m, k, n in itertools.product((1, 6, 8), (1, 5, 300), (1, 3, 5, 8, 11, 16, 19, 25)):
        for how in "plain", "by columns", "steps":
            a, b = draw.uniform(1, 2, (m, k)).astype(dtype), draw.uniform(1, 2, (k, n)).astype(dtype)
            a[m - 1, k - 1], a[0, 0] = np.nan, -np.inf
            b[k - 1, n - 1] = -np.inf
            expected = np.add.reduce(a[:, :, None] * b, 1)
            found = product(placed(a, how), placed(b, how))  # no number is 0: a warning would be an error
            np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
            np.testing.assert_array_equal(np.isposinf(found), np.isposinf(expected))
            np.testing.assert_array_equal(np.isneginf(found), np.isneginf(expected))


@pytest.mark.parametrize("dtype", DTYPES)
def test_warnings_are_those_of_the_numbers_themselves(dtype):
    product, largest = matrix_product(dtype), np.finfo(dtype).max
    for n in 1, 3, 9, 16, 19:
        a, b = np.full((2, n), np.inf, dtype), np.ones((n, n), dtype)
        assert np.isposinf(product(a, b)).all()
        assert (product(b, np.full((n, n), largest / (2 * n), dtype)) > 0).all()
        b[0, 0] = 0
        with pytest.warns(RuntimeWarning, match="invalid value encountered in matmul"):
            product(a, b)
        with pytest.warns(RuntimeWarning, match="overflow encountered in matmul"):
            product(np.full((1, n), largest, dtype), np.full((n, n), 2, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_errors_are_those_of_sums_of_blocks(dtype):
    product, draw = matrix_product(dtype), np.random.default_rng(7)
    k = 10_000
    a, b = (draw.uniform(-1, 1, shape).astype(dtype) for shape in ((9, k), (k, 20)))
    wide = np.longdouble
    exact, size = a.astype(wide) @ b.astype(wide), np.abs(a).astype(wide) @ np.abs(b).astype(wide)
    steps = packing.LONGEST + k / packing.KC
    assert (np.abs(product(a, b) - exact) <= steps * np.finfo(dtype).eps / 2 * size).all()
    assert np.abs(product(a, b) - exact).max() <= 2 * np.abs(a @ b - exact).max()


def test_without_machine_code_there_is_none(monkeypatch):
    monkeypatch.setattr(ufuncs, "available", lambda: False)
    assert product_ufunc("float32", 1) is None
