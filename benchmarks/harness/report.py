"""What is made of a JSON file of results: a table in Markdown, and a plot of ratios."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .gpu_report import gpu_markdown, is_gpu_report
from .libraries import LIBRARIES
from .results import OURS, Result
from .table import format_limit, format_ratio, format_spread, way_of

__all__ = ["markdown", "plot", "read_results"]

TITLES = {
    OURS: OURS,
    "numpy": "NumPy by hand",
    "torch": "PyTorch",
    "torch_tuned": "PyTorch, tuned malloc",
    "jax": "JAX, jit",
    "autograd": "autograd",
    "mygrad": "MyGrad",
}
"""The columns of the table, by library."""

PEERS = [name for name, kind in LIBRARIES.items() if name not in (OURS, "numpy") and not kind.same_as]


def read_results(document: dict[str, Any], device: str = "cpu") -> list[Result]:
    """The results on one device in what `--json` wrote."""
    return [Result.from_json(result) for result in document["results"] if result["device"] == device]


def markdown(document: dict[str, Any]) -> str:
    """The results on the CPU, or a GPU's report, as a Markdown table, with a sentence on how they were measured.

    Times are medians, and minima in brackets. A second way to write a workload stands in the same cell as its library's
    first way.
    """
    if is_gpu_report(document):
        return gpu_markdown(document)
    results = read_results(document)
    peers = [library for library in TITLES if library != OURS and any(library in result.samples for result in results)]
    header = ["", OURS, *(TITLES[library] for library in peers), *(f"to {TITLES[column]}" for column in _ratios(peers))]
    rows = [[*header, "at most", ""]]
    for result in results:
        row = [result.name, *(_join(result, library) for library in (OURS, *peers))]
        row += [_ratio(result, column) for column in _ratios(peers)]
        marks = {True: "met", False: "missed", None: "-"}
        row.append("; ".join(format_limit(result, budget) for budget in result.budgets))
        row.append("; ".join(marks[result.met(budget)] for budget in result.budgets))
        rows.append(row)
    lines = ["|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|" for row in rows]
    lines.insert(1, "|---" * len(header) + "|---|---|")
    return "\n".join([*lines, "", caption(document)])


def caption(document: dict[str, Any]) -> str:
    """On what the results were measured, and what the cells hold."""
    machine, versions = document["machine"], document["versions"].get("cpu", {})
    named = [f"Python {machine['python']}", f"NumPy {versions.get('numpy', '?')}"]
    named += [f"{TITLES[name].partition(',')[0]} {versions[name]}" for name in PEERS if name in versions]
    text = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, float32, {', '.join(named)}; "
        f"{machine['date'][:10]}, commit {machine['commit']}. Medians [minima] of up to {document['rounds']} "
        f"alternating rounds; ratios are medians of the rounds' ratios [ratios of the minima]."
    )
    results = [result for result in read_results(document) if result.reference == "torch"]
    errors = [result.errors[OURS] for result in results if OURS in result.errors]
    if errors:
        text += f" Results and gradients differ from PyTorch's by at most {max(errors):.0e} of the largest value."
    if others := machine.get("others"):
        text += f" Other processes took {others:.0%} of the cores' time meanwhile."
    return text


def _ratios(peers: list[str]) -> list[str]:
    return [column for column in ("torch", "torch_tuned") if column in peers]


def _ways(result: Result, library: str) -> list[str]:
    """The columns of a library in a result, its main one first."""
    ways = [name for name in result.samples if name.startswith(library + "_") and name not in LIBRARIES]
    return [library, *sorted(ways)]


def _join(result: Result, library: str) -> str:
    cells = [(way, result.spread(way)) for way in _ways(result, library)]
    return "; ".join(
        _way(library, way) + format_spread(spread, result.unit, result.work) + f" {result.unit}" * _has_unit(result)
        if spread
        else "wrong"
        if way in result.wrong
        else "-"
        for way, spread in cells
    )


def _has_unit(result: Result) -> bool:
    return result.unit not in ("time", "import")


def _ratio(result: Result, library: str) -> str:
    """Our way to each of the library's, then our other ways to its first."""
    ratios = [(_way(library, way), result.ratio(OURS, way)) for way in _ways(result, library)]
    ratios += [(_way(OURS, own), result.ratio(own, library)) for own in _ways(result, OURS)[1:]]
    return "; ".join(name + format_ratio(ratio) for name, ratio in ratios)


def _way(library: str, column: str) -> str:
    """`fused ` for the column `torch_fused` of PyTorch, nothing for the library's own column."""
    return way_of(column, library) + " " * (column != library)


def plot(document: dict[str, Any], path: Path) -> None:
    """Draw how long ours takes as a multiple of PyTorch's times, with the limits as marks, and save it.

    Captured steps are diamonds beside the bars of the steps themselves.

    Raises ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    results = [result for result in read_results(document) if result.ratio(OURS, "torch")][::-1]
    figure = Figure(figsize=(9, 1.5 + 0.4 * len(results)), layout="constrained")
    axes = figure.subplots()
    for shift, column in ((0.2, "torch"), (-0.2, "torch_tuned")):
        bars = [(i, ratio.median) for i, result in enumerate(results) if (ratio := result.ratio(OURS, column))]
        places, widths = [i + shift for i, _ in bars], [ratio - 1 for _, ratio in bars]
        axes.barh(places, widths, 0.4, left=1, label=f"to {TITLES[column]}")
    captured = [(i, result.ratio(f"{OURS}_captured", "torch")) for i, result in enumerate(results)]
    diamonds = [(i + 0.2, ratio.median) for i, ratio in captured if ratio is not None]
    if diamonds:
        axes.plot([x for _, x in diamonds], [i for i, _ in diamonds], "kD", markersize=5, label="captured, to PyTorch")
    limits = [(b.limit, i) for i, r in enumerate(results) for b in r.budgets if b.column == "torch" and b.ours == OURS]
    axes.plot([x for x, _ in limits], [i + 0.2 for _, i in limits], "k|", markersize=12, label="at most")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(results)), [result.name for result in results])
    axes.set_xlabel(f"{OURS} / PyTorch, time or memory; left of 1 is better")
    axes.xaxis.set_major_formatter("{x:g}")
    figure.legend(loc="outside lower center", ncols=3)
    axes.set_title(f"{document['machine']['processor']}, {document['machine']['threads']} threads, float32")
    figure.savefig(path, dpi=120)
