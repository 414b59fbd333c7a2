"""Where results have memory of their own: the argument `copy`. And what is made after the model of another array."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_asarray():
    a = np.array([1.0, 2.0])
    assert np.shares_memory(tl.asarray(a).data, a)
    assert np.shares_memory(tl.asarray(a, copy=False).data, a)
    assert not np.shares_memory(tl.asarray(a, copy=True).data, a)
    x = tl.tensor(a, requires_grad=True)
    y = tl.asarray(x, copy=True)
    assert not np.shares_memory(y.data, a)
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert tl.asarray(np.array([True]), copy=True).tolist() == [True]


@pytest.mark.parametrize(("data", "dtype"), [([1.0], None), (np.array([1.0]), "float32")])
def test_asarray_that_must_copy_and_must_not(data, dtype):
    with pytest.raises(tl.DTypeError, match=r"asarray: got .* and copy=False; as a Tensor \(1,\) float32 is a copy"):
        tl.asarray(data, dtype=dtype, copy=False)


def test_asarray_of_lists_has_the_dtype_asked_for():
    assert tl.asarray([1.0, 2.0]).dtype == tl.float32
    assert tl.asarray([0.1], dtype="float64").tolist() == [0.1]


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_astype():
    a = np.array([1.0])
    assert tl.astype(a, "float64") is a
    assert not np.shares_memory(tl.astype(a, "float64", copy=True), a)
    assert tl.astype(a, "float32", device="cpu").dtype == np.float32


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_reshape():
    a = np.arange(6.0).reshape(2, 3)
    assert np.shares_memory(tl.reshape(a, (3, 2)), a)
    assert np.shares_memory(tl.reshape(a, (3, 2), copy=False), a)
    assert not np.shares_memory(tl.reshape(a, (3, 2), copy=True), a)
    with pytest.raises(tl.ShapeError, match=r"reshape: x is \(3, 2\) and copy=False; as \(6,\) it must be copied"):
        tl.reshape(a.T, (6,), copy=False)


def test_broadcast_arrays():
    x, y = tl.tensor([1.0, 2.0], requires_grad=True), np.ones((3, 1), dtype="float32")
    first, second = tl.broadcast_arrays(x, y)
    assert first.shape == second.shape == (3, 2)
    first.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    assert [z.shape for z in tl.broadcast_arrays(np.ones((0, 1)), np.ones(4), 2.0)] == [(0, 4)] * 3
    assert tl.broadcast_arrays() == []
    with pytest.raises(
        tl.ShapeError, match=r"the arrays are \(2,\), \(3, 3\); lengths must be equal or 1 from the last"
    ):
        tl.broadcast_arrays(x, np.ones((3, 3)))


def test_expand_dims_by_position():
    assert tl.expand_dims(np.zeros((2, 3)), 1).shape == (2, 1, 3)


@pytest.mark.parametrize(
    "make", [tl.zeros_like, tl.ones_like, tl.empty_like, lambda x, **how: tl.full_like(x, 3, **how)]
)
def test_like_another_array(make):
    assert isinstance(make(np.ones((2, 3))), np.ndarray)
    made = make(tl.tensor(np.ones((2, 3)), requires_grad=True), dtype="int8", device="cpu")
    assert isinstance(made, tl.Tensor) and not made.requires_grad
    assert (made.shape, made.dtype) == ((2, 3), tl.int8)
    with pytest.raises(tl.BackendError, match="unknown device 'tpu'"):
        make(np.ones(2), device="tpu")
