"""Every kernel of the NumPy backend equals its definition, forward and backward, on the samples that it accepts."""

from tests.samples import samples_of
from tinygrad_lite import OPS
from tinygrad_lite.testing import laws


def test_kernels_equal_their_definitions():
    for name, op in OPS.items():
        for sample in samples_of(name) if op.kernels["numpy"] else ():
            laws.kernel_equals_definition(op, sample)
