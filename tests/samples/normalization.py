"""Samples of the operations in `ops/normalization.py`."""

import numpy as np

from tests.samples import arrays, sample, shapes, st
from tinygrad_lite import Interval


def layer_norm(x, weight=None, bias=None, axis=-1, eps=1e-5):
    axes = [a % x.ndim for a in np.atleast_1d(axis)]
    shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
    out = (x - x.mean(tuple(axes), keepdims=True)) / np.sqrt(x.var(tuple(axes), keepdims=True) + eps)
    out = out if weight is None else out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


@sample("layer_norm", reference=layer_norm)
def _(draw):
    # With two values per row the gradient is the small difference of large terms, of which few digits are left.
    x = draw(arrays(shapes(min_dims=2, min_side=3)))
    axis = draw(st.sampled_from([-1, 0, (-1,), (-2, -1), (0, x.ndim - 1)]))
    lengths = tuple(x.shape[a] for a in sorted(a % x.ndim for a in np.atleast_1d(axis)))
    weight = draw(st.none() | arrays(lengths))
    bias = draw(st.none() | arrays(lengths))
    return (x, weight, bias), {"axis": axis, "eps": draw(st.sampled_from([1e-5, 0.1]))}


def batch_norm(x, mean, var, weight=None, bias=None, axis=1, eps=1e-5):
    mean, var, weight, bias = (
        None if a is None else np.expand_dims(a, [i for i in range(x.ndim) if i != axis])
        for a in (mean, var, weight, bias)
    )
    out = (x - mean) / np.sqrt(var + eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


@sample("batch_norm", reference=batch_norm)
def _(draw):
    x = draw(arrays(shapes(min_dims=2, max_dims=4, max_side=3)))
    axis = draw(st.integers(0, x.ndim - 1))
    channels = (x.shape[axis],)
    mean, var = draw(arrays(channels)), draw(arrays(channels, domain=Interval(0, np.inf)))
    weight, bias = draw(st.none() | arrays(channels)), draw(st.none() | arrays(channels))
    return (x, mean, var, weight, bias), {"axis": axis, "eps": draw(st.sampled_from([1e-5, 0.1]))}
