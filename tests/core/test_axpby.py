"""a x + b y in one pass: NumPy's results to the last bit, whatever the numbers and the arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.core import axpby as module
from tinygrad_lite.core.axpby import axpby

FLOATS = [np.dtype("float32"), np.dtype("float64")]
NUMBERS = [0.0, -0.0, 1.0, -1.0, 1, 2, True, 0.9, -1e-3, 1e-40, 1e-300, float("inf"), float("nan")]

needs_kernel = pytest.mark.skipif(axpby(FLOATS[0]) is None, reason="NumPy's library has no axpby that rounds as NumPy")


@needs_kernel
@given(
    st.sampled_from(FLOATS),
    st.sampled_from(NUMBERS),
    st.sampled_from(NUMBERS),
    st.integers(0, 200),
    st.integers(0, 20),
    st.booleans(),
)
def test_results_are_those_of_numpy(dtype, a, b, size, start, writeable):
    rng = np.random.default_rng(size)
    x, y = rng.normal(size=(2, start + size)).astype(dtype)[:, start:]
    x[::7], y[::11], x[3::13] = np.nan, np.inf, -np.inf
    x, y = x.copy(), y.copy()
    with np.errstate(all="ignore"):
        expected = x * a + y * b
        x.flags.writeable = writeable
        axpby(dtype)(a, x, b, y)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, expected)
    finite = ~np.isnan(y)
    np.testing.assert_array_equal(np.signbit(y[finite]), np.signbit(expected[finite]))


def test_other_dtypes_have_none():
    assert [axpby(np.dtype(name)) for name in ("float16", "complex64", "int64", "bool")] == [None] * 4


def test_a_kernel_that_rounds_otherwise_is_not_used(monkeypatch):
    def rounded_once(a, x, b, y):
        y[...] = a * x.astype("float64") + b * y.astype("float64")

    monkeypatch.setattr(module, "_found", {})
    monkeypatch.setattr(module, "_kernel", lambda letter, number: rounded_once)
    assert axpby(FLOATS[0]) is None
