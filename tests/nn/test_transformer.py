"""Attention and transformers: masks, what sees what, copies, names and errors."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.core.errors import DTypeError, ShapeError


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def attention(*arguments, **options):
    return nn.MultiheadAttention(*arguments, rng=tl.Generator(1), dtype="float64", **options)


@pytest.mark.parametrize("need_weights", [False, True])
def test_causal_attention_sees_no_later_key(need_weights):
    layer, x = attention(8, 2, batch_first=True), drawn(3, 5, 8)
    hidden = ~np.tri(5, dtype=bool)
    expected, _ = layer(x, x, x, attn_mask=hidden)
    for mask in (None, hidden):
        for added in (False, True):
            more = attention(8, 2, batch_first=True, add_zero_attn=added)
            more.load_state_dict(layer.state_dict())
            out, weights = more(x, x, x, attn_mask=mask, is_causal=True, need_weights=need_weights)
            wanted, _ = more(x, x, x, attn_mask=hidden)
            np.testing.assert_allclose(out.data, wanted.data, rtol=1e-12)
            if need_weights:
                assert weights.shape == (3, 5, 5 + added) and not weights.data[:, 0, 1:5].any()
    changed = x.copy()
    changed[:, 3:] = 7.0
    out, _ = layer(changed, changed, changed, is_causal=True, need_weights=need_weights)
    np.testing.assert_allclose(out.data[:, :3], expected.data[:, :3], rtol=1e-12)


@pytest.mark.parametrize("need_weights", [False, True])
def test_a_query_that_sees_nothing_gets_the_bias(need_weights):
    layer = attention(4, 2, batch_first=True)
    layer.out_proj.bias.data = np.arange(4.0)
    x, mask = tl.tensor(drawn(2, 3, 4), requires_grad=True), np.array([[True] * 3, [False, True, False]])
    out, _ = layer(x, x, x, key_padding_mask=mask, need_weights=need_weights)
    np.testing.assert_array_equal(out.data[0], np.tile(np.arange(4.0), (3, 1)))
    out.sum().backward()
    assert np.isfinite(x.grad.data).all() and not x.grad.data[0].any()


def test_booleans_and_numbers_are_the_same_mask():
    layer, x = attention(6, 3, batch_first=True), drawn(2, 4, 6)
    padding, hidden = np.array([[False, False, True, True]] * 2), np.triu(np.ones((4, 4), bool), 1)
    forms = [[mask, np.where(mask, -np.inf, 0.0)] for mask in (padding, hidden)]
    outs = [layer(x, x, x, a, False, b)[0] for a in forms[0] for b in forms[1]]
    for out in outs[1:]:
        np.testing.assert_allclose(out.data, outs[0].data, rtol=1e-12)


def test_dropout_of_weights():
    layer, x = nn.MultiheadAttention(4, 1, 0.5, rng=tl.Generator(0)), drawn(30, 2, 4).astype("float32")
    _, weights = layer(x, x, x)
    assert 0.3 < (weights.data == 0).mean() < 0.7
    _, weights = layer.eval()(x, x, x)
    assert weights.data.all()


def test_copied_layers_have_equal_parameters_and_draw_from_one_generator():
    rng = tl.Generator(3)
    layer = nn.TransformerEncoderLayer(4, 2, 8, rng=rng)
    encoder = nn.TransformerEncoder(layer, 2)
    first, second = encoder.layers
    np.testing.assert_array_equal(first.linear1.weight.data, second.linear1.weight.data)
    assert first.linear1.weight is not second.linear1.weight
    assert first.dropout1.rng is second.dropout2.rng is first.self_attn.rng is rng


def test_the_decoder_is_causal():
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True, dtype="float64", rng=tl.Generator(0))
    src, tgt = drawn(2, 4, 8), drawn(2, 5, 8)
    expected = model(src, tgt, tgt_is_causal=True)
    by_mask = model(src, tgt, tgt_mask=model.generate_square_subsequent_mask(5, dtype="float64"))
    np.testing.assert_allclose(by_mask.data, expected.data, rtol=1e-12)
    tgt[:, 3:] += 1.0
    np.testing.assert_allclose(model(src, tgt, tgt_is_causal=True).data[:, :3], expected.data[:, :3], rtol=1e-12)


def test_activations_may_be_functions():
    layer = nn.TransformerEncoderLayer(4, 2, 8, activation=tl.tanh)
    assert layer.activation is tl.tanh and layer(drawn(3, 2, 4).astype("float32")).dtype == np.float32
    with pytest.raises(ShapeError, match=r"TransformerDecoderLayer: activation is 'tanh'; it must be 'relu', 'gelu'"):
        nn.TransformerDecoderLayer(4, 2, activation="tanh")


def test_wrong_settings_and_inputs():
    with pytest.raises(
        ShapeError, match=r"embed_dim is 6 and num_heads is 4; both must be positive, and embed_dim a m"
    ):
        nn.MultiheadAttention(6, 4)
    with pytest.raises(ShapeError, match=r"MultiheadAttention: dropout is 1.5; it must be a probability"):
        nn.MultiheadAttention(6, 3, 1.5)
    layer, x = nn.MultiheadAttention(6, 3), drawn(4, 2, 6)
    with pytest.raises(ShapeError, match=r"key is \(4, 2, 5\) .* last axes of 6, 6 and 6"):
        layer(x, x[..., :5], x)
    with pytest.raises(
        ShapeError, match=r"query is \(4, 1, 6\).* must be equally long, and all have the same number n"
    ):
        layer(x[:, :1], x, x)
    with pytest.raises(ShapeError, match=r"key_padding_mask is \(4, 2\); it must be \(2, 4\)"):
        layer(x, x, x, np.zeros((4, 2), bool))
    with pytest.raises(ShapeError, match=r"attn_mask is \(2, 4\); it must be \(4, 4\) or \(6, 4, 4\)"):
        layer(x, x, x, attn_mask=np.zeros((2, 4), bool))
    with pytest.raises(DTypeError, match=r"attn_mask has dtype int64; booleans or floating-point numbers are required"):
        layer(x, x, x, attn_mask=np.zeros((4, 4), int))
