"""Samples of the operations in `ops/determinants.py`."""

import numpy as np

from tests.samples import arrays, sample, st
from tests.samples.solving import matrices


@sample("det", reference=np.linalg.det)
def _(draw):
    return (draw(matrices()),), {}


@sample("det", reference=np.linalg.det)
def _(draw):
    """Singular matrices."""
    n = draw(st.integers(1, 3))
    return (draw(arrays((n, n - 1))) @ draw(arrays((n - 1, n))),), {}


@sample("cofactor", reference=lambda x: np.linalg.det(x)[..., None, None] * np.linalg.inv(x).swapaxes(-1, -2))
def _(draw):
    return (draw(matrices()),), {}


@sample("slogdet", reference=np.linalg.slogdet)
def _(draw):
    return (draw(matrices()),), {}
