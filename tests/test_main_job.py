"""`python -m tinygrad_lite`, run as users run it: in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tinygrad_lite import data, io, train
from tinygrad_lite.__main__ import main
from tinygrad_lite.train.digits import MODELS, SPLIT_SEED

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "tinygrad_lite"]
# One thread of OpenBLAS: on a busy machine several wait for each other longer than they compute.
PATH = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": PATH}


def job(*arguments, **options):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT, timeout=120, **options
    )


def accuracy(output):
    (line,) = [line for line in output.splitlines() if line.startswith("test accuracy")]
    return float(line.split()[2])


def test_reads_held_out_digits_in_time(tmp_path):
    """The whole job with its defaults; 20 s is its promise on two free cores, and a test machine may be busy."""
    started = time.perf_counter()
    done = job(cwd=tmp_path)
    seconds = time.perf_counter() - started
    assert done.returncode == 0, done.stderr
    assert accuracy(done.stdout) >= 0.975
    assert seconds < 60
    table = [line.split() for line in done.stdout.splitlines()]
    start = table.index(["digit", "precision", "recall", "f1", "count", "taken", "for"])
    assert [row[0] for row in table[start + 1 : start + 11]] == list("0123456789")
    assert sum(int(row[4]) for row in table[start + 1 : start + 11]) == 450
    assert done.stderr.count("epoch ") == 15 and "examples/s" in done.stderr
    written = sorted(path.name for path in (tmp_path / "runs" / "digits").iterdir())
    assert written == ["figure.png", "weights.safetensors"]


@pytest.mark.parametrize("model", MODELS)
def test_same_seed_same_numbers_and_weights_give_the_printed_accuracy(model, tmp_path):
    runs = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        done = job("--model", model, "--epochs", 1, "--seed", seed, "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
        numbers = [line for line in done.stdout.splitlines() if str(tmp_path) not in line]
        runs.append((numbers, (tmp_path / name / "weights.safetensors").read_bytes()))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]

    network = MODELS[model]()
    io.load_weights(tmp_path / "a" / "weights.safetensors", network)
    images, labels = data.digits()
    _, (x, y) = data.stratified_split(images[:, None], labels, fraction=0.25, rng=SPLIT_SEED)
    measured = train.evaluate(network, (x, y), metrics=[train.Accuracy()])
    assert round(measured.accuracy, 4) == accuracy("\n".join(runs[0][0]))
    assert (tmp_path / "a" / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_one_line_says_so(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError('hidden')\n")
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])}
    done = subprocess.run(
        [*COMMAND, "--model", "mlp", "--epochs", "1", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, env=environment, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert "no figure: matplotlib is not installed" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["weights.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "resnet"], "argument --model: invalid choice: 'resnet'"),
        (["--lr", "-1"], "argument --lr: -1 is not a number above 0"),
        (["--lr", "0"], "argument --lr: 0 is not a number above 0"),
        (["--lr", "nan"], "argument --lr: nan is not a number above 0"),
        (["--lr", "fast"], "argument --lr: fast is not a number above 0"),
        (["--epochs", "0"], "argument --epochs: 0 is not a whole number of at least 1"),
        (["--epochs", "2.5"], "argument --epochs: 2.5 is not a whole number of at least 1"),
        (["--batch-size", "0"], "argument --batch-size: 0 is not a whole number of at least 1"),
        (["--weight-decay", "-0.1"], "argument --weight-decay: -0.1 is not a number of at least 0"),
        (["--seed", "-1"], "argument --seed: -1 is not a whole number of at least 0"),
        (["--device", "abacus"], "argument --device: unknown device 'abacus'"),
        (["--out", __file__], "cannot be written"),
        (["--out", os.path.join(__file__, "below")], "cannot be written"),
        (["--ephocs", "3"], "unrecognized arguments: --ephocs 3"),
        (["--lr"], "argument --lr: expected one argument"),
    ],
)
def test_bad_arguments_end_with_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, errors = capsys.readouterr()
    assert end.value.code == 2
    assert out == ""
    assert len(errors.splitlines()) == 1
    assert errors.startswith("python -m tinygrad_lite: ") and message in errors


def has_gpu():
    try:
        tl.tensor([0.0], device="cuda")
    except tl.BackendError:
        return False
    return True


def test_device_without_gpu_ends_with_one_line(tmp_path):
    if has_gpu():
        pytest.skip("there is a GPU")
    done = job("--device", "cuda", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "argument --device: device 'cuda'" in done.stderr


@pytest.mark.parametrize("model", MODELS)
def test_runs_on_a_stand_in_for_a_gpu(model, tmp_path, capsys):
    """It refuses NumPy arrays and hidden transfers, so data, training and measuring move what must be moved."""
    with fake_cupy.installed():
        status = main(["--device", "cuda", "--model", model, "--epochs", "1", "--out", str(tmp_path)])
    assert status == 0
    assert "on cuda" in capsys.readouterr().out
    io.load_weights(tmp_path / "weights.safetensors", MODELS[model]())


@pytest.mark.gpu
def test_learns_on_a_gpu(tmp_path):
    if not has_gpu():
        pytest.skip("needs CuPy and a GPU")
    done = job("--device", "cuda", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert accuracy(done.stdout) >= 0.975


def test_learning_rate_too_large_ends_with_one_line(tmp_path, capsys):
    assert main(["--model", "mlp", "--lr", "1e30", "--epochs", "2", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("python -m tinygrad_lite: fit: the ")


def test_a_folder_that_vanishes_ends_with_one_line(tmp_path, capsys, monkeypatch):
    def vanish(path, model):
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(io, "save_weights", vanish)
    assert main(["--model", "mlp", "--epochs", "1", "--out", str(tmp_path)]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"python -m tinygrad_lite: {tmp_path} could not be written: No such file or directory"


def _heed_interrupts():
    """A shell starts what runs in its background with interrupts ignored, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start_and_wait_for(text, *arguments):
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=_heed_interrupts if hasattr(os, "fork") else None,
    )
    for line in process.stderr:
        if text in line:
            return process
    raise AssertionError(f"{text!r} never came: {process.communicate()}")


def test_interrupt_saves_what_was_learned(tmp_path):
    process = start_and_wait_for("epoch   2/", "--model", "mlp", "--epochs", 999, "--out", tmp_path)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted in epoch" in errors and "what was learned so far is saved" in errors
    assert "Traceback" not in errors
    assert accuracy(out) > 0.5
    io.load_weights(tmp_path / "weights.safetensors", MODELS["mlp"]())
    assert (tmp_path / "figure.png").exists()


@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_a_killed_process_leaves_no_half_written_file(delay, tmp_path):
    """The files of an earlier run stay whole until those of this one are."""
    before = {"weights.safetensors": b"old weights", "figure.png": b"old figure"}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    process = start_and_wait_for("epoch 1/1", "--model", "mlp", "--epochs", 1, "--out", tmp_path)
    time.sleep(delay)
    process.kill()
    process.communicate()
    for name, content in before.items():
        now = (tmp_path / name).read_bytes()
        if now != content:
            ends = {"figure.png": lambda b: b.endswith(b"IEND\xaeB`\x82"), "weights.safetensors": _loads}
            assert ends[name](now), f"{name} has {len(now)} bytes that are not a whole file"


def _loads(content):
    from safetensors.numpy import load

    return all(np.isfinite(array).all() for array in load(content).values())
