"""Square root and logarithm of square matrices, and the linear equation that their derivatives need."""

from __future__ import annotations

from typing import Any

import numpy

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.op import Array, composite, primitive
from .comparison import less_equal, where
from .eigenvalues import epsilon
from .elementwise import abs, exp, log, negative, sqrt
from .hermitian_functions import gauss_rule, hermitian_function
from .matrix_functions import largest_norm
from .movement import matrix_transpose
from .products import matmul
from .reductions import max, sum
from .solving import floating, identity_like, not_square, require_square, solve

__all__ = ["logm", "solve_sylvester", "sqrtm"]


# Sylvester's equation

SMALL = 400
"""Up to so many unknowns are solved as one linear system; more on the host where SciPy is installed."""


def _explain_sylvester(a: Array, b: Array, c: Array) -> str:
    shapes = shape_of(a), shape_of(b), shape_of(c)
    given = "a is {}, b is {} and c is {}".format(*shapes)
    if not_square(a) or not_square(b) or shapes[2][-2:] != (shapes[0][-1], shapes[1][-1]):
        return f"{given}; (..., m, m), (..., n, n) and (..., m, n) are required."
    try:
        numpy.broadcast_shapes(*(shape[:-2] for shape in shapes))
    except ValueError:
        return f"{given}; the axes before the last two must broadcast together."
    return f"{given}; an eigenvalue of a is the negative of one of b, so there is no solution or more than one."


def _sylvester_c(g: Array, a: Array, b: Array) -> Array:
    return solve_sylvester(matrix_transpose(a), matrix_transpose(b), g)


def _sylvester_a(g: Array, a: Array, b: Array, out: Array) -> Array:
    return negative(matmul(_sylvester_c(g, a, b), matrix_transpose(out)))


def _sylvester_b(g: Array, a: Array, b: Array, out: Array) -> Array:
    return negative(matmul(matrix_transpose(out), _sylvester_c(g, a, b)))


@primitive(a=_sylvester_a, b=_sylvester_b, c=_sylvester_c, shapes="any", explain=_explain_sylvester)
def solve_sylvester(xp, a: Array, b: Array, c: Array) -> Array:
    """The x with a @ x + x @ b = c.

    a : (..., m, m). b : (..., n, n). c : (..., m, n). The axes in front broadcast.
    More than 400 unknowns are solved by SciPy in main memory, if it is installed; else as one system, of m n equations.
    Raises ShapeError if the shapes do not fit, or if an eigenvalue of a is the negative of one of b.

    >>> solve_sylvester(np.eye(2), np.eye(2), np.array([[2.0, 4.0], [6.0, 8.0]]))
    array([[1., 2.],
           [3., 4.]])
    """
    a, b, c = floating(xp, a), floating(xp, b), floating(xp, c)
    if not_square(a) or not_square(b) or tuple(c.shape[-2:]) != (a.shape[-1], b.shape[-1]):
        raise ValueError
    m, n = c.shape[-2:]
    front = numpy.broadcast_shapes(a.shape[:-2], b.shape[:-2], c.shape[:-2])
    c = xp.broadcast_to(c, (*front, m, n))
    if m * n > SMALL and (found := _by_scipy(a, b, c)) is not None:
        return found
    # With the unknowns row by row: a[i, k] for j = l, and b[l, j] for i = k.
    rows, columns = (xp.eye(size, dtype=c.dtype) for size in (m, n))
    left = a[..., :, None, :, None] * columns[:, None, :]
    right = rows[:, None, :, None] * matrix_transpose(b)[..., None, :, None, :]
    system = left + right
    system = xp.reshape(xp.broadcast_to(system, (*front, *system.shape[-4:])), (*front, m * n, m * n))
    return xp.reshape(xp.linalg.solve(system, xp.reshape(c, (*front, m * n, 1))), (*front, m, n))


def _by_scipy(a: Array, b: Array, c: Array) -> Array | None:
    """The solutions by the algorithm of Bartels and Stewart, or None without SciPy."""
    try:
        import scipy.linalg
    except ImportError:
        return None
    backend = backend_of(c)
    host = [backend.to_numpy(x) for x in (a, b, c)]
    dtype = numpy.result_type(*host)
    one = numpy.vectorize(scipy.linalg.solve_sylvester, signature="(m,m),(n,n),(m,n)->(m,n)", otypes=[dtype])
    return backend.asarray(one(*host).astype(dtype, copy=False))


