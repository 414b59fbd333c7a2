"""Products of NumPy's arrays equal NumPy's, whoever computes them and however they are cut."""

import numpy as np
import pytest

from tests.machine.making import whole_numbers
from tinygrad_lite.backends import products
from tinygrad_lite.backends.products import Products, matmul
from tinygrad_lite.machine.ufuncs import available


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_matrices_cut_into_items(dtype, monkeypatch):
    monkeypatch.setattr(Products, "shared", 1)
    monkeypatch.setattr(Products, "rows", 12)
    monkeypatch.setattr(Products, "columns", 16)
    for m, k, n in [(24, 30, 40), (37, 20, 19), (4, 300, 129), (7, 64, 500), (96, 10, 7), (250, 9, 250), (13, 700, 13)]:
        x, y = whole_numbers(m, k, dtype=dtype), whole_numbers(k, n, dtype=dtype)
        for a in x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]:
            for b in y, np.asfortranarray(y), y[::-1][::-1]:
                np.testing.assert_array_equal(matmul(a, b), x @ y)
                out = np.zeros((m, n + 5), dtype)[:, :n]
                assert matmul(a, b, out=out) is out
                np.testing.assert_array_equal(out, x @ y)


@pytest.mark.skipif(not available(), reason="no machine code on this computer")
def test_who_computes(monkeypatch):
    calls = []
    monkeypatch.setattr(
        products, "_code", lambda dtype, shifted: lambda *given, out=None: calls.append(dtype) or np.matmul(*given)
    )
    monkeypatch.setattr(products.MachineCode, "wanted", True)
    x, y = whole_numbers(32, 32), whole_numbers(32, 32)
    for a, b, own in (
        (x, y, True), (x[None], y, True), (x, y[:, :3], False), (x[:2], y, False), (x[0], y, False),
        (x, y[:, 0], False), (x, y.astype("float64"), False), (x.astype(int), y.astype(int), False),
        (x.astype(">f4"), y, False), (x.astype("float16"), y.astype("float16"), False), (x[:8, :8], y[:8, :8], False),
    ):  # fmt: skip
        calls.clear()
        np.testing.assert_array_equal(matmul(a, b), np.matmul(a, b))
        assert bool(calls) == own
    monkeypatch.setattr(Products, "most", 1000)
    calls.clear()
    matmul(x, y)
    assert not calls


def test_what_does_not_fit_is_refused_as_by_numpy():
    with pytest.raises(ValueError, match="matmul: Input operand 1 has a mismatch"):
        matmul(whole_numbers(32, 32), whole_numbers(31, 32))
    with pytest.raises(ValueError, match="could not be broadcast"):
        matmul(whole_numbers(2, 32, 32), whole_numbers(3, 32, 32))
    assert matmul(whole_numbers(0, 32), whole_numbers(32, 5)).shape == (0, 5)
    assert matmul(whole_numbers(0, 32, 32), whole_numbers(32, 32)).shape == (0, 32, 32)
