"""The examples that teach: each runs from a clean folder and prints what it shows."""

import re

import numpy as np
import pytest

from tests.test_examples import run


def numbers(text):
    """The numbers in a text, as floats."""
    return [float(found) for found in re.findall(r"[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?", text)]


def picture(folder, name):
    """Whether the picture runs/<name>/<name>.png was written under the folder and is a PNG with something in it."""
    content = (folder / "runs" / name / f"{name}.png").read_bytes()
    return content.startswith(b"\x89PNG") and len(content) > 5000


def test_perceptron_learns_and_and_or_but_not_xor(tmp_path):
    lines = run("perceptron.py", cwd=tmp_path).splitlines()
    assert [line[:3].strip() for line in lines[:3]] == ["AND", "OR", "XOR"]
    assert [numbers(line)[0] for line in lines[:2]] == [4, 4]
    assert numbers(lines[2])[0] < 4 and "still wrong after 1000 epochs" in lines[2]
    assert picture(tmp_path, "perceptron")


def test_multilayer_perceptron_bends_the_boundary(tmp_path):
    lines = run("mlp.py", cwd=tmp_path).splitlines()
    (xor, _, _), (line, _, _), (_, bent, _, _) = map(numbers, lines[:3])
    assert lines[0].startswith("XOR") and xor == 100
    assert line < 92 and bent > 98
    assert picture(tmp_path, "mlp")


def test_backpropagation_by_hand_equals_the_librarys(tmp_path):
    lines = run("backpropagation.py", cwd=tmp_path).splitlines()
    rows = [line.split() for line in lines if re.match(r"[a-z]+\d? +-?\d", line)][1:]
    assert [name for name, *_ in rows] == ["a2", "z2", "w2", "b2", "a1", "z1", "w1", "b1", "x"]
    assert all(hand == ours for _, _, hand, ours in rows)
    assert numbers(lines[-2])[0] < 1e-15
    _, before, after, foretold = numbers(lines[-1])
    assert after < before and abs(after - foretold) < 1e-5


def test_learning_rates_too_small_right_and_too_large(tmp_path):
    lines = run("learning_rates.py", cwd=tmp_path).splitlines()
    (_, first, slow, _), (_, _, good, _), (_, _, lost, steps) = map(numbers, lines[:3])
    assert good < 0.05 < slow < first
    assert "diverges" in lines[2] and lost > 100 * first and steps < 100
    assert picture(tmp_path, "learning_rates")


def test_loss_surface_has_a_local_and_a_global_minimum(tmp_path):
    lines = run("loss_surface.py", cwd=tmp_path).splitlines()
    lowest = numbers(lines[0])[0]
    ends = []
    for line in lines[1:4]:
        kind = re.search(r"(local|global) minimum", line).group(1)
        loss, slope, *curvatures = numbers(line.partition("loss")[2])
        assert slope < 1e-4 and min(curvatures) > 1
        assert (loss < lowest + 1e-3) == (kind == "global")
        ends.append(kind)
    assert ends == ["local", "global", "global"]
    assert picture(tmp_path, "loss_surface")


def test_weight_decay_shrinks_weights_as_ridge_regression_does(tmp_path):
    pytest.importorskip("sklearn")  # the example's data
    lines = run("weight_decay.py", cwd=tmp_path).splitlines()
    table = np.array([numbers(line) for line in lines[1:9]])
    norms = [1291.499, 987.629, 872.942, 799.538, 698.322, 511.595, 316.210, 145.484]  # of scikit-learn's Ridge
    np.testing.assert_allclose(table[:, 4], norms, rtol=6e-4)
    assert (table[:, 1] < table[:, 3]).all() and table[:, 3].max() < 0.52
    best, chosen = numbers(lines[9])
    assert 0.001 <= best < chosen <= 0.3
    assert abs(table[:, 1].max() - 0.49) < 0.01 and table[-1, 1] < 0.2
    assert picture(tmp_path, "weight_decay")


def test_early_stopping_finds_the_better_network(tmp_path):
    lines = run("early_stopping.py", cwd=tmp_path).splitlines()
    (epochs, learned, lost, right), (stopped, early, kept, better) = map(numbers, lines[1:3])
    assert stopped < epochs / 2 and learned < early
    assert kept < 0.9 * lost and better > right + 5
    best_epoch, best, watched = numbers(lines[3])
    assert stopped - best_epoch == 8 and watched == best
    assert picture(tmp_path, "early_stopping")
