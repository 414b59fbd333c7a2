"""`GradScaler`: PyTorch's on a CPU, and on a device that nobody waits for; clipping inside of the step."""

import copy

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tinygrad_lite import nn, optim
from tinygrad_lite.core.graph import wrap

SHAPES = [(3, 4), (4,), (2, 1, 3)]
OPTIMIZERS = {
    "SGD": {"lr": 0.05, "momentum": 0.9},
    "Adam": {"lr": 0.01},
    "AdamW": {"lr": 0.01, "weight_decay": 0.1},
}


def draw(steps, planted, seed=0):
    """Starting values, and for each step a gradient for each of them; with an infinity or a NaN in some steps."""
    rng = np.random.default_rng(seed)
    start = [rng.normal(size=shape).astype("float32") for shape in SHAPES]
    gradients = [[rng.normal(size=shape).astype("float32") for shape in SHAPES] for _ in range(steps)]
    for step, value in planted.items():
        gradients[step][step % len(SHAPES)].reshape(-1)[-1] = value
    return start, gradients


PLANTED = {0: np.inf, 3: np.nan, 4: -np.inf, 9: np.inf}


@pytest.mark.parametrize("clip", [None, "by hand", "inside"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("factors", [(2.0, 0.5, 2), (1.7, 0.3, 3)])
def test_steps_are_pytorchs(kind, clip, factors):
    torch = pytest.importorskip("torch")
    start, gradients = draw(12, PLANTED)
    settings = dict(zip(("growth_factor", "backoff_factor", "growth_interval"), factors, strict=True))
    theirs = [torch.nn.Parameter(torch.from_numpy(x.copy())) for x in start]
    ours = [nn.Parameter(x.copy()) for x in start]
    optimizer = getattr(torch.optim, kind)(theirs, **OPTIMIZERS[kind])
    inside = {"clip_norm": 0.5} if clip == "inside" else {}
    mine = getattr(optim, kind)(ours, **OPTIMIZERS[kind], **inside)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, **settings)
    own = tl.GradScaler(init_scale=1024.0, **settings)
    for each in gradients:
        scale = scaler.scale(torch.ones(())).item()
        assert own.scale(tl.ones(())).item() == scale == own.get_scale()
        for parameter, twin, g in zip(theirs, ours, each, strict=True):
            parameter.grad, twin.grad = torch.from_numpy(g * np.float32(scale)), tl.tensor(g * np.float32(scale))
        if clip:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(theirs, 0.5)
        if clip == "by hand":
            own.unscale_(mine)
            with np.errstate(invalid="ignore"):
                optim.clip_grad_norm(ours, 0.5)
        scaler.step(optimizer)
        own.step(mine)
        scaler.update()
        own.update()
        assert own.get_scale() == scaler.get_scale()
        assert own.state_dict() == scaler.state_dict()
        for parameter, twin in zip(theirs, ours, strict=True):
            np.testing.assert_allclose(twin.data, parameter.detach().numpy(), rtol=2e-5, atol=1e-6)
    assert mine.state_dict()["state"]["0"]["step"] == 12 - len(PLANTED)


def test_losses_that_are_scaled_together():
    """As in PyTorch, both backward passes must come before the scale changes; `step` would divide by another one."""
    torch = pytest.importorskip("torch")
    w, twin = nn.Parameter(np.ones(1, "float32")), torch.nn.Parameter(torch.ones(1))
    cases = (
        (w, optim.SGD([w], lr=0.5), tl.GradScaler(init_scale=8.0, growth_interval=1), tl.GradientError),
        (twin, torch.optim.SGD([twin], lr=0.5), torch.amp.GradScaler("cpu", 8.0, growth_interval=1), RuntimeError),
    )
    for parameter, optimizer, scaler, error in cases:
        first, second = [scaler.scale((parameter * k).sum()) for k in (2.0, 3.0)]
        first.backward()
        second.backward()
        scaler.step(optimizer)
        assert parameter.item() == -1.5
        first, second = [scaler.scale((parameter * k).sum()) for k in (2.0, 3.0)]
        first.backward()
        scaler.update()
        with pytest.raises(error, match=r"changed by an optimizer step|modified by an inplace operation"):
            second.backward()


def test_the_scale_does_not_become_infinite():
    scaler = tl.GradScaler(init_scale=2.0**127, growth_interval=1)
    w = nn.Parameter(np.ones(1, "float32"))
    optimizer = optim.SGD([w], lr=0.0)
    scaler.scale(tl.ones(()))
    w.grad = tl.ones(1)
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**127


def train(device, scaler, planted, kind="SGD", steps=8, **settings):
    """The parameters after each step, and the optimizer, on a device."""
    start, gradients = draw(steps, planted)
    parameters = [nn.Parameter(tl.tensor(x, device=device)) for x in start]
    optimizer = getattr(optim, kind)(parameters, **OPTIMIZERS.get(kind, {}), **settings)
    seen = []
    for each in gradients:
        for parameter, g in zip(parameters, each, strict=True):
            parameter.grad = scaler.scale(tl.tensor(g, device=device))
        scaler.step(optimizer)
        scaler.update()
        seen.append([parameter.detach().to("cpu").numpy().copy() for parameter in parameters])
    return seen, optimizer


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 0.3}, {"clip_value": 0.2}], ids=str)
def test_a_device_gives_what_the_cpu_gives(cuda, settings):
    planted = {3: np.nan, 5: np.inf}
    scalers = [tl.GradScaler(init_scale=256.0, growth_interval=2) for _ in range(2)]
    (here, _), (there, _) = (train(d, s, planted, **settings) for d, s in zip(("cpu", "cuda"), scalers, strict=True))
    for a, b in zip(here, there, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7)
    assert scalers[0].state_dict() == scalers[1].state_dict()
    for x, y in zip(there[2] + there[4], there[3] + there[5], strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("kind", ["Adam", "Lion", "Muon", "NAdam", "Adafactor"])
def test_left_out_steps_change_nothing_on_a_device(cuda, kind):
    scaler = tl.GradScaler(init_scale=4.0)
    w = nn.Parameter(tl.tensor(np.arange(6, dtype="float32").reshape(2, 3), device="cuda"))
    optimizer = getattr(optim, kind)([w])
    states = []
    for value in (np.inf, 1.0, np.nan):
        scaler.scale(tl.ones((), device="cuda"))
        g = np.full((2, 3), 0.5, "float32")
        g[0, 1] *= value
        w.grad = tl.tensor(g, device="cuda")
        scaler.step(optimizer)
        scaler.update()
        state = optimizer.state_dict()["state"]["0"]
        arrays = {name: wrap(x, None).to("cpu").numpy() for name, x in state.items() if hasattr(x, "shape")}
        states.append({"w": w.detach().to("cpu").numpy(), **arrays})
    np.testing.assert_array_equal(states[0]["w"], np.arange(6, dtype="float32").reshape(2, 3))
    for state in states:
        assert all(np.isfinite(x).all() for x in state.values())
    assert not np.array_equal(states[0]["w"], states[1]["w"])
    for name in states[1]:
        np.testing.assert_array_equal(states[1][name], states[2][name])
    assert scaler.get_scale() == 1.0


def test_nothing_waits_for_the_device(cuda):
    before = fake_cupy.state.host_copies
    w = nn.Parameter(tl.tensor(np.ones((2, 3), "float32"), device="cuda"))
    optimizer = optim.Adam([w], clip_norm=1.0)
    scaler, x = tl.GradScaler(), tl.ones((4, 2), device="cuda")
    with tl.autocast("float16"):
        loss = (x @ w).sum()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    assert fake_cupy.state.host_copies == before
    assert scaler._scale.dtype == np.float32 and not isinstance(scaler._scale, np.ndarray)


# Clipping inside of a step


@pytest.mark.parametrize("clip", [{"clip_norm": 0.1}, {"clip_norm": 1e6}, {"clip_value": 0.3}])
def test_clipping_inside_is_clipping_before(clip):
    start, gradients = draw(3, {})
    results = []
    for inside in (True, False):
        parameters = [nn.Parameter(x.copy()) for x in start]
        optimizer = optim.Adam(parameters, lr=0.1, **(clip if inside else {}))
        for each in gradients:
            for parameter, g in zip(parameters, each, strict=True):
                parameter.grad = tl.tensor(g.copy())
            if not inside and "clip_norm" in clip:
                optim.clip_grad_norm(parameters, clip["clip_norm"])
            elif not inside:
                optim.clip_grad_value(parameters, clip["clip_value"])
            optimizer.step()
        results.append([parameter.data.copy() for parameter in parameters])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_the_norm_is_of_the_gradients_that_there_are():
    a, b = nn.Parameter(np.zeros(2, "float32")), nn.Parameter(np.zeros(2, "float32"))
    optimizer = optim.SGD([a, b], lr=1.0, clip_norm=1.0)
    a.grad, b.grad = tl.tensor([3.0, 0.0]), tl.tensor([0.0, 4.0])
    optimizer.step()
    np.testing.assert_allclose(np.concatenate([a.data, b.data]), [-0.6, 0.0, 0.0, -0.8], rtol=1e-5)
    a.grad = None
    optimizer.step()
    np.testing.assert_allclose(b.data, [0.0, -1.8], rtol=1e-5)


# As a part of programs


def step_of(scaler, model, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        with tl.autocast("float16"):
            loss = tl.mse(model(tl.tensor(x)), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return step


def test_captured_steps_adapt_the_scale():
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    results = []
    for how in (lambda f: f, tl.jit):
        tl.manual_seed(1)
        model = nn.Linear(3, 1)
        optimizer, scaler = optim.Adam(model, lr=0.05), tl.GradScaler(init_scale=2.0**15, growth_interval=3)
        step = how(step_of(scaler, model, optimizer))
        losses, scales = [], []
        for _ in range(9):
            with np.errstate(all="ignore"):
                losses.append(float(step(x, x.sum(axis=1, keepdims=True))))
            scales.append(scaler.get_scale())
        results.append((losses, scales, model.weight.data.copy()))
    assert results[0][:2] == results[1][:2]
    np.testing.assert_array_equal(results[0][2], results[1][2])
    assert min(scales) < 2.0**15 and losses[-1] < losses[0]


def test_state_comes_back():
    one, other = tl.GradScaler(init_scale=8.0, growth_interval=5), tl.GradScaler()
    w = nn.Parameter(np.ones(1, "float32"))
    optimizer = optim.SGD([w], lr=0.0)
    for value in (1.0, 1.0, np.inf, 1.0):
        one.scale(tl.ones(()))
        w.grad = tl.tensor([value], dtype="float32")
        one.step(optimizer)
        one.update()
    assert one.state_dict() == {
        "scale": 4.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 5, "_growth_tracker": 1,
    }  # fmt: skip
    other.load_state_dict(one.state_dict())
    assert other.state_dict() == one.state_dict() and repr(other) == repr(one)
    other.scale(tl.ones(()))
    other.load_state_dict({**one.state_dict(), "scale": 2.0})
    assert other.get_scale() == 2.0 and other.scale(tl.ones(())).item() == 2.0
    with pytest.raises(tl.StateError, match="GradScaler.load_state_dict: scale, growth_factor, .* missing"):
        other.load_state_dict({})


def test_one_that_is_not_enabled_does_nothing():
    scaler, w = tl.GradScaler(enabled=False), nn.Parameter(np.ones(1, "float32"))
    optimizer = optim.SGD([w], lr=1.0)
    loss = (w * 2.0).sum()
    assert scaler.scale(loss) is loss and not scaler.is_enabled()
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.data == -1.0 and scaler.get_scale() == 1.0 and scaler.state_dict() == {}
    scaler.load_state_dict({})


def test_several_outputs_are_scaled():
    scaler = tl.GradScaler(init_scale=2.0)
    assert [x.item() for x in scaler.scale([tl.ones(()), tl.ones(())])] == [2.0, 2.0]
    with pytest.raises(tl.DTypeError, match="GradScaler.scale: got a float; a Tensor or several are required"):
        scaler.scale(1.0)


def test_wrong_orders_are_refused():
    scaler, w = tl.GradScaler(), nn.Parameter(np.ones(1, "float32"))
    optimizer = optim.SGD([w], lr=1.0)
    with pytest.raises(tl.GradientError, match="GradScaler.step: scale\\(\\) was not called before it"):
        scaler.step(optimizer)
    scaler.scale(tl.ones(()))
    with pytest.raises(tl.GradientError, match="GradScaler.update: there was no step since the last one"):
        scaler.update()
    w.grad = tl.ones(1)
    scaler.unscale_(optimizer)
    with pytest.raises(tl.GradientError, match="unscale_: unscale_\\(\\) was called for this optimizer since"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(tl.GradientError, match="GradScaler.step: it was called for this optimizer since"):
        scaler.step(optimizer)
    with pytest.raises(tl.GradientError, match="unscale_: step\\(\\) was called for this optimizer since"):
        scaler.unscale_(optimizer)
    scaler.update()
    half = nn.Parameter(np.ones(1, "float16"))
    half.grad = tl.ones(1, dtype="float16")
    with pytest.raises(tl.DTypeError, match="unscale_: a gradient is float16, in which it would vanish; leave"):
        scaler.unscale_(optim.SGD([half], lr=1.0))


@pytest.mark.parametrize(
    "settings", [{"init_scale": 0.0}, {"growth_factor": 1.0}, {"backoff_factor": 1.0}, {"growth_interval": 0}]
)
def test_wrong_settings_are_refused(settings):
    with pytest.raises(ValueError, match="GradScaler: init_scale is .*; they must be above 0, above 1, between"):
        tl.GradScaler(**settings)


def test_optimizers_around_others():
    w = nn.Parameter(np.ones(2, "float32"))
    optimizer = optim.Lookahead(optim.SGD([w], lr=0.5), k=1, alpha=0.5)
    scaler = tl.GradScaler(init_scale=4.0)
    scaler.scale(tl.ones(()))
    w.grad = tl.tensor([4.0, 8.0])
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    np.testing.assert_array_equal(w.data, [0.75, 0.5])


# Counts on a device


def with_curvature(device):
    """The parameters and numbers of SophiaG, one of whose steps is left out, and of its copy after one more."""
    parameters = [nn.Parameter(tl.tensor(np.arange(1, 4, dtype="float32") * k, device=device)) for k in (1, 2)]
    optimizer, scaler = optim.SophiaG(parameters, lr=0.1), tl.GradScaler(init_scale=4.0)

    def step(optimizer, value, without=None):
        scale = scaler.scale(tl.ones((), device=device))
        for i, parameter in enumerate(optimizer.param_groups[0]["params"]):
            g = tl.tensor(np.array([value, 1, 2], "float32"), device=device) * scale
            parameter.grad = None if i == without else g
        with np.errstate(all="ignore"):
            scaler.step(optimizer)
            scaler.update()

    for value, without in ((1.0, None), (np.inf, 0), (2.0, 1), (3.0, None)):
        step(optimizer, value, without)
        for i, parameter in enumerate(parameters):
            parameter.grad = None if i == without else tl.tensor(np.full(3, 0.3, "float32"), device=device)
        optimizer.update_hessian(4)
    twin = copy.deepcopy(optimizer)
    step(optimizer, 5.0, 0)
    step(twin, 6.0)
    found = []
    for each in (optimizer, twin):
        state = each.state_dict()["state"].values()
        found += [[x for x in entry.values() if not hasattr(x, "shape")] for entry in state]
        found += [parameter.detach().to("cpu").numpy() for parameter in each.param_groups[0]["params"]]
    return found


def test_counts_of_parameters_that_are_updated_at_different_times(cuda):
    here, there = with_curvature("cpu"), with_curvature("cuda")
    assert here[:2] == [[3, 3], [3, 3]] and here[4:6] == [[4, 3], [3, 3]]
    for x, y in zip(here, there, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6)


def test_counts_follow_parameters_to_other_devices(cuda):
    if cuda.device_count < 2:
        pytest.skip("needs two GPUs")
    scaler = tl.GradScaler(init_scale=4.0)
    parameters = [nn.Parameter(tl.tensor(np.ones(3, "float32"), device=d)) for d in ("cuda:0", "cuda:1")]
    optimizer = optim.Adam(parameters, lr=0.1, clip_norm=0.5)
    for value in (1.0, np.nan, 2.0):
        scaler.scale(tl.ones((), device="cuda"))
        for i, parameter in enumerate(parameters):
            g = np.array([1.0, value if i else 1.0, 3.0], "float32")
            parameter.grad = tl.tensor(g, device=parameter.device)
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == 2.0
    assert [entry["step"] for entry in optimizer.state_dict()["state"].values()] == [2, 2]
    for parameter in parameters:
        parameter.data = parameter.detach().to("cpu").data
        parameter.grad = tl.ones(3)
    optimizer.step()
    assert [entry["step"] for entry in optimizer.state_dict()["state"].values()] == [3, 3]
    assert all(flat.counts is None for flat in optimizer.groups)
