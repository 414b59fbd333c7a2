"""Samples of the operations in `ops/elementwise.py` for which the automatic sample will not do."""

import numpy as np

from tests.samples import arrays, elementwise_arguments, sample, shapes, st
from tinygrad_lite import OPS


@sample("power")
def _(draw):
    return draw(elementwise_arguments(OPS["power"])), {}


@sample("power")
def _(draw):
    x = draw(arrays(shapes(min_side=0), kinks=(0.0,)))
    return (x, draw(st.sampled_from([2, 3, 0, 1, -1, -2, 2.0]))), {}


@sample("divide")
def _(draw):
    x, y = draw(elementwise_arguments(OPS["divide"]))
    return (x, y * draw(st.sampled_from([1.0, -1.0]))), {}


@sample("clip", reference=lambda x, min, max: np.minimum(np.maximum(x, min), max))
def _(draw):
    low = draw(st.sampled_from([-np.inf, -1.0, 0.5]))
    high = draw(st.sampled_from([1.0, 0.25, np.inf]))
    return (draw(arrays(shapes(min_side=0), kinks=(-1.0, 0.25, 0.5, 1.0))),), {"min": low, "max": high}