# Square root

STEPS = 20
"""Of Newton's iteration: about 10 are needed, and further ones change nothing. A fixed number waits for no value."""


def _explain_root(x: Array, **_: Any) -> str:
    return not_square(x) or (
        f"x is {shape_of(x)}; a matrix is singular, or has a negative eigenvalue, so there is no principal root. "
        f"Of positive semidefinite ones hermitian=True finds it."
    )


@primitive(
    x=lambda g, out: solve_sylvester(matrix_transpose(out), matrix_transpose(out), g),
    shapes="any",
    explain=_explain_root,
)
def principal_root(xp, x: Array) -> Array:
    """The square root of each matrix whose eigenvalues have positive real parts; NaN if there is none.

    x : (..., n, n). Source: the product form of the iteration of Denman and Beavers, N. Higham, Functions of Matrices,
    2008, eq. 6.29 with determinantal scaling.

    >>> principal_root(np.array([[1.0, 2.0], [0.0, 1.0]])).round(12)
    array([[1., 1.],
           [0., 1.]])
    """
    x = floating(xp, x)
    if not_square(x):
        raise ValueError
    n = x.shape[-1]
    if not n:
        return +x
    one, root, ratio = identity_like(x), x, x
    for _ in range(STEPS):
        back = xp.linalg.inv(ratio)
        scale = exp(xp.linalg.slogdet(ratio)[1] * (-0.5 / n))[..., None, None]
        back = back / (scale * scale)
        root = 0.5 * scale * matmul(root, one + back)
        ratio = 0.5 * one + 0.25 * (scale * scale * ratio + back)
    off = max(sum(abs(matmul(root, root) - x), axis=-1), axis=-1)
    size = max(sum(abs(x), axis=-1), axis=-1)
    found = less_equal(off, epsilon(x.dtype) ** 0.5 * size)
    return where(found[..., None, None], root, xp.nan)


@composite(shapes="any")
def sqrtm(x: Array, *, hermitian: bool = False) -> Array:
    """Principal square root of matrices: the r with r @ r = x whose eigenvalues have positive real parts.

    x : (..., n, n), without negative eigenvalues. A matrix that has them has no such root: the result is NaN, of real
    and of complex ones, or an error.
    hermitian : take the Hermitian part of x and use its eigenvectors, which is faster and more accurate.
    The derivatives, of every order, are right at repeated eigenvalues, too.
    Raises ShapeError if a matrix is not square, or, unless `hermitian`, is singular.

    >>> sqrtm(np.array([[5.0, 4.0], [4.0, 5.0]])).round(12)
    array([[2., 1.],
           [1., 2.]])
    """
    require_square("sqrtm", x)
    return hermitian_function(x, sqrt) if hermitian else principal_root(x)


# Logarithm

NODES, WEIGHTS = gauss_rule(8)
"""With this rule the integral below is a Padé approximant, right to double precision for `NEAR`."""

NEAR = 0.3


@composite(shapes="any")
def logm(x: Array, *, hermitian: bool = False) -> Array:
    """Principal logarithm of matrices: the y with expm(y) = x whose eigenvalues have imaginary parts within ±pi.

    x : (..., n, n), without negative eigenvalues; a matrix that has them gives NaN or an error.
    hermitian : take the Hermitian part of x and use its eigenvectors, which is faster and more accurate.
    The derivatives, of every order, are right at repeated eigenvalues, too.
    Raises ShapeError if a matrix is not square or is singular.
    Source: inverse scaling and squaring, N. Higham, Functions of Matrices, 2008, section 11.5.

    >>> logm(np.array([[1.0, 2.0], [0.0, 1.0]])).round(12)
    array([[0., 2.],
           [0., 0.]])
    """
    require_square("logm", x)
    if hermitian:
        return hermitian_function(x, log)
    one, roots = identity_like(x * 1.0), 0
    off = x - one
    while largest_norm(off) > NEAR:
        x = principal_root(x)
        off, roots = x - one, roots + 1
    # log(1 + y) is the integral of y / (1 + t y) over t from 0 to 1.
    total = 0.0
    for t, weight in zip(NODES, WEIGHTS, strict=True):
        total = total + 2.0**roots * weight * solve(one + t * off, off)
    return total
