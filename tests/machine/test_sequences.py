"""Several loops for each item: what comes out is what they give one after the other."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.machine.making import RNG, whole_numbers
from tinygrad_lite.machine.rows import RowKernel
from tinygrad_lite.machine.sequences import LoopSequence
from tinygrad_lite.machine.team import assemble
from tinygrad_lite.machine.ufuncs import available

pytestmark = pytest.mark.skipif(not available(), reason="no machine code on this computer")


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
        x, y = whole_numbers(items, m, k, dtype=dtype), whole_numbers(k, n, dtype=dtype)
        bias, z = whole_numbers(items, n, dtype=dtype), whole_numbers(items, p, n, dtype=dtype)
        first, second = ufunc(x, y, bias, z)
        np.testing.assert_array_equal(first, x @ y + bias[:, None])
        np.testing.assert_array_equal(second, (x @ y + bias[:, None]) @ z.mT)


def test_items_lie_anywhere_and_share_operands():
    sequence = LoopSequence("float64", "(m,k),(k,n)->(m,n)", 1)
    sequence.product((0, "m", "k"), (1, "k", "n"), 2)
    ufunc = sequence.ufunc("sequence")
    x, y = whole_numbers(5, 7, 4, 3, dtype="float64").transpose(1, 2, 0, 3), whole_numbers(4, 3, 6, dtype="float64")
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
    x, sums = whole_numbers(40, 9, 33, dtype="float64"), np.zeros((40, 33))
    np.testing.assert_array_equal(ufunc(x, sums), 2 * x)
    np.testing.assert_array_equal(sums, x.sum(axis=1))
