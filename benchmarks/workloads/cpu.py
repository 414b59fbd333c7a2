"""What training on a CPU consists of, from one operation to whole steps, each with what it should take at most.

The workloads are those of the other groups; only the limits, multiples of PyTorch's times, are stated here.
"""

from __future__ import annotations

from ..harness.workload import Budget, Workload
from .activations import CrossEntropy, GeluTanh, LayerNorm, ReLU, Softmax
from .convolution import Convolution, LeNet
from .dispatch import Chain, DenseLayer
from .imports import Import
from .matmul import Product
from .memory import workloads as memory
from .optimizers import workloads as optimizers
from .training import MLP
from .transformer import TinyGPT

__all__ = ["workloads"]


def workloads(quick: bool) -> list[Workload]:
    flat, rows, tokens = ((100_000,), (200, 256), (64, 500)) if quick else ((16_000_000,), (8192, 1024), (2048, 32000))
    large, small = optimizers(quick)
    (stack,) = memory(quick)
    return [
        _aim(Chain(100 if quick else 1000), torch=0.5),
        _aim(DenseLayer(), torch=0.5),
        _aim(MLP(32), captured=0.6, torch=0.8),
        *([] if quick else [_aim(MLP(256), torch=0.8), _aim(MLP(2048), torch=0.85)]),
        _aim(LeNet(8 if quick else 64), torch=1.2),
        _aim(Convolution(1 if quick else 16), torch=1.1),
        _aim(TinyGPT(1, 32, 16, 4) if quick else TinyGPT(4, 128, 64, 12), captured=0.75, torch=0.85),
        *(_aim(Product(n), torch=1.0) for n in ((128,) if quick else (1024, 2048))),
        _aim(GeluTanh(flat), torch=0.45),
        _aim(ReLU(flat), torch=0.3),
        _aim(Softmax(rows), torch=0.6),
        _aim(LayerNorm(rows), torch=0.9),
        _aim(CrossEntropy(tokens), torch=0.2),
        _aim(large, torch=0.3, torch_fused=1.8),
        _aim(small, torch=0.25, torch_fused=0.9),
        _aim(Import(quick), None if quick else 0.15, numpy=1.6),
        _aim(stack, None if quick else 750),
    ]


def _aim(workload: Workload, own: float | None = None, captured: float | None = None, **limits: float) -> Workload:
    """The workload on the CPU, held to `own` seconds or megabytes, and to multiples of columns.

    captured : what the captured step is held to, as a multiple of PyTorch's.
    """
    ratios = [Budget(limit, column) for column, limit in limits.items()]
    ratios += [Budget(captured, "torch", "tinygrad_lite_captured")] if captured else []
    workload.budgets = (*([Budget(own, None)] if own else []), *ratios)
    workload.devices = ("cpu",)
    return workload
