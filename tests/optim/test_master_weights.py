"""Parameters of 16 bits: their master weights are those of training in float32, and all comes back bit for bit."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.regularizers import L2, NonNegative

ml_dtypes = pytest.importorskip("ml_dtypes")
LOW = [np.dtype("float16"), np.dtype(ml_dtypes.bfloat16)]
low_dtypes = pytest.mark.parametrize("low", LOW, ids=str)
SHAPES = [(3, 4), (4,)]


def start(dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [nn.Parameter(rng.normal(size=shape).astype("float32").astype(dtype)) for shape in SHAPES]


def gradients(low, seed=1):
    """Endless gradients for the parameters."""
    rng = np.random.default_rng(seed)
    while True:
        yield [rng.normal(size=shape).astype("float32").astype(low) for shape in SHAPES]


def run(optimizer, parameters, source, steps):
    dtype = parameters[0].dtype
    for _ in range(steps):
        for parameter, g in zip(parameters, next(source), strict=True):
            parameter.grad = tl.tensor(g.astype(dtype))
        optimizer.step()


def pair(kind, low, **settings):
    """An optimizer of 16-bit parameters, and one of float32 parameters with the same values."""
    halves, wide = start(low), start(low)
    for parameter in wide:
        parameter.data = parameter.data.astype("float32")
    return (getattr(optim, kind)(halves, **settings), halves), (getattr(optim, kind)(wide, **settings), wide)


CASES = {
    "SGD": {"lr": 0.001, "momentum": 0.9, "weight_decay": 0.01},
    "Adam": {"lr": 0.001},
    "AdamW": {"lr": 0.001, "weight_decay": 0.1},
    "Adafactor": {"lr": 0.01, "eps": (1e-10, 1e-3)},
    "ASGD": {"lr": 0.01, "t0": 3},
    "LAMB": {"lr": 0.01},
    "Lion": {"lr": 0.001},
    "RAdam": {"lr": 0.01},
    "Rprop": {"lr": 0.01},
    "SGDScheduleFree": {"lr": 0.1},
}


@low_dtypes
@pytest.mark.parametrize("kind", CASES)
def test_training_is_that_of_float32_rounded(kind, low):
    (optimizer, halves), (twin, wide) = pair(kind, low, **CASES[kind])
    run(optimizer, halves, gradients(low), 12)
    run(twin, wide, gradients(low), 12)
    for parameter, master in zip(halves, wide, strict=True):
        assert parameter.dtype == low
        np.testing.assert_array_equal(parameter.data, master.data.astype(low))
    if kind == "SGDScheduleFree":
        optimizer.eval()
        twin.eval()
    for mine, theirs in zip(optimizer.groups, twin.groups, strict=True):
        np.testing.assert_array_equal(mine.data, theirs.data)
        np.testing.assert_array_equal(mine.shown, theirs.data.astype(low))


@low_dtypes
def test_penalties_and_projections_work_on_master_weights(low):
    settings = {"lr": 0.01, "decay": L2(0.3), "project": NonNegative()}
    (optimizer, halves), (twin, wide) = pair("Adam", low, **settings)
    run(optimizer, halves, gradients(low), 4)
    run(twin, wide, gradients(low), 4)
    for parameter, master in zip(halves, wide, strict=True):
        np.testing.assert_array_equal(parameter.data, master.data.astype(low))
        assert (parameter.data >= 0).all() and (parameter.data == 0).any()


def test_small_steps_add_up():
    w = nn.Parameter(np.ones(4, LOW[1]))
    optimizer = optim.SGD([w], lr=1.0)
    for _ in range(100):
        w.grad = tl.full(4, 1e-3, dtype="bfloat16")
        optimizer.step()
    np.testing.assert_allclose(w.data.astype("float32"), np.full(4, 0.9), rtol=4e-3)


def test_large_gradients_are_used_where_they_are(monkeypatch):
    monkeypatch.setattr("tinygrad_lite.optim.flat.ALONE", 4)
    (optimizer, halves), (twin, wide) = pair("Adam", LOW[1])
    run(optimizer, halves, gradients(LOW[1]), 3)
    assert all(flat.grad is None for flat in optimizer.groups)
    run(twin, wide, gradients(LOW[1]), 3)
    np.testing.assert_array_equal(optimizer.groups[0].data, twin.groups[0].data)


# State


@low_dtypes
@pytest.mark.parametrize("weights_first", [True, False])
@pytest.mark.parametrize("kind", ["SGD", "Adam", "LAMB"])
def test_training_goes_on_bit_for_bit(kind, low, weights_first, tmp_path):
    whole, parameters = (made := pair(kind, low, lr=0.001)[0])[0], made[1]
    source = gradients(low)
    run(whole, parameters, source, 4)
    tl.io.save_state(tmp_path / "state", {"optimizer": whole.state_dict(), "weights": [p.data for p in parameters]})
    run(whole, parameters, source, 4)

    saved = tl.io.load_state(tmp_path / "state")
    again, fresh = (made := pair(kind, low, lr=0.5)[0])[0], made[1]
    if not weights_first:
        again.load_state_dict(saved["optimizer"])
    for parameter, array in zip(fresh, saved["weights"], strict=True):
        assert array.dtype == low
        parameter.data = array
    if weights_first:
        again.load_state_dict(saved["optimizer"])
    source = gradients(low)
    [next(source) for _ in range(4)]
    run(again, fresh, source, 4)
    np.testing.assert_array_equal(again.groups[0].data, whole.groups[0].data)
    for parameter, other in zip(fresh, parameters, strict=True):
        np.testing.assert_array_equal(parameter.data, other.data)


def test_the_state_has_the_master_weights_at_once_after_it_was_loaded():
    (optimizer, halves), _ = pair("Adam", LOW[1])
    run(optimizer, halves, gradients(LOW[1]), 2)
    state = optimizer.state_dict()
    assert state["state"]["0"]["master"].dtype == state["state"]["0"]["exp_avg"].dtype == np.float32
    optimizer.load_state_dict(state)
    np.testing.assert_array_equal(optimizer.state_dict()["state"]["0"]["master"], state["state"]["0"]["master"])


def test_other_weights_are_taken_instead_of_the_master_weights():
    (optimizer, halves), _ = pair("SGD", LOW[1], lr=0.0)
    run(optimizer, halves, gradients(LOW[1]), 1)
    halves[0].data = np.full((3, 4), 2.0, LOW[1])
    kept = optimizer.groups[0].data[12:].copy()
    run(optimizer, halves, gradients(LOW[1]), 1)
    np.testing.assert_array_equal(optimizer.groups[0].data[:12], np.full(12, 2.0, "float32"))
    np.testing.assert_array_equal(optimizer.groups[0].data[12:], kept)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copied", "pickled"])
def test_copies_go_on(again):
    (optimizer, halves), _ = pair("Adam", LOW[1])
    run(optimizer, halves, gradients(LOW[1]), 2)
    other, parameters = again((optimizer, halves))
    run(optimizer, halves, gradients(LOW[1], 7), 2)
    run(other, parameters, gradients(LOW[1], 7), 2)
    for a, b in zip(halves, parameters, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    np.testing.assert_array_equal(optimizer.groups[0].data, other.groups[0].data)


def test_a_backward_pass_through_written_weights_is_refused():
    w = nn.Parameter(np.ones((2, 2), LOW[1]))
    optimizer = optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    w.grad = tl.ones((2, 2), dtype="bfloat16")
    optimizer.step()
    with pytest.raises(tl.GradientError, match="was changed by an optimizer step"):
        loss.backward()


def test_averages_and_lookahead():
    w = nn.Parameter(np.ones(2, LOW[1]))
    optimizer = optim.Lookahead(optim.SGD([w], lr=0.5), k=1, alpha=0.5)
    w.grad = tl.tensor([1.0, 2.0], dtype="bfloat16")
    optimizer.step()
    np.testing.assert_array_equal(w.data.astype("float32"), [0.75, 0.5])
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert state["slow"]["0"].dtype == np.float32


@low_dtypes
def test_gradients_are_clipped_and_unscaled_in_float32(low):
    (optimizer, halves), (twin, wide) = pair("Adam", low, lr=0.01, clip_norm=0.5)
    scalers = [tl.GradScaler(init_scale=2.0**12) for _ in range(2)]
    source = gradients(low)
    for step in range(4):
        each = next(source)
        for which, parameters in ((optimizer, halves), (twin, wide)):
            scaler = scalers[which is twin]
            scaler.scale(tl.ones(()))
            for parameter, g in zip(parameters, each, strict=True):
                g = g.copy()
                g[0] = g[0] * np.asarray(np.inf if step == 2 else 1.0, low)
                parameter.grad = tl.tensor(g.astype(parameter.dtype))
            scaler.step(which)
            scaler.update()
    np.testing.assert_array_equal(optimizer.groups[0].data, twin.groups[0].data)
    assert scalers[0].state_dict() == scalers[1].state_dict()


@low_dtypes
@pytest.mark.parametrize("kind", ["SGD", "Adam", "LAMB"])
def test_a_device_has_them_too(cuda, kind, low):
    (here, halves), _ = pair(kind, low, lr=0.01)
    there_parameters = [nn.Parameter(tl.tensor(p.data.copy(), device="cuda")) for p in halves]
    there = getattr(optim, kind)(there_parameters, lr=0.01)
    source = gradients(low)
    for _ in range(3):
        each = next(source)
        for a, b, g in zip(halves, there_parameters, each, strict=True):
            a.grad, b.grad = tl.tensor(g), tl.tensor(g, device="cuda")
        here.step()
        there.step()
    for a, b in zip(halves, there_parameters, strict=True):
        assert b.dtype == low
        np.testing.assert_allclose(
            b.detach().to("cpu").numpy().astype("float32"), a.data.astype("float32"), rtol=float(tl.finfo(low).eps)
        )
    master = there.state_dict()["state"]["0"]["master"]
    np.testing.assert_allclose(cuda.to_numpy(master), here.state_dict()["state"]["0"]["master"], rtol=1e-6)


def test_masters_follow_their_parameters_to_a_device(cuda):
    model = nn.Linear(3, 2).to("bfloat16")
    optimizer = optim.SGD(model, lr=1e-3)
    for device in ("cpu", "cuda"):
        model.to(device)
        for parameter in model.parameters():
            parameter.grad = tl.ones(parameter.shape, dtype="bfloat16", device=device)
        before = optimizer.groups[0].data
        optimizer.step()
    np.testing.assert_allclose(cuda.to_numpy(optimizer.groups[0].data), np.asarray(before) - 1e-3, rtol=1e-5)
