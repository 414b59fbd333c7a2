"""Samples of the operations in `ops/matrix_functions.py`."""

import numpy as np
import scipy.linalg

from tests.samples import sample, st
from tests.samples.solving import matrices


@sample("matrix_power", reference=lambda x, n: np.linalg.matrix_power(x, n))
def _(draw):
    return (draw(matrices()),), {"n": draw(st.integers(-3, 5))}


@sample("expm", reference=scipy.linalg.expm, tolerance=10)
def _(draw):
    return (draw(matrices(min_side=1, front=())) * draw(st.sampled_from([0.1, 1.0])),), {}
