"""Diagonals of matrices and matrices made from them; products that are no matrix products: cross and Kronecker."""

from __future__ import annotations

from math import prod
from typing import Any

from ..core.axes import axes_of, shape_of
from ..core.errors import ShapeError
from ..core.op import Array, composite
from .elementwise import multiply, subtract
from .indexing import getitem, scatter
from .movement import moveaxis, reshape, roll
from .reductions import sum

__all__ = ["cross", "diag", "diagonal", "kron", "trace"]


def _along_diagonal(rows: int, columns: int, offset: int) -> slice:
    """Where a diagonal lies in a matrix whose rows are written one after another."""
    count = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    start = offset if offset >= 0 else -offset * columns
    return slice(start, start + count * (columns + 1), columns + 1) if count else slice(0, 0)


@composite(shapes="any")
def diagonal(x: Array, *, offset: int = 0) -> Array:
    """The diagonal of each matrix; `offset` 0 is the main one, positive ones lie above it.

    x : (..., n, m), result (..., k).
    Raises ShapeError for fewer than two axes.

    >>> diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4.])
    """
    shape = shape_of(x)
    if len(shape) < 2:
        raise ShapeError(f"diagonal: x is {shape}; at least two axes are required.")
    rows, columns = shape[-2:]
    flat = reshape(x, (*shape[:-2], rows * columns))
    return getitem(flat, index=(..., _along_diagonal(rows, columns, offset)))


@composite(shapes="any")
def diag(x: Array, *, k: int = 0) -> Array:
    """Of a vector the matrix that has it on diagonal `k` and zeros elsewhere; of a matrix its diagonal `k`.

    x : (n,) or (n, m).
    Raises ShapeError for another number of axes.

    >>> diag(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    shape = shape_of(x)
    if len(shape) == 2:
        return diagonal(x, offset=k)
    if len(shape) != 1:
        raise ShapeError(f"diag: x is {shape}; a vector or a matrix is required. Use diagonal for several matrices.")
    n = shape[0] + abs(k)
    return reshape(scatter(x, index=_along_diagonal(n, n, k), shape=(n * n,)), (n, n))


@composite(shapes="any")
def trace(x: Array, *, offset: int = 0, dtype: Any = None) -> Array:
    """Sum of the diagonal of each matrix; `offset` and `dtype` choose the diagonal and the dtype of the sum.

    x : (..., n, m), result (...).
    Raises ShapeError for fewer than two axes; DTypeError if fractions would be summed as integers.

    >>> trace(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.float64(5.0)
    """
    if len(shape_of(x)) < 2:
        raise ShapeError(f"trace: x is {shape_of(x)}; at least two axes are required.")
    return sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


@composite(shapes="any", autocast="widest")
def cross(x: Array, y: Array, *, axis: int = -1) -> Array:
    """Cross product of vectors with three components, which lie along `axis`; the other axes broadcast.

    Raises ShapeError if one of the arrays has another length along `axis`.

    >>> cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    inside = all(-len(shape_of(a)) <= axis < len(shape_of(a)) for a in (x, y))
    if not inside or x.shape[axis] != 3 or y.shape[axis] != 3:
        raise ShapeError(f"cross: x is {shape_of(x)} and y is {shape_of(y)}; both need length 3 along axis {axis}.")
    if axis >= 0 and len(x.shape) != len(y.shape):  # counted from the front in each; axes broadcast from the back
        return moveaxis(cross(moveaxis(x, axis, -1), moveaxis(y, axis, -1)), -1, axis)
    (left,), (right,) = (axes_of(axis, len(shape_of(a)), "cross") for a in (x, y))
    ahead = multiply(roll(x, -1, axis=left), roll(y, -2, axis=right))
    return subtract(ahead, multiply(roll(x, -2, axis=left), roll(y, -1, axis=right)))


@composite(shapes="any")
def kron(x: Array, y: Array) -> Array:
    """Kronecker product: each element of x replaced by its product with the whole of y.

    x : (n, m). y : (k, l). Result (n k, m l); the same for other numbers of axes, the smaller one filled up in front.

    >>> kron(np.array([[1.0, 2.0]]), np.eye(2))
    array([[1., 0., 2., 0.],
           [0., 1., 0., 2.]])
    """
    ndim = max(len(shape_of(x)), len(shape_of(y)))
    left, right = ((1,) * (ndim - len(shape_of(a))) + shape_of(a) for a in (x, y))
    apart = reshape(x, tuple(n for length in left for n in (length, 1)))
    blocks = reshape(y, tuple(n for length in right for n in (1, length)))
    return reshape(multiply(apart, blocks), tuple(prod(pair) for pair in zip(left, right, strict=True)))
