"""What a benchmark computes: a class with one method per library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .libraries import LIBRARIES

__all__ = ["Budget", "Step", "Workload"]

Step = Callable[[], Any]
"""Does the computation once and returns what is checked: an array, a number, or a tuple of them."""


class Budget(NamedTuple):
    """What ours is held to: at most `limit` times the column `column`; without a column, seconds or megabytes.

    ours : the column of ours that is held to it.
    """

    limit: float
    column: str | None
    ours: str = "tinygrad_lite"


class Workload:
    """One computation, written for each library as a user of that library would write it.

    A method named after a library gets the arrays of `inputs`, copied and moved to the library's device, and returns a
    `Step`. A method `torch_fused` is a second way to write it in the same library, with a column of its own. The method
    `numpy` is written by hand without automatic differentiation: it is the floor that NumPy alone reaches.

    name : unique within the group.
    work : operations in a step where the unit counts them, else 1.
    unit : `"time"`, `"us/op"`, `"GFLOP/s"`, `"TFLOP/s"`, `"GB/s"`; `"MB"` measures peaks of memory,
        `"import"` times imports.
    reference : the method whose results every other's are checked against where PyTorch is not there to be compared
        with. One that is not named after a library gets NumPy arrays and has no column.
    checks : how many steps' results are compared; training compares a few losses and their gradients.
    tolerance : allowed error, relative to the largest magnitude in the result.
    first_only : the columns that return, and are checked by, only the first value of a result.
    budgets : what ours is held to.
    clock : `"device"`, until the last call's work is done; `"host"`, until the last call returns.
    devices : where it runs.
    forbidden : packages that must not be there after an import of ours.
    """

    unit = "time"
    clock = "device"
    reference = "numpy"
    checks = 1
    tolerance = 1e-4
    first_only: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ()
    devices: tuple[str, ...] = ("cpu", "cuda")
    forbidden: tuple[str, ...] = ()

    def __init__(self, name: str, work: float = 1) -> None:
        self.name, self.work = name, work

    def inputs(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """The arrays that each library's method gets; floating-point ones are float32."""
        raise NotImplementedError

    def columns(self) -> dict[str, str]:
        """The columns that this workload fills, and the library of each, in the order of the table."""
        columns: dict[str, str] = {}
        for library, kind in LIBRARIES.items():
            written = [name for name in dir(self) if name == library or name.startswith(library + "_")]
            if kind.same_as in columns and self.unit not in ("MB", "import"):
                written = [library]
            columns |= dict.fromkeys(written, library)
        return columns

    @staticmethod
    def method(column: str) -> str:
        """The name of the method that fills a column."""
        return (LIBRARIES[column].same_as if column in LIBRARIES else None) or column
