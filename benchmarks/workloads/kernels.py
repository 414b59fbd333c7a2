"""Every kernel in `OPS` beside the definition that it replaces, forward and backward.

The column `tinygrad_lite` calls the operation, so the kernel computes; `tinygrad_lite_definition` calls its body. A
ratio below 1 says that the kernel is worth having.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..harness.workload import Step, Workload

__all__ = ["KernelWorkload", "workloads"]

DEVICES = {"numpy": "cpu", "cupy": "cuda"}

Argument = tuple[int, ...] | float | Callable[[np.random.Generator], np.ndarray]
"""A shape stands for normally distributed numbers, a number for itself, a function for the array that it draws."""


class Call(NamedTuple):
    """The arguments with which an operation is timed."""

    arguments: tuple[Argument, ...]
    statics: dict[str, Any]


def _call(*arguments: Argument, **statics: Any) -> Call:
    return Call(arguments, statics)


def _mask(*shape: int) -> Argument:
    return lambda rng: rng.random(shape) < 0.5


def _positive(*shape: int) -> Argument:
    return lambda rng: rng.uniform(0.5, 2.0, shape).astype(np.float32)


def _contracting(*shape: int) -> Argument:
    """A matrix that shortens vectors: larger ones make a recurrence chaotic, and rounding grows."""
    return lambda rng: (0.5 * shape[-1] ** -0.5 * rng.standard_normal(shape)).astype(np.float32)


def _classes(rows: int, classes: int) -> Argument:
    return lambda rng: rng.integers(classes, size=rows)


ROWS = {"256 x 1024": _call((256, 1024)), "8192 x 1024": _call((8192, 1024))}
POOLED = {"64 x 6 x 28 x 28": _call((64, 6, 28, 28), kernel_size=2)}
FULL = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
BATCHES = {f"{n} images, 3 x 3, 64 to 64": (n, 64, 32, 32) for n in (2, 16)}
FILTERS = (64, 64, 3, 3)
M = 1_000_000
STEPS = {"batch_sizes": (32,) * 50}

CALLS: dict[str, dict[str, Call]] = {
    "where": {
        "1 M, or 0": _call(_mask(M), (M,), 0.0),
        "1 M": _call(_mask(M), (M,), (M,)),
        "16 M, or 0": _call(_mask(16 * M), (16 * M,), 0.0),
    },
    "gelu": {
        "1 M, tanh": _call((M,), approximate="tanh"),
        "1 M, exact": _call((M,)),
        "16 M, tanh": _call((16 * M,), approximate="tanh"),
    },
    "sum": {"64": _call((64,)), "32 x 64 over rows": _call((32, 64), axis=0), "16 M": _call((16 * M,))},
    "mean": {"64": _call((64,)), "32 x 64 over rows": _call((32, 64), axis=0), "16 M": _call((16 * M,))},
    "broadcast_to": {"64 to 32 x 64": _call((64,), shape=(32, 64))},
    "softmax": ROWS,
    "log_softmax": ROWS,
    "logsumexp": ROWS,
    "layer_norm": {
        "32 x 64": _call((32, 64), (64,), (64,)),
        "8192 x 1024": _call((8192, 1024), (1024,), (1024,)),
    },
    "rms_norm": {"32 x 64": _call((32, 64), (64,)), "8192 x 1024": _call((8192, 1024), (1024,))},
    "batch_norm": {"64 x 16 x 14 x 14": _call((64, 16, 14, 14), (16,), _positive(16), (16,), (16,))},
    "group_norm": {
        "32 x 256 x 14 x 14": _call((32, 256, 14, 14), (256,), (256,), num_groups=32),
        "32 x 256 x 56 x 56": _call((32, 256, 56, 56), (256,), (256,), num_groups=32),
    },
    "instance_norm": {
        "32 x 64 x 56 x 56": _call((32, 64, 56, 56), (64,), (64,)),
        "4 x 64 x 256 x 256": _call((4, 64, 256, 256), (64,), (64,)),
    },
    "cross_entropy": {
        "64 x 10": _call((64, 10), _classes(64, 10)),
        "2048 x 32000": _call((2048, 32000), _classes(2048, 32000)),
    },
    "matmul": {"64": _call((64, 64), (64, 64)), "1024": _call((1024, 1024), (1024, 1024))},
    "linear": {
        "768 x 128 by 128 x 512": _call((768, 128), (512, 128), (512,)),
        "2048 x 784 by 784 x 256": _call((2048, 784), (256, 784), (256,)),
    },
    "scaled_dot_product_attention": {
        "causal, 12 x 4 x 64 x 32": _call(*[(12, 4, 64, 32)] * 3, is_causal=True),
        "8 x 8 x 512 x 64": _call(*[(8, 8, 512, 64)] * 3),
    },
    "conv2d": {
        "16 images, 3 x 3, 64 to 64": _call((16, 64, 32, 32), (64, 64, 3, 3), (64,), padding=1),
    },
    "convolve_nd": {title: _call(x, FILTERS, **FULL) for title, x in BATCHES.items()},
    "convolve_nd_input": {title: _call(y, FILTERS, image=(32, 32), **FULL) for title, y in BATCHES.items()},
    "convolve_nd_weight": {title: _call(y, y, kernel=(3, 3), **FULL) for title, y in BATCHES.items()},
    "max_pool1d": {"64 x 16 x 1000": _call((64, 16, 1000), kernel_size=2)},
    "max_pool2d": POOLED,
    "max_pool3d": {"4 x 8 x 16 x 32 x 32": _call((4, 8, 16, 32, 32), kernel_size=2)},
    "avg_pool1d": {"64 x 16 x 1000": _call((64, 16, 1000), kernel_size=2)},
    "avg_pool2d": POOLED,
    "avg_pool3d": {"4 x 8 x 16 x 32 x 32": _call((4, 8, 16, 32, 32), kernel_size=2)},
    "rnn_scan": {"50 x 32, 128": _call((1600, 128), _contracting(128, 128), (32, 128), **STEPS)},
    "lstm_scan": {"50 x 32, 128": _call((1600, 512), _contracting(512, 128), (32, 128), (32, 128), **STEPS)},
    "gru_scan": {"50 x 32, 128": _call((1600, 384), _contracting(384, 128), (32, 128), (384,), **STEPS)},
}
"""Calls of each operation that has kernels, by title; elementwise operations need no entry."""


def workloads(quick: bool) -> list[Workload]:
    from tinygrad_lite import OPS

    made: list[Workload] = []
    for op in OPS.values():
        for backend in op.kernels.backends():
            calls: Mapping[str, Call | None] = CALLS.get(op.name) or _elementwise(op)
            for title in list(calls)[:1] if quick else calls:
                made.append(KernelWorkload(op, title, calls[title], DEVICES.get(backend, backend)))
    return made


def _elementwise(op: Any) -> Mapping[str, Call | None]:
    """Calls of an operation on arrays of any shapes; for another, one entry that stands for its lack."""
    if op.shapes != "elementwise":
        return {"no call given": None}
    sizes = {"64": 64, "4096": 4096, "1 M": M, "16 M": 16 * M}
    taken = {title: size for title, size in sizes.items() if _taken(op, size)}
    return {title: _call(*[(size,)] * len(op.arrays)) for title, size in (taken or sizes).items()}


def _taken(op: Any, size: int) -> bool:
    """Whether one of the operation's kernels is for arrays of this size, many being worth it only for large ones."""
    arrays = [np.empty(size, dtype=np.float32)] * len(op.arrays)
    return any(kernel.when(*arrays) for kernel in op.kernels["numpy"])


