"""Every pair of an operation and one of its samples, as parameters of tests."""

import pytest

from tests.samples import samples_of
from tinygrad_lite import OPS

__all__ = ["CASES", "every_case"]

CASES = [
    pytest.param(op, sample, id=name if len(samples_of(name)) == 1 else f"{name}-{number}")
    for name, op in list(OPS.items())
    for number, sample in enumerate(samples_of(name))
]

every_case = pytest.mark.parametrize(("op", "sample"), CASES)
