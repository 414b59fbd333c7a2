"""Samples and what is made of them: medians, minima, ratios."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from statistics import median
from typing import Any

from .workload import Budget

__all__ = ["OURS", "Result", "Spread"]

OURS = "tinygrad_lite"


@dataclass(frozen=True)
class Spread:
    """A middle and a best value, of times, rates or ratios."""

    median: float
    best: float


@dataclass
class Result:
    """What was measured of one workload on one device.

    samples : by column, one value per round: seconds per call, or megabytes.
    calls : by column, how often the step was called for one sample.
    errors : by column, the largest relative difference from the reference.
    reference : the column whose results the others' were compared with.
    wrong, failed : by column, why there are no samples: results that differ from the reference, or an exception.
    """

    group: str
    name: str
    device: str
    unit: str = "time"
    work: float = 1
    budgets: tuple[Budget, ...] = ()
    samples: dict[str, list[float]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    reference: str = ""
    wrong: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def spread(self, column: str) -> Spread | None:
        """Median and minimum of the column's samples, in seconds or megabytes; None if there are none."""
        values = self.samples.get(column)
        return Spread(median(values), min(values)) if values else None

    def ratio(self, column: str, to: str) -> Spread | None:
        """`column` divided by `to`: the median of the rounds' ratios, and the ratio of the minima.

        In a round both ran within moments, so drifts of the machine's speed cancel. None if either was not measured.
        """
        above, below = self.samples.get(column), self.samples.get(to)
        if not above or not below:
            return None
        return Spread(median(a / b for a, b in zip(above, below, strict=False)), min(above) / min(below))

    def met(self, budget: Budget) -> bool | None:
        """Whether our median, as a ratio where the budget is one, is within the budget; None if it was not measured."""
        spread = self.ratio(budget.ours, budget.column) if budget.column else self.spread(budget.ours)
        return None if spread is None else spread.median <= budget.limit

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Result:
        """The result of which `as_json` made `values`."""
        budgets = tuple(
            Budget(budget["limit"], budget["column"], budget.get("ours", OURS)) for budget in values["budgets"]
        )
        names = [field.name for field in fields(cls) if field.name != "budgets"]
        return cls(**{name: values[name] for name in names}, budgets=budgets)

    def as_json(self) -> dict[str, Any]:
        """Everything, with the medians and minima spelled out."""
        columns = {column: self.spread(column) for column in self.samples}
        return {
            **asdict(self),
            "budgets": [{**budget._asdict(), "met": self.met(budget)} for budget in self.budgets],
            "sample_unit": "MB" if self.unit == "MB" else "s",
            "median": {column: spread.median for column, spread in columns.items() if spread},
            "minimum": {column: spread.best for column, spread in columns.items() if spread},
            "ratio": {
                column: asdict(ratio)
                for column in self.samples
                if column != OURS and (ratio := self.ratio(OURS, column)) is not None
            },
        }
