"""Samples of histograms."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, sample, shapes, st


def histograms(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=1)))
    bins = draw(st.sampled_from([1, 4, np.array([-2.0, 0.0, 0.5, 3.0])]))
    limits = draw(st.sampled_from([None, (-1.0, 1.5)]))
    return x, {"bins": bins, "range": limits}


def counted(x, weights=None, **how):
    """NumPy's, without its warning for booleans."""
    return tuple(np.histogram(x.astype("uint8") if x.dtype == bool else x, weights=weights, **how))


@sample("histogram", constant=("x",), reference=counted)
def _(draw):
    x, how = histograms(draw)
    return (x, draw(arrays(x.shape))), how


@sample("histogram", order=0, reference=counted)
def _(draw):
    x, how = histograms(draw)
    return (x, None), {**how, "bins": 3, "range": None, "density": draw(st.booleans())}
