"""Modules, optimizers, penalties and files work on every backend, and give what they give in main memory."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tinygrad_lite import nn, optim
from tinygrad_lite.core.backend import backend_of, device_backend
from tinygrad_lite.io import load_weights, save_weights
from tinygrad_lite.regularizers import L1, L2, matrices


@pytest.fixture(params=["strict", "stand-in", "second device", pytest.param("gpu", marks=pytest.mark.gpu)])
def backend(request):
    if request.param in ("strict", "gpu"):
        yield request.getfixturevalue(request.param)
        return
    with fake_cupy.installed():
        made = device_backend("cuda")
        if request.param == "second device":
            made.default_device = "cuda:1"
        yield made


def train(device, optimizer, steps=4):
    """A few steps of a network with every kind of layer; the model."""
    model = nn.Sequential(
        *[nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Flatten()],
        *[nn.LayerNorm(12), nn.Dropout(0.3), nn.Linear(12, 4), nn.GELU()],
    )
    rng = np.random.default_rng(0)
    model.load_state_dict({name: rng.uniform(0.1, 1.0, v.shape) for name, v in model.state_dict().items()})
    model.to("float64").to(device)
    made = optimizer(model)
    tl.manual_seed(0)
    for _ in range(steps):
        x, y = rng.normal(size=(6, 1, 8, 8)), rng.integers(0, 4, 6)
        made.zero_grad()
        tl.cross_entropy(model(tl.tensor(x, device=device)), tl.tensor(y, device=device)).backward()
        norm = optim.clip_grad_norm(model, 0.5)
        optim.clip_grad_value(model, 0.2)
        made.step()
    assert norm.device == model[0].weight.device
    return model, made


OPTIMIZERS = [
    lambda m: optim.SGD(m, 0.1, momentum=0.9, nesterov=True),
    lambda m: optim.AdamW(m, 0.1, decay=L2(0.1).on(matrices) + L1(0.01)),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training(backend, optimizer):
    there, _ = train(backend.default_device, optimizer)
    here, _ = train("cpu", optimizer)
    for name, array in there.state_dict().items():
        assert isinstance(array, backend.array_types)
        np.testing.assert_allclose(
            backend.to_numpy(array), here.state_dict()[name], rtol=1e-9, atol=1e-12, err_msg=name
        )


def test_state_of_optimizers(backend):
    model, optimizer = train(backend.default_device, OPTIMIZERS[1])
    saved = optimizer.state_dict()
    other = OPTIMIZERS[1](copy.deepcopy(model))
    other.load_state_dict(saved)
    for name, entry in other.state_dict()["state"].items():
        for key, value in entry.items():
            host = [backend_of(v).to_numpy(v) if key != "step" else v for v in (value, saved["state"][name][key])]
            np.testing.assert_array_equal(*host)


def test_weights_move_through_files(backend, tmp_path):
    model, _ = train(backend.default_device, OPTIMIZERS[0], steps=1)
    save_weights(tmp_path / "weights", model)
    here, _ = train("cpu", OPTIMIZERS[0], steps=2)
    load_weights(tmp_path / "weights", here)
    other, _ = train(backend.default_device, OPTIMIZERS[0], steps=2)
    load_weights(tmp_path / "weights", other)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(backend.to_numpy(array), here.state_dict()[name])
        assert isinstance(other.state_dict()[name], backend.array_types)
        np.testing.assert_array_equal(backend.to_numpy(array), backend.to_numpy(other.state_dict()[name]))


def test_layers_made_on_a_device(backend):
    device = backend.default_device
    made = [nn.Linear(2, 3, device=device), nn.Conv2d(1, 2, 3, device=device), nn.Embedding(5, 2, 1, device=device)]
    made += [nn.LayerNorm(3, device=device), nn.BatchNorm1d(3, momentum=None, device=device)]
    for layer in made:
        assert all(isinstance(array, backend.array_types) for array in layer.state_dict().values())
    assert made[2](tl.tensor([0, 1], device=device)).sum().backward() is None
    made[4](tl.ones((4, 3), device=device))
