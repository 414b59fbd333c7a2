"""What is checked of each operation: `python -m tinygrad_lite.testing.coverage` checks all of them and prints a table.

A cell says yes because its checks ran just now, on examples drawn from the operation's samples; where it says anything
else, `WORDS` says why. Needs the packages hypothesis and scipy. Operations that are not elementwise have their samples
in `tests/samples/`, beside the package in its source; without them their cells say "no sample". Operations of your own
join the table if their module is named by `--import`; see `tinygrad_lite.testing.samples` for writing samples.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import importlib.util
import json
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.backend import Backend, device_backend
from ..core.errors import BackendError
from ..core.op import OPS, Op
from ..core.tree import leaves
from . import laws
from .report import Comparison
from .samples import SAMPLES, UNCLAIMED, Sample, samples_of

__all__ = ["COLUMNS", "WORDS", "Row", "check", "committed", "main", "markdown"]

COLUMNS = ("value", "vjp", "jvp", "second order", "vmap", "NumPy", "CuPy", "dtypes")

WORDS = {
    "yes": "the checks of this cell ran and passed, on every example",
    "integers": "the results are integers or booleans, which have no derivative; that nothing is recorded was checked",
    "constant": "a constant by definition, of derivative 0; that nothing is recorded was checked",
    "first": "first derivatives only: the operation is itself a derivative, or its derivative has none",
    "by parts": "the results are random, or unique up to signs only; tests of their own check them",
    "no reference": "nothing says what the value should be; see `reference` in `tinygrad_lite.testing.samples`",
    "stand-in": "no GPU was there; ran on a strict stand-in for CuPy that computes with NumPy, and agreed",
    "no GPU": "neither a GPU was there nor the stand-in for CuPy, which is in the source's `tests/`",
    "moves": "the result belongs to another array library than the input; tests of its own check it",
    "loop": "computed one example after another, with a warning that says why; the results are right",
    "no arrays": "it takes no arrays",
    "no sample": "not elementwise, and the samples, which are in the source's `tests/`, were not there: nothing ran",
    "FAIL": "a check failed",
}
"""What the words in the cells mean."""

HEADS = {
    "value": "equals NumPy's or SciPy's, or a plain loop's, in float64 and float32",
    "vjp": "the reverse-mode derivative equals finite differences",
    "jvp": "so does the forward-mode derivative",
    "second order": "the derivatives of the derivative do too, in both modes",
    "vmap": "values and vector-Jacobian products of three examples at once are those of each",
    "NumPy": "arrays and Tensors give the same, inputs stay unchanged, float32 stays float32, and how arrays lie in "
    "memory makes no difference",
    "CuPy": "values and gradients agree with NumPy's",
    "dtypes": "NumPy's codes of those that were seen to give what the reference gives (b1 is bool, i8 int64, f2 f4 f8 "
    "floating point, c8 c16 complex, with first and second derivatives or an error that says that there are none); "
    "any other is refused, or the reference cannot say what is right, or it is listed below with a reason",
}
"""What the columns say."""


@dataclass
class Row:
    """What was found of one operation: a cell for each column, and what failed."""

    name: str
    cells: dict[str, str]
    failures: list[str] = field(default_factory=list)


def check(op: Op, *, examples: int = 6, device: tuple[str, Backend] | None = None) -> Row:
    """Run all checks of one operation on a number of examples of each of its samples.

    device : the word for the CuPy column and CuPy's backend, or None if neither a GPU nor the stand-in is there.
    """
    found = samples_of(op.name)
    if not found:
        return Row(op.name, dict.fromkeys(COLUMNS, "no sample"))
    row = Row(op.name, {})
    drawn = [(_referenced(sample), *example) for sample in found for example in sample.examples(examples)]
    with np.errstate(all="ignore"):
        for column, cell in _cells(op, drawn, device):
            row.cells[column] = cell(row, column)
    return row


def _referenced(sample: Sample) -> Sample:
    """The sample, without a reference if there is none of the operation's name."""
    try:
        sample.expected()
    except KeyError:
        return replace(sample, reference=None)
    return sample


Drawn = Sequence[tuple[Sample, tuple, dict[str, Any]]]


def _cells(op: Op, drawn: Drawn, device: tuple[str, Backend] | None) -> Iterator[tuple[str, Callable[[Row, str], str]]]:
    """Each column with the function that finds its cell."""
    known = [one for one in drawn if one[0].expected() is not None]
    if known:
        yield "value", lambda row, column: _passed(row, column, op, known, laws.values)
    else:
        yield "value", lambda row, column: "by parts" if op.name in SAMPLES else "no reference"
    compared = _Derivatives(op, drawn)
    yield "vjp", lambda row, column: compared.cell(row, column, lambda one: one.order == 1 and one.mode == "reverse")
    yield "jvp", lambda row, column: compared.cell(row, column, lambda one: one.order == 1 and one.mode == "forward")
    yield "second order", lambda row, column: compared.cell(row, column, lambda one: one.order == 2)
    pure = (laws.tensors_agree, laws.inputs_unchanged, laws.float32_kept, laws.layouts_agree)
    yield "vmap", lambda row, column: _batched(row, column, op, drawn)
    yield "NumPy", lambda row, column: _passed(row, column, op, drawn, *pure)
    yield "CuPy", lambda row, column: _on_device(row, column, op, drawn, device)
    yield "dtypes", lambda row, column: _dtypes(row, column, op, drawn)


