"""Ufuncs of values on lanes, for tests."""

import numpy as np
import pytest

from tinygrad_lite.machine.lanes import Lanes
from tinygrad_lite.machine.loops import elementwise
from tinygrad_lite.machine.registers import Placed
from tinygrad_lite.machine.ufuncs import available, machine_ufunc

needs_machine_code = pytest.mark.skipif(not available(), reason="needs a processor and a system for machine code")


RNG = np.random.default_rng(0)


def whole_numbers(*shape, dtype="float32"):
    """Integers, whose products and sums are exact."""
    return RNG.integers(-4, 5, shape).astype(dtype)


def ufunc_of(dtype, compute, count=1, kinds=None, results=None, name="tried"):
    """The ufunc of what `compute` makes of the lanes and their operands: a value or a list of them."""
    lanes = Lanes(dtype)
    kinds = [np.dtype(kind) for kind in kinds or [dtype] * count]
    roots = compute(lanes, *(lanes.load(i, kind) for i, kind in enumerate(kinds)))
    roots = roots if isinstance(roots, list) else [roots]
    results = [np.dtype(kind) for kind in results or [dtype] * len(roots)]
    return machine_ufunc(name, elementwise(lanes, Placed(roots), kinds, results), [*kinds, *results], len(kinds))


def same(got, expected):
    """Equal to the last bit, but that a NaN equals any other."""
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    if got.dtype.kind == "f":
        numbers = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(expected)[numbers])
