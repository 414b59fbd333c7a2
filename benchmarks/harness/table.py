"""Results as an aligned table."""

from __future__ import annotations

from collections.abc import Sequence

from .libraries import LIBRARIES
from .results import OURS, Result, Spread
from .workload import Budget

__all__ = ["align", "format_limit", "format_ratio", "format_spread", "render", "way_of"]

RATES = {"GFLOP/s": 1e9, "TFLOP/s": 1e12, "GB/s": 1e9}
"""Units of work per second, and how many of the workload's units they are."""

REFERENCES = ("torch", "torch_tuned", "numpy")
"""The columns that ours is divided by."""


def align(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines: the first column to the left, the others to the right, two spaces between."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    )


def digits(value: float) -> str:
    """Three significant digits without an exponent, all digits before the point kept."""
    return f"{value:.{max(0, 2 - _magnitude(value))}f}"


def _magnitude(value: float) -> int:
    """The power of ten of a value's first digit, after rounding to three."""
    return int(f"{value:.2e}".partition("e")[2]) if value else 0


def format_spread(spread: Spread | None, unit: str, work: float) -> str:
    """Median and best value in the workload's unit: `94.0 us [68.0]`, `2.41 [2.30]`, `202 [211]`; `-` for None.

    The best of a time or of megabytes is the smallest, of a rate the largest.
    """
    if spread is None:
        return "-"
    if unit in RATES:
        return f"{digits(work / spread.median / RATES[unit])} [{digits(work / spread.best / RATES[unit])}]"
    if unit == "us/op":
        return f"{digits(spread.median / work * 1e6)} [{digits(spread.best / work * 1e6)}]"
    if unit == "MB":
        return f"{spread.median:.0f} [{spread.best:.0f}]"
    scale, suffix = (1e6, "us") if spread.median < 1e-3 else (1e3, "ms") if spread.median < 1 else (1, "s")
    return f"{digits(spread.median * scale)} {suffix} [{digits(spread.best * scale)}]"


def format_ratio(ratio: Spread | None) -> str:
    if ratio is None:
        return "-"
    middle, best = (f"{value:.2f}" if value >= 0.1 else digits(value) for value in (ratio.median, ratio.best))
    return f"{middle} [{best}]"


def render(results: Sequence[Result]) -> str:
    """The table of one group on one device: a line per workload, a column per library, our ratios at the end."""
    measured = {column for result in results for column in result.samples}
    known = (column for library in LIBRARIES for column in sorted(measured) if _belongs(column, library))
    columns = list(dict.fromkeys((*known, *sorted(measured))))
    references = [reference for reference in REFERENCES if reference in columns]
    if not references:
        references = [column for column in columns if column != OURS][:1] if OURS in columns else []
    ours = [column for column in columns if _belongs(column, OURS)]
    ratios = [(own, reference) for own in ours for reference in references if own != reference]
    header = ["", "unit", *(column.replace("_", " ") if column != OURS else column for column in columns)]
    rows = [[*header, *(f"{way_of(own, OURS) or 'ours'}/{reference}" for own, reference in ratios)]]
    for result in results:
        row = [result.name, "" if result.unit in ("time", "import") else result.unit]
        row += [_cell(result, column) for column in columns]
        rows.append(row + [format_ratio(result.ratio(own, reference)) for own, reference in ratios])
    if any(result.budgets for result in results):
        rows[0].append("at most")
        for row, result in zip(rows[1:], results, strict=True):
            marks = {True: ": met", False: ": MISSED", None: ""}
            limits = [format_limit(result, budget) + marks[result.met(budget)] for budget in result.budgets]
            row.append(", ".join(limits))
    return align(rows)


def _belongs(column: str, library: str) -> bool:
    return column == library or column.startswith(library + "_")


def way_of(column: str, library: str) -> str:
    """`fused` for the column `torch_fused` of PyTorch, nothing for the library's own column."""
    return column[len(library) + 1 :]


def _cell(result: Result, column: str) -> str:
    if column in result.wrong:
        return "WRONG"
    if column in result.failed:
        return "failed"
    return format_spread(result.spread(column), result.unit, result.work)


def format_limit(result: Result, budget: Budget) -> str:
    """What ours is held to: `0.50` of PyTorch's time, `1.80 of fused`, `1.60 of numpy`, `0.15 s`, `750 MB`.

    `captured 0.60` where it is another column of ours.
    """
    way = way_of(budget.ours, OURS)
    own = f"{way} " * bool(way)
    if budget.column is None:
        return own + f"{budget.limit:g} {'MB' if result.unit == 'MB' else 's'}"
    main, _, other = budget.column.partition("_")
    column = main if main != REFERENCES[0] else other
    return own + f"{budget.limit:.2f}" + f" of {column}" * bool(column)
