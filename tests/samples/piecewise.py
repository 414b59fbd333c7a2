"""Samples of the operations in `ops/piecewise.py`."""

import numpy as np

from tests.samples import arrays, reference, sample, shapes, st

ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805

reference("relu6", lambda x: np.minimum(np.maximum(x, 0), 6))
reference("hardsigmoid", lambda x: np.minimum(np.maximum(x + 3, 0), 6) / 6)
reference("hardswish", lambda x: x * np.minimum(np.maximum(x + 3, 0), 6) / 6)
reference("selu", lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(x)))
reference("softsign", lambda x: x / (1 + np.abs(x)))


def shaped(draw, *kinks):
    return draw(arrays(shapes(min_side=0), layouts=("contiguous", "reversed"), kinks=kinks))


@sample("hardtanh", reference=lambda x, min_val, max_val: np.clip(x, min_val, max_val))
def _(draw):
    return (shaped(draw, -1.0, 0.5, 1.0),), draw(
        st.sampled_from([{"min_val": -1.0, "max_val": 1.0}, {"min_val": 0.5, "max_val": np.inf}])
    )


@sample("softshrink", reference=lambda x, lambd: np.where(np.abs(x) > lambd, x - lambd * np.sign(x), 0))
def _(draw):
    return (shaped(draw, -1.0, -0.5, 0.5, 1.0),), {"lambd": draw(st.sampled_from([0.5, 1.0]))}


@sample("hardshrink", reference=lambda x, lambd: np.where(np.abs(x) > lambd, x, 0))
def _(draw):
    return (shaped(draw, -1.0, -0.5, 0.5, 1.0),), {"lambd": draw(st.sampled_from([0.5, 1.0]))}


@sample("threshold", reference=lambda x, threshold, value: np.where(x > threshold, x, value))
def _(draw):
    return (shaped(draw, -1.0, 0.5),), {"threshold": draw(st.sampled_from([-1.0, 0.5])), "value": 20.0}


def prelu(x, weight):
    slopes = weight.reshape([-1 if i == min(x.ndim - 1, 1) else 1 for i in range(x.ndim)])
    return np.where(x > 0, x, slopes * x)


@sample("prelu", reference=prelu)
def _(draw):
    x = shaped(draw, 0.0)
    several = x.ndim > 0 and draw(st.booleans())
    return (x, draw(arrays((x.shape[min(x.ndim - 1, 1)] if several else 1,)))), {}


@sample("celu", reference=lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x / alpha)))
def _(draw):
    return (shaped(draw, 0.0),), {"alpha": draw(st.sampled_from([1.0, 0.5, 2.0]))}
