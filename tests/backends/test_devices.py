"""Two GPUs: work is done where its arrays are, whichever device is the current one, and arrays of two do not mix."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tinygrad_lite import nn, optim
from tinygrad_lite.core.backend import device_backend


@pytest.fixture(autouse=True)
def cupy():
    with fake_cupy.installed() as module:
        yield module
        assert module.cuda.Device().id == 0


def on(device, *values):
    return tl.tensor(np.array(values), device=device)


# Arrays of two devices


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("add", lambda x, y: x + y),
        ("add", lambda x, y: tl.add(x.data, y.data)),
        ("where", lambda x, y: tl.where(x > 0, x, y)),
        ("concat", lambda x, y: tl.concat([x, y])),
        ("getitem", lambda x, y: x[tl.astype(y, "int64")]),
        ("silu", lambda x, y: tl.silu(x) * y),
        ("mse_loss", lambda x, y: tl.mse(x.data, y.data)),
    ],
)
def test_arrays_of_two_devices_in_one_call(name, call):
    with pytest.raises(tl.BackendError) as raised:
        call(on("cuda:1", 1.0, 2.0), on("cuda", 0.0, 1.0))
    message = str(raised.value)
    assert "got arrays on cuda:1 and on cuda:0; all arrays of a call must be on one device." in message
    assert "for example with x.to('cuda:1')" in message
    if name not in ("silu", "mse_loss"):
        assert message.startswith(f"{name}: ")


# What is made on a device


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1"])
@pytest.mark.parametrize(
    "make",
    [
        lambda device: tl.zeros((2, 3), device=device),
        lambda device: tl.full((2,), 7, device=device),
        lambda device: tl.arange(3, device=device),
        lambda device: tl.linspace(0.0, 1.0, 5, device=device),
        lambda device: tl.eye(2, device=device),
        lambda device: tl.empty_like(tl.zeros(3, device=device)),
        lambda device: tl.zeros_like(tl.zeros(3), device=device),
        lambda device: tl.tensor([1.0, 2.0], device=device),
        lambda device: tl.asarray(np.ones(3), device=device),
        lambda device: tl.ops.random.normal((2, 2), rng=tl.Generator(0), device=device),
        lambda device: tl.ops.random.permutation(4, rng=tl.Generator(0), device=device),
        lambda device: tl.ops.random.bernoulli(0.5, (3,), rng=tl.Generator(0), device=device),
        lambda device: nn.Linear(3, 2, device=device).weight.detach(),
    ],
)
def test_what_is_made_on_a_device_is_there(make, device):
    made = make(device)
    assert made.device == ("cuda:1" if device == "cuda:1" else "cuda:0")
    with device_backend("cuda").on(made.data):
        made.numpy()


# Differentiating


def test_a_graph_over_two_devices():
    def loss(first, second):
        x = tl.tensor([0.5, 1.0, 2.0], device=first, requires_grad=True)
        y = (x * x).to(second)
        z = tl.tanh(y) + y.sum()
        back = (z * 2.0).to(first) * x
        back.sum().backward()
        return x.grad

    expected = loss("cpu", "cpu")
    for first, second in (("cuda", "cuda:1"), ("cuda:1", "cuda"), ("cpu", "cuda:1"), ("cuda:1", "cpu")):
        got = loss(first, second)
        assert got.device == tl.zeros(1, device=first).device
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-6)


def test_one_input_of_consumers_on_two_devices():
    x = tl.tensor([1.0, 2.0], device="cuda", requires_grad=True)
    far = [x.to("cuda:1") * 3.0, x.to("cuda:1") * 5.0]
    (far[0] + far[1]).sum().to("cuda").backward()
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [10.0, 12.0])


@pytest.mark.parametrize(
    "transform",
    [
        lambda x: tl.grad(lambda x: tl.sum(tl.exp(x) * x))(x),
        lambda x: tl.hessian(lambda x: tl.sum(tl.silu(x)))(x),
        lambda x: tl.jacobian(lambda x: tl.where(x > 0, x * x, tl.sin(x)))(x),
        lambda x: tl.jvp(lambda x: tl.softmax(x) * x, (x,), (x,))[1],
        lambda x: tl.vmap(lambda row: tl.log_softmax(row * 2.0).sum())(x[:, None] * x),
        lambda x: tl.vmap(tl.grad(lambda a: tl.tanh(a) * a))(x),
        lambda x: tl.grad(tl.checkpoint(lambda x: tl.sum(tl.sin(x) ** 2)))(x),
    ],
)
def test_transforms_on_the_second_device(transform, cupy):
    values = np.array([0.3, -0.7, 1.1])
    cuda = device_backend("cuda")
    x = cuda.asarray(values, device="cuda:1")
    with cupy.cuda.Device(1):
        x, there = tl.Tensor(x), None
    there = transform(x)
    assert there.device == "cuda:1"
    np.testing.assert_allclose(there.numpy(), transform(tl.Tensor(values)).numpy(), rtol=1e-12, atol=1e-14)


def test_synchronizing_waits_for_all_devices_or_for_one(cupy, monkeypatch):
    waited = []
    monkeypatch.setattr(cupy.cuda.Device, "synchronize", lambda self: waited.append(self.id))
    device_backend("cuda").synchronize()
    device_backend("cuda").synchronize("cuda:1")
    assert waited == [0, 1, 1]


# Moving models and what trains them


def model():
    rng = tl.Generator(0)
    made = nn.Sequential(nn.Linear(5, 4, rng=rng), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 4, rng=rng))
    made.tied = made[3].weight
    made.extra = nn.Buffer(np.arange(3.0), persistent=False)
    return made


def test_modules_move_whole():
    made = model()
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    calls = []
    made[0].register_forward_hook(lambda module, args, output: calls.append(output.device))
    made[0].weight.register_hook(lambda g: calls.append(g.device))
    before, weight = made.state_dict(), made[0].weight
    for move, device in (
        (lambda: made.cuda(), "cuda:0"), (lambda: made.to("cuda:1"), "cuda:1"), (lambda: made.cpu(), "cpu"),
        (lambda: made.to(device="cuda:1", non_blocking=True), "cuda:1"),
    ):  # fmt: skip
        assert move() is made
        tensors = [*made.parameters(), *made.buffers()]
        assert {tensor.device for tensor in tensors} == {device}
        assert made.tied is made[3].weight and made[0].weight is weight and len(tensors) == 10
        made(tl.tensor(x, device=device)).sum().backward()
        assert calls[-2:] == [device, device] and weight.grad.device == device
        made.zero_grad()
    for name, array in made.to("cpu").state_dict().items():
        if "running" not in name and "num_batches" not in name:
            np.testing.assert_array_equal(array, before[name])


OPTIMIZERS = {
    "SGD": lambda m: optim.SGD(m, 0.1, momentum=0.9),
    "Adam": lambda m: optim.Adam(m, 0.05),
    "groups": lambda m: optim.AdamW([{"params": m[0], "lr": 0.1}, {"params": [*m[1].parameters()]}], 0.05),
    "Muon": lambda m: optim.Muon([m[0].weight, m[3].weight], 0.05),
    "Adafactor": lambda m: optim.Adafactor(m, 0.05),
    "Lookahead": lambda m: optim.Lookahead(optim.Adam(m, 0.05), k=2),
    "free": lambda m: optim.AdamWScheduleFree(m, 0.05),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("places", [("cuda", "cuda:1"), ("cpu", "cuda:1"), ("cuda:1", "cpu")])
def test_training_goes_on_as_it_was_when_the_model_is_moved(kind, places):
    rng = np.random.default_rng(1)
    batches = [(rng.normal(size=(6, 5)), rng.integers(0, 4, 6)) for _ in range(6)]

    def trained(first, second):
        made = model().to("float64").to(first)
        made[1] = nn.LayerNorm(4, dtype="float64", device=first)  # behind which the bias has a gradient
        optimizer = OPTIMIZERS[kind](made)
        for i, (x, y) in enumerate(batches):
            device = first if i < 3 else second
            made.to(device)
            optimizer.zero_grad()
            tl.cross_entropy(made(tl.tensor(x, device=device)), tl.tensor(y, device=device)).backward()
            optimizer.step()
        assert {flat.device for flat in optimizer.groups} == {tl.zeros(1, device=second).device}
        return made.to("cpu").state_dict(), optimizer.state_dict().get("param_groups")

    moved, groups = trained(*places)
    stayed, expected = trained(places[1], places[1])
    assert groups == expected
    for name, array in stayed.items():
        np.testing.assert_allclose(moved[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_state_of_an_optimizer_moves_bit_for_bit_and_part_of_a_model_alone():
    made = model()
    optimizer = optim.Adam(made, 0.05)
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    made(x).sum().backward()
    optimizer.step()
    before = optimizer.state_dict()["state"]
    made[3].to("cuda:1")
    optimizer.zero_grad()
    optimizer.step()  # nobody has a gradient
    after = optimizer.state_dict()["state"]
    assert sorted(flat.device for flat in optimizer.groups) == ["cpu", "cuda:1"]
    assert list(before) == list(after)
    for name, entry in before.items():
        assert entry["step"] == after[name]["step"] == 1
        for key in ("exp_avg", "exp_avg_sq"):
            moved = tl.Tensor(after[name][key])
            assert moved.device == ("cuda:1" if name.startswith(("3.", "tied")) else "cpu")
            np.testing.assert_array_equal(moved.numpy(), entry[key])
