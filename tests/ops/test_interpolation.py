"""Interpolation: what spreads and what does not, what does not fit, and PyTorch's values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError

X = np.random.default_rng(0).normal(size=(2, 3, 5, 7))


def failing(function, *args, **kwargs):
    with pytest.raises(ShapeError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_the_same_size_is_the_same_array():
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area"):
        assert tl.interpolate(X, size=(5, 7), mode=mode) is X


def test_infinities_and_nan_stay_where_they_are():
    x = np.array([[[1.0, 2.0, np.inf, 3.0, 4.0, np.nan]]])
    assert tl.interpolate(x, size=11, mode="linear", align_corners=True)[0, 0, :3].tolist() == [1.0, 1.5, 2.0]
    assert tl.interpolate(x, size=2, mode="area")[0, 0, 0] == np.inf
    assert tl.interpolate(np.array([[[1.0, 2.0, np.inf]]]), size=2, mode="area").tolist() == [[[1.5, np.inf]]]


def test_what_does_not_fit():
    given = "interpolate: x is (2, 3, 5, 7) and"
    assert failing(tl.interpolate, X) == "interpolate: exactly one of size and scale_factor is required."
    assert "exactly one of size" in failing(tl.interpolate, X, size=3, scale_factor=2)
    assert failing(tl.interpolate, X, size=(3, 3, 3)) == f"{given} size is (3, 3, 3); 2 positive numbers are required."
    assert failing(tl.interpolate, X, scale_factor=-1.0) == (
        f"{given} scale_factor is -1.0; 2 positive numbers are required."
    )
    assert failing(tl.interpolate, X, size=3, mode="linear") == f"{given} mode is 'linear', which needs 3 axes."
    assert "mode is 'cubic'; it must be one of 'nearest', " in failing(tl.interpolate, X, size=3, mode="cubic")
    assert failing(tl.interpolate, X, size=3, align_corners=True) == (
        "interpolate: align_corners has no meaning for mode 'nearest'; leave it out."
    )
    assert "it must be (n, channels, ...) with 1 to 3 spatial axes." in failing(tl.interpolate, X[0, 0], size=3)
    assert "there is nothing to interpolate between." in failing(tl.interpolate, X[:, :, :0], size=3)
    assert "the channels a multiple of upscale_factor², 4." in failing(tl.pixel_shuffle, X, upscale_factor=2)
    assert "h and w multiples of downscale_factor." in failing(tl.pixel_unshuffle, X, downscale_factor=2)


def test_pixel_shuffle_and_back():
    x = np.arange(2 * 8 * 3 * 5.0).reshape(2, 8, 3, 5)
    assert np.array_equal(tl.pixel_unshuffle(tl.pixel_shuffle(x, upscale_factor=2), downscale_factor=2), x)
    assert tl.nn.PixelShuffle(2)(x).shape == (2, 2, 6, 10)
    assert tl.nn.PixelUnshuffle(2)(tl.nn.PixelShuffle(2)(x)).shape == x.shape


def test_upsample():
    assert np.array_equal(tl.nn.Upsample(scale_factor=2)(X), X.repeat(2, axis=2).repeat(2, axis=3))
    layer = tl.nn.Upsample(size=(4, 4), mode="bicubic", align_corners=True)
    assert np.array_equal(layer(X), tl.interpolate(X, size=(4, 4), mode="bicubic", align_corners=True))


@pytest.mark.parametrize("how", [{"size": (8, 3)}, {"size": (1, 14)}, {"scale_factor": (2.0, 0.6)}], ids=str)
@pytest.mark.parametrize(
    ("mode", "align_corners"),
    [
        ("nearest", None),
        ("nearest-exact", None),
        ("bilinear", False),
        ("bilinear", True),
        ("bicubic", False),
        ("bicubic", True),
        ("area", None),
    ],
)
def test_as_pytorch(mode, align_corners, how):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    x, t = tl.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    out = tl.interpolate(x, mode=mode, align_corners=bool(align_corners), **how)
    expected = torch.nn.functional.interpolate(t, mode=mode, align_corners=align_corners, **how)
    np.testing.assert_allclose(out.data, expected.detach().numpy(), rtol=1e-6, atol=1e-6)
    g = np.random.default_rng(1).normal(size=expected.shape)
    out.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(x.grad.data, t.grad.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "how", [{"size": (2, 9)}, {"size": (1, 1)}, {"scale_factor": 0.45}, {"scale_factor": (0.5, 1.7)}], ids=str
)
def test_antialias_as_pytorch(how, mode, align_corners):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    images = np.random.default_rng(0).normal(size=(2, 3, 7, 8))
    x, t = tl.tensor(images, requires_grad=True), torch.tensor(images, requires_grad=True)
    how = {**how, "mode": mode, "align_corners": align_corners, "antialias": True}
    out, expected = tl.interpolate(x, **how), torch.nn.functional.interpolate(t, **how)
    np.testing.assert_allclose(out.data, expected.detach().numpy(), rtol=1e-6, atol=1e-6)
    g = np.random.default_rng(1).normal(size=expected.shape)
    out.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(x.grad.data, t.grad.numpy(), rtol=1e-6, atol=1e-6)


def test_recomputed_scale_as_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    how = {"scale_factor": 1.3, "mode": "bilinear", "recompute_scale_factor": True}
    expected = torch.nn.functional.interpolate(torch.tensor(X), **how)
    np.testing.assert_allclose(tl.interpolate(X, **how), expected, rtol=1e-6, atol=1e-6)


def test_antialias_is_for_two_modes():
    with pytest.raises(ShapeError) as caught:
        tl.interpolate(X, size=2, antialias=True)
    assert (
        str(caught.value) == "interpolate: antialias is for the modes 'bilinear' and 'bicubic', and mode is 'nearest'."
    )


def test_pixel_shuffle_as_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    x = np.random.default_rng(0).normal(size=(2, 8, 4, 6))
    up, down = (getattr(torch.nn.functional, name)(torch.tensor(x), 2) for name in ("pixel_shuffle", "pixel_unshuffle"))
    np.testing.assert_array_equal(tl.pixel_shuffle(x, upscale_factor=2), up)
    np.testing.assert_array_equal(tl.pixel_unshuffle(x, downscale_factor=2), down)


def test_channel_shuffle_message():
    with pytest.raises(ShapeError) as caught:
        tl.channel_shuffle(np.ones((2, 3, 4)), groups=2)
    assert str(caught.value) == (
        "channel_shuffle: x is (2, 3, 4) and groups is 2; x must be (n, channels, ...), the channels a multiple of "
        "groups."
    )
