"""Samples of creation after the model of an array."""

from __future__ import annotations

from tests.samples import arrays, sample, shapes, st

for name in ("zeros_like", "ones_like"):

    @sample(name, order=0)
    def _(draw):
        return (draw(arrays(shapes(min_side=0))),), {"dtype": draw(st.sampled_from([None, "float64", "int64"]))}


@sample("full_like", order=0)
def _(draw):
    return (draw(arrays(shapes(min_side=0))),), {"fill_value": draw(st.sampled_from([2, -1.5])), "dtype": None}
