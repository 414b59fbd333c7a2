"""Steps of an optimizer alone, on gradients that are already there: a few large parameters, and many small ones."""

from __future__ import annotations

import numpy as np

from ..harness.workload import Step, Workload
from .by_hand import NumpyAdam

__all__ = ["AdamStep", "workloads"]


def workloads(quick: bool) -> list[Workload]:
    large = AdamStep(6, (64, 512)) if quick else AdamStep(6, (2048, 2048))
    return [large, AdamStep(50, (64, 64))]


class AdamStep(Workload):
    """One step of Adam. The parameters start at 0, so that what is compared, the parameters, is the sum of updates."""

    checks = 3

    def __init__(self, count: int, shape: tuple[int, int]) -> None:
        super().__init__(f"Adam's step, {count} x ({shape[0]}, {shape[1]})")
        self.count, self.shape = count, shape

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """The gradients."""
        return tuple(rng.standard_normal(self.shape, dtype=np.float32) for _ in range(self.count))

    def numpy(self, *gradients) -> Step:
        parameters = [np.zeros_like(gradient) for gradient in gradients]
        optimizer = NumpyAdam(parameters)

        def step():
            optimizer.step(gradients)
            return parameters

        return step

    def tinygrad_lite(self, *gradients) -> Step:
        import tinygrad_lite as tl

        parameters = [tl.nn.Parameter(tl.zeros_like(gradient)) for gradient in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer = tl.optim.Adam(parameters, lr=1e-3)

        def step():
            optimizer.step()
            return parameters

        return step

    def torch(self, *gradients, **options) -> Step:
        import torch

        parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer = torch.optim.Adam(parameters, lr=1e-3, **options)

        def step():
            optimizer.step()
            return parameters

        return step

    def torch_fused(self, *gradients) -> Step:
        """With the optimizer's fused implementation, which is not PyTorch's default."""
        return self.torch(*gradients, fused=True)

    def jax(self, *gradients) -> Step:
        import functools

        import jax
        import jax.numpy as jnp

        @functools.partial(jax.jit, donate_argnums=0)
        def update(state, gradients):
            parameters, m, v, t = state
            t += 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
            rate, correction = 1e-3 / (1 - 0.9**t), 1 / (1 - 0.999**t)
            new = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v * correction) + 1e-8), parameters, m, v)
            return new, m, v, t

        zeros = [jax.tree.map(jnp.zeros_like, gradients) for _ in range(3)]
        state = (*zeros, 0)

        def step():
            nonlocal state
            state = update(state, gradients)
            return state[0]

        return step
