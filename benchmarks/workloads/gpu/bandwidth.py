"""What memory's bandwidth bounds: copies, single operations forward and backward, optimizers; and what a call costs.

Rates count the fewest bytes that the computation has to move: each input read once, each result written once. What a
library moves beyond that shows as a lower rate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness.workload import Step, Workload
from .. import activations
from ..dispatch import Chain

__all__ = ["AdamWStep", "Copy", "CrossEntropy", "Gelu", "HostCost", "LayerNorm", "ReLU", "Softmax"]

FLOAT = 4
"""Bytes of a float32."""


class HostCost(Chain):
    """The chain of small operations, recorded and swept: until the last of them was queued, not until it was done."""

    reference = "torch"
    clock = "host"
    budgets = ()

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.name = f"host's time, {self.name}"

    def columns(self) -> dict[str, str]:
        return {"tinygrad_lite": "tinygrad_lite", "torch": "torch"}


class Copy(Workload):
    """A copy from one array into another: the bandwidth that the others are measured by."""

    unit = "GB/s"
    reference = "torch"

    def __init__(self, size: int) -> None:
        super().__init__(f"copy, {size / 1e6:g} M", work=2 * FLOAT * size)
        self.size = size

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return (rng.standard_normal(self.size, dtype=np.float32),)

    def tinygrad_lite(self, x) -> Step:
        import tinygrad_lite as tl

        y = tl.zeros_like(x)
        xp = _array_library(x)

        def step():
            xp.copyto(y.data, x.data)
            return y

        return step

    def torch(self, x) -> Step:
        import torch

        y = torch.zeros_like(x)
        return lambda: y.copy_(x)


def _array_library(x: Any) -> Any:
    """The array library of a tensor's data: CuPy on a GPU."""
    from tinygrad_lite.core.backend import backend_of

    return backend_of(x.data).xp


class _Filling(activations.Activation):
    """An operation on arrays that fill the chip: rates, and PyTorch's compiled one beside them.

    passes : how many arrays of the operand's size are read or written at least, forward and backward.
    """

    unit = "GB/s"
    reference = "torch"
    passes = 5

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.work = self.passes * FLOAT * float(np.prod(shape))

    def columns(self) -> dict[str, str]:
        return {"tinygrad_lite": "tinygrad_lite", "torch": "torch", "torch_compiled": "torch", "jax": "jax"}

    def torch_compiled(self, g, *arguments) -> Step:
        import torch

        f = self.functions["torch"](torch)
        compiled = torch.compile(lambda *given: f(*given))
        wanted = arguments[: self.differentiated]
        for x in wanted:
            x.requires_grad_()

        def step():
            for x in wanted:
                x.grad = None
            y = compiled(*arguments)
            y.backward(g)
            return y, *(x.grad for x in wanted)

        return step


class Gelu(_Filling, activations.GeluTanh):
    pass


class ReLU(_Filling, activations.ReLU):
    pass


class Softmax(_Filling, activations.Softmax):
    pass


class LayerNorm(_Filling, activations.LayerNorm):
    pass


class CrossEntropy(_Filling, activations.CrossEntropy):
    """The gradient can be made while the logits are there: they are read once, and it is written once."""

    passes = 2


class AdamWStep(Workload):
    """AdamW's step alone, on gradients that are there: parameter and both averages read and written, gradient read."""

    unit = "GB/s"
    reference = "torch"
    checks = 3
    compared = 4

    def __init__(self, count: int, shape: tuple[int, int]) -> None:
        size = count * shape[0] * shape[1]
        super().__init__(f"AdamW's step, {size / 1e6:g} M parameters", work=7 * FLOAT * size)
        self.count, self.shape = count, shape

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """The gradients."""
        return tuple(rng.standard_normal(self.shape, dtype=np.float32) for _ in range(self.count))

    def tinygrad_lite(self, *gradients) -> Step:
        import tinygrad_lite as tl

        parameters = [tl.nn.Parameter(tl.zeros_like(gradient)) for gradient in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer = tl.optim.AdamW(parameters, lr=1e-3)

        def step():
            optimizer.step()
            return parameters[: self.compared]

        return step

    def torch(self, *gradients, **options) -> Step:
        import torch

        parameters = [torch.nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer = torch.optim.AdamW(parameters, lr=1e-3, **options)

        def step():
            optimizer.step()
            return parameters[: self.compared]

        return step

    def torch_fused(self, *gradients) -> Step:
        """With the optimizer's fused implementation, which is not PyTorch's default."""
        return self.torch(*gradients, fused=True)
