"""Small operations, where the time is not in the arithmetic: what a library itself costs per operation."""

from __future__ import annotations

import numpy as np

from ..harness.workload import Budget, Step, Workload

__all__ = ["workloads"]


def workloads(quick: bool) -> list[Workload]:
    return [Chain(100 if quick else 1000), DenseLayer()]


class Chain(Workload):
    """`x = tanh(x * a + b)` again and again on one element: three operations a time, forward and backward.

    NumPy's version is a bare tape: what the fewest lines of Python that can differentiate this chain cost.
    """

    unit = "us/op"
    budgets = (Budget(2.5, "numpy"),)

    def __init__(self, length: int) -> None:
        super().__init__(f"tanh(x*a + b), {length} times", work=3 * length)
        self.length = length

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return tuple(np.full(1, value, dtype=np.float32) for value in (1.0, 0.9, 0.1, 1.0))

    def numpy(self, x: np.ndarray, a: np.ndarray, b: np.ndarray, g: np.ndarray) -> Step:
        def step():
            tape, y = [], x
            for _ in range(self.length):
                u = y * a
                tape.append(("multiply", y, a))
                v = u + b
                tape.append(("add",))
                y = np.tanh(v)
                tape.append(("tanh", y))
            gy, ga, gb = g, None, None
            for entry in reversed(tape):
                if entry[0] == "tanh":
                    gy = gy * (1 - entry[1] * entry[1])
                elif entry[0] == "add":
                    gb = gy if gb is None else gb + gy
                else:
                    product = gy * entry[1]
                    ga = product if ga is None else ga + product
                    gy = gy * entry[2]
            return y, gy, ga, gb

        return step

    def tinygrad_lite(self, x, a, b, g) -> Step:
        import tinygrad_lite as tl

        x.requires_grad = a.requires_grad = b.requires_grad = True

        def step():
            x.grad = a.grad = b.grad = None
            y = x
            for _ in range(self.length):
                y = tl.tanh(y * a + b)
            y.backward(g)
            return y, x.grad, a.grad, b.grad

        return step

    def torch(self, x, a, b, g) -> Step:
        import torch

        for tensor in (x, a, b):
            tensor.requires_grad_()

        def step():
            x.grad = a.grad = b.grad = None
            y = x
            for _ in range(self.length):
                y = torch.tanh(y * a + b)
            y.backward(g)
            return y, x.grad, a.grad, b.grad

        return step

    def jax(self, x, a, b, g) -> Step:
        import jax
        import jax.numpy as jnp

        def chain(x, a, b):
            return jax.lax.fori_loop(0, self.length, lambda _, y: jnp.tanh(y * a + b), x)

        @jax.jit
        def derivatives(x, a, b, g):
            y, pull = jax.vjp(chain, x, a, b)
            return y, *pull(g)

        return lambda: derivatives(x, a, b, g)

    def autograd(self, x, a, b, g) -> Step:
        import autograd.numpy as np
        from autograd import make_vjp
        from autograd.builtins import tuple

        def chain(inputs):
            y, a, b = inputs
            for _ in range(self.length):
                y = np.tanh(y * a + b)
            return y

        def step():
            pull, y = make_vjp(chain)(tuple((x, a, b)))
            return y, *pull(g)

        return step

    def mygrad(self, x, a, b, g) -> Step:
        import mygrad as mg

        x, a, b = map(mg.tensor, (x, a, b))

        def step():
            y = x
            for _ in range(self.length):
                y = mg.tanh(y * a + b)
            y.backward(g)
            return y, x.grad, a.grad, b.grad

        return step


class DenseLayer(Workload):
    """`relu(x @ W + b)` for a batch of 32, forward and backward: a small layer as it occurs in a small network."""

    def __init__(self) -> None:
        super().__init__("relu(x@W + b), (32, 64) by (64, 64)")

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        shapes = ((32, 64), (64, 64), (64,), (32, 64))
        return tuple(rng.standard_normal(shape, dtype=np.float32) for shape in shapes)

    def numpy(self, x: np.ndarray, W: np.ndarray, b: np.ndarray, g: np.ndarray) -> Step:
        def step():
            y = np.maximum(x @ W + b, 0)
            gz = g * (y > 0)
            return y, x.T @ gz, gz.sum(axis=0)

        return step

    def tinygrad_lite(self, x, W, b, g) -> Step:
        import tinygrad_lite as tl

        W.requires_grad = b.requires_grad = True

        def step():
            W.grad = b.grad = None
            y = tl.relu(x @ W + b)
            y.backward(g)
            return y, W.grad, b.grad

        return step

    def torch(self, x, W, b, g) -> Step:
        import torch

        for tensor in (W, b):
            tensor.requires_grad_()

        def step():
            W.grad = b.grad = None
            y = torch.relu(x @ W + b)
            y.backward(g)
            return y, W.grad, b.grad

        return step

    def jax(self, x, W, b, g) -> Step:
        import jax

        @jax.jit
        def derivatives(x, W, b, g):
            y, pull = jax.vjp(lambda W, b: jax.nn.relu(x @ W + b), W, b)
            return y, *pull(g)

        return lambda: derivatives(x, W, b, g)

    def autograd(self, x, W, b, g) -> Step:
        import autograd.numpy as np
        from autograd import make_vjp
        from autograd.builtins import tuple

        def layer(parameters):
            W, b = parameters
            return np.maximum(x @ W + b, 0)

        def step():
            pull, y = make_vjp(layer)(tuple((W, b)))
            return y, *pull(g)

        return step

    def mygrad(self, x, W, b, g) -> Step:
        import mygrad as mg
        from mygrad.nnet.activations import relu

        W, b = map(mg.tensor, (W, b))

        def step():
            y = relu(x @ W + b)
            y.backward(g)
            return y, W.grad, b.grad

        return step
