"""Exact edges and messages of `ops/piecewise.py` and `ops/smooth.py`."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError

inf, nan = np.inf, np.nan
EXTREMES = np.array([-inf, -1000.0, 1000.0, inf, nan])
SCALE, CURVE = 1.0507009873554805, 1.0507009873554805 * 1.6732632423543772


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (tl.relu6, [0, 0, 6, 6, nan]),
        (tl.hardtanh, [-1, -1, 1, 1, nan]),
        (tl.hardsigmoid, [0, 0, 1, 1, nan]),
        (tl.hardswish, [0, 0, 1000, inf, nan]),
        (tl.softshrink, [-inf, -999.5, 999.5, inf, nan]),
        (tl.hardshrink, [-inf, -1000, 1000, inf, nan]),
        (lambda x: tl.threshold(x, 1.0, 7.0), [7, 7, 1000, inf, nan]),
        (lambda x: tl.prelu(x, np.array(0.5, x.dtype)), [-inf, -500, 1000, inf, nan]),
        (tl.celu, [-1, -1, 1000, inf, nan]),
        (tl.selu, [-CURVE, -CURVE, SCALE * 1000, inf, nan]),
        (tl.softsign, [-1, -1000 / 1001, 1000 / 1001, 1, nan]),
        (tl.mish, [0, 0, 1000, inf, nan]),
        (tl.logsigmoid, [-inf, -1000, 0, 0, nan]),
        (tl.tanhshrink, [-inf, -999, 999, inf, nan]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes(op, expected, dtype):
    np.testing.assert_allclose(op(EXTREMES.astype(dtype)), np.array(expected, dtype), rtol=1e-6)


@pytest.mark.parametrize(
    ("op", "points", "slopes"),
    [
        (tl.relu6, [0, 3, 6], [0, 1, 0]),
        (tl.hardtanh, [-1, 0, 1], [0, 1, 0]),
        (tl.hardsigmoid, [-3, 0, 3], [0, 1 / 6, 0]),
        (tl.hardswish, [-3, 0, 3], [0, 0.5, 1]),
        (tl.softshrink, [-0.5, 0, 0.5, 1], [0, 0, 0, 1]),
        (tl.hardshrink, [-0.5, 0, 0.5, 1], [0, 0, 0, 1]),
        (lambda x: tl.threshold(x, 1.0, 7.0), [0, 1, 2], [0, 0, 1]),
        (lambda x: tl.prelu(x, np.array([0.25], x.dtype)), [-1, 0, 1], [0.25, 0.25, 1]),
        (lambda x: tl.celu(x, alpha=2.0), [-2, 0, 2], [np.exp(-1), 1, 1]),
        (tl.selu, [-1, 0, 1], [CURVE * np.exp(-1), SCALE, SCALE]),
        (tl.softsign, [-1, 0, 1], [0.25, 1, 0.25]),
        (tl.mish, [-1000, 0, 1000], [0, 0.6, 1]),
        (tl.logsigmoid, [-1000, 0, 1000], [1, 0.5, 0]),
        (tl.tanhshrink, [-1000, 0, 1000], [1, 0, 1]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slopes(op, points, slopes, dtype):
    slope = tl.grad(lambda x: op(x).sum())(np.array(points, dtype))
    assert slope.dtype == dtype
    np.testing.assert_allclose(slope, np.array(slopes), rtol=1e-6)


def test_glu_of_sure_gates():
    np.testing.assert_array_equal(tl.glu(np.array([[1.0, 2.0, 1000.0, -1000.0]])), [[1.0, 0.0]])


def test_gumbel_softmax_draws_from_the_distribution():
    logits = np.log(np.tile(np.array([0.7, 0.2, 0.1]), (4000, 1)))
    hard = tl.gumbel_softmax(logits, hard=True, rng=tl.Generator(0))
    assert set(np.unique(hard)) == {0.0, 1.0} and (hard.sum(axis=1) == 1.0).all()
    np.testing.assert_allclose(hard.mean(axis=0), [0.7, 0.2, 0.1], atol=0.025)
    soft = tl.gumbel_softmax(logits.astype("float32"), tau=0.5, rng=tl.Generator(0))
    assert soft.dtype == np.float32 and np.isfinite(soft).all()
    np.testing.assert_array_equal(soft.argmax(axis=1), hard.argmax(axis=1))
    np.testing.assert_allclose(soft.sum(axis=1), 1.0, rtol=1e-5)


def test_a_hard_choice_has_the_gradient_of_the_soft_one():
    logits, weights = np.array([[0.5, -1.0, 2.0], [0.0, 0.1, 0.2]]), np.array([[1.0, -2.0, 3.0], [0.5, 1.0, 0.0]])

    def loss(hard, axis):
        return lambda x: (tl.gumbel_softmax(x, hard=hard, axis=axis, tau=2.0, rng=tl.Generator(1)) * weights).sum()

    for axis in (0, -1):
        gradient = tl.grad(loss(True, axis))(logits)
        np.testing.assert_array_equal(gradient, tl.grad(loss(False, axis))(logits))
        assert np.abs(gradient).max() > 0.01


def test_errors():
    def message(function, *arguments, **options):
        with pytest.raises(ShapeError) as caught:
            function(*arguments, **options)
        return str(caught.value)

    assert message(tl.glu, np.ones((2, 3))) == ("glu: x is (2, 3) and axis=1; the length of the axis must be even.")
    assert message(tl.prelu, np.ones((2, 3)), np.ones(2)) == (
        "prelu: x is (2, 3) and weight is (2,); it must be (1,) or (3,), the length of axis 1."
    )
    assert message(tl.prelu, np.ones(()), np.ones(2)) == "prelu: x is () and weight is (2,); it must be (1,)."
    assert message(tl.gumbel_softmax, np.ones(2), tau=0) == "gumbel_softmax: tau is 0; it must be positive."
