"""Padding, shape and resampling layers at random settings: PyTorch's outputs and gradients."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: no comparison with its layers")

from tests.nn.test_torch import compare, drawn
from tinygrad_lite import nn

KINDS = ["ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad"]


@pytest.mark.parametrize("seed", range(60))
def test_padding(seed):
    rng = np.random.default_rng(seed)
    kind, axes = KINDS[seed % 5], int(rng.integers(1, 4))
    shape = tuple(rng.integers(4, 7, axes + 2).tolist())[int(rng.integers(0, 2)) :]
    least = -1 if kind in ("ZeroPad", "ConstantPad") or rng.random() < 0.3 else 0
    padding = int(rng.integers(0, 4)) if rng.random() < 0.3 else tuple(rng.integers(least, 4, 2 * axes).tolist())
    value = (float(rng.normal()),) if kind == "ConstantPad" else ()
    compare(lambda m: getattr(m, f"{kind}{axes}d")(padding, *value), drawn(shape, seed))


def test_shapes_and_resampling():
    compare(lambda m: m.Unflatten(1, (2, 3)), drawn((4, 6, 2)))
    compare(lambda m: m.Unflatten(-1, (-1, 2)), drawn((4, 6)))
    compare(lambda m: m.Identity(3, unused=4), drawn((4, 6)))
    compare(lambda m: m.Softmax2d(), drawn((4, 6, 3, 2)))
    compare(lambda m: m.Softmax2d(), drawn((6, 3, 2)))
    compare(lambda m: m.UpsamplingNearest2d(scale_factor=2), drawn((2, 3, 4, 5)))
    compare(lambda m: m.UpsamplingNearest2d((7, 3)), drawn((2, 3, 4, 5)))
    compare(lambda m: m.UpsamplingBilinear2d(scale_factor=3), drawn((2, 3, 4, 5)))
    compare(lambda m: m.UpsamplingBilinear2d((7, 3)), drawn((2, 3, 4, 5)))


@pytest.mark.parametrize("axes", [2, 3])
def test_fractional_pooling(axes):
    import torch

    shape = (2, 3, 9, 8, 7)[: axes + 2]
    samples = np.random.default_rng(0).random((2, 3, axes))

    for options in ({"output_size": 4}, {"output_ratio": 0.5}, {"output_size": 3, "return_indices": True}):
        theirs = getattr(torch.nn, f"FractionalMaxPool{axes}d")(2, _random_samples=torch.tensor(samples), **options)
        ours = getattr(nn, f"FractionalMaxPool{axes}d")(2, _random_samples=samples, **options)
        assert repr(ours).startswith("FractionalMaxPool")
        for mine, other in zip(ours(drawn(shape)), theirs(torch.tensor(drawn(shape))), strict=True):
            np.testing.assert_array_equal(mine, other.numpy())
