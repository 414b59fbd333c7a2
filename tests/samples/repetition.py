"""Samples of the operations in `ops/repetition.py`."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, axis, integer_arrays, reference, sample, shapes, st


@sample("repeat")
def _(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=0)))
    along = draw(st.one_of(st.none(), axis(x.ndim)))
    n = x.size if along is None else x.shape[along]
    counts = draw(st.one_of(st.integers(0, 3), integer_arrays((n,), 0, 3).map(lambda c: tuple(c.tolist()))))
    return (x,), {"repeats": counts, "axis": along}


@sample("tile", reference=lambda x, repetitions: np.tile(x, repetitions))
def _(draw):
    x = draw(arrays(shapes(min_side=0)))
    return (x,), {"repetitions": draw(st.one_of(st.integers(0, 3), shapes(min_side=0, max_side=3)))}


@sample("rot90")
def _(draw):
    x = draw(arrays(shapes(min_dims=2, min_side=0)))
    axes = draw(st.permutations(range(x.ndim)))[:2]
    return (x,), {"k": draw(st.integers(-3, 5)), "axes": (axes[0] - x.ndim, axes[1])}


reference("diff", lambda x, axis, n: np.diff(x, axis=axis, n=n))


@sample("diff")
def _(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=0)))
    return (x,), {"axis": draw(axis(x.ndim)), "n": draw(st.integers(0, 3))}
