"""Layers for sequences, images and volumes: messages, and running statistics of instances."""

# ruff: noqa: E501  # messages stand on one line, as they are read

import numpy as np
import pytest

from tinygrad_lite import nn
from tinygrad_lite.core.errors import ShapeError


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.Conv1d(1, 2, 3), (2, 3, 8), "Conv1d: input is (2, 3, 8); it must be (n, 1, l), with in_channels = 1 on axis 1."),
        (nn.Conv3d(1, 2, 3), (2, 1, 8), "Conv3d: input is (2, 1, 8); it must be (n, 1, d, h, w), with in_channels = 1 on axis 1."),
        (nn.ConvTranspose2d(4, 2, 3), (2, 3, 8, 8), "ConvTranspose2d: input is (2, 3, 8, 8); it must be (n, 4, h, w), with in_channels = 4 on axis 1."),
        (nn.GroupNorm(2, 4), (2, 3, 8), "GroupNorm: input is (2, 3, 8); it must be (n, 4, ...)."),
        (nn.RMSNorm((2, 3)), (5, 3), "RMSNorm: input is (5, 3); the last axes must be normalized_shape = (2, 3)."),
        (nn.BatchNorm3d(4), (2, 4, 3, 3), "BatchNorm3d: input is (2, 4, 3, 3); it must be (n, 4, d, h, w)."),
        (nn.InstanceNorm1d(4), (2, 4), "InstanceNorm1d: input is (2, 4); it must be (n, 4, length)."),
        (nn.InstanceNorm2d(4), (2, 4, 3), "InstanceNorm2d: input is (2, 4, 3); it must be (n, 4, h, w)."),
        (nn.InstanceNorm3d(4), (2, 4, 3), "InstanceNorm3d: input is (2, 4, 3); it must be (n, 4, d, h, w)."),
    ],
)  # fmt: skip
def test_wrong_inputs(layer, shape, message):
    with pytest.raises(ShapeError) as caught:
        layer(np.ones(shape, np.float32))
    assert str(caught.value) == message


def test_wrong_settings():
    with pytest.raises(ShapeError, match="GroupNorm: num_channels is 3 and num_groups is 2; the channels must be"):
        nn.GroupNorm(2, 3)
    with pytest.raises(ShapeError, match="ConvTranspose1d: in_channels is 3, out_channels is 4 and groups is 2; both"):
        nn.ConvTranspose1d(3, 4, 1, groups=2)
    with pytest.raises(ShapeError, match=r"Conv3d: kernel_size is \(2, 2\); it must be an integer from 1 up, or three"):
        nn.Conv3d(1, 1, (2, 2))
    with pytest.raises(
        ShapeError, match="Conv1d: padding_mode is 'edge'; it must be 'zeros', 'reflect', 'replicate' or"
    ):
        nn.Conv1d(1, 1, 2, padding_mode="edge")


def test_running_statistics_of_instances():
    layer = nn.InstanceNorm1d(2, momentum=0.5, track_running_stats=True)
    x = np.random.default_rng(0).normal(3, 2, size=(4, 2, 50)).astype(np.float32)
    layer(x)
    np.testing.assert_allclose(layer.running_mean.data, 0.5 * x.mean(axis=(0, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.data, 0.5 + 0.5 * x.var(axis=2, ddof=1).mean(axis=0), rtol=1e-5)
    layer.eval()
    expected = (x - layer.running_mean.data[:, None]) / np.sqrt(layer.running_var.data[:, None] + 1e-5)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)
