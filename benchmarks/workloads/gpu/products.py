"""What tensor cores bound: matrix products in several precisions, and the convolutions of a residual network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...harness.workload import Step, Workload

__all__ = ["Convolution", "Layer", "Product", "allow_tf32"]

JAX_PRECISIONS = {"float32": "highest", "TF32": "tensorfloat32", "bfloat16": "default"}


def allow_tf32(library: str, allowed: bool) -> None:
    """Whether products and convolutions of float32 may round their factors to TF32, in the whole process."""
    precision = "high" if allowed else "highest"
    if library == "torch":
        import torch

        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = allowed
    else:
        import tinygrad_lite as tl

        tl.set_matmul_precision(precision)


class Product(Workload):
    """`x @ y` of square matrices, on constants.

    precision : "float32"; "TF32", the same with rounded factors; or "bfloat16".
    """

    unit = "TFLOP/s"
    reference = "torch"

    def __init__(self, n: int, precision: str) -> None:
        super().__init__(f"x@y, {n}, {precision}", work=2.0 * n**3)
        self.n, self.precision = n, precision
        self.tolerance = {"float32": 1e-4, "TF32": 3e-3, "bfloat16": 2e-2}[precision]

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return tuple(rng.standard_normal((self.n, self.n), dtype=np.float32) for _ in range(2))

    def tinygrad_lite(self, x, y) -> Step:
        allow_tf32("tinygrad_lite", self.precision == "TF32")
        if self.precision == "bfloat16":
            x, y = x.astype("bfloat16"), y.astype("bfloat16")
        return lambda: x @ y

    def torch(self, x, y) -> Step:
        allow_tf32("torch", self.precision == "TF32")
        if self.precision == "bfloat16":
            x, y = x.bfloat16(), y.bfloat16()
        return lambda: x @ y

    def jax(self, x, y) -> Step:
        import jax

        if self.precision == "bfloat16":
            x, y = x.astype("bfloat16"), y.astype("bfloat16")
        product = jax.jit(lambda x, y: jax.numpy.matmul(x, y, precision=JAX_PRECISIONS[self.precision]))
        return lambda: product(x, y)


class Layer(NamedTuple):
    """A convolution with padding of half its size: channels, size of the square filter, stride, side of the image."""

    inputs: int
    outputs: int
    size: int
    stride: int
    side: int


class Convolution(Workload):
    """A layer of ResNet-18, forward and both derivatives, in TF32: three products."""

    unit = "TFLOP/s"
    reference = "torch"
    tolerance = 5e-3

    def __init__(self, batch: int, layer: Layer) -> None:
        inputs, outputs, size, stride, side = layer
        work = 6.0 * batch * outputs * (-(-side // stride)) ** 2 * inputs * size**2
        title = f"{size} x {size}, {inputs} to {outputs} channels" + f", stride {stride}" * (stride > 1)
        super().__init__(f"conv {title}, {side} x {side}, batch {batch}, TF32", work)
        self.batch, self.layer = batch, layer

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Images, filters, and the cotangent of the result."""
        inputs, outputs, size, stride, side = self.layer
        small = -(-side // stride)
        shapes = (self.batch, inputs, side, side), (outputs, inputs, size, size), (self.batch, outputs, small, small)
        return tuple(rng.standard_normal(shape, dtype=np.float32) for shape in shapes)

    def tinygrad_lite(self, x, w, g) -> Step:
        import tinygrad_lite as tl

        allow_tf32("tinygrad_lite", True)
        return self._step(tl.conv2d, x, w, g)

    def torch(self, x, w, g) -> Step:
        import torch

        allow_tf32("torch", True)
        return self._step(torch.nn.functional.conv2d, x, w, g)

    def _step(self, convolve, x, w, g) -> Step:
        x.requires_grad = w.requires_grad = True
        settings = {"stride": self.layer.stride, "padding": self.layer.size // 2}

        def step():
            x.grad = w.grad = None
            y = convolve(x, w, **settings)
            y.backward(g)
            return y, x.grad, w.grad

        return step

    def jax(self, x, w, g) -> Step:
        import jax

        stride, half = (self.layer.stride,) * 2, (self.layer.size // 2,) * 2

        def convolution(x, w):
            return jax.lax.conv_general_dilated(x, w, stride, (half, half), precision="tensorfloat32")

        @jax.jit
        def derivatives(x, w, g):
            y, pull = jax.vjp(convolution, x, w)
            return y, *pull(g)

        return lambda: derivatives(x, w, g)
