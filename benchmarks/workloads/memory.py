"""How much memory a training step needs at its peak: above what the imported library has, in a fresh process."""

from __future__ import annotations

import numpy as np

from ..harness.workload import Step, Workload

__all__ = ["workloads"]


def workloads(quick: bool) -> list[Workload]:
    return [DenseStack(512, 12, 1024) if quick else DenseStack(2048, 12, 4096)]


class DenseStack(Workload):
    """A stack of `Linear` and `ReLU` of equal width, forward and backward."""

    unit = "MB"

    def __init__(self, width: int, depth: int, batch: int) -> None:
        super().__init__(f"{depth} x (Linear {width}, ReLU), batch {batch}")
        self.width, self.depth, self.batch = width, depth, batch

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return (rng.standard_normal((self.batch, self.width), dtype=np.float32),)

    def numpy(self, x) -> Step:
        rng = np.random.default_rng(0)
        bound = self.width**-0.5
        weights = [
            rng.random((self.width, self.width), dtype=np.float32) * (2 * bound) - bound for _ in range(self.depth)
        ]
        biases = [np.zeros(self.width, dtype=np.float32) for _ in weights]

        def step():
            activations = [x]
            for w, b in zip(weights, biases, strict=True):
                y = activations[-1] @ w.T
                y += b
                activations.append(np.maximum(y, 0, out=y))
            g = np.full_like(y, 1 / y.size)
            gradients = []
            for i in reversed(range(self.depth)):
                g *= activations.pop() > 0
                gradients += [g.T @ activations[-1], g.sum(axis=0)]
                if i:
                    g = g @ weights[i]
            return gradients

        return step

    def tinygrad_lite(self, x) -> Step:
        from tinygrad_lite import nn

        model = nn.Sequential(
            *(layer for _ in range(self.depth) for layer in (nn.Linear(self.width, self.width), nn.ReLU()))
        ).to(x.device)

        def step():
            for parameter in model.parameters():
                parameter.grad = None
            loss = model(x).mean()
            loss.backward()
            return loss

        return step

    def torch(self, x) -> Step:
        from torch import nn

        model = nn.Sequential(
            *(layer for _ in range(self.depth) for layer in (nn.Linear(self.width, self.width), nn.ReLU()))
        ).to(x.device)

        def step():
            for parameter in model.parameters():
                parameter.grad = None
            loss = model(x).mean()
            loss.backward()
            return loss

        return step
