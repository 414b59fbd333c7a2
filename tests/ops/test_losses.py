"""Exact edges and messages of `ops/losses.py`."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, ShapeError

LOGITS = np.array([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]])


def message(kind, function, *arguments, **options):
    with pytest.raises(kind) as caught:
        function(*arguments, **options)
    return str(caught.value)


def test_sure_predictions_cost_little_or_much_and_never_nan():
    logits = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]], "float32")
    np.testing.assert_array_equal(tl.cross_entropy(logits, np.array([0, 0]), reduction="none"), [0.0, 2000.0])
    z = np.array([1000.0, -1000.0, 1000.0, -1000.0, 20.0])
    losses = tl.binary_cross_entropy_with_logits(z, np.array([1.0, 0.0, 0.0, 1.0, 1.0]), reduction="none")
    np.testing.assert_allclose(losses, [0.0, 0.0, 1000.0, 1000.0, np.log1p(np.exp(-20.0))], rtol=1e-12)


def test_gradients_of_sure_predictions():
    targets = np.array([1.0, 0.0, 0.0, 1.0])
    z = np.array([1000.0, -1000.0, 1000.0, -1000.0])
    gradient = tl.grad(lambda z: tl.binary_cross_entropy_with_logits(z, targets, reduction="sum"))(z)
    np.testing.assert_array_equal(gradient, [0.0, 0.0, 1.0, -1.0])
    logits = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
    gradient = tl.grad(lambda z: tl.cross_entropy(z, np.array([0, 0]), reduction="sum"))(logits)
    np.testing.assert_array_equal(gradient, [[0.0, 0.0], [-1.0, 1.0]])


def test_a_forbidden_class_costs_nothing_unless_it_is_the_target():
    logits = np.array([[0.0, -np.inf]])
    assert tl.cross_entropy(logits, np.array([0])) == 0.0
    assert tl.cross_entropy(logits, np.array([1])) == np.inf
    np.testing.assert_array_equal(tl.grad(lambda z: tl.cross_entropy(z, np.array([0])))(logits), [[0.0, 0.0]])


def test_ignored_targets_count_nothing():
    loss = tl.cross_entropy(LOGITS, np.array([0, -100]))
    np.testing.assert_allclose(loss, tl.cross_entropy(LOGITS[:1], np.array([0])))
    np.testing.assert_array_equal(tl.cross_entropy(LOGITS, np.array([2, 1]), ignore_index=2, reduction="none")[0], 0.0)


def test_no_target_that_counts_is_a_loss_of_zero():
    x = tl.tensor(LOGITS, requires_grad=True)
    loss = tl.cross_entropy(x, np.array([-100, -100]))
    assert loss.item() == 0.0
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((2, 3)))
    assert tl.cross_entropy(np.ones((0, 3)), np.ones(0, int)) == 0.0


def test_small_integer_targets():
    for dtype in ("uint8", "int8", "int32"):
        expected = tl.cross_entropy(LOGITS, np.array([0, 1]))
        np.testing.assert_array_equal(tl.cross_entropy(LOGITS, np.array([0, 1], dtype)), expected)


def test_targets_of_probabilities_have_gradients():
    target = np.full((2, 3), 1 / 3)
    gradient = tl.grad(lambda t: tl.cross_entropy(LOGITS, t, reduction="sum"))(target)
    np.testing.assert_allclose(gradient, -tl.log_softmax(LOGITS))


@pytest.mark.numpy_only("indices on the device are not checked, which would wait for it")
def test_messages():
    cross_entropy, ones = tl.cross_entropy, np.ones
    assert message(ShapeError, cross_entropy, LOGITS, np.array([0, 3])) == (
        "cross_entropy: target contains 3 and there are 3 classes; it must be from 0 to 2, or ignore_index (-100)."
    )
    assert message(ShapeError, cross_entropy, LOGITS, np.array([-1, 0])) == (
        "cross_entropy: target contains -1 and there are 3 classes; it must be from 0 to 2, or ignore_index (-100)."
    )
    assert message(ShapeError, cross_entropy, LOGITS, np.zeros((2, 3), int)) == (
        "cross_entropy: logits is (2, 3) and target is (2, 3); a target of classes must be (2,), one of probabilities "
        "(2, 3)."
    )
    assert message(ShapeError, cross_entropy, LOGITS, ones(2)) == (
        "cross_entropy: logits is (2, 3) and target is (2,); they must be equal. Reshape one."
    )
    assert message(DTypeError, cross_entropy, LOGITS, ones(2, bool)) == (
        "cross_entropy: target has dtype bool; it must be integers (classes) or floating-point (probabilities)."
    )
    assert message(ShapeError, cross_entropy, np.float64(1.0), np.array(0)) == (
        "cross_entropy: logits is 0-d; it must be (n, classes), (n, classes, ...) or (classes,)."
    )
    assert message(ShapeError, cross_entropy, LOGITS, np.array([0, 1]), label_smoothing=2) == (
        "cross_entropy: label_smoothing is 2; it must be from 0 to 1."
    )
    assert message(ShapeError, tl.mse, ones((3, 1)), ones(3)) == (
        "mse: prediction is (3, 1) and target is (3,); they must be equal. Reshape one."
    )
    assert message(ShapeError, tl.binary_cross_entropy_with_logits, ones((3, 1)), ones(3)) == (
        "binary_cross_entropy_with_logits: logits is (3, 1) and target is (3,); they must be equal. Reshape one."
    )


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy_with_logits", "cross_entropy"])
def test_unknown_reductions(loss):
    expected = f"{loss}: reduction is 'average'; it must be 'mean', 'sum' or 'none'."
    assert message(ShapeError, getattr(tl, loss), LOGITS, LOGITS, reduction="average") == expected
    if loss == "cross_entropy":
        assert message(ShapeError, tl.cross_entropy, LOGITS, np.array([0, 1]), reduction="average") == expected


def test_weights_have_the_shape_of_what_they_weigh():
    assert message(ShapeError, tl.cross_entropy, LOGITS, np.array([0, 1]), np.ones(2)) == (
        "cross_entropy: weight is (2,) and there are 3 classes; it must be (3,)."
    )
    assert message(ShapeError, tl.mse, LOGITS, LOGITS, np.ones(3)) == (
        "mse: prediction is (2, 3) and weight is (3,); they must be equal. Reshape one."
    )
    assert message(ShapeError, tl.huber, LOGITS, LOGITS, np.ones(3)) == (
        "huber: prediction is (2, 3) and weight is (3,); they must be equal. Reshape one."
    )


def test_no_target_that_counts_is_a_loss_of_zero_also_with_weights():
    assert tl.cross_entropy(LOGITS, np.array([-100, -100]), np.ones(3)) == 0.0
