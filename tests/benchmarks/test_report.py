"""The group `cpu`, and the table and plot that are made of its results."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.__main__ import main
from benchmarks.harness.pool import ROOT
from benchmarks.harness.report import TITLES, markdown, plot, read_results
from benchmarks.harness.results import OURS, Result
from benchmarks.harness.table import render
from benchmarks.harness.workload import Budget
from benchmarks.workloads import workloads


def test_the_group_runs_from_operations_to_whole_steps_and_each_workload_has_a_limit():
    made = workloads("cpu", quick=False)
    limits = {workload.name: [(budget.column, budget.limit) for budget in workload.budgets] for workload in made}
    captured = {workload.name: [b.limit for b in workload.budgets if b.ours != OURS] for workload in made}
    assert {name: found for name, found in captured.items() if found} == {
        "MLP 784-256-128-10, Adam, batch 32": [0.6],
        "GPT, 4 layers of 128, 64 characters, AdamW, batch 12": [0.75],
    }
    assert limits == {
        "tanh(x*a + b), 1000 times": [("torch", 0.5)],
        "relu(x@W + b), (32, 64) by (64, 64)": [("torch", 0.5)],
        "MLP 784-256-128-10, Adam, batch 32": [("torch", 0.8), ("torch", 0.6)],
        "MLP 784-256-128-10, Adam, batch 256": [("torch", 0.8)],
        "MLP 784-256-128-10, Adam, batch 2048": [("torch", 0.85)],
        "LeNet 28 x 28, SGD momentum, batch 64": [("torch", 1.2)],
        "conv 3 x 3, 64 to 64 channels, 32 x 32, batch 16": [("torch", 1.1)],
        "GPT, 4 layers of 128, 64 characters, AdamW, batch 12": [("torch", 0.85), ("torch", 0.75)],
        "x@y, 1024": [("torch", 1.0)],
        "x@y, 2048": [("torch", 1.0)],
        "gelu, tanh, 16 M": [("torch", 0.45)],
        "relu, 16 M": [("torch", 0.3)],
        "softmax, 8192 x 1024": [("torch", 0.6)],
        "layer_norm, 8192 x 1024": [("torch", 0.9)],
        "cross_entropy, 2048 x 32000": [("torch", 0.2)],
        "Adam's step, 6 x (2048, 2048)": [("torch", 0.3), ("torch_fused", 1.8)],
        "Adam's step, 50 x (64, 64)": [("torch", 0.25), ("torch_fused", 0.9)],
        "import": [(None, 0.15), ("numpy", 1.6)],
        "12 x (Linear 2048, ReLU), batch 4096": [(None, 750)],
    }
    assert all(workload.devices == ("cpu",) for workload in made)


def document() -> dict:
    """What a run would write whose every time is 2 ms for us, 4 for PyTorch, 1 for its fused way, 8 for the tuned."""
    results = []
    for workload in workloads("cpu", quick=False):
        columns = workload.columns()
        times = {
            OURS: 2e-3,
            f"{OURS}_captured": 3e-3,
            "torch": 4e-3,
            "torch_fused": 1e-3,
            "torch_tuned": 8e-3,
            "numpy": 1e-3,
        }
        samples = {column: [time, 2 * time, 2 * time] for column, time in times.items() if column in columns}
        result = Result("cpu", workload.name, "cpu", workload.unit, workload.work, workload.budgets, samples)
        result.reference, result.errors = "torch", {OURS: 3e-6, "torch": 0.0}
        results.append(result.as_json())
    machine = {"processor": "a processor", "cores": 2, "threads": 2, "python": "3.11", "others": 0.07}
    machine |= {"date": "2026-01-02T03:04:05+00:00", "commit": "abc"}
    versions = {"cpu": {OURS: "0", "numpy": "2.4", "torch": "2.13", "torch_tuned": "2.13"}}
    return json.loads(json.dumps({"machine": machine, "versions": versions, "rounds": 3, "results": results}))


def test_markdown():
    lines = markdown(document()).splitlines()
    assert lines[0] == (
        "| | tinygrad_lite | NumPy by hand | PyTorch | PyTorch, tuned malloc | to PyTorch | to PyTorch, tuned malloc "
        "| at most | |"
    )
    assert lines[1] == "|---" * 9 + "|"
    assert lines[4] == (
        "| MLP 784-256-128-10, Adam, batch 32 | 4.00 ms [2.00]; captured 6.00 ms [3.00] | 2.00 ms [1.00] "
        "| 8.00 ms [4.00]; fused 2.00 ms [1.00] | 16.0 ms [8.00] "
        "| 0.50 [0.50]; fused 2.00 [2.00]; captured 0.75 [0.75] | 0.25 [0.25]; captured 0.38 [0.38] "
        "| 0.80; captured 0.60 | met; missed |"
    )
    adam = next(line for line in lines if line.startswith("| Adam's step, 50"))
    assert adam.endswith("| 0.25; 0.90 of fused | missed; missed |")
    assert "| x@y, 1024 | 537 [1074] GFLOP/s |" in "\n".join(lines)
    assert lines[-2] == ""
    assert lines[-1] == (
        "a processor, 2 cores, 2 threads, float32, Python 3.11, NumPy 2.4, PyTorch 2.13; 2026-01-02, commit abc. "
        "Medians [minima] of up to 3 alternating rounds; ratios are medians of the rounds' ratios [ratios of the "
        "minima]. Results and gradients differ from PyTorch's by at most 3e-06 of the largest value. Other processes "
        "took 7% of the cores' time meanwhile."
    )


def test_table_of_a_second_way_of_ours():
    captured = f"{OURS}_captured"
    samples = {OURS: [3e-6], captured: [6e-6], "torch": [8e-6]}
    lines = render(
        [Result("cpu", "step", "cpu", samples=samples, budgets=(Budget(0.5, "torch"), Budget(0.7, "torch", captured)))]
    )
    header, row = lines.splitlines()
    assert header.split()[-4:-2] == ["ours/torch", "captured/torch"]
    assert re.split(r"\s{2,}", row)[4:] == ["0.38 [0.38]", "0.75 [0.75]", "0.50: met, captured 0.70: MISSED"]


def test_markdown_of_what_is_wrong_or_missing():
    wrong = Result("cpu", "sum", "cpu", budgets=(Budget(0.5, "torch"),), wrong={OURS: "error 1"})
    missing = Result("cpu", "max", "cpu", samples={OURS: [1e-3], "torch": [1e-3]}, failed={"numpy": "boom"})
    given = document() | {"results": [wrong.as_json(), missing.as_json()]}
    del given["machine"]["others"]
    lines = markdown(given).splitlines()
    assert lines[0] == "| | tinygrad_lite | PyTorch | to PyTorch | at most | |"
    assert lines[2:4] == [
        "| sum | wrong | - | - | 0.50 | - |",
        "| max | 1.00 ms [1.00] | 1.00 ms [1.00] | 1.00 [1.00] | | |",
    ]
    assert "Other processes" not in lines[-1] and "differ" not in lines[-1]


def test_the_commands_over_a_file_of_results(tmp_path, capsys):
    path = tmp_path / "measured.json"
    arguments = ["cpu/relu(x@W", "--quick", "--peers", "none", "--device", "cpu", "--rounds", "2", "--json", str(path)]
    assert main(arguments) == 0
    capsys.readouterr()
    (result,) = read_results(json.loads(path.read_text()))
    assert result.budgets == (Budget(0.5, "torch"),) and result.met(result.budgets[0]) is None
    assert main(["table", str(path)]) == 0
    assert capsys.readouterr().out.startswith("| | tinygrad_lite | NumPy by hand | at most | |\n")
    assert main(["table"]) == 2
    assert capsys.readouterr().err == "usage: python -m benchmarks table PATH, where --json wrote PATH\n"


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    plot(document(), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    path = tmp_path / "measured.json"
    path.write_text(json.dumps(document()))
    assert main(["plot", str(path)]) == 0
    assert path.with_suffix(".png").exists()


NUMBER = r"\d+(\.\d+)?"
VALUE = rf"((fused|captured) )?{NUMBER}( us| ms| s)? \[{NUMBER}\]( us/op| GFLOP/s| MB)?"
RATIO = rf"((fused|captured) )?{NUMBER} \[{NUMBER}\]"
LIMIT = rf"(captured )?{NUMBER}( s| MB| of fused| of numpy)?"
FORMS = {"to": RATIO, "at most": LIMIT, "": r"met|missed|-"}


def deviations(text: str) -> list[str]:
    """How the table of the group `cpu` in `text` differs from the form that `markdown` gives it."""
    tables = re.findall(r"^\| \| tinygrad_lite \|.*\n(?:\|.*\n)+", text, re.MULTILINE)
    tables = [table for table in tables if "| at most |" in table]
    if len(tables) != 1:
        return [f"{len(tables)} tables"]
    header, rule, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in tables[0].splitlines())
    known = {*TITLES.values(), *(f"to {title}" for title in TITLES.values()), "at most", ""}
    found = [f"column {title}" for title in header if title not in known]
    if [row[0] for row in rows] != [workload.name for workload in workloads("cpu", quick=False)]:
        found.append("other workloads")
    for row in rows:
        for title, cell in zip(header[1:], row[1:], strict=True):
            form = FORMS.get(title.partition(" ")[0] if title.startswith("to ") else title, VALUE)
            if cell and not all(re.fullmatch(rf"-|wrong|{form}", part) for part in cell.split("; ")):
                found.append(f"{row[0]}, {title}: {cell}")
    return found if set(rule) == {"---"} else [*found, "no rule below the header"]


def test_the_form_of_a_table_is_checked():
    text = f"# Title\n\n{markdown(document())}\n\nMore.\n"
    assert deviations(text) == []
    assert deviations("nothing") == ["0 tables"]
    assert deviations(text.replace("| 1.20 |", "| 1.2? |", 1)) == [
        "LeNet 28 x 28, SGD momentum, batch 64, at most: 1.2?"
    ]
    assert deviations(text.replace("| gelu, tanh", "| gelu")) == ["other workloads"]
    assert deviations(text.replace("8.00 ms [4.00]", "8 [4] ms", 1))[0].endswith(", PyTorch: 8 [4] ms")


def test_the_readme_has_the_table():
    assert deviations((ROOT / "README.md").read_text()) == []
