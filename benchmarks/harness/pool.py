"""The parent's side of the worker processes, and rounds that alternate between them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .libraries import LIBRARIES
from .results import OURS, Result
from .workload import Workload

__all__ = ["ROOT", "Pool", "Settings"]

ROOT = Path(__file__).parents[2]


_TIMED_IMPORT = """
import json, sys, time
start = time.perf_counter()
exec(sys.argv[1])
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "packages": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


@dataclass(frozen=True)
class Settings:
    """How to measure.

    rounds : samples of each workload and library.
    limit : seconds after which a workload gets no further round, once it has had two.
    seconds : length of a sample, at least.
    pause : seconds before a sample, in which the threads of the library before it stop waiting actively for work.
    patience : seconds after which a process that does not answer is ended; 0 for none.
    pythons : the interpreters of libraries that do not run with this one.
    """

    threads: int = 2
    rounds: int = 10
    limit: float = 60.0
    seconds: float = 0.1
    pause: float = 0.03
    quick: bool = False
    patience: float = 0
    pythons: dict[str, str] = field(default_factory=dict)

    def python(self, library: str) -> str:
        """The interpreter that runs a library."""
        return self.pythons.get(LIBRARIES[library].same_as or library, sys.executable)


def _thread_variables(threads: int) -> dict[str, str]:
    """Environment variables that hold every library to `threads` threads from its start."""
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "NUMBA")
    return {f"{name}_NUM_THREADS": str(threads) for name in names}


