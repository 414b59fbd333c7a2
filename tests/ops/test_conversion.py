"""Exact edges of changing dtype, device and place in the graph."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64"), tl.float64, float])
def test_astype_takes_every_way_to_name_a_dtype(dtype):
    assert tl.astype(np.array([1.0], dtype="float32"), dtype).dtype == np.float64


def test_astype_is_differentiable_between_floating_dtypes_and_keeps_the_inputs():
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    (x.astype("float64") * np.array([1.0, 3.0])).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [1.0, 3.0]


def test_astype_to_and_from_integers_is_a_constant():
    x = tl.tensor([1.7, -1.7], requires_grad=True)
    assert x.astype("int64").tolist() == [1, -1]
    assert not x.astype("int64").requires_grad
    assert not x.astype("int64").astype("float32").requires_grad
    assert x.astype("bool").tolist() == [True, True]


def test_astype_of_the_same_dtype_is_the_tensor():
    x = tl.tensor([1.0])
    assert x.astype("float32") is x


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_detach_cuts_off():
    x = tl.tensor([3.0], requires_grad=True)
    assert not tl.detach(x).requires_grad
    assert tl.detach(x).data is x.data


def test_to_device_of_the_cpu_and_of_nothing():
    x = tl.tensor([1.0], requires_grad=True)
    moved = tl.to_device(x, device="cpu")
    moved.sum().backward()
    assert x.grad.tolist() == [1.0]
    with pytest.raises(tl.BackendError, match="unknown device 'tpu'; known are 'cpu'"):
        tl.to_device(x, device="tpu")
