"""Samples of the operations in `ops/decompositions.py`. Singular vectors may have any sign, so have no reference."""

import numpy as np

from tests.samples import generators, sample, st
from tests.samples.solving import matrices


def symmetric(function):
    return lambda x, **statics: function((x + x.conj().swapaxes(-1, -2)) / 2, **statics)


@sample("cholesky", reference=symmetric(np.linalg.cholesky))
def _(draw):
    return (draw(matrices(symmetric=True)),), {"upper": draw(st.booleans())}


def complete_or_reduced(x, mode="reduced"):
    return tuple(np.linalg.qr(x, mode=mode))


@sample("qr", reference=complete_or_reduced)
def _(draw):
    x = draw(matrices(draw(st.integers(1, 3)), draw(st.integers(1, 3))))
    return (x,), {"mode": draw(st.sampled_from(["reduced", "complete"]))}


@sample("eigh", reference=None)
def _(draw):
    return (draw(matrices(symmetric=True)),), {}


@sample("eigvalsh", reference=symmetric(np.linalg.eigvalsh))
def _(draw):
    return (draw(matrices(symmetric=True)),), {}


def rectangular(draw):
    return draw(matrices(draw(st.integers(1, 3)), draw(st.integers(1, 3))))


@sample("known_eigh", reference=None)
def _(draw):
    return (draw(matrices(symmetric=True)), None, None), {}


@sample("eigh_gradient", reference=None)
def _(draw):
    x = draw(matrices(symmetric=True))
    rng = draw(generators())
    return (rng.standard_normal(x.shape[:-1]), rng.standard_normal(x.shape), x, None, None), {}


@sample("svd", reference=None)
def _(draw):
    return (rectangular(draw),), {"full_matrices": False}


@sample("svdvals", reference=np.linalg.svdvals)
def _(draw):
    return (rectangular(draw),), {}


@sample("matrix_rank", reference=lambda x, rtol=None: np.linalg.matrix_rank(x, rtol=rtol))
def _(draw):
    return (rectangular(draw),), {"rtol": draw(st.sampled_from([None, 0.3, 0.5]))}


@sample("pinv", reference=lambda x, rtol=None: np.linalg.pinv(x, rtol=rtol))
def _(draw):
    return (rectangular(draw),), {}