class _Worker:
    """One library's process on one device."""

    def __init__(self, library: str, device: str, settings: Settings) -> None:
        command = [settings.python(library), "-m", "benchmarks.harness.worker"]
        self.process = subprocess.Popen(
            [*command, library, device, str(settings.threads)],
            cwd=ROOT,
            env={**os.environ, **_thread_variables(settings.threads), **LIBRARIES[library].environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.patience = settings.patience
        self.greeting = self._read()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer to one request; `{"failed": ...}` if the process has died."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"failed": "the process ended"}
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        if self.patience and not select.select([self.process.stdout], [], [], self.patience)[0]:
            self.process.kill()
            self.process.wait()
            return {"failed": f"no answer in {self.patience:g} s"}
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"failed": f"the process ended (exit status {self.process.wait()})"}

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has died with a request unread
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Pool:
    """The workers of one device, started when they are first needed, and kept running.

    versions, devices, facts : what the workers that were started say about themselves, by library.
    unavailable : why the others could not be, by library.
    """

    def __init__(self, device: str, libraries: list[str], settings: Settings) -> None:
        self.device, self.settings = device, settings
        self.libraries = libraries
        self.versions: dict[str, str] = {}
        self.devices: dict[str, str] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.unavailable: dict[str, str] = {}
        self._workers: dict[str, _Worker] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.close()

    def available(self, library: str) -> bool:
        """Whether the library's worker runs, after trying to start it."""
        if library not in self.libraries or library in self.unavailable:
            return False
        if library in self._workers:
            return True
        worker = self._start(library)
        if worker is not None:
            self._workers[library] = worker
        return worker is not None

    def _start(self, library: str) -> _Worker | None:
        worker = _Worker(library, self.device, self.settings)
        greeting = worker.greeting
        if "version" not in greeting:
            self.unavailable[library] = greeting.get("unavailable") or greeting["failed"]
            worker.close()
            return None
        self.versions[library] = greeting["version"]
        if greeting["device"]:
            self.devices[library] = greeting["device"]
        self.facts[library] = greeting["facts"]
        return worker

    def measure(self, group: str, workload: Workload, progress: Callable[[str], None]) -> Result:
        """Time a workload in every library that has it, one sample each in every round, the first one changing."""
        result = self.result(group, workload)
        columns = {column: library for column, library in workload.columns().items() if self.available(library)}
        measure = {"MB": self._peaks, "import": self._imports}.get(workload.unit, self._times)
        measure(group, workload, columns, result, progress)
        if self.device != "cpu":
            self._renew({columns[column] for column in result.failed})
        return result

    def result(self, group: str, workload: Workload) -> Result:
        """The workload's result on this device, without numbers."""
        return Result(group, workload.name, self.device, workload.unit, workload.work, workload.budgets)

    def _renew(self, libraries: set[str]) -> None:
        """End the workers of these libraries: an error in a kernel leaves a process unable to use its GPU."""
        for library in libraries & self._workers.keys():
            self._workers.pop(library).close()

    def _times(
        self, group: str, workload: Workload, columns: dict[str, str], result: Result, progress: Callable[[str], None]
    ) -> None:
        settings = self.settings
        ready = self._prepare(group, workload, columns, result, progress)
        begin = time.perf_counter()
        for i in range(settings.rounds):
            if i >= 2 and time.perf_counter() - begin > settings.limit:
                break
            progress(f"round {i + 1} of {settings.rounds}")
            start = i % max(len(ready), 1)
            for column in ready[start:] + ready[:start]:
                time.sleep(settings.pause)
                answer = self._ask(columns[column], "sample", column=column)
                if "value" in answer:
                    result.samples.setdefault(column, []).append(answer["value"])
                else:
                    self._note(column, columns[column], answer, result)
                    ready.remove(column)
        for library in {columns[column] for column in ready}:
            self._ask(library, "drop")

    def _ask(self, library: str, do: str, **request: Any) -> dict[str, Any]:
        """The answer of a library's worker, which is started anew if it has died."""
        if not self.available(library):
            return {"failed": self.unavailable[library]}
        return self._workers[library].ask(do, **request)

    def _prepare(
        self, group: str, workload: Workload, columns: dict[str, str], result: Result, progress: Callable[[str], None]
    ) -> list[str]:
        """Have every column built and checked; returns those that are ready to be timed.

        What they are checked against comes from PyTorch's process where that runs (on a GPU it may round to TF32), or
        from the process of the workload's own reference; where there is neither, each process computes the reference.
        """
        candidates = ("torch", workload.reference) if self.device == "cpu" else (workload.reference,)
        result.reference = next((column for column in candidates if column in columns), workload.reference)
        ready: list[str] = []
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "reference.npz"
            for column in sorted(columns, key=lambda column: column != result.reference):
                progress(f"preparing {column}")
                shared = str(file) if file.exists() or column == result.reference else ""
                answer = self._ask(
                    columns[column],
                    "prepare",
                    **{"group": group, "name": workload.name, "quick": self.settings.quick, "column": column},
                    **{"seconds": self.settings.seconds, "reference": shared},
                )
                if "number" in answer:
                    ready.append(column)
                    result.calls[column] = answer["number"]
                    if answer["error"] is not None:
                        result.errors[column] = answer["error"]
                else:
                    self._note(column, columns[column], answer, result)
        return [column for column in columns if column in ready]

    def _peaks(
        self, group: str, workload: Workload, columns: dict[str, str], result: Result, progress: Callable[[str], None]
    ) -> None:
        """A peak is a property of a whole process, so it takes a fresh one; others would differ by less than 1 MB."""
        where = {"group": group, "name": workload.name, "quick": self.settings.quick}
        for column, library in columns.items():
            progress(f"a process of its own for {column}")
            worker = _Worker(library, self.device, self.settings)
            answer = worker.ask("peak", column=column, **where)
            worker.close()
            if "value" in answer:
                result.samples[column] = [answer["value"]]
            else:
                self._note(column, library, answer, result)

    def _imports(
        self, group: str, workload: Workload, columns: dict[str, str], result: Result, progress: Callable[[str], None]
    ) -> None:
        """Seconds in fresh processes. The first of each column does not count; it writes bytecode, as pip does."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        begin = time.perf_counter()
        for i in range(self.settings.rounds + 1):
            if i > 3 and time.perf_counter() - begin > self.settings.limit:
                break
            progress(f"round {i} of {self.settings.rounds}")
            for column, library in columns.items():
                command = [self.settings.python(library), "-c", _TIMED_IMPORT]
                statement = getattr(workload, column)()
                done = subprocess.run([*command, statement], cwd=ROOT, env=environment, capture_output=True, text=True)
                if done.returncode:
                    result.failed[column] = (done.stderr.splitlines() or ["no message"])[-1]
                    continue
                answer = json.loads(done.stdout)
                if i:
                    result.samples.setdefault(column, []).append(answer["seconds"])
                unwanted = sorted(set(workload.forbidden) & set(answer["packages"]))
                if column == OURS and unwanted:
                    result.wrong[column] = f"imports {', '.join(unwanted)}"

    def _note(self, column: str, library: str, answer: dict[str, Any], result: Result) -> None:
        """Record why a column has no (more) numbers. A worker that died is replaced when it is next needed."""
        result.samples.pop(column, None)
        if "wrong" in answer:
            result.wrong[column] = answer["wrong"]
        else:
            result.failed[column] = answer["failed"]
        worker = self._workers.get(library)
        if worker is not None and worker.process.poll() is not None:
            self._workers.pop(library).close()
