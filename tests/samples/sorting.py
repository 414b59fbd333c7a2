"""Samples of the operations in `ops/sorting.py`."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, axes, axis, generators, integer_arrays, sample, shapes, st


@sample("sort", reference=lambda x, axis, descending: -np.sort(-x, axis=axis) if descending else np.sort(x, axis=axis))
def _(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=0)))
    return (x,), {"axis": draw(axis(x.ndim)), "descending": draw(st.booleans())}


def order(x, axis, descending):
    return np.argsort(-x if descending else x, axis=axis, kind="stable")


@sample("argsort", order=0, reference=order)
def _(draw):
    x = draw(integer_arrays(shapes(min_dims=1, min_side=0), -2, 3)).astype(float)  # many are equal
    return (x,), {"axis": draw(axis(x.ndim)), "descending": draw(st.booleans())}


@sample("searchsorted", order=0)
def _(draw):
    x = np.sort(draw(integer_arrays(shapes(min_dims=1, max_dims=1, min_side=0), -2, 3)).astype(float))
    values = draw(integer_arrays(shapes(min_dims=1, min_side=0), -3, 4)).astype(float)
    return (x, values), {"side": draw(st.sampled_from(["left", "right"]))}


@sample("count_nonzero", order=0)
def _(draw):
    x = draw(generators()).choice([0.0, 1.5, -0.0, np.nan], size=draw(shapes(min_side=0)))
    return (x,), {"axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans())}


@sample("isin", order=0, reference=lambda x, values, invert: np.isin(x, values, invert=invert))
def _(draw):
    rng = draw(generators())
    x = rng.choice([0.0, 1.0, 2.0, np.inf, np.nan], size=draw(shapes(min_side=0)))
    values = rng.choice([0.0, 2.0, 3.0, -np.inf, np.nan], size=draw(shapes(min_side=0)))
    return (x, values), {"invert": draw(st.booleans())}


@sample("unique_values", reference=np.unique)
def _(draw):
    return (draw(arrays(shapes(min_side=0))),), {}
