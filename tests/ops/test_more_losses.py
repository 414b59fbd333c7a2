"""Exact edges and messages of the regression, margin and class losses."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, ShapeError

inf = np.inf
FAR = np.array([-1000.0, 1000.0])


def message(kind, function, *arguments, **options):
    with pytest.raises(kind) as caught:
        function(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("op", "expected", "slopes"),
    [
        (lambda x: tl.l1(x, x * 0, reduction="none"), [1000, 1000], [-1, 1]),
        (lambda x: tl.huber(x, x * 0, reduction="none"), [999.5, 999.5], [-1, 1]),
        (lambda x: tl.smooth_l1(x, x * 0, beta=2.0, reduction="none"), [999, 999], [-1, 1]),
        (lambda x: tl.soft_margin(x, np.array([1, 1]), reduction="none"), [1000, 0], [-1, 0]),
        (lambda x: tl.hinge_embedding(x, np.array([1, -1]), reduction="none"), [-1000, 0], [1, 0]),
        (lambda x: tl.focal(x, np.ones(2, x.dtype), alpha=-1, gamma=0.0, reduction="none"), [1000, 0], [-1, 0]),
        (lambda x: tl.multilabel_soft_margin(x, np.array([1, 0])), 1000, [-0.5, 0.5]),
        (lambda x: tl.multi_margin(x, np.array(0)), 1000.5, [-0.5, 0.5]),
    ],
)
def test_large_numbers(op, expected, slopes, dtype):
    x = FAR.astype(dtype)
    out, slope = op(x), tl.grad(lambda x: op(x).sum())(x)
    assert out.dtype == slope.dtype == dtype
    np.testing.assert_allclose(out, expected, rtol=1e-6)
    np.testing.assert_allclose(slope, slopes, rtol=1e-6)


def test_exact_predictions_have_a_curvature():
    for op in (tl.huber, tl.smooth_l1):
        second = tl.grad(tl.grad(lambda x, op=op: op(x, np.zeros(()), reduction="sum")))
        assert second(np.zeros(())) == 1.0


def test_binary_cross_entropy_of_certainties():
    p, t = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    np.testing.assert_array_equal(tl.binary_cross_entropy(p, t, reduction="none"), [0, 0, 100, 100])
    assert np.isfinite(tl.grad(lambda p: tl.binary_cross_entropy(p, t))(p)).all()


def test_kl_div_of_impossible_events():
    assert tl.kl_div(np.array([-inf, 0.0]), np.array([0.0, 1.0]), reduction="sum") == 0.0
    gradient = tl.grad(lambda x: tl.kl_div(x, np.array([0.0, 1.0]), reduction="sum"))(np.array([-inf, 0.0]))
    np.testing.assert_array_equal(gradient, [0.0, -1.0])


def test_ctc_with_impossible_classes():
    logp = np.log(np.array([[0.5, 0.5], [1.0, 1e-300]]))
    logp[1, 1] = -inf
    given = np.array([1]), np.array(2), np.array(1)
    assert tl.ctc(logp, *given) == pytest.approx(np.log(2))
    assert np.isfinite(tl.grad(lambda x: tl.ctc(x, *given))(logp)).all()
    assert tl.ctc(logp[1:], np.array([1]), np.array(1), np.array(1)) == inf


@pytest.mark.numpy_only("indices on the device are not checked, which would wait for it")
def test_messages():
    equal = "they must be equal. Reshape one."
    for name in ("l1", "huber", "smooth_l1", "kl_div", "poisson_nll", "binary_cross_entropy", "hinge_embedding",
                 "soft_margin", "multilabel_soft_margin"):  # fmt: skip
        assert message(ShapeError, getattr(tl, name), np.ones((3, 1)), np.ones(3)) == (
            f"{name}: prediction is (3, 1) and target is (3,); {equal}"
        )
    ranking, one, three = tl.margin_ranking, np.ones(1), np.ones(3)
    assert message(ShapeError, ranking, one, three, one) == f"margin_ranking: x is (1,) and y is (3,); {equal}"
    assert message(ShapeError, tl.triplet_margin, one, one, three) == (
        f"triplet_margin: anchor is (1,) and negative is (3,); {equal}"
    )
    assert message(ShapeError, tl.cosine_embedding, three, three, three) == (
        "cosine_embedding: x is (3,) and target is (3,); x must be (n, features) and target (n,)."
    )
    assert message(ShapeError, tl.multi_margin, np.ones((1, 1, 1)), np.array([0])) == (
        "multi_margin: prediction is (1, 1, 1); it must be (n, classes) or (classes,)."
    )
    assert message(ShapeError, tl.multi_margin, three, np.array(3)).startswith("multi_margin: target contains 3 and")
    assert message(ShapeError, tl.nll, np.ones(()), np.array(0)).startswith("nll: prediction is 0-d; it must be (n, ")
    assert message(ShapeError, tl.nll, np.ones((2, 3)), np.array([0])) == (
        "nll: prediction is (2, 3) and target is (1,); a target of classes must be (2,)."
    )
    assert message(DTypeError, tl.nll, three, one[0]) == "nll: target has dtype float64; it must be integers (classes)."
    assert message(ShapeError, tl.l1, one, one, reduction="all") == (
        "l1: reduction is 'all'; it must be 'mean', 'sum' or 'none'."
    )


def test_messages_of_ctc():
    def ctc(shape=(4, 2, 3), targets=((1, 2), (1, 2)), times=(4, 4), lengths=(2, 2)):
        return message((ShapeError, DTypeError), tl.ctc, np.zeros(shape), *map(np.array, (targets, times, lengths)))

    assert ctc(shape=(4, 2, 3, 1)) == (
        "ctc: log_probabilities is (4, 2, 3, 1); it must be (time, n, classes) or (time, classes)."
    )
    integers = message(DTypeError, tl.ctc, np.zeros((4, 2), int), np.array([1]), np.array(4), np.array(1))
    assert integers == "ctc: log_probabilities has dtype int64; it must be floating-point."
    assert ctc(times=(4.0, 4.0)) == "ctc: targets, input_lengths and target_lengths must be integers."
    assert ctc(times=(4,)) == "ctc: there are 2 examples, 1 input_lengths and 2 target_lengths."
    assert ctc(times=(4, 5)) == "ctc: input_lengths are [4, 5]; they must be from 1 to 4."
    assert ctc(targets=((1,), (2,))) == "ctc: targets is (2, 1); it must be (2, 2 or more) or (4,)."
    assert ctc(targets=((1, 3), (1, 2))) == "ctc: targets contain 3; they must be from 0 to 2, and not blank (0)."
    assert ctc(targets=((1, 0), (1, 2))) == "ctc: targets contain 0; they must be from 0 to 2, and not blank (0)."
