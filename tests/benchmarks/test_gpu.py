"""The group `gpu` without a GPU: ours on the stand-in for CuPy, PyTorch's on the processor, tiny sizes; its report."""

from __future__ import annotations

import importlib.util
import json
import re
import sys

import pytest

from benchmarks import gpu
from benchmarks.__main__ import main
from benchmarks.harness import worker
from benchmarks.harness.gpu_report import gpu_caption
from benchmarks.harness.libraries import LIBRARIES
from benchmarks.harness.pool import ROOT, Pool, Settings
from benchmarks.harness.report import markdown
from benchmarks.harness.results import OURS, Result
from benchmarks.harness.worker import Session
from benchmarks.workloads import workloads
from benchmarks.workloads.gpu import TINY, made, training
from benchmarks.workloads.gpu.goals import AIMS, goals
from benchmarks.workloads.gpu.models import ResNet
from tests.backends import fake_cupy

TINY_WORKLOADS = {workload.name: workload for workload in made(TINY)}
next(w for w in TINY_WORKLOADS.values() if isinstance(w, ResNet)).compared = ()  # at this size all gradients agree
OWN = [(name, column) for name, w in TINY_WORKLOADS.items() for column in w.columns() if column.startswith(OURS)]


class TinySession(Session):
    """A worker whose workloads are tiny."""

    def load(self, group, name, quick):
        return TINY_WORKLOADS[name]

    def timed_once(self, name, column, reference=""):
        where = {"group": "gpu", "name": name, "quick": True, "column": column, "seconds": 1e-9}
        answer = self.answer({"do": "prepare", "reference": str(reference), **where})
        self.steps.clear()
        return answer


@pytest.fixture(scope="module")
def torch_session():
    pytest.importorskip("torch")
    import torch

    before = torch.get_num_threads()
    yield TinySession(LIBRARIES["torch"]("cpu", 1))
    torch.set_num_threads(before)
    torch.set_float32_matmul_precision("highest")


@pytest.fixture(scope="module")
def references(request, tmp_path_factory):
    """Files of what PyTorch computes on the processor; none where it is missing."""
    if importlib.util.find_spec("torch") is None:
        return {}
    torch_session = request.getfixturevalue("torch_session")
    folder = tmp_path_factory.mktemp("references")
    files = {name: folder / f"{i}.npz" for i, name in enumerate(TINY_WORKLOADS)}
    for name, file in files.items():
        assert torch_session.timed_once(name, "torch", file)["error"] == 0, name
    return files


@pytest.fixture(scope="module")
def ours():
    import tinygrad_lite as tl

    with fake_cupy.installed(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "WARM_UP", 0)
        yield TinySession(LIBRARIES[OURS]("cuda", 1))
    tl.set_matmul_precision("highest")


@pytest.mark.parametrize(("name", "column"), OWN, ids=[f"{name}, {column}" for name, column in OWN])
def test_ours_runs_as_on_a_gpu_and_computes_what_pytorch_does(ours, references, name, column):
    answer = ours.timed_once(name, column, references.get(name, ""))
    assert answer.get("number") == 1, answer
    exact = not name.endswith(("TF32", "bfloat16"))
    if references:
        assert answer["error"] <= (1e-5 if exact else TINY_WORKLOADS[name].tolerance), answer


def test_without_pytorch_times_are_taken_unchecked(ours, monkeypatch):
    monkeypatch.setattr(worker, "WARM_UP", 3)
    where = {"group": "gpu", "name": "relu, 300", "quick": True, "column": OURS}
    assert ours.answer({"do": "prepare", "seconds": 1e-9, **where}) == {"error": None, "number": 1}
    assert ours.answer({"do": "sample", "column": OURS})["value"] > 0
    assert ours.answer({"do": "drop"}) == {} and not ours.steps


@pytest.mark.parametrize("way", ["torch_compiled", "torch_graphed", "torch_fused"])
def test_pytorchs_other_ways_compute_the_same(torch_session, references, monkeypatch, way):
    """Without the compiler and CUDA graphs: what they are given is run, after three steps that are taken back."""
    import torch

    def without_graph(step, reset):
        for _ in range(3):
            step()
        reset()
        return step

    monkeypatch.setattr(torch, "compile", lambda f, **options: f)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: None)  # which imports the compiler
    monkeypatch.setattr(training, "captured_graph", without_graph)
    names = [name for name, workload in TINY_WORKLOADS.items() if way in workload.columns()]
    assert names
    for name in names:
        answer = torch_session.timed_once(name, way, references[name])
        assert "error" in answer, (name, answer)
        assert answer["error"] <= (1e-5 if "bfloat16" not in name else 1e-2), (name, answer)


