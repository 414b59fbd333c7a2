"""Attention: averages of values, weighted by how well their keys fit a query."""

from __future__ import annotations

import builtins
from math import inf
from typing import Any

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.dtypes import is_floating
from ..core.errors import DTypeError, ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from .activations import softmax
from .comparison import not_equal, where
from .conversion import detach
from .movement import broadcast_to, expand_dims, matrix_transpose, reshape
from .normalization import dropout
from .products import matmul
from .reductions import any

__all__ = ["scaled_dot_product_attention"]


@composite(shapes="any", autocast="low")
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    *,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    rng: Any = None,
) -> Array:
    """Attention, softmax(query keyᵀ scale + mask) value: for each query a weighted mean of the values.

    query : (..., m, d). key : (..., n, d). value : (..., n, e). The axes in front broadcast. Returns (..., m, e).
    mask : broadcasts to (..., m, n); booleans, true where a key takes part, or floating-point numbers to be added. A
    query without any key (all false, or all -inf) gets 0, and sends back no gradient.
    dropout_p : the probability with which each weight is set to 0, drawn from `rng` (the default generator if None).
    is_causal : query i sees the keys 0 to i only; not together with a mask.
    scale : 1 / sqrt(d) if None.
    enable_gqa : the heads, axis -3, of key and value may be fewer than those of query, by a whole factor r; each serves
    r successive heads of query.
    Raises ShapeError for shapes that do not fit; DTypeError for a mask of integers.
    Source: Vaswani et al. 2017, arXiv:1706.03762; grouped heads: Ainslie et al. 2023, arXiv:2305.13245.

    >>> query, key, value = np.ones((1, 2)), np.zeros((3, 2)), np.array([[0.0], [3.0], [6.0]])
    >>> scaled_dot_product_attention(query, key, value, np.array([True, True, False]))
    array([[1.5]])
    """
    _check(query, key, value, mask, is_causal, enable_gqa)
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = _repeated(key, repeats), _repeated(value, repeats)
    factor = query.shape[-1] ** -0.5 if scale is None and query.shape[-1] else scale or 0.0
    scores = matmul(query * factor, matrix_transpose(key))
    if is_causal:
        mask = lower_triangle(query, query.shape[-2], key.shape[-2])
    weights = softmax(scores) if mask is None else masked_softmax(scores, mask)
    if dropout_p:
        weights = dropout(weights, p=dropout_p, rng=rng)
    return matmul(weights, value)


def masked_softmax(scores: Array, mask: Array) -> Array:
    scores = scores + mask if is_floating(mask.dtype) else where(mask, scores, -inf)
    # A row of -inf has no softmax; it is computed from zeros and then made zero, so that no NaN is met on the way back.
    alive = any(not_equal(detach(scores), -inf), axis=-1, keepdims=True)
    return where(alive, softmax(where(alive, scores, 0.0)), 0.0)


def lower_triangle(x: Array, m: int, n: int) -> Any:
    """The mask (m, n) that is true on and below the main diagonal."""
    xp = backend_of(unwrap(x)).xp
    return xp.expand_dims(xp.arange(m), axis=1) >= xp.arange(n)


def _repeated(x: Array, repeats: int) -> Array:
    """(..., heads, n, d) with each head `repeats` times in succession."""
    *front, heads, n, d = x.shape
    return reshape(
        broadcast_to(expand_dims(x, axis=-3), (*front, heads, repeats, n, d)), (*front, heads * repeats, n, d)
    )


def _check(query: Array, key: Array, value: Array, mask: Array | None, is_causal: bool, enable_gqa: bool) -> None:
    q, k, v = (shape_of(array) for array in (query, key, value))
    given = f"scaled_dot_product_attention: query is {q}, key is {k} and value is {v}"
    least = 3 if enable_gqa else 2
    if min(map(len, (q, k, v))) < least:
        raise ShapeError(f"{given}; each needs at least {least} axes.")
    if q[-1] != k[-1]:
        raise ShapeError(f"{given}; the last axes of query and key must be equal.")
    if k[-2] != v[-2]:
        raise ShapeError(f"{given}; the second-last axes of key and value must be equal.")
    if enable_gqa and (k[-3] != v[-3] or k[-3] == 0 or q[-3] % k[-3]):
        raise ShapeError(f"{given}; the heads of query, axis -3, must be a multiple of those of key and of value.")
    if mask is None:
        return
    if is_causal:
        raise ShapeError("scaled_dot_product_attention: mask and is_causal are both given; put both into the mask.")
    if "bool" not in str(mask.dtype) and not is_floating(mask.dtype):
        raise DTypeError(
            f"scaled_dot_product_attention: mask has dtype {mask.dtype}; booleans or floating-point numbers are "
            f"required."
        )
    own, places = shape_of(mask), (q[-2], k[-2])
    if builtins.any(n not in (1, m) for n, m in zip(own[-1:-3:-1], places[::-1], strict=False)):
        raise ShapeError(f"{given}, and mask is {own}; it must broadcast to (..., {places[0]}, {places[1]}).")
