"""The command: which groups, devices and peers; progress on standard error, tables on standard output, a JSON file."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .harness.libraries import LIBRARIES
from .harness.machine import Others, commit, describe_machine
from .harness.pool import ROOT, Pool, Settings
from .harness.report import PEERS, markdown, plot
from .harness.results import OURS, Result
from .harness.table import render
from .harness.workload import Workload
from .workloads import DEFAULT, GROUPS, workloads


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command's options; argparse ends the program with one line if they make no sense."""
    groups = "\n".join(f"  {name:12} {about}" for name, about in GROUPS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time tinygrad_lite beside other libraries.",
        epilog=f"groups:\n{groups}\n\nof what --json wrote:\n"
        "  table PATH   print it as a table in Markdown\n"
        "  plot PATH    draw the ratios to PyTorch, into a file beside it that ends in .png",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="GROUP",
        help=f"what to time; GROUP/TEXT for workloads whose names contain the text (default: {' '.join(DEFAULT)})",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: under a minute")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: the CPU, and the GPU if there is one")
    parser.add_argument("--peers", default="all", help="all, none, or some of torch,jax,autograd,mygrad (default: all)")
    parser.add_argument("--rounds", type=int, help="samples per workload and library (default: 10, with --quick 5)")
    parser.add_argument("--threads", type=int, default=2, help="threads for every library (default: 2)")
    parser.add_argument("--json", metavar="PATH", help="write everything measured, with versions and machine, to PATH")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="LIBRARY=PATH",
        help="run a library with another interpreter, where its environment is its own",
    )
    options = parser.parse_args(arguments)
    for name in options.names:
        if name.partition("/")[0] not in GROUPS:
            parser.error(f"unknown group {name.partition('/')[0]!r}; known are {', '.join(GROUPS)}")
    options.selection = select(options.names or list(DEFAULT), options.quick)
    for name, (group, made) in zip(options.names, options.selection, strict=False):
        if not made and "/" in name:
            parser.error(f"no workload of {group!r} has {name.partition('/')[2]!r} in its name")
    if options.threads < 1 or (options.rounds is not None and options.rounds < 1):
        parser.error("--threads and --rounds must be at least 1")
    options.peers = {"all": list(PEERS), "none": []}.get(options.peers, options.peers.split(","))
    for name in options.peers:
        if name not in PEERS:
            parser.error(f"--peers: unknown {name!r}; known are {', '.join(PEERS)}, all and none")
    for pair in options.python:
        if pair.partition("=")[0] not in (OURS, "numpy", *PEERS) or not pair.partition("=")[2]:
            known = ", ".join((OURS, "numpy", *PEERS))
            parser.error(f"--python: got {pair!r}; give LIBRARY=PATH with a library out of {known}")
    return options


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


def select(names: list[str], quick: bool) -> Selection:
    """What the names mean: a group, or as `group/text` those of its workloads that have the text in their names."""
    split = [name.partition("/") for name in names]
    return [(group, [made for made in workloads(group, quick) if text in made.name]) for group, _, text in split]


def run_device(pool: Pool, selection: Selection, progress: Progress, keep: Callable[[Result], None]) -> None:
    """Give every chosen workload's result on one device to `keep`; print the table of a group when it is complete."""
    for group, made in selection:
        chosen = [workload for workload in made if pool.device in workload.devices]
        measured = []
        for i, workload in enumerate(chosen):
            progress.begin(f"{pool.device} {group} {i + 1}/{len(chosen)}: {workload.name}")
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
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns 1 if a library computed wrong results or ours failed, else 0."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] in (["table"], ["plot"]):
        return report(*arguments)
    options = parse(arguments)
    settings = Settings(
        threads=options.threads,
        rounds=options.rounds or (5 if options.quick else 10),
        limit=1.0 if options.quick else 15.0,
        seconds=0.02 if options.quick else 0.1,
        pause=0.01 if options.quick else 0.03,
        quick=options.quick,
        pythons=dict(pair.split("=", 1) for pair in options.python),
    )
    machine = describe_machine() | {"commit": commit(ROOT), "threads": settings.threads}
    print(
        f"{machine['processor']}, {machine['cores']} cores (load {machine['load']}), {machine['system']}, "
        f"Python {machine['python']}\n{machine['date']}, commit {machine['commit']}; "
        f"float32, {settings.threads} threads, median [best] of up to {settings.rounds} rounds",
        flush=True,
    )
    progress, others = Progress(), Others()
    chosen = (OURS, "numpy", *options.peers)
    libraries = [name for name, kind in LIBRARIES.items() if (kind.same_as or name) in chosen]
    results: list[Result] = []
    pools: list[Pool] = []

    def keep(*more: Result) -> None:
        """Write everything so far, so that a run that is stopped is not lost."""
        results.extend(more)
        if options.json:
            written = document(machine, settings, pools, results)
            Path(options.json).write_text(json.dumps(written, indent=1) + "\n")

    for device in [options.device] if options.device else ["cpu", "cuda"]:
        with Pool(device, libraries, settings) as pool:
            if device == "cuda" and not pool.available(OURS):
                print(f"\nno GPU: {pool.unavailable[OURS]}")
                continue
            pools.append(pool)
            run_device(pool, options.selection, progress, keep)
    progress.end()
    machine["others"] = others.share()  # not before: running workers count as others
    keep()
    notes = remarks(machine, results, pools)
    print("\n" + "\n".join(notes) if notes else "")
    broken = any(result.wrong or OURS in result.failed for result in results)
    return int(broken or not pools)


def report(what: str, *paths: str) -> int:
    """Print the table, or save the plot, of a file of results."""
    if len(paths) != 1:
        print(f"usage: python -m benchmarks {what} PATH, where --json wrote PATH", file=sys.stderr)
        return 2
    path = Path(paths[0])
    results = json.loads(path.read_text())
    if what == "table":
        print(markdown(results))
    else:
        plot(results, path.with_suffix(".png"))
        print(path.with_suffix(".png"))
    return 0


def document(machine: dict[str, Any], settings: Settings, pools: list[Pool], results: list[Result]) -> dict[str, Any]:
    """Everything measured and what it was measured on, for JSON."""
    return {
        "machine": machine,
        "rounds": settings.rounds,
        "quick": settings.quick,
        "versions": {pool.device: pool.versions for pool in pools},
        "device_names": {pool.device: pool.devices for pool in pools},
        "unavailable": {pool.device: pool.unavailable for pool in pools},
        "results": [result.as_json() for result in results],
    }


if __name__ == "__main__":
    sys.exit(main())
