"""What is aimed at on a GPU, beside PyTorch in the same run, and whether a run's results reach it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...harness.results import OURS, Result

__all__ = ["AIMS", "Aim", "copy_share", "goals", "library_share"]

CAPTURED = f"{OURS}_captured"


class Aim(NamedTuple):
    """A goal: its text, the beginnings of the workloads' names that it is about, the limit and what it limits.

    at_least : whether the limit is a lower one.
    measure : from a result and all results to the number, None where it cannot be computed.
    """

    text: str
    names: tuple[str, ...]
    limit: float
    measure: Callable[[Result, Sequence[Result]], float | None]
    at_least: bool = False


def _ratio(ours: str, *columns: str) -> Callable[[Result, Sequence[Result]], float | None]:
    """The time of `ours` as a multiple of the fastest of the columns: the largest of the ratios to each."""

    def measure(result: Result, _: Sequence[Result]) -> float | None:
        ratios = [ratio.median for column in columns if (ratio := result.ratio(ours, column)) is not None]
        return max(ratios, default=None)

    return measure


def _best_ratio(*columns: str) -> Callable[[Result, Sequence[Result]], float | None]:
    """The faster of ours, as it is or captured, as a multiple of the fastest of the columns."""

    def measure(result: Result, results: Sequence[Result]) -> float | None:
        found = [_ratio(ours, *columns)(result, results) for ours in (OURS, CAPTURED)]
        return min((ratio for ratio in found if ratio is not None), default=None)

    return measure


def rate(result: Result, column: str) -> float | None:
    """Work per second, of the median."""
    spread = result.spread(column)
    return result.work / spread.median if spread else None


def _best_rate(result: Result) -> float | None:
    return max((found for column in result.samples if (found := rate(result, column))), default=None)


def copy_share(result: Result, results: Sequence[Result]) -> float | None:
    """The rate at which ours moves bytes, as a part of the fastest copy's."""
    copies = [best for other in results if other.name.startswith("copy, ") and (best := _best_rate(other))]
    own = rate(result, OURS)
    return own / max(copies) if own and copies and result.unit == "GB/s" else None


def library_share(result: Result, results: Sequence[Result]) -> float | None:
    """The rate of ours as a part of the fastest library's."""
    own, best = rate(result, OURS), _best_rate(result)
    return own / best if own and best and len(result.samples) > 1 else None


SMALL = ("MLP 784-256-128-10, Adam, batch 32", "MLP 784-256-128-10, Adam, batch 256", "LeNet ")
STEPS = ("MLP ", "LeNet ")
ROWS = ("gelu", "relu", "softmax", "layer_norm", "cross_entropy")

AIMS = (
    Aim("small steps, as they are, to PyTorch's", SMALL, 1.3, _ratio(OURS, "torch")),
    Aim("small steps, captured, to PyTorch's as they are", SMALL, 0.5, _ratio(CAPTURED, "torch")),
    Aim(
        "captured steps to the best of PyTorch's compiled (reduce-overhead) and captured ones",
        STEPS,
        1.0,
        _ratio(CAPTURED, "torch_compiled", "torch_graphed"),
    ),
    Aim("operations on elements and rows, share of a copy's bandwidth", ROWS, 0.85, copy_share, at_least=True),
    Aim(
        "bfloat16 products, rate to PyTorch's",
        tuple(f"x@y, {n}, bfloat16" for n in (1024, 8192)),
        0.95,
        lambda result, _: None if (found := result.ratio("torch", OURS)) is None else found.median,
        at_least=True,
    ),
    Aim("GPT in bfloat16, to PyTorch's compiled step", ("GPT",), 1.1, _best_ratio("torch_compiled")),
    Aim("AdamW's step to PyTorch's fused one", ("AdamW's step",), 1.0, _ratio(OURS, "torch_fused")),
)
"""The goals, in the order in which they are reported."""


def goals(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Each goal for each workload that it is about: what was measured, the limit, whether it is met.

    `measured` and `met` are None where a column is missing, and for a goal none of whose workloads was run.
    """
    rows: list[dict[str, Any]] = []
    for aim in AIMS:
        about = [result for result in results if result.name.startswith(aim.names)]
        measured: list[tuple[str | None, float | None]] = [(r.name, aim.measure(r, results)) for r in about]
        for name, value in measured or [(None, None)]:
            met = None if value is None else value >= aim.limit if aim.at_least else value <= aim.limit
            bound = {"limit": aim.limit, "at_least": aim.at_least}
            rows.append({"goal": aim.text, "workload": name, "measured": value, **bound, "met": met})
    return rows
