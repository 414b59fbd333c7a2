"""Callbacks: when they are called, and stopping early with the best weights."""

import math

import pytest

from tests.train.common import POINTS, SIDES, fit, model, same
from tinygrad_lite import train
from tinygrad_lite.core.errors import StateError


class Calls(train.Callback):
    def __init__(self):
        self.calls = []

    def on_start(self, run):
        self.calls.append(("start", run.epoch, run.step, run.last))

    def on_step(self, run):
        self.calls.append(("step", run.epoch, run.step, run.tally.examples))

    def on_epoch(self, run):
        self.calls.append(("epoch", run.epoch, run.step, run.history[-1].epoch))

    def on_end(self, run):
        self.calls.append(("end", run.epoch, run.step, run.stop))


def test_when_they_are_called():
    callback = Calls()
    fit(model(), epochs=2, batch_size=60, accumulate=2, callbacks=[callback])
    assert callback.calls == [
        ("start", 0, 0, 2),
        ("step", 1, 1, 120), ("step", 1, 2, 200), ("epoch", 1, 2, 1),
        ("step", 2, 3, 120), ("step", 2, 4, 200), ("epoch", 2, 4, 2),
        ("end", 2, 4, None),
    ]  # fmt: skip


def test_the_end_is_told_after_an_error():
    callback = Calls()
    with pytest.raises(FloatingPointError):
        fit(model(), loss=lambda outputs, targets: outputs.sum() * math.nan, callbacks=[callback])
    assert callback.calls[-1] == ("end", 1, 0, None)


class Fixed(train.Callback):
    """Puts numbers into the records, one for each epoch, and remembers the weights."""

    def __init__(self, numbers):
        self.numbers, self.weights = numbers, []

    def on_epoch(self, run):
        run.history[-1]["number"] = self.numbers[run.epoch - 1]
        self.weights.append(list(run.model.state_dict().values()))


@pytest.mark.parametrize(
    ("options", "numbers", "epochs", "best"),
    [
        ({"patience": 2}, [5, 4, 4, 3, 3, 3, 1], 6, 4),
        ({"patience": 1}, [5, 4, 4, 3], 3, 2),
        ({"patience": 0}, [5, 4, 4, 3], 3, 2),
        ({"patience": 9}, [5, 4, 4, 3], 4, 4),
        ({"patience": 2, "min_delta": 1.5}, [5, 4, 3, 2.6, 2.5, 2, 1], 5, 3),
        ({"patience": 2, "mode": "max"}, [1, 2, 1, 2, 9], 4, 2),
        ({"patience": 2}, [5, math.nan, math.nan, 1], 3, 1),
    ],
)
def test_early_stopping(options, numbers, epochs, best):
    network, fixed, stopping = model(), Fixed(numbers), train.EarlyStopping("number", **options)
    calls = Calls()
    history = fit(network, epochs=len(numbers), callbacks=[fixed, stopping, calls])
    assert len(history) == epochs
    assert stopping.best_epoch == best and stopping.best == numbers[best - 1]
    assert same(list(network.state_dict().values()), fixed.weights[best - 1])
    stop = calls.calls[-1][-1]
    waited = epochs - best
    why = f"number has not been better than {numbers[best - 1]:g} for {waited} epochs"
    assert stop == (why if epochs < len(numbers) else None)


def test_early_stopping_may_leave_the_last_weights():
    network, fixed = model(), Fixed([1, 2, 3, 4])
    fit(network, epochs=4, callbacks=[fixed, train.EarlyStopping("number", patience=2, restore_best=False)])
    assert len(fixed.weights) == 3 and same(list(network.state_dict().values()), fixed.weights[-1])


def test_early_stopping_watches_the_validation_loss():
    stopping = train.EarlyStopping(patience=2)
    history = fit(model(), epochs=50, validation=(POINTS[:30], 1 - SIDES[:30]), callbacks=[stopping])
    losses = history.column("val_loss")
    assert len(losses) == stopping.best_epoch + 2 < 50 and stopping.best == min(losses)


def test_errors():
    message = (
        r"EarlyStopping: monitor is 'val_loss'; the epoch's record has epoch, loss, lr, seconds\. Give fit validation="
    )
    with pytest.raises(StateError, match=message):
        fit(model(), callbacks=[train.EarlyStopping()])
    with pytest.raises(ValueError, match="EarlyStopping: mode is 'best'; 'min' or 'max' is required"):
        train.EarlyStopping(mode="best")
    with pytest.raises(ValueError, match="EarlyStopping: patience is -1 and min_delta is 0.0; both must be at least 0"):
        train.EarlyStopping(patience=-1)
    assert repr(train.EarlyStopping(patience=3)) == "EarlyStopping('val_loss', patience=3)"
