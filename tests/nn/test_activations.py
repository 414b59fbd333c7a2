"""Activations and losses as modules: each has PyTorch's name, arguments, values and gradients."""

import numpy as np
import pytest

from tests.nn.test_torch import compare, drawn

# Not at kinks: there PyTorch has no one convention. Hardsigmoid is left out: its gradient is PyTorch's float32 1 / 6.
X = np.concatenate([drawn((3, 4)) * 2, [[-30.0, -2.9, -0.7, 0.4], [0.6, 3.1, 5.9, 30.0]]])


@pytest.mark.parametrize(
    "layer",
    [
        lambda m: m.ReLU6(),
        lambda m: m.Hardtanh(),
        lambda m: m.Hardtanh(-2.0, 0.5),
        lambda m: m.Hardswish(),
        lambda m: m.Softshrink(),
        lambda m: m.Softshrink(1.0),
        lambda m: m.Hardshrink(),
        lambda m: m.Hardshrink(1.0),
        lambda m: m.Threshold(0.5, -3.0),
        lambda m: m.PReLU(),
        lambda m: m.PReLU(4, init=0.1),
        lambda m: m.CELU(),
        lambda m: m.CELU(2.0),
        lambda m: m.SELU(),
        lambda m: m.Softsign(),
        lambda m: m.Mish(),
        lambda m: m.LogSigmoid(),
        lambda m: m.Tanhshrink(),
        lambda m: m.GLU(),
        lambda m: m.Softmin(-1),
    ],
)
def test_activations(layer):
    compare(layer, X)


def test_prelu_on_images():
    compare(lambda m: m.PReLU(6), drawn((2, 6, 3, 3)))
