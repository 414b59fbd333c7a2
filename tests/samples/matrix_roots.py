"""Samples of the operations in `ops/matrix_roots.py`."""

import numpy as np
import scipy.linalg

from tests.samples import arrays, sample, st
from tests.samples.hermitian_functions import positive
from tests.samples.solving import matrices


def each(function):
    """SciPy's function of one matrix for stacks of them."""
    return np.vectorize(function, signature="(n,n)->(n,n)", otypes=["float64"])


def symmetric(function):
    return lambda x: function((x + x.swapaxes(-1, -2)) / 2)


def with_choice(function):
    stacked = each(function)
    return lambda x, hermitian=False: (symmetric(stacked) if hermitian else stacked)(x)


def no_negative_eigenvalues(draw):
    """Not symmetric, with a repeated eigenvalue now and then."""
    x = draw(positive(values=draw(st.sampled_from([(1.0, 1.0, 2.5), (0.5, 3.0, 4.0)]))))
    n = x.shape[-1]
    return x + 0.3 * np.triu(np.ones((n, n)), 1)


@sample("principal_root", reference=each(scipy.linalg.sqrtm), tolerance=10)
def _(draw):
    return (no_negative_eigenvalues(draw),), {}


@sample("sqrtm", reference=with_choice(scipy.linalg.sqrtm), tolerance=10)
def _(draw):
    return (draw(positive()),), {"hermitian": draw(st.booleans())}


@sample("logm", reference=with_choice(scipy.linalg.logm), tolerance=10)
def _(draw):
    hermitian = draw(st.booleans())
    return (draw(positive()) if hermitian else no_negative_eigenvalues(draw),), {"hermitian": hermitian}


@sample("solve_sylvester", reference=np.vectorize(scipy.linalg.solve_sylvester, signature="(m,m),(n,n),(m,n)->(m,n)", otypes=["float64"]))  # fmt: skip
def _(draw):
    m, n = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    fronts = draw(st.sampled_from([((), (), ()), ((2,), (), ()), ((2, 1), (3,), ()), ((), (), (2,))]))
    a, b = (draw(matrices(k, front=front, symmetric=True)) for k, front in zip((m, n), fronts[:2], strict=True))
    a = a + 0.2 * np.triu(np.ones((m, m)), 1)
    return (a, b, draw(arrays((*fronts[2], m, n)))), {}
