"""Pooling without gathered windows: equal to its definition, on the stand-in for CuPy and on a GPU."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl

pytestmark = pytest.mark.usefixtures("emulated")


CASES = [
    ("max_pool2d", (2, 3, 6, 8), {"kernel_size": 2}),
    ("max_pool2d", (2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max_pool2d", (2, 1, 7, 8), {"kernel_size": (2, 3), "stride": 1, "dilation": 2, "ceil_mode": True}),
    ("max_pool1d", (2, 3, 9), {"kernel_size": 2, "ceil_mode": True}),
    ("max_pool3d", (2, 2, 4, 3, 5), {"kernel_size": 2, "stride": (1, 1, 2), "padding": 1}),
    ("avg_pool2d", (2, 3, 6, 8), {"kernel_size": 2}),
    ("avg_pool2d", (2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("avg_pool2d", (2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    ("avg_pool2d", (2, 3, 8, 8), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("avg_pool2d", (2, 3, 6, 8), {"kernel_size": 3, "divisor_override": 5}),
    ("avg_pool1d", (2, 3, 9), {"kernel_size": 4, "ceil_mode": True, "padding": 2}),
    ("avg_pool3d", (2, 2, 4, 3, 5), {"kernel_size": (2, 1, 3), "stride": 2}),
]


def on_device(cuda, x, order):
    """x on the device, its axes in this order in memory."""
    there = cuda.asarray(np.ascontiguousarray(np.transpose(x, order)))
    return cuda.xp.permute_dims(there, tuple(np.argsort(order)))


def computed(cuda, name, x, statics, g, order):
    (kernel,) = tl.OPS[name].kernels["cupy"]
    there = on_device(cuda, x, order)
    assert kernel.when(there, **statics)
    out, saved = kernel.attempt((there,), statics, (True,))
    (gradient,) = kernel._backward(cuda.asarray(g(out.shape)), saved, (True,))
    return cuda.to_numpy(out), cuda.to_numpy(gradient)


def agree(cuda, name, x, statics, rtol, order=None):
    order = order or range(x.ndim)

    def g(shape):
        return np.cos(np.arange(np.prod(shape))).reshape(shape).astype(x.dtype)

    leaf = tl.Tensor(x.astype("float64"), requires_grad=True)
    expected = tl.OPS[name].body(leaf, **statics)
    (gradient,) = tl.autograd.grad(expected, [leaf], tl.Tensor(g(expected.shape).astype("float64")))
    out, found = computed(cuda, name, x, statics, g, order)
    assert out.dtype == found.dtype == x.dtype
    np.testing.assert_allclose(out, expected.data, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(found, gradient.data, rtol=rtol, atol=rtol)


@pytest.mark.parametrize(("name", "shape", "statics"), CASES)
def test_pooling_equals_its_definition(cuda, name, shape, statics):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    for order in (None, (*range(1, x.ndim), 0), (1, 0, *range(2, x.ndim))):
        agree(cuda, name, x, statics, 1e-5, order)
    agree(cuda, name, x.astype("float64"), statics, 1e-12)
    agree(cuda, name, x.astype("float16"), statics, 2e-3)


def test_equal_maxima_share_the_gradient(cuda):
    x = np.random.default_rng(0).integers(0, 3, (2, 2, 6, 6)).astype("float32")
    agree(cuda, "max_pool2d", x, {"kernel_size": 3, "stride": 2}, 1e-6)


def test_nan_and_infinities(cuda):
    x = np.random.default_rng(0).normal(size=(1, 1, 4, 6)).astype("float32")
    x[0, 0, 0, 0] = x[0, 0, 1, 1] = np.nan
    x[0, 0, 2:, 2:4] = -np.inf
    x[0, 0, 3, 5] = np.inf
    agree(cuda, "max_pool2d", x, {"kernel_size": 2}, 1e-6)


def test_what_the_kernels_decline(cuda):
    (kernel,) = tl.OPS["max_pool2d"].kernels["cupy"]
    x = cuda.asarray(np.ones((1, 1, 4, 4), "float32"))
    assert kernel.when(x, kernel_size=2)
    for array, statics in ((x.astype("int64"), {}), (x[0], {}), (x[:0], {}), (x, {"kernel_size": 5})):
        assert not kernel.when(array, **({"kernel_size": 2} | statics))
    with pytest.raises(tl.ShapeError, match="max_pool2d: .*the window must not be larger"):
        tl.max_pool2d(x, kernel_size=5)
    (mean,) = tl.OPS["avg_pool2d"].kernels["cupy"]
    assert not mean.when(x, kernel_size=2, divisor_override=0)
