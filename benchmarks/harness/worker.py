"""The process of one library on one device: it answers requests, one line of JSON each, until its input ends.

Requests: `prepare` builds a workload's step, checks its results and decides how many calls make a sample; `sample`
times it once; `peak` measures the memory of one step; `drop` forgets it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import math
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .libraries import LIBRARIES, Library, Unavailable, open_library
from .workload import Step, Workload

__all__ = ["WrongResult", "largest_error"]

SEED = 20

WARM_UP = 3
"""Calls on a GPU before the first that is timed: libraries may compile or capture after the results were checked."""


class WrongResult(Exception):
    """A library computed something else than the reference."""


def as_tuple(result: Any) -> tuple:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def save_results(path: str, results: list[tuple]) -> None:
    """Write the results of several steps to a file."""
    np.savez(path, **{f"{i} {j}": value for i, step in enumerate(results) for j, value in enumerate(step)})


def load_results(path: str) -> list[tuple]:
    """What `save_results` wrote."""
    steps: dict[str, list] = {}
    with np.load(path) as file:
        for name in file.files:
            steps.setdefault(name.partition(" ")[0], []).append(file[name])
    return [tuple(values) for values in steps.values()]


def largest_error(results: list[tuple], references: list[tuple]) -> float:
    """The largest difference between results and references, relative to each reference's largest magnitude."""
    worst = 0.0
    for result, reference in zip(results, references, strict=True):
        if len(result) != len(reference):
            raise WrongResult(f"{len(result)} results where the reference has {len(reference)}")
        for got, want in zip(map(np.asarray, result), map(np.asarray, reference), strict=True):
            if got.shape != want.shape:
                raise WrongResult(f"shape {got.shape} where the reference has {want.shape}")
            if want.size:
                error = float(np.max(np.abs(got - want)) / max(float(np.max(np.abs(want))), 1e-30))
                worst = max(worst, error) if error == error else math.inf
    return worst


class Session:
    """One library on one device, and the steps that it has been asked to keep ready."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.steps: dict[str, tuple[Step, int, str]] = {}

    def load(self, group: str, name: str, quick: bool) -> Workload:
        workloads = importlib.import_module("benchmarks.workloads").workloads(group, quick)
        here = (workload for workload in workloads if self.library.device in workload.devices)
        return next(workload for workload in here if workload.name == name)

    def build(self, workload: Workload, column: str, arrays: tuple[np.ndarray, ...]) -> Step:
        return getattr(workload, workload.method(column))(*map(self.library.place, arrays))

    def prepare(
        self, *, group: str, name: str, column: str, quick: bool, seconds: float, reference: str = ""
    ) -> dict[str, Any]:
        """Build the step, compare its results with the reference's, and choose the calls of a sample of `seconds`.

        reference : a file of the reference's results; if it does not exist, this column is the reference and writes it.
            Without a file the reference is computed here; if that is another library's, nothing is compared and the
            error is None.
        """
        workload = self.load(group, name, quick)
        arrays = workload.inputs(np.random.default_rng(SEED))
        step = self.build(workload, column, arrays)
        # Copies, since a step may write into what the step before it returned: parameters, buffers of gradients.
        results = [tuple(np.array(self.library.numpy(v)) for v in as_tuple(step())) for _ in range(workload.checks)]
        if reference and not Path(reference).exists():
            save_results(reference, results)
        error = None
        if reference or self.computes(workload):
            error = self.error(workload, column, results, arrays, reference)
            if not error <= workload.tolerance:
                raise WrongResult(
                    f"error {error:.2g} against the reference, at most {workload.tolerance:.2g} is allowed"
                )
        del results, arrays
        self.library.release()
        for _ in range(WARM_UP if self.library.device != "cpu" else 0):
            step()
        once = self.timed(step, 1, workload.clock)
        number = max(1, min(math.ceil(seconds / once), 10_000))
        self.steps[column] = step, number, workload.clock
        return {"error": error, "number": number}

    def computes(self, workload: Workload) -> bool:
        """Whether the reference can be computed here: if it is NumPy's, or this library's."""
        library = workload.columns().get(workload.reference, "numpy")
        return library == "numpy" or isinstance(self.library, LIBRARIES[library])

    def error(
        self, workload: Workload, column: str, results: list[tuple], arrays: tuple[np.ndarray, ...], file: str
    ) -> float:
        """The largest relative difference from what the reference computes on the same inputs."""
        references = load_results(file) if file else self.references(workload, arrays)
        if column in workload.first_only:
            references = [reference[:1] for reference in references]
        return largest_error(results, references)

    def references(self, workload: Workload, arrays: tuple[np.ndarray, ...]) -> list[tuple]:
        """What the reference computes, here and now."""
        if workload.columns().get(workload.reference, "numpy") == "numpy":
            step = getattr(workload, workload.reference)(*(array.copy() for array in arrays))
        else:
            step = self.build(workload, workload.reference, arrays)
        return [tuple(np.array(self.library.numpy(v)) for v in as_tuple(step())) for _ in range(workload.checks)]

    def timed(self, step: Step, number: int, clock: str) -> float:
        """Seconds per call, over `number` calls after one that is not counted."""
        gc.collect()
        self.library.wait(step())
        return (self.queueing if clock == "host" else self.library.seconds)(step, number) / number

    def queueing(self, step: Step, number: int) -> float:
        """Seconds until the calls return; each begins when the device has nothing to do, so that no queue is full."""
        total = 0.0
        for _ in range(number):
            start = time.perf_counter()
            result = step()
            total += time.perf_counter() - start
            self.library.wait(result)
        return total

    def sample(self, *, column: str) -> dict[str, Any]:
        return {"value": self.timed(*self.steps[column])}

    def peak(self, *, group: str, name: str, column: str, quick: bool) -> dict[str, Any]:
        """Megabytes by which building and two steps raise the process's peak of resident memory."""
        workload = self.load(group, name, quick)
        arrays = workload.inputs(np.random.default_rng(SEED))
        before = _peak_megabytes()
        step = self.build(workload, column, arrays)
        for _ in range(2):
            self.library.wait(step())
        return {"value": _peak_megabytes() - before}

    def drop(self) -> dict[str, Any]:
        self.steps.clear()
        gc.collect()
        self.library.release()
        return {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What a request returns, or why it failed."""
        action = getattr(self, request.pop("do"))
        try:
            return action(**request)
        except WrongResult as error:
            return {"wrong": str(error)}
        except Exception as error:  # a failure of one library must not end the comparison of the others
            failed = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        with contextlib.suppress(Exception):  # there is no device any more after an error in a kernel
            gc.collect()
            self.library.release()
        return {"failed": failed}


def _peak_megabytes() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def main(name: str, device: str, threads: str) -> None:
    """Serve requests. What the library itself prints goes to standard error, so that answers stay readable."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    try:
        library = open_library(name, device, int(threads))
    except Unavailable as error:
        print(json.dumps({"unavailable": str(error)}), file=answers)
        return
    greeting = {"version": library.version(), "device": library.device_name(), "facts": library.facts()}
    print(json.dumps(greeting), file=answers)
    session = Session(library)
    for line in sys.stdin:
        print(json.dumps(session.answer(json.loads(line))), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
