"""Products of square matrices, in billions of floating-point operations per second."""

from __future__ import annotations

import numpy as np

from ..harness.workload import Step, Workload

__all__ = ["workloads"]


def workloads(quick: bool) -> list[Workload]:
    sizes = (64, 512) if quick else (64, 256, 1024, 2048)
    return [kind(n) for n in sizes for kind in ((Derivatives,) if quick else (Product, Derivatives))]


class Product(Workload):
    """`x @ y` alone, on constants."""

    unit = "GFLOP/s"

    def __init__(self, n: int) -> None:
        super().__init__(f"x@y, {n}", work=2 * n**3)
        self.n = n

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return tuple(rng.standard_normal((self.n, self.n), dtype=np.float32) for _ in range(2))

    def numpy(self, x, y) -> Step:
        return lambda: x @ y

    tinygrad_lite = torch = autograd = numpy

    def mygrad(self, x, y) -> Step:
        import mygrad as mg

        x, y = mg.tensor(x, constant=True), mg.tensor(y, constant=True)
        return lambda: x @ y

    def jax(self, x, y) -> Step:
        import jax

        product = jax.jit(lambda x, y: x @ y)
        return lambda: product(x, y)


class Derivatives(Workload):
    """`x @ y` and both derivatives: three products."""

    unit = "GFLOP/s"

    def __init__(self, n: int) -> None:
        super().__init__(f"x@y with both derivatives, {n}", work=6 * n**3)
        self.n = n

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return tuple(rng.standard_normal((self.n, self.n), dtype=np.float32) for _ in range(3))

    def numpy(self, x, y, g) -> Step:
        return lambda: (x @ y, g @ y.T, x.T @ g)

    def tinygrad_lite(self, x, y, g) -> Step:
        x.requires_grad = y.requires_grad = True

        def step():
            x.grad = y.grad = None
            product = x @ y
            product.backward(g)
            return product, x.grad, y.grad

        return step

    torch = tinygrad_lite

    def jax(self, x, y, g) -> Step:
        import jax

        @jax.jit
        def derivatives(x, y, g):
            product, pull = jax.vjp(lambda x, y: x @ y, x, y)
            return product, *pull(g)

        return lambda: derivatives(x, y, g)

    def autograd(self, x, y, g) -> Step:
        from autograd import make_vjp
        from autograd.builtins import tuple

        def step():
            pull, product = make_vjp(lambda pair: pair[0] @ pair[1])(tuple((x, y)))
            return product, *pull(g)

        return step

    def mygrad(self, x, y, g) -> Step:
        import mygrad as mg

        x, y = mg.tensor(x), mg.tensor(y)

        def step():
            product = x @ y
            product.backward(g)
            return product, x.grad, y.grad

        return step
