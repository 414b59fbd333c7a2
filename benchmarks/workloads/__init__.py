"""What is timed: a file per group, each with a function `workloads(quick)` that lists its workloads.

Every workload is written for each library as its user would write it, in float32; see `harness/workload.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..harness.workload import Workload

__all__ = ["DEFAULT", "GROUPS", "workloads"]

GROUPS = {
    "cpu": "from one operation to whole training steps, with what each should take at most, as a multiple of PyTorch's",
    "dispatch": "what recording an operation and sweeping it back costs",
    "matmul": "products of square matrices",
    "activations": "single operations, forward and backward",
    "training": "whole training steps",
    "optimizers": "an optimizer's step alone",
    "kernels": "each kernel beside its operation's definition",
    "import": "time to import the library, in a fresh process",
    "gpu": "what training on a GPU consists of, with goals; alone, and with a report of its own",
    "memory": "peak of resident memory above the imported library's",
}
"""The groups in the order in which they run, and what each is about."""

DEFAULT = tuple(name for name in GROUPS if name not in ("cpu", "gpu", "memory"))
"""The groups that run when none is named: not those that gather workloads of the others, or that take long."""


def workloads(group: str, quick: bool) -> list[Workload]:
    """The workloads of a group, with small sizes if `quick`."""
    module = {"import": "imports"}.get(group, group)  # `import` cannot name a module
    return importlib.import_module(f".{module}", __name__).workloads(quick)
