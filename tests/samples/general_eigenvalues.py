"""Samples of the operations in `ops/general_eigenvalues.py`: with real eigenvalues, so that vectors have no phase."""

import numpy as np

from tests.samples import generators, sample, shapes, st


@st.composite
def real_eigenvalues(draw):
    n = draw(st.integers(0, 3))
    front = draw(shapes(max_dims=1, min_side=0, max_side=2))
    rng = draw(generators())
    basis = np.eye(n) + np.triu(0.5 * rng.standard_normal((*front, n, n)), 1)
    turn = np.linalg.qr(rng.standard_normal((*front, n, n)))[0]
    basis = turn @ basis
    return (basis * (1 + 0.6 * np.arange(n))) @ np.linalg.inv(basis)


@sample("eig", reference=None)
def _(draw):
    return (draw(real_eigenvalues()),), {}


@sample("eigvals", reference=lambda x: np.linalg.eig(x)[0].astype("complex128"))
def _(draw):
    return (draw(real_eigenvalues()),), {}
