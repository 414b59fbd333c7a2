"""The Tensor class: construction, operators on either side, leaving the library, copies."""

from __future__ import annotations

import copy
import operator
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import BackendError, DTypeError, GradientError, ShapeError, Tensor, tensor

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
OTHERS = [2, 2.5, np.float64(1.5), np.float32(1.5), np.array([[1.0], [2.0]]), np.array(3.0)]


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_operators_with_numbers_and_arrays_on_either_side(op, other):
    values = np.array([1.0, 2.0, 3.0])
    x = tensor(values, requires_grad=True)
    for result, expected in ((op(x, other), op(values, other)), (op(other, x), op(other, values))):
        assert type(result) is Tensor and result.requires_grad
        assert result.shape == expected.shape and result.dtype == expected.dtype
        np.testing.assert_allclose(result.detach().numpy(), expected, rtol=1e-15)


def test_matmul_and_unary_operators():
    a = np.arange(6.0).reshape(2, 3) - 2.5
    t = tensor(a)
    np.testing.assert_array_equal((t @ a.T).numpy(), a @ a.T)
    np.testing.assert_array_equal((a.T @ t).numpy(), a.T @ a)
    np.testing.assert_array_equal((-t).numpy(), -a)
    np.testing.assert_array_equal((+t).numpy(), a)
    np.testing.assert_array_equal(abs(t).numpy(), abs(a))


@pytest.mark.parametrize("op", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne])
def test_comparisons_are_constant_booleans(op):
    a = np.array([1.0, 2.0, 3.0])
    x = tensor(a, requires_grad=True)
    result = op(x, 2.0)
    assert result.dtype == bool and not result.requires_grad
    np.testing.assert_array_equal(result.numpy(), op(a, 2.0))
    np.testing.assert_array_equal(op(a[::-1], x).numpy(), op(a[::-1], a))


def test_comparison_with_none_is_not_elementwise():
    assert (tensor([1.0]) == None) is False  # noqa: E711  # the comparison itself is under test
    assert (tensor([1.0]) != None) is True  # noqa: E711


def test_numpy_scalars_do_not_swallow_the_tensor():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = np.float32(2.0) * x
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 2.0])


def test_python_numbers_keep_float32():
    x = tensor([1.0, 2.0])
    assert x.dtype == tl.float32
    for result in (x * 2, 2.5 * x, x / 3, 1 - x, x**0.5, 2**x, x + True):
        assert result.dtype == tl.float32


@pytest.mark.numpy_only("is about Tensors of main memory")
def test_construction():
    assert tensor([1.0, 2.0]).dtype == tl.float32
    assert tensor([1, 2]).dtype == tl.int64
    assert tensor([True]).dtype == bool
    array = np.arange(3.0)
    assert Tensor(array).data is array
    assert Tensor(array, dtype="float32").dtype == tl.float32
    assert Tensor(Tensor(array)).data is array
    assert tensor(2.0).shape == ()


def test_results_of_0d_operations_hold_arrays():
    x = tensor(2.0, dtype="float64")
    for result in (x * x, x.exp(), x + 1, (x * 3).sum()):
        assert isinstance(result.data, np.ndarray) and result.shape == ()


def test_unsuitable_operands():
    x = tensor([1.0, 2.0])
    with pytest.raises(DTypeError, match=r"add: got a list.*tinygrad_lite\.tensor"):
        _ = x + [1.0, 2.0]  # noqa: RUF005  # adding a list is what is refused
    with pytest.raises(DTypeError, match="multiply: got a str"):
        x * "a"
    with pytest.raises(ShapeError, match=r"add: x is \(2,\) float32, y is \(3,\) float64; to broadcast"):
        x + np.ones(3)
    with pytest.raises(BackendError, match="unknown device 'tpu'"):
        x.to("tpu")


