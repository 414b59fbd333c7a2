"""The command: which groups, devices and peers; progress on standard error, tables on standard output, a JSON file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import gpu
from .harness.libraries import LIBRARIES
from .harness.machine import Others, commit, describe_machine
from .harness.pool import ROOT, Pool, Settings
from .harness.report import PEERS, markdown, plot
from .harness.results import OURS, Result
from .running import Progress, Selection, document, remarks, run_device
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
        help=f"what to time; GROUP/TEXT for workloads whose names contain the text (default: {' '.join(DEFAULT)}). "
        "gpu alone first runs the tests that need a GPU, and writes benchmarks/results/<device>-<date>.json",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: under a minute")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: the CPU, and the GPU if there is one")
    parser.add_argument("--peers", default="all", help="all, none, or some of torch,jax,autograd,mygrad (default: all)")
    parser.add_argument("--rounds", type=int, help="samples per workload and library (default: 10, with --quick 5)")
    parser.add_argument("--threads", type=int, help="threads for every library (default: 2, with gpu up to 8)")
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
    options.gpu = any(name.partition("/")[0] == "gpu" for name in options.names)
    if options.gpu and (options.device == "cpu" or any(name.partition("/")[0] != "gpu" for name in options.names)):
        parser.error("gpu has a report of its own: name no other group beside it, and no device but cuda")
    if options.threads is None:
        options.threads = gpu.threads() if options.gpu else 2
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


def select(names: list[str], quick: bool) -> Selection:
    """What the names mean: a group, or as `group/text` those of its workloads that have the text in their names."""
    split = [name.partition("/") for name in names]
    return [(group, [made for made in workloads(group, quick) if text in made.name]) for group, _, text in split]


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns 1 if a library computed wrong results or ours failed, else 0."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] in (["table"], ["plot"]):
        return report(*arguments)
    options = parse(arguments)
    if options.gpu:
        return gpu.main(options)
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


if __name__ == "__main__":
    sys.exit(main())
