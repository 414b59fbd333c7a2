"""How long `import` takes, each time in a fresh process, and whether it brings in anything that it should not."""

from __future__ import annotations

from ..harness.workload import Budget, Workload

__all__ = ["workloads"]

EXTRAS = ("cupy", "torch", "jax", "matplotlib", "scipy", "hypothesis", "sklearn", "mpi4py", "numba", "ml_dtypes")
"""Packages that importing tinygrad_lite must not import."""

OWN = ("tinygrad_lite", "numpy")


def workloads(quick: bool) -> list[Workload]:
    return [Import(quick)]


class Import(Workload):
    """`import <library>`: each method returns the statement; the harness runs it in processes of its own."""

    unit = "import"
    budgets = (Budget(1.6, "numpy"),)
    devices = ("cpu",)
    forbidden = EXTRAS

    def __init__(self, quick: bool) -> None:
        super().__init__("import")
        self.quick = quick

    def columns(self) -> dict[str, str]:
        """Without the peers, whose imports take seconds, where it is to be quick."""
        return {column: library for column, library in super().columns().items() if not self.quick or column in OWN}

    def numpy(self) -> str:
        return "import numpy"

    def tinygrad_lite(self) -> str:
        return "import tinygrad_lite"

    def torch(self) -> str:
        return "import torch"

    def jax(self) -> str:
        return "import jax, jax.numpy"

    def autograd(self) -> str:
        return "import autograd, autograd.numpy"

    def mygrad(self) -> str:
        return "import mygrad"
