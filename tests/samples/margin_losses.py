"""Samples of the operations in `ops/margin_losses.py`."""

import itertools

import numpy as np

import tinygrad_lite as tl
from tests.samples import arrays, integer_arrays, sample, shapes, st
from tests.samples.losses import REDUCTIONS, reduced


def signs(draw, shape):
    return 2 * draw(integer_arrays(shape, 0, 2)) - 1


def hinge_embedding(x, t, margin, reduction):
    return reduced(np.where(t == 1, x, np.maximum(margin - x, 0)), reduction)


@sample("hinge_embedding", reference=hinge_embedding)
def _(draw):
    x = draw(arrays(shapes(), kinks=(1.0,)))
    return (x, signs(draw, x.shape)), {"margin": 1.0, "reduction": draw(REDUCTIONS)}


def margin_ranking(x, y, t, margin, reduction):
    return reduced(np.maximum(-t * (x - y) + margin, 0), reduction)


@sample("margin_ranking", reference=margin_ranking)
def _(draw):
    shape = draw(shapes())
    y, margin = draw(arrays(shape)), draw(st.sampled_from([0.0, 0.5]))
    return (y + draw(arrays(shape, kinks=(-0.5, 0.0, 0.5))), y, signs(draw, shape)), {
        "margin": margin,
        "reduction": draw(REDUCTIONS),
    }


@sample("soft_margin", reference=lambda x, t, reduction: reduced(np.logaddexp(0, -t * x), reduction))
def _(draw):
    x = draw(arrays(shapes()))
    return (x, signs(draw, x.shape)), {"reduction": draw(REDUCTIONS)}


def multi_margin(x, t, weight, p, margin, reduction):
    losses = np.zeros(t.shape)
    for i in np.ndindex(t.shape):
        for j in range(x.shape[-1]):
            if j != t[i]:
                scale = 1 if weight is None else weight[t[i]]
                losses[i] += scale * max(0, margin - x[i][t[i]] + x[i][j]) ** p / x.shape[-1]
    return reduced(losses, reduction)


@sample("multi_margin", reference=multi_margin)
def _(draw):
    x = draw(arrays(shapes(min_dims=1, max_dims=2, max_side=3)))
    # Whole numbers apart from fractions that are well below a half: no difference is near the margin.
    x = np.round(2 * x) + 0.04 * x
    weight = draw(arrays(x.shape[-1:])) if draw(st.booleans()) else None
    statics = {"p": draw(st.sampled_from([1, 2])), "margin": 0.5, "reduction": draw(REDUCTIONS)}
    return (x, draw(integer_arrays(x.shape[:-1], 0, x.shape[-1])), weight), statics


def multilabel_margin(x, t, reduction):
    losses = np.zeros(t.shape[:-1])
    for i in np.ndindex(losses.shape):
        right = list(itertools.takewhile(lambda label: label >= 0, t[i].tolist()))
        wrong = set(range(x.shape[-1])) - set(right)
        losses[i] = sum(max(0, 1 - x[i][j] + x[i][k]) for j in right for k in wrong) / x.shape[-1]
    return reduced(losses, reduction)


@sample("multilabel_margin", reference=multilabel_margin)
def _(draw):
    x = draw(arrays(shapes(min_dims=1, max_dims=2, max_side=3)))
    x = 2 * np.round(x) + 0.04 * x  # no difference is near 1
    return (x, draw(integer_arrays(x.shape, -1, x.shape[-1]))), {"reduction": draw(REDUCTIONS)}


def multilabel_soft_margin(x, t, weight, reduction):
    losses = t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)
    return reduced(np.mean(losses if weight is None else losses * weight, axis=-1), reduction)


@sample("multilabel_soft_margin", reference=multilabel_soft_margin)
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    weight = draw(arrays(x.shape[-1:])) if draw(st.booleans()) else None
    return (x, draw(integer_arrays(x.shape, 0, 2)), weight), {"reduction": draw(REDUCTIONS)}


def cosine_embedding(x, y, t, margin, reduction):
    cosine = np.sum(x * y, axis=-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    return reduced(np.where(t == 1, 1 - cosine, np.maximum(cosine - margin, 0)), reduction)


@sample("cosine_embedding", reference=cosine_embedding)
def _(draw):
    shape = (*draw(shapes(max_dims=1)), 3)
    # Neither parallel nor orthogonal: the cosine is not near 1 or the margin.
    x, y = np.abs(draw(arrays(shape))) + np.eye(3)[2], np.abs(draw(arrays(shape))) + np.eye(3)[0] * 4
    return (x, y, signs(draw, shape[:-1])), {
        "margin": draw(st.sampled_from([0.0, -0.5])),
        "reduction": draw(REDUCTIONS),
    }


def triplet_margin(a, b, c, margin, p, swap, reduction):
    def distance(x, y):
        return np.sum(np.abs(x - y + 1e-6) ** p, axis=-1) ** (1 / p)

    far = np.minimum(distance(a, c), distance(b, c)) if swap else distance(a, c)
    return reduced(np.maximum(distance(a, b) - far + margin, 0), reduction)


@sample("triplet_margin", reference=triplet_margin)
def _(draw):
    shape = (*draw(shapes(max_dims=1)), 3)
    far = draw(arrays(shape, kinks=(0.0,)))
    near = far * 0.5 + np.array([0.1, 0.2, 0.3])
    swap = draw(st.booleans())
    anchor = near + (10.0 if swap else 0.35)
    return (anchor, near, far - 20.0 if not swap else far + 7.0), {
        "margin": draw(st.sampled_from([40.0, 50.0])),
        "p": draw(st.sampled_from([2.0, 3.0])),
        "swap": swap,
        "reduction": draw(REDUCTIONS),
    }


def squared(x, y):
    return tl.sum((x - y) * (x - y), axis=-1)


def triplet_margin_with_distance(a, b, c, distance_function, margin, swap, reduction):
    far = distance_function(a, c)
    far = np.minimum(far, distance_function(b, c)) if swap else far
    return reduced(np.maximum(distance_function(a, b) - far + margin, 0), reduction)


@sample("triplet_margin_with_distance", reference=triplet_margin_with_distance)
def _(draw):
    a = draw(arrays((2, 3)))
    swap = draw(st.booleans())
    c = a + (2.5 if swap else -1.0)
    return (a, a + 1.5, c), {"distance_function": squared, "margin": 40.0, "swap": swap, "reduction": draw(REDUCTIONS)}
