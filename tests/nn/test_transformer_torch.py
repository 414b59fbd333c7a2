"""Attention and transformers at random settings: PyTorch's state gives its outputs and gradients."""

import warnings

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: no comparison with its layers")

from tests.nn.test_recurrent_torch import gradients_agree, pair, same
from tests.nn.test_torch import build, drawn, torch
from tinygrad_lite import nn


@pytest.fixture(autouse=True)
def no_warnings_of_torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # masks of two dtypes, norm_first without nested tensors
        yield


def arrays(first, *sizes):
    n, length, width = sizes
    return drawn((n, length, width) if first else (length, n, width), seed=sum(sizes))


def padding(rng, n, s):
    """Keys left out, never the first."""
    mask = rng.random((n, s)) < 0.4
    mask[:, 0] = False
    return mask


def hidden(rng, shape):
    """Keys that a query does not see, never the first: as booleans or as numbers."""
    mask = rng.random(shape) < 0.4
    mask[..., 0] = False
    return mask if rng.random() < 0.5 else np.where(mask, -np.inf, rng.normal(size=shape))


def given(masks):
    """The masks for both."""
    return [{k: v if m is np else torch.tensor(v) for k, v in masks.items()} for m in (np, torch)]


@pytest.mark.parametrize("seed", range(80))
def test_attention(seed):
    rng = np.random.default_rng(seed)
    heads, n, m, s = (int(rng.integers(1, 4)) for _ in range(4))
    width = heads * int(rng.integers(1, 4))
    first, bias, bias_kv, zero = (bool(rng.random() < share) for share in (0.5, 0.8, 0.3, 0.3))
    settings = {"bias": bias, "add_bias_kv": bias_kv, "add_zero_attn": zero, "batch_first": first}
    alike = rng.random() < 0.3
    if not alike and rng.random() < 0.5:
        settings |= {"kdim": int(rng.integers(1, 6)), "vdim": int(rng.integers(1, 6))}
    ours, theirs = build(lambda module: module.MultiheadAttention(width, heads, **settings))
    s = m if alike else s
    shapes = [(n, m, width), (n, s, settings.get("kdim", width)), (n, s, settings.get("vdim", width))]
    single = rng.random() < 0.2
    n = 1 if single else n
    inputs = [pair(drawn(shape[1:]) if single else arrays(first, *shape)) for shape in shapes[: 1 if alike else 3]]
    masks = {}
    if rng.random() < 0.5:
        masks["key_padding_mask"] = padding(rng, n, s)[0] if single else padding(rng, n, s)
    if rng.random() < 0.6:
        masks["attn_mask"] = hidden(rng, (m, s) if rng.random() < 0.5 else (n * heads, m, s))
    options = {"need_weights": bool(rng.random() < 0.5), "average_attn_weights": bool(rng.random() < 0.5)}
    own, other = given(masks)
    mine = ours(*[x[0] for x in inputs] * (3 if alike else 1), **own, **options)
    expected = theirs(*[x[1] for x in inputs] * (3 if alike else 1), **other, **options)
    assert (mine[1] is None) == (expected[1] is None) == (not options["need_weights"])
    outputs = [(a, b) for a, b in zip(mine, expected, strict=True) if a is not None]
    gradients_agree(outputs, inputs, ours, theirs)


def transformer_settings(rng):
    heads = int(rng.integers(1, 4))
    first, norm_first, bias = (bool(rng.random() < share) for share in (0.5, 0.5, 0.8))
    d_model, width = heads * int(rng.integers(1, 4)), int(rng.integers(1, 6))
    positional = (d_model, heads, width, float(rng.choice([0.0, 0.3])), str(rng.choice(["relu", "gelu"])), 1e-3)
    return d_model, first, positional, {"batch_first": first, "norm_first": norm_first, "bias": bias}


def in_evaluation(*modules):
    """Without dropout; PyTorch's short cut in evaluation is for calls without gradients only."""
    for module in modules:
        module.eval()


