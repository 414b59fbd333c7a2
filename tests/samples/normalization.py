"""Samples of the operations in `ops/normalization.py`."""

import numpy as np

from tests.samples import arrays, reference, sample, shapes, st
from tinygrad_lite import Generator, Interval


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


def batch_norm_training(x, weight=None, bias=None, axis=1, eps=1e-5):
    mean, var = moments(x, tuple(i for i in range(x.ndim) if i != axis))
    return batch_norm(x, mean, var, weight, bias, axis, eps), mean, var


@sample("batch_norm_training", reference=batch_norm_training)
def _(draw):
    # With two values per channel the gradient is the small difference of large terms, of which few digits are left.
    x = draw(arrays(shapes(min_dims=2, max_dims=4, min_side=3, max_side=3)))
    axis = draw(st.integers(0, x.ndim - 1))
    channels = (x.shape[axis],)
    weight, bias = draw(st.none() | arrays(channels)), draw(st.none() | arrays(channels))
    return (x, weight, bias), {"axis": axis, "eps": draw(st.sampled_from([1e-5, 0.1]))}


def moments(x, axis=None, keepdims=False):
    return x.mean(axis, keepdims=keepdims), x.var(axis, keepdims=keepdims)


@sample("moments", reference=moments)
def _(draw):
    x = draw(arrays(shapes(min_dims=1, max_side=3)))
    return (x,), {
        "axis": draw(st.sampled_from([None, 0, -1, (0, -1)][: 3 + (x.ndim > 1)])),
        "keepdims": draw(st.booleans()),
    }


reference("moments_gradient", lambda x, mean, of_mean, of_var: (x - mean) * of_var + of_mean)


def by_channel(out, weight, bias=None):
    shape = (1, -1, *[1] * (out.ndim - 2))
    out = out if weight is None else out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


def group_norm(x, weight=None, bias=None, num_groups=1, eps=1e-5):
    parts = []
    for part in np.split(x, num_groups, axis=1):
        axes = tuple(range(1, x.ndim))
        parts.append((part - part.mean(axes, keepdims=True)) / np.sqrt(part.var(axes, keepdims=True) + eps))
    return by_channel(np.concatenate(parts, axis=1), weight, bias)


@sample("group_norm", reference=group_norm)
def _(draw):
    num_groups = draw(st.integers(1, 2))
    channels = 2 * num_groups
    x = draw(arrays((draw(st.integers(1, 3)), channels, *draw(st.sampled_from([(2,), (2, 2), (3,)])))))
    weight, bias = draw(st.none() | arrays((channels,))), draw(st.none() | arrays((channels,)))
    return (x, weight, bias), {"num_groups": num_groups, "eps": draw(st.sampled_from([1e-5, 0.1]))}


@sample("instance_norm", reference=lambda x, *a, **options: group_norm(x, *a, **options, num_groups=x.shape[1]))
def _(draw):
    channels = draw(st.integers(1, 3))
    x = draw(arrays((draw(st.integers(1, 3)), channels, *draw(st.sampled_from([(3,), (2, 2), (3, 1, 2)])))))
    weight, bias = draw(st.none() | arrays((channels,))), draw(st.none() | arrays((channels,)))
    return (x, weight, bias), {"eps": draw(st.sampled_from([1e-5, 0.1]))}


def rms_norm(x, weight=None, axis=-1, eps=None):
    axes = tuple(a % x.ndim for a in np.atleast_1d(axis))
    eps = np.finfo(x.dtype).eps if eps is None else eps
    out = x / np.sqrt((x**2).mean(axes, keepdims=True) + eps)
    return out if weight is None else out * weight.reshape([n if a in axes else 1 for a, n in enumerate(x.shape)])


@sample("rms_norm", reference=rms_norm)
def _(draw):
    x = draw(arrays(shapes(min_dims=2, min_side=2)))
    axis = draw(st.sampled_from([-1, 0, (-2, -1), (0, x.ndim - 1)]))
    lengths = tuple(x.shape[a] for a in sorted(a % x.ndim for a in np.atleast_1d(axis)))
    return (x, draw(st.none() | arrays(lengths))), {"axis": axis, "eps": draw(st.sampled_from([1e-5, 0.1]))}


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    total = np.zeros_like(x)
    for c in range(x.shape[1]):
        first, last = max(c - size // 2, 0), c + (size - 1) // 2
        total[:, c] = (x[:, first : last + 1] ** 2).sum(axis=1)
    return x / (k + alpha * total / size) ** beta


@sample("local_response_norm", reference=local_response_norm)
def _(draw):
    x = draw(arrays(shapes(min_dims=3, max_dims=4, max_side=4)))
    return (x,), {
        "size": draw(st.integers(1, 5)),
        "alpha": draw(st.sampled_from([1e-4, 1.0])),
        "beta": draw(st.sampled_from([0.75, 2.0])),
        "k": draw(st.sampled_from([1.0, 2.0])),
    }


def normalize(x, p=2.0, axis=1, eps=1e-12):
    return x / np.maximum(np.linalg.vector_norm(x, ord=p, axis=axis, keepdims=True), eps)


@sample("normalize", reference=normalize)
def _(draw):
    # A vector of one element becomes its sign, whose derivative 0 is the difference of large terms.
    x = draw(arrays(shapes(min_dims=2, min_side=2)))
    axis = draw(st.sampled_from([1, 0, -1, (0, 1)]))
    return (x,), {"axis": axis, "p": draw(st.sampled_from([2.0, 1.0, 3.0, np.inf])), "eps": 1e-12}


def drop(x, draw, scale):
    return np.where(draw.make(), x * scale, 0.0)


@sample("drop", reference=drop)
def _(draw):
    x = draw(arrays(shapes(min_side=0)))
    p = draw(st.sampled_from([0.0, 0.3, 1.0]))
    return (x,), {
        "draw": Generator(draw(st.integers(0, 9))).mask(p, x.shape),
        "scale": draw(st.sampled_from([1.0, 1.7])),
    }
