"""Transformers: layers of attention and feed-forward networks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import inf
from typing import Any, ClassVar

from .. import ops
from ..core.errors import ShapeError
from ..core.op import Array
from . import init
from .activations import GELU, ReLU
from .attention import MultiheadAttention
from .containers import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm
from .runs import one_after_another

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
]  # fmt: skip

Activation = str | Callable[[Array], Array]

_LAYERS = {id(ops.relu): ReLU(), id(ops.gelu): GELU()}
"""The layers of activations, by these: with a linear map on both sides they may be one operation."""


def _activation(name: str, given: Activation) -> Callable[[Array], Array]:
    if callable(given):
        return given
    if given not in ("relu", "gelu"):
        raise ShapeError(f"{name}: activation is {given!r}; it must be 'relu', 'gelu' or a function.")
    return getattr(ops, given)


class TransformerEncoderLayer(Module):
    """Self-attention and a feed-forward network, each with dropout, a shortcut and a normalisation.

    d_model : length of the last axis of input and output. nhead : the heads of the attention.
    dim_feedforward : the units between the two linear maps of the network.
    dropout : the probability of dropout of weights and of the results of both parts, in training.
    activation : of the network: `"relu"`, `"gelu"` or a function.
    layer_norm_eps, bias : of the normalisations; of them and of all linear maps.
    batch_first : whether arrays are (n, length, d_model) instead of (length, n, d_model).
    norm_first : whether each part normalises its input, instead of the sum of input and result.
    rng : generator of the initial values, and of dropout; the default generator if None.

    Called with src and the masks of its attention; see `MultiheadAttention`.
    Source: Vaswani et al. 2017, arXiv:1706.03762; norm_first: Xiong et al. 2020, arXiv:2002.04745.

    >>> nn.TransformerEncoderLayer(8, 2, 16)(np.ones((5, 3, 8), np.float32), is_causal=True).shape
    (5, 3, 8)
    """

    attentions: ClassVar[tuple[str, ...]] = ("self_attn",)
    """What the attentions are called, in the order of their use."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        how = {"dtype": dtype, "device": device}
        for name in self.attentions:
            attention = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, rng=rng, **how)
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng, **how)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng, **how)
        self.activation = _activation(type(self).__name__, activation)
        self.norm_first = norm_first
        numbers = range(1, len(self.attentions) + 2)  # of the parts: the attentions and the network
        for i in numbers:
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, **how))
        for i in numbers:
            setattr(self, f"dropout{i}", Dropout(dropout, rng=rng))

    def _sum(self, number: int, x: Array, part: Callable[[Array], Array]) -> Array:
        """x and what a part makes of it, normalised before or afterwards."""
        norm, dropped = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        return x + dropped(part(norm(x))) if self.norm_first else norm(x + dropped(part(x)))

    def _network(self, x: Array) -> Array:
        activation = _LAYERS.get(id(self.activation), self.activation)
        return one_after_another((self.linear1, activation, self.dropout, self.linear2), x)

    def forward(
        self,
        src: Array,
        src_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool = False,
    ) -> Array:
        def attend(x: Array) -> Array:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        return self._sum(2, self._sum(1, src, attend), self._network)


class TransformerDecoderLayer(TransformerEncoderLayer):
    """Self-attention, attention to the encoder's output, and a feed-forward network.

    Arguments as for `TransformerEncoderLayer`. Called with tgt, the encoder's output `memory`, and the masks of both
    attentions.

    >>> x, memory = np.ones((5, 3, 8), np.float32), np.ones((7, 3, 8), np.float32)
    >>> nn.TransformerDecoderLayer(8, 2, 16)(x, memory, tgt_is_causal=True).shape
    (5, 3, 8)
    """

    attentions = ("self_attn", "multihead_attn")

    def forward(  # type: ignore[override]
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Array:
        def attend(x: Array) -> Array:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def look(x: Array) -> Array:
            masks = (memory_key_padding_mask, False, memory_mask)
            return self.multihead_attn(x, memory, memory, *masks, is_causal=memory_is_causal)[0]

        return self._sum(3, self._sum(2, self._sum(1, tgt, attend), look), self._network)


def _copies(layer: Module, count: int) -> ModuleList:
    """Copies of a layer that draw from the same generators."""
    shared = {id(module.rng): module.rng for module in layer.modules() if getattr(module, "rng", None) is not None}
    return ModuleList(copy.deepcopy(layer, dict(shared)) for _ in range(count))


class TransformerEncoder(Module):
    """Copies of an encoder layer, one after another, and perhaps a normalisation at the end.

    encoder_layer : what to copy, `num_layers` times; the copies begin with equal parameters. norm : a module, or None.

    Called with src, (length, n, d_model) or as the layers want it, and the masks of all layers' attention.

    >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, nn.LayerNorm(8))
    >>> encoder(np.ones((5, 3, 8), np.float32)).shape
    (5, 3, 8)
    """

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        src: Array,
        mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool | None = None,
    ) -> Array:
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, bool(is_causal))
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """Copies of a decoder layer, one after another, and perhaps a normalisation at the end.

    Arguments as for `TransformerEncoder`. Called with tgt, the encoder's output `memory`, and the masks of all layers.

    >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 2)
    >>> decoder(np.ones((5, 3, 8), np.float32), np.ones((7, 3, 8), np.float32)).shape
    (5, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Array:
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        for layer in self.layers:
            tgt = layer(tgt, memory, *masks, bool(tgt_is_causal), memory_is_causal)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of src and a decoder of tgt that attends to its output.

    num_encoder_layers, num_decoder_layers : how many; the other arguments are those of `TransformerEncoderLayer`.
    custom_encoder, custom_decoder : modules instead of them.

    Called with src `(s, n, d_model)`, tgt `(t, n, d_model)` and masks; returns `(t, n, d_model)`. All matrices are
    initialised by `xavier_uniform`.

    >>> model = nn.Transformer(8, 2, 1, 1, 16)
    >>> mask = model.generate_square_subsequent_mask(5)
    >>> model(np.ones((7, 3, 8), np.float32), np.ones((5, 3, 8), np.float32), tgt_mask=mask).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        how: dict[str, Any] = {"dtype": dtype, "device": device}
        settings = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def last() -> Module:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, **how)

        if custom_encoder is None:
            layer: Module = TransformerEncoderLayer(*settings, rng=rng, **how)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, last())
        if custom_decoder is None:
            layer = TransformerDecoderLayer(*settings, rng=rng, **how)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, last())
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter, rng=rng)

    def forward(
        self,
        src: Array,
        tgt: Array,
        src_mask: Array | None = None,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Array:
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        padding = (tgt_key_padding_mask, memory_key_padding_mask)
        return self.decoder(tgt, memory, tgt_mask, memory_mask, *padding, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, *, dtype: Any = None, device: str | None = None) -> Any:
        """The mask (sz, sz) to be added so that query i sees the keys 0 to i: 0 there, and -inf above the diagonal.

        >>> nn.Transformer.generate_square_subsequent_mask(2)
        Tensor([[  0., -inf],
                [  0.,   0.]], dtype=float32)
        """
        return ops.triu(ops.full((sz, sz), -inf, dtype=dtype, device=device), k=1)
