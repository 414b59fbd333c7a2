"""Exact edges of putting and adding at indices, of segments and of masks; some against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, ShapeError

X = np.arange(6.0).reshape(2, 3)


def failing(function, *args, error=ShapeError, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def test_the_last_of_several_values_remains_however_the_indices_lie_in_memory():
    indices, values = np.array([[1, 0, 0]]), np.array([[1.0, 2.0, 3.0]])
    for given in (indices, indices[:, ::-1].copy()[:, ::-1], np.asfortranarray(indices)):
        out, pull = tl.vjp(lambda v, given=given: tl.put_along_axis(np.zeros((1, 2)), given, v), values)
        assert out.tolist() == [[3.0, 1.0]]
        assert pull(np.array([[10.0, 20.0]]))[0].tolist() == [[20.0, 0.0, 10.0]]


def test_put_along_axis_cuts_off_what_it_overwrites():
    _, pull = tl.vjp(lambda x: tl.put_along_axis(x, np.array([[1], [0]]), 7.0), X)
    assert pull(np.ones((2, 3)))[0].tolist() == [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]


@pytest.mark.parametrize("function", [tl.put_along_axis, tl.scatter_add])
@pytest.mark.numpy_only("indices on the device are not checked, which would wait for it")
def test_what_does_not_fit_along_an_axis(function):
    name, one = function.__name__, np.zeros((1, 1))
    assert failing(function, X, np.array([[3]]), one) == (
        f"{name}: indices has values from 3 to 3; they must be from -3 to 2."
    )
    assert "axis 2 does not exist" in failing(function, X, np.array([[0]]), one, axis=2)
    assert failing(function, X, np.array([0]), one) == (
        f"{name}: x is (2, 3) and indices are (1,); they must have as many axes, and each but axis 1 the length of x "
        f"or 1."
    )
    assert "values are (2, 2); they must broadcast to the indices, (2, 1)." in failing(
        function, X, np.array([[0]]), np.zeros((2, 2))
    )
    assert failing(function, X, np.array([[0.0]]), one, error=DTypeError) == (
        f"{name}: indices is float64; an array of integers is required."
    )


@pytest.mark.numpy_only("indices on the device are not checked, which would wait for it")
def test_what_does_not_fit_for_index_add():
    assert failing(tl.index_add, X, np.array([[0]]), X) == "index_add: indices are (1, 1); one axis is required."
    assert "values from -3 to 0; they must be from -2 to 1." in failing(tl.index_add, X, np.array([0, -3]), X)
    assert "values are (3, 3); they must broadcast to the indexed part of x, (2, 3)." in failing(
        tl.index_add, X, np.array([0, 1]), np.zeros((3, 3))
    )


def test_segments():
    x = np.array([[1.0], [2.0], [4.0]])
    assert tl.segment_sum(x, np.array([1, 1, 3]), num_segments=5).tolist() == [[0.0], [3.0], [0.0], [4.0], [0.0]]
    assert tl.segment_mean(x, np.array([1, 1, 3])).tolist() == [[0.0], [1.5], [0.0], [4.0]]
    assert tl.segment_sum(np.zeros((0, 2)), np.zeros(0, dtype=int)).shape == (0, 2)
    assert tl.segment_mean(x.astype("float32"), np.array([0, 0, 1])).dtype == np.float32


@pytest.mark.numpy_only("indices on the device are not checked, which would wait for it")
def test_what_is_not_a_segment_number():
    assert "one number for each of the 2 places of axis 0 is required." in failing(
        tl.segment_sum, X, np.array([0, 1, 2])
    )
    assert failing(tl.segment_sum, X, np.array([0, 2]), num_segments=2) == (
        "segment_sum: segments has values from 0 to 2; they must be from 0 to 1."
    )
    assert "segments has values from -1 to 0" in failing(tl.segment_mean, X, np.array([0, -1]))


@pytest.mark.numpy_only("indices on the device are not checked, which would wait for it")
def test_bincount():
    assert tl.bincount(np.zeros(0, dtype=int)).shape == (0,)
    assert tl.bincount(np.array([1, 1]), np.float32([1, 2]), minlength=3).dtype == np.float32
    assert failing(tl.bincount, np.array([1]), np.zeros(2)) == (
        "bincount: x is (1,) and weights are (2,); both must be (n,)."
    )
    assert "x has values from -1 to 2; they must be from 0 to 2." in failing(tl.bincount, np.array([-1, 2]))


def test_masks():
    assert tl.masked_fill(X, X > 2, -np.inf).tolist() == [[0.0, 1.0, 2.0], [-np.inf] * 3]
    assert tl.masked_fill(X.astype("float32"), X > 2, 0.5).dtype == np.float32
    assert tl.masked_select(X, np.zeros((2, 3), dtype=bool)).shape == (0,)
    assert tl.masked_select(X, tl.tensor([[True], [False]])).tolist() == [0.0, 1.0, 2.0]


def test_what_is_not_a_mask():
    assert failing(tl.masked_fill, X, X, 0.0, error=DTypeError) == (
        "masked_fill: mask is float64; an array of booleans is required."
    )
    mask = np.ones((3, 2), dtype=bool)
    assert failing(tl.masked_fill, X, mask, 0.0) == (
        "masked_fill: x is (2, 3) and mask is (3, 2); mask must broadcast to x."
    )
    assert failing(tl.masked_fill, X, X > 0, np.zeros(2)) == (
        "masked_fill: x is (2, 3) and value is (2,); value must broadcast to x."
    )
    assert failing(tl.masked_select, X, mask) == (
        "masked_select: x is (2, 3) and mask is (3, 2); they must broadcast together."
    )


@pytest.mark.numpy_only("indices on the device are not checked, which would wait for it")
def test_one_hot():
    assert tl.one_hot(np.array([1, 0])).tolist() == [[0, 1], [1, 0]]
    assert tl.one_hot(np.zeros((0,), dtype=int), num_classes=3).shape == (0, 3)
    assert tl.one_hot(tl.tensor([1]), num_classes=2, dtype="float32").dtype == np.float32
    assert "without elements; give num_classes." in failing(tl.one_hot, np.zeros(0, dtype=int))
    assert "x has values from 0 to 3; they must be from 0 to 2." in failing(tl.one_hot, np.array([0, 3]), num_classes=3)
    assert "one_hot: x is float64" in failing(tl.one_hot, X, error=DTypeError)


def test_as_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    rng = np.random.default_rng(0)
    x, values, indices = rng.normal(size=(4, 5)), rng.normal(size=(4, 3)), rng.integers(0, 5, size=(4, 3))
    t, v, i = torch.tensor(x), torch.tensor(values), torch.tensor(indices)
    np.testing.assert_allclose(tl.scatter_add(x, indices, values, axis=1), t.scatter_add(1, i, v))
    np.testing.assert_allclose(tl.index_add(x, indices[0], values, axis=1), t.index_add(1, i[0], v))
    np.testing.assert_allclose(tl.masked_select(x, x > 0), t.masked_select(t > 0))
    np.testing.assert_array_equal(tl.one_hot(indices), torch.nn.functional.one_hot(i))