class KernelWorkload(Workload):
    """An operation through its kernel and through its definition."""

    reference = "tinygrad_lite_definition"

    def __init__(self, op: Any, title: str, call: Call | None, device: str) -> None:
        super().__init__(f"{op.name}, {title}")
        self.op, self.given, self.devices = op, call is not None, (device,)
        self.call = call or _call()

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        if not self.given:
            raise LookupError("benchmarks/workloads/kernels.py gives no call of this operation")
        return tuple(
            argument(rng) if callable(argument) else rng.standard_normal(argument, dtype=np.float32)
            for argument in self.call.arguments
            if not isinstance(argument, float)
        )

    def tinygrad_lite(self, *arrays) -> Step:
        raw = self._arguments([x.data for x in arrays])
        kernels = self.op.kernels
        here = [k for name in kernels.backends() if DEVICES.get(name, name) in self.devices for k in kernels[name]]
        if not any(kernel.when(*raw, **self.call.statics) for kernel in here):
            raise LookupError("no kernel takes these arguments")
        return self._step(self.op.function, arrays)

    def tinygrad_lite_definition(self, *arrays) -> Step:
        return self._step(definition(self.op), arrays)

    def _arguments(self, arrays: Sequence[Any]) -> list[Any]:
        """All arguments of the call: the arrays, and the numbers between them."""
        following = iter(arrays)
        return [argument if isinstance(argument, float) else next(following) for argument in self.call.arguments]

    def _step(self, function: Callable, arrays: Sequence[Any]) -> Step:
        """`function` and the derivatives that it has, for a random cotangent (of ones: softmax has none)."""
        import tinygrad_lite as tl

        arguments, statics = self._arguments(arrays), self.call.statics
        named = zip(self.op.arrays, arguments, strict=False)
        wanted = [x for name, x in named if isinstance(x, tl.Tensor) and self._differentiable(name, x)]
        for x in wanted:
            x.requires_grad = True
        y = function(*arguments, **statics)
        g = tl.Tensor(np.random.default_rng(0).standard_normal(y.shape, dtype=np.float32)).to(y.device)

        def step():
            for x in wanted:
                x.grad = None
            y = function(*arguments, **statics)
            if wanted:
                y.backward(g)
            return y, *(x.grad for x in wanted)

        return step

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
