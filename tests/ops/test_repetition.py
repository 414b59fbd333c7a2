"""Errors and edges of repeat, tile, meshgrid, rot90 and diff."""

import numpy as np
import pytest

import tinygrad_lite as tl


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: tl.repeat(x, -1), r"repeat: repeats is -1; it must be an integer from 0 on, or 6 of them"),
        (
            lambda x: tl.repeat(x, [1, 2, 3], axis=0),
            r"repeats is \[1, 2, 3\].*or 2 of them.*axis 0 of x of shape \(2, 3\)",
        ),
        (lambda x: tl.repeat(x, 2, axis=2), r"repeat: axis 2 does not exist"),
        (lambda x: tl.tile(x, (2, -1)), r"tile: repetitions is \(2, -1\); they must be integers from 0 on"),
        (lambda x: tl.meshgrid(x), r"meshgrid: the arrays are \(2, 3\); vectors are required"),
        (lambda x: tl.meshgrid(x[0], indexing="yx"), r"meshgrid: indexing is 'yx'; it must be 'xy' or 'ij'"),
        (lambda x: tl.rot90(x, axes=(0, 0)), r"rot90: axis is \(0, 0\); each axis may be named once"),
        (lambda x: tl.rot90(x, axes=(0, 1, 1)), r"rot90: axes is \(0, 1, 1\); two axes are required"),
        (lambda x: tl.diff(x, n=-1), r"diff: n is -1; it must be 0 or more"),
    ],
)
def test_errors(call, message):
    with pytest.raises(tl.ShapeError, match=message):
        call(np.zeros((2, 3)))


def test_repeat_by_a_tensor_of_counts():
    x = tl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = tl.repeat(x, tl.tensor([2, 0, 1]))
    assert y.tolist() == [1.0, 1.0, 3.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 1.0]


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_meshgrid_is_that_of_numpy(indexing, n):
    vectors = [np.arange(2.0), np.arange(3.0), np.array(5.0)][:n]
    ours, theirs = tl.meshgrid(*vectors, indexing=indexing), np.meshgrid(*vectors, indexing=indexing)
    assert len(ours) == n
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_gradient_of_meshgrid():
    x, y = tl.tensor([1.0, 2.0], requires_grad=True), tl.tensor([3.0, 4.0, 5.0], requires_grad=True)
    first, second = tl.meshgrid(x, y)
    (first * second).sum().backward()
    assert x.grad.tolist() == [12.0, 12.0]
    assert y.grad.tolist() == [3.0, 3.0, 3.0]


@pytest.mark.numpy_only("an array is among its options")
def test_diff_with_more_at_the_ends():
    x, before = tl.tensor([1.0, 4.0], requires_grad=True), tl.tensor([0.5], requires_grad=True)
    y = tl.diff(x, prepend=before, append=np.array([9.0], dtype="float32"))
    assert y.tolist() == [0.5, 3.0, 5.0]
    y[0].backward()
    assert before.grad.tolist() == [-1.0]