def test_a_graph_is_captured_after_steps_that_are_taken_back(monkeypatch):
    torch = pytest.importorskip("torch")
    calls = []

    class Beside:
        def __init__(self, *what):
            self.what = what

        def __enter__(self):
            calls.append("enter")

        def __exit__(self, *_):
            calls.append("exit")

        def wait_stream(self, other):
            calls.append("wait")

        def replay(self):
            calls.append("replay")

    for name in ("Stream", "CUDAGraph", "stream", "graph", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, Beside)
    replay = training.captured_graph(lambda: calls.append("step") or len(calls), lambda: calls.append("reset"))
    alone = ["wait", "enter", "step", "step", "step", "exit", "wait"]
    assert calls == [*alone, "enter", "step", "exit", "reset"]
    assert replay() == replay() == 9 and calls[-2:] == ["replay"] * 2


def test_wrong_results_and_failures_are_answers(ours, torch_session, references, monkeypatch):
    name = "relu, 300"
    functions = type(TINY_WORKLOADS[name]).functions
    monkeypatch.setitem(functions, OURS, lambda tl: tl.tanh)
    assert re.match(r"error 0\.\d+ against the reference", ours.timed_once(name, OURS, references[name])["wrong"])
    monkeypatch.setitem(functions, OURS, lambda tl: lambda x: fake_cupy.cupy.empty(1 << 60))
    assert "failed" in ours.timed_once(name, OURS, references[name])


def test_events_that_see_no_work_are_noticed():
    library = LIBRARIES["numpy"]("cpu", 1)
    step = lambda: sum(range(1_000_000))
    with pytest.raises(RuntimeError, match=r"1e-06 s between the events, but 0\.\d+ s by the host's clock"):
        library.between_events(lambda: None, lambda a, b: 1e-6, step, 1)
    assert library.between_events(lambda: None, lambda a, b: 0.5, step, 1) == 0.5


def test_the_hosts_time_ends_when_calls_return():
    waited = []
    library = LIBRARIES["numpy"]("cpu", 1)
    library.wait = waited.append
    assert Session(library).timed(lambda: 1, 3, "host") > 0
    assert len(waited) == 4


def test_without_a_gpu_one_line_says_what_is_missing(capsys):
    if gpu.driver() is not None:
        pytest.skip("there is a GPU")
    assert main(["gpu", "--quick"]) == 1
    output = capsys.readouterr()
    assert re.fullmatch(r"no GPU: device 'cuda': .*\n", output.out) and output.err == ""


