"""Exact edges of indexing: repeats, masks, empty results, what cannot be indexed."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, ShapeError
from tinygrad_lite.core.backend import Backend
from tinygrad_lite.ops.indexing import scatter, scatter_along_axis

X = np.arange(12.0).reshape(3, 4)


def leaf(x=X):
    return tl.tensor(np.array(x), requires_grad=True)


def failing(function, *args, error=ShapeError, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return str(caught.value)


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_a_basic_index_is_a_view():
    t = tl.tensor(X)
    for index in (0, (..., 1), (slice(None, None, -1), None), ...):
        assert np.array_equal(t[index].data, X[index])
        assert np.shares_memory(t[index].data, X)
    assert t[1, 2].shape == ()
    assert t[...].tolist() == X.tolist()


def test_what_may_be_an_index():
    t = tl.tensor(X)
    for index in ([2, 0], np.array([2, 0]), tl.tensor([2, 0]), [tl.tensor(2), tl.tensor(0)], np.uint8([2, 0])):
        assert t[index].tolist() == X[[2, 0]].tolist()
    for index in (tl.tensor([True, False, True]), [True, False, True]):
        assert t[index].tolist() == X[[0, 2]].tolist()
    for index in (tl.tensor(1), np.int32(1), np.array(1)):
        assert t[index].tolist() == X[1].tolist()
    assert t[tl.tensor([0, 1]), 1:].tolist() == X[[0, 1], 1:].tolist()
    assert t[[]].shape == (0, 4)
    assert t[t > 5].tolist() == X[X > 5].tolist()
    assert t[True].shape == (1, 3, 4)


def test_what_may_not_be_an_index():
    t = tl.tensor(X)
    assert failing(lambda: t[1.5], error=DTypeError) == (
        "x[i]: the index is a float; integers, slices, None, ... and arrays of integers or booleans are accepted."
    )
    assert "the index is an array of dtype float64" in failing(lambda: t[np.zeros(2)], error=DTypeError)
    assert "the index is a str" in failing(lambda: t["a"], error=DTypeError)


@pytest.mark.numpy_only("indices on the device are not checked, which would wait for it")
def test_an_index_out_of_range_names_axis_and_length():
    t = tl.tensor(X)
    assert failing(lambda: t[3]) == (
        "getitem: x is (3, 4) and the index 3 is out of range for axis 0 of length 3; it must be from -3 to 2."
    )
    assert "the index -5 is out of range for axis 1 of length 4" in failing(lambda: t[..., [0, -5]])
    assert "the index 4 is out of range for axis 1" in failing(lambda: t[:, None, tl.tensor([[4]])])
    assert "must be absent, since there is nothing to index" in failing(lambda: tl.tensor(np.zeros(0))[0])
    assert "x is (3, 4) with 2 axes and the index is for 3." in failing(lambda: t[0, 0, 0])
    mask = np.ones((3, 3), dtype=bool)
    assert "the mask is (3, 3); on these axes it must be (3, 4)." in failing(lambda: t[mask])
    assert "the mask is (3,); on these axes it must be (4,)." in failing(lambda: t[:, mask[0]])


def test_positions_picked_twice_receive_both_gradients():
    t = leaf(np.arange(3.0))
    t[[2, 2, 0, -1]].backward(np.array([1.0, 10.0, 100.0, 1000.0]))
    assert t.grad.tolist() == [100.0, 0.0, 1011.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_picked_twice_receive_both_gradients(dtype):
    t = tl.tensor(np.zeros((3, 2)), dtype=dtype, requires_grad=True)
    rows = t[np.array([[2, -1], [0, 2]])]
    rows.backward(np.arange(8.0, dtype=dtype).reshape(2, 2, 2))
    assert t.grad.tolist() == [[4.0, 5.0], [0.0, 0.0], [8.0, 11.0]]
    assert t.grad.dtype == dtype


def test_rows_out_of_range_are_not_scattered():
    for row in (3, -4):
        with pytest.raises(ShapeError):
            scatter(np.ones((1, 2)), index=np.array([row]), shape=(3, 2))


def test_a_mask_routes_gradients():
    t = leaf([-1.0, 2.0, 3.0])
    (t[t > 0] * np.array([10.0, 20.0])).sum().backward()
    assert t.grad.tolist() == [0.0, 10.0, 20.0]
    assert leaf()[np.zeros((3, 4), dtype=bool)].shape == (0,)


def test_the_generic_backend_methods_agree_with_numpy():
    class Generic(Backend):
        name, default_device, xp, array_types = "generic", "generic", np, (np.ndarray,)

    backend = Generic()
    for index in (1, (..., -1), (np.array([2, 2]), slice(1, 3)), X > 5, (), (np.array([[0], [1]]), np.array([1, 1]))):
        values = np.arange(float(X[index].size)).reshape(X[index].shape) + 1
        assert np.array_equal(backend.getitem(X, index), X[index])
        assigned, added = X.copy(), X.copy()
        backend.assign(assigned, index, values)
        backend.scatter_add(added, index, values)
        expected_assigned, expected_added = X.copy(), X.copy()
        expected_assigned[index] = values
        np.add.at(expected_added, index, values)
        assert np.array_equal(assigned, expected_assigned)
        assert np.array_equal(added, expected_added)


def test_assignment_is_differentiable_in_both():
    x, v = leaf(np.arange(4.0)), leaf([10.0, 20.0])
    y = x * 1.0
    y[1:3] = v
    y.backward(np.array([1.0, 2.0, 3.0, 4.0]))
    assert y.tolist() == [0.0, 10.0, 20.0, 3.0]
    assert (x.grad.tolist(), v.grad.tolist()) == ([1.0, 0.0, 0.0, 4.0], [2.0, 3.0])


def test_assignment_of_a_number_and_with_broadcasting():
    x, v = leaf(), leaf([[[1.0]]])
    y = x + 0.0
    y[0] = 7.0
    y[:, 1] = v
    y.sum().backward()
    assert y.tolist()[0] == [7.0, 1.0, 7.0, 7.0]
    assert x.grad.tolist() == [[0, 0, 0, 0], [1, 0, 1, 1], [1, 0, 1, 1]]
    assert v.grad.tolist() == [[[3.0]]]


def test_of_several_values_for_one_position_the_last_one_counts():
    x, v = leaf(np.zeros(3)), leaf([1.0, 2.0, 3.0])
    y = tl.set_item(x, v, index=np.array([2, 2, 0]))
    y.backward(np.array([10.0, 20.0, 30.0]))
    assert y.tolist() == [3.0, 0.0, 2.0]
    assert (x.grad.tolist(), v.grad.tolist()) == ([0.0, 20.0, 0.0], [0.0, 30.0, 10.0])


def test_assignment_leaves_the_array_and_other_tensors_alone():
    x = tl.tensor(np.arange(3.0))
    array, view, other = x.data, x[:2], x + 0
    x[0] = 5.0
    assert x.tolist() == [5.0, 1.0, 2.0]
    assert array.tolist() == [*view.tolist(), 2.0] == other.tolist() == [0.0, 1.0, 2.0]


def test_assignment_keeps_the_dtype_and_refuses_fractions_into_integers():
    x = tl.tensor(np.zeros(2, dtype="float32"))
    x[0] = np.float64(1.5)
    assert (x.dtype, x.tolist()) == (np.float32, [1.5, 0.0])
    n = tl.tensor([1, 2])
    n[0] = 3
    assert n.tolist() == [3, 2]
    assert "set_item: x has dtype int64 and v is floating-point; fractions would be lost." in failing(
        tl.set_item, n, 0.5, index=0, error=DTypeError
    )


def test_assignment_says_what_does_not_fit():
    assert failing(tl.set_item, X, np.zeros(3), index=0) == (
        "set_item: x[i] is (4,) and v is (3,); v must broadcast to x[i]."
    )
    assert "the index 3 is out of range for axis 0 of length 3" in failing(tl.set_item, X, 0.0, index=3)


def test_take():
    assert tl.take(X, np.array(2)) == 2.0
    assert tl.take(X, np.array([[0], [-1]]), axis=1).shape == (3, 2, 1)
    t = leaf()
    tl.take(t, tl.tensor([1, 1]), axis=-1).sum().backward()
    assert t.grad.tolist() == [[0.0, 2.0, 0.0, 0.0]] * 3
    assert failing(tl.take, X, np.array([0, 4]), axis=1) == (
        "take: x is (3, 4) and axis=1; the index 4 is out of range for axis 1 of length 4; it must be from -4 to 3."
    )
    assert "axis 2 does not exist" in failing(tl.take, X, np.array([0]), axis=2)
    assert "indices have dtype float64; integers are required." in failing(
        tl.take, X, np.array([0.0]), axis=0, error=(ShapeError, DTypeError)
    )


def test_take_along_axis():
    t = leaf()
    tl.take_along_axis(t, np.array([[3, 3], [0, 1], [-1, 0]])).sum().backward()
    assert t.grad.tolist() == [[0, 0, 0, 2], [1, 1, 0, 0], [1, 0, 0, 1]]
    assert failing(tl.take_along_axis, X, np.array([[4]]), axis=1) == (
        "take_along_axis: x is (3, 4) and axis=1; "
        "the index 4 is out of range for axis 1 of length 4; it must be from -4 to 3."
    )
    assert "they must have as many axes as x" in failing(tl.take_along_axis, X, np.array([0]), axis=1)
    assert "they must broadcast with x in every other axis" in failing(
        tl.take_along_axis, X, np.zeros((2, 1), dtype=int), axis=1
    )
    assert "indices have dtype float64" in failing(
        tl.take_along_axis, X, np.zeros((3, 1)), axis=1, error=(ShapeError, DTypeError)
    )


def test_scatter_along_axis_adds_up():
    out = scatter_along_axis(np.ones((2, 3)), np.array([[0, 0, 1], [1, 1, 1]]), axis=1, shape=(2, 2))
    assert out.tolist() == [[2.0, 1.0], [0.0, 3.0]]


def test_float32_stays_float32():
    t = tl.tensor(X.astype("float32"), requires_grad=True)
    y = t * 1.0
    y[0, 0] = 0.5
    out = tl.take(y, np.array([0, 0]), axis=0).sum() + y[[0, 0]].sum() + tl.take_along_axis(y, np.array([[1]])).sum()
    out.backward()
    assert out.dtype == y.dtype == t.grad.dtype == np.float32


def test_the_last_of_repeated_values_remains_also_where_the_index_is_a_reversed_view():
    index = (np.zeros((2, 1), int)[::-1], np.array([[0]]))
    v = np.array([[1.0], [2.0]])[::-1]

    def put(v):
        return tl.set_item(np.zeros((1, 1)), v, index=index)

    np.testing.assert_array_equal(put(v), [[1.0]])
    np.testing.assert_array_equal(tl.grad(lambda v: put(v).sum())(v), [[0.0], [1.0]])
