"""Samples of order statistics, and of reductions that leave out NaN."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, axes, sample, shapes, st
from tinygrad_lite import Interval


def reduction(draw, min_side=1):
    x = draw(arrays(shapes(min_side=min_side)))
    return x, {"axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans())}


METHODS = ("linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull", "median_unbiased", "normal_unbiased")


@sample("quantile")
def _(draw):
    x, how = reduction(draw)
    one = st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.9, 1.0])
    return (x,), {"q": draw(st.one_of(one, st.tuples(one, one))), **how}


for name in ("percentile", "nanpercentile", "nanquantile"):

    @sample(name)
    def _(draw, most=1.0 if name == "nanquantile" else 100.0):
        x, how = reduction(draw)
        one = st.sampled_from([0.0, 0.25 * most, 0.3 * most, 0.5 * most, most])
        method = draw(st.sampled_from(METHODS))
        return (x,), {"q": draw(st.one_of(one, st.tuples(one, one))), "method": method, **how}


@sample("average", reference=lambda x, weights, **how: np.average(x, weights=weights, **how))
def _(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=1)))
    axis = draw(st.one_of(st.none(), st.integers(-x.ndim, x.ndim - 1)))
    whole = draw(st.booleans()) or axis is None
    weights = draw(arrays(x.shape if whole else (x.shape[axis],), domain=Interval(0.0, 3.0)))
    return (x, weights), {"axis": axis, "keepdims": draw(st.booleans())}


for name in ("median", "nanmedian", "nanprod", "nansum", "nanmean", "nanmax", "nanmin", "ptp"):

    @sample(name)
    def _(draw):
        x, how = reduction(draw)
        return (x,), how


for name, plain in (("nanvar", np.nanvar), ("nanstd", np.nanstd)):

    @sample(name, reference=lambda x, correction, plain=plain, **how: plain(x, ddof=correction, **how))
    def _(draw):
        x = draw(arrays(shapes(min_dims=1, min_side=2)))
        correction = draw(st.sampled_from([0.0, 1.0, 0.5]))
        return (x,), {"axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans()), "correction": correction}