@pytest.mark.parametrize("seed", range(40))
def test_encoders(seed):
    rng = np.random.default_rng(seed)
    width, first, positional, settings = transformer_settings(rng)
    n, s, count = (int(rng.integers(1, 5)) for _ in range(3))

    def encoder(m):
        layer = m.TransformerEncoderLayer(*positional, **settings)
        return m.TransformerEncoder(layer, count, m.LayerNorm(width) if seed % 2 else None) if seed % 3 else layer

    ours, theirs = build(encoder)
    in_evaluation(ours, theirs)
    x, masks = pair(arrays(first, n, s, width)), {}
    if rng.random() < 0.5:
        masks["src_key_padding_mask"] = padding(rng, n, s)
    if rng.random() < 0.5:
        masks["mask" if seed % 3 else "src_mask"] = hidden(rng, (s, s))
    own, other = given(masks)
    gradients_agree([(ours(x[0], **own), theirs(x[1], **other))], [x], ours, theirs)


@pytest.mark.parametrize("seed", range(40))
def test_decoders(seed):
    rng = np.random.default_rng(100 + seed)
    width, first, positional, settings = transformer_settings(rng)
    n, s, t, count = (int(rng.integers(1, 5)) for _ in range(4))

    def decoder(m):
        layer = m.TransformerDecoderLayer(*positional, **settings)
        return m.TransformerDecoder(layer, count, m.LayerNorm(width) if seed % 2 else None) if seed % 3 else layer

    ours, theirs = build(decoder)
    in_evaluation(ours, theirs)
    x, memory, masks = pair(arrays(first, n, t, width)), pair(arrays(first, n, s, width)), {}
    for name, make in (
        ("tgt_mask", lambda: hidden(rng, (t, t))), ("memory_mask", lambda: hidden(rng, (t, s))),
        ("tgt_key_padding_mask", lambda: padding(rng, n, t)), ("memory_key_padding_mask", lambda: padding(rng, n, s)),
    ):  # fmt: skip
        if rng.random() < 0.4:
            masks[name] = make()
    own, other = given(masks)
    gradients_agree([(ours(x[0], memory[0], **own), theirs(x[1], memory[1], **other))], [x, memory], ours, theirs)


@pytest.mark.parametrize("seed", range(20))
def test_transformers(seed):
    rng = np.random.default_rng(200 + seed)
    width, first, (d_model, heads, hidden_width, *rest), settings = transformer_settings(rng)
    n, s, t = (int(rng.integers(1, 5)) for _ in range(3))
    p, activation, eps = rest
    settings |= {"dropout": p, "activation": activation, "layer_norm_eps": eps, "dim_feedforward": hidden_width}
    ours, theirs = build(lambda m: m.Transformer(d_model, heads, 1 + seed % 2, 1 + seed % 3, **settings))
    in_evaluation(ours, theirs)
    src, tgt = pair(arrays(first, n, s, width)), pair(arrays(first, n, t, width))
    options = {"tgt_is_causal": bool(seed % 2)}
    mask = torch.nn.Transformer.generate_square_subsequent_mask(t, dtype=torch.float64)
    same(nn.Transformer.generate_square_subsequent_mask(t, dtype="float64"), mask)
    left_out = padding(rng, n, s)
    own, other = given({"src_key_padding_mask": left_out, "memory_key_padding_mask": left_out})
    mine = ours(src[0], tgt[0], tgt_mask=mask.numpy(), **own, **options)
    gradients_agree([(mine, theirs(src[1], tgt[1], tgt_mask=mask, **other, **options))], [src, tgt], ours, theirs)


def test_initial_values():
    attention = nn.MultiheadAttention(64, 4), torch.nn.MultiheadAttention(64, 4)
    for made in attention:
        values = made.in_proj_weight.detach().numpy()
        assert abs(values).max() <= (6 / 256) ** 0.5 and values.std() == pytest.approx((2 / 256) ** 0.5, rel=0.05)
        assert not made.in_proj_bias.detach().numpy().any() and not made.out_proj.bias.detach().numpy().any()
        assert abs(made.out_proj.weight.detach().numpy()).max() <= 1 / 8
    for made in (nn.Transformer(32, 4, 1, 1, 96), torch.nn.Transformer(32, 4, 1, 1, 96)):
        values = made.encoder.layers[0].linear1.weight.detach().numpy()
        assert values.std() == pytest.approx((2 / 128) ** 0.5, rel=0.1)
