"""Samples of the operations in `ops/tables.py`."""

import numpy as np

from tests.samples import arrays, integer_arrays, sample, shapes, st
from tinygrad_lite import Interval


def rows_of(index, weight, max_norm=None, norm_type=2.0):
    rows = weight[index]
    if max_norm is not None:
        length = np.sum(np.abs(rows) ** norm_type, axis=-1, keepdims=True) ** (1 / norm_type)
        rows = np.where(length > max_norm, rows * max_norm / length, rows)
    return rows


@sample("embedding", reference=rows_of)
def _(draw):
    weight = draw(arrays((draw(st.integers(1, 3)), draw(st.integers(1, 3))), kinks=(0.0,)))
    index = draw(integer_arrays(draw(shapes(max_dims=2, min_side=0)), 0, len(weight)))
    return (index, weight), draw(st.sampled_from([{}, {"max_norm": 1e-3}, {"max_norm": 1e-3, "norm_type": 3.0}]))


def bag(index, weight, offsets, factors, mode, include_last_offset=False):
    if offsets is not None:
        starts = offsets[:-1] if include_last_offset else offsets
        ends = [*starts[1:], len(index)]
        bags = [slice(a, b) for a, b in zip(starts, ends, strict=True)]
    else:
        bags = list(range(len(index)))
    factors = np.ones(index.shape) if factors is None else factors
    found = [weight[index[one]] * factors[one][:, None] for one in bags]
    reduce = {"mean": np.mean, "sum": np.sum, "max": np.max}[mode]
    return np.array([reduce(rows, axis=0) if len(rows) else np.zeros(weight.shape[1]) for rows in found])


@sample("embedding_bag", reference=bag)
def _(draw):
    weight = draw(arrays((4, 2)))
    mode = draw(st.sampled_from(["mean", "sum", "max"]))
    positive = {"domain": Interval(0, np.inf)}
    if draw(st.booleans()):
        index = draw(integer_arrays((draw(st.integers(1, 3)), draw(st.integers(1, 3))), 0, 4))
        factors = draw(arrays(index.shape, **positive)) if mode == "sum" and draw(st.booleans()) else None
        return (index, weight, None, factors), {"mode": mode}
    index = draw(integer_arrays((5,), 0, 4))
    last = draw(st.booleans())
    offsets = np.array(draw(st.sampled_from([[0], [0, 2], [0, 2, 2], [0, 0, 3, 5]])) + [5] * last)
    factors = draw(arrays((5,), **positive)) if mode == "sum" and draw(st.booleans()) else None
    return (index, weight, offsets, factors), {"mode": mode, "include_last_offset": last}