@pytest.mark.parametrize("arguments", [["gpu", "cpu"], ["gpu/MLP", "--device", "cpu"]])
def test_the_group_is_alone(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert (
        "gpu has a report of its own: name no other group beside it, and no device but cuda" in capsys.readouterr().err
    )


def measured(**times: float) -> list[Result]:
    """Results of the group where columns take these milliseconds, and copies half of what ours takes a byte."""
    results = []
    for workload in workloads("gpu", quick=False):
        samples = {c: [1e-3 * t] * 2 for c, t in times.items() if c in workload.columns()}
        if workload.unit == "GB/s":
            samples = {c: [workload.work / 1e12 * t] * 2 for c, t in times.items() if c in workload.columns()}
        result = Result("gpu", workload.name, "cuda", workload.unit, workload.work, samples=samples)
        result.reference, result.errors = "torch", {OURS: 2e-6, "torch": 0.0}
        results.append(result)
    return results


TIMES = {OURS: 1.0, f"{OURS}_captured": 0.3, "torch": 0.8, "torch_fused": 1.0}
TIMES |= {"torch_compiled": 0.5, "torch_graphed": 0.25, "jax": 0.4}


def test_goals():
    found = {(goal["goal"], goal["workload"]): goal for goal in goals(measured(**TIMES))}
    texts = [aim.text for aim in AIMS]
    small = "MLP 784-256-128-10, Adam, batch 32"
    gpt = "GPT, 12 layers of 768, 1024 tokens, AdamW, batch 4, bfloat16"
    adamw, product, gelu = "AdamW's step, 100 M parameters", "x@y, 8192, bfloat16", "gelu, tanh, 64 M"
    expected = {
        (texts[0], small): (1.25, 1.3, True),
        (texts[1], small): (0.375, 0.5, True),
        (texts[2], small): (1.2, 1.0, False),
        (texts[3], gelu): (0.8, 0.85, False),
        (texts[4], product): (0.8, 0.95, False),
        (texts[5], gpt): (0.6, 1.1, True),
        (texts[6], adamw): (1.0, 1.0, True),
    }
    for key, (value, limit, met) in expected.items():
        assert found[key]["measured"] == pytest.approx(value), key
        assert (found[key]["limit"], found[key]["met"]) == (limit, met)
    assert [sum(text == goal for goal, _ in found) for text in texts] == [3, 3, 4, 5, 1, 1, 1]
    unmeasured = goals(measured(**{OURS: 1.0}))
    assert {goal["met"] for goal in unmeasured if goal["goal"] != texts[3]} == {None}
    assert [goal["workload"] for goal in goals([])] == [None] * len(AIMS)


def document(tests=None, cudnn=None) -> dict:
    results = measured(**TIMES)
    results[1].failed = {"torch": results[1].samples.pop("torch") and "OutOfMemoryError: no room"}
    results[2].wrong = {OURS: results[2].samples.pop(OURS) and "error 1"}
    machine = {"driver": "580.1", "python": "3.12", "date": "2026-01-02T03:04:05+00:00", "commit": "abc"}
    facts = {"device": "A GPU", "CUDA": 13010, "CuPy": "14.2", "cuDNN": cudnn}
    versions = {OURS: "0", "torch": "2.11", "jax": "0.11"}
    settings = {"rounds": 7, "versions": {"cuda": versions}, "facts": {"cuda": {OURS: facts}}}
    whole = {"machine": machine, **settings, "results": [result.as_json() for result in results]}
    return json.loads(json.dumps(whole | gpu.report(tests, results, 0.0)))


def test_a_report_tells_the_cudnn_that_was_used():
    told = document(cudnn="9.28.1, frontend 1.32.0")
    caption = gpu_caption(told, [Result.from_json(result) for result in told["results"]])
    assert caption.startswith("A GPU, driver 580.1, CUDA 13.1, CuPy 14.2, cuDNN 9.28.1, frontend 1.32.0, PyTorch 2.11")


def test_the_table_of_a_report(tmp_path, capsys):
    path = tmp_path / "a-gpu.json"
    gpu.write(path, document({"summary": "3 passed, 9 deselected in 1s"}))
    assert [file.name for file in tmp_path.iterdir()] == ["a-gpu.json"]
    assert main(["table", str(path)]) == 0
    table, caption, aims = capsys.readouterr().out.strip().split("\n\n")
    lines = table.splitlines()
    assert lines[0] == (
        "| | tinygrad_lite | captured | PyTorch | PyTorch, fused | torch.compile | PyTorch, CUDA graph | JAX, jit "
        "| to PyTorch | captured to PyTorch | share |"
    )
    assert len({line.count("|") for line in lines}) == 1
    assert lines[3].startswith("| host's time, tanh(x*a + b), 50 times | 6.67 [6.67] us/op | | failed |")
    assert lines[4].startswith("| MLP 784-256-128-10, Adam, batch 32 | wrong | 300 us [300] | 800 us [800] | | 500 us")
    gelu = next(line for line in lines if line.startswith("| gelu"))
    assert gelu.startswith("| gelu, tanh, 64 M | 1000 [1000] GB/s | | 1250 [1250] GB/s | |")
    assert gelu.endswith("| 1.25 [1.25] | | 80% of the copy, 40% of the fastest |")
    assert caption.startswith(
        "A GPU, driver 580.1, CUDA 13.1, CuPy 14.2, no cuDNN, PyTorch 2.11, JAX 0.11, Python 3.12; 2026-01-02"
    )
    assert caption.endswith("2e-06 of the largest value. Tests that need a GPU: 3 passed, 9 deselected in 1s.")
    goal = next(line for line in aims.splitlines() if "bfloat16 products" in line)
    assert goal == ("| bfloat16 products, rate to PyTorch's | x@y, 8192, bfloat16 | 0.800 | at least 0.95 | missed |")


def test_a_report_of_no_workload_yet_is_a_table_too():
    empty = document() | {"results": [], "goals": goals([]), "shares": {}}
    assert "| AdamW's step to PyTorch's fused one | | | at most 1.00 | not measured |" in markdown(empty)


class ReadyPool(Pool):
    """Workers that answer at once, of a GPU that is not there; the user stops the run in LeNet."""

    def __enter__(self):
        self.facts[OURS] = {"device": "A GPU", "CUDA": 13000, "CuPy": "14", "cuDNN": None}
        self.versions |= dict.fromkeys(self.libraries, "1")
        return self

    def available(self, library):
        return library in self.libraries

    def measure(self, group, workload, progress):
        result = self.result(group, workload)
        result.samples = {OURS: [2e-3], "torch": [1e-3]}
        if workload.name.startswith("LeNet"):
            raise KeyboardInterrupt
        return result


@pytest.fixture
def reported(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "Pool", ReadyPool)
    tests = {"summary": "1 passed", "passed_all": True}
    monkeypatch.setattr(gpu, "run_tests", lambda python: tests)
    return tmp_path / "results" / "report.json"


def test_a_run_that_is_stopped_leaves_what_it_has_measured(reported):
    with pytest.raises(KeyboardInterrupt):
        main(["gpu", "--quick", "--json", str(reported)])
    written = json.loads(reported.read_text())
    assert [r["name"] for r in written["results"]] == [w.name for w in workloads("gpu", quick=True)[:3]]
    assert written["tests"]["passed_all"] and written["goals"][0]["measured"] == 2.0
    assert written["facts"]["cuda"][OURS]["device"] == "A GPU" and "commit" in written["machine"]
    assert "| missed |" in markdown(written)


def test_after_the_time_for_all_nothing_is_begun(reported, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "SECONDS", -1)
    assert main(["gpu/LeNet", "--quick", "--json", str(reported)]) == 1
    assert f"{OURS}: not run: the time for all workloads was over" in capsys.readouterr().out
    written = json.loads(reported.read_text())
    assert written["tests"] is None and [goal["met"] for goal in written["goals"]] == [None] * len(written["goals"])


def test_a_run_of_a_part(reported, capsys):
    assert main(["gpu/relu", "--quick", "--json", str(reported)]) == 0
    output = capsys.readouterr().out
    assert re.match(r"A GPU, driver \S+, commit \S+; report: .*report.json\n", output)
    assert "0 of 7 goals are met, 7 were not measured" in output
    assert "not checked: gpu, relu, 4 M: " in output


def test_the_reports_name():
    path = gpu.path_of("NVIDIA H100 80GB HBM3", "2026-01-02T03:04:05+00:00")
    assert path == ROOT / "benchmarks" / "results" / "nvidia-h100-80gb-hbm3-2026-01-02.json"


def test_tests_are_run_and_recorded(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "def pytest_configure(config): config.addinivalue_line('markers', 'gpu: x')\n"
    )
    marked = "import pytest\n@pytest.mark.gpu\ndef test_a(): pass\ndef test_b(): assert 0\n"
    (tmp_path / "test_it.py").write_text(marked)
    record = gpu.run_tests(sys.executable, str(tmp_path), processes=0)
    assert record["passed_all"] and "1 passed" in record["summary"] and record["failures"] == []
    (tmp_path / "test_it.py").write_text(marked + "@pytest.mark.gpu\ndef test_c(): assert 0\n")
    record = gpu.run_tests(sys.executable, str(tmp_path), processes=0)
    assert not record["passed_all"] and len(record["failures"]) == 1 and "test_c" in record["failures"][0]
    record = gpu.run_tests(sys.executable, str(tmp_path), limit=0.01)
    assert (record["summary"], record["passed_all"]) == ("not finished after 0.01 s", False)


def test_a_process_that_does_not_answer_is_ended():
    settings = Settings(patience=0.01)
    with Pool("cpu", ["numpy"], settings) as pool:
        assert not pool.available("numpy")
        assert pool.unavailable == {"numpy": "no answer in 0.01 s"}
