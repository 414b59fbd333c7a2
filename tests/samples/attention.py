"""Samples of attention."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, sample, st


def attention(query, key, value, mask=None, *, is_causal=False, scale=None, enable_gqa=False):
    """One query at a time."""
    if enable_gqa:
        key, value = (np.repeat(x, query.shape[-3] // x.shape[-3], axis=-3) for x in (key, value))
    m, n, d = query.shape[-2], key.shape[-2], query.shape[-1]
    scores = np.einsum("...id,...jd->...ij", query, key) * (d**-0.5 if scale is None else scale)
    if is_causal:
        mask = np.tri(m, n, dtype=bool)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    weights = np.exp(scores)
    total = weights.sum(axis=-1, keepdims=True)
    return np.einsum("...ij,...je->...ie", weights / np.where(total == 0, 1.0, total), value)


def kind_of_mask(draw, shape):
    kind = draw(st.sampled_from(["none", "boolean", "added"]))
    if kind == "none":
        return None
    shape = shape[draw(st.integers(0, len(shape) - 2)) :]
    mask = draw(arrays(shape))
    return mask if kind == "added" else mask > -0.5


@sample("scaled_dot_product_attention", reference=attention)
def _(draw):
    front = draw(st.sampled_from([(), (2,), (2, 1)]))
    m, n, d, e = (draw(st.integers(1, 3)) for _ in range(4))
    query, key, value = (draw(arrays((*front, *shape))) for shape in ((m, d), (n, d), (n, e)))
    mask = kind_of_mask(draw, (*front, m, n))
    causal = mask is None and draw(st.booleans())
    return (query, key, value, mask), {"is_causal": causal, "scale": draw(st.sampled_from([None, 0.5]))}


@sample("scaled_dot_product_attention", reference=attention)
def _(draw):
    heads, groups = draw(st.sampled_from([(4, 2), (3, 1), (2, 2)]))
    query, key, value = draw(arrays((heads, 2, 2))), draw(arrays((groups, 3, 2))), draw(arrays((groups, 3, 1)))
    return (query, key, value, kind_of_mask(draw, (heads, 2, 3))), {"enable_gqa": True}
