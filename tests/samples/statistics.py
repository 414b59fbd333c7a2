"""Samples of order statistics, and of reductions that leave out NaN."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, axes, sample, shapes, st


def reduction(draw, min_side=1):
    x = draw(arrays(shapes(min_side=min_side)))
    return x, {"axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans())}


@sample("quantile")
def _(draw):
    x, how = reduction(draw)
    one = st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.9, 1.0])
    return (x,), {"q": draw(st.one_of(one, st.tuples(one, one))), **how}


@sample("median")
def _(draw):
    x, how = reduction(draw)
    return (x,), how


for name in ("nansum", "nanmean", "nanmax", "nanmin"):

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
