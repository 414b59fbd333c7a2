"""Exact edges of joining and cutting arrays; values and derivatives are checked by the laws."""

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


def test_concat():
    a, b = tl.tensor([1.0, 2.0], requires_grad=True), np.array([3.0], dtype="float32")
    out = tl.concat([a, b, a])
    assert out.tolist() == [1.0, 2.0, 3.0, 1.0, 2.0]
    out.backward(np.array([1.0, 2.0, 3.0, 4.0, 5.0], dtype="float32"))
    assert a.grad.tolist() == [5.0, 7.0]


def test_concat_of_two_dtypes_gives_each_input_its_own():
    a, b = tl.tensor([1.0], requires_grad=True), tl.tensor([1.0], dtype="float64", requires_grad=True)
    out = tl.concat([a, b])
    out.sum().backward()
    assert (out.dtype, a.grad.dtype, b.grad.dtype) == (np.float64, np.float32, np.float64)


def test_concat_and_stack_say_what_does_not_fit():
    assert failing(tl.concat, [X, X[:, :2]], axis=0) == (
        "concat: the arrays are (2, 3), (2, 2) and axis=0; their shapes must agree on every axis but the joined one."
    )
    assert "concat: got no arrays" in failing(tl.concat, [])
    assert "stack: the arrays are (2, 3), (3,) and axis=0; their shapes must be equal." in failing(tl.stack, [X, X[0]])
    assert "axis 3 does not exist" in failing(tl.stack, [X, X], axis=3)


def test_split_cuts_where_numpy_does():
    for cut in (3, [1, 4], [4, 2], [0, 9], [-2]):
        expected = np.split(np.arange(6.0), cut)
        assert [part.tolist() for part in tl.split(np.arange(6.0), cut)] == [part.tolist() for part in expected]
    assert [part.shape for part in tl.split(X, [1], axis=-1)] == [(2, 1), (2, 2)]
    assert failing(tl.split, X, 2, axis=1) == (
        "split: x is (2, 3) and axis 1 of length 3 cannot be cut into 2 equal sections; "
        "give a divisor of the length, or the indices at which to cut."
    )
    assert "into 0 equal sections" in failing(tl.split, X, 0)


def test_parts_share_one_node():
    """So the backward pass over n of them takes n steps; with one scatter for each it would take n * n."""
    x = tl.tensor(X, requires_grad=True)
    for parts, name in ((tl.unstack(x), "unstack"), (list(x), "unstack"), (tl.split(x, 2), "sections")):
        (call,) = {part.node.parents[0] for part in parts}
        assert call.op.name == name
    first, _ = x
    first.sum().backward()
    assert np.array_equal(x.grad.numpy(), [[1, 1, 1], [0, 0, 0]])
    assert list(tl.tensor(np.zeros((0, 2)), requires_grad=True)) == []


def test_bounds_of_split_as_of_slices():
    for bounds in ([4, 2], [-2], [9], [-9, 3], [3, 3, 2]):
        for ours, theirs in zip(tl.split(np.arange(6.0), bounds), np.split(np.arange(6.0), bounds), strict=True):
            assert np.array_equal(ours, theirs)


def test_split_and_unstack_are_differentiable():
    assert np.array_equal(gradient(lambda t: tl.split(t, [1, 4])[1] * 2, np.zeros(6)), [0, 2, 4, 6, 0, 0])
    assert np.array_equal(gradient(lambda t: tl.unstack(t, axis=1)[2], X), [[0, 0, 1], [0, 0, 2]])
    assert tl.unstack(np.zeros((0, 2))) == ()
    assert tl.unstack(np.array([1.0, 2.0]))[1].shape == ()


def test_pad_takes_numpys_forms():
    for widths in (1, (1, 2), [1, 2], ((1, 2),), ((0, 1), (2, 0)), ((1,), (2,))):
        assert np.array_equal(tl.pad(X, widths, value=7.0), np.pad(X, widths, constant_values=7.0)), widths
    assert tl.pad(X.astype("float32"), 1, value=0.1).dtype == np.float32
    assert tl.pad(np.float64(3.0), 1) == 3.0
    assert failing(tl.pad, X, (1, -1)) == (
        "pad: x is (2, 3) and pad_width is (1, -1); it must be a number, (before, after), or 2 such pairs, "
        "none of them negative, and to be cut off no more than there is."
    )
    assert "or 2 such pairs" in failing(tl.pad, X, ((1, 1), (1, 1), (1, 1)))
    assert failing(tl.pad, X, 1, mode="same") == (
        "pad: mode is 'same'; it must be one of 'constant', 'edge', 'reflect', 'symmetric', 'wrap', 'replicate', "
        "'circular'."
    )
    assert failing(tl.pad, np.ones(0), 1, mode="edge") == (
        "pad: x is (0,) and mode is 'edge'; there is no element to add."
    )


def test_borders_longer_than_the_array():
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    for mode in ("edge", "reflect", "symmetric", "wrap"):
        for n in range(1, 4):
            for widths in ((0, 7), (8, 0), (5, 9), (0, 0)):
                for part in (x[:, :n], x[:1, :n]):
                    expected = np.pad(part, ((0, 0), widths), mode=mode)
                    assert np.array_equal(tl.pad(part, ((0, 0), widths), mode=mode), expected), (mode, n, widths)
    assert np.array_equal(tl.pad(x, 2, mode="circular"), np.pad(x, 2, mode="wrap"))
    assert np.array_equal(tl.pad(x, 2, mode="replicate"), np.pad(x, 2, mode="edge"))
    assert "no more than there is" in failing(tl.crop, X, ((2, 1), (0, 0)))


@pytest.mark.numpy_only("a message that ends as NumPy's does")
def test_numbers_in_a_stack_take_the_dtype_of_the_arrays():
    x = tl.tensor(1.5, requires_grad=True)
    out = tl.stack([x, 2.0, 3])
    assert (out.tolist(), out.dtype) == ([1.5, 2.0, 3.0], np.float32)
    assert "the arrays are (2, 3), () and axis=0" in failing(tl.concat, [X, 1.0])


def test_an_axis_that_does_not_exist():
    assert "split: axis 2 does not exist: the array has 2 axes" in failing(tl.split, X, 1, axis=2)
    assert "unstack: axis -3 does not exist" in failing(tl.unstack, X, axis=-3)
