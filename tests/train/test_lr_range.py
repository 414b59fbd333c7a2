"""The range test of the learning rate: what it finds, when it stops, and that it leaves no trace."""

import math

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import data, nn, optim
from tinygrad_lite.core.errors import ShapeError
from tinygrad_lite.train import RangeTest, lr_range_test


def setup(optimizer=optim.Adam, lr=0.01):
    model = nn.Sequential(nn.Linear(4, 8, rng=tl.Generator(0)), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2))
    model.eval()
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 128)
    x = (rng.normal(size=(128, 4)) + 2 * y[:, None]).astype("float32")
    return model, (x, y), optimizer(model, lr=lr)


def states(*owners):
    flat = {}
    for i, owner in enumerate(owners):
        for path, value in owner.state_dict().items():
            flat[i, path] = value.tobytes() if hasattr(value, "tobytes") else repr(value)
    return flat


def test_everything_is_as_it_was():
    model, (x, y), optimizer = setup()
    loader = data.DataLoader((x, y), 32, rng=3)
    model.train()
    tl.cross_entropy(model(x), y).backward()
    optimizer.step()
    model.eval()
    generator = tl.Generator(5)
    before = states(model, optimizer, loader, generator)
    found = lr_range_test(model, loader, optimizer=optimizer, steps=20)
    assert states(model, optimizer, loader, generator) == before
    assert not model.training and optimizer.lr == 0.01 and model[0].weight.grad is None
    again = lr_range_test(model, loader, optimizer=optimizer, steps=20)
    np.testing.assert_array_equal(again.raw, found.raw)
    lr_range_test(model, (x, y), optimizer=optimizer, steps=5, rng=generator)
    assert states(model, optimizer, loader, generator) == before


def test_also_after_an_exception():
    model, xy, optimizer = setup()
    before = states(model, optimizer)
    calls = []

    def loss(outputs, targets):
        calls.append(optimizer.lr)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return tl.cross_entropy(outputs, targets)

    with pytest.raises(KeyboardInterrupt):
        lr_range_test(model, xy, optimizer=optimizer, loss=loss, min_lr=1e-3, max_lr=1e1, steps=9)
    assert states(model, optimizer) == before
    np.testing.assert_allclose(calls, 1e-3 * 10 ** (0.5 * np.arange(5)))


def parabola(steps=60, **settings):
    """Gradient descent on w^2 / 2, which diverges from a rate of 2 on; one batch, so without noise."""
    w = nn.Sequential(nn.Linear(1, 1, bias=False))
    w[0].weight.data[...] = 1.0
    x = np.ones((1, 1), "float32")
    return lr_range_test(
        w, [(x, x)], optimizer=optim.SGD(w, lr=0.1), loss=lambda out, _: 0.5 * (out * out).sum(), min_lr=1e-3,
        max_lr=1e3, steps=steps, **settings,
    )  # fmt: skip


def test_the_suggestion_lies_where_the_loss_falls_and_below_where_it_diverges():
    found = parabola()
    assert 0.05 < found.suggestion < 2.0
    assert len(found.rates) < 60 and 2.0 < found.rates[-1] < 100
    np.testing.assert_allclose(np.diff(np.log(found.rates)), math.log(1e6) / 59, rtol=1e-9)


def test_the_loss_is_smoothed():
    found = parabola(steps=10, smoothing=0.5)
    mean = 0.0
    for i, raw in enumerate(found.raw):
        mean = 0.5 * mean + 0.5 * raw
        assert found.losses[i] == pytest.approx(mean / (1 - 0.5 ** (i + 1)), rel=1e-12)


def test_it_stops_at_a_loss_that_is_no_number():
    model, xy, optimizer = setup(optim.SGD)
    count = iter(range(100))
    found = lr_range_test(
        model,
        xy,
        optimizer=optimizer,
        loss=lambda out, t: tl.cross_entropy(out, t) * (math.nan if next(count) == 4 else 1),
    )
    assert len(found.rates) == 5 and math.isnan(found.raw[-1])
    assert found.suggestion is None or found.suggestion in found.rates[:4]


def test_no_suggestion():
    rates = np.array([0.1, 0.2, 0.4])
    assert RangeTest(rates, np.array([1.0, 2.0, 3.0]), rates).suggestion is None
    assert RangeTest(rates[:2], np.array([1.0, 0.5]), rates).suggestion is None
    assert repr(RangeTest(rates, np.array([3.0, 2.0, 0.5]), rates)) == (
        "RangeTest(3 steps, rates 0.1 to 0.4, suggested=0.2)"
    )


def test_all_groups_get_the_rate():
    layer = nn.Linear(2, 1)
    optimizer = optim.SGD([{"params": [layer.weight], "lr": 0.5}, {"params": [layer.bias]}], lr=0.25)
    x = np.ones((4, 2), "float32")
    lr_range_test(layer, (x, x[:, :1]), optimizer=optimizer, loss=tl.mse, steps=3)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.25]


def test_errors():
    model, xy, optimizer = setup()
    with pytest.raises(ValueError, match="min_lr=1.0, max_lr=0.1, steps=100; 0 < min_lr < max_lr and at least two"):
        lr_range_test(model, xy, optimizer=optimizer, min_lr=1.0, max_lr=0.1)
    with pytest.raises(ValueError, match="smoothing=1.0, diverged=4.0; smoothing must be at least 0 and below 1"):
        lr_range_test(model, xy, optimizer=optimizer, smoothing=1.0)
    with pytest.raises(ShapeError, match="lr_range_test: the data have no batches; at least one is required"):
        lr_range_test(model, [], optimizer=optimizer)


def test_the_plot():
    pytest.importorskip("matplotlib")
    assert parabola().plot().axes[0].get_xscale() == "log"
