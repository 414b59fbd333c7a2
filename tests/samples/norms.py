"""Samples of the operations in `ops/norms.py`."""

from math import inf

import numpy as np

from tests.samples import arrays, axes, sample, shapes, st
from tests.samples.solving import matrices

ORDERS = [inf, -inf, 0, 1, 2, 3, 0.5, 1.5, -1, -2]


@sample("vector_norm", reference=lambda x, **statics: np.linalg.vector_norm(x, **statics))
def _(draw):
    x = draw(arrays(shapes(max_dims=3)))
    ord = draw(st.sampled_from(ORDERS[:2] + ORDERS[3:]))
    return (x,), {"axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans()), "ord": ord}


@sample("vector_norm", reference=lambda x, ord: np.linalg.vector_norm(x, ord=ord), order=0)
def _(draw):
    return (draw(arrays(shapes(min_dims=1))),), {"ord": 0}


@sample(
    "lp_norm",
    reference=lambda x, p, axis=None, keepdims=False: np.linalg.vector_norm(x, ord=p, axis=axis, keepdims=keepdims),
)
def _(draw):
    x = draw(arrays(shapes(max_dims=3)))
    p = draw(st.sampled_from([2, 3, 0.5, 1.5, -1]))
    return (x,), {"p": p, "axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans())}


@sample("matrix_norm", reference=lambda x, **statics: np.linalg.matrix_norm(x, **statics))
def _(draw):
    ord = draw(st.sampled_from(["fro", "nuc", 1, -1, 2, -2, inf, -inf]))
    x = draw(matrices(draw(st.integers(1, 3)), draw(st.integers(1, 3))))
    return (x,), {"ord": ord, "keepdims": draw(st.booleans())}


NORMS = [(None, None), ("fro", (0, 2)), ("nuc", (2, 1)), (1, (1, 2)), (inf, (2, 1)), (3, 1), (-2, (-1, 0)), (None, 0)]


@sample("norm", reference=lambda x, **statics: np.linalg.norm(x, **statics))
def _(draw):
    ord, axis = draw(st.sampled_from(NORMS))
    return (draw(arrays((2, 3, 2))),), {"ord": ord, "axis": axis, "keepdims": draw(st.booleans())}


@sample("cond", reference=lambda x, p=None: np.linalg.cond(x, p))
def _(draw):
    p = draw(st.sampled_from([None, 2, -2, 1, -1, inf, -inf, "fro", "nuc"]))
    return (draw(matrices(draw(st.integers(2, 3)), front=draw(st.sampled_from([(), (2,)])))),), {"p": p}
