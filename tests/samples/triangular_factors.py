"""Samples of the operations in `ops/triangular_factors.py`."""

import numpy as np
import scipy.linalg

from tests.samples import sample, st
from tests.samples.solving import matrices


def factors(x):
    if not x.size:  # SciPy's factors of an empty matrix have other shapes
        m, n, k = *x.shape[-2:], min(x.shape[-2:])
        p = np.broadcast_to(np.eye(m), (*x.shape[:-2], m, m))
        return p, np.zeros((*x.shape[:-2], m, k)), np.zeros((*x.shape[:-2], k, n))
    return scipy.linalg.lu(x)


def rectangular(draw):
    """Rows of very different size, so that no small change turns their order."""
    m, n = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    x = draw(matrices(m, n))
    return x + 5 * np.eye(m, n)[draw(st.permutations(range(m)))]


@sample("lu", reference=factors)
def _(draw):
    return (rectangular(draw),), {}


def ordered(x):
    p, lower, upper = factors(x)
    order = np.argmax(p, axis=-2) if x.shape[-2] else np.zeros(x.shape[:-1], int)
    return order, lower, upper


@sample("lu_factors", reference=ordered)
def _(draw):
    return (rectangular(draw),), {}
