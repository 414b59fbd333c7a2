"""Distances and angles between vectors: of pairs, of all pairs of two sets, and of all pairs within one."""

from __future__ import annotations

import builtins
from math import prod

import numpy

from ..core.axes import axes_of, shape_of
from ..core.backend import backend_of
from ..core.dtypes import is_complex
from ..core.errors import DTypeError, ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite, primitive
from .comparison import equal, where
from .conversion import detach
from .elementwise import maximum, multiply, subtract
from .indexing import take
from .movement import expand_dims, matrix_transpose
from .norms import vector_norm
from .products import matmul
from .reductions import sum
from .solving import floating

__all__ = ["cdist", "cosine_similarity", "pairwise_distance", "pdist"]


def _check_broadcast(op: str, x: Array, y: Array) -> None:
    own, other = shape_of(x), shape_of(y)
    if not own or not other or any(n != m and 1 not in (n, m) for n, m in zip(own[::-1], other[::-1], strict=False)):
        raise ShapeError(f"{op}: x is {own} and y is {other}; both need an axis, and they must broadcast.")


@composite(shapes="any", autocast="float32")
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


@composite(shapes="any", autocast="float32")
def cosine_similarity(x: Array, y: Array, /, axis: int = 1, *, eps: float = 1e-8) -> Array:
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


_BLOCK = 1 << 16
"""Differences computed at a time, so that they stay in the cache."""


def _euclidean_rule(g: Array, mine: Array, other: Array, out: Array) -> Array:
    """The sum over j of g[i, j] (mine[i] - other[j]) / out[i, j], as two products, of vectors from their centre."""
    zero = equal(out, 0.0)
    weights = where(zero, 0.0, g / where(zero, 1.0, out))
    centre = detach(sum(mine, axis=-2, keepdims=True)) / (mine.shape[-2] or 1)
    return (mine - centre) * sum(weights, axis=-1, keepdims=True) - matmul(weights, other - centre)


@primitive(
    x=lambda g, x, y, out: _euclidean_rule(g, x, y, out),
    y=lambda g, x, y, out: _euclidean_rule(matrix_transpose(g), y, x, matrix_transpose(out)),
    shapes="any",
    autocast="float32",
)
def euclidean_cdist(xp, x: Array, y: Array) -> Array:
    """`cdist` for p = 2, without all differences at once. Its derivative where vectors are equal is 0.

    >>> euclidean_cdist(np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[0.0, 4.0]]))
    array([[4.],
           [5.]])
    """
    if is_complex(x.dtype) or is_complex(y.dtype):
        raise DTypeError(f"euclidean_cdist: x has dtype {x.dtype} and y {y.dtype}; only real numbers are supported.")
    x, y = floating(xp, x), xp.expand_dims(floating(xp, y), axis=-3)
    rows = builtins.max(_BLOCK // builtins.max(prod(y.shape[-2:]), 1), 1)
    parts = []
    for start in range(0, x.shape[-2] or 1, rows):
        stop = builtins.min(start + rows, x.shape[-2])
        difference = xp.expand_dims(x[..., start:stop, :], axis=-2) - y
        parts.append(xp.sqrt(xp.sum(difference * difference, axis=-1)))
    return xp.concat(parts, axis=-2) if len(parts) > 1 else parts[0]


@composite(shapes="any", autocast="float32")
def cdist(x: Array, y: Array, *, p: float = 2.0) -> Array:
    """The p-norm of each difference of a vector of x and a vector of y. Equal vectors have gradient 0.

    x : (..., m, features). y : (..., n, features); the axes in front broadcast. Returns (..., m, n).
    It takes the differences, of which there are (..., m, n, features), and so keeps its digits where vectors are close.
    Raises ShapeError for shapes that do not fit.

    >>> cdist(np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[0.0, 4.0]]))
    array([[4.],
           [5.]])
    """
    own, other = shape_of(x), shape_of(y)
    if len(own) < 2 or len(other) < 2 or own[-1] != other[-1]:
        raise ShapeError(f"cdist: x is {own} and y is {other}; they must be (..., m, features) and (..., n, features).")
    _check_broadcast("cdist", expand_dims(x, axis=-2), expand_dims(y, axis=-3))
    if p == 2 and not (is_complex(x.dtype) or is_complex(y.dtype)):
        return euclidean_cdist(x, y)
    return vector_norm(subtract(expand_dims(x, axis=-2), expand_dims(y, axis=-3)), ord=p, axis=-1)


@composite(shapes="any", autocast="float32")
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
