"""Distances and angles between vectors: of pairs, of all pairs of two sets, and of all pairs within one."""

from __future__ import annotations

import numpy

from ..core.axes import axes_of, shape_of
from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from .elementwise import maximum, multiply, subtract
from .indexing import take
from .movement import expand_dims
from .norms import vector_norm
from .reductions import sum

__all__ = ["cdist", "cosine_similarity", "pairwise_distance", "pdist"]


def _check_broadcast(op: str, x: Array, y: Array) -> None:
    own, other = shape_of(x), shape_of(y)
    if not own or not other or any(n != m and 1 not in (n, m) for n, m in zip(own[::-1], other[::-1], strict=False)):
        raise ShapeError(f"{op}: x is {own} and y is {other}; both need an axis, and they must broadcast.")


@composite(shapes="any")
def pairwise_distance(x: Array, y: Array, *, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> Array:
    """The p-norm of x - y + eps along the last axis.

    x, y : (..., features), which broadcast. p : as `ord` of `vector_norm`.
    eps : added to each difference, so that equal vectors have a distance with a direction, and so a gradient.
    Raises ShapeError for shapes that do not broadcast.

    >>> float(pairwise_distance(np.array([3.0, 0.0]), np.array([0.0, 4.0]), eps=0.0))
    5.0
    """
    _check_broadcast("pairwise_distance", x, y)
    return vector_norm(subtract(x, y) + eps, ord=p, axis=-1, keepdims=keepdims)


@composite(shapes="any")
def cosine_similarity(x: Array, y: Array, *, axis: int = 1, eps: float = 1e-8) -> Array:
    """The cosine of the angle between vectors, x . y / (|x| |y|), the lengths taken as at least `eps`.

    x, y : arrays that broadcast. axis : the axis along which the vectors lie in the broadcast shape.
    Raises ShapeError for shapes that do not broadcast, and for an axis that is not there.

    >>> cosine_similarity(np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([[1.0, 0.0]]))
    array([1. , 0.6])
    """
    _check_broadcast("cosine_similarity", x, y)
    axis = axes_of(axis, max(len(x.shape), len(y.shape)), "cosine_similarity")[0]
    last = axis - max(len(x.shape), len(y.shape))
    for name, array in (("x", x), ("y", y)):
        if len(array.shape) < -last:
            raise ShapeError(f"cosine_similarity: {name} is {shape_of(array)}; it must have the axis of the vectors.")
    x, y = (v / maximum(vector_norm(v, axis=last, keepdims=True), eps) for v in (x, y))
    return sum(multiply(x, y), axis=last)


@composite(shapes="any")
def cdist(x: Array, y: Array, *, p: float = 2.0) -> Array:
    """The p-norm of each difference of a vector of x and a vector of y. Equal vectors have gradient 0.

    x : (..., m, features). y : (..., n, features); the axes in front broadcast. Returns (..., m, n).
    It computes all differences, (..., m, n, features), and so keeps its digits where the vectors are close.
    Raises ShapeError for shapes that do not fit.

    >>> cdist(np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[0.0, 4.0]]))
    array([[4.],
           [5.]])
    """
    own, other = shape_of(x), shape_of(y)
    if len(own) < 2 or len(other) < 2 or own[-1] != other[-1]:
        raise ShapeError(f"cdist: x is {own} and y is {other}; they must be (..., m, features) and (..., n, features).")
    _check_broadcast("cdist", expand_dims(x, axis=-2), expand_dims(y, axis=-3))
    return vector_norm(subtract(expand_dims(x, axis=-2), expand_dims(y, axis=-3)), ord=p, axis=-1)


@composite(shapes="any")
def pdist(x: Array, *, p: float = 2.0) -> Array:
    """The distances of all pairs of vectors of x: the part of `cdist(x, x)` above its diagonal, row by row.

    x : (n, features). Returns (n (n - 1) / 2,).
    Raises ShapeError if x has not two axes.

    >>> pdist(np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]))
    array([3., 4., 5.])
    """
    if len(shape_of(x)) != 2:
        raise ShapeError(f"pdist: x is {shape_of(x)}; it must be (n, features).")
    backend = backend_of(unwrap(x))
    first, second = (backend.asarray(i) for i in numpy.triu_indices(x.shape[0], 1))
    return vector_norm(subtract(take(x, first, axis=0), take(x, second, axis=0)), ord=p, axis=-1)
