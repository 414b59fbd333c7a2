"""Layers, optimizers and operations on a device that once asked there for what only main memory has."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.core.errors import IndexingError

RNG = np.random.default_rng(0)


def on_both(compute, *arrays):
    """What `compute(device, *tensors)` returns on the CPU and on the device, as lists of NumPy's arrays."""
    found = []
    for device in ("cpu", "cuda"):
        outputs = compute(device, *(tl.tensor(x, device=device) for x in arrays))
        assert all(out.device.partition(":")[0] == device for out in outputs)
        found.append([out.detach().cpu().numpy() for out in outputs])
    for here, there in zip(*found, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("where", ["list", "device"])
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_sequences_of_different_lengths(cuda, kind, where):
    """The order by length, in which the states are taken, is of main memory."""

    def run(device, x, h, c):
        layer = kind(3, 4, batch_first=True, dtype="float64", rng=tl.Generator(0)).to(device)
        lengths = [2, 5, 4] if where == "list" else tl.tensor([2, 5, 4], device=device)
        out, states = layer(x, (h, c) if kind is nn.LSTM else h, lengths=lengths)
        out.sum().backward()
        return [out, *(states if kind is nn.LSTM else [states]), *(p.grad for p in layer.parameters())]

    on_both(run, RNG.normal(size=(3, 5, 3)), *RNG.normal(size=(2, 1, 3, 4)))


def test_classes_of_an_adaptive_softmax(cuda):
    def run(device, x, target):
        layer = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [3, 11], 2.0, dtype="float64", rng=tl.Generator(0)).to(device)
        output, loss = layer(x, target)
        loss.backward()
        with pytest.raises(IndexingError, match="target has classes from 0 to 20; they must be from 0 to 19"):
            layer(x[:2], tl.tensor([0, 20], device=device))
        return [output, loss, *layer(x[0], target[0]), *(p.grad for p in layer.parameters())]

    on_both(run, RNG.normal(size=(7, 8)), np.array([0, 19, 5, 2, 12, 3, 10]))


def test_a_summary_of_a_model_on_a_device_calls_it_there(cuda):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    expected = str(nn.summary(model, (32, 4)))
    assert str(nn.summary(model.to("cuda"), (32, 4))) == expected


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs(cuda, search):
    def run(device, factors):
        w = nn.Parameter(tl.tensor([3.0, -2.0, 1.0], dtype="float64", device=device))
        optimizer = optim.LBFGS([w], lr=0.5, line_search_fn=search)

        def closure():
            optimizer.zero_grad()
            loss = (factors * (w - 1.5) ** 2).sum()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)
        return [w]

    on_both(run, np.array([0.5, 1.0, 2.0]))


def test_a_condition_that_is_one_python_value(cuda):
    def run(device, x):
        x.requires_grad = True
        y = tl.where(True, tl.exp(x), tl.sqrt(x)) + tl.where(False, tl.sqrt(x), x)
        y.sum().backward()
        return [y, x.grad]

    on_both(run, np.zeros(2))


def test_a_list_of_tensors_is_an_index(cuda):
    def run(device, x):
        places = [tl.tensor(2, device=device), tl.tensor(0, device=device)]
        return [x[places], x[:, places]]

    on_both(run, RNG.normal(size=(3, 4)))


def test_what_is_assigned_may_have_more_axes(cuda):
    def run(device, x):
        x[:, 1] = tl.ones((1, 1, 1), device=device)
        x[0] = tl.ones((1, 4), device=device) * 2.0
        x[np.array([1, 1]), 3] = tl.tensor([[3.0, 4.0]], dtype="float64", device=device)
        return [x]

    on_both(run, RNG.normal(size=(3, 4)))


def test_masks_of_main_memory_pick_from_batches(cuda):
    mask = np.array([True, False, True])

    def run(device, x):
        y = tl.ones(2, dtype="float64", device=device)
        return [tl.vmap(lambda row: row[mask] * 2.0)(x), tl.vmap(lambda row: tl.set_item(row, y, index=mask))(x)]

    on_both(run, RNG.normal(size=(4, 3)))


@pytest.mark.parametrize("samples", [None, RNG.random((2, 3, 2))], ids=["drawn", "given"])
def test_windows_that_lie_at_random(cuda, samples):
    def run(device, x):
        layer = nn.FractionalMaxPool2d(2, output_ratio=0.6, _random_samples=samples, rng=tl.Generator(1)).to(device)
        assert list(layer.state_dict()) == ([] if samples is None else ["_random_samples"])
        return [layer(x), layer(x)]

    on_both(run, RNG.normal(size=(2, 3, 9, 8)))
