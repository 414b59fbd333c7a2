"""The training loop: what it learns, counts, reports and leaves behind."""

import copy
import os
import signal

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.train.common import POINTS, SIDES, fit, model, same, weights
from tinygrad_lite import data, nn, optim, train
from tinygrad_lite.core.errors import DTypeError, ShapeError
from tinygrad_lite.regularizers import L2


def test_learns_which_side_of_a_line():
    network = model()
    history = fit(network, epochs=10, validation=(POINTS[:50], SIDES[:50]), metrics=[train.Accuracy()])
    assert history.column("epoch") == list(range(1, 11))
    assert history[-1].loss < 0.1 < history[0].loss
    assert history[-1].val_accuracy > 0.95
    assert train.evaluate(network, (POINTS, SIDES), metrics=train.Accuracy()).accuracy > 0.95


def test_means_are_over_examples_not_batches():
    """With a learning rate of 0 the epoch's numbers are the model's, although the last batch is smaller."""
    network = model()
    history = fit(network, epochs=1, batch_size=70, optimizer=optim.SGD(network, lr=0.0), metrics=[train.Accuracy()])
    seen = train.evaluate(network, (POINTS, SIDES), batch_size=33, metrics=[train.Accuracy()])
    with tl.no_grad():
        logits = network(POINTS)
    assert history[0].loss == pytest.approx(seen.loss, rel=1e-5)
    assert history[0].accuracy == pytest.approx(seen.accuracy)
    assert seen.loss == pytest.approx(tl.cross_entropy(logits, SIDES).item(), rel=1e-5)
    np.testing.assert_allclose(train.predict(network, POINTS, batch_size=33), logits.numpy(), rtol=1e-5, atol=1e-6)
    assert "val_loss" not in history[0] and history.column("val_loss") == [None]


def test_same_seed_same_weights():
    runs = []
    for seed in (0, 0, 1):
        network = model()
        fit(network, rng=seed)
        runs.append(weights(network))
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_the_loop_is_the_one_that_anybody_would_write():
    """Bit for bit, with a schedule, a penalty and clipping."""
    ours, byhand = model(), model()
    loader = data.DataLoader((POINTS, SIDES), 30, rng=4)
    optimizer = optim.AdamW(byhand, lr=0.05)
    for _ in range(3):
        for x, y in loader:
            loss = tl.cross_entropy(byhand(x), y) + L2(0.1)(byhand)
            optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm(byhand, 0.5)
            optimizer.step()
            optimizer.lr *= 0.9
    optimizer = optim.AdamW(ours, lr=0.05)
    fit(
        ours, data.DataLoader((POINTS, SIDES), 30, rng=4), optimizer=optimizer, epochs=3, penalty=L2(0.1),
        clip_norm=0.5, schedule=Shrink(optimizer, "step"),
    )  # fmt: skip
    assert same(ours, byhand)


class Shrink:
    def __init__(self, optimizer, interval, factor=0.9):
        self.optimizer, self.interval, self.factor, self.seen = optimizer, interval, factor, []

    def step(self, metric=None):
        self.seen.append(metric)
        self.optimizer.lr *= self.factor


def test_schedules_of_epochs_are_told_the_validation_loss():
    network = model()
    optimizer = optim.SGD(network, lr=1.0)
    schedule = Shrink(optimizer, "epoch", 0.5)
    history = fit(network, optimizer=optimizer, epochs=3, schedule=schedule, validation=(POINTS, SIDES))
    assert history.column("lr") == [1.0, 0.5, 0.25] and optimizer.lr == 0.125
    assert schedule.seen == history.column("val_loss")
    without = Shrink(optimizer, "epoch")
    assert fit(network, optimizer=optimizer, epochs=1, schedule=without).column("loss") == without.seen


def test_validation_data_are_only_measured():
    """Neither the weights nor the random numbers of the training depend on them."""
    with_them, without = (nn.Sequential(model(), nn.Dropout(0.5)) for _ in range(2))
    for network, validation in ((with_them, (POINTS[:9], SIDES[:9])), (without, None)):
        tl.manual_seed(3)
        fit(network, validation=validation, metrics=[train.Accuracy()])
    assert same(with_them, without)


