"""Attention between linear maps, with several heads."""

from __future__ import annotations

from math import inf
from typing import Any

from ..core.dtypes import is_floating
from ..core.errors import DTypeError, ShapeError
from ..core.op import Array
from ..ops import (
    astype,
    broadcast_to,
    concat,
    dropout,
    linear,
    logical_not,
    logical_or,
    matmul,
    matrix_transpose,
    mean,
    pad,
    permute_dims,
    reshape,
    scaled_dot_product_attention,
    softmax,
    split,
    where,
    zeros_like,
)
from ..ops.attention import lower_triangle, masked_softmax
from . import init
from .linear import Linear
from .module import Module
from .parameter import Parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of several heads between linear maps; see `scaled_dot_product_attention`.

    embed_dim : length of the last axis of query and output, a multiple of num_heads. kdim, vdim : those of key and
        value, if others.
    dropout : the probability with which a weight is set to 0 in training.
    bias : whether the linear maps add a bias.
    add_bias_kv : whether a learned key and value are added to those given. add_zero_attn : the same with zeros.
    batch_first : whether arrays are (n, length, ...) instead of (length, n, ...).
    rng : generator of the initial values, and of dropout; the default generator if None.

    Called with query (m, n, embed_dim), key (s, n, kdim) and value (s, n, vdim), or all of them without n, and
        key_padding_mask : (n, s), keys that nobody sees. attn_mask : (m, s), or (n * num_heads, m, s), keys that a
            query does not see. Both are booleans, true where a key is left out, or numbers to be added to the scores.
        is_causal : query i sees the keys 0 to i only; attn_mask, if given too, must say the same.
        need_weights : whether to return the weights too, which takes more time and memory; average_attn_weights : as
            the mean (n, m, s) over the heads, or for each head (n, num_heads, m, s).
    Returns the output (m, n, embed_dim), and the weights or None. A query that sees no key gets the bias of the output.

    Parameters: in_proj_weight `(3 embed_dim, embed_dim)`, or q_proj_weight, k_proj_weight, v_proj_weight if kdim or
    vdim is another; in_proj_bias `(3 embed_dim,)`; out_proj.weight, out_proj.bias; bias_k, bias_v `(1, 1, embed_dim)`.

    Raises ShapeError for sizes and inputs that do not fit; DTypeError for a mask of integers.
    Source: Vaswani et al. 2017, arXiv:1706.03762.

    >>> attention, x = nn.MultiheadAttention(8, 2, batch_first=True), np.ones((3, 5, 8), np.float32)
    >>> out, weights = attention(x, x, x)
    >>> out.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ShapeError(
                f"MultiheadAttention: embed_dim is {embed_dim} and num_heads is {num_heads}; both must be positive, "
                f"and embed_dim a multiple of num_heads."
            )
        if not 0.0 <= dropout <= 1.0:
            raise ShapeError(f"MultiheadAttention: dropout is {dropout}; it must be a probability, from 0 to 1.")
        self.embed_dim, self.num_heads, self.dropout, self.rng = embed_dim, num_heads, dropout, rng
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.add_zero_attn, self.batch_first = add_zero_attn, batch_first
        how = {"dtype": dtype, "device": device}
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = Parameter(init.xavier_uniform((3 * embed_dim, embed_dim), rng=rng, **how))
        else:
            for name, width in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
                weight = Parameter(init.xavier_uniform((embed_dim, width), rng=rng, **how))
                setattr(self, f"{name}_proj_weight", weight)
            self.in_proj_weight = None
        self.in_proj_bias = Parameter(init.zeros((3 * embed_dim,), **how)) if bias else None
        for name in ("bias_k", "bias_v"):
            value = Parameter(init.xavier_normal((1, 1, embed_dim), rng=rng, **how)) if add_bias_kv else None
            setattr(self, name, value)
        self.out_proj = Linear(embed_dim, embed_dim, bias, rng=rng, **how)
        if self.out_proj.bias is not None:
            self.out_proj.bias.data = init.zeros((embed_dim,), **how)

    def forward(
        self,
        query: Array,
        key: Array,
        value: Array,
        key_padding_mask: Array | None = None,
        need_weights: bool = True,
        attn_mask: Array | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Array, Array | None]:
        self._check(query, key, value, key_padding_mask, attn_mask)
        single, alike = len(query.shape) == 2, query is key is value
        q, k, v = (self._batch_first(x) for x in (query, key, value))
        m, s = q.shape[1], k.shape[1]
        q, k, v = self._projected(q) if alike and self.in_proj_weight is not None else self._maps(q, k, v)
        mask = self._mask(key_padding_mask, attn_mask, q, s, is_causal and need_weights)
        causal = is_causal and not need_weights and key_padding_mask is None
        if self.bias_k is not None:
            n = k.shape[0]
            added = (broadcast_to(each, (n, 1, self.embed_dim)) for each in (self.bias_k, self.bias_v))
            k, v = (concat([x, more], axis=1) for x, more in zip((k, v), added, strict=True))
        if self.add_zero_attn:
            k, v = (concat([x, zeros_like(x[:, :1])], axis=1) for x in (k, v))
        more = k.shape[1] - s
        if more and causal:  # everybody sees what was added
            mask, causal = self._mask(None, attn_mask, q, s, True), False
        if more and mask is not None:
            mask = pad(mask, ((0, 0),) * (len(mask.shape) - 1) + ((0, more),), value=self._seen(mask))
        q, k, v = (self._heads(x) for x in (q, k, v))
        p = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = matmul(q * q.shape[-1] ** -0.5, matrix_transpose(k))
            weights = softmax(scores) if mask is None else masked_softmax(scores, mask)
            weights = dropout(weights, p=p, rng=self.rng)
            out = matmul(weights, v)
        else:
            mask = None if causal else mask
            out = scaled_dot_product_attention(q, k, v, mask, dropout_p=p, is_causal=causal, rng=self.rng)
        out = self.out_proj(reshape(permute_dims(out, (0, 2, 1, 3)), (q.shape[0], m, self.embed_dim)))
        if weights is not None and average_attn_weights:
            weights = mean(weights, axis=1)
        if single:
            return out[0], None if weights is None else weights[0]
        return out if self.batch_first else permute_dims(out, (1, 0, 2)), weights

    def _batch_first(self, x: Array) -> Array:
        if len(x.shape) == 2:
            return x[None]
        return x if self.batch_first else permute_dims(x, (1, 0, 2))

    def _projected(self, x: Array) -> list[Array]:
        return split(linear(x, self.in_proj_weight, self.in_proj_bias), 3, axis=-1)

    def _maps(self, *inputs: Array) -> list[Array]:
        if self.in_proj_weight is not None:
            weights = split(self.in_proj_weight, 3)
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]  # type: ignore[attr-defined]
        biases = [None] * 3 if self.in_proj_bias is None else split(self.in_proj_bias, 3)
        return [linear(x, weight, bias) for x, weight, bias in zip(inputs, weights, biases, strict=True)]

    def _heads(self, x: Array) -> Array:
        """(n, length, embed_dim) as (n, num_heads, length, width)."""
        n, length, width = x.shape
        return permute_dims(reshape(x, (n, length, self.num_heads, width // self.num_heads)), (0, 2, 1, 3))

    def _mask(self, padding: Array | None, mask: Array | None, q: Array, s: int, causal: bool) -> Array | None:
        """Both masks as one that broadcasts to (n, num_heads, m, s): booleans, true where seen, or numbers to add."""
        n, m = q.shape[:2]
        found: list[Any] = []
        if mask is not None:
            found.append(reshape(mask, (n, self.num_heads, m, s)) if len(mask.shape) == 3 else mask)
        elif causal:
            found.append(logical_not(lower_triangle(q, m, s)))
        if padding is not None:
            found.append(reshape(padding, (n, 1, 1, s)))
        if not found:
            return None
        if any(is_floating(each.dtype) for each in found):
            numbers = [x if is_floating(x.dtype) else where(x, -inf, zeros_like(x, dtype=q.dtype)) for x in found]
            numbers = [astype(x, q.dtype) for x in numbers]
            return numbers[0] if len(numbers) == 1 else numbers[0] + numbers[1]
        return logical_not(found[0] if len(found) == 1 else logical_or(*found))

    @staticmethod
    def _seen(mask: Array) -> float:
        """What a mask has for a key that is seen."""
        return 0.0 if is_floating(mask.dtype) else True

    def _check(self, query: Array, key: Array, value: Array, padding: Array | None, mask: Array | None) -> None:
        shapes = [tuple(x.shape) for x in (query, key, value)]
        given = f"MultiheadAttention: query is {shapes[0]}, key is {shapes[1]} and value is {shapes[2]}"
        for name, each in (("key_padding_mask", padding), ("attn_mask", mask)):
            if each is not None and "bool" not in str(each.dtype) and not is_floating(each.dtype):
                raise DTypeError(
                    f"MultiheadAttention: {name} has dtype {each.dtype}; booleans or floating-point numbers are "
                    f"required."
                )
        axes = len(shapes[0])
        widths = [(self.embed_dim,), (self.kdim,), (self.vdim,)]
        if axes not in (2, 3) or any(len(a) != axes or a[-1:] != b for a, b in zip(shapes, widths, strict=True)):
            raise ShapeError(
                f"{given}; all must have 3 axes, or 2, and last axes of {self.embed_dim}, {self.kdim} and {self.vdim}."
            )
        along = 1 if self.batch_first and axes == 3 else 0
        n = 1 if axes == 2 else shapes[0][1 - along]
        if shapes[1][:-1] != shapes[2][:-1] or (axes == 3 and shapes[1][1 - along] != n):
            raise ShapeError(f"{given}; key and value must be equally long, and all have the same number n.")
        m, s = shapes[0][along], shapes[1][along]
        expected = (s,) if axes == 2 else (n, s)
        if padding is not None and tuple(padding.shape) != expected:
            raise ShapeError(f"{given}, and key_padding_mask is {tuple(padding.shape)}; it must be {expected}.")
        if mask is not None and tuple(mask.shape) not in ((m, s), (n * self.num_heads, m, s)):
            raise ShapeError(
                f"{given}, and attn_mask is {tuple(mask.shape)}; it must be {(m, s)} or {(n * self.num_heads, m, s)}."
            )
