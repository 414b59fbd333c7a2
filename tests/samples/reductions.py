"""Samples of reductions and scans."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, axes, axis, reference, sample, shapes, st

reference("var", lambda x, axis, correction, keepdims: np.var(x, axis=axis, ddof=correction, keepdims=keepdims))
reference("std", lambda x, axis, correction, keepdims: np.std(x, axis=axis, ddof=correction, keepdims=keepdims))
reference("logsumexp", lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)))


def reduction(draw, min_side, empty_axis=True):
    x = draw(arrays(shapes(min_side=min_side)))
    return x, {"axis": draw(axes(x.ndim, empty=empty_axis)), "keepdims": draw(st.booleans())}


for name in ("sum", "prod"):

    @sample(name)
    def _(draw):
        x, how = reduction(draw, 0)
        return (x,), how


@sample("prod")
def _(draw):
    # One zero: of products with several zeros finite differences see only rounding.
    x, how = reduction(draw, 1)
    x.reshape(-1)[draw(st.integers(0, x.size - 1))] = 0.0
    return (x,), how


for name in ("mean", "max", "min", "logsumexp"):

    @sample(name)
    def _(draw):
        x, how = reduction(draw, 1, empty_axis=False)
        return (x,), how


for name in ("any", "all"):

    @sample(name, order=0)
    def _(draw):
        x, how = reduction(draw, 0)
        return (np.asarray(x > 0),), how


for name in ("argmax", "argmin"):

    @sample(name, order=0)
    def _(draw):
        x = draw(arrays(shapes()))
        along = draw(st.one_of(st.none(), axis(x.ndim))) if x.ndim else None
        return (x,), {"axis": along, "keepdims": draw(st.booleans())}


for name in ("var", "std"):

    @sample(name)
    def _(draw):
        x = draw(arrays(shapes(min_dims=1, min_side=2)))
        correction = draw(st.sampled_from([0.0, 1.0, 0.5]))
        return (x,), {"axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans()), "correction": correction}


@sample("cumulative_sum")
def _(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=0)))
    along = None if x.ndim == 1 and draw(st.booleans()) else draw(axis(x.ndim))
    return (x,), {"axis": along, "include_initial": draw(st.booleans())}


reference(
    "cumulative_prod",
    lambda x, axis, include_initial: np.cumulative_prod(x, axis=axis, include_initial=include_initial),
)


@sample("cumulative_prod")
def _(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=0, max_side=6)))
    along = None if x.ndim == 1 and draw(st.booleans()) else draw(axis(x.ndim))
    return (x,), {"axis": along, "include_initial": draw(st.booleans())}


@sample("cumulative_prod")
def _(draw):
    # One zero: of products with several zeros finite differences see only rounding.
    x = draw(arrays(shapes(min_dims=1)))
    x.reshape(-1)[draw(st.integers(0, x.size - 1))] = 0.0
    return (x,), {"axis": draw(axis(x.ndim)), "include_initial": draw(st.booleans())}
