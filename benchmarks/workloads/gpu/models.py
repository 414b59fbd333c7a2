"""The models that are trained on a GPU: a perceptron, LeNet, a residual network of 18 layers, and a GPT."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ...harness.workload import Step
from .. import convolution, training
from .training import Training

__all__ = ["GPT", "MLP", "LeNet", "ResNet"]


class MLP(Training):
    """784-256-128-10 with ReLU, cross-entropy and Adam."""

    optimizer = ("Adam", {"lr": 1e-3})
    first_only = ("jax",)

    def __init__(self, batch: int) -> None:
        self.twin = training.MLP(batch)
        super().__init__(self.twin.name)

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return self.twin.inputs(rng)

    def model(self, nn: Any, ops: Any) -> Any:
        pairs = list(pairwise(training.LAYERS))
        layers = [layer for n, m in pairs for layer in (nn.Linear(n, m), nn.ReLU())]
        return nn.Sequential(*layers[:-1])

    def jax(self, x, k, *parameters) -> Step:
        return self.twin.jax(x, k, *parameters)


class LeNet(Training):
    """Two convolutions with pooling, three dense layers, ReLU; cross-entropy and SGD with momentum."""

    optimizer = ("SGD", {"lr": 0.01, "momentum": 0.9})
    first_only = ("jax",)

    def __init__(self, batch: int) -> None:
        self.twin = convolution.LeNet(batch)
        super().__init__(self.twin.name)

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return self.twin.inputs(rng)

    def model(self, nn: Any, ops: Any) -> Any:
        return nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        )

    def jax(self, x, k, *parameters) -> Step:
        return self.twin.jax(x, k, *parameters)


class ResNet(Training):
    """Basic blocks, of which each stage after the first halves the image; SGD with momentum, products in TF32.

    widths : the channels of each stage. With (64, 128, 256, 512), two blocks a stage and 1000 classes: ResNet-18.
    stem : the size of the first filter, which has stride 2 and is followed by pooling if it is 7.

    Compared are the loss and the last layer's gradients of the first step. Rounding to TF32 alone changes those by up
    to 0.004 of their largest value, but those of other layers by 0.1 and more, and by 0.5 in the second step.

    Source: K. He et al., Deep residual learning for image recognition, 2015, arXiv:1512.03385.
    """

    optimizer = ("SGD", {"lr": 0.1, "momentum": 0.9})
    tf32 = True
    checks = 1
    tolerance = 2e-2
    compared = ("head.",)

    def __init__(self, batch: int, side: int, widths: tuple[int, ...], blocks: int, classes: int, stem: int) -> None:
        layers = 2 + 2 * blocks * len(widths)
        super().__init__(f"ResNet-{layers}, {side} x {side}, SGD momentum, batch {batch}, TF32")
        self.batch, self.side, self.widths, self.blocks = batch, side, widths, blocks
        self.classes, self.stem = classes, stem

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        images = rng.standard_normal((self.batch, 3, self.side, self.side), dtype=np.float32)
        parameters: list[np.ndarray] = []

        def convolution(inputs: int, outputs: int, size: int) -> None:
            scale = np.float32((2 / (outputs * size**2)) ** 0.5)
            filters = scale * rng.standard_normal((outputs, inputs, size, size), dtype=np.float32)
            parameters.extend([filters, np.ones(outputs, np.float32), np.zeros(outputs, np.float32)])

        convolution(3, self.widths[0], self.stem)
        for inputs, outputs, stride in self._blocks():
            convolution(inputs, outputs, 3)
            convolution(outputs, outputs, 3)
            if stride > 1:
                convolution(inputs, outputs, 1)
        bound = self.widths[-1] ** -0.5
        shapes = (self.classes, self.widths[-1]), (self.classes,)
        parameters += [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes]
        return images, rng.integers(self.classes, size=self.batch), *parameters

    def _blocks(self) -> list[tuple[int, int, int]]:
        """Channels in, channels out and stride of each block."""
        found, inputs = [], self.widths[0]
        for i, width in enumerate(self.widths):
            for j in range(self.blocks):
                found.append((inputs, width, 2 if i and not j else 1))
                inputs = width
        return found

    def model(self, nn: Any, ops: Any) -> Any:
        def convolution(inputs: int, outputs: int, size: int, stride: int) -> list[Any]:
            filters = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
            return [filters, nn.BatchNorm2d(outputs)]

        class Block(nn.Module):
            def __init__(self, inputs: int, outputs: int, stride: int) -> None:
                super().__init__()
                first, second = convolution(inputs, outputs, 3, stride), convolution(outputs, outputs, 3, 1)
                self.body = nn.Sequential(*first, nn.ReLU(), *second)
                self.skip = nn.Sequential(*(convolution(inputs, outputs, 1, stride) if stride > 1 else ()))
                self.relu = nn.ReLU()

            def forward(self, x):
                return self.relu(self.body(x) + self.skip(x))

        large = self.stem == 7
        stem = [*convolution(3, self.widths[0], self.stem, 2 if large else 1), nn.ReLU()]
        stem += [nn.MaxPool2d(3, stride=2, padding=1)] if large else []
        blocks = [Block(*block) for block in self._blocks()]
        head = nn.Linear(self.widths[-1], self.classes)

        class Model(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.head = nn.Sequential(*stem, *blocks), head

            def forward(self, x):
                return self.head(self.body(x).mean(axis=(2, 3)))

        return Model()


class GPT(Training):
    """Causal attention, GELU, layer norms before each part; AdamW, with products and attention in bfloat16.

    Rounding alone changes gradients by 0.02 of their largest value in three steps at this rate, by 0.045 at ten times
    it (6 layers of 192): the first update is as large where a gradient is noise.
    """

    optimizer = ("AdamW", {"lr": 1e-4})
    low = "bfloat16"
    tf32 = True  # of what autocast leaves in float32
    tolerance = 8e-2
    compared = ("positions", "blocks.0.", "norm.")

    def __init__(self, batch: int, layers: int, width: int, heads: int, length: int, vocabulary: int) -> None:
        super().__init__(f"GPT, {layers} layers of {width}, {length} tokens, AdamW, batch {batch}, bfloat16")
        self.batch, self.layers, self.width, self.heads = batch, layers, width, heads
        self.length, self.vocabulary = length, vocabulary

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Tokens (batch, length), the tokens that follow them (batch * length,), then the parameters."""
        d, scale = self.width, np.float32(0.02)

        def normal(*shape: int) -> np.ndarray:
            return scale * rng.standard_normal(shape, dtype=np.float32)

        def norm() -> list[np.ndarray]:
            return [np.ones(d, np.float32), np.zeros(d, np.float32)]

        parameters = [normal(self.vocabulary, d), normal(self.length, d)]
        for _ in range(self.layers):
            qkv, out, up, down = (
                [normal(m, n), np.zeros(m, np.float32)] for m, n in ((3 * d, d), (d, d), (4 * d, d), (d, 4 * d))
            )
            parameters += [*norm(), *qkv, *out, *norm(), *up, *down]
        parameters += [*norm(), normal(self.vocabulary, d)]
        tokens = rng.integers(self.vocabulary, size=(self.batch, self.length + 1))
        return tokens[:, :-1].copy(), tokens[:, 1:].reshape(-1), *parameters

    def model(self, nn: Any, ops: Any) -> Any:
        heads, vocabulary = self.heads, self.vocabulary

        class Block(nn.Module):
            def __init__(self, d: int) -> None:
                super().__init__()
                self.norm1, self.qkv, self.out = nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d)
                self.norm2 = nn.LayerNorm(d)
                self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(approximate="tanh"), nn.Linear(4 * d, d))

            def forward(self, x):
                n, t, d = x.shape
                parts = ops.thirds(self.qkv(self.norm1(x)))
                q, k, v = (ops.permute(part.reshape((n, t, heads, d // heads)), (0, 2, 1, 3)) for part in parts)
                mixed = ops.permute(ops.attention(q, k, v), (0, 2, 1, 3)).reshape((n, t, d))
                x = x + self.out(mixed)
                return x + self.mlp(self.norm2(x))

        class Model(nn.Module):
            def __init__(self, layers: int, d: int, length: int) -> None:
                super().__init__()
                self.tokens, self.positions = nn.Embedding(vocabulary, d), nn.Embedding(length, d)
                self.blocks = nn.Sequential(*(Block(d) for _ in range(layers)))
                self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, vocabulary, bias=False)

            def forward(self, x):
                y = self.blocks(self.tokens(x) + self.positions.weight)
                return self.head(self.norm(y)).reshape((-1, vocabulary))

        return Model(self.layers, self.width, self.length)
