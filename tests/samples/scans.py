"""Samples of scans."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, axis, sample, shapes

SCANS = {"cummax": np.maximum, "cummin": np.minimum, "logcumsumexp": np.logaddexp}

for name, join in SCANS.items():

    @sample(name, reference=lambda x, axis, join=join: join.accumulate(x, axis=axis))
    def _(draw):
        x = draw(arrays(shapes(min_dims=1, max_side=7)))
        return (x,), {"axis": draw(axis(x.ndim))}
