"""Samples of the operations that change how elements are stored."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, sample, shapes, st


@sample("astype", reference=lambda x, dtype: x.astype(dtype))
def _(draw):
    dtype = draw(st.sampled_from(["float64", "float32", "int64", np.bool_]))
    return (draw(arrays(shapes(min_side=0))),), {"dtype": dtype}


@sample("cast", reference=lambda x, dtype: x.astype(dtype))
def _(draw):
    return (draw(arrays(shapes(min_side=0))),), {"dtype": np.dtype("float64")}


@sample("detach", reference=lambda x: x, order=0)
def _(draw):
    return (draw(arrays(shapes(min_side=0))),), {}


@sample("to_device", reference=lambda x, device: x)
def _(draw):
    return (draw(arrays(shapes(min_side=0))),), {"device": "cpu"}


@sample("transfer", reference=lambda x, source, target: x)
def _(draw):
    return (draw(arrays(shapes(min_side=0))),), {"source": "cpu", "target": "cpu"}


@sample("copied", reference=lambda x: x)
def _(draw):
    return (draw(arrays(shapes(min_side=0))),), {}
