"""The benchmarks run, check what they time, and print what they measured. Nothing depends on how fast anything is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main, remarks, select
from benchmarks.harness import machine
from benchmarks.harness.libraries import LIBRARIES
from benchmarks.harness.machine import commit, describe_machine
from benchmarks.harness.pool import ROOT, Pool, Settings
from benchmarks.harness.results import OURS, Result, Spread
from benchmarks.harness.table import align, digits, format_limit, format_ratio, format_spread, render
from benchmarks.harness.worker import Session, WrongResult, largest_error, load_results, save_results
from benchmarks.harness.workload import Budget, Workload
from benchmarks.workloads import DEFAULT, GROUPS, by_hand, kernels, workloads


def test_quick_dispatch_prints_the_ratio_and_writes_json(tmp_path):
    path = tmp_path / "measured.json"
    command = [sys.executable, "-m", "benchmarks", "dispatch", "--quick", "--peers", "none", "--device", "cpu"]
    done = subprocess.run([*command, "--json", str(path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^tanh.* 2\.50 of numpy: (met|MISSED)$", done.stdout, re.MULTILINE)
    assert re.search(r"^[01] of 1 limits are met, 0 were not measured$", done.stdout, re.MULTILINE)
    assert "cpu dispatch 1/2: tanh" in done.stderr
    measured = json.loads(path.read_text())
    assert measured["versions"]["cpu"].keys() == {"tinygrad_lite", "numpy"}
    machine = {"processor", "cores", "system", "python", "date", "commit", "threads", "others"}
    assert machine <= measured["machine"].keys()
    chain = measured["results"][0]
    (budget,) = chain["budgets"]
    assert budget == {"limit": 2.5, "column": "numpy", "ours": OURS, "met": chain["ratio"]["numpy"]["median"] <= 2.5}
    assert chain["reference"] == "numpy"
    assert len(chain["samples"]["tinygrad_lite"]) == len(chain["samples"]["numpy"]) >= 2
    assert chain["minimum"]["numpy"] == min(chain["samples"]["numpy"]) > 0
    assert chain["errors"]["tinygrad_lite"] < 1e-4


def test_workloads_are_chosen_by_a_part_of_their_names():
    names = [workload.name for _, made in select(["activations/softmax", "matmul"], quick=False) for workload in made]
    assert names[:4] == [f"{name}, {n}" for name in ("softmax", "log_softmax") for n in ("64 x 64", "8192 x 1024")]
    assert names[4:] == [workload.name for workload in workloads("matmul", quick=False)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["speed"], "unknown group 'speed'; known are cpu, dispatch, matmul,"),
        (["matmul/512x"], "no workload of 'matmul' has '512x' in its name"),
        (["--peers", "tensorflow"], "unknown 'tensorflow'; known are torch, jax, autograd, mygrad, all and none"),
        (["--rounds", "0"], "--threads and --rounds must be at least 1"),
        (["--python", "torch"], "--python: got 'torch'; give LIBRARY=PATH with a library out of tinygrad_lite, numpy"),
    ],
)
def test_wrong_arguments_end_with_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "kernels"])
@pytest.mark.parametrize("quick", [True, False])
def test_every_workload_is_written_for_us_and_has_a_reference(group, quick):
    made = workloads(group, quick)
    assert made
    assert len({workload.name for workload in made}) == len(made)
    for workload in made:
        assert next(iter(workload.columns())) == "tinygrad_lite"
        assert callable(getattr(workload, workload.reference))
        assert set(workload.columns().values()) <= LIBRARIES.keys()


@pytest.mark.parametrize("group", ["matmul", "activations", "training", "optimizers"])
def test_our_results_agree_with_the_references(group):
    session = Session(LIBRARIES["tinygrad_lite"]("cpu", 1))
    for workload in workloads(group, quick=True):
        where = {"group": group, "name": workload.name, "quick": True}
        answer = session.answer({"do": "prepare", "column": "tinygrad_lite", "seconds": 1e-9, **where})
        assert answer.get("number") == 1, (workload.name, answer)


def test_a_wrong_result_is_not_timed(monkeypatch):
    session = Session(LIBRARIES["tinygrad_lite"]("cpu", 1))
    relu = workloads("activations", quick=True)[0]
    monkeypatch.setitem(type(relu).functions, "tinygrad_lite", lambda tl: tl.tanh)
    where = {"group": "activations", "name": relu.name, "quick": True}
    answer = session.answer({"do": "prepare", "column": "tinygrad_lite", "seconds": 1e-9, **where})
    assert re.fullmatch(r"error 0\.\d+ against the reference, at most 0\.0001 is allowed", answer["wrong"])
    assert not session.steps


def test_processes_share_the_results_of_the_reference(tmp_path, monkeypatch):
    where = {"group": "activations", "name": "relu, 64 x 64", "quick": True, "seconds": 1e-9}
    file = str(tmp_path / "reference.npz")
    floor, ours = (Session(LIBRARIES[name]("cpu", 1)) for name in ("numpy", "tinygrad_lite"))
    assert floor.answer({"do": "prepare", "column": "numpy", "reference": file, **where})["error"] == 0
    (stored,) = load_results(file)
    assert [value.shape for value in stored] == [(64, 64)] * 2
    assert ours.answer({"do": "prepare", "column": "tinygrad_lite", "reference": file, **where})["error"] < 1e-6
    save_results(file, [(stored[0], 1.1 * stored[1])])
    assert "wrong" in ours.answer({"do": "prepare", "column": "tinygrad_lite", "reference": file, **where})


def test_a_step_may_write_into_what_it_returned_before():
    gradients = [np.ones((2, 2), dtype=np.float32)]
    adam = workloads("optimizers", quick=True)[0]
    step = adam.numpy(*gradients)
    first, second = (step()[0] for _ in range(2))
    assert first is second  # which is why results are copied before the next step
    session = Session(LIBRARIES["tinygrad_lite"]("cpu", 1))
    where = {"group": "optimizers", "name": adam.name, "quick": True, "seconds": 1e-9}
    assert session.answer({"do": "prepare", "column": "tinygrad_lite", **where})["error"] < 1e-4


def test_a_column_may_return_the_first_value_alone():
    mlp = workloads("training", quick=True)[0]
    session = Session(LIBRARIES["numpy"]("cpu", 1))
    arrays = mlp.inputs(np.random.default_rng(0))
    losses = [values[:1] for values in session.references(mlp, arrays)]
    assert session.error(mlp, "jax", losses, arrays, "") < 1e-6
    with pytest.raises(WrongResult, match=r"1 results where the reference has 7"):
        session.error(mlp, "torch", losses, arrays, "")


def test_a_failure_is_an_answer():
    session = Session(LIBRARIES["numpy"]("cpu", 1))
    assert session.answer({"do": "sample", "column": "torch"}) == {"failed": "KeyError: 'torch'"}


def test_largest_error():
    reference = [(np.array([2.0, 4.0]), 1.0)]
    assert largest_error([(np.array([2.0, 4.4]), 1.0)], reference) == pytest.approx(0.1)
    assert largest_error([(np.array([2.0, np.nan]), 1.0)], reference) == np.inf
    with pytest.raises(WrongResult, match=r"1 results where the reference has 2"):
        largest_error([(1.0,)], reference)
    with pytest.raises(WrongResult, match=r"shape \(1,\) where the reference has \(2,\)"):
        largest_error([(np.ones(1), 1.0)], reference)


def test_missing_libraries_are_named_in_one_line():
    settings = Settings(rounds=1, seconds=1e-9, pause=0)
    with Pool("cpu", ["jax", "mygrad"], settings) as pool:
        pool.unavailable = {"jax": "not installed", "mygrad": "not installed", "torch": "finds no CUDA device"}
        assert not pool.available("jax") and not pool.available("numpy")
        lines = remarks({"others": 0.01}, [], [pool])
    assert lines == ["not installed: jax, mygrad", "torch on cpu: finds no CUDA device"]


def test_a_busy_machine_is_noted():
    (line,) = remarks({"others": 0.38}, [], [])
    assert line.startswith("other processes took 38% of the cores' time meanwhile; ")
    assert line.endswith(": the ratios are not to be trusted")
    assert remarks({"others": None}, [], []) == []


def test_the_share_of_others_is_what_neither_we_nor_idleness_took(monkeypatch):
    seconds = iter([100.0, 130.0])
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(seconds))
    busy, own = iter([500.0, 540.0]), iter([1.0, 26.0])
    monkeypatch.setattr(machine, "_busy_seconds", lambda: next(busy))
    monkeypatch.setattr(machine, "_own_seconds", lambda: next(own))
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    assert machine.Others().share() == 0.25
    monkeypatch.setattr(machine, "_busy_seconds", lambda: None)
    monkeypatch.setattr(machine.time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(machine, "_own_seconds", lambda: 0.0)
    assert machine.Others().share() is None


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_library_may_ask_for_an_environment(monkeypatch):
    monkeypatch.setattr(LIBRARIES["numpy"], "environment", {"PROBE_OF_A_TEST": "1"})
    with Pool("cpu", ["numpy"], Settings()) as pool:
        assert pool.available("numpy")
        variables = Path(f"/proc/{pool._workers['numpy'].process.pid}/environ").read_bytes().split(b"\0")
    assert {b"PROBE_OF_A_TEST=1", b"OMP_NUM_THREADS=2"} <= set(variables)


def test_tuned_torch_is_torch_with_another_malloc():
    tuned = LIBRARIES["torch_tuned"]
    assert tuned.same_as == "torch" and issubclass(tuned, LIBRARIES["torch"])
    assert tuned.environment.keys() == {f"MALLOC_{name}_" for name in ("MMAP_THRESHOLD", "TRIM_THRESHOLD", "TOP_PAD")}
    assert Settings(pythons={"torch": "/there"}).python("torch_tuned") == "/there"


@pytest.mark.parametrize("peers", [[], ["torch"]])
def test_results_are_compared_with_torch_where_it_runs(peers):
    if peers:
        pytest.importorskip("torch")
    layer = workloads("dispatch", quick=True)[1]
    settings = Settings(rounds=2, seconds=1e-9, pause=0, quick=True)
    with Pool("cpu", ["tinygrad_lite", "numpy", *peers], settings) as pool:
        result = pool.measure("dispatch", layer, lambda step: None)
    assert result.reference == (peers or ["numpy"])[0]
    assert set(result.errors) == {"tinygrad_lite", "numpy", *peers}
    assert all(len(samples) == 2 for samples in result.samples.values())
    assert not result.wrong and not result.failed


def test_a_library_that_died_is_noted_and_does_not_end_the_run():
    with Pool("cpu", ["numpy", "tinygrad_lite"], Settings(rounds=2, seconds=1e-9, pause=0, quick=True)) as pool:
        assert pool.available("numpy")
        pool._workers["numpy"].process.kill()
        pool._workers["numpy"].process.wait()
        result = pool.measure("dispatch", workloads("dispatch", quick=True)[1], lambda step: None)
    assert "the process ended" in result.failed["numpy"] and not result.wrong
    assert len(result.samples["tinygrad_lite"]) == 2


def test_peers_that_cannot_run_say_why():
    with Pool("cuda", ["numpy"], Settings()) as pool:
        assert not pool.available("numpy")
        assert pool.unavailable == {"numpy": "runs on the CPU only"}


def _result(**changes) -> Result:
    samples = {"tinygrad_lite": [2e-6, 4e-6, 3e-6], "numpy": [1e-6, 2e-6, 3e-6], "torch": [8e-6, 8e-6, 4e-6]}
    return Result(**{"group": "dispatch", "name": "chain", "device": "cpu", "samples": samples, **changes})


def test_statistics():
    result = _result()
    assert result.spread("tinygrad_lite") == Spread(3e-6, 2e-6)
    assert result.spread("jax") is None
    assert result.ratio("tinygrad_lite", "torch") == Spread(0.5, 0.5)
    assert result.ratio("tinygrad_lite", "numpy") == Spread(2.0, 2.0)
    assert result.ratio("tinygrad_lite", "jax") is None
    limits = {Budget(1.5, "numpy"): False, Budget(2.0, "numpy"): True, Budget(9.0, "jax"): None}
    limits |= {Budget(3e-6, None): True, Budget(2.9e-6, None): False}
    assert {limit: result.met(limit) for limit in limits} == limits
    again = _result(budgets=tuple(limits), reference="torch")
    assert Result.from_json(json.loads(json.dumps(again.as_json()))) == again
    assert json.loads(json.dumps(result.as_json()))["ratio"]["torch"] == {"median": 0.5, "best": 0.5}


@pytest.mark.parametrize(
    ("limit", "column", "unit", "text"),
    [
        (0.5, "torch", "time", "0.50"),
        (1.8, "torch_fused", "time", "1.80 of fused"),
        (1.6, "numpy", "import", "1.60 of numpy"),
        (0.15, None, "import", "0.15 s"),
        (750, None, "MB", "750 MB"),
    ],
)
def test_format_limit(limit, column, unit, text):
    assert format_limit(_result(unit=unit), Budget(limit, column)) == text
    assert format_limit(_result(unit=unit), Budget(limit, column, f"{OURS}_captured")) == f"captured {text}"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00"), (0.01234, "0.0123"), (1.238, "1.24"), (9.999, "10.0"), (99.96, "100"), (1234.4, "1234")],
)
def test_digits(value, text):
    assert digits(value) == text


@pytest.mark.parametrize(
    ("spread", "unit", "work", "text"),
    [
        (None, "time", 1, "-"),
        (Spread(94e-6, 68e-6), "time", 1, "94.0 us [68.0]"),
        (Spread(2.5e-3, 9e-4), "time", 1, "2.50 ms [0.900]"),
        (Spread(1.5, 1.25), "time", 1, "1.50 s [1.25]"),
        (Spread(6e-3, 3e-3), "us/op", 3000, "2.00 [1.00]"),
        (Spread(0.2, 0.1), "GFLOP/s", 2e10, "100 [200]"),
        (Spread(887.4, 850.0), "MB", 1, "887 [850]"),
    ],
)
def test_format_spread(spread, unit, work, text):
    assert format_spread(spread, unit, work) == text


def test_format_ratio():
    assert format_ratio(None) == "-"
    assert format_ratio(Spread(0.512, 0.0123)) == "0.51 [0.0123]"


def test_table():
    assert align([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"
    failed = _result(name="other", samples={"numpy": [1e-3]}, failed={"torch": "boom"}, wrong={"tinygrad_lite": "bad"})
    lines = render([_result(), failed]).splitlines()
    assert lines[0].split() == ["unit", "tinygrad_lite", "numpy", "torch", "ours/torch", "ours/numpy"]
    assert re.split(r"\s{2,}", lines[1]) == [
        *("chain", "3.00 us [2.00]", "2.00 us [1.00]", "8.00 us [4.00]", "0.50 [0.50]", "2.00 [2.00]"),
    ]
    assert re.split(r"\s{2,}", lines[2]) == ["other", "WRONG", "1.00 ms [1.00]", "failed", "-", "-"]
    limits = (Budget(0.5, "torch"), Budget(1.5, "numpy"))
    lines = render([_result(budgets=limits), failed]).splitlines()
    assert lines[0].endswith("at most") and lines[1].endswith("0.50: met, 1.50 of numpy: MISSED")


def test_columns_of_a_second_way_to_write_it():
    class Twice(Workload):
        def torch_fused(self): ...
        def torch(self): ...
        def tinygrad_lite(self): ...

    twice = Twice("twice")
    first = [("tinygrad_lite", "tinygrad_lite"), ("torch", "torch"), ("torch_fused", "torch")]
    assert list(twice.columns().items()) == [*first, ("torch_tuned", "torch_tuned")]
    assert [twice.method(column) for column in twice.columns()] == ["tinygrad_lite", "torch", "torch_fused", "torch"]
    twice.unit = "MB"
    assert list(twice.columns().items()) == first


def test_machine():
    described = describe_machine()
    assert described["processor"] and described["cores"] >= 1
    assert described["date"].endswith("+00:00")
    assert commit(ROOT / "benchmarks" / "nowhere") is None


def test_default_groups_exist():
    assert set(DEFAULT) < GROUPS.keys()


def test_kernels_are_compared_with_definitions(monkeypatch):
    from tinygrad_lite import OPS, composite, kernel, tanh
    from tinygrad_lite.core.op import primitive

    monkeypatch.setattr(kernels, "CALLS", {})
    monkeypatch.setattr("tinygrad_lite.OPS", {})

    @composite()
    def twisted(x):
        """x tanh x"""
        return x * tanh(x)

    @primitive(x=lambda g: g * 2.0, shapes="any")
    def doubled(xp, x):
        """2 x"""
        return x * 2.0

    try:
        calls = []

        @kernel(twisted, "numpy", when=lambda x: x.size < 1_000_000)
        def twisted_kernel(x):
            calls.append(x.shape)
            t = np.tanh(x)
            return x * t, (x, t)

        @twisted_kernel.backward
        def twisted_backward(g, saved, needs):
            x, t = saved
            return (g * (t + x * (1 - t * t)),)

        monkeypatch.setattr("tinygrad_lite.OPS", {"twisted": OPS["twisted"], "doubled": OPS["doubled"]})
        kernel(doubled, "numpy")(lambda x: x + x)
        small, *_, lost = made = [w for w in kernels.workloads(quick=False) if w.devices == ("cpu",)]
        sizes = ("64", "4096", "1 M", "16 M")  # the large ones are taken by the kernel that every composite has
        assert [w.name for w in made] == [*(f"twisted, {size}" for size in sizes), "doubled, no call given"]
        assert small.devices == ("cpu",) and list(small.columns()) == ["tinygrad_lite", "tinygrad_lite_definition"]
        with pytest.raises(LookupError, match="gives no call of this operation"):
            lost.inputs(np.random.default_rng(0))
        library = LIBRARIES["tinygrad_lite"]("cpu", 1)
        x = library.place(small.inputs(np.random.default_rng(0))[0])
        ours = small.tinygrad_lite(x)()
        count = len(calls)
        definition = small.tinygrad_lite_definition(library.place(x.data))()
        assert count == len(calls) > 0
        assert largest_error([tuple(map(library.numpy, ours))], [tuple(map(library.numpy, definition))]) < 1e-6
        own = kernels.definition(OPS["doubled"])
        assert own is not doubled and own(np.ones(1)) == 2.0 and OPS["doubled"].function is doubled
    finally:
        OPS.pop("twisted", None)
        OPS.pop("doubled", None)


def test_calls_of_kernels_exist_and_are_taken():
    session = Session(LIBRARIES["tinygrad_lite"]("cpu", 1))
    for workload in workloads("kernels", quick=True):
        if workload.devices == ("cpu",):
            where = {"group": "kernels", "name": workload.name, "quick": True}
            answer = session.answer({"do": "prepare", "column": "tinygrad_lite", "seconds": 1e-9, **where})
            assert answer.get("number") == 1, (workload.name, answer)
            session.drop()


def test_max_pool_by_hand_gives_ties_to_the_first():
    x = np.zeros((1, 2, 2, 1), dtype=np.float32)
    g = by_hand.max_pool_backward(np.ones((1, 1, 1, 1), dtype=np.float32), x, by_hand.max_pool(x))
    assert g.ravel().tolist() == [1, 0, 0, 0]
