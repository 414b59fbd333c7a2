"""Edges of sorting and searching: equal elements, NaN, nothing at all; and the sets of values."""

import numpy as np
import pytest

import tinygrad_lite as tl


@pytest.mark.parametrize("descending", [False, True])
def test_equal_elements_share_the_gradient(descending):
    x = tl.tensor([2.0, 1.0, 2.0, 3.0, 2.0], requires_grad=True)
    weights = np.array([1.0, 2.0, 3.0, 7.0, 10.0], dtype="float32")
    (tl.sort(x, descending=descending) * weights).sum().backward()
    assert x.grad.tolist() == ([4.0, 10.0, 4.0, 1.0, 4.0] if descending else [4.0, 1.0, 4.0, 10.0, 4.0])


def test_nan_counts_as_the_largest():
    x = np.array([2.0, np.nan, 1.0])
    np.testing.assert_array_equal(tl.sort(x), [1.0, 2.0, np.nan])
    np.testing.assert_array_equal(tl.sort(x, descending=True), [np.nan, 2.0, 1.0])
    assert tl.argsort(x).tolist() == [2, 0, 1]
    assert tl.argsort(x, descending=True).tolist() == [1, 0, 2]


def test_equal_elements_keep_their_order():
    x = np.repeat(np.array([1.0, 0.0, 1.0]), 20)
    assert tl.argsort(x).tolist() == [*range(20, 40), *range(20), *range(40, 60)]
    assert tl.argsort(x, descending=True).tolist() == [*range(20), *range(40, 60), *range(20, 40)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: tl.sort(x, axis=2), r"sort: x is \(2, 3\); axis 2 does not exist"),
        (lambda x: tl.sort(x[0, 0]), r"sort: x is \(\); axis -1 does not exist: the array is 0-d"),
        (lambda x: tl.argsort(x, axis=-3), r"argsort: x is \(2, 3\); axis -3 does not exist"),
        (lambda x: tl.searchsorted(x, x), r"searchsorted: x is \(2, 3\); one axis is required"),
        (lambda x: tl.searchsorted(x[0], x, side="middle"), r"side is 'middle'; it must be 'left' or 'right'"),
        (lambda x: tl.nonzero(tl.tensor(1.0)), r"nonzero: x is 0-d and has no indices; at least one axis is required"),
    ],
)
def test_errors(call, message):
    with pytest.raises(tl.ShapeError, match=message):
        call(np.zeros((2, 3)))


def test_search_with_an_order():
    x = np.array([3.0, 1.0, 2.0])
    order = tl.argsort(tl.tensor(x))
    assert tl.searchsorted(x, np.array([1.5, 9.0]), sorter=order).tolist() == [1, 3]


def test_nonzero_is_that_of_numpy():
    x = np.array([[1.0, 0.0, 2.0], [0.0, 3.0, np.nan]])
    for one, other in zip(tl.nonzero(tl.tensor(x)), np.nonzero(x), strict=True):
        assert isinstance(one, tl.Tensor)
        np.testing.assert_array_equal(one.numpy(), other)


@pytest.mark.parametrize(
    "x", [np.array([[3.0, 1.0], [1.0, 7.0]]), np.zeros((0, 2)), np.array(2.0), np.array([2, 1, 2])]
)
def test_unique_is_that_of_numpy(x):
    values, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    found = tl.unique_all(x)
    for one, other in zip(found, (values, first, inverse.reshape(x.shape), counts), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(tl.unique_counts(x).counts, counts)
    np.testing.assert_array_equal(tl.unique_inverse(x).inverse_indices, inverse.reshape(x.shape))
    np.testing.assert_array_equal(tl.unique_values(x), values)


def test_each_nan_is_a_value_of_its_own():
    values, counts = tl.unique_counts(np.array([np.nan, 1.0, np.nan]))
    np.testing.assert_array_equal(values, [1.0, np.nan, np.nan])
    assert counts.tolist() == [1, 1, 1]


def test_gradient_of_the_different_values():
    x = tl.tensor([[3.0, 1.0], [3.0, 2.0]], requires_grad=True)
    values, counts = tl.unique_counts(x)
    assert not counts.requires_grad
    (values * np.array([1.0, 2.0, 6.0], dtype="float32")).sum().backward()
    assert x.grad.tolist() == [[3.0, 1.0], [3.0, 2.0]]
