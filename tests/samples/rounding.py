"""Samples of the operations in `ops/rounding.py`: numbers of both signs at a distance from where the function jumps."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, elementwise_arguments, integer_arrays, sample, shapes, st
from tinygrad_lite import OPS, Interval

for name in ("floor", "ceil", "trunc", "round"):

    @sample(name)
    def _(draw):
        fraction = draw(arrays(shapes(min_side=0), domain=Interval(0.0, 0.5)))
        whole = draw(integer_arrays(fraction.shape, -4, 5))
        return (whole + fraction * draw(st.sampled_from([1.0, -1.0])),), {}


for name in ("floor_divide", "remainder"):

    @sample(name)
    def _(draw):
        divisor = draw(elementwise_arguments(OPS["divide"]))[1] * draw(st.sampled_from([1.0, -1.0]))
        fraction = draw(arrays(divisor.shape, domain=Interval(0.0, 1.0)))
        return (divisor * (draw(integer_arrays(divisor.shape, -3, 4)) + fraction), divisor), {}


for name in ("floor_divide", "remainder"):

    @sample(name, order=0)
    def _(draw):
        x = draw(integer_arrays(shapes(min_side=0), -9, 10))
        return (x, draw(st.sampled_from([2, 3, -2]))), {}


@sample("signbit", order=0)
def _(draw):
    return (draw(arrays(shapes(min_side=0))) * np.array(draw(st.sampled_from([1.0, 0.0, -1.0]))),), {}
