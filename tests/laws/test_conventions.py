"""At kinks and ties the derivative is the written convention's: the element of least norm (see `core/domain.py`)."""

import pytest

from tests.samples import automatic
from tinygrad_lite import OPS
from tinygrad_lite.testing import laws

ELEMENTWISE = [
    name
    for name, op in OPS.items()
    if op.shapes == "elementwise" and ((op.kinks and len(op.arrays) == 1) or len(op.rules) == len(op.arrays) == 2)
]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_gradient_at_a_kink_or_tie_has_least_norm(name):
    laws.least_norm(OPS[name], automatic(OPS[name]))
