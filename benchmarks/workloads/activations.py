"""Single operations of networks, forward and backward: on arrays far larger than the caches, and on small ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..harness.workload import Step, Workload

__all__ = ["workloads"]


def workloads(quick: bool) -> list[Workload]:
    small = (64, 64)
    if quick:
        flat, rows = (1_000_000,), (1000, 1000)
        return [ReLU(small), ReLU(flat), GeluTanh(flat), Softmax(rows), CrossEntropy((64, 10))]
    flat, rows = (16_000_000,), (8192, 1024)
    large = {ReLU: flat, GeluTanh: flat, GeluExact: (4_000_000,), Sigmoid: flat}
    large |= {Softmax: rows, LogSoftmax: rows, LayerNorm: rows}
    pairs = [kind(shape) for kind in large for shape in (small, large[kind])]
    return [*pairs, CrossEntropy((64, 10)), CrossEntropy((2048, 32000))]


class Activation(Workload):
    """`y = f(x)` and the derivatives for a given cotangent `g`.

    title : the operation's name.
    functions : for each library, from its module to `f`.
    differentiated : how many of the arguments after `g`, from the first, get a derivative.
    """

    functions: ClassVar[dict[str, Callable[[Any], Callable]]]
    title: str
    differentiated = 1

    def __init__(self, shape: tuple[int, ...]) -> None:
        size = " x ".join(f"{n / 1e6:g} M" if n >= 1_000_000 else str(n) for n in shape)
        super().__init__(f"{self.title}, {size}")
        self.shape = shape

    def columns(self) -> dict[str, str]:
        written = ("numpy", *self.functions)
        return {column: library for column, library in super().columns().items() if self.method(column) in written}

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return tuple(rng.standard_normal(self.shape, dtype=np.float32) for _ in range(2))

    def tinygrad_lite(self, g, *arguments) -> Step:
        import tinygrad_lite as tl

        f, wanted = self.functions["tinygrad_lite"](tl), arguments[: self.differentiated]
        for x in wanted:
            x.requires_grad = True

        def step():
            for x in wanted:
                x.grad = None
            y = f(*arguments)
            y.backward(g)
            return y, *(x.grad for x in wanted)

        return step

    def torch(self, g, *arguments) -> Step:
        import torch

        f, wanted = self.functions["torch"](torch), arguments[: self.differentiated]
        for x in wanted:
            x.requires_grad_()

        def step():
            for x in wanted:
                x.grad = None
            y = f(*arguments)
            y.backward(g)
            return y, *(x.grad for x in wanted)

        return step

    def jax(self, g, *arguments) -> Step:
        import jax

        f, n = self.functions["jax"](jax), self.differentiated

        @jax.jit
        def derivatives(g, *arguments):
            y, pull = jax.vjp(lambda *wanted: f(*wanted, *arguments[n:]), *arguments[:n])
            return y, *pull(g)

        return lambda: derivatives(g, *arguments)

    def autograd(self, g, *arguments) -> Step:
        import autograd.numpy
        from autograd import make_vjp
        from autograd.builtins import tuple

        f, n = self.functions["autograd"](autograd.numpy), self.differentiated

        def step():
            pull, y = make_vjp(lambda wanted: f(*wanted, *arguments[n:]))(tuple(arguments[:n]))
            return y, *pull(g)

        return step

    def mygrad(self, g, *arguments) -> Step:
        import mygrad as mg

        f, wanted = self.functions["mygrad"](mg), [mg.tensor(x) for x in arguments[: self.differentiated]]

        def step():
            y = f(*wanted, *arguments[self.differentiated :])
            y.backward(g)
            return y, *(x.grad for x in wanted)

        return step


class ReLU(Activation):
    title = "relu"
    functions: ClassVar = {
        "tinygrad_lite": lambda tl: tl.relu,
        "torch": lambda torch: torch.relu,
        "jax": lambda jax: jax.nn.relu,
        "autograd": lambda np: lambda x: np.maximum(x, 0),
        "mygrad": lambda mg: mg.nnet.activations.relu,
    }

    def numpy(self, g, x) -> Step:
        return lambda: (np.maximum(x, 0), g * (x > 0))


class Sigmoid(Activation):
    title = "sigmoid"
    functions: ClassVar = {
        "tinygrad_lite": lambda tl: tl.sigmoid,
        "torch": lambda torch: torch.sigmoid,
        "jax": lambda jax: jax.nn.sigmoid,
        "autograd": lambda np: lambda x: 1 / (1 + np.exp(-x)),
        "mygrad": lambda mg: mg.nnet.activations.sigmoid,
    }

    def numpy(self, g, x) -> Step:
        def step():
            y = 1 / (1 + np.exp(-x))
            return y, g * y * (1 - y)

        return step


class GeluTanh(Activation):
    title = "gelu, tanh"
    functions: ClassVar = {
        "tinygrad_lite": lambda tl: lambda x: tl.gelu(x, approximate="tanh"),
        "torch": lambda torch: lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        "jax": lambda jax: lambda x: jax.nn.gelu(x, approximate=True),
        "autograd": lambda np: lambda x: 0.5 * x * (1 + np.tanh(C * (x + 0.044715 * x * x * x))),
        "mygrad": lambda mg: lambda x: 0.5 * x * (1 + mg.tanh(C * (x + 0.044715 * x * x * x))),
    }

    def numpy(self, g, x) -> Step:
        def step():
            t = np.tanh(C * (x + 0.044715 * x * x * x))
            slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (C * (1 + 3 * 0.044715 * x * x))
            return 0.5 * x * (1 + t), g * slope

        return step


C = math.sqrt(2 / math.pi)


class GeluExact(Activation):
    title = "gelu, exact"
    reference = "expected"
    functions: ClassVar = {
        "tinygrad_lite": lambda tl: tl.gelu,
        "torch": lambda torch: torch.nn.functional.gelu,
        "jax": lambda jax: lambda x: jax.nn.gelu(x, approximate=False),
    }

    def expected(self, g, x) -> Step:
        """NumPy has no error function, so this is only a reference and not a column."""
        cdf = 0.5 * (1 + np.asarray(np.frompyfunc(math.erf, 1, 1)(x / math.sqrt(2)), dtype=np.float64))
        density = np.exp(-0.5 * np.square(x, dtype=np.float64)) / math.sqrt(2 * math.pi)
        return lambda: (x * cdf, g * (cdf + x * density))


class Softmax(Activation):
    title = "softmax"
    functions: ClassVar = {
        "tinygrad_lite": lambda tl: lambda x: tl.softmax(x, axis=-1),
        "torch": lambda torch: lambda x: torch.softmax(x, dim=-1),
        "jax": lambda jax: jax.nn.softmax,
        "autograd": lambda np: lambda x: _normalized(np, np.exp(x - np.max(x, axis=-1, keepdims=True))),
        "mygrad": lambda mg: mg.nnet.activations.softmax,
    }

    def numpy(self, g, x) -> Step:
        def step():
            y = _normalized(np, np.exp(x - x.max(axis=-1, keepdims=True)))
            return y, y * (g - np.sum(g * y, axis=-1, keepdims=True))

        return step


def _normalized(np: Any, e: Any) -> Any:
    return e / np.sum(e, axis=-1, keepdims=True)


class LogSoftmax(Activation):
    title = "log_softmax"
    functions: ClassVar = {
        "tinygrad_lite": lambda tl: lambda x: tl.log_softmax(x, axis=-1),
        "torch": lambda torch: lambda x: torch.log_softmax(x, dim=-1),
        "jax": lambda jax: jax.nn.log_softmax,
        "autograd": lambda np: lambda x: _log_softmax(np, x),
        "mygrad": lambda mg: mg.nnet.activations.logsoftmax,
    }

    def numpy(self, g, x) -> Step:
        def step():
            y = _log_softmax(np, x)
            return y, g - np.exp(y) * g.sum(axis=-1, keepdims=True)

        return step


def _log_softmax(np: Any, x: Any) -> Any:
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


class LayerNorm(Activation):
    """With a scale and a shift, and their derivatives."""

    title = "layer_norm"
    differentiated = 3
    functions: ClassVar = {
        "tinygrad_lite": lambda tl: tl.layer_norm,
        "torch": lambda torch: lambda x, w, b: torch.nn.functional.layer_norm(x, w.shape, w, b),
        "jax": lambda jax: lambda x, w, b: _layer_norm(jax.numpy, x, w, b),
        "autograd": lambda np: lambda x, w, b: _layer_norm(np, x, w, b),
        "mygrad": lambda mg: lambda x, w, b: _layer_norm(mg, x, w, b),
    }

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        n = self.shape[-1:]
        return tuple(rng.standard_normal(shape, dtype=np.float32) for shape in (self.shape, self.shape, n, n))

    def numpy(self, g, x, w, b) -> Step:
        def step():
            centred = x - x.mean(axis=-1, keepdims=True)
            scale = 1 / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)
            normal = centred * scale
            gn = g * w
            gx = gn - gn.mean(axis=-1, keepdims=True) - normal * np.mean(gn * normal, axis=-1, keepdims=True)
            return normal * w + b, gx * scale, np.sum(g * normal, axis=0), g.sum(axis=0)

        return step


def _layer_norm(np: Any, x: Any, w: Any, b: Any) -> Any:
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * w + b


class CrossEntropy(Activation):
    """Mean over the rows, targets as class indices."""

    title = "cross_entropy"
    functions: ClassVar = {
        "tinygrad_lite": lambda tl: tl.cross_entropy,
        "torch": lambda torch: torch.nn.functional.cross_entropy,
        "jax": lambda jax: lambda x, k: -jax.numpy.mean(_picked(jax.numpy, jax.nn.log_softmax(x), k)),
        "autograd": lambda np: lambda x, k: -np.mean(_picked(np, _log_softmax(np, x), k)),
        "mygrad": lambda mg: mg.nnet.losses.softmax_crossentropy,
    }

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        rows, classes = self.shape
        logits = rng.standard_normal(self.shape, dtype=np.float32)
        return np.ones((), dtype=np.float32), logits, rng.integers(classes, size=rows)

    def numpy(self, g, x, k) -> Step:
        def step():
            y = _log_softmax(np, x)
            gx = np.exp(y)
            gx[np.arange(len(k)), k] -= 1
            return -np.mean(_picked(np, y, k)), gx * (g / np.float32(len(k)))

        return step


def _picked(np: Any, x: Any, k: Any) -> Any:
    """`x[i, k[i]]` for every row i."""
    return x[np.arange(len(k)), k]
