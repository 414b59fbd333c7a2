"""Samples of the operations in `ops/matrix_roots.py`."""

import warnings

import numpy as np
import scipy.linalg

from tests.samples import arrays, sample, st
from tests.samples.hermitian_functions import of_eigenvalues, positive
from tests.samples.solving import matrices


def each(function):
    """SciPy's function of one matrix for stacks of them, also empty ones."""

    def one(x):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of singular matrices
            warnings.simplefilter("error", np.exceptions.ComplexWarning)  # of a complex root of a real matrix
            return function(x).astype(np.result_type(x, float)) if x.size else x

    def stacked(x):
        dtype = np.result_type(x, float)
        return np.vectorize(one, signature="(n,n)->(n,n)", otypes=[dtype])(x)

    return stacked


def with_choice(function, elementwise):
    stacked = each(function)
    return lambda x, hermitian=False: of_eigenvalues(x, elementwise) if hermitian else stacked(x)


def no_negative_eigenvalues(draw):
    """Not symmetric, with a repeated eigenvalue now and then."""
    x = draw(positive(values=draw(st.sampled_from([(2.0, 2.0, 5.0), (0.5, 3.0, 4.0)]))))
    n = x.shape[-1]
    return x + 0.3 * np.triu(np.ones((n, n)), 1)


@sample("principal_root", reference=each(scipy.linalg.sqrtm), tolerance=10)
def _(draw):
    return (no_negative_eigenvalues(draw),), {}


@sample("sqrtm", reference=with_choice(scipy.linalg.sqrtm, np.sqrt), tolerance=10)
def _(draw):
    return (draw(positive()),), {"hermitian": draw(st.booleans())}


@sample("logm", reference=with_choice(scipy.linalg.logm, np.log), tolerance=10)
def _(draw):
    hermitian = draw(st.booleans())
    return (draw(positive()) if hermitian else no_negative_eigenvalues(draw),), {"hermitian": hermitian}


def sylvester(*matrices):
    dtype = np.result_type(*matrices, float)
    one = np.vectorize(scipy.linalg.solve_sylvester, signature="(m,m),(n,n),(m,n)->(m,n)", otypes=[dtype])
    return one(*matrices)


@sample("solve_sylvester", reference=sylvester)
def _(draw):
    m, n = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    fronts = draw(st.sampled_from([((), (), ()), ((2,), (), ()), ((2, 1), (3,), ()), ((), (), (2,))]))
    a, b = (draw(matrices(k, front=front, symmetric=True)) for k, front in zip((m, n), fronts[:2], strict=True))
    a = a + 0.2 * np.triu(np.ones((m, m)), 1)
    return (a, b, draw(arrays((*fronts[2], m, n)))), {}
