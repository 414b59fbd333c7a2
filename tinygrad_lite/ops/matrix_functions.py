"""Functions of square matrices: powers and the exponential."""

from __future__ import annotations

from math import ceil, factorial, isfinite, log2

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.dtypes import is_floating
from ..core.graph import unwrap
from ..core.op import Array, composite
from .elementwise import abs, positive
from .products import matmul
from .reductions import max, sum
from .solving import identity_like, inv, require_square, solve

__all__ = ["expm", "matrix_power"]


@composite(shapes="any")
def matrix_power(x: Array, /, n: int) -> Array:
    """Each matrix to the power of an integer, by repeated squaring; of the inverse if `n` is negative.

    x : (..., n, n).
    Raises ShapeError if a matrix is not square, or if `n` is negative and a matrix is singular.

    >>> matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 5)
    array([[1., 5.],
           [0., 1.]])
    """
    require_square("matrix_power", x)
    if n == 0:
        return x * 0 + identity_like(x)
    square, exponent = (inv(x), -n) if n < 0 else (positive(x), n)
    result = None
    while True:
        if exponent % 2:
            result = square if result is None else matmul(result, square)
        exponent //= 2
        if not exponent:
            return result
        square = matmul(square, square)


DEGREE = 13
"""Of the Padé approximant: right to double precision for norms up to `LARGEST`."""

LARGEST = 5.371920351148152

COEFFICIENTS = [
    factorial(2 * DEGREE - k) * factorial(DEGREE) / (factorial(2 * DEGREE) * factorial(k) * factorial(DEGREE - k))
    for k in range(DEGREE + 1)
]


@composite(shapes="any")
def expm(x: Array) -> Array:
    """Matrix exponential, the sum over k of x^k / k!, by scaling, a Padé approximant and squaring.

    x : (..., n, n).
    Raises ShapeError if a matrix is not square.
    Source: N. Higham, The scaling and squaring method for the matrix exponential revisited, SIAM J. Matrix Anal. 26,
    2005, doi:10.1137/04061101X.

    >>> expm(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([[1., 1.],
           [0., 1.]])
    """
    require_square("expm", x)
    x = x if is_floating(x.dtype) else x * 1.0
    squarings = _squarings(x)
    x = x * 0.5**squarings
    one = identity_like(x)
    x2 = matmul(x, x)
    even, odd = COEFFICIENTS[0] * one, COEFFICIENTS[1] * one
    power = one
    for k in range(2, DEGREE, 2):
        power = matmul(power, x2) if k > 2 else x2
        even, odd = even + COEFFICIENTS[k] * power, odd + COEFFICIENTS[k + 1] * power
    odd = matmul(x, odd)
    result = solve(even - odd, even + odd)
    for _ in range(squarings):
        result = matmul(result, result)
    return result


def _squarings(x: Array) -> int:
    """How often to halve the matrices until the approximant is good for all of them."""
    largest = largest_norm(x)
    return ceil(log2(largest / LARGEST)) if isfinite(largest) and largest > LARGEST else 0


def largest_norm(x: Array) -> float:
    """The largest sum of absolute values over a column of one of the matrices."""
    x = unwrap(x)
    if 0 in shape_of(x):
        return 0.0
    return float(backend_of(x).to_numpy(max(sum(abs(x), axis=-2))))
