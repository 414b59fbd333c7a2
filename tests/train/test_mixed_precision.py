"""Training within `autocast`, and with a scaled loss."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import train


@pytest.mark.parametrize("low", ["bfloat16", "float16"])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_training_in_16_bits_ends_near_that_in_32(low, clip_norm):
    pytest.importorskip("ml_dtypes")
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    y = x @ np.array([[1.0], [-2.0], [0.5], [0.0]], "float32")
    weights, seen = [], []

    class Dtypes(train.Callback):
        def on_step(self, run):
            seen.append((run.scaler.is_enabled(), run.scaler.get_scale()))

    for autocast in (None, low):
        model = tl.nn.Linear(4, 1, rng=tl.Generator(3))
        train.fit(
            model, (x, y), optimizer=tl.optim.Adam(model, lr=0.05), epochs=30, loss=tl.mse, batch_size=16, rng=1,
            clip_norm=clip_norm, autocast=autocast, validation=(x, y), progress=False, callbacks=[Dtypes()],
        )  # fmt: skip
        assert model.weight.dtype == tl.float32
        weights.append(model.weight.data)
    np.testing.assert_allclose(weights[0], weights[1], atol=0.02)
    assert not np.array_equal(weights[0], weights[1])
    enabled, scale = seen[-1]
    assert enabled == (low == "float16") and (1.0 < scale <= 2.0**16 if enabled else scale == 1.0)


def test_steps_that_overflow_are_left_out_and_training_in_float16_goes_on_from_a_checkpoint(tmp_path):
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32") * 300.0
    y = x.sum(axis=1, keepdims=True)

    def run(epochs, folder=None):
        model = tl.nn.Linear(4, 1, rng=tl.Generator(3))
        scales = []

        class Scales(train.Callback):
            def on_step(self, run):
                scales.append(run.scaler.get_scale())

        train.fit(
            model, (x, y), optimizer=tl.optim.Adam(model, lr=0.05), epochs=epochs, loss=tl.mse, batch_size=8, rng=1,
            autocast="float16", progress=False, callbacks=[Scales()],
            checkpoints=None if folder is None else train.Checkpoints(folder),
        )  # fmt: skip
        return model.weight.data.copy(), scales

    whole, scales = run(8)
    run(3, tmp_path)
    again, later = run(8, tmp_path)
    np.testing.assert_array_equal(whole, again)
    assert scales[0] == 2.0**15 and scales[-1] < 2.0**15 and later == scales[6:]
