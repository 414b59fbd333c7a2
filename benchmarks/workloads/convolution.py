"""Convolutional workloads of the group `training`: LeNet, and one layer as it occurs in larger networks."""

from __future__ import annotations

import numpy as np

from ..harness.workload import Step, Workload
from . import by_hand

__all__ = ["Convolution", "LeNet"]


class LeNet(Workload):
    """Two convolutions with pooling, three dense layers, ReLU; cross-entropy and SGD with momentum."""

    checks = 3
    tolerance = 1e-3
    first_only = ("jax",)

    def __init__(self, batch: int) -> None:
        super().__init__(f"LeNet 28 x 28, SGD momentum, batch {batch}")
        self.batch = batch

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Images, classes, then weight and bias of each layer in PyTorch's layout."""
        x = rng.random((self.batch, 1, 28, 28), dtype=np.float32)
        parameters = []
        for shape in ((6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)):
            bound = float(np.prod(shape[1:])) ** -0.5
            parameters += [rng.uniform(-bound, bound, size).astype(np.float32) for size in (shape, shape[:1])]
        return x, rng.integers(10, size=self.batch), *parameters

    def numpy(self, x, k, *parameters) -> Step:
        w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = parameters
        images = x.transpose(0, 2, 3, 1)
        velocities = [np.zeros_like(p) for p in parameters]

        def step():
            z1, columns1 = by_hand.conv2d(images, w1, b1, padding=2)
            p1 = by_hand.max_pool(a1 := np.maximum(z1, 0))
            z2, columns2 = by_hand.conv2d(p1, w2, b2, padding=0)
            p2 = by_hand.max_pool(a2 := np.maximum(z2, 0))
            flat = p2.transpose(0, 3, 1, 2).reshape(len(x), -1)
            h1 = np.maximum(flat @ w3.T + b3, 0)
            h2 = np.maximum(h1 @ w4.T + b4, 0)
            loss, g = by_hand.cross_entropy(h2 @ w5.T + b5, k)
            gh2 = (g @ w5) * (h2 > 0)
            gh1 = (gh2 @ w4) * (h1 > 0)
            gp2 = (gh1 @ w3).reshape(len(x), 16, 5, 5).transpose(0, 2, 3, 1)
            gz2 = by_hand.max_pool_backward(gp2, a2, p2) * (a2 > 0)
            gz1 = by_hand.max_pool_backward(by_hand.conv2d_input(gz2, w2, 0), a1, p1) * (a1 > 0)
            gradients = [*by_hand.conv2d_parameters(gz1, columns1, w1), *by_hand.conv2d_parameters(gz2, columns2, w2)]
            for cotangent, values in ((gh1, flat), (gh2, h1), (g, h2)):
                gradients += [cotangent.T @ values, cotangent.sum(axis=0)]
            by_hand.momentum_step(parameters, gradients, velocities, 0.01)
            return loss, *gradients

        return step

    def tinygrad_lite(self, x, k, *parameters, captured: bool = False) -> Step:
        import tinygrad_lite as tl
        from tinygrad_lite import nn

        model = nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        ).to(x.device)
        model.load_state_dict(dict(zip(model.state_dict(), parameters, strict=True)))
        trained = list(model.parameters())
        optimizer = tl.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

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

    def torch(self, x, k, *parameters) -> Step:
        import torch
        from torch import nn

        model = nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        ).to(x.device)
        model.load_state_dict(dict(zip(model.state_dict(), parameters, strict=True)))
        trained = list(model.parameters())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

        def step():
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), k)
            loss.backward()
            optimizer.step()
            return loss, *(parameter.grad for parameter in trained)

        return step

    def jax(self, x, k, *parameters) -> Step:
        import jax
        import jax.numpy as jnp

        def pool(x):
            return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

        def loss(parameters, x, k):
            w1, b1, w2, b2, *dense = parameters
            x = jax.lax.conv_general_dilated(x, w1, (1, 1), ((2, 2), (2, 2))) + b1[:, None, None]
            x = pool(jax.nn.relu(x))
            x = jax.lax.conv_general_dilated(x, w2, (1, 1), "VALID") + b2[:, None, None]
            x = pool(jax.nn.relu(x)).reshape(len(k), -1)
            for w, b in zip(dense[::2], dense[1::2], strict=True):
                z = x @ w.T + b
                x = jax.nn.relu(z)
            return -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(len(k)), k])

        @jax.jit
        def update(parameters, velocities, x, k):
            value, gradients = jax.value_and_grad(loss)(parameters, x, k)
            velocities = jax.tree.map(lambda v, g: 0.9 * v + g, velocities, gradients)
            return value, jax.tree.map(lambda p, v: p - 0.01 * v, parameters, velocities), velocities

        velocities = jax.tree.map(jnp.zeros_like, parameters)

        def step():
            nonlocal parameters, velocities
            value, parameters, velocities = update(parameters, velocities, x, k)
            return value

        return step

    def mygrad(self, x, k, *parameters) -> Step:
        import mygrad as mg
        from mygrad.nnet.activations import relu
        from mygrad.nnet.layers import conv_nd, max_pool
        from mygrad.nnet.losses import softmax_crossentropy

        tensors = [mg.tensor(parameter, copy=False) for parameter in parameters]
        arrays = [tensor.data for tensor in tensors]
        velocities = [np.zeros_like(array) for array in arrays]

        def step():
            w1, b1, w2, b2, *dense = tensors
            y = max_pool(relu(conv_nd(x, w1, stride=1, padding=2) + b1.reshape(6, 1, 1)), (2, 2), 2)
            y = max_pool(relu(conv_nd(y, w2, stride=1) + b2.reshape(16, 1, 1)), (2, 2), 2).reshape(len(k), -1)
            for i in (0, 2, 4):
                z = y @ dense[i].T + dense[i + 1]
                y = relu(z) if i < 4 else z
            loss = softmax_crossentropy(y, k)
            loss.backward()
            gradients = [tensor.grad for tensor in tensors]
            by_hand.momentum_step(arrays, gradients, velocities, 0.01)
            return float(loss.data), *gradients

        return step