def test_numpy_functions_on_tensors_are_operations():
    x = tensor([0.5, 1.0], dtype="float64", requires_grad=True)
    y = np.tanh(np.multiply(np.array([1.0, 2.0]), x))
    assert type(y) is Tensor and y.requires_grad
    with pytest.raises(DTypeError, match=r"numpy\.frexp.*no differentiable counterpart"):
        np.frexp(x)
    with pytest.raises(DTypeError, match=r"numpy\.add"):
        np.add(x, x, out=np.empty(2))


@pytest.mark.numpy_only("is about Tensors of main memory")
def test_leaving_the_library():
    x = tensor([[1.0, 2.0]], requires_grad=True)
    with pytest.raises(GradientError, match=r"\.detach\(\)\.numpy\(\)"):
        x.numpy()
    with pytest.raises(GradientError, match=r"\.detach\(\)\.numpy\(\)"):
        np.asarray(x)
    constant = x.detach()
    assert np.asarray(constant) is constant.data and constant.numpy() is x.data
    assert np.asarray(constant, dtype="float64").dtype == np.float64
    assert x.tolist() == [[1.0, 2.0]]
    assert tensor([3.0]).item() == 3.0 and float(tensor(2.5)) == 2.5 and int(tensor([7])) == 7
    assert [10, 20, 30][tensor(1)] == 20
    with pytest.raises(ShapeError, match=r"item: the tensor has shape \(1, 2\)"):
        x.item()


def test_truth_length_iteration_hash():
    assert tensor(1.0) and not tensor([0.0])
    with pytest.raises(ShapeError, match="one element"):
        bool(tensor([1.0, 2.0]))
    rows = list(tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert len(rows) == 2 and rows[1].tolist() == [3.0, 4.0]
    with pytest.raises(DTypeError, match="0-d"):
        len(tensor(1.0))
    with pytest.raises(DTypeError, match="0-d"):
        list(tensor(1.0))
    x = tensor([1.0])
    assert {x: 1}[x] == 1


@pytest.mark.numpy_only("is about Tensors of main memory")
def test_attributes():
    x = tensor(np.zeros((2, 3, 4), dtype=np.float32))
    assert (x.shape, x.ndim, x.size, x.dtype, x.device) == ((2, 3, 4), 3, 24, tl.float32, "cpu")
    assert x.mT.shape == (2, 4, 3) and x[0].T.shape == (4, 3)
    with pytest.raises(ShapeError, match=r"\.mT"):
        x.T
    assert x.reshape(6, 4).shape == x.reshape((6, -1)).shape == (6, 4)
    assert x.permute_dims(2, 0, 1).shape == x.permute_dims((2, 0, 1)).shape == (4, 2, 3)


@pytest.mark.numpy_only("is about Tensors of main memory")
def test_repr():
    assert repr(tensor([1.0, 2.0])) == "Tensor([1., 2.], dtype=float32)"
    assert repr(tensor(2.5, dtype="float64", requires_grad=True)) == "Tensor(2.5, dtype=float64, requires_grad=True)"
    assert repr(tensor([[1, 2], [3, 4]])) == "Tensor([[1, 2],\n        [3, 4]], dtype=int64)"


@pytest.mark.numpy_only("is about Tensors of main memory")
def test_format_and_membership():
    assert f"{tensor(2.5):.2f}" == "2.50" and f"{tensor([1.0])}" == "Tensor([1.], dtype=float32)"
    with pytest.raises(ShapeError, match="one element"):
        f"{tensor([1.0, 2.0]):.2f}"
    assert 2.0 in tensor([[1.0, 2.0]]) and 3.0 not in tensor([1.0, 2.0])


def test_copies_and_pickles_of_leaves_and_constants():
    x = tensor([1.0, 2.0], requires_grad=True)
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert again.requires_grad and again.grad is None and again.data is not x.data
        np.testing.assert_array_equal(again.data, x.data)
    assert not copy.deepcopy(x.detach()).requires_grad
    with pytest.raises(GradientError, match=r"\.detach\(\)"):
        copy.deepcopy(x * 2.0)


@pytest.mark.numpy_only("is about Tensors of main memory")
def test_to_the_same_device_is_itself():
    x = tensor([1.0])
    assert x.to("cpu") is x and x.cpu() is x
