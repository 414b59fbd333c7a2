"""Several loops for each item: what comes out is what they give one after the other."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.machine.rows import RowKernel
from tinygrad_lite.machine.sequences import LoopSequence
from tinygrad_lite.machine.team import assemble
from tinygrad_lite.machine.ufuncs import available

pytestmark = pytest.mark.skipif(not available(), reason="no machine code on this computer")
RNG = np.random.default_rng(0)


def whole_numbers(dtype, *shape):
    return RNG.integers(-3, 4, shape).astype(dtype)


def shifted(dtype):
    """x, y -> x + y in rows that are all added the same row y"""
    kernel = RowKernel(dtype, "(n),(n)->(n)")
    kernel.over_row({2: kernel.lanes.add(kernel.operand(0), kernel.operand(1))})
    return kernel


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = tl.get_num_threads()
    tl.set_num_threads(request.param)
    assemble()
    yield request.param
    tl.set_num_threads(before)
    assemble()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_and_rows_of_each_item(dtype, threads):
    sequence = LoopSequence(dtype, "(m,k),(k,n),(n),(p,n)->(m,n),(m,p)", 1)
    sequence.product((0, "m", "k"), (1, "k", "n"), 4)
    sequence.rows(shifted(dtype), "m", "n", [4, 2, 4])
    sequence.product((4, "m", "n"), (3, "n", "p"), 5)
    ufunc = sequence.ufunc("sequence")
    for _ in range(60):
        items, m, k, p = RNG.integers(0, 30, 4)
        n = RNG.integers(1, 30)
        x, y = whole_numbers(dtype, items, m, k), whole_numbers(dtype, k, n)
        bias, z = whole_numbers(dtype, items, n), whole_numbers(dtype, items, p, n)
        first, second = ufunc(x, y, bias, z)
        np.testing.assert_array_equal(first, x @ y + bias[:, None])
        np.testing.assert_array_equal(second, (x @ y + bias[:, None]) @ z.mT)


def test_items_lie_anywhere_and_share_operands():
    sequence = LoopSequence("float64", "(m,k),(k,n)->(m,n)", 1)
    sequence.product((0, "m", "k"), (1, "k", "n"), 2)
    ufunc = sequence.ufunc("sequence")
    x, y = whole_numbers("float64", 5, 7, 4, 3).transpose(1, 2, 0, 3), whole_numbers("float64", 4, 3, 6)
    np.testing.assert_array_equal(ufunc(x, y), x @ y)
    into = np.zeros((7, 4, 9, 6))[:, :, :5]
    ufunc(x, y, out=into)
    np.testing.assert_array_equal(into, x @ y)


def test_rows_that_are_added_to_belong_to_an_item():
    kernel = RowKernel("float64", "(n),(n)->(n)")
    x = kernel.operand(0)
    kernel.over_row({1: kernel.lanes.add(kernel.operand(1), x), 2: kernel.lanes.multiply(x, 2.0)})
    sequence = LoopSequence("float64", "(r,n),(n)->(r,n)", 1)
    sequence.rows(kernel, "r", "n", [0, 1, 2])
    ufunc = sequence.ufunc("parts")
    x, sums = whole_numbers("float64", 40, 9, 33), np.zeros((40, 33))
    np.testing.assert_array_equal(ufunc(x, sums), 2 * x)
    np.testing.assert_array_equal(sums, x.sum(axis=1))
