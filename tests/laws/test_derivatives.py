"""Every operation: its derivatives are those of finite differences, to second order, in reverse and forward mode."""

import pytest

from tests.laws.cases import every_case
from tests.samples import samples_of
from tinygrad_lite import OPS
from tinygrad_lite.testing import laws


@every_case
def test_derivatives_to_second_order(op, sample):
    laws.derivatives(op, sample)


@every_case
def test_gradients_are_the_same_through_the_recorded_graph(op, sample):
    laws.composed(op, sample)


@pytest.mark.parametrize(
    "name", ["exp", "log", "tanh", "sin", "power", "multiply", "divide", "sigmoid", "softplus", "gelu", "silu", "sqrt"]
)
def test_third_derivative(name):
    laws.third_derivative(OPS[name], samples_of(name)[0], examples=4)
