"""NumPy's functions on Tensors: values against NumPy, derivatives against differences of NumPy's values."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.interop.cases import CASES, CONSTANT, DIFFERENTIABLE
from tinygrad_lite.interop.dispatch import TABLE
from tinygrad_lite.testing import check_gradients


def identify(case):
    return case.name


def assert_like(got, expected):
    if isinstance(expected, (tuple, list)):
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            assert_like(a, b)
    elif isinstance(expected, (np.ndarray, np.generic)) and not isinstance(expected, np.bool_):
        assert isinstance(got, tl.Tensor), f"NumPy returned {type(got)}"
        assert got.shape == np.shape(expected)
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got.detach().numpy(), expected, rtol=1e-11, atol=1e-13)
    else:
        assert np.asarray(got.detach() if isinstance(got, tl.Tensor) else got) == expected


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_values(case):
    tensors = [tl.tensor(x, requires_grad=True) for x in case.arrays]
    assert_like(case.call(*tensors), case.call(*case.arrays))


def real_parts(out):
    """The result, with the real and imaginary part of complex numbers side by side."""
    if isinstance(out, (tuple, list)):
        return [real_parts(value) for value in out]
    return np.stack([np.real(out), np.imag(out)]) if np.iscomplexobj(out) else out


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=identify)
def test_derivatives(case):
    check_gradients(lambda *xs: real_parts(case.call(*xs)), *case.arrays, order=1, modes=("reverse",), allow_kinks=True)


IN_PLACE = ("copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask")
"""They refuse to write Tensors into arrays."""


@pytest.mark.parametrize(
    "case", [c for c in DIFFERENTIABLE if len(c.arrays) > 1 and c.name not in IN_PLACE], ids=identify
)
def test_tensors_and_arrays_mixed(case):
    for i, x in enumerate(case.arrays):
        x = tl.tensor(x, requires_grad=True)
        mixed = [x if i == j else y for j, y in enumerate(case.arrays)]
        assert_like(case.call(*mixed), case.call(*case.arrays))


def test_every_entry_of_the_table_has_a_case():
    outside = {"array_repr", "array_str", "save", "savetxt", "savez", "savez_compressed"}
    assert set(TABLE) - {case.name for case in CASES} == outside


def test_constants_require_no_gradient():
    for case in CONSTANT:
        out = case.call(*(tl.tensor(x, requires_grad=True) for x in case.arrays))
        if case.name not in ("round", "around", "ceil", "fix", "floor", "floor_divide", "rint", "trunc"):
            assert not getattr(out, "requires_grad", False), case.name