@pytest.mark.parametrize("options", [{}, {"penalty": L2(0.3)}, {"clip_norm": 0.01}])
def test_accumulated_batches_are_one_large_batch(options):
    """Every example counts the same, in the smaller groups and batches at the end of an epoch too."""
    whole, accumulated = model().to("float64"), model().to("float64")
    for network, size, accumulate in ((whole, 60, 1), (accumulated, 15, 4)):
        loader = data.DataLoader((POINTS.astype(float)[:190], SIDES[:190]), size, rng=0)
        optimizer = optim.SGD(network, lr=0.5, momentum=0.9)
        history = fit(network, loader, optimizer=optimizer, epochs=4, accumulate=accumulate, **options)
        assert len(history) == 4
    for one, other in zip(weights(whole), weights(accumulated), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_penalty_shrinks_weights():
    free, held = model(), model()
    fit(free)
    fit(held, penalty=L2(1.0))
    assert sum(np.square(w).sum() for w in weights(held)) < 0.5 * sum(np.square(w).sum() for w in weights(free))


def test_regression_with_targets_of_any_shape():
    tl.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    y = np.stack([x, -x], axis=1)
    network = nn.Sequential(nn.Linear(3, 6), nn.Unflatten(1, (2, 3)))
    metrics = [train.R2(), train.MeanAbsoluteError()]
    history = fit(network, (x, y), loss=tl.mse, epochs=30, metrics=metrics, validation=(x, y))
    assert history[-1].val_r2 > 0.99 and history[-1].val_mae < 0.1 < history[0].val_mae


def test_sequences():
    """The next character is known from this one; outputs are (n, characters, positions)."""

    class Tokens(nn.Module):
        def __init__(self):
            self.scores = nn.Embedding(5, 5)

        def forward(self, tokens):
            return self.scores(tokens).permute_dims((0, 2, 1))

    tl.manual_seed(0)
    tokens = np.cumsum(np.ones((40, 7), np.int64), axis=1) % 5
    history = fit(Tokens(), (tokens, (tokens + 1) % 5), epochs=30, metrics=[train.Accuracy(), train.Perplexity()])
    assert history[-1].accuracy == 1.0 and history[-1].perplexity == pytest.approx(np.exp(history[-1].loss), rel=0.01)


def test_batches_of_several_inputs_and_targets():
    class Sum(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

        def forward(self, x, scale):
            return self.layer(x) * scale

    def loss(outputs, targets):
        return tl.cross_entropy(outputs, targets[0]) * targets[1].mean()

    weight = np.ones((50, 1), np.float32)
    parts = [slice(0, 50), slice(50, 100), slice(100, 120)]
    tuples = [((POINTS[part], weight[: part.stop - part.start]), SIDES[part], POINTS[part]) for part in parts]
    dicts = [({"x": x, "scale": scale}, *targets) for (x, scale), *targets in tuples]
    networks = []
    for batches in (tuples, dicts):
        tl.manual_seed(0)
        networks.append(Sum())
        assert len(fit(networks[-1], batches, loss=loss, epochs=2)) == 2
    assert same(*networks)


def test_inputs_alone():
    """Without targets the loss is given None."""
    network = nn.Linear(2, 2)
    fit(
        network, (POINTS,), loss=lambda outputs, targets: (outputs * outputs).mean() + (0.0 if targets is None else 9e9)
    )
    assert train.evaluate(network, (POINTS,), loss=lambda outputs, _: (outputs * outputs).mean()).loss < 0.1


def test_modes():
    class Watch(nn.Module):
        def __init__(self):
            self.layer, self.seen = nn.Linear(2, 2), []

        def forward(self, x):
            self.seen.append((self.training, tl.core.graph.grad_enabled()))
            return self.layer(x)

    network = Watch()
    fit(network, epochs=1, batch_size=100, validation=(POINTS[:100], SIDES[:100]))
    assert network.seen == [(True, True), (True, True), (False, False)]
    network.eval()
    train.evaluate(network, (POINTS, SIDES))
    train.predict(network, POINTS)
    assert not network.training
    network.train()
    train.predict(network, POINTS)
    assert network.training


def test_history_goes_on_counting():
    network, history = model(), train.History()
    fit(network, epochs=1, history=history)
    fit(network, epochs=2, history=history)
    assert history.column("epoch") == [1, 2, 3]


class At(train.Callback):
    """Does something after a step."""

    def __init__(self, step, act):
        self.step, self.act, self.ends = step, act, 0

    def on_step(self, run):
        if run.step == self.step:
            self.act(run)

    def on_end(self, run):
        self.ends += 1


def interrupt(run):
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="sends a signal to itself")
def test_ctrl_c_ends_after_the_step_with_the_history():
    network, history, callback = model(), train.History(), At(25, interrupt)
    expected = model()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(network, history=history, callbacks=[callback])
    assert history.column("epoch") == [1, 2]
    assert callback.ends == 1 and signal.getsignal(signal.SIGINT) is before

    def stop(run):
        run.stop = "enough"

    fit(expected, callbacks=[At(25, stop)])
    assert same(network, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="sends a signal to itself")
def test_a_second_ctrl_c_interrupts_at_once():
    reached = []

    def twice(run):
        interrupt(run)
        interrupt(run)
        reached.append(run)

    with pytest.raises(KeyboardInterrupt):
        fit(model(), callbacks=[At(3, twice)])
    assert reached == []


def test_stopping_within_an_epoch():
    def stop(run):
        run.stop = "enough"

    history = fit(model(), callbacks=[At(13, stop)])
    assert history.column("epoch") == [1, 2]


def test_without_examples_there_is_nothing_to_do():
    network = model()
    for what, call in (
        ("fit", lambda nothing: fit(network, nothing)),
        ("evaluate", lambda nothing: train.evaluate(network, nothing)),
        ("predict", lambda nothing: train.predict(network, nothing)),
    ):
        for nothing in ((POINTS[:0], SIDES[:0]), []):
            with pytest.raises(ShapeError, match=f"{what}: there are no examples; at least one is required"):
                call(nothing)


def test_wrong_arguments():
    network = model()
    with pytest.raises(DTypeError, match="fit: data is a generator, which can be gone through only once"):
        fit(network, ((POINTS, SIDES) for _ in range(3)))
    with pytest.raises(DTypeError, match=r"fit: data is a ndarray; a tuple \(inputs, targets\) of arrays, a DataLoad"):
        fit(network, POINTS)
    with pytest.raises(DTypeError, match=r"fit: a batch is a ndarray; a tuple \(inputs, targets\) is required"):
        fit(network, [POINTS])
    with pytest.raises(ShapeError, match=r"fit: the loss is \(20,\); it must be a single number, shape \(\)"):
        fit(network, loss=lambda outputs, y: tl.cross_entropy(outputs, y, reduction="none"))
    with pytest.raises(ValueError, match="fit: epochs is -1 and accumulate 0; they must be at least 0 and 1"):
        fit(network, epochs=-1, accumulate=0)


def test_no_epochs_leave_everything_as_it_is():
    network = model()
    before = copy.deepcopy(network)
    assert fit(network, epochs=0) == [] and same(network, before)


def test_an_optimizer_with_a_line_search():
    """It asks for the loss several times in a step; what is counted is the first."""
    network = model()
    before = train.evaluate(network, (POINTS, SIDES)).loss
    optimizer = optim.LBFGS(network, line_search_fn="strong_wolfe")
    history = fit(network, optimizer=optimizer, batch_size=200, epochs=5)
    assert history[0].loss == pytest.approx(before, rel=1e-5) and history[-1].loss < 0.05


def test_an_optimizer_whose_parameters_differ_in_evaluation():
    """Validation, callbacks and the end see the averages."""
    ours, byhand = model(), model()
    loader = data.DataLoader((POINTS, SIDES), 40, rng=4)
    optimizer, losses = optim.AdamWScheduleFree(byhand, lr=0.05), []
    for _ in range(3):
        optimizer.train()
        for x, y in loader:
            loss = tl.cross_entropy(byhand(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        optimizer.eval()
        losses.append(train.evaluate(byhand, (POINTS, SIDES), batch_size=20).loss)
    loader = data.DataLoader((POINTS, SIDES), 40, rng=4)
    optimizer = optim.AdamWScheduleFree(ours, lr=0.05)
    history = fit(ours, loader, optimizer=optimizer, epochs=3, validation=(POINTS, SIDES))
    assert same(ours, byhand) and history.column("val_loss") == losses
