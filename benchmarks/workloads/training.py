"""Whole training steps: forward, loss, backward, update. Compared are losses and gradients of the first three steps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ..harness.workload import Step, Workload
from . import by_hand
from .by_hand import NumpyAdam

__all__ = ["workloads"]

LAYERS = (784, 256, 128, 10)


def workloads(quick: bool) -> list[Workload]:
    from .convolution import Convolution, LeNet
    from .transformer import TinyGPT

    if quick:
        return [MLP(32), LeNet(16), Convolution(2), TinyGPT(1, 32, 16, 4)]
    return [*map(MLP, (32, 256, 2048)), LeNet(64), Convolution(16), TinyGPT(4, 128, 64, 12)]


class MLP(Workload):
    """784-256-128-10 with ReLU, cross-entropy and Adam."""

    checks = 3
    first_only = ("jax",)  # gradients as further outputs would cost its compiled step time

    def __init__(self, batch: int) -> None:
        super().__init__(f"MLP {'-'.join(map(str, LAYERS))}, Adam, batch {batch}")
        self.batch = batch

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Images, classes, then weight (out, in) and bias of each layer."""
        x = rng.random((self.batch, LAYERS[0]), dtype=np.float32)
        parameters = []
        for n, m in pairwise(LAYERS):
            bound = n**-0.5
            parameters += [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in ((m, n), (m,))]
        return x, rng.integers(LAYERS[-1], size=self.batch), *parameters

    def numpy(self, x, k, *parameters) -> Step:
        weights, biases = parameters[::2], parameters[1::2]
        optimizer = NumpyAdam(parameters)

        def step():
            activations = [x]
            for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
                z = activations[-1] @ w.T + b
                activations.append(np.maximum(z, 0) if i < 2 else z)
            loss, g = by_hand.cross_entropy(activations.pop(), k)
            gradients = []
            for i in (2, 1, 0):
                gradients += [g.sum(axis=0), g.T @ activations[i]]
                if i:
                    g = (g @ weights[i]) * (activations[i] > 0)
            optimizer.step(gradients[::-1])
            return loss, *gradients[::-1]

        return step

    def tinygrad_lite(self, x, k, *parameters, captured: bool = False) -> Step:
        import tinygrad_lite as tl
        from tinygrad_lite import nn

        a, b, c, d = LAYERS
        model = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c), nn.ReLU(), nn.Linear(c, d)).to(x.device)
        model.load_state_dict(dict(zip(model.state_dict(), parameters, strict=True)))
        trained = list(model.parameters())
        optimizer = tl.optim.Adam(model.parameters(), lr=1e-3)

        def train(x, k):
            optimizer.zero_grad()
            loss = tl.cross_entropy(model(x), k)
            loss.backward()
            optimizer.step()
            return loss

        run = tl.jit(train) if captured else train
        return lambda: (run(x, k), *(parameter.grad for parameter in trained))

    def tinygrad_lite_captured(self, x, k, *parameters) -> Step:
        """The same step, captured by `jit`."""
        return self.tinygrad_lite(x, k, *parameters, captured=True)

    def torch(self, x, k, *parameters, **options) -> Step:
        import torch
        from torch import nn

        a, b, c, d = LAYERS
        model = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c), nn.ReLU(), nn.Linear(c, d)).to(x.device)
        model.load_state_dict(dict(zip(model.state_dict(), parameters, strict=True)))
        trained = list(model.parameters())
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **options)

        def step():
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), k)
            loss.backward()
            optimizer.step()
            return loss, *(parameter.grad for parameter in trained)

        return step

    def torch_fused(self, x, k, *parameters) -> Step:
        """With the optimizer's fused implementation, which is not PyTorch's default."""
        return self.torch(x, k, *parameters, fused=True)

    def jax(self, x, k, *parameters) -> Step:
        import jax
        import jax.numpy as jnp

        def loss(parameters, x, k):
            for i in (0, 2, 4):
                z = x @ parameters[i].T + parameters[i + 1]
                x = jax.nn.relu(z)
            return -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(len(k)), k])

        @jax.jit
        def update(state, x, k):
            parameters, m, v, t = state
            value, gradients = jax.value_and_grad(loss)(parameters, x, k)
            t += 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
            rate, correction = 1e-3 / (1 - 0.9**t), 1 / (1 - 0.999**t)
            new = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v * correction) + 1e-8), parameters, m, v)
            return value, (new, m, v, t)

        zeros = jax.tree.map(jnp.zeros_like, parameters)
        state = (parameters, zeros, zeros, 0)

        def step():
            nonlocal state
            value, state = update(state, x, k)
            return value

        return step

    def autograd(self, x, k, *parameters) -> Step:
        import autograd.numpy as np
        from autograd import value_and_grad

        def loss(parameters):
            y = x
            for i in (0, 2, 4):
                z = np.dot(y, parameters[i].T) + parameters[i + 1]
                y = np.maximum(z, 0)
            shifted = z - np.max(z, axis=1, keepdims=True)
            log_probabilities = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
            return -np.mean(log_probabilities[np.arange(len(k)), k])

        derivatives, optimizer = value_and_grad(loss), NumpyAdam(parameters)

        def step():
            value, gradients = derivatives(parameters)
            optimizer.step(gradients)
            return value, *gradients

        return step

    def mygrad(self, x, k, *parameters) -> Step:
        import mygrad as mg
        from mygrad.nnet.activations import relu
        from mygrad.nnet.losses import softmax_crossentropy

        tensors = [mg.tensor(parameter, copy=False) for parameter in parameters]
        optimizer = NumpyAdam([tensor.data for tensor in tensors])

        def step():
            y = x
            for i in (0, 2, 4):
                z = y @ tensors[i].T + tensors[i + 1]
                y = relu(z) if i < 4 else z
            loss = softmax_crossentropy(y, k)
            loss.backward()
            gradients = [tensor.grad for tensor in tensors]
            optimizer.step(gradients)
            return float(loss.data), *gradients

        return step
