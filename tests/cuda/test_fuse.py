"""Elementwise functions on a GPU: one launch forward and one backward, and what runs as it is written."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.fusion.derive import derive

pytestmark = pytest.mark.usefixtures("emulated")


@pytest.fixture
def cuda():
    with fake_cupy.installed(programs=True):
        yield device_backend("cuda")


def swish(x, y, *, beta=1.0):
    return x * tl.sigmoid(beta * y)


def tensors(cuda, *arrays):
    return [tl.Tensor(cuda.asarray(x), requires_grad=True) for x in arrays]


def test_one_launch_forward_and_one_backward(cuda, launches):
    x, y = np.random.default_rng(0).normal(size=(2, 5, 7)).astype("float32")
    fused = tl.fuse(swish)
    there = tensors(cuda, x, y)
    copies = fake_cupy.state.host_copies
    out = fused(*there, beta=2.0)
    assert launches == ["program"]
    gradients = tl.autograd.grad(out, there, tl.ones((5, 7), device="cuda"))
    assert launches == ["program"] * 2 and fake_cupy.state.host_copies == copies
    expected = tl.vjp(lambda x, y: swish(x, y, beta=2.0), x, y)
    np.testing.assert_allclose(out.detach().numpy(), expected[0], rtol=1e-6)
    for got, wanted in zip(gradients, expected[1](np.ones((5, 7), "float32")), strict=True):
        np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_a_gradient_that_is_the_cotangent_needs_no_kernel(cuda, launches):
    x, y = tensors(cuda, np.ones(3, "float32"), np.ones(3, "float32"))
    out = tl.fuse(lambda x, y: tl.tanh(x) + y)(x.detach(), y)
    (gradient,) = tl.autograd.grad(out, [y], tl.tensor([1.0, 2.0, 3.0], device="cuda"))
    assert launches == ["program"]
    np.testing.assert_array_equal(gradient.numpy(), [1.0, 2.0, 3.0])


def test_arrays_that_broadcast(cuda, launches):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 1, 4)), rng.normal(size=(2, 1))
    there = tensors(cuda, x, y)
    out = tl.fuse(swish)(*there)
    assert out.shape == (3, 2, 4) and launches == ["program"]
    gradients = tl.autograd.grad(out.sum(), there)
    wanted, pull = tl.vjp(swish, x, y)
    np.testing.assert_allclose(out.detach().numpy(), wanted, rtol=1e-12)
    for got, expected in zip(gradients, pull(np.ones((3, 2, 4))), strict=True):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-10)


def test_what_is_not_used_has_a_say_in_the_shape(cuda):
    first = tl.fuse(lambda x, y: tl.where(y == y, x * 2, x * 2))
    x, y = (cuda.asarray(np.ones(shape)) for shape in ((3,), (2, 3)))
    assert first(x, y).shape == (2, 3)


def test_shapes_that_do_not_broadcast_are_named(cuda):
    x, y = tensors(cuda, np.ones(3), np.ones(4))
    with pytest.raises(tl.ShapeError, match=r"multiply: x is .*\(3,\).* to broadcast, lengths must be equal or 1"):
        tl.fuse(swish)(x, y)


def test_what_is_not_elementwise_runs_as_it_is_written(cuda, launches):
    centred = tl.fuse(lambda x: x - tl.mean(x))
    x = cuda.asarray(np.arange(3.0))
    np.testing.assert_array_equal(cuda.to_numpy(centred(x)), [-1.0, 0.0, 1.0])
    assert "program" not in launches
    whole = tl.fuse(lambda x: x * 2j)
    assert cuda.to_numpy(whole(x)).dtype == np.complex128


def test_second_derivatives_come_from_the_definition(cuda):
    fused, x = tl.fuse(swish), np.linspace(-1.0, 1.0, 5)
    got = tl.hvp(lambda x: fused(x, x).sum(), cuda.asarray(x), cuda.asarray(np.ones(5)))
    np.testing.assert_allclose(cuda.to_numpy(got), tl.hvp(lambda x: swish(x, x).sum(), x, np.ones(5)), rtol=1e-12)


def test_a_primitive_of_several_calls_is_one_launch(cuda, launches):
    (x,) = tensors(cuda, np.linspace(-1.0, 1.0, 9, dtype="float32"))
    out = tl.leaky_relu(x)
    assert len(launches) == 1
    out.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.where(np.linspace(-1, 1, 9) > 0, 1, 0.01), rtol=1e-6)


def test_a_gpu_computes_again_what_a_processor_keeps():
    dtype = [np.dtype("float32")]
    assert len(derive(lambda x: tl.tanh(x) * 3.0, dtype, [True]).keep) == 1
    assert derive(lambda x: tl.tanh(x) * 3.0, dtype, [True], memory=6.0).keep == []


def test_16_bits_are_rounded_once(cuda):
    x = np.linspace(0.1, 2.0, 21).astype("float16")
    got = tl.fuse(lambda x: (x * 1000.0) * x * 1000.0 / 1e6)(cuda.asarray(x))
    wide = x.astype("float32")
    np.testing.assert_array_equal(cuda.to_numpy(got), ((wide * 1000) * wide * 1000 / 1e6).astype("float16"))
    assert got.dtype == np.float16
