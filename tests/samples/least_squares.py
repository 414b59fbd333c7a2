"""Samples of the operations in `ops/least_squares.py`."""

import numpy as np

from tests.samples import arrays, sample, st
from tests.samples.solving import matrices


def least_squares(a, b):
    x, _, rank, values = np.linalg.lstsq(a, b)
    return x, np.sum(abs(a @ x - b) ** 2, axis=0), np.asarray(rank), values


@sample("lstsq", reference=least_squares)
def _(draw):
    m, n = draw(st.sampled_from([(3, 1), (3, 2), (4, 2)]))
    b = draw(arrays((m,) if draw(st.booleans()) else (m, 2)))
    return (draw(matrices(m, n, front=())), b), {}
