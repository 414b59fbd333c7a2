"""Determinants of square matrices."""

from __future__ import annotations

from typing import Any

from ..core.dtypes import is_complex
from ..core.op import Array, primitive
from .complex import conj, imag
from .decompositions import svd
from .movement import broadcast_to, expand_dims, matrix_transpose
from .products import matmul
from .reductions import prod, sum
from .solving import adjoint, floating, identity_like, inv, not_square

__all__ = ["cofactor", "det", "slogdet"]


def _one_matrix(number: Array) -> Array:
    return expand_dims(expand_dims(number, axis=-1), axis=-1)


def _without_one(s: Array) -> Array:
    """The product of the other elements along the last axis, for each of them."""
    n = s.shape[-1]
    table = broadcast_to(expand_dims(s, axis=-2), (*s.shape, n))
    one = identity_like(table)
    return prod(one + (1.0 - one) * table, axis=-1)


def _without_two(s: Array) -> Array:
    """The product of all elements along the last axis but i and j, for i and j: (..., n, n), and 0 for i = j."""
    n = s.shape[-1]
    table = broadcast_to(expand_dims(s, axis=-2), (*s.shape, n))
    one = identity_like(table)
    dropped = expand_dims(one, axis=-2) + expand_dims(one, axis=-3)
    dropped = dropped * (1.0 - 0.5 * expand_dims(one, axis=-1))
    factors = dropped + (1.0 - dropped) * expand_dims(table, axis=-2)
    return prod(factors, axis=-1) * (1.0 - one)


def _cofactor_rule(g: Array, x: Array) -> Array:
    # In the basis of the singular vectors x is diagonal, and the second derivatives of its determinant are products
    # of all diagonal elements but two. Nothing is divided, so that it holds for singular matrices, too.
    u, s, vh = svd(x)
    turned = matmul(matmul(adjoint(u), g), adjoint(vh))
    one, pairs = identity_like(turned), _without_two(s)
    on = expand_dims(sum(turned * one, axis=-1), axis=-2)
    inner = one * expand_dims(sum(pairs * on, axis=-1), axis=-1) - pairs * matrix_transpose(turned)
    return _one_matrix(det(u) * det(vh)) * matmul(matmul(conj(u), inner), conj(vh))


@primitive(x=_cofactor_rule, shapes="any", explain=not_square)
def cofactor(xp, x: Array) -> Array:
    """The cofactors of each matrix, the derivative of its determinant: det(x) x^-T, also where x is singular.

    x : (..., n, n).
    Derivatives up to the second are right at any matrix; the third one needs different singular values.
    Raises ShapeError if a matrix is not square.

    >>> cofactor(np.array([[1.0, 2.0], [3.0, 4.0]])).round(12)
    array([[ 4., -3.],
           [-2.,  1.]])
    """
    u, s, vh = xp.linalg.svd(floating(xp, x))
    sign = xp.linalg.det(u) * xp.linalg.det(vh)
    return sign[..., None, None] * xp.matmul(conj(u) * xp.expand_dims(_without_one(s), axis=-2), conj(vh))


@primitive(x=lambda g, x: _one_matrix(g) * cofactor(x), shapes="any", explain=not_square)
def det(xp, x: Array) -> Array:
    """Determinant of each matrix.

    x : (..., n, n), result (...). The derivative is right for singular matrices, too.
    Raises ShapeError if a matrix is not square.

    >>> det(np.array([[2.0, 1.0], [0.0, 3.0]]))
    np.float64(6.0)
    """
    return xp.linalg.det(floating(xp, x))


def _slogdet_rule(g: tuple, x: Array, out: tuple) -> Array:
    turn = g[1]
    if is_complex(x.dtype):  # the sign is e^(i phase), and the phase moves
        turn = turn + 1j * imag(g[0] * conj(out[0]))
    return _one_matrix(turn) * adjoint(inv(x))


@primitive(x=_slogdet_rule, outputs=("sign", "logabsdet"), holomorphic=False, shapes="any", explain=not_square)
def slogdet(xp, x: Array) -> Any:
    """Sign of the determinant of each matrix, and the logarithm of its absolute value.

    x : (..., n, n), both results (...). A singular matrix has sign 0 and logarithm -inf, and no derivative: ShapeError.
    Raises ShapeError if a matrix is not square.

    >>> sign, logabsdet = slogdet(np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> float(sign), float(logabsdet)
    (-1.0, 0.0)
    """
    return tuple(xp.linalg.slogdet(floating(xp, x)))
