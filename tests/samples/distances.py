"""Samples of the operations in `ops/distances.py`."""

import numpy as np

from tests.samples import arrays, sample, st

ORDERS = st.sampled_from([1.0, 2.0, 3.0, 0.5])


def norm(x, p, keepdims=False):
    return np.sum(np.abs(x) ** p, axis=-1, keepdims=keepdims) ** (1 / p)


def vectors(draw, *shapes):
    """Arrays of these shapes, no number of which is near one of another, nor near the negative of one."""
    found = []
    for i, shape in enumerate(shapes):
        found.append(np.abs(draw(arrays(shape))) + 0.3 + 7.0 * i)
    return found


@sample("pairwise_distance", reference=lambda x, y, p, keepdims: norm(x - y + 1e-6, p, keepdims))
def _(draw):
    d = draw(st.integers(1, 3))
    x, y = vectors(draw, *draw(st.sampled_from([((2, d), (2, d)), ((d,), (3, d)), ((2, 1, d), (1, 3, d))])))
    return (x, y), {"p": draw(ORDERS), "keepdims": draw(st.booleans())}


def cosine(x, y, axis):
    x, y = np.broadcast_arrays(x, y)
    return np.sum(x * y, axis) / np.sqrt(np.sum(np.abs(x) ** 2, axis) * np.sum(np.abs(y) ** 2, axis))


@sample("cosine_similarity", reference=cosine)
def _(draw):
    axis = draw(st.sampled_from([0, 1, -1]))
    x, y = (
        draw(st.sampled_from([((2, 3), (2, 3)), ((2, 3), (1, 3)), ((3, 2, 2), (2, 2))])) if axis else ((3, 2), (3, 1))
    )
    return (draw(arrays(x)) + 0.5, draw(arrays(y)) + np.arange(y[axis]).reshape(cosine_shape(y, axis))), {"axis": axis}


def cosine_shape(shape, axis):
    return tuple(n if i == axis % len(shape) else 1 for i, n in enumerate(shape))


@sample("euclidean_cdist", reference=lambda x, y: norm(x[..., :, None, :] - y[..., None, :, :], 2.0))
def _(draw):
    m, n, d = draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.integers(1, 3))
    x, y = vectors(draw, *draw(st.sampled_from([((m, d), (n, d)), ((2, m, d), (n, d)), ((2, 1, m, d), (3, n, d))])))
    return (x, y), {}


@sample("cdist", reference=lambda x, y, p: norm(x[..., :, None, :] - y[..., None, :, :], p))
def _(draw):
    front = draw(st.sampled_from([(), (2,)]))
    m, n, d = (draw(st.integers(1, 3)) for _ in range(3))
    x, y = vectors(draw, (*front, m, d), (n, d))
    return (x, y), {"p": draw(ORDERS)}


@sample(
    "pdist",
    reference=lambda x, p: np.array([norm(x[i] - x[j], p) for i in range(len(x)) for j in range(i + 1, len(x))]),
)
def _(draw):
    n, d = draw(st.integers(0, 4)), draw(st.integers(1, 3))
    return (draw(arrays((n, d))) + 10.0 * np.arange(n)[:, None],), {"p": draw(ORDERS)}
