"""Linear equations that have no solution, or several."""

from __future__ import annotations

from typing import NamedTuple

from ..core.axes import shape_of
from ..core.errors import ShapeError
from ..core.op import Array, composite
from .decompositions import matrix_rank, pinv, svdvals
from .elementwise import abs, square
from .movement import expand_dims, squeeze
from .products import matmul
from .reductions import sum

__all__ = ["LeastSquares", "lstsq"]


class LeastSquares(NamedTuple):
    """What `lstsq` returns: as NumPy's, in the same order."""

    x: Array
    residuals: Array
    rank: Array
    singular_values: Array


@composite(shapes="any")
def lstsq(a: Array, b: Array, *, rtol: float | None = None) -> LeastSquares:
    """The x that makes |a @ x - b| least, and of several such x the shortest.

    a : (..., m, n). b : (m,), or (..., m, k) with k right-hand sides. The axes in front broadcast.
    rtol : singular values of a up to `rtol` times the largest count as 0; max(m, n) times the dtype's epsilon if None.
    The result has four parts: `x`, (n,) or (..., n, k); `residuals`, the sums of squares |a @ x - b|^2, () or (..., k),
    also where NumPy leaves them out; `rank` and `singular_values` of a. The derivative is that among matrices of the
    same rank.
    Raises ShapeError if a has fewer than two axes, or b has another number of rows.

    >>> lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0])).x
    array([2.])
    """
    shapes = shape_of(a), shape_of(b)
    single = len(shapes[1]) == 1
    rows = shapes[1][-1 if single else -2] if shapes[1] else None
    if len(shapes[0]) < 2 or rows != shapes[0][-2]:
        raise ShapeError(
            f"lstsq: a is {shapes[0]} and b is {shapes[1]}; (..., m, n) and (m,) or (..., m, k) are required."
        )
    b = expand_dims(b, axis=-1) if single else b
    x = matmul(pinv(a, rtol=rtol), b)
    residuals = sum(square(abs(matmul(a, x) - b)), axis=-2)
    if single:
        x, residuals = squeeze(x, axis=-1), squeeze(residuals, axis=-1)
    return LeastSquares(x, residuals, matrix_rank(a, rtol=rtol), svdvals(a))
