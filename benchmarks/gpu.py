"""The command for a GPU: the tests that need one, then the workloads; a report that is written after each of them."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from .harness.machine import Others, commit, describe_machine
from .harness.pool import ROOT, Pool, Settings
from .harness.results import OURS, Result
from .running import Progress, document, remarks, run_device
from .workloads.gpu.goals import copy_share, goals, library_share

__all__ = ["main", "path_of", "run_tests", "threads"]

PEERS = ("torch", "jax")

TEST_SECONDS = 150
"""After which the tests are ended; they compile every kernel once."""

SECONDS = 500
"""After which no workload is begun: with PyTorch alone everything takes less than nine minutes on a large GPU."""


def threads() -> int:
    """The processor's threads for each library, which compilers use too."""
    return min(8, os.cpu_count() or 1)


def main(options: argparse.Namespace) -> int:
    """Run the group `gpu`. Returns 1 without a GPU, if results were wrong, ours failed, or tests did; else 0."""
    begin = time.perf_counter()
    settings = Settings(
        threads=options.threads,
        rounds=options.rounds or (3 if options.quick else 7),
        limit=0.5 if options.quick else 3.0,
        seconds=0.01 if options.quick else 0.05,
        pause=0.005,
        quick=options.quick,
        patience=120,
        pythons=dict(pair.split("=", 1) for pair in options.python),
    )
    peers = [name for name in PEERS if name in options.peers]
    machine = describe_machine() | {"commit": commit(ROOT), "threads": settings.threads, "driver": driver()}
    with Pool("cuda", [OURS, *peers], settings) as pool:
        if not pool.available(OURS):
            print(f"no GPU: {pool.unavailable[OURS]}")
            return 1
        device = pool.facts[OURS]["device"]
        path = Path(options.json) if options.json else path_of(device, machine["date"])
        print(f"{device}, driver {machine['driver']}, commit {machine['commit']}; report: {path}", flush=True)
        progress, others, results = Progress(), Others(), []
        tests: dict[str, Any] | None = None
        if "gpu" in options.names:
            progress.begin("tests that need a GPU")
            tests = run_tests(settings.python(OURS))
            print(f"tests: {tests['summary']}", flush=True)

        def keep(*more: Result) -> None:
            results.extend(more)
            write(path, document(machine, settings, [pool], results) | report(tests, results, begin))

        keep()
        run_device(pool, options.selection, progress, keep, begin + SECONDS)
        progress.end()
    machine["others"] = others.share()
    keep()
    reached = [goal["met"] for goal in goals(results)]
    print(f"\n{reached.count(True)} of {len(reached)} goals are met, {reached.count(None)} were not measured")
    print("\n".join(remarks(machine, results, [pool])))
    wrong = any(result.wrong or OURS in result.failed for result in results)
    return int(wrong or (tests is not None and not tests["passed_all"]))


def report(tests: dict[str, Any] | None, results: list[Result], begin: float) -> dict[str, Any]:
    """What a GPU's report has beside what every document has.

    shares : by workload, of the fastest copy's bandwidth and of the fastest library's rate.
    """
    shares = {
        result.name: {"of the copy": copy_share(result, results), "of the fastest": library_share(result, results)}
        for result in results
        if result.unit in ("GB/s", "TFLOP/s")
    }
    seconds = round(time.perf_counter() - begin, 1)
    return {"tests": tests, "goals": goals(results), "shares": shares, "seconds": seconds}


def write(path: Path, written: dict[str, Any]) -> None:
    """Replace the file at once: a run that is stopped leaves a whole one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(written, indent=1) + "\n")
    part.replace(path)


def path_of(device: str, date: str) -> Path:
    """Where the report of a device on a day goes: its name in small letters, `-` for what is no letter or digit."""
    return ROOT / "benchmarks" / "results" / f"{re.sub(r'[^a-z0-9]+', '-', device.lower()).strip('-')}-{date[:10]}.json"


def driver() -> str | None:
    """The version of the first GPU's driver, as nvidia-smi tells it; None where that is not there."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def run_tests(python: str, folder: str = "tests", limit: float = TEST_SECONDS, processes: int = 4) -> dict[str, Any]:
    """Run the tests marked `gpu`: the command, pytest's last line, its failures, and whether all passed."""
    command = [python, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", folder]
    if processes and importlib.util.find_spec("xdist") is not None:
        command[4:4] = ["-n", str(processes)]
    begin = time.perf_counter()
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit)
        lines, status = done.stdout.splitlines() + done.stderr.splitlines()[-1:], done.returncode
    except subprocess.TimeoutExpired:
        lines, status = [f"not finished after {limit:g} s"], -1
    except OSError as error:
        lines, status = [str(error)], -1
    summaries = [line for line in lines if re.search(r"\d+ (passed|failed|skipped|deselected|errors?)\b", line)]
    summary = (summaries or lines or [f"pytest ended with status {status}"])[-1].strip("= ")
    return {
        "command": " ".join(["python", *command[1:]]),
        "summary": summary,
        "passed_all": status == 0 and bool(re.search(r"\d+ passed", summary)),
        "failures": [line for line in lines if line.startswith(("FAILED", "ERROR"))][:100],
        "seconds": round(time.perf_counter() - begin, 1),
    }
