"""Padding layers, and layers that change only shapes."""

import numpy as np
import pytest

from tinygrad_lite import nn
from tinygrad_lite.core.errors import ShapeError

KINDS = {"ZeroPad": "constant", "ReflectionPad": "reflect", "ReplicationPad": "edge", "CircularPad": "wrap"}


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_pads_equal_numpys_with_pairs_from_the_last_axis_on(kind, axes):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6)[: axes + 2])
    numbers = (1, 2, 0, 3, 2, 1)[: 2 * axes]
    pairs = [(0, 0)] * 2 + [numbers[2 * i : 2 * i + 2] for i in reversed(range(axes))]
    layer = getattr(nn, f"{kind}{axes}d")
    np.testing.assert_array_equal(layer(numbers)(x), np.pad(x, pairs, mode=KINDS[kind]))
    np.testing.assert_array_equal(layer(2)(x[0]), np.pad(x, [(0, 0)] * 2 + [(2, 2)] * axes, mode=KINDS[kind])[0])


def test_negative_padding_cuts_off():
    x = np.arange(5.0).reshape(1, 1, 5)
    assert nn.ZeroPad1d((-1, 2))(x).tolist() == [[[1, 2, 3, 4, 0, 0]]]
    assert nn.ZeroPad1d(-1)(x).tolist() == [[[1, 2, 3]]]
    assert nn.ConstantPad1d((1, 0), 7.0)(x).tolist() == [[[7, 0, 1, 2, 3, 4]]]


def test_wrong_padding():
    with pytest.raises(ShapeError, match="ZeroPad2d: padding has 3 numbers; it must be one, or 4: two for each axis"):
        nn.ZeroPad2d((1, 2, 3))
    with pytest.raises(ShapeError, match=r"CircularPad2d: input is \(3,\); it must have 4 axes, .* or 3 without n"):
        nn.CircularPad2d(1)(np.ones(3))


def test_flatten_and_unflatten_are_inverse():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert nn.Unflatten(1, (3, 4))(nn.Flatten()(x)).tolist() == x.tolist()
    assert nn.Unflatten(-1, (2, -1))(x).shape == (2, 3, 2, 2)
    assert nn.Unflatten(0, (1, 2))(x).shape == (1, 2, 3, 4)
    assert repr(nn.Unflatten(1, (3, 4))) == "Unflatten(1, (3, 4))"
    for sizes in ((3, 3), (-1, -1), (5, -1), (), (0, -1)):
        with pytest.raises(ShapeError, match=r"Unflatten: axis 2 of the input \(2, 3, 4\) has 4 elements; unflattened"):
            nn.Unflatten(2, sizes)(x)
    with pytest.raises(ShapeError, match=r"Unflatten: input is \(2, 3, 4\); it must have the axis dim = 3"):
        nn.Unflatten(3, (2, 2))(x)


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_identity_and_softmax2d():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    assert nn.Identity(1, a=2)(x) is x
    np.testing.assert_allclose(nn.Softmax2d()(x).sum(axis=1), 1.0, rtol=1e-12)
    with pytest.raises(ShapeError, match=r"Softmax2d: input is \(2, 3\); it must be \(n, channels, h, w\)"):
        nn.Softmax2d()(np.ones((2, 3)))


def test_fractional_pooling_draws_from_its_generator():
    import tinygrad_lite as tl

    x = np.random.default_rng(0).normal(size=(1, 2, 9, 9))
    results = [nn.FractionalMaxPool2d(2, output_ratio=0.6, rng=tl.Generator(5))(x) for _ in range(2)]
    np.testing.assert_array_equal(*results)
    values, indices = nn.FractionalMaxPool2d(2, 4, return_indices=True)(x)
    found = np.take_along_axis(x.reshape(1, 2, 81), indices.reshape(1, 2, 16), -1)
    np.testing.assert_array_equal(found, values.reshape(1, 2, 16))
