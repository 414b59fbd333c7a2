"""Every kernel in `OPS` beside the definition that it replaces, forward and backward.

The column `tinygrad_lite` calls the operation, so the kernel computes; `tinygrad_lite_definition` calls its body. A
ratio below 1 says that the kernel is worth having.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..harness.workload import Step, Workload

__all__ = ["KernelWorkload", "workloads"]

DEVICES = {"numpy": "cpu", "cupy": "cuda"}

Arguments = tuple[tuple[np.ndarray, ...], dict[str, Any]]
"""Arrays and static arguments of one call."""


def _shaped(*shapes: tuple[int, ...], **statics: Any) -> Callable[[np.random.Generator], Arguments]:
    return lambda rng: (tuple(rng.standard_normal(shape, dtype=np.float32) for shape in shapes), statics)


def _classes(rows: int, classes: int) -> Callable[[np.random.Generator], Arguments]:
    return lambda rng: ((rng.standard_normal((rows, classes), dtype=np.float32), rng.integers(classes, size=rows)), {})


def _images(batch: int, channels: int, size: int, **statics: Any) -> Callable[[np.random.Generator], Arguments]:
    return _shaped((batch, channels, size, size), **statics)


ROWS = {"8 x 10": _shaped((8, 10)), "256 x 1024": _shaped((256, 1024)), "8192 x 1024": _shaped((8192, 1024))}

ARGUMENTS: dict[str, dict[str, Callable[[np.random.Generator], Arguments]]] = {
    "softmax": ROWS,
    "log_softmax": ROWS,
    "logsumexp": ROWS,
    "layer_norm": {
        "32 x 64": _shaped((32, 64), (64,), (64,)),
        "8192 x 1024": _shaped((8192, 1024), (1024,), (1024,)),
    },
    "batch_norm": {"64 x 16 x 14 x 14": _shaped((64, 16, 14, 14), (16,), (16,))},
    "cross_entropy": {"64 x 10": _classes(64, 10), "2048 x 32000": _classes(2048, 32000)},
    "matmul": {"64": _shaped((64, 64), (64, 64)), "1024": _shaped((1024, 1024), (1024, 1024))},
    "conv2d": {
        "8 images, 5 x 5, 1 to 6": _shaped((8, 1, 28, 28), (6, 1, 5, 5), (6,), padding=2),
        "16 images, 3 x 3, 64 to 64": _shaped((16, 64, 32, 32), (64, 64, 3, 3), (64,), padding=1),
    },
    "max_pool2d": {"64 x 6 x 28 x 28": _images(64, 6, 28, kernel_size=2)},
    "avg_pool2d": {"64 x 6 x 28 x 28": _images(64, 6, 28, kernel_size=2)},
}
"""Sizes for each operation by name; elementwise operations need no entry."""


def workloads(quick: bool) -> list[Workload]:
    from tinygrad_lite import OPS

    made: list[Workload] = []
    for op in OPS.values():
        for backend in op.kernels:
            cases = ARGUMENTS.get(op.name) or _elementwise(op)
            for size in list(cases)[:1] if quick else cases:
                made.append(KernelWorkload(op, size, cases[size], DEVICES.get(backend, backend)))
    return made


def _elementwise(op: Any) -> dict[str, Callable[[np.random.Generator], Arguments]]:
    """Sizes of an operation on any shapes; for another, one entry that says that there is none."""
    if op.shapes != "elementwise":
        return {"no size": _missing}
    return {
        title: _shaped(*[shape] * len(op.arrays)) for title, shape in (("4096", (4096,)), ("16 M", (16_000_000,)))
    }


def _missing(rng: np.random.Generator) -> Arguments:
    raise LookupError("no sizes are given for this operation in benchmarks/workloads/kernels.py")


class KernelWorkload(Workload):
    """An operation through its kernel and through its definition."""

    reference = "tinygrad_lite_definition"

    def __init__(self, op: Any, size: str, draw: Callable[[np.random.Generator], Arguments], device: str) -> None:
        super().__init__(f"{op.name}, {size}")
        self.op, self.draw, self.devices = op, draw, (device,)

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return self.draw(rng)[0]

    def tinygrad_lite(self, *arrays) -> Step:
        raw = tuple(x.data for x in arrays)
        accepted = [
            kernel for kernels in self.op.kernels.values() for kernel in kernels if kernel.when(*raw, **self.statics())
        ]
        if not accepted:
            raise LookupError("no kernel takes these arguments")
        return self.step(self.op.function, arrays)

    def tinygrad_lite_definition(self, *arrays) -> Step:
        return self.step(definition(self.op), arrays)

    def statics(self) -> dict[str, Any]:
        """The static arguments of the call."""
        return self.draw(np.random.default_rng(0))[1]

    def step(self, function: Callable, arrays: tuple[Any, ...]) -> Step:
        """`function` and the derivatives that it has, for a cotangent of ones."""
        import tinygrad_lite as tl

        statics = self.statics()
        wanted = [x for name, x in self._named(arrays) if self._differentiable(name, x)]
        for x in wanted:
            x.requires_grad = True
        g = tl.ones_like(function(*arrays, **statics).detach())

        def step():
            for x in wanted:
                x.grad = None
            y = function(*arrays, **statics)
            if wanted:
                y.backward(g)
            return y, *(x.grad for x in wanted)

        return step

    def _named(self, arrays: tuple[Any, ...]) -> list[tuple[str, Any]]:
        return list(zip(self.op.arrays, arrays, strict=False))

    def _differentiable(self, name: str, x: Any) -> bool:
        return "float" in str(x.dtype) and (not self.op.primitive or name in self.op.rules)


def definition(op: Any) -> Callable:
    """The operation without its kernels: a composite's body, or a primitive's declared once more, outside of `OPS`."""
    from tinygrad_lite.core.op import Op
    from tinygrad_lite.core.registry import OPS

    if not op.primitive:
        return op.body
    twin = Op(op.body, op.rules, domain=op.domain, kinks=op.kinks, shapes=op.shapes, explain=op.explain)
    OPS[op.name] = op
    return twin.function
