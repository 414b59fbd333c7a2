"""The perceptron and its learning rule."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.core.errors import ShapeError

QUESTIONS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)


@pytest.mark.parametrize("answers", [[0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
def test_learns_what_a_line_separates(answers):
    model = nn.Perceptron(2)
    result = model.fit(QUESTIONS, answers)
    assert result.converged and result.mistakes[-1] == 0 and 0 not in result.mistakes[:-1]
    assert result.epochs == len(result.mistakes) < 20
    assert model(QUESTIONS).tolist() == answers


def test_gives_up_on_exclusive_or():
    model = nn.Perceptron(2)
    result = model.fit(QUESTIONS, [0, 1, 1, 0], epochs=50)
    assert not result.converged and result.epochs == 50 and min(result.mistakes) > 0
    assert model(QUESTIONS).tolist() != [0, 1, 1, 0]


def test_the_rule_by_hand():
    """(1, 2) is wrongly 0: w = (1, 2), b = 1; then (2, 0) is wrongly 1: w = (-1, 2), b = 0."""
    model = nn.Perceptron(2, dtype="float64")
    result = model.fit([[1.0, 2.0], [2.0, 0.0]], [1, 0], epochs=1)
    assert result == (False, [2])
    assert model.weight.tolist() == [-1.0, 2.0] and model.bias.item() == 0.0 and model.weight.dtype == np.float64
    half = nn.Perceptron(2)
    half.fit([[1.0, 2.0], [2.0, 0.0]], [1, 0], epochs=1, lr=0.5)
    assert half.weight.tolist() == [-0.5, 1.0]


def test_mistakes_stay_below_novikoff_s_bound():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5))
    direction = np.array([1.0, -2.0, 0.5, 0.0, 1.0, 0.3]) / np.linalg.norm([1.0, -2.0, 0.5, 0.0, 1.0, 0.3])
    longer = np.concatenate([x, np.ones((300, 1))], axis=1)
    kept = abs(longer @ direction) > 0.2
    x, longer = x[kept], longer[kept]
    margin, radius = abs(longer @ direction).min(), np.linalg.norm(longer, axis=1).max()
    model = nn.Perceptron(5, dtype="float64")
    result = model.fit(tl.tensor(x), longer @ direction > 0, rng=0)
    assert result.converged and sum(result.mistakes) <= (radius / margin) ** 2
    assert (model(x).data == (longer @ direction > 0)).all()


def test_is_a_module():
    model = nn.Perceptron(3)
    assert [name for name, _ in model.named_parameters()] == ["weight", "bias"]
    assert model(np.ones((4, 2, 3), np.float32)).shape == (4, 2)
    assert model.logit(np.ones(3, np.float32)).item() == 0.0
    other = nn.Perceptron(3)
    model.fit(np.eye(3), [1, 0, 1], rng=tl.Generator(0))
    other.load_state_dict(model.state_dict())
    assert other(np.eye(3, dtype=np.float32)).tolist() == [1, 0, 1]


def test_errors():
    model = nn.Perceptron(2)
    with pytest.raises(ShapeError, match=r"Perceptron: input is \(4, 3\); the last axis must be in_features = 2"):
        model(np.ones((4, 3)))
    with pytest.raises(ShapeError, match=r"Perceptron.fit: x is \(4, 2\) and y is \(3,\); \(n, 2\) and \(n,\) with"):
        model.fit(QUESTIONS, [0, 1, 1])
    with pytest.raises(ShapeError, match="Perceptron.fit: y holds -1; every answer must be 0 or 1"):
        model.fit(QUESTIONS, [0, -1, 1, 1])
