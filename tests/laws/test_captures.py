"""Every operation: what `jit` captured of it gives the same when it is replayed, values and derivatives."""

from tests.laws.cases import every_case
from tinygrad_lite.testing import laws


@every_case
def test_captures(op, sample):
    laws.captured(op, sample, examples=2)
