"""Choosing a strength: the known answer on real data, processes, seeds, errors."""

import subprocess
import sys

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.train.ridge import Drawing, Dying, Failing, Ridge, centroids, classify, descend, linear, r2
from tinygrad_lite import data, nn
from tinygrad_lite.ops import random
from tinygrad_lite.train import CrossValidation, FoldError, cross_validate


def problem(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))
    return x, x[:, 0] + rng.normal(size=n)


STRENGTHS = [0.0, 0.001, 0.01, 0.1, 1.0, 10.0]


def test_the_known_answer_on_the_diabetes_data():
    sklearn_data = pytest.importorskip("sklearn.datasets")
    from sklearn import linear_model
    from sklearn.model_selection import KFold, cross_val_score

    x, y = sklearn_data.load_diabetes(return_X_y=True)
    folds = KFold(5, shuffle=True, random_state=0)
    found = cross_validate(Ridge, (x, y), STRENGTHS, list(folds.split(x)), processes=1)
    np.testing.assert_allclose(found.mean, [0.489, 0.4894, 0.4894, 0.488, 0.421, 0.158], atol=6e-4)
    np.testing.assert_allclose(found.norms[[0, -1]], [1378, 145], atol=0.6)
    assert 0.001 <= found.best <= 0.01 and (np.diff(found.norms) < 0).all()
    for strength, scores in zip(STRENGTHS, found.scores, strict=True):
        theirs = cross_val_score(linear_model.Ridge(alpha=strength), x, y, cv=folds, scoring="r2")
        np.testing.assert_allclose(scores, theirs, rtol=1e-8)


def test_gradient_descent_agrees_with_solving():
    x, y = problem()
    closed = cross_validate(Ridge, (x, y), [0.5, 5.0, 50.0], processes=1)
    descended = cross_validate(linear, (x, y), [0.5, 5.0, 50.0], fit=descend, score=r2, processes=1)
    np.testing.assert_allclose(descended.scores, closed.scores, rtol=1e-8)
    np.testing.assert_allclose(descended.train_scores, closed.train_scores, rtol=1e-8)
    np.testing.assert_allclose(descended.norms, closed.norms, rtol=1e-8)


def test_what_is_found():
    found = cross_validate(Ridge, problem(), [100.0, 0.0, 10.0, 1.0], folds=4, processes=1)
    np.testing.assert_array_equal(found.strengths, [0, 1, 10, 100])
    assert found.scores.shape == found.train_scores.shape == (4, 4) and found.norms.shape == (4,)
    assert (found.train_scores[0] > found.scores[0]).all()
    assert (np.diff(found.train_scores.mean(axis=1)) < 0).all()
    x, y = problem()
    (train, test) = data.kfold(40, 4, rng=0)[2]
    model = Ridge(10.0)
    model.fit(x[train], y[train])
    expected = 1 - ((y[test] - model.predict(x[test])) ** 2).sum() / ((y[test] - y[test].mean()) ** 2).sum()
    assert found.scores[2, 2] == pytest.approx(expected, rel=1e-12)
    assert repr(found).startswith("CrossValidation(4 strengths, 4 folds, best=10, one_standard_error=")
    assert [line.split()[0] for line in str(found).splitlines()] == ["strength", "0", "1", "10", "100"]


def test_the_choices():
    scores = np.array([[0.5, 0.7], [0.8, 1.0], [0.7, 0.9], [0.5, 0.7], [np.nan, 1.0]])
    found = CrossValidation(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), scores, scores, None)
    np.testing.assert_allclose(found.standard_error[:2], [0.1, 0.1])
    assert (found.best, found.one_standard_error) == (1.0, 2.0)
    assert "norm" not in str(found)
    nothing = CrossValidation(np.array([0.0]), scores[4:], scores[4:], None)
    with pytest.raises(ValueError, match="no strength has a finite score; look at `scores`"):
        _ = nothing.best


