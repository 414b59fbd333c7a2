"""Exact edges of reductions: empty axes, NaN, infinities, ties, dtypes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, IndexingError, ShapeError

X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
ALL = [tl.sum, tl.mean, tl.var, tl.std, tl.prod, tl.max, tl.min, tl.logsumexp]
inf, nan = np.inf, np.nan


def gradient(function, x, **kwargs):
    out, pull = tl.vjp(lambda t: function(t, **kwargs), np.asarray(x))
    return pull(np.ones(np.shape(out)))[0]


@pytest.mark.parametrize("reduce", ALL, ids=lambda f: f.__name__)
def test_float32_stays_float32(reduce):
    x = tl.tensor(X.astype("float32"), requires_grad=True)
    for axis in (None, 0, (0, 1), ()):
        out = reduce(x, axis=axis)
        assert out.dtype == np.float32
        out.backward(np.ones(out.shape, dtype="float32"))
        assert x.grad.dtype == np.float32
        assert x.grad.shape == x.shape
        assert reduce(x.data, axis=axis).dtype == np.float32


@pytest.mark.parametrize("reduce", [*ALL, tl.argmax, tl.argmin, tl.any, tl.all], ids=lambda f: f.__name__)
def test_axes_that_do_not_exist_are_named(reduce):
    with pytest.raises(IndexingError) as caught:
        reduce(X, axis=2)
    assert str(caught.value) == (
        f"{reduce.__name__}: x is (2, 3) and axis=2; axis 2 does not exist: the array has 2 axes, "
        f"so axis must be from -2 to 1."
    )
    assert np.array_equal(reduce(X, axis=-1), reduce(X, axis=1))
    assert reduce(X, axis=1, keepdims=True).shape == (2, 1)


@pytest.mark.parametrize("reduce", ALL, ids=lambda f: f.__name__)
def test_an_axis_named_twice(reduce):
    with pytest.raises(ShapeError, match=r"axis is \(0, 0\); each axis may be named once"):
        reduce(X, axis=(0, 0))


@pytest.mark.parametrize("reduce", ALL, ids=lambda f: f.__name__)
def test_of_a_single_number(reduce):
    out = reduce(np.float32(3.0))
    assert out == (0.0 if reduce in (tl.var, tl.std) else 3.0)
    assert tl.grad(reduce)(3.0) == (0.0 if reduce in (tl.var, tl.std) else 1.0)


def test_of_nothing():
    assert tl.sum(np.zeros((0, 2)), axis=0).tolist() == [0.0, 0.0]
    assert tl.prod(np.zeros((0, 2)), axis=0).tolist() == [1.0, 1.0]
    assert tl.any(np.zeros(0)) == np.False_
    assert tl.all(np.zeros(0)) == np.True_
    assert gradient(tl.sum, np.zeros((0, 2))).shape == (0, 2)
    assert gradient(tl.prod, np.zeros((0, 2))).shape == (0, 2)
    assert gradient(tl.max, np.zeros((0, 2)), axis=1).shape == (0, 2)


@pytest.mark.parametrize("reduce", [tl.max, tl.min, tl.argmax, tl.argmin, tl.logsumexp], ids=lambda f: f.__name__)
def test_nothing_to_choose_from(reduce):
    with pytest.raises(ShapeError) as caught:
        reduce(np.zeros((2, 0)), axis=1)
    assert str(caught.value) == (
        f"{reduce.__name__}: x is (2, 0) and axis=1; there is no element to choose from along the reduced axes; "
        f"give at least one."
    )


def test_integers_and_booleans_as_in_numpy():
    assert tl.sum(np.array([True, True])) == 2
    assert tl.sum(np.array([1, 2], dtype="int8")).dtype == np.int64
    assert tl.mean(np.array([1, 2])) == 1.5
    assert tl.var(np.array([True, False])) == 0.25
    assert tl.logsumexp(np.array([0, 0])) == np.log(2.0)
    assert tl.max(np.array([3, 7])) == 7
    assert tl.argmax(tl.tensor([3, 7])).dtype == np.int64


def test_nan_is_kept():
    for reduce in ALL:
        assert np.isnan(reduce(np.array([[1.0, nan], [0.0, 1.0]]), axis=1)).tolist() == [True, False]


def test_equal_extremes_share_the_gradient():
    assert gradient(tl.max, [1.0, 3.0, 3.0]).tolist() == [0.0, 0.5, 0.5]
    assert gradient(tl.min, [[1.0, 1.0], [1.0, 2.0]]).tolist() == [[1 / 3, 1 / 3], [1 / 3, 0.0]]
    assert gradient(tl.max, [[-inf, -inf], [inf, 0.0]], axis=1).tolist() == [[0.5, 0.5], [1.0, 0.0]]
    assert gradient(tl.max, [1.0, nan, 3.0]).tolist() == [0.0, 1.0, 0.0]


def test_argmax_takes_the_first_of_equals_and_one_axis():
    assert tl.argmax(np.array([1.0, 3.0, 3.0])) == 1
    assert tl.argmin(np.array([[2.0, 1.0], [0.0, 1.0]])) == 2
    with pytest.raises(DTypeError, match=r"argmax: axis is \(0, 1\); it must be one integer or None"):
        tl.argmax(X, axis=(0, 1))
    assert not tl.argmax(tl.tensor(X, requires_grad=True)).requires_grad


def test_variance_of_too_few_elements_has_no_derivative():
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert np.isnan(tl.var(np.array([1.0]), correction=1))
        assert np.isnan(gradient(tl.var, [1.0], correction=1)).all()
        assert np.isnan(gradient(tl.std, [1.0, 2.0], correction=2)).all()


def test_variance_is_accurate_far_from_zero():
    assert tl.var(np.array([1e8, 1e8 + 1, 1e8 + 2])) == pytest.approx(2 / 3, rel=1e-12)


def test_standard_deviation_of_equal_elements_has_derivative_zero():
    rounded = np.array([[3.95, 3.95, 3.95], [3.95, 3.95, 4.0]])  # of the first row NumPy's is 4.4e-16
    by_row = gradient(tl.std, rounded, axis=1)
    assert by_row[0].tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(by_row[1], [-1 / 18**0.5, -1 / 18**0.5, 2 / 18**0.5], rtol=1e-6)
    assert gradient(tl.std, [[2.0, 2.0], [1.0, 3.0]], axis=1).tolist() == [[0.0, 0.0], [-0.5, 0.5]]


def test_product_with_zeros_to_the_third_derivative():
    assert gradient(tl.prod, [2.0, 0.0, 3.0]).tolist() == [0.0, 6.0, 0.0]
    assert gradient(tl.prod, [0.0, 0.0, 3.0]).tolist() == [0.0, 0.0, 0.0]
    assert tl.hessian(tl.prod)(np.array([0.0, 0.0, 3.0])).tolist() == [[0, 3, 0], [3, 0, 0], [0, 0, 0]]
    third = tl.jacobian(tl.hessian(tl.prod))(np.zeros(3))
    assert [third[i] for i in np.ndindex(3, 3, 3)] == [float(len(set(i)) == 3) for i in np.ndindex(3, 3, 3)]


def test_logsumexp_of_large_and_infinite_numbers():
    assert tl.logsumexp(np.array([1000.0, 1000.0])) == 1000.0 + np.log(2.0)
    assert tl.logsumexp(np.array([-1000.0, -1000.0])) == -1000.0 + np.log(2.0)
    assert tl.logsumexp(np.array([1000.0, -1000.0], dtype="float32")) == 1000.0
    assert tl.logsumexp(np.array([-inf, 2.0])) == 2.0
    assert tl.logsumexp(np.array([-inf, -inf])) == -inf
    assert tl.logsumexp(np.array([inf, 1000.0, -inf])) == inf
    assert tl.logsumexp(np.array([[-inf, -inf], [0.0, 0.0]]), axis=1).tolist() == [-inf, np.log(2.0)]


def test_logsumexp_has_finite_derivatives_at_minus_infinity():
    assert gradient(tl.logsumexp, [-inf, -inf]).tolist() == [0.0, 0.0]
    assert gradient(tl.logsumexp, [-inf, 2.0]).tolist() == [0.0, 1.0]
    assert gradient(tl.logsumexp, [1000.0, 1000.0, -1000.0]).tolist() == [0.5, 0.5, 0.0]
    assert tl.hessian(tl.logsumexp)(np.array([-inf, -inf])).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    second = tl.hessian(tl.logsumexp)(np.array([-inf, 0.0, 0.0]))
    assert second.tolist() == [[0, 0, 0], [0, 0.25, -0.25], [0, -0.25, 0.25]]


def test_cumulative_sum():
    assert tl.cumulative_sum(X, axis=1).tolist() == [[1, 3, 6], [4, 9, 15]]
    assert tl.cumulative_sum(np.zeros(0), include_initial=True).tolist() == [0.0]
    out = tl.cumulative_sum(tl.tensor(X.astype("float32"), requires_grad=True), axis=0, include_initial=True)
    assert (out.shape, out.dtype) == ((3, 3), np.float32)
    assert gradient(tl.cumulative_sum, [1.0, 2.0, 3.0]).tolist() == [3.0, 2.0, 1.0]
    with pytest.raises(ShapeError, match=r"x is \(2, 3\) and axis=None; an axis is required unless x has one axis"):
        tl.cumulative_sum(X)


SUMMING = [tl.sum, tl.prod, tl.cumulative_sum, tl.cumulative_prod]


@pytest.mark.parametrize("reduce", SUMMING, ids=lambda f: f.__name__)
def test_dtype_in_which_to_add_up(reduce):
    x = tl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    out = reduce(x, dtype="float64")
    assert out.dtype == np.float64
    out.sum().backward()
    assert x.grad.dtype == np.float32
    assert reduce(np.array([True, True]), dtype="float32").dtype == np.float32
    assert reduce(np.array([3, 4], dtype="uint8"), dtype="uint8").dtype == np.uint8
    with pytest.raises(
        DTypeError, match=rf"{reduce.__name__}: x has dtype float32 and dtype=int64; fractions would be l"
    ):
        reduce(x, dtype="int64")


def test_cumulative_prod_is_right_at_several_zeros():
    x = tl.tensor(np.array([2.0, 0.0, 3.0, 0.0, 5.0]), requires_grad=True)
    tl.cumulative_prod(x).sum().backward()
    assert x.grad.tolist() == [1.0, 8.0, 0.0, 0.0, 0.0]
    second = tl.hessian(lambda z: tl.cumulative_prod(z).sum())(x.data)
    assert second[1, 3] == 6.0 + 6.0 * 5.0
