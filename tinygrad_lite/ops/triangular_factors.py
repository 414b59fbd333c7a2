"""Factors of matrices by Gaussian elimination, P L U."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.axes import shape_of
from ..core.op import Array, composite, primitive
from .conversion import astype
from .decompositions import no_matrix
from .indexing import take_along_axis
from .joining import concat
from .movement import broadcast_to, expand_dims, tril, triu
from .products import matmul
from .solving import adjoint, floating, identity_like, solve
from .sorting import argsort

__all__ = ["PLU", "lu"]


def _rows(x: Array, order: Array) -> Array:
    """The rows of each matrix in another order."""
    return take_along_axis(x, broadcast_to(expand_dims(order, axis=-1), tuple(x.shape)), axis=-2)


def _eliminated(xp: Any, x: Array) -> tuple[Array, Array, Array]:
    """The order of the rows, L and U, for matrices with at least as many rows as columns.

    The left half of the columns first, then the right half with its rows in the same order: so most of the work is
    matrix products, whatever library does it.
    """
    n = x.shape[-1]
    if n == 1:
        return _one_column(xp, x)
    half = n // 2
    order, lower, upper = _eliminated(xp, x[..., :half])
    right = _rows(x[..., half:], order)
    top, below = lower[..., :half, :], lower[..., half:, :]
    corner = solve(top, right[..., :half, :])
    then, lower_right, upper_right = _eliminated(xp, right[..., half:, :] - matmul(below, corner))
    order = concat([order[..., :half], take_along_axis(order[..., half:], then, axis=-1)], axis=-1)
    lower_left = concat([top, _rows(below, then)], axis=-2)
    lower_right = concat([xp.zeros_like(corner), lower_right], axis=-2)
    upper_right = concat([corner, upper_right], axis=-2)
    rest = xp.broadcast_to(xp.zeros_like(upper[..., :1, :]), (*x.shape[:-2], n - half, half))
    return (
        order,
        concat([lower_left, lower_right], axis=-1),
        concat([concat([upper, rest], axis=-2), upper_right], axis=-1),
    )


def _one_column(xp: Any, x: Array) -> tuple[Array, Array, Array]:
    """The largest element on top, and what the others are of it; zeros stay where all are 0."""
    pivot = xp.argmax(xp.abs(x[..., 0]), axis=-1, keepdims=True)
    place = xp.astype(xp.arange(x.shape[-2]), pivot.dtype)
    order = xp.where(place == pivot, xp.zeros_like(pivot), place)
    order = xp.where(place == 0, pivot, order)
    column = _rows(x, order)
    head = column[..., :1, :]
    divisor = xp.where(head == 0, xp.ones_like(head), head)
    return order, concat([xp.ones_like(head), column[..., 1:, :] / divisor], axis=-2), head


def _factors_rule(g: tuple, out: tuple) -> Array:
    # From dL U + L dU = dx: L^-1 dL is strictly lower and dU U^-1 upper triangular. What is below L's square or beside
    # U's follows from the squares.
    (_, g_lower, g_upper), (order, lower, upper) = g, out
    rows, k = shape_of(lower)[-2:]
    square_l, square_u = lower[..., :k, :], upper[..., :k]
    gl, gu = g_lower[..., :k, :], g_upper[..., :k]
    parts = []
    if rows > k:
        below = adjoint(solve(square_u, adjoint(g_lower[..., k:, :])))
        gu = gu - matmul(adjoint(lower[..., k:, :]), below)
        parts.append(below)
    beside = None
    if shape_of(upper)[-1] > k:
        beside = solve(adjoint(square_l), g_upper[..., k:])
        gl = gl - matmul(beside, adjoint(upper[..., k:]))
    inner = tril(matmul(adjoint(square_l), gl), k=-1) + triu(matmul(gu, adjoint(square_u)))
    gx = adjoint(solve(square_u, adjoint(solve(adjoint(square_l), inner))))
    gx = concat([gx, *parts], axis=-2)
    gx = gx if beside is None else concat([gx, beside], axis=-1)
    return _rows(gx, argsort(order, axis=-1))


@primitive(
    x=_factors_rule,
    outputs=("order", "L", "U"),
    holomorphic=False,
    shapes="any",
    explain=no_matrix,
)
def lu_factors(xp, x: Array) -> Any:
    """Factors L U of the matrices with their rows in another order: `x[order] = L @ U`. See `lu`.

    x : (..., m, n), order : (..., m) of integers, a constant.

    >>> order, lower, upper = lu_factors(np.array([[0.0, 2.0], [4.0, 1.0]]))
    >>> print(order, upper.tolist())
    [1 0] [[4.0, 1.0], [0.0, 2.0]]
    """
    x = floating(xp, x)
    *front, m, n = x.shape
    k = min(m, n)
    if not k:
        order = xp.broadcast_to(xp.arange(m), (*front, m))
        return order, xp.zeros((*front, m, 0), dtype=x.dtype), xp.zeros((*front, 0, n), dtype=x.dtype)
    order, lower, upper = _eliminated(xp, x[..., :k])
    if n > k:
        upper = concat([upper, solve(lower, _rows(x[..., k:], order))], axis=-1)
    return order, lower, upper


class PLU(NamedTuple):
    """What `lu` returns."""

    P: Array
    L: Array
    U: Array


@composite(shapes="any")
def lu(x: Array) -> PLU:
    """Factors x = P L U by Gaussian elimination, in each column the largest element on top.

    x : (..., m, n). P : (..., m, m), a permutation and a constant. L : (..., m, k), lower triangular with ones on the
    diagonal. U : (..., k, n), upper triangular. k = min(m, n).
    The derivative exists if the first k columns of x are independent; ShapeError, of `solve`, if they are not.
    Raises ShapeError for fewer than two axes.

    >>> p, l, u = lu(np.array([[1.0, 2.0], [4.0, 4.0]]))
    >>> l
    array([[1.  , 0.  ],
           [0.25, 1.  ]])
    >>> np.allclose(p @ l @ u, [[1, 2], [4, 4]])
    True
    """
    order, lower, upper = lu_factors(x)
    square = broadcast_to(expand_dims(order, axis=-1), (*shape_of(order), shape_of(order)[-1]))
    p = _rows(identity_like(square), argsort(order, axis=-1))
    return PLU(astype(p, lower.dtype), lower, upper)
