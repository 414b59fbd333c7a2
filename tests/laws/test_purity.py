"""Every operation: inputs are not written to, and how they lie in memory makes no difference."""

from tests.laws import laws
from tests.laws.cases import every_case


@every_case
def test_inputs_are_unchanged(op, sample):
    laws.inputs_unchanged(op, sample)


@every_case
def test_layouts_agree(op, sample):
    laws.layouts_agree(op, sample)
