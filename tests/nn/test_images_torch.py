"""Layers for sequences, images and volumes: PyTorch's state, outputs and gradients."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: no comparison with its layers")

from tests.nn.test_torch import build, compare, drawn, torch  # it needs torch

SHAPES = {1: (3, 6, 11), 2: (2, 6, 7, 8), 3: (2, 6, 5, 4, 6)}

pytestmark = pytest.mark.parametrize("axes", [1, 2, 3])


def layer(name, axes, *arguments, **options):
    return lambda m: getattr(m, f"{name}{axes}d")(*arguments, **options)


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 3}, {"padding": "same", "bias": False}]
)
def test_convolution(axes, options):
    compare(layer("Conv", axes, 6, 12, 3 if options.get("padding") == "same" else 2, **options), drawn(SHAPES[axes]))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("options", [{"padding": 2, "stride": 2}, {"padding": "same", "dilation": 2}, {"padding": 0}])
def test_padding_modes(axes, mode, options):
    compare(layer("Conv", axes, 6, 4, 3, padding_mode=mode, **options), drawn(SHAPES[axes]))


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": 1, "output_padding": 1}, {"dilation": 2, "groups": 3, "bias": False}]
)
def test_transposed_convolution(axes, options):
    compare(layer("ConvTranspose", axes, 6, 12, 2, **options), drawn(SHAPES[axes]))


def test_pooling(axes):
    x = drawn(SHAPES[axes])
    compare(layer("MaxPool", axes, 2), x)
    compare(layer("MaxPool", axes, 2, 1, 1, 2, ceil_mode=True), x)
    ours, theirs = build(layer("MaxPool", axes, 2, return_indices=True))
    (values, indices), expected = ours(x), theirs(torch.tensor(x))
    np.testing.assert_array_equal(indices, expected[1])
    ours, theirs = build(layer("MaxUnpool", axes, 2))
    np.testing.assert_array_equal(ours(values, indices, x.shape[2:]), theirs(*expected, x.shape[2:]))
    compare(layer("AvgPool", axes, 3, 2, 1, True, False), x)
    compare(layer("LPPool", axes, 2, 2), x)
    compare(layer("AdaptiveAvgPool", axes, 3), x)
    compare(layer("AdaptiveMaxPool", axes, 3), x)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("options", [{}, {"affine": True, "track_running_stats": True, "momentum": 0.3}])
def test_instance_norm(axes, options, train):
    compare(layer("InstanceNorm", axes, 6, **options), drawn(SHAPES[axes]), train=train)


def test_other_layers(axes):
    x = drawn(SHAPES[axes])
    compare(lambda m: m.GroupNorm(3, 6), x)
    compare(lambda m: m.GroupNorm(2, 6, affine=False), x)
    compare(lambda m: m.RMSNorm(x.shape[-1]), x)
    compare(lambda m: m.RMSNorm(x.shape[-2:], eps=0.1, elementwise_affine=False), x)
    compare(lambda m: m.LocalResponseNorm(3, 0.1), x)
    if axes == 2:
        compare(lambda m: m.Unfold(3, 1, 1, 2), x)
        compare(lambda m: m.Fold((7, 8), 2), drawn((2, 8, 42)))
    if axes == 3:
        compare(lambda m: m.BatchNorm3d(6), x)
