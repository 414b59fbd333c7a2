"""What the commands share: progress, the workloads of a selection one after the other, remarks, what is written."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from .harness.libraries import LIBRARIES
from .harness.pool import Pool, Settings
from .harness.results import OURS, Result
from .harness.table import render
from .harness.workload import Workload
from .workloads import GROUPS

__all__ = ["Progress", "Selection", "document", "remarks", "run_device"]


class Progress:
    """One line on standard error per workload, rewritten as it goes on where standard error is a terminal."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.live = sys.stderr.isatty()
        self.title = ""

    def begin(self, title: str) -> None:
        """A new workload."""
        self.title = f"{time.perf_counter() - self.start:6.1f} s  {title}"
        if not self.live:
            print(self.title, file=sys.stderr, flush=True)

    def __call__(self, step: str) -> None:
        if self.live:
            print(f"\r\x1b[2K{self.title}: {step}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Nothing more to come."""
        print("\r\x1b[2K" * self.live + f"{time.perf_counter() - self.start:6.1f} s  done", file=sys.stderr, flush=True)


Selection = list[tuple[str, list[Workload]]]
"""Groups, and the workloads chosen from each."""


def run_device(
    pool: Pool, selection: Selection, progress: Progress, keep: Callable[[Result], None], end: float | None = None
) -> None:
    """Give every chosen workload's result on one device to `keep`; print the table of a group when it is complete.

    end : of `time.perf_counter()`, after which no workload is begun; what is left counts as failed.
    """
    for group, made in selection:
        chosen = [workload for workload in made if pool.device in workload.devices]
        measured = []
        for i, workload in enumerate(chosen):
            progress.begin(f"{pool.device} {group} {i + 1}/{len(chosen)}: {workload.name}")
            if end is not None and time.perf_counter() > end:
                measured.append(pool.result(group, workload))
                measured[-1].failed[OURS] = "not run: the time for all workloads was over"
            else:
                measured.append(pool.measure(group, workload, progress))
            keep(measured[-1])
        if not measured:
            print(f"\n{group} on {pool.device}: nothing to time", flush=True)
        else:
            print(f"\n{group} on {pool.device}: {GROUPS[group]}\n{render(measured)}", flush=True)


def remarks(machine: dict[str, Any], results: list[Result], pools: list[Pool]) -> list[str]:
    """What the tables do not say: a busy machine, missing libraries, budgets, wrong or failed workloads."""
    lines = []
    if (machine["others"] or 0) > 0.05:
        lines.append(
            f"other processes took {machine['others']:.0%} of the cores' time meanwhile; libraries whose threads wait "
            f"for each other, as PyTorch's do, suffer more from that than the rest: the ratios are not to be trusted"
        )
    for pool in pools:
        reasons = {name: why for name, why in pool.unavailable.items() if not LIBRARIES[name].same_as}
        missing = [name for name, why in reasons.items() if why == "not installed"]
        if missing:
            lines.append(f"not installed: {', '.join(missing)}")
        lines += [f"{name} on {pool.device}: {why}" for name, why in reasons.items() if why != "not installed"]
    met = [result.met(budget) for result in results for budget in result.budgets]
    if met:
        lines.append(f"{met.count(True)} of {len(met)} limits are met, {met.count(None)} were not measured")
    for result in results:
        place = f"{result.group}, {result.name}"
        lines += [f"WRONG RESULT: {place}: {column}: {why}" for column, why in result.wrong.items()]
        lines += [f"failed: {place}: {column}: {why}" for column, why in result.failed.items()]
        if result.samples and not result.errors:
            lines.append(f"not checked: {place}: {result.reference}, whose results are the reference, was not there")
    return lines


def document(machine: dict[str, Any], settings: Settings, pools: list[Pool], results: list[Result]) -> dict[str, Any]:
    """Everything measured and what it was measured on, for JSON."""
    return {
        "machine": machine,
        "rounds": settings.rounds,
        "quick": settings.quick,
        "versions": {pool.device: pool.versions for pool in pools},
        "device_names": {pool.device: pool.devices for pool in pools},
        "facts": {pool.device: pool.facts for pool in pools},
        "unavailable": {pool.device: pool.unavailable for pool in pools},
        "results": [result.as_json() for result in results],
    }
