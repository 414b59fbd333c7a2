"""The training loop: what it learns, counts, reports and leaves behind."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim, train
from tinygrad_lite.core.errors import ShapeError
from tinygrad_lite.regularizers import L2

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(200, 2)).astype(np.float32)
SIDES = (POINTS[:, 0] > POINTS[:, 1]).astype(np.int64)


def model(seed=0):
    tl.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))


def fit(network, **options):
    options = {"epochs": 5, "batch_size": 20, "rng": 0, "progress": False, **options}
    optimizer = options.pop("optimizer", None) or optim.AdamW(network, lr=0.05)
    return train.fit(network, POINTS, SIDES, optimizer=optimizer, **options)


def weights(network):
    return [p.detach().numpy().copy() for p in network.parameters()]


def test_learns_which_side_of_a_line():
    network = model()
    history = fit(network, epochs=10, held_out=(POINTS[:50], SIDES[:50]))
    assert history.column("number") == list(range(1, 11))
    assert history[-1].loss < 0.1 < history[0].loss
    assert history[-1].held_out_accuracy > 0.95
    assert train.evaluate(network, POINTS, SIDES).accuracy > 0.95


def test_means_are_over_images_not_batches():
    """With a learning rate of 0 the epoch's numbers are the model's, although the last batch is smaller."""
    network = model()
    history = fit(network, epochs=1, batch_size=70, optimizer=optim.SGD(network, lr=0.0))
    seen = train.evaluate(network, POINTS, SIDES, batch_size=33)
    with tl.no_grad():
        logits = network(POINTS)
    assert history[0].loss == pytest.approx(seen.loss, rel=1e-5)
    assert history[0].accuracy == pytest.approx(seen.accuracy)
    assert seen.loss == pytest.approx(tl.cross_entropy(logits, SIDES).item(), rel=1e-5)
    assert np.array_equal(seen.predictions, logits.numpy().argmax(1))
    assert history[0].held_out_loss is None


def test_same_seed_same_weights():
    runs = []
    for seed in (0, 0, 1):
        network = model()
        fit(network, rng=seed)
        runs.append(weights(network))
    assert all(map(np.array_equal, runs[0], runs[1]))
    assert not all(map(np.array_equal, runs[0], runs[2]))


def test_held_out_images_are_only_measured():
    """Neither the weights nor the random numbers of the training depend on them."""
    with_them, without = (nn.Sequential(model(), nn.Dropout(0.5)) for _ in range(2))
    for network, held_out in ((with_them, (POINTS[:9], SIDES[:9])), (without, None)):
        tl.manual_seed(3)
        fit(network, held_out=held_out)
    assert all(map(np.array_equal, weights(with_them), weights(without)))


def test_schedule_scales_the_learning_rate_and_is_taken_back():
    network, rates = model(), []
    optimizer = optim.SGD(network, lr=0.2)
    fit(network, optimizer=optimizer, epochs=2, batch_size=50, schedule=lambda p: (rates.append(p), p)[1])
    assert rates == [k / 8 for k in range(8)]
    assert optimizer.lr == 0.2


def test_schedule_zero_trains_nothing():
    network = model()
    before = weights(network)
    fit(network, optimizer=optim.SGD(network, lr=0.2), schedule=lambda p: 0.0)
    assert all(map(np.array_equal, before, weights(network)))


def test_cosine_falls_from_one_to_zero():
    assert [train.cosine(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.5, 0.0])


def test_penalty_shrinks_weights():
    free, held = model(), model()
    fit(free)
    fit(held, penalty=L2(1.0))
    assert sum(np.square(w).sum() for w in weights(held)) < 0.5 * sum(np.square(w).sum() for w in weights(free))


def test_augment_is_what_is_learned_from():
    """Inputs replaced by zeros teach nothing about which side a point is on."""
    network = model()
    fit(network, epochs=10, augment=np.zeros_like)
    assert train.evaluate(network, POINTS, SIDES).accuracy < 0.8


def test_modes():
    class Watch(nn.Module):
        def __init__(self):
            self.layer, self.seen = nn.Linear(2, 2), []

        def forward(self, x):
            self.seen.append((self.training, tl.core.graph.grad_enabled()))
            return self.layer(x)

    network = Watch()
    fit(network, epochs=1, batch_size=100, held_out=(POINTS, SIDES))
    assert network.seen == [(True, True), (True, True), (False, False)]
    assert network.training
    network.eval()
    train.evaluate(network, POINTS, SIDES)
    assert not network.training


def test_history_survives_an_interruption():
    network, history = model(), train.History()

    def stop_in_third_epoch(batch):
        if len(history) == 2:
            raise KeyboardInterrupt
        return batch

    optimizer = optim.SGD(network, lr=0.1)
    with pytest.raises(KeyboardInterrupt):
        fit(network, optimizer=optimizer, history=history, augment=stop_in_third_epoch, schedule=train.cosine)
    assert history.column("number") == [1, 2]
    assert optimizer.lr == 0.1


def test_history_goes_on_counting():
    network, history = model(), train.History()
    fit(network, epochs=1, history=history)
    fit(network, epochs=2, history=history)
    assert history.column("number") == [1, 2, 3]


def test_a_loss_that_is_not_finite_ends_the_training():
    network = model()
    with (
        np.errstate(all="ignore"),
        pytest.raises(
            FloatingPointError, match=r"the loss is nan in epoch 1 with learning rate 0\.3; try a smaller one"
        ),
    ):
        fit(network, optimizer=optim.SGD(network, lr=0.3), loss=lambda logits, y: (logits * np.float32(np.nan)).sum())


def test_lines_without_a_terminal(capsys):
    network = model()
    fit(network, epochs=2, progress=True, held_out=(POINTS, SIDES))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        words = line.split()
        assert words[:2] == ["epoch", f"{number}/2"]
        assert {"loss", "accuracy", "held", "out", "images/s"} <= set(words)


def test_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    fit(model(), epochs=2, progress=True)
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown and "loss" in shown and "accuracy" in shown and "images/s" in shown
    assert "400/400" in shown


def test_quiet(capsys):
    fit(model(), epochs=1)
    assert capsys.readouterr() == ("", "")


def test_without_images_there_is_nothing_to_do():
    network = model()
    with pytest.raises(ShapeError, match="fit: there are no images; at least one is required"):
        train.fit(network, POINTS[:0], SIDES[:0], optimizer=optim.SGD(network, lr=0.1), epochs=1)
    with pytest.raises(ShapeError, match="evaluate: there are no images; at least one is required"):
        train.evaluate(network, POINTS[:0], SIDES[:0])
