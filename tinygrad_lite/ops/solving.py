"""Systems of linear equations and inverses of square matrices.

Where a matrix is singular and the result does not exist, NumPy notices and an error is raised; a GPU does not, and the
result has infinities or NaN.
"""

from __future__ import annotations

from typing import Any

import numpy

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.dtypes import is_complex, is_floating
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite, primitive
from .complex import conj
from .creation import ones_like
from .elementwise import negative
from .movement import expand_dims, matrix_transpose, squeeze, tril, triu
from .products import matmul

__all__ = ["inv", "solve", "solve_triangular"]


def floating(xp: Any, x: Array) -> Array:
    """x, or as NumPy does with integers, x in double precision."""
    return x if is_floating(x.dtype) else xp.astype(x, xp.float64)


def adjoint(x: Array) -> Array:
    """The conjugate transpose of each matrix."""
    x = matrix_transpose(x)
    return conj(x) if is_complex(x.dtype) else x


def identity_like(x: Array) -> Array:
    """Identity matrices with the shape and dtype of x, constants."""
    return tril(triu(ones_like(x)))


def not_square(x: Array) -> str | None:
    """What is wrong with x as square matrices, or None."""
    shape = shape_of(x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        return f"x is {shape}; square matrices are required, (..., n, n)."
    return None


def require_square(op: str, x: Array) -> None:
    """ShapeError, of `op`, unless x is square matrices."""
    message = not_square(x)
    if message is not None:
        raise ShapeError(f"{op}: {message}")


def singular_one(name: str, x: Array) -> str:
    """Which matrix of x, an argument called `name`, is singular: `x`, or of several matrices `x[3]`."""
    if len(shape_of(x)) == 2:
        return name
    signs = numpy.linalg.slogdet(backend_of(unwrap(x)).to_numpy(unwrap(x)))[0]
    places = numpy.argwhere(signs == 0).tolist()
    return f"{name}[{', '.join(map(str, places[0]))}]" if places else "a matrix"


def _explain_inverse(x: Array) -> str:
    return not_square(x) or (
        f"x is {shape_of(x)}; {singular_one('x', x)} is singular and has no inverse. Use pinv for the nearest."
    )


# Solving


def _explain_solve(a: Array, b: Array) -> str:
    shapes = shape_of(a), shape_of(b)
    given = f"a is {shapes[0]} and b is {shapes[1]}"
    if not_square(a):
        return f"{given}; a must be square matrices, (..., n, n). Use pinv for others."
    rows = shapes[1][max(len(shapes[1]) - 2, 0)] if shapes[1] else None
    if rows != shapes[0][-1]:
        return f"{given}; b must have {shapes[0][-1]} rows, as a has."
    front = shapes[0][:-2], shapes[1][:-2]
    if any(m != n and 1 not in (m, n) for m, n in zip(front[0][::-1], front[1][::-1], strict=False)):
        return f"{given}; the axes before the last two, {front[0]} and {front[1]}, must broadcast together."
    return (
        f"{given}; {singular_one('a', a)} is singular, so there is no solution or more than one. "
        f"Use pinv for the shortest."
    )


def _solve_a(g: Array, a: Array, out: Array, b_shape: tuple[int, ...]) -> Array:
    if len(b_shape) == 1:
        g, out = expand_dims(g, axis=-1), expand_dims(out, axis=-1)
    return negative(matmul(solve(matrix_transpose(a), g), matrix_transpose(out)))


def _solve_b(g: Array, a: Array, b_shape: tuple[int, ...]) -> Array:
    if len(b_shape) > 1:
        return solve(matrix_transpose(a), g)
    return squeeze(solve(matrix_transpose(a), expand_dims(g, axis=-1)), axis=-1)


@primitive(a=_solve_a, b=_solve_b, shapes="any", explain=_explain_solve)
def solve(xp, a: Array, b: Array) -> Array:
    """The solution x of the linear equations a @ x = b.

    a : (..., n, n). b : (n,), or (..., n, k) with k right-hand sides. The axes in front broadcast.
    Raises ShapeError if a matrix is not square or is singular, or if b does not fit.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([1.0, 2.0]))
    array([0.5, 0.5])
    """
    a, b = floating(xp, a), floating(xp, b)
    columns = xp.expand_dims(b, axis=-1) if len(b.shape) == 1 else b
    if not_square(a) or columns.shape[-2] != a.shape[-1]:
        raise ValueError
    if a.shape[:-2] != columns.shape[:-2]:  # CuPy's function does not broadcast
        front = numpy.broadcast_shapes(a.shape[:-2], columns.shape[:-2])
        a = xp.broadcast_to(a, (*front, *a.shape[-2:]))
        columns = xp.broadcast_to(columns, (*front, *columns.shape[-2:]))
    x = xp.linalg.solve(a, columns)
    return xp.squeeze(x, axis=-1) if len(b.shape) == 1 else x


@composite(shapes="any")
def solve_triangular(
    a: Array, b: Array, *, upper: bool = False, left: bool = True, unitriangular: bool = False
) -> Array:
    """The solution x of a @ x = b, or of x @ a = b, where only one triangle of a is read.

    a : (..., n, n). b : (..., n, k), or (..., k, n) if not `left`. The axes in front broadcast.
    upper : read the upper triangle, else the lower one. left : a stands on the left of x.
    unitriangular : take the diagonal of a to be ones, and do not read it.
    Raises ShapeError if a matrix is not square or has a zero on its diagonal, or if b does not fit.

    >>> solve_triangular(np.array([[2.0, 9.0], [1.0, 1.0]]), np.array([[2.0], [3.0]]))
    array([[1.],
           [2.]])
    """
    require_square("solve_triangular", a)
    inner = int(unitriangular)
    a = triu(a, k=inner) if upper else tril(a, k=-inner)
    if unitriangular:
        a = a + identity_like(a)
    if left:
        return solve(a, b)
    return matrix_transpose(solve(matrix_transpose(a), matrix_transpose(b)))


def _inv_rule(g: Array, out: Array) -> Array:
    transposed = matrix_transpose(out)
    return negative(matmul(matmul(transposed, g), transposed))


@primitive(x=_inv_rule, shapes="any", explain=_explain_inverse)
def inv(xp, x: Array) -> Array:
    """Inverse of each matrix, x^-1. To solve equations, `solve` is faster and more accurate.

    x : (..., n, n).
    Raises ShapeError if a matrix is not square or is singular.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return xp.linalg.inv(floating(xp, x))
