"""Every operation: its values are the reference's, and arrays and Tensors agree."""

from tests.laws.cases import every_case
from tinygrad_lite.testing import laws


@every_case
def test_values_are_the_references(op, sample):
    laws.values(op, sample)


@every_case
def test_arrays_and_tensors_agree(op, sample):
    laws.tensors_agree(op, sample)
