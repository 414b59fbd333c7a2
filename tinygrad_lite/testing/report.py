"""What a gradient check found, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import TinygradLiteError

__all__ = ["Comparison", "GradientCheckError", "GradientReport"]

_VERDICTS = {
    "wrong": "the derivative differs from the finite difference.",
    "kink": "the function has a kink or a jump at these inputs, so there is no derivative to compare with; move them.",
    "undefined": "the function is not finite around these inputs; move them away from the bounds of its domain, "
    "or begin with a smaller step (eps).",
    "rough": "the finite differences do not converge; is the function noisy, or the step (eps) unsuitable?",
}


@dataclass(frozen=True)
class Comparison:
    """One directional derivative and what it should be.

    input : the input along which was differentiated, or `"all"` of them jointly.
    order : 1 for derivatives of the function, 2 for derivatives of its gradient, and so on.
    mode : `"reverse"` (`vjp`) or `"forward"` (`jvp`).
    expected : the finite difference; got : the derivative; error : their distance; tolerance : how large it may be.
    verdict : `"ok"`, `"wrong"`, `"kink"`, `"undefined"` or `"rough"`.
    """

    input: str
    direction: int
    order: int
    mode: str
    expected: float
    got: float
    error: float
    tolerance: float
    verdict: str


class GradientReport:
    """The comparisons of a gradient check; prints as a table.

    name : of the function.
    rows : the comparisons.
    """

    def __init__(self, name: str, rows: Sequence[Comparison]) -> None:
        self.name = name
        self.rows = tuple(rows)

    @property
    def failures(self) -> tuple[Comparison, ...]:
        """The comparisons that did not go well."""
        return tuple(row for row in self.rows if row.verdict != "ok")

    @property
    def ok(self) -> bool:
        """Whether all derivatives agree with the finite differences."""
        return not self.failures

    @property
    def worst(self) -> Comparison:
        """The comparison with the largest error, measured by its tolerance."""
        return max(self.rows, key=lambda row: row.error / row.tolerance if row.error == row.error else float("inf"))

    def __repr__(self) -> str:
        return f"<gradient report of {self.name}: {len(self.rows)} comparisons, {len(self.failures)} failures>"

    def __str__(self) -> str:
        count = f"{len(self.failures)} of {len(self.rows)}" if self.failures else f"all {len(self.rows)}"
        lines = [f"{self.name}: {count} directional derivatives {'failed' if self.failures else 'agree'}."]
        return "\n".join([*lines, *_table(self.rows)])


class GradientCheckError(AssertionError, TinygradLiteError):
    """A derivative that differs from the finite difference, or cannot be compared. Its `report` has the details."""

    def __init__(self, report: GradientReport) -> None:
        self.report = report
        found = dict.fromkeys(row.verdict for row in report.failures)
        reasons = [f"{verdict}: {_VERDICTS[verdict]}" for verdict in found]
        super().__init__("\n".join([str(report), *reasons]))


def _table(rows: Sequence[Comparison]) -> list[str]:
    head = ("input", "direction", "order", "mode", "expected", "got", "error", "tolerance", "")
    cells: list[tuple[str, ...]] = [head]
    for row in rows:
        numbers = [f"{row.expected:.9g}", f"{row.got:.9g}", f"{row.error:.2g}", f"{row.tolerance:.2g}"]
        verdict = "" if row.verdict == "ok" else row.verdict
        cells.append((row.input, str(row.direction), str(row.order), row.mode, *numbers, verdict))
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
