"""Exact edges of the operations that move elements; their values and derivatives are checked by the laws."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError

X = np.arange(6.0).reshape(2, 3)


def failing(function, *args, error=ShapeError, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def gradient(function, x, weight=None):
    """The gradient of the weighted sum of function(x), with different weights for all elements by default."""
    t = tl.tensor(x, requires_grad=True)
    out = function(t)
    out.backward(np.arange(1.0, out.size + 1).reshape(out.shape) if weight is None else weight)
    return t.grad.numpy()


def test_reshape_takes_one_unknown_length():
    assert tl.reshape(X, -1).shape == (6,)
    assert tl.reshape(X, [3, -1]).shape == (3, 2)
    assert tl.reshape(np.zeros((0, 3)), (3, 0)).shape == (3, 0)
    assert tl.reshape(np.float32(2.0), (1, 1)).dtype == np.float32


def test_reshape_says_what_does_not_fit():
    assert failing(tl.reshape, X, (4, 2)) == (
        "reshape: x is (2, 3) with 6 elements and shape is (4, 2) with 8; they must be equal."
    )
    assert "shape is (4, -1); 6 elements are not a multiple of 4." in failing(tl.reshape, X, (4, -1))
    assert "shape is (-1, -1); only one length may be -1." in failing(tl.reshape, X, (-1, -1))
    assert "0 elements are not a multiple of 0." in failing(tl.reshape, np.zeros((0, 3)), (0, -1))


def test_flatten_keeps_leading_axes():
    assert tl.flatten(np.float64(1.0)).shape == (1,)
    assert tl.flatten(np.zeros((2, 3, 4)), start_axis=1).shape == (2, 12)
    assert tl.flatten(np.zeros((2, 3, 4)), start_axis=-2).shape == (2, 12)
    assert tl.flatten(np.zeros((0, 3, 4)), start_axis=1).shape == (0, 12)
    assert "flatten: axis 3 does not exist: the array has 2 axes" in failing(tl.flatten, X, start_axis=3)


def test_squeeze():
    assert tl.squeeze(np.zeros((1, 3, 1))).shape == (3,)
    assert tl.squeeze(np.zeros((1, 1))).shape == ()
    assert failing(tl.squeeze, X, axis=0) == ("squeeze: x is (2, 3); axis is 0; only axes of length 1 can be removed.")
    assert "axis 2 does not exist" in failing(tl.squeeze, X, axis=2)


def test_expand_dims():
    assert tl.expand_dims(np.float64(1.0)).shape == (1,)
    assert tl.expand_dims(X, axis=(0, -1)).shape == (1, 2, 3, 1)
    assert failing(tl.expand_dims, X, axis=3) == (
        "expand_dims: x is (2, 3); in the result, axis 3 does not exist: the array has 3 axes, "
        "so axis must be from -3 to 2."
    )
    assert "each axis may be named once" in failing(tl.expand_dims, X, axis=(0, -4))


def test_permute_dims_inverts_itself_in_the_gradient():
    x = np.arange(24.0).reshape(2, 3, 4)
    seed = np.arange(24.0).reshape(4, 2, 3)
    assert np.array_equal(gradient(lambda t: tl.permute_dims(t, (-1, 0, 1)), x, seed), seed.transpose(1, 2, 0))
    assert failing(tl.permute_dims, X, (0, 0)) == (
        "permute_dims: x is (2, 3); axis is (0, 0); each axis may be named once."
    )
    assert "axes is (0,); it must name each of the axes once." in failing(tl.permute_dims, X, (0,))


def test_transposes_need_two_axes():
    assert "x is (3,); at least two axes are required." in failing(tl.matrix_transpose, X[0])
    assert "tril: x is (3,); at least two axes are required." in failing(tl.tril, X[0])
    assert "at least two axes" in failing(tl.triu, np.float64(1.0))


def test_moveaxis_needs_as_many_destinations():
    assert failing(tl.moveaxis, X, (0, 1), 0) == (
        "moveaxis: source is (0, 1) and destination is 0; they must be equally many."
    )


def test_wrong_axes_are_named():
    assert failing(tl.flip, X, axis=2) == (
        "flip: x is (2, 3); axis 2 does not exist: the array has 2 axes, so axis must be from -2 to 1."
    )
    assert "axis 0 does not exist: the array is 0-d and has no axes." in failing(tl.flip, np.float64(0.0), axis=0)
    assert "axis is 1.5; it must be an integer" in failing(tl.flip, X, axis=1.5, error=TypeError)
    assert "axis -3 does not exist" in failing(tl.roll, X, 1, axis=-3)


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_broadcast_to_shares_memory_and_sums_back():
    assert np.shares_memory(tl.broadcast_to(X, (5, 2, 3)), X)
    repeated = gradient(lambda t: tl.broadcast_to(t, (4, 2, 3)), X, np.ones((4, 2, 3)))
    assert np.array_equal(repeated, np.full((2, 3), 4.0))
    assert "x is (2, 3) and shape is (2, 4)" in failing(tl.broadcast_to, X, (2, 4))


def test_triangles():
    assert np.array_equal(tl.tril(np.ones((2, 3)), k=-1), [[0, 0, 0], [1, 0, 0]])
    assert np.array_equal(gradient(lambda t: tl.triu(t, k=1), X), [[0, 2, 3], [0, 0, 6]])


def test_a_result_does_not_follow_later_changes_of_a_tensor():
    t = tl.tensor([1.0, 2.0])
    view = t.reshape(2, 1)
    t[0] = 9.0
    assert view.tolist() == [[1.0], [2.0]]
