"""What training on a GPU consists of, from the host's time for an operation to a GPT; sizes fill a large GPU.

Every workload is written for tinygrad_lite and for PyTorch, whose results are the reference, and most for JAX.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...harness.workload import Workload
from .bandwidth import AdamWStep, Copy, CrossEntropy, Gelu, HostCost, LayerNorm, ReLU, Softmax
from .models import GPT, MLP, LeNet, ResNet
from .products import Convolution, Layer, Product

__all__ = ["TINY", "Sizes", "made", "workloads"]


@dataclass(frozen=True)
class Sizes:
    """How large the workloads are.

    chain : three operations so many times. flat : elements. rows, classes : of rows. products : n by precision.
    batches : of the MLP. lenet : batch. images : batch of the convolutions. layers : convolutions.
    resnet, gpt : arguments of their classes. parameters : count and shape.
    """

    chain: int
    flat: int
    rows: tuple[int, int]
    classes: tuple[int, int]
    products: dict[str, int]
    batches: tuple[int, ...]
    lenet: int
    images: int
    layers: tuple[Layer, ...]
    resnet: tuple
    gpt: tuple[int, ...]
    parameters: tuple[int, tuple[int, int]]


RESNET_18 = (
    Layer(3, 64, 7, 2, 224),
    Layer(64, 64, 3, 1, 56),
    Layer(64, 128, 3, 2, 56),
    Layer(128, 128, 3, 1, 28),
    Layer(256, 256, 3, 1, 14),
    Layer(512, 512, 3, 1, 7),
)

FULL = Sizes(
    chain=50,
    flat=64_000_000,
    rows=(32768, 2048),
    classes=(2048, 32000),
    products={"float32": 4096, "TF32": 8192, "bfloat16": 8192},
    batches=(32, 256, 8192),
    lenet=64,
    images=32,
    layers=RESNET_18,
    resnet=(32, 224, (64, 128, 256, 512), 2, 1000, 7),
    gpt=(4, 12, 768, 12, 1024, 50304),
    parameters=(25, (2000, 2000)),
)

QUICK = Sizes(
    chain=20,
    flat=4_000_000,
    rows=(4096, 1024),
    classes=(256, 8000),
    products={"float32": 1024, "TF32": 1024, "bfloat16": 1024},
    batches=(32,),
    lenet=16,
    images=4,
    layers=RESNET_18[1:2],
    resnet=(4, 32, (16, 32), 1, 10, 3),
    gpt=(2, 2, 128, 4, 128, 1000),
    parameters=(4, (500, 500)),
)

TINY = Sizes(
    chain=3,
    flat=300,
    rows=(3, 20),
    classes=(3, 20),
    products={"float32": 16, "TF32": 16, "bfloat16": 16},
    batches=(2,),
    lenet=2,
    images=2,
    layers=(Layer(3, 4, 7, 2, 8), Layer(4, 4, 3, 1, 4)),
    resnet=(2, 8, (4, 8), 1, 3, 3),
    gpt=(1, 1, 16, 2, 8, 11),
    parameters=(5, (3, 4)),
)
"""Sizes at which kernels can be emulated on a processor."""


def workloads(quick: bool) -> list[Workload]:
    return made(QUICK if quick else FULL)


def made(sizes: Sizes) -> list[Workload]:
    """All workloads at these sizes, the shorter ones first."""
    return [
        Copy(sizes.flat),
        HostCost(sizes.chain),
        *(MLP(batch) for batch in sizes.batches),
        LeNet(sizes.lenet),
        Gelu((sizes.flat,)),
        ReLU((sizes.flat,)),
        Softmax(sizes.rows),
        LayerNorm(sizes.rows),
        CrossEntropy(sizes.classes),
        *(Product(n, precision) for precision, n in sizes.products.items()),
        AdamWStep(*sizes.parameters),
        GPT(*sizes.gpt),
        *(Convolution(sizes.images, layer) for layer in sizes.layers),
        ResNet(*sizes.resnet),
    ]
