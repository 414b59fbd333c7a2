"""Every operation: float32 stays float32, forward and backward, and a gradient fits its input."""

import pytest

from tests.laws.cases import CASES, every_case
from tinygrad_lite.testing import laws


@every_case
def test_float32_stays_float32(op, sample):
    laws.float32_kept(op, sample)


@every_case
def test_rules_compute_in_float32(op, sample):
    laws.rules_keep_dtype(op, sample)


@every_case
def test_gradients_have_their_inputs_shape_and_dtype(op, sample):
    laws.gradients_fit(op, sample)


@every_case
def test_other_dtypes_are_right_or_refused(op, sample):
    laws.dtypes_right_or_refused(op, sample, examples=3)


@every_case
def test_complex64_stays_complex64(op, sample):
    laws.complex64_kept(op, sample, examples=2)


# There are no complex numbers of half precision, so Fourier transforms compute in a higher one, as NumPy's do.
@pytest.mark.parametrize(("op", "sample"), [case for case in CASES if "fourier" not in case.values[0].body.__module__])
def test_float16_stays_float16(op, sample):
    laws.float16_kept(op, sample, examples=2)


@every_case
def test_derivatives_of_complex_numbers(op, sample):
    laws.complex_derivatives(op, sample, examples=3)
