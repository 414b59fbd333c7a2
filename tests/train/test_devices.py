"""Training where the arrays are elsewhere, on a stand-in for a GPU that refuses NumPy arrays and hidden transfers."""

import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.train.common import POINTS, SIDES
from tests.train.test_checkpoints import Stop, StopAt
from tinygrad_lite import nn, optim, train
from tinygrad_lite.regularizers import L2


def test_everything_that_fit_does_moves_what_must_be_moved(tmp_path):
    def run(folder, stop_at=None):
        tl.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.1), nn.Linear(4, 2)).to(
            "cuda"
        )
        optimizer = optim.AdamW(model, lr=0.05)
        callbacks = [train.EarlyStopping(patience=9), train.JSONLines(folder / "log"), train.TensorBoard(folder / "tb")]
        history = train.fit(
            model, (POINTS, SIDES), optimizer=optimizer, epochs=3, validation=(POINTS, SIDES), accumulate=2,
            clip_norm=1.0, penalty=L2(1e-4), metrics=[train.Accuracy(), train.AUC(), train.Perplexity()],
            schedule=optim.CosineAnnealingLR(optimizer, 6, interval="step"), progress=False,
            callbacks=callbacks + ([StopAt(stop_at)] if stop_at else []),
            checkpoints=train.Checkpoints(folder / "kept", every_steps=1),
        )  # fmt: skip
        return history.column("loss"), train.predict(model, POINTS).tobytes()

    with fake_cupy.installed():
        expected = run(tmp_path / "whole")
        with pytest.raises(Stop):
            run(tmp_path / "parts", 3)
        assert run(tmp_path / "parts") == expected


def test_a_gradient_that_is_not_finite_is_named_there_too():
    def loss(outputs, targets):
        return (tl.sqrt(outputs[:, 0] * 0.0) + tl.square(outputs[:, 1])).mean()

    with fake_cupy.installed():
        model = nn.Linear(2, 2).to("cuda")
        with pytest.raises(FloatingPointError, match="the derivative of sqrt is not finite"):
            train.fit(
                model, (POINTS, SIDES), optimizer=optim.SGD(model, lr=0.1), epochs=1, loss=loss, progress=False
            )  # fmt: skip
