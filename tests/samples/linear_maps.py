"""Samples of the operations in `ops/linear_maps.py`."""

import numpy as np

from tests.samples import arrays, sample, shapes, st


def plus(out, bias):
    return out if bias is None else out + bias


@sample("linear", reference=lambda x, w, b=None: plus(x @ w.T, b))
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    front = draw(st.sampled_from([(), (1,), (3,)]))
    return (x, draw(arrays((*front, x.shape[-1]))), draw(st.none() | arrays(front))), {}


@sample("bilinear", reference=lambda x, y, w, b=None: plus(np.einsum("...i,oij,...j->...o", x, w, y), b))
def _(draw):
    front = draw(st.sampled_from([(), (2,)]))
    n, m, outputs = (draw(st.integers(1, 3)) for _ in range(3))
    x, y, w = (draw(arrays(shape)) for shape in ((*front, n), (*front, m), (outputs, n, m)))
    return (x, y, w, draw(st.none() | arrays((outputs,)))), {}
