"""Samples of the operations in `ops/smooth.py`."""

import numpy as np
import scipy.special

from tests.samples import arrays, axis, reference, sample, shapes

reference("mish", lambda x: x * np.tanh(np.logaddexp(0, x)))
reference("logsigmoid", lambda x: -np.logaddexp(0, -x))
reference("tanhshrink", lambda x: x - np.tanh(x))


def glu(x, axis):
    value, gate = np.split(x, 2, axis=axis)
    return value * scipy.special.expit(gate)


@sample("glu", reference=glu)
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    chosen = draw(axis(x.ndim))
    return (np.concatenate([x, x * 0.5 + 0.1], axis=chosen),), {"axis": chosen}


@sample("softmin", reference=lambda x, axis: scipy.special.softmax(-x, axis=axis))
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    return (x,), {"axis": draw(axis(x.ndim))}
