"""Special functions under SciPy's names, differentiable.

Some need the package SciPy on the CPU: install it with `pip install 'tinygrad-lite[scipy]'`.

>>> special.expit(np.array([0.0, 1000.0]))
array([0.5, 1. ])
"""

from .ops.activations import erf, log_softmax, sigmoid, softmax
from .ops.bessel import i0, i0e, i1, i1e, j0, j1
from .ops.elementwise import expm1, log1p
from .ops.reductions import logsumexp
from .ops.special_functions import (
    beta,
    betaln,
    digamma,
    entr,
    erfc,
    erfinv,
    gammaln,
    inverse_mills,
    log_ndtr,
    logaddexp2,
    logit,
    ndtr,
    polygamma,
    sinc,
    sinc_derivative,
    xlog1py,
    xlogy,
)

__all__ = [
    "beta", "betaln", "digamma", "entr", "erf", "erfc", "erfinv", "expit", "expm1", "gammaln", "i0", "i0e", "i1", "i1e",
    "inverse_mills", "j0", "j1", "log1p", "log_ndtr", "log_softmax", "logaddexp2", "logit", "logsumexp", "ndtr",
    "polygamma", "psi", "sinc", "sinc_derivative", "softmax", "xlog1py", "xlogy",
]  # fmt: skip

expit = sigmoid
psi = digamma
