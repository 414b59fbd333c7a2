"""Samples of the operations in `ops/chains.py`."""

import itertools
from functools import reduce

import numpy as np

from tests.samples import arrays, sample, st


@sample("chain_product", reference=lambda *factors: reduce(np.matmul, factors))
def _(draw):
    sizes = draw(st.lists(st.integers(0, 4), min_size=3, max_size=5))
    row, column = draw(st.booleans()), draw(st.booleans())
    factors = [draw(arrays((m, n))) for m, n in itertools.pairwise(sizes)]
    if row:
        factors[0] = draw(arrays((sizes[1],)))
    if column:
        factors[-1] = draw(arrays((sizes[-2],)))
    return tuple(factors), {}
