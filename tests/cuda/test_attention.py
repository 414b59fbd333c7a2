"""Attention without scores in memory: equal to its definition, on the stand-in for CuPy and on a GPU."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tinygrad_lite import OPS
from tinygrad_lite.core.backend import device_backend

OP = OPS["scaled_dot_product_attention"]

pytestmark = pytest.mark.usefixtures("emulated", "without_cudnn")

TOLERANCES = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}


def dtype_of(name):
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def expected(arrays, statics, g):
    """The definition and its gradients in float64."""
    wide = [x.astype("float64") if x.dtype != bool else x for x in arrays]
    leaves = [tl.Tensor(x, requires_grad=True) for x in wide[:3]]
    out = OP.body(*leaves, *wide[3:], **statics)
    return out.data, [x.data for x in tl.autograd.grad(out, leaves, tl.Tensor(g.astype("float64")))]


def computed(cuda, arrays, statics, g):
    """What the kernel finds."""
    there = [cuda.asarray(x) for x in arrays]
    (kernel,) = OP.kernels["cupy"]
    assert kernel.when(*there, **statics)
    needs = (True, True, True, False)[: len(arrays)]
    out, saved = kernel.attempt(tuple(there), statics, needs)
    gradients = kernel._backward(cuda.asarray(g), saved, needs)
    return cuda.to_numpy(out), [cuda.to_numpy(x) for x in gradients[:3]]


def agree(cuda, arrays, g, tolerance=None, **statics):
    tolerance = tolerance or TOLERANCES[arrays[0].dtype.name]
    out, gradients = computed(cuda, arrays, statics, g)
    right, right_gradients = expected(arrays, statics, g)
    assert out.dtype == arrays[0].dtype
    for got, wanted in zip((out, *gradients), (right, *right_gradients), strict=True):
        assert got.shape == wanted.shape
        scale = np.abs(wanted).max() + 1e-3
        np.testing.assert_allclose(got.astype("float64") / scale, wanted / scale, atol=tolerance, rtol=0)


def drawn(seed, name, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype_of(name)) for shape in shapes]


SHAPES = [  # queries, keys, columns of keys, columns of values
    (1, 1, 1, 1), (3, 5, 8, 8), (16, 64, 64, 64), (65, 70, 40, 24), (130, 67, 33, 5), (66, 130, 128, 100),
]  # fmt: skip


@pytest.mark.parametrize("name", list(TOLERANCES))
@pytest.mark.parametrize(("m", "n", "d", "e"), SHAPES)
def test_attention_equals_its_definition(cuda, name, m, n, d, e):
    *arrays, g = drawn(0, name, (m, d), (n, d), (n, e), (m, e))
    agree(cuda, arrays, g)
    agree(cuda, arrays, g, is_causal=True)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_masks(cuda, name):
    q, k, v, g, added = drawn(1, name, (2, 2, 66, 8), (2, 2, 70, 8), (2, 2, 70, 16), (2, 2, 66, 16), (2, 1, 66, 70))
    seen = np.random.default_rng(2).random((66, 70)) < 0.5
    seen[3] = False
    agree(cuda, [q, k, v, seen], g)
    agree(cuda, [q, k, v, np.random.default_rng(3).random((2, 1, 1, 70)) < 0.5], g, scale=0.3)
    agree(cuda, [q, k, v, added], g)
    added[:, :, 5] = -np.inf
    agree(cuda, [q, k, v, added], g)


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_heads_that_share_keys(cuda, name):
    arrays = drawn(4, name, (2, 6, 20, 16), (2, 2, 33, 16), (2, 2, 33, 8))
    (g,) = drawn(5, name, (2, 6, 20, 8))
    agree(cuda, arrays, g, enable_gqa=True)
    agree(cuda, [x[0] for x in arrays], g[0], enable_gqa=True, is_causal=True)


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_heads_that_are_views(cuda, name):
    # (batch, rows, heads, columns) seen as (batch, heads, rows, columns), as a transformer's are
    (whole,) = drawn(6, name, (2, 20, 3, 2, 16))
    q, k, v = (np.moveaxis(whole[:, :, i], 2, 1) for i in range(3))
    g = np.moveaxis(drawn(7, name, (2, 20, 2, 16))[0], 2, 1)
    agree(cuda, [q, k, v], g, is_causal=True)
    agree(cuda, [q[..., ::-1], k[..., ::-1], v[:, ::-1]], g[:, :, ::-1])


def test_large_scores_do_not_overflow(cuda):
    q, k, v, g = drawn(8, "float32", (70, 8), (80, 8), (80, 8), (70, 8))
    agree(cuda, [q * 100, k * 10, v], g, tolerance=1e-3)  # scores of some thousands have errors of 1e-4 in float32


def test_nan_stays_where_it_is(cuda):
    q, k, v, g = drawn(9, "float32", (70, 8), (70, 8), (70, 8), (70, 8))
    q[3, 0] = np.nan
    out, gradients = computed(cuda, [q, k, v], {}, g)
    assert np.isnan(out[3]).all() and not np.isnan(np.delete(out, 3, 0)).any() and np.isnan(gradients[0][3]).all()


def test_results_do_not_change_from_call_to_call(cuda):
    arrays, (g,) = drawn(10, "float32", (4, 70, 8), (4, 70, 8), (4, 70, 8)), drawn(11, "float32", (4, 70, 8))
    first, second = (computed(cuda, arrays, {"is_causal": True}, g) for _ in range(2))
    for one, other in zip((first[0], *first[1]), (second[0], *second[1]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_the_kernel_declines(cuda):
    (kernel,) = OP.kernels["cupy"]
    q, k, v = (cuda.asarray(x) for x in drawn(12, "float32", (2, 4, 8), (2, 5, 8), (2, 5, 8)))
    wide, empty = cuda.asarray(np.ones((2, 4, 129), "float32")), cuda.asarray(np.ones((2, 0, 8), "float32"))
    assert kernel.when(q, k, v)
    for arrays, statics in (
        ((q, k, v), {"dropout_p": 0.5}), ((wide, wide, v[:, :4]), {}), ((q, empty, empty), {}), ((q[0], k, v), {}),
        ((q, k[:1], v[:1]), {}), ((q, k, v[:, :4]), {}), ((q.astype("float64"), k, v), {}),
        ((q, k, v, cuda.asarray(np.ones((4, 3), bool))), {}), ((q, k, v, cuda.asarray(np.ones(5, "int32"))), {}),
    ):  # fmt: skip
        assert not kernel.when(*arrays, **statics)
    added = cuda.asarray(np.zeros((4, 5), "float32"))
    assert kernel.when(q, k, v, added)
    assert kernel.attempt((q, k, v, added), {}, (True, True, True, True)) is NotImplemented


def test_older_devices_are_left_to_the_definition(monkeypatch):
    with fake_cupy.installed() as cupy:
        cuda = device_backend("cuda")
        (kernel,) = OP.kernels["cupy"]
        monkeypatch.setattr(cupy.cuda.Device, "compute_capability", "75")
        from tinygrad_lite.kernels.cupy import attention

        monkeypatch.setattr(attention, "_is_recent", attention._is_recent.__wrapped__)
        q = cuda.asarray(np.ones((2, 4, 8), "float16"))
        assert not kernel.when(q, q, q) and not kernel.when(*[q.astype("float32")] * 3)
        wide = [cuda.asarray(x) for x in drawn(14, "float32", (2, 4, 64), (2, 5, 64), (2, 5, 64))]
        monkeypatch.setattr(attention, "_is_recent", lambda *_: True)
        monkeypatch.setattr(attention.PLAIN, "_modules", {})
        out, saved = kernel.attempt(tuple(wide), {}, (True, True, True))
        with pytest.raises(RuntimeError, match="67072 bytes of shared memory"):
            kernel._backward(out, saved, (True, True, True))


def test_gradients_of_gradients_come_from_the_definition(cuda):
    q, k, v = drawn(13, "float32", (3, 4), (5, 4), (5, 4))

    def second(device):
        x, y, z = (tl.tensor(a, device=device, requires_grad=True) for a in (q, k, v))
        out = tl.scaled_dot_product_attention(x, y, z, is_causal=True)
        (gx,) = tl.autograd.grad((out * out).sum(), [x], create_graph=True)
        return [a.numpy() for a in tl.autograd.grad((gx * gx).sum(), [x, y, z])]

    for here, there in zip(second("cpu"), second("cuda"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)