@pytest.mark.numpy_only("trains in processes of its own")
def test_other_processes_find_the_same():
    here = cross_validate(Drawing, problem(), [0.1, 1.0], folds=3, processes=1)
    there = cross_validate(Drawing, problem(), [0.1, 1.0], folds=3, processes=2)
    np.testing.assert_array_equal(here.scores, there.scores)
    np.testing.assert_array_equal(here.norms, there.norms)
    assert len(np.unique(here.scores)) == 3  # the folds draw from other seeds, the strengths from the same


def test_the_default_generator_goes_on():
    tl.manual_seed(3)
    expected = float(tl.Generator(3).uniform())
    cross_validate(Drawing, problem(), [0.1], folds=2, processes=1)
    assert float(random.uniform()) == expected


def test_classes_and_modules():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    x = (rng.normal(size=(60, 2)) + 2 * y[:, None]).astype("float32")
    folds = data.stratified_kfold(y, 3, rng=0)
    found = cross_validate(centroids, data.ArrayDataset(x, y), [0.0, 0.5], folds, fit=classify, processes=1)
    assert found.mean[0] > 0.85 and found.scores.max() <= 1
    without = cross_validate(centroids, (x, y), [0.0], folds, fit=classify, norm=False, processes=1)
    assert without.norms is None
    own = cross_validate(centroids, (x, y), [0.0], folds, fit=classify, norm=lambda m: 7, processes=1)
    assert own.norms.tolist() == [7.0]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_names_fold_and_strength(processes):
    message = r"cross_validate: fold 1 of 3, strength 2: ArithmeticError: the strength is two\n(?s:.*)in fit"
    with pytest.raises(FoldError, match=message) as caught:
        cross_validate(Failing, problem(), [1.0, 2.0], folds=3, processes=processes)
    assert (type(caught.value.__cause__) is ArithmeticError) == (processes == 1)


@pytest.mark.numpy_only("trains in processes of its own")
def test_a_process_that_ends():
    with pytest.raises(RuntimeError, match="a process ended before it answered. Scripts must call it under"):
        cross_validate(Dying, problem(), [1.0], folds=2, processes=2)


def test_what_cannot_be_sent():
    with pytest.raises(
        TypeError, match=r"cross_validate: build cannot be sent to other processes \(.*define it at the"
    ):
        cross_validate(lambda strength: Ridge(strength), problem(), [1.0], processes=2)
    with pytest.raises(TypeError, match="cross_validate: score cannot be sent"):
        cross_validate(Ridge, problem(), [1.0], score=lambda m, x, y: 1.0, processes=2)


SESSION = """
import numpy as np
from tinygrad_lite.train import cross_validate
def build(strength):
    from tests.train.ridge import Ridge
    return Ridge(strength)
x = np.random.default_rng(0).normal(size=(12, 3))
print(len(cross_validate(build, (x, x[:, 0]), [0.1, 1.0], folds=2).strengths))
"""


@pytest.mark.numpy_only("trains in processes of its own")
def test_interactive_sessions_train_here():
    done = subprocess.run([sys.executable, "-c", SESSION], capture_output=True, text=True, timeout=60)
    assert done.stdout == "2\n", done.stderr


def test_errors():
    with pytest.raises(ValueError, match=r"cross_validate: strengths are \[\]; a list of at least one number"):
        cross_validate(Ridge, problem(), [])
    with pytest.raises(ValueError, match="cross_validate: there are 1 folds; at least two are required"):
        cross_validate(Ridge, problem(), [1.0], [(np.arange(5), np.arange(5, 10))])
    with pytest.raises(ValueError, match="cross_validate: processes is 0; it must be at least 1"):
        cross_validate(Ridge, problem(), [1.0], processes=0)
    with pytest.raises(FoldError, match="build returned a Linear, which has no method fit; give fit=, a function of"):
        cross_validate(lambda strength: nn.Linear(10, 1), problem(), [1.0], processes=1)


def test_the_plot():
    pytest.importorskip("matplotlib")
    found = cross_validate(Ridge, problem(), [0.1, 1.0, 10.0], processes=1)
    assert len(found.plot().axes) >= 2
