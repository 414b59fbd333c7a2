"""Exact edges of creation: which dtype comes from which data, what is shared, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, ShapeError


@pytest.fixture
def float64_by_default():
    tl.set_default_dtype("float64")
    yield
    tl.set_default_dtype("float32")


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        ([1.5, 2], "float32"),
        (((1.0,), (2.0,)), "float32"),
        ([], "float32"),
        (3, "int64"),
        ([1, 2], "int64"),
        (True, "bool"),
        ([True, False], "bool"),
        ([True, 2], "int64"),
        (np.float64(1.5), "float64"),
        ([np.float64(1.5), 2.0], "float64"),
        ([np.ones(2), np.ones(2)], "float64"),
        (np.ones(2, dtype="float16"), "float16"),
        (np.int8(3), "int8"),
        ([tl.tensor(1.0), tl.tensor(2.0)], "float32"),
        (range(3), "int64"),
    ],
)
@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_dtypes(data, dtype):
    assert tl.tensor(data).dtype == dtype
    assert tl.Tensor(data).dtype == dtype
    assert tl.tensor(data).shape == np.shape(data)
    assert tl.tensor(data, dtype="float64").dtype == np.float64


def test_the_default_dtype_is_for_python_floats(float64_by_default):
    assert tl.tensor([1.0]).dtype == tl.zeros(2).dtype == tl.full(2, 0.5).dtype == tl.arange(0.5).dtype == np.float64
    assert tl.tensor(np.float32(1.0)).dtype == np.float32


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_arrays_are_kept_without_a_copy():
    x = np.arange(3.0)[::-1]
    assert tl.tensor(x).data is x
    assert tl.asarray(x).data is x
    assert tl.Tensor(x).data is x
    assert tl.tensor(x, dtype="float64", device="cpu").data is x


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_asarray_keeps_a_tensor_and_tensor_cuts_it_off():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    assert tl.asarray(x) is x
    assert tl.asarray(x, dtype="float64").requires_grad
    assert not tl.tensor(x).requires_grad
    assert tl.tensor(x).data is x.data


def test_requires_grad_makes_a_leaf_and_needs_floating_point():
    x = tl.tensor([1.0], requires_grad=True)
    assert x.is_leaf
    assert x.requires_grad
    with pytest.raises(DTypeError) as caught:
        tl.tensor([1], requires_grad=True)
    assert str(caught.value) == (
        "tensor: the data has dtype int64 and requires_grad is set; only floating-point tensors have gradients. "
        "Give dtype='float32', for example."
    )


def test_large_integers_keep_their_digits():
    numbers = [0, 2**63 + 1, 2**64 - 1]
    for made in (tl.tensor(numbers, dtype="uint64"), tl.asarray([numbers], dtype=tl.uint64)[0]):
        assert made.dtype == np.uint64 and made.tolist() == numbers
    with pytest.raises(DTypeError, match="^tensor: a number is out of the range of dtype int64; give a larger one.$"):
        tl.tensor(numbers, dtype="int64")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([[1, 2], [3]], "data[0] has length 2 and data[1] has length 1."),
        ([[[1], [2]], [[3], [4, 5]]], "data[1][0] has length 1 and data[1][1] has length 2."),
        ([1, [2]], "data[0] is a number and data[1] has length 1."),
        ([[[1], [2]], [[3, 4], [5, 6]]], "the data is ragged. All"),
    ],
)
def test_ragged_lists_are_refused(data, message):
    with pytest.raises(ShapeError) as caught:
        tl.tensor(data)
    assert message in str(caught.value)
    assert "All lists at one depth must have the same length." in str(caught.value)


@pytest.mark.parametrize("data", ["text", ["a"], None, {"a": 1}, np.array([None]), np.array(1, dtype="datetime64[D]")])
def test_what_is_not_numeric_is_refused(data):
    with pytest.raises(DTypeError, match="tensor: the data .*numbers and booleans are required"):
        tl.tensor(data)


def test_made_from_nothing():
    assert tl.zeros(2).tolist() == [0.0, 0.0]
    assert tl.ones((1, 2), dtype="int64").tolist() == [[1, 1]]
    assert (tl.full((), 2).dtype, tl.full((), 2.0).dtype, tl.full((), True).dtype) == (np.int64, np.float32, np.bool_)
    assert tl.empty((0, 3)).shape == (0, 3)
    assert tl.eye(2, k=1).tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert (tl.arange(3).tolist(), tl.arange(3).dtype) == ([0, 1, 2], np.int64)
    assert (tl.arange(1, 2, 0.5).tolist(), tl.arange(1, 2, 0.5).dtype) == ([1.0, 1.5], np.float32)
    assert tl.arange(3, 0, -1).tolist() == [3, 2, 1]
    assert tl.linspace(0, 1, 2, endpoint=False).tolist() == [0.0, 0.5]
    assert all(isinstance(t, tl.Tensor) for t in (tl.zeros(1), tl.eye(1), tl.arange(1), tl.linspace(0, 1, 2)))


def test_like_an_array_follows_it():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    assert isinstance(tl.zeros_like(x), tl.Tensor)
    assert not tl.ones_like(x).requires_grad
    assert type(tl.ones_like(x.data)) is np.ndarray
    assert (tl.ones_like(x).dtype, tl.full_like(x, 3, dtype="int64").dtype) == (np.float32, np.int64)
    assert tl.full_like(x, 3).tolist() == [3.0, 3.0]


def test_what_cannot_be_made():
    with pytest.raises(ShapeError, match=r"zeros: got \(2, -1\); negative dimensions"):
        tl.zeros((2, -1))
    with pytest.raises(ShapeError, match="arange: got 0, 1, 0; "):
        tl.arange(0, 1, 0)
    with pytest.raises(DTypeError, match="ones: got 2.5; "):
        tl.ones(2.5)
    with pytest.raises(DTypeError, match="unknown dtype 'floaty'; give a name, 'float32', or tinygrad_lite.float32"):
        tl.tensor([1.0], dtype="floaty")


def test_an_unknown_device():
    for make in (lambda: tl.zeros(1, device="tpu"), lambda: tl.tensor(1.0, device="tpu")):
        with pytest.raises(tl.BackendError, match="unknown device 'tpu'"):
            make()
