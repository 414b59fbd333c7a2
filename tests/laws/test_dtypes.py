"""Every operation: float32 stays float32, forward and backward, and a gradient fits its input."""

import pytest

from tests.laws.cases import CASES, every_case
from tinygrad_lite import OPS
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


WIDER = {"irfftn": "between its transforms of single axes are complex numbers, of which there are none of 16 bits"}
"""Operations that give float32 for arrays of 16 bits, and why."""

HALVES = [case for case in CASES if case.values[0].name not in WIDER]


@pytest.mark.parametrize(("op", "sample"), HALVES)
def test_float16_stays_float16(op, sample):
    laws.float16_kept(op, sample, examples=2)


@pytest.mark.parametrize(("op", "sample"), HALVES)
def test_bfloat16_stays_bfloat16(op, sample):
    pytest.importorskip("ml_dtypes")
    laws.bfloat16_kept(op, sample, examples=2)


def test_operations_that_widen_exist():
    assert set(WIDER) <= set(OPS)


@every_case
def test_derivatives_of_complex_numbers(op, sample):
    laws.complex_derivatives(op, sample, examples=3)
