"""Metrics, batch by batch and at once, against scikit-learn's and by hand."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import train
from tinygrad_lite.core.errors import DTypeError, ShapeError
from tinygrad_lite.train.metrics import named_metrics

RNG = np.random.default_rng(0)
N, CLASSES = 300, 6
TARGETS = RNG.integers(0, CLASSES, N)
LOGITS = (RNG.normal(size=(N, CLASSES)) + 2.0 * np.eye(CLASSES)[TARGETS]).round(1)  # rounded: some are equal
BINARY = RNG.integers(0, 2, N)
SCORES = (RNG.normal(size=N) + BINARY).round(1)
VALUES = RNG.normal(size=(N, 3)) * [1.0, 5.0, 0.1] + 100.0
GUESSES = VALUES + RNG.normal(size=(N, 3)) * 0.5
LABELS = LOGITS.argmax(axis=1)
YES = (SCORES > 0).astype(int)


def softmax(x):
    shares = np.exp(x - x.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def sklearn(name, *arguments, **options):
    return getattr(pytest.importorskip("sklearn.metrics"), name)(*arguments, **options)


CASES = {
    "accuracy": (train.Accuracy(), LOGITS, TARGETS, lambda: sklearn("accuracy_score", TARGETS, LABELS)),
    "accuracy of scores": (train.Accuracy(), SCORES, BINARY, lambda: sklearn("accuracy_score", BINARY, YES)),
    "accuracy of a column": (train.Accuracy(), SCORES[:, None], BINARY, lambda: sklearn("accuracy_score", BINARY, YES)),
    "accuracy of probabilities": (
        train.Accuracy(threshold=0.5), tl.sigmoid(SCORES), BINARY, lambda: sklearn("accuracy_score", BINARY, YES),
    ),
    "top 1": (train.TopKAccuracy(1), LOGITS, TARGETS, lambda: sklearn("accuracy_score", TARGETS, LABELS)),
    "top 3": (
        # scikit-learn's choice among equals is not documented, so there are none here
        train.TopKAccuracy(3), LOGITS + np.arange(CLASSES) * 1e-9, TARGETS,
        lambda: sklearn("top_k_accuracy_score", TARGETS, LOGITS + np.arange(CLASSES) * 1e-9, k=3),
    ),
    "confusion": (train.ConfusionMatrix(), LOGITS, TARGETS, lambda: sklearn("confusion_matrix", TARGETS, LABELS)),
    "auc": (train.AUC(), SCORES, BINARY, lambda: sklearn("roc_auc_score", BINARY, SCORES)),
    "auc of a column": (train.AUC(), SCORES[:, None], BINARY, lambda: sklearn("roc_auc_score", BINARY, SCORES)),
    "auc of two classes": (
        train.AUC(), np.stack([-SCORES, SCORES], axis=1), BINARY, lambda: sklearn("roc_auc_score", BINARY, SCORES),
    ),
    "auc of classes": (
        train.AUC(), LOGITS, TARGETS, lambda: sklearn("roc_auc_score", TARGETS, softmax(LOGITS), multi_class="ovr"),
    ),
    "perplexity": (train.Perplexity(), LOGITS, TARGETS, lambda: np.exp(sklearn("log_loss", TARGETS, softmax(LOGITS)))),
    "mae": (train.MeanAbsoluteError(), GUESSES, VALUES, lambda: sklearn("mean_absolute_error", VALUES, GUESSES)),
    "mse": (train.MeanSquaredError(), GUESSES, VALUES, lambda: sklearn("mean_squared_error", VALUES, GUESSES)),
    "r2": (train.R2(), GUESSES, VALUES, lambda: sklearn("r2_score", VALUES, GUESSES)),
    "r2 of one": (train.R2(), GUESSES[:, 0], VALUES[:, 0], lambda: sklearn("r2_score", VALUES[:, 0], GUESSES[:, 0])),
}  # fmt: skip
for _kind, _name in ((train.Precision, "precision"), (train.Recall, "recall"), (train.F1, "f1")):
    for _average in ("macro", "weighted", "micro", None):
        CASES[f"{_name} {_average}"] = (
            _kind(_average), LOGITS, TARGETS,
            lambda name=_name, average=_average: sklearn(f"{name}_score", TARGETS, LABELS, average=average),
        )  # fmt: skip
    CASES[f"{_name} binary"] = (
        _kind("binary"), SCORES, BINARY, lambda name=_name: sklearn(f"{name}_score", BINARY, YES),
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_batches_together_are_what_scikit_learn_says(case):
    metric, outputs, targets, theirs = CASES[case]
    expected = theirs()
    np.testing.assert_allclose(metric(outputs, targets), expected, rtol=1e-12)
    metric.reset()
    for start in range(0, N, 64):
        metric.update(outputs[start : start + 64], targets[start : start + 64])
        half = metric.state_dict()
        metric.reset()
        metric.load_state_dict(half)
    np.testing.assert_allclose(metric.compute(), expected, rtol=1e-12)
    metric.reset()
    if case != "confusion":
        assert np.isnan(metric.compute()).all() or np.size(metric.compute()) == 0 or metric.compute() == 0.0


def test_a_class_that_is_never_a_target_counts_in_the_mean_if_it_was_predicted():
    theirs = sklearn("f1_score", [0, 0, 1], [0, 3, 1], average="macro")
    assert train.F1()(np.array([0, 3, 1]), np.array([0, 0, 1])) == pytest.approx(theirs)


def test_targets_of_any_shape():
    """Pixels and tokens: the classes are the second axis."""
    logits, targets = LOGITS.reshape(10, 5, 6, 6), TARGETS.reshape(10, 5, 6)
    logits = np.moveaxis(logits, -1, 1)
    for metric in (train.Accuracy(), train.TopKAccuracy(2), train.ConfusionMatrix(), train.Perplexity(), train.F1()):
        np.testing.assert_allclose(metric(logits, targets), metric(LOGITS, TARGETS), rtol=1e-12)


def test_ignored_targets():
    targets = np.where(np.arange(N) % 3, TARGETS, -100)
    kept = targets >= 0
    for metric in (train.Accuracy(), train.TopKAccuracy(2), train.ConfusionMatrix(), train.Perplexity(), train.F1()):
        np.testing.assert_allclose(metric(LOGITS, targets), metric(LOGITS[kept], TARGETS[kept]), rtol=1e-12)
    assert train.Perplexity()(LOGITS, targets) == pytest.approx(
        np.exp(tl.cross_entropy(LOGITS, targets).item()), rel=1e-12
    )


def test_edges():
    assert train.TopKAccuracy(2)(np.zeros((3, 4)), np.array([0, 1, 2])) == pytest.approx(2 / 3)  # two of equals
    assert train.TopKAccuracy(2)(np.full((1, 4), np.nan), np.array([0])) == 0.0
    assert train.Perplexity()(np.array([[1000.0, 0.0]]), np.array([0])) == 1.0
    assert train.Perplexity()(np.array([[1000.0, 0.0]]), np.array([1])) == np.inf
    assert np.isnan(train.AUC()(np.array([0.1, 0.2]), np.array([1, 1])))
    assert np.isnan(train.AUC()(np.array([0.1, np.nan]), np.array([0, 1])))
    assert train.AUC()(np.zeros(4), np.array([0, 1, 0, 1])) == 0.5
    assert train.R2()(np.ones(3), np.ones(3)) == 1.0 and train.R2()(np.arange(3.0), np.ones(3)) == 0.0
    assert np.isnan(train.R2()(np.ones(1), np.ones(1)))
    assert train.F1("binary")(np.array([0, 0]), np.array([0, 0])) == 0.0
    far = train.R2()
    far.update(np.full(5, 1e8), np.arange(5.0) + 1e8)
    far.update(np.full(5, 1e8), np.arange(5.0) + 1e8)
    assert far.compute() == pytest.approx(1 - np.square(np.arange(5)).sum() / np.square(np.arange(5) - 2).sum())


def test_functions_are_averaged_over_examples():
    def worst(outputs, targets):
        return np.abs(outputs - targets).max(axis=1).mean()

    metric = train.Mean(worst)
    assert metric.name == "worst"
    whole = metric(GUESSES, VALUES)
    metric.reset()
    for part in (slice(0, 7), slice(7, N)):
        metric.update(GUESSES[part], VALUES[part])
    assert metric.compute() == pytest.approx(whole)


def test_names():
    accuracy = train.Accuracy()
    assert named_metrics(None) == {} and named_metrics(accuracy) == {"accuracy": accuracy}
    assert list(named_metrics([train.TopKAccuracy(3), train.R2()])) == ["top3", "r2"]
    assert list(named_metrics({"first": accuracy, "mean": lambda outputs, targets: 0.0})) == ["first", "mean"]
    with pytest.raises(ValueError, match="metrics: there are two called 'accuracy'; give a dict with a name for each"):
        named_metrics([train.Accuracy(), train.Accuracy()])
    with pytest.raises(
        DTypeError, match=r"metrics: <class '.*Accuracy'>; a Metric or .* is required\. Give Accuracy\(\)"
    ):
        named_metrics([train.Accuracy])
    with pytest.raises(DTypeError, match=r"metrics: 'accuracy'; a Metric or a function of \(outputs, targets\) is req"):
        named_metrics(["accuracy"])
    with pytest.raises(DTypeError, match="metrics: got a int; a list, or a dict by name, of Metric is required"):
        named_metrics(3)


def test_errors():
    ones = np.ones
    with pytest.raises(ShapeError, match=r"Accuracy: outputs are \(3, 4\) and targets \(4,\); outputs must be of the"):
        train.Accuracy()(ones((3, 4)), ones(4))
    for metric in (train.TopKAccuracy(), train.Perplexity(), train.AUC()):
        kind = type(metric).__name__
        with pytest.raises(
            ShapeError, match=rf"{kind}: outputs are \(3, 4\) and targets \(4,\); \(n, classes, \.\.\.\)"
        ):
            metric(ones((3, 4)), ones(4))
    for metric in (train.R2(), train.MeanAbsoluteError(), train.MeanSquaredError()):
        kind = type(metric).__name__
        with pytest.raises(
            ShapeError, match=rf"{kind}: outputs are \(3, 1\) and targets \(3,\); both must have one sh"
        ):
            metric(ones((3, 1)), ones(3))
    with pytest.raises(ShapeError, match="ConfusionMatrix: classes from 0 to 3; they must be 0 to 2"):
        train.ConfusionMatrix(3)(np.array([0, 3]), np.array([0, 1]))
    with pytest.raises(ShapeError, match="F1: classes from -1 to 1; they must be 0 or more"):
        train.F1()(np.array([0, -1]), np.array([0, 1]))
    with pytest.raises(
        ValueError, match="F1: average is 'mean'; 'macro', 'weighted', 'micro', 'binary' or None is requ"
    ):
        train.F1("mean")
    for method, arguments in (("update", (None, None)), ("compute", ())):
        with pytest.raises(NotImplementedError, match=rf"Metric: define {method}\(self"):
            getattr(train.Metric(), method)(*arguments)
