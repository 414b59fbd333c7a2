"""Convolutions and attention through cuDNN, and their gradients: the definitions' values, which its stand-in computes.

`test_cudnn_on_a_gpu.py` asks cuDNN itself.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy

TOLERANCES = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}
HALVES = ("float16", "bfloat16")


def draw(shape, dtype="float32", seed=0):
    values = np.random.default_rng(seed).normal(size=shape)
    return values.astype(tl.bfloat16 if dtype == "bfloat16" else dtype)


def close(got, expected, dtype):
    got = np.asarray(got._host if hasattr(got, "_host") else got, "float64")
    bound = TOLERANCES[dtype]
    np.testing.assert_allclose(got, expected, rtol=bound, atol=bound * np.abs(expected).max())


def names(fake):
    return [name for name, _ in fake.calls]


# Convolution

CASES = {  # image, filters, stride, padding, dilation, groups
    "1 axis": ((2, 4, 7), (6, 4, 3), (2,), ((1, 2),), (1,), 1),
    "2 axes": ((2, 3, 6, 5), (4, 3, 3, 2), (1, 1), ((1, 1), (0, 1)), (1, 2), 1),
    "3 axes": ((2, 2, 4, 3, 5), (3, 2, 2, 3, 2), (1, 2, 1), ((0, 1), (1, 1), (2, 0)), (2, 1, 1), 1),
    "groups": ((2, 4, 5, 5), (6, 2, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 2),
    "depthwise": ((1, 3, 5, 5), (3, 1, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    "left over": ((2, 3, 8, 8), (2, 3, 2, 2), (3, 3), ((0, 0), (0, 0)), (1, 1), 1),
    "one element": ((3, 1, 1, 1), (1, 1, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
}

ORDERS = {
    "public": lambda xp, x: x,
    "channels last": lambda xp, x: xp.moveaxis(xp.ascontiguousarray(xp.moveaxis(x, 1, -1)), -1, 1),
    "batch last": lambda xp, x: xp.moveaxis(xp.ascontiguousarray(xp.moveaxis(x, 0, -1)), -1, 0),
    "reversed": lambda xp, x: xp.flip(x, axis=-1)[..., ::-1],
}


@pytest.mark.parametrize("dtype", list(TOLERANCES))
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", CASES)
def test_convolutions_and_their_gradients_are_the_definition_s(cudnn, case, order, dtype):
    image, filters, stride, padding, dilation, groups = CASES[case]
    statics = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, w = draw(image, dtype), draw(filters, dtype, 1)

    def placed(array):
        return ORDERS[order](fake_cupy.cupy, fake_cupy.arrays.from_numpy(array))

    def found(arrays, g=None):
        leaves = [tl.Tensor(array, requires_grad=True) for array in arrays]
        y = tl.convolve_nd(*leaves, **statics)
        g = draw(y.shape, dtype, 2) if g is None else g
        cotangent = tl.Tensor(g.astype("float64") if isinstance(y.data, np.ndarray) else placed(g))
        return [y.data, *(grad.data for grad in tl.autograd.grad(y, leaves, cotangent))], g

    expected, g = found([array.astype("float64") for array in (x, w)])
    got, _ = found([placed(x), placed(w)], g)
    assert names(cudnn) == ["conv_fprop", "conv_dgrad", "conv_wgrad"]
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.dtype == x.dtype and mine.shape == theirs.shape
        close(mine, theirs, dtype)
    assert got[2].flags.c_contiguous


def leaves(device, *shapes):
    return [tl.tensor(draw(shape, seed=i), device=device, requires_grad=True) for i, shape in enumerate(shapes)]


def test_second_derivatives(cudnn):
    def found(device):
        x, w = leaves(device, (1, 2, 4, 4), (2, 2, 3, 3))
        (first,) = tl.autograd.grad(tl.sum(tl.conv2d(x, w) ** 3), [x], create_graph=True)
        return tl.autograd.grad(tl.sum(first**2), [x, w])

    for here, there in zip(found("cpu"), found("cuda"), strict=True):
        close(there.data, here.numpy(), "float32")
    assert set(names(cudnn)) == {"conv_fprop", "conv_dgrad", "conv_wgrad"}


# Attention

SHAPES = [  # queries, keys, columns of keys, columns of values
    (3, 5, 8, 8), (16, 64, 64, 64), (65, 70, 40, 24), (66, 130, 128, 8), (1, 7, 16, 16),
]  # fmt: skip


def attended(arrays, g, **statics):
    leaves = [tl.Tensor(x, requires_grad=True) for x in arrays]
    out = tl.scaled_dot_product_attention(*leaves, **statics)
    return [out.data, *(grad.data for grad in tl.autograd.grad(out, leaves, tl.Tensor(g)))]


def attention_agrees(arrays, g, dtype, view=lambda x: x, **statics):
    expected = attended([x.astype("float64") for x in arrays], g.astype("float64"), **statics)
    there = [view(fake_cupy.arrays.from_numpy(x)) for x in (*arrays, g)]
    got = attended(there[:3], there[3], **statics)
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.dtype == arrays[0].dtype and mine.shape == theirs.shape
        close(mine, theirs, dtype)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("m", "n", "d", "e"), SHAPES)
def test_attention_and_its_gradients_are_the_definition_s(cudnn, dtype, m, n, d, e):
    for causal in (False, True):
        for front in ((), (2,), (2, 3)):
            arrays = [draw((*front, *s), dtype, i) for i, s in enumerate(((m, d), (n, d), (n, e)))]
            attention_agrees(arrays, draw((*front, m, e), dtype, 3), dtype, is_causal=causal, scale=0.3)
    assert names(cudnn) == ["sdpa", "sdpa_backward"] * 6
    assert all(graph.engine.name == "eng8_k2=1" for _, graph in cudnn.calls)
    assert all(graph.deterministic for name, graph in cudnn.calls if name == "sdpa_backward")


@pytest.mark.parametrize("dtype", HALVES)
def test_heads_that_share_keys(cudnn, dtype):
    arrays = [draw(s, dtype, i) for i, s in enumerate(((2, 6, 20, 16), (2, 2, 33, 16), (2, 2, 33, 8)))]
    attention_agrees(arrays, draw((2, 6, 20, 8), dtype, 3), dtype, enable_gqa=True, is_causal=True)
    assert names(cudnn) == ["sdpa", "sdpa_backward"]


def test_heads_are_read_where_they_lie(cudnn):
    # (batch, rows, heads, columns) seen as (batch, heads, rows, columns), as a transformer's are
    arrays = [draw((2, 20, 3, 16), "float16", i) for i in range(4)]
    xp = fake_cupy.cupy
    there = [xp.moveaxis(fake_cupy.arrays.from_numpy(x), 1, 2) for x in arrays]
    got = attended(there[:3], there[3])
    expected = attended(*[[np.moveaxis(x, 1, 2).astype("float64") for x in arrays[:3]]],
                        np.moveaxis(arrays[3], 1, 2).astype("float64"))  # fmt: skip
    for mine, theirs in zip(got, expected, strict=True):
        close(mine, theirs, "float16")
    assert cudnn.calls[0][1].inputs["q"].stride == [960, 16, 48, 1]
