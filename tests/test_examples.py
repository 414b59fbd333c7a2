"""The examples run from a clean folder, as their README says, and reach what they claim in their quick form."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(name, *arguments, cwd):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True, text=True, cwd=cwd, timeout=120,
        env={"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_neuron_learns_and(tmp_path):
    lines = run("neuron.py", cwd=tmp_path).splitlines()
    assert lines[0] == "neuron([2, 3]) = 0.9990889488"
    assert [line.split()[-1] for line in lines[-4:]] == ["False", "False", "False", "True"]
    losses = [float(line.split()[-1]) for line in lines if line.startswith("step")]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.01


@pytest.mark.parametrize("model", ["lenet", "mlp"])
def test_mnist_learns_in_seconds(model, tmp_path):
    out = run("mnist.py", "--quick", "--model", model, cwd=tmp_path)
    accuracy = float(re.search(rf"{model}: ([\d.]+)% of 1000 test images", out).group(1))
    assert accuracy > 60
    written = sorted(path.name for path in (tmp_path / "runs" / "mnist").iterdir())
    assert written == [f"{model}.safetensors", f"{model}_misread.png"]


def test_mnist_images_of_training_and_test_are_different_ones():
    with np.load(EXAMPLES / "data" / "mnist_5k_10k.npz") as arrays:
        learned, tested = ({image.tobytes() for image in arrays[f"{part}_images"]} for part in ("train", "test"))
        assert np.bincount(arrays["train_labels"]).tolist() == [500] * 10
    assert len(learned) == 5000 and len(tested) == 10000
    assert not learned & tested


def test_readme_lists_every_example():
    text = (EXAMPLES / "README.md").read_text()
    assert [name for name in sorted(path.name for path in EXAMPLES.glob("*.py")) if name not in text] == []


def test_data_come_with_their_licence():
    text = (EXAMPLES / "data" / "README.md").read_text()
    assert "mnist_5k_10k.npz" in text and "CC BY-SA 3.0" in text and "LeCun" in text
