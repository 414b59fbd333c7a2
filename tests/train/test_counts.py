"""Metrics against scikit-learn's and by hand."""

import numpy as np
import pytest

from tinygrad_lite import train
from tinygrad_lite.core.errors import ShapeError


def test_agree_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 7, 500), rng.integers(0, 7, 500)
    predictions = np.where(rng.random(500) < 0.6, labels, predictions)
    confusion = train.confusion_matrix(labels, predictions)
    assert np.array_equal(confusion, metrics.confusion_matrix(labels, predictions))
    theirs = metrics.precision_recall_fscore_support(labels, predictions)
    for mine, other in zip(train.class_scores(confusion), theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)
    assert train.accuracy(labels, predictions) == pytest.approx(metrics.accuracy_score(labels, predictions))


def test_a_class_that_never_occurs_scores_zero():
    scores = train.class_scores(train.confusion_matrix([0, 0], [0, 0], classes=3))
    assert scores.precision.tolist() == [1, 0, 0]
    assert scores.recall.tolist() == [1, 0, 0]
    assert scores.f1.tolist() == [1, 0, 0]


def test_nothing_counted():
    assert train.confusion_matrix(np.zeros(0, int), np.zeros(0, int), classes=2).tolist() == [[0, 0], [0, 0]]
    assert np.isnan(train.accuracy([], []))


def test_table_names_the_commonest_mistake():
    lines = train.scores_table([[3, 2, 1], [0, 4, 0], [1, 0, 5]], name="digit").splitlines()
    assert lines[0].split() == ["digit", "precision", "recall", "f1", "count", "taken", "for"]
    assert lines[1].split() == ["0", "0.7500", "0.5000", "0.6000", "6", "1", "(2", "times)"]
    assert lines[2].split() == ["1", "0.6667", "1.0000", "0.8000", "4"]
    assert lines[3].endswith("0 (once)")


def test_errors_say_what_is_wrong():
    with pytest.raises(ShapeError, match=r"accuracy: labels \(2,\) and predictions \(2, 3\); both must be \(n,\)"):
        train.accuracy([0, 1], np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="values from 0 to 4 with 3 classes; labels and predictions must be 0 to 2"):
        train.confusion_matrix([0, 1], [0, 4], classes=3)
    with pytest.raises(ShapeError, match="values from -1 to 1"):
        train.confusion_matrix([0, -1], [0, 1])
