"""The examples for scientists: each runs from a clean folder and reaches what it claims."""

from tests.test_examples import run
from tests.test_examples_learning import numbers, picture


def test_curve_fit_equals_scipys(tmp_path):
    lines = run("curve_fit.py", cwd=tmp_path).splitlines()
    sums = [numbers(line)[1] for line in lines if line.endswith("True")]
    assert len(sums) > 3 and sums == sorted(sums, reverse=True)
    for name in ("amplitude", "lifetime", "frequency", "phase"):
        (row,) = (line for line in lines if line.startswith(name))
        _, error, theirs, _, off = numbers(row)
        assert error == theirs and abs(off) < 3
    assert numbers(lines[-2])[0] < 1e-5
    assert picture(tmp_path, "curve_fit")


def test_scipys_minimisers_take_our_derivatives(tmp_path):
    lines = run("scipy_minimize.py", cwd=tmp_path).splitlines()
    rows = [numbers(line[31:]) for line in lines[1:4]]
    assert [loss for loss, *_ in rows] == [rows[0][0]] * 3
    assert rows[0][1] > 5 * rows[1][1]  # finite differences call the loss once for every parameter
    assert rows[2][2] > 0 and all(row[3] < 1e-3 for row in rows)
    true, fitted = (numbers(line) for line in lines[4:6])
    assert max(abs(a - b) for a, b in zip(true, fitted, strict=True)) < 0.03
    assert numbers(lines[6])[0] > 0
    assert picture(tmp_path, "scipy_minimize")


def test_network_learns_the_oscillation_from_its_equation(tmp_path):
    lines = run("oscillator.py", cwd=tmp_path).splitlines()
    rows = [numbers(line) for line in lines[:6]]
    assert [steps for steps, *_ in rows] == [0, 100, 200, 300, 400, 500]
    assert rows[0][1] > 1 and rows[-1][1] < 1e-4
    assert rows[0][2] > 0.5 and numbers(lines[6])[0] < 1e-3
    assert picture(tmp_path, "oscillator")


def test_lbfgs_leaves_the_curved_valley(tmp_path):
    lines = run("rosenbrock.py", cwd=tmp_path).splitlines()
    descent, momentum, adam, lbfgs = (numbers(line[16:]) for line in lines[:4])
    assert descent[0] == 3000 and descent[1] > 1e-3
    for asked, loss, x, y in (momentum, adam, lbfgs):
        assert loss < 1e-9 and x == y == 1 and asked >= lbfgs[0]
    assert lbfgs[0] < 100 < adam[0] / 10
    _, asked, loss, _, distance = numbers(lines[4].partition("n =")[2])
    assert asked < 3000 and loss < 1e-9 and distance < 1e-4
    assert picture(tmp_path, "rosenbrock")
