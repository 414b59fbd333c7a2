"""Every operation: `vmap` of it gives what one call after another gives, values and derivatives."""

from tests.laws.cases import every_case
from tinygrad_lite.testing import laws


@every_case
def test_batches(op, sample):
    laws.batched(op, sample, examples=4)
