"""What is made of a GPU's report: a table of the workloads in Markdown, and one of the goals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .results import OURS, Result
from .table import digits, format_ratio, format_spread

__all__ = ["gpu_markdown", "is_gpu_report"]

COLUMNS = {
    OURS: OURS,
    f"{OURS}_captured": "captured",
    "torch": "PyTorch",
    "torch_fused": "PyTorch, fused",
    "torch_compiled": "torch.compile",
    "torch_graphed": "PyTorch, CUDA graph",
    "jax": "JAX, jit",
}
"""The columns of the table, in its order."""

OWN = [column for column in COLUMNS if column.startswith(OURS)]


def is_gpu_report(document: dict[str, Any]) -> bool:
    """Whether a document is what the group `gpu` wrote."""
    return "goals" in document


def gpu_markdown(document: dict[str, Any]) -> str:
    """The workloads with their ratios to PyTorch's, a sentence on how they were measured, and the goals."""
    results = [Result.from_json(result) for result in document["results"]]
    shown = [column for column in COLUMNS if any(_known(result, column) for result in results)]
    own = [column for column in OWN if column in shown and "torch" in shown]
    header = ["", *(COLUMNS[column] for column in shown)]
    header += [f"{'captured ' * (column != OURS)}to PyTorch" for column in own] + ["share"]
    rows = [
        [
            result.name,
            *(_cell(result, column) for column in shown),
            *(_or_empty(result, column) for column in own),
            _share(document["shares"].get(result.name, {})),
        ]
        for result in results
    ]
    aims = [["goal", "workload", "measured", "limit", ""], *map(_goal, document["goals"])]
    return "\n\n".join([_table([header, *rows]), gpu_caption(document, results), _table(aims)])


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return "\n".join(lines)


def _known(result: Result, column: str) -> bool:
    return column in result.samples or column in result.wrong or column in result.failed


def _cell(result: Result, column: str) -> str:
    if column in result.wrong:
        return "wrong"
    if column in result.failed:
        return "failed"
    spread = result.spread(column)
    return (
        format_spread(spread, result.unit, result.work) + f" {result.unit}" * (result.unit != "time") if spread else ""
    )


def _or_empty(result: Result, column: str) -> str:
    ratio = result.ratio(column, "torch")
    return format_ratio(ratio) if ratio else ""


def _share(shares: dict[str, float | None]) -> str:
    return ", ".join(f"{value:.0%} {name}" for name, value in shares.items() if value is not None)


def _goal(goal: dict[str, Any]) -> list[str]:
    measured = "" if goal["measured"] is None else digits(goal["measured"])
    limit = f"at {'least' if goal['at_least'] else 'most'} {goal['limit']:.2f}"
    verdict = {True: "met", False: "missed", None: "not measured"}[goal["met"]]
    return [goal["goal"], goal["workload"] or "", measured, limit, verdict]


def gpu_caption(document: dict[str, Any], results: Sequence[Result]) -> str:
    """On what the results were measured, and what the cells hold."""
    machine, versions = document["machine"], document["versions"]["cuda"]
    facts = document["facts"]["cuda"][OURS]
    named = [f"driver {machine['driver']}", f"CUDA {_version(facts['CUDA'])}", f"CuPy {facts['CuPy']}"]
    named += [f"cuDNN {facts['cuDNN']}" if facts["cuDNN"] else "no cuDNN"]
    named += [f"{title} {versions[name]}" for name, title in (("torch", "PyTorch"), ("jax", "JAX")) if name in versions]
    text = (
        f"{facts['device']}, {', '.join(named)}, Python {machine['python']}; {machine['date'][:10]}, commit "
        f"{machine['commit']}. Medians [best] of up to {document['rounds']} rounds that alternate between libraries, "
        "by the device's events; ratios are medians of the rounds' ratios [ratios of the best]. Shares are of the "
        "fastest copy's bandwidth and of the fastest library's rate."
    )
    errors = [result.errors[OURS] for result in results if OURS in result.errors and result.reference == "torch"]
    if errors:
        text += (
            f" {len(errors)} of {len(results)} workloads were checked against PyTorch's results; of those in float32 "
            f"the largest difference is {max(_exact(results), default=0):.0e} of the largest value."
        )
    if document["tests"]:
        text += f" Tests that need a GPU: {document['tests']['summary']}."
    return text


def _exact(results: Sequence[Result]) -> list[float]:
    """Our errors where neither library rounds to fewer bits than float32 has."""
    return [r.errors[OURS] for r in results if OURS in r.errors and not r.name.endswith(("TF32", "bfloat16"))]


def _version(number: int) -> str:
    """`13.0` for CUDA's number 13000."""
    return f"{number // 1000}.{number % 1000 // 10}"
