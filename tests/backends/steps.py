"""Steps that are captured in tests, and what they leave."""

from __future__ import annotations

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import nn, optim

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 6, 5)).astype("float32"), RNG.integers(0, 3, size=(8, 6))


class Mixed(nn.Module):
    """A layer without a matrix product."""

    def __init__(self, inputs, outputs, *inside, seed=0):
        self.weight = nn.Parameter(np.random.default_rng(seed).normal(size=(inputs, outputs)).astype("float32"))
        self.bias = nn.Parameter(np.zeros(outputs, "float32"))
        self.inside = list(inside)

    def forward(self, x):
        x = tl.tanh((x[:, :, None] * self.weight).sum(axis=1) + self.bias)
        for layer in self.inside:
            x = layer(x)
        return x


def network(*inside):
    return nn.Sequential(Mixed(5, 4, *inside), Mixed(4, 3, seed=1))


def train(
    wrap, device, make_model=network, make_optimizer=lambda m: optim.Adam(m, 0.01), extra=lambda model: None,
    data=(X, Y),
):  # fmt: skip
    """Losses, the model and the step after some steps; NumPy's arrays are its arguments if there is no device."""
    tl.manual_seed(0)
    model = make_model() if device is None else make_model().to(device)
    optimizer = make_optimizer(model)

    def step(x, y):
        loss = tl.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        extra(model)
        optimizer.step()
        return loss

    run = wrap(step)
    losses = []
    for i, pair in enumerate(zip(*data, strict=True)):
        optimizer.lr = 0.01 / (i + 1)
        losses.append(run(*(x if device is None else tl.tensor(x, device=device) for x in pair)).item())
    return losses, model, run


def states(model):
    return {name: tl.Tensor(array).cpu().numpy() for name, array in model.state_dict().items()}


def programs(run):
    return [program for found in run.programs.values() for program in found]


def linear_step(extra=lambda w: None, seed=0, zero=True, shape=(3,)):
    """A weight, its optimizer, and a step whose gradient is the input."""
    start = np.random.default_rng(seed).normal(size=shape).astype("float32")
    w = tl.tensor(start, device="cuda", requires_grad=True)
    optimizer = optim.SGD([w], 0.1)

    def step(x):
        loss = (w * w * x).sum()
        if zero:
            optimizer.zero_grad()
        loss.backward()
        extra(w)
        optimizer.step()
        return loss

    return w, optimizer, step


def on_gpu(value, dtype="float32"):
    return tl.tensor(np.asarray(value, dtype), device="cuda")


def host(tensor):
    return tensor.detach().cpu().numpy().copy()


def both(run):
    """What `run(wrap)` gives with the step itself and with `jit`."""
    return run(lambda f: f), run(tl.jit)
