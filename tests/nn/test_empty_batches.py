"""Layers given no examples at all: results and gradients of the right shapes, and nothing for the parameters."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn

IMAGE, WORDS = (0, 4, 6, 6), (5, 0, 4)
LAYERS = {
    "Linear": (nn.Linear(4, 3), (0, 4), (0, 3)),
    "LayerNorm": (nn.LayerNorm(4), (0, 4), (0, 4)),
    "GroupNorm": (nn.GroupNorm(2, 4), IMAGE, IMAGE),
    "InstanceNorm2d": (nn.InstanceNorm2d(4, affine=True), IMAGE, IMAGE),
    "BatchNorm2d, evaluated": (nn.BatchNorm2d(4).eval(), IMAGE, IMAGE),
    "Conv2d": (nn.Conv2d(4, 3, 3), IMAGE, (0, 3, 4, 4)),
    "ConvTranspose2d": (nn.ConvTranspose2d(4, 3, 3), IMAGE, (0, 3, 8, 8)),
    "MaxPool2d": (nn.MaxPool2d(2), IMAGE, (0, 4, 3, 3)),
    "AdaptiveAvgPool2d": (nn.AdaptiveAvgPool2d(2), IMAGE, (0, 4, 2, 2)),
    "ReflectionPad2d": (nn.ReflectionPad2d(1), IMAGE, (0, 4, 8, 8)),
    "ReplicationPad2d": (nn.ReplicationPad2d(1), IMAGE, (0, 4, 8, 8)),
    "CircularPad2d": (nn.CircularPad2d(1), IMAGE, (0, 4, 8, 8)),
    "RNN": (nn.RNN(4, 3), WORDS, (5, 0, 3)),
    "GRU, both ways": (nn.GRU(4, 3, 2, bidirectional=True), WORDS, (5, 0, 6)),
    "LSTM": (nn.LSTM(4, 3), WORDS, (5, 0, 3)),
    "LSTM, projected": (nn.LSTM(4, 3, proj_size=2), WORDS, (5, 0, 2)),
    "LSTM, batch first": (nn.LSTM(4, 3, batch_first=True), (0, 5, 4), (0, 5, 3)),
    "GRUCell": (nn.GRUCell(4, 3), (0, 4), (0, 3)),
    "LSTMCell": (nn.LSTMCell(4, 3), (0, 4), (0, 3)),
    "TransformerEncoderLayer": (nn.TransformerEncoderLayer(4, 2, 8), (0, 5, 4), (0, 5, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_take_no_examples(name):
    layer, given, expected = LAYERS[name]
    x = tl.tensor(np.zeros(given, np.float32), requires_grad=True)
    out = layer(x)
    out = out[0] if isinstance(out, tuple) else out
    assert out.shape == expected and out.dtype == np.float32
    out.sum().backward()
    assert x.grad.shape == given
    for path, parameter in layer.named_parameters():
        gradient = parameter.grad.numpy()
        assert gradient.shape == parameter.shape and not gradient.any(), path


def test_attention_and_losses_take_no_examples():
    x = np.zeros((0, 5, 4), np.float32)
    out, weights = nn.MultiheadAttention(4, 2, batch_first=True)(x, x, x)
    assert out.shape == (0, 5, 4) and weights.shape == (0, 5, 5)
    assert tl.cross_entropy(np.zeros((0, 3)), np.zeros(0, int), reduction="sum").item() == 0.0
    assert tl.mse(np.zeros((0, 3)), np.zeros((0, 3)), reduction="none").shape == (0, 3)


def test_a_padded_axis_needs_an_element():
    with pytest.raises(tl.ShapeError, match=r"pad: x is \(2, 0\) and mode is 'reflect'; there is no element to add"):
        tl.pad(np.zeros((2, 0)), 1, mode="reflect")
