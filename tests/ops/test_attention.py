"""Attention: queries without keys, dropout, what does not fit, and PyTorch's values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, ShapeError, scaled_dot_product_attention

RNG = np.random.default_rng(0)
Q, K, V = RNG.normal(size=(2, 4, 3, 5)), RNG.normal(size=(2, 4, 6, 5)), RNG.normal(size=(2, 4, 6, 2))
MASK = RNG.random((3, 6)) > 0.4


@pytest.mark.parametrize("kind", ["boolean", "added"])
def test_a_query_without_keys_gets_zero_and_sends_no_gradient(kind):
    mask = MASK.copy()
    mask[1] = False
    given = mask if kind == "boolean" else np.where(mask, 0.0, -np.inf)
    inputs = [tl.tensor(x, requires_grad=True) for x in (Q, K, V)]
    out = scaled_dot_product_attention(*inputs, given)
    assert not out.data[:, :, 1].any()
    out.backward(np.ones(out.shape))
    assert all(np.isfinite(x.grad.data).all() for x in inputs)
    assert not inputs[0].grad.data[:, :, 1].any()
    rest = scaled_dot_product_attention(Q[:, :, [0, 2]], K, V, given[[0, 2]])
    np.testing.assert_allclose(out.data[:, :, [0, 2]], rest)


def test_of_nothing():
    assert scaled_dot_product_attention(Q[:, :, :0], K, V).shape == (2, 4, 0, 2)
    assert not scaled_dot_product_attention(Q[..., :0], K[..., :0], V).std(axis=2).any()


def test_float32_stays_float32():
    q, k, v = (x.astype("float32") for x in (Q, K, V))
    for options in ({}, {"is_causal": True}, {"mask": MASK}, {"dropout_p": 0.5}):
        assert scaled_dot_product_attention(q, k, v, **options).dtype == np.float32


def test_dropout_takes_its_numbers_from_rng():
    first, second = (
        scaled_dot_product_attention(Q, K, V, dropout_p=0.5, rng=tl.ops.random.Generator(1)) for _ in range(2)
    )
    assert np.array_equal(first, second)
    assert not np.allclose(first, scaled_dot_product_attention(Q, K, V))
    kept = scaled_dot_product_attention(np.zeros((1, 1)), np.zeros((10000, 1)), np.ones((10000, 1)), dropout_p=0.2)
    assert abs(kept.item() - 1.0) < 0.05


def failing(*args, error=ShapeError, **kwargs):
    with pytest.raises(error) as caught:
        scaled_dot_product_attention(*args, **kwargs)
    return str(caught.value)


def test_what_does_not_fit():
    a = np.zeros((2, 3))
    assert failing(a, a, np.zeros(3)) == (
        "scaled_dot_product_attention: query is (2, 3), key is (2, 3) and value is (3,); each needs at least 2 axes."
    )
    assert "each needs at least 3 axes." in failing(a, a, a, enable_gqa=True)
    assert "the last axes of query and key must be equal." in failing(a, np.zeros((2, 4)), a)
    assert "the second-last axes of key and value must be equal." in failing(a, a, np.zeros((3, 3)))
    assert "must be a multiple of those of key and of value." in failing(Q, K[:, :3], V[:, :3], enable_gqa=True)
    assert failing(Q, K, V, MASK, is_causal=True) == (
        "scaled_dot_product_attention: mask and is_causal are both given; put both into the mask."
    )
    assert "mask is (3, 5); it must broadcast to (..., 3, 6)." in failing(Q, K, V, MASK[:, :5])
    assert failing(Q, K, V, MASK.astype(int), error=DTypeError) == (
        "scaled_dot_product_attention: mask has dtype int64; booleans or floating-point numbers are required."
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 0.3},
        {"is_causal": True},
        {"mask": MASK},
        {"mask": RNG.normal(size=(4, 3, 6))},
        {"enable_gqa": True},
        {"enable_gqa": True, "mask": MASK},
    ],
    ids=str,
)
def test_as_pytorch(options):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    heads = 2 if options.get("enable_gqa") else 4
    given = (Q, K[:, :heads], V[:, :heads])
    ours = [tl.tensor(x, requires_grad=True) for x in given]
    theirs = [torch.tensor(x, requires_grad=True) for x in given]
    out = scaled_dot_product_attention(*ours, **options)
    rest = {name: value for name, value in options.items() if name != "mask"}
    mask = torch.tensor(options["mask"]) if "mask" in options else None
    expected = torch.nn.functional.scaled_dot_product_attention(*theirs, attn_mask=mask, **rest)
    np.testing.assert_allclose(out.data, expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    g = RNG.normal(size=expected.shape)
    out.backward(g)
    expected.backward(torch.tensor(g))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad.data, other.grad.numpy(), rtol=1e-9, atol=1e-11)