class Convolution(Workload):
    """One 3 x 3 convolution of 64 to 64 channels on 32 x 32, forward and all three derivatives."""

    def __init__(self, batch: int) -> None:
        super().__init__(f"conv 3 x 3, 64 to 64 channels, 32 x 32, batch {batch}")
        self.batch = batch

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        images = (self.batch, 64, 32, 32)
        return tuple(rng.standard_normal(shape, dtype=np.float32) for shape in (images, (64, 64, 3, 3), (64,), images))

    def numpy(self, x, w, b, g) -> Step:
        def step():
            y, columns = by_hand.conv2d(x.transpose(0, 2, 3, 1), w, b, padding=1)
            last = g.transpose(0, 2, 3, 1)
            gx = by_hand.conv2d_input(last, w, 1)
            return y.transpose(0, 3, 1, 2), gx.transpose(0, 3, 1, 2), *by_hand.conv2d_parameters(last, columns, w)

        return step

    def tinygrad_lite(self, x, w, b, g) -> Step:
        import tinygrad_lite as tl

        x.requires_grad = w.requires_grad = b.requires_grad = True

        def step():
            x.grad = w.grad = b.grad = None
            y = tl.conv2d(x, w, b, padding=1)
            y.backward(g)
            return y, x.grad, w.grad, b.grad

        return step

    def torch(self, x, w, b, g) -> Step:
        import torch

        x.requires_grad = w.requires_grad = b.requires_grad = True

        def step():
            x.grad = w.grad = b.grad = None
            y = torch.nn.functional.conv2d(x, w, b, padding=1)
            y.backward(g)
            return y, x.grad, w.grad, b.grad

        return step

    def jax(self, x, w, b, g) -> Step:
        import jax

        def convolution(x, w, b):
            return jax.lax.conv_general_dilated(x, w, (1, 1), ((1, 1), (1, 1))) + b[:, None, None]

        @jax.jit
        def derivatives(x, w, b, g):
            y, pull = jax.vjp(convolution, x, w, b)
            return y, *pull(g)

        return lambda: derivatives(x, w, b, g)

    def mygrad(self, x, w, b, g) -> Step:
        import mygrad as mg
        from mygrad.nnet.layers import conv_nd

        x, w, b = map(mg.tensor, (x, w, b))

        def step():
            y = conv_nd(x, w, stride=1, padding=1) + b.reshape(64, 1, 1)
            y.backward(g)
            return y, x.grad, w.grad, b.grad

        return step
