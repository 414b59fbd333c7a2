"""A backend needs only a namespace: every operation runs on the Array API's strict reference implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_lite as tl
from tests.samples import samples_of
from tinygrad_lite.testing.laws import backends_agree

CASES = [
    pytest.param(sample, id=sample.op)
    for name in sorted(tl.OPS)
    for sample in samples_of(name)
    if name not in ("to_device", "transfer")  # their results belong to another backend
]


@pytest.mark.parametrize("sample", CASES)
def test_operations_need_only_the_namespace(strict, sample):
    @settings(max_examples=4)
    @given(sample.strategy)
    def agrees(arguments):
        backends_agree(strict, tl.OPS[sample.op], sample, *arguments)

    agrees()


def test_tensors_train_on_it(strict):
    w = tl.Tensor(strict.asarray(np.array([[1.0, -2.0], [0.5, 3.0]])), requires_grad=True)
    x = tl.Tensor(strict.asarray(np.array([[1.0, 2.0]])))
    loss = tl.tanh(x @ w).sum() + w[0, :].sum() * 2.0
    loss.backward()
    assert isinstance(w.grad.data, strict.array_types)
    expected = tl.grad(lambda w: tl.tanh(np.array([[1.0, 2.0]]) @ w).sum() + 2.0 * w[0].sum())(strict.to_numpy(w.data))
    np.testing.assert_allclose(w.grad.numpy(), expected)


def test_its_device_is_known(strict):
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    y = x.to("strict")
    assert isinstance(y.data, strict.array_types) and y.device == "strict"
    (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 4.0])
    assert tl.zeros((2,), device="strict").tolist() == [0.0, 0.0]


def test_arrays_of_two_libraries_in_one_call(strict):
    here, there = np.ones(3), strict.asarray(np.ones(3))
    with pytest.raises(tl.BackendError, match="add: got arrays of numpy and of strict; .* with x.to\\('strict'\\)"):
        tl.add(here, there)
    with pytest.raises(tl.BackendError, match="concat: got arrays of strict and of numpy; .* with x.to\\('cpu'\\)"):
        tl.concat([there, tl.Tensor(here)])
    with pytest.raises(tl.BackendError, match="multiply: got arrays of strict and of numpy"):
        tl.Tensor(there) * here


def test_an_unknown_device(strict):
    with pytest.raises(tl.BackendError, match=r"unknown device 'tpu'; known are 'cpu', .*'strict'"):
        tl.zeros(2, device="tpu")


def test_steps_are_captured_on_numpy_and_cupy_only(strict):
    with pytest.raises(
        tl.CaptureError, match="jit: an argument is an array of strict; steps are captured on arrays of"
    ):
        tl.jit(tl.exp)(strict.asarray(np.ones(2)))
