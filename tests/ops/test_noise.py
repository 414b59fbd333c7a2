"""Random slopes and the variants of dropout."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError, nn

RNG = np.random.default_rng(0)


def message(function, *arguments, **options):
    with pytest.raises(ShapeError) as caught:
        function(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_whole_channels_are_dropped(axes):
    x = np.ones((40, 50, *(2,) * axes), "float32")
    out = getattr(tl, f"dropout{axes}d")(x, p=0.25, rng=tl.Generator(1))
    assert out.dtype == np.float32
    channels = out.reshape(40, 50, -1)
    np.testing.assert_array_equal(channels, channels[..., :1] + 0 * channels)
    assert set(np.unique(out)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(out.mean() - 1) < 0.05
    layer = getattr(nn, f"Dropout{axes}d")(0.25, rng=tl.Generator(1))
    np.testing.assert_array_equal(layer(x), out)
    assert layer.eval()(x) is x


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(p):
    x = RNG.standard_normal((1000, 300)).astype("float32")
    for dropped in (tl.alpha_dropout, tl.feature_alpha_dropout):
        out = dropped(x, p=p, rng=tl.Generator(2))
        assert out.dtype == np.float32
        assert abs(out.mean()) < 0.01 and abs(out.std() - 1) < 0.01
    images = np.ones((20, 30, 2, 2))
    out = tl.feature_alpha_dropout(images, p=p, rng=tl.Generator(2)).reshape(20, 30, 4)
    np.testing.assert_array_equal(out, out[..., :1] + 0 * out)
    assert len(np.unique(out)) == 2
    np.testing.assert_array_equal(
        nn.AlphaDropout(p, rng=tl.Generator(2))(x), tl.alpha_dropout(x, p=p, rng=tl.Generator(2))
    )
    layer = nn.FeatureAlphaDropout(p, rng=tl.Generator(2))
    np.testing.assert_array_equal(layer(images).reshape(20, 30, 4), out)


def test_alpha_dropout_is_torchs_map():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    x = np.ones(2000)
    mine = np.unique(tl.alpha_dropout(x, p=0.3))
    other = np.unique(torch.nn.functional.alpha_dropout(torch.tensor(x), 0.3, training=True).numpy())
    np.testing.assert_allclose(mine, other, rtol=1e-6)


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_limits():
    x = np.ones((2, 3))
    for dropped in (tl.alpha_dropout, tl.feature_alpha_dropout):
        assert dropped(x, p=0.0) is x and dropped(x, training=False) is x
        np.testing.assert_array_equal(dropped(x, p=1.0), np.zeros((2, 3)))


def test_random_slopes():
    x = np.array([-2.0, 3.0] * 500, "float32")
    out = tl.rrelu(x, lower=0.2, upper=0.4, training=True, rng=tl.Generator(0))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out[1::2], 3.0)
    slopes = out[::2] / -2
    assert slopes.min() >= 0.2 and slopes.max() <= 0.4 and abs(slopes.mean() - 0.3) < 0.01
    t = tl.tensor(x, requires_grad=True)
    tl.rrelu(t, lower=0.2, upper=0.4, training=True, rng=tl.Generator(0)).sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), out / x, rtol=1e-6)
    layer = nn.RReLU(0.2, 0.4, rng=tl.Generator(0))
    np.testing.assert_array_equal(layer(x), out)
    np.testing.assert_allclose(layer.eval()(x), np.where(x > 0, x, 0.3 * x))


def test_messages():
    assert message(tl.dropout2d, np.ones((2, 3))) == "dropout2d: x is (2, 3); it must be (n, c, h, w)."
    assert message(tl.dropout1d, np.ones((2, 3, 4)), p=2) == "dropout1d: p is 2; it must be a probability, from 0 to 1."
    assert (
        message(tl.alpha_dropout, np.ones(2), p=-1) == "alpha_dropout: p is -1; it must be a probability, from 0 to 1."
    )
    assert message(tl.feature_alpha_dropout, np.ones(2)) == "feature_alpha_dropout: x is (2,); it must be (n, c, ...)."
    assert message(tl.rrelu, np.ones(2), lower=1.0) == (
        "rrelu: lower is 1.0 and upper is 0.3333333333333333; lower must not be greater."
    )
    assert message(nn.AlphaDropout, 1.5) == "AlphaDropout: p is 1.5; it must be a probability, from 0 to 1."
