"""Samples of the operations in `ops/special_functions.py`."""

import numpy as np
import scipy.special

from tests.samples import arrays, integer_arrays, reference, sample, shapes, st
from tinygrad_lite import Interval

reference("inverse_mills", lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) / scipy.special.ndtr(x))
reference("erfc", lambda x: 1 - scipy.special.erf(x))
reference("ndtr", lambda x: 0.5 + 0.5 * scipy.special.erf(x / np.sqrt(2)))
reference("log_ndtr", lambda x: np.log(0.5 + 0.5 * scipy.special.erf(x / np.sqrt(2))))
reference("gammaln", lambda x: np.log(scipy.special.gamma(x)))
reference("betaln", lambda a, b: np.log(scipy.special.beta(a, b)))
reference("beta", lambda a, b: scipy.special.gamma(a) * scipy.special.gamma(b) / scipy.special.gamma(a + b))


@sample("polygamma")
def _(draw):
    x = draw(arrays(shapes(), domain=Interval(0, np.inf)))
    return (draw(integer_arrays(draw(st.sampled_from([(), x.shape])), 0, 4)), x), {}


def sinc_derivative(x, n):
    """The integral over t from 0 to 1 of the derivative of cos(pi x t)."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    t = (nodes + 1) / 2
    return np.cos(np.pi * x[..., None] * t + n * np.pi / 2) * (np.pi * t) ** n @ (weights / 2)


@sample("sinc_derivative", reference=sinc_derivative)
def _(draw):
    return (draw(arrays(shapes(min_side=0))),), {"n": draw(st.integers(1, 4))}
