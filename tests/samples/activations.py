"""Samples of the operations in `ops/activations.py`."""

import numpy as np
import scipy.special

from tests.samples import arrays, axis, reference, sample, shapes, st

reference("relu", lambda x: np.maximum(x, 0.0))
reference("sigmoid", scipy.special.expit)
reference("floored", lambda x: np.maximum(x, -1000.0))
reference("silu", lambda x: x * scipy.special.expit(x))
reference("step", lambda x: np.heaviside(x, 0.0))


def shaped(draw, **options):
    return draw(arrays(shapes(min_side=0), layouts=("contiguous", "reversed"), **options))


@sample("leaky_relu", reference=lambda x, negative_slope: np.where(x > 0, x, negative_slope * x))
def _(draw):
    return (shaped(draw, kinks=(0.0,)),), {"negative_slope": draw(st.sampled_from([0.01, 0.0, 0.5, -1.0]))}


@sample("elu", reference=lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x)))
def _(draw):
    return (shaped(draw, kinks=(0.0,)),), {"alpha": draw(st.sampled_from([1.0, 0.5, 2.0]))}


@sample("odd_cubic", reference=lambda x, linear, cubic: linear * x + cubic * x**3)
def _(draw):
    return (shaped(draw),), {"linear": draw(st.sampled_from([1.0, -2.0])), "cubic": draw(st.sampled_from([0.5, 0.0]))}


@sample("softplus", reference=lambda x, beta: np.logaddexp(0.0, beta * x) / beta)
def _(draw):
    return (shaped(draw),), {"beta": draw(st.sampled_from([1.0, 0.5, 3.0]))}


def softmax(x, axis):
    return scipy.special.softmax(x, axis=axis) if x.size else x  # SciPy refuses empty arrays


def gelu(x, approximate="none"):
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x * scipy.special.ndtr(x)


@sample("gelu", reference=gelu)
def _(draw):
    return (shaped(draw),), {"approximate": draw(st.sampled_from(["none", "tanh"]))}


@sample("softmax", reference=softmax)
def _(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=0)))
    return (x,), {"axis": draw(axis(x.ndim))}


@sample("softmax", reference=softmax)
def _(draw):
    return (draw(arrays(shapes(min_dims=2))),), {"axis": (0, -1)}


@sample("log_softmax", reference=scipy.special.log_softmax)
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    return (x,), {"axis": draw(axis(x.ndim))}


@sample("log_softmax", reference=scipy.special.log_softmax)
def _(draw):
    return (draw(arrays(shapes(min_dims=2))),), {"axis": (0, -1)}
