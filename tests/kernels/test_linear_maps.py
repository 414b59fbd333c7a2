"""Linear maps whose bias is added part by part."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.machine.making import whole_numbers
from tinygrad_lite import OPS
from tinygrad_lite.backends.products import Products
from tinygrad_lite.machine import MachineCode
from tinygrad_lite.machine.ufuncs import available


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_bias_is_added_to_every_part(dtype, monkeypatch):
    monkeypatch.setattr(Products, "shared", 5000)
    (kernel,) = OPS["linear"].kernels["numpy"]
    for front, n, outputs in [((50,), 31, 17), ((3, 25), 20, 40), ((7,), 40, 300), ((400,), 9, 13), ((2, 3, 9), 64, 5)]:
        x, w, b = (whole_numbers(*shape, dtype=dtype) for shape in ((*front, n), (outputs, n), (outputs,)))
        expected = np.matmul(x, w.T) + b
        for given, weight in ((x, w), (np.asfortranarray(x), np.asfortranarray(w)), (x, w[::-1][::-1])):
            assert kernel.when(given, weight, b) == (MachineCode.wanted and available())
            out = tl.linear(given, weight, b)
            assert out.dtype == dtype
            np.testing.assert_array_equal(out, expected)


@pytest.mark.skipif(not available(), reason="no machine code on this computer")
def test_what_the_kernel_leaves_to_the_definition(monkeypatch):
    monkeypatch.setattr(MachineCode, "wanted", True)
    (kernel,) = OPS["linear"].kernels["numpy"]
    x, w, b = whole_numbers(64, 128), whole_numbers(64, 128), whole_numbers(64)
    assert kernel.when(x, w, b)
    for given in (
        (x, w, None), (x, w), (x[:1, :], w, b), (x[0], w, b), (x, w[0], b[0]), (x, w, b[:1]), (x, w, b.astype(int)),
        (x, w.astype("float64"), b), (x, w[:, :-1], b), (x, w, np.repeat(b, 2)[::2]),
    ):  # fmt: skip
        assert not kernel.when(*given)
    assert kernel.attempt((x.astype(int), w.astype(int), b.astype(int)), {}, (True,) * 3) is NotImplemented
    monkeypatch.setattr(Products, "most", 1 << 18)
    assert not kernel.when(x, w, b)
    np.testing.assert_array_equal(tl.linear(x, w, b), x @ w.T + b)
    monkeypatch.undo()
    monkeypatch.setattr(MachineCode, "wanted", False)
    assert not kernel.when(x, w, b)
    np.testing.assert_array_equal(tl.linear(x, w, b), x @ w.T + b)
