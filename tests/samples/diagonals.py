"""Samples of the operations in `ops/diagonals.py`."""

import numpy as np

from tests.samples import arrays, broadcastable_shapes, sample, shapes, st


@sample("diagonal", reference=lambda x, offset=0: np.linalg.diagonal(x, offset=offset))
def _(draw):
    return (draw(arrays(shapes(min_dims=2, min_side=0))),), {"offset": draw(st.integers(-3, 3))}


@sample("diag")
def _(draw):
    return (draw(arrays(shapes(min_dims=1, max_dims=2, min_side=0))),), {"k": draw(st.integers(-2, 2))}


@sample("trace", reference=lambda x, offset=0: np.linalg.trace(x, offset=offset))
def _(draw):
    return (draw(arrays(shapes(min_dims=2, min_side=0))),), {"offset": draw(st.integers(-3, 3))}


@sample("cross", reference=lambda x, y, axis=-1: np.cross(x, y, axis=axis))
def _(draw):
    left, right = draw(broadcastable_shapes(2, max_dims=2))
    return (draw(arrays((*left, 3))), draw(arrays((*right, 3)))), {}


@sample("cross", reference=lambda x, y, axis=-1: np.cross(x, y, axis=axis))
def _(draw):
    axis = draw(st.sampled_from([0, 1, -2]))
    shape = (3, 2) if axis in (0, -2) else (2, 3)
    return (draw(arrays(shape)), draw(arrays(shape))), {"axis": axis}


@sample("kron")
def _(draw):
    return (draw(arrays(shapes(max_dims=3, max_side=2))), draw(arrays(shapes(max_dims=3, max_side=2)))), {}