def _passed(row: Row, column: str, op: Op, drawn: Drawn, *checks: Any) -> str:
    return "yes" if _run(row, column, drawn, *(lambda *one, law=law: law.check(op, *one) for law in checks)) else "FAIL"


def _run(row: Row, column: str, drawn: Drawn, *checks: Callable) -> bool:
    """Whether all checks pass on all examples. The first failure is noted."""
    for one in drawn:
        for function in checks:
            try:
                function(*one)
            except Exception as error:  # whatever it is, it is what the table is to tell
                row.failures.append(f"{row.name}, {column}: {type(error).__name__}: {error}")
                return False
    return True


class _Derivatives:
    """The comparisons with finite differences on all examples, made once for the three columns that show them."""

    def __init__(self, op: Op, drawn: Drawn) -> None:
        self.op, self.drawn = op, drawn
        self.rows: list[Comparison] = []
        self.error: Exception | None = None
        try:
            for sample, arrays, statics in drawn:
                self.rows += laws.comparisons(op, sample, arrays, statics, sample.order)
        except Exception as error:
            self.error = error

    def cell(self, row: Row, column: str, wanted: Callable[[Comparison], bool]) -> str:
        if self.error is not None:
            row.failures.append(f"{row.name}, {column}: {type(self.error).__name__}: {self.error}")
            return "FAIL"
        found = [one for one in self.rows if wanted(one)]
        wrong = [one for one in found if one.verdict != "ok"]
        if wrong:
            row.failures.append(f"{row.name}, {column}: {wrong[0]}")
            return "FAIL"
        if found:
            return "yes"
        return "first" if self.rows else self._reason()

    def _reason(self) -> str:
        """Why there is nothing to compare."""
        _, arrays, statics = self.drawn[0]
        results = leaves(laws.called(self.op.function, arrays, statics))
        return "constant" if any(np.asarray(out).dtype.kind in "fc" for out in results) else "integers"


def _batched(row: Row, column: str, op: Op, drawn: Drawn) -> str:
    if not any(isinstance(x, np.ndarray) for _, arrays, _ in drawn for x in leaves(arrays)):
        return "no arrays"
    reasons: list[str | None] = []
    passed = _run(row, column, drawn, lambda *one: reasons.append(laws.loops_in_batches(op, *one)))
    return "FAIL" if not passed else "loop" if any(reasons) else "yes"


def _on_device(row: Row, column: str, op: Op, drawn: Drawn, device: tuple[str, Backend] | None) -> str:
    if op.name in ("to_device", "transfer"):
        return "moves"
    if device is None:
        return "no GPU"
    word, backend = device
    return word if _run(row, column, drawn, lambda *one: laws.backends_agree(backend, op, *one)) else "FAIL"


def _dtypes(row: Row, column: str, op: Op, drawn: Drawn) -> str:
    """The codes of the dtypes that the operation takes in place of floating point, or else of those in its samples."""
    given = {x.dtype for _, arrays, _ in drawn for x in leaves(arrays) if isinstance(x, np.ndarray)}
    if not any(dtype.kind == "f" for dtype in given):
        return " ".join(sorted(dtype.str[1:] for dtype in given)) or "no arrays"
    taken = []
    for dtype in laws.DTYPES:
        seen: list[bool] = []

        def take(*one: Any, dtype: str = dtype, seen: list[bool] = seen) -> None:
            seen.append(laws.takes(op, *one, dtype))
            if seen[-1] and dtype == "complex128":
                laws.complex_derivatives.check(op, *one)

        if not _run(row, f"{column}, {dtype}", drawn, take):
            return "FAIL"
        if any(seen):
            taken.append(np.dtype(dtype).str[1:])
    return " ".join(taken)


# Where the samples, the device and the names come from


def load_source() -> Any:
    """Load the samples, which are beside the package in its source, and return the stand-in for CuPy; None without."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "tests" / "samples" / "__init__.py").is_file():
        return None
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    importlib.import_module("tests.samples")
    return importlib.import_module("tests.backends.fake_cupy")


@contextlib.contextmanager
def cupy_or_stand_in(stand_in: Any) -> Iterator[tuple[str, Backend] | None]:
    """The word for the CuPy column with CuPy's backend: on a GPU if there is one, else on the stand-in if given."""
    try:
        yield "yes", device_backend("cuda")
    except BackendError:
        if stand_in is None:
            yield None
        else:
            with stand_in.installed():
                yield "stand-in", device_backend("cuda")


