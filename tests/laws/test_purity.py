"""Every operation: inputs are not written to, and how they lie in memory makes no difference."""

from tests.laws.cases import every_case
from tinygrad_lite.testing import laws


@every_case
def test_inputs_are_unchanged(op, sample):
    laws.inputs_unchanged(op, sample)


@every_case
def test_layouts_agree(op, sample):
    laws.layouts_agree(op, sample)