def _known(names: Sequence[str], parser: argparse.ArgumentParser) -> list[Op]:
    for name in names:
        if name not in OPS:
            near = difflib.get_close_matches(name, OPS, n=3)
            hint = f"; near it are {', '.join(near)}" if near else ""
            parser.error(f"there is no operation {name!r} in the registry{hint}.")
    return [OPS[name] for name in names] if names else list(OPS.values())


# The table as text, Markdown and JSON


def text(rows: Sequence[Row]) -> str:
    """The rows as an aligned table, and what the words in it mean."""
    lines = [("", *COLUMNS), *((row.name, *(row.cells[column] for column in COLUMNS)) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*table, "", *(f"{word}: {why}" for word, why in _used(rows).items())])


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a page, with a table for each file of operations."""
    lines = [
        "# What is checked of each operation",
        "",
        "Written by `python -m tinygrad_lite.testing.coverage --markdown`, which ran every check that a cell stands "
        f"for. {len(rows)} operations; Python {platform.python_version()}, NumPy {np.__version__}.",
        "",
        *(f"- **{column}**: {what}." for column, what in HEADS.items()),
        "",
        "Where a cell says:",
        "",
        *(f"- *{word}*: {why}." for word, why in _used(rows).items()),
    ]
    home = ""
    for row in rows:
        module = OPS[row.name].body.__module__
        if module != home:
            home = module
            heading = module.removeprefix(f"{__package__.partition('.')[0]}.")
            lines += ["", f"## {heading}", "", f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
        lines.append(f"| {row.name} | {' | '.join(row.cells[column] for column in COLUMNS)} |")
    reasons = [(row.name, *item) for row in rows for item in UNCLAIMED.get(row.name, {}).items()]
    if reasons:
        lines += ["", "## Dtypes of which nothing is claimed", ""]
        lines += [f"- {name}, {dtype}: {why}." for name, dtype, why in reasons]
    return "\n".join(lines)


def committed(page: Path) -> dict[str, Row]:
    """The rows of a page that `markdown` made, by name."""
    found = {}
    for line in page.read_text().splitlines():
        name, *cells = line.strip("| ").split(" | ")
        if line.startswith("| ") and name not in ("", COLUMNS[0]) and len(cells) == len(COLUMNS):
            found[name] = Row(name, dict(zip(COLUMNS, cells, strict=True)))
    return found


def as_json(rows: Sequence[Row]) -> str:
    """The rows, with what failed."""
    found = {row.name: {**row.cells, **({"failures": row.failures} if row.failures else {})} for row in rows}
    return json.dumps({"python": platform.python_version(), "numpy": np.__version__, "operations": found}, indent=1)


def _used(rows: Iterable[Row]) -> dict[str, str]:
    """The words that occur in the rows, with what they mean."""
    cells = {cell for row in rows for cell in row.cells.values()}
    return {word: why for word, why in WORDS.items() if word in cells}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 1 if a check failed."""
    command = "python -m tinygrad_lite.testing.coverage"
    parser = argparse.ArgumentParser(prog=command, description="Check operations and print what was checked.")
    parser.add_argument("names", nargs="*", help="the operations to check; all of them by default")
    parser.add_argument("--examples", type=int, default=6, help="how many examples of each sample (default: 6)")
    parser.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module with operations of yours",
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_const", dest="shown", const=as_json, default=text)
    shape.add_argument("--markdown", action="store_const", dest="shown", const=markdown)
    shape.add_argument(
        "--update", type=Path, metavar="PAGE",
        help="bring such a page up to date: check the named operations, or those that it lacks, and keep the others",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    missing = [name for name in ("hypothesis", "scipy") if importlib.util.find_spec(name) is None]
    if missing:
        parser.error(f"needs the package {missing[0]}, which is not installed: pip install {' '.join(missing)}.")
    stand_in = load_source()
    for module in options.modules:
        importlib.import_module(module)
    kept = committed(options.update) if options.update else {}
    ops = _known(options.names, parser)
    if options.update and not options.names:
        ops = [op for op in ops if op.name not in kept]
    rows = []
    with cupy_or_stand_in(stand_in) as device:
        for op in _with_progress(ops):
            rows.append(check(op, examples=options.examples, device=device))
    if options.update:
        found = kept | {row.name: row for row in rows}
        options.update.write_text(markdown([found[name] for name in OPS if name in found]) + "\n")
        print(f"{options.update}: {len(rows)} operations checked.")
    else:
        print(options.shown(rows))
    failures = [failure for row in rows for failure in row.failures]
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _with_progress(ops: Sequence[Op]) -> Iterable[Op]:
    from tqdm import tqdm

    seconds = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(ops, unit=" operations", file=sys.stderr, mininterval=seconds)


if __name__ == "__main__":
    sys.exit(main())
