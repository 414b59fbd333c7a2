"""Eigenvalues and eigenvectors of symmetric and Hermitian matrices.

Where eigenvalues repeat, single vectors are not determined, and their derivative does not exist. The terms that would
divide by the difference of equal values are left out. So gradients are finite everywhere, and the first and the second
derivative are right for whatever belongs to a whole eigenspace and does not ask for f' of its value: simple values and
their vectors beside it, sums over its values, the projector on it. Two things are lacking at repeated values, because
the cotangents of w and V do not determine them: of V f(w) V^H the terms with f' inside an eigenspace, which
`hermitian_function` has, since it knows f; and of functions of values alone, such as sum(w**2), the second derivative
along directions that split an eigenspace, which the trace of a `hermitian_function` has.
A repeated value itself is a kink of the sorted values; `eigvalsh` gives each of k equal ones the mean of the k
derivatives, the element of least norm. Values count as equal within the rounding of the decomposition.
"""

from __future__ import annotations

from typing import Any

from ..core.axes import shape_of
from ..core.dtypes import limits
from ..core.op import Array, primitive
from .comparison import less_equal, where
from .complex import conj, real
from .conversion import astype, detach
from .elementwise import abs
from .movement import expand_dims
from .products import matmul
from .reductions import sum
from .solving import adjoint, floating, identity_like, not_square

__all__ = ["eigh", "eigvalsh"]


def epsilon(dtype: Any) -> float:
    """The distance from 1 to the next number of a floating-point dtype of any library."""
    return float(limits(dtype).eps)


def hermitian(x: Array) -> Array:
    return (x + adjoint(x)) * 0.5


def ties(values: Array) -> Array:
    """Which of the values along the last axis are equal within rounding: (..., n, n) of booleans."""
    values = detach(values)
    tolerance = epsilon(values.dtype) * sum(abs(values), axis=-1, keepdims=True)
    return less_equal(abs(differences(values)), expand_dims(tolerance, axis=-1))


def differences(values: Array) -> Array:
    """values[j] - values[i]."""
    return expand_dims(values, axis=-2) - expand_dims(values, axis=-1)


def reciprocal(x: Array, zero: Array) -> Array:
    """1 / x, and 0 where `zero` holds."""
    return where(zero, 0.0, 1.0 / where(zero, 1.0, x))


def shared(g: Array, values: Array) -> Array:
    """Cotangents of sorted values, where equal ones get their mean."""
    same = astype(ties(values), g.dtype)
    return sum(same * expand_dims(g, axis=-2), axis=-1) / sum(same, axis=-1)


def columns(scale: Array) -> Array:
    return expand_dims(scale, axis=-2)


def _eigh_rule(g: tuple, x: Array, out: tuple) -> Array:
    (g_values, g_vectors), (w, v) = g, out
    return eigh_gradient(g_values, g_vectors, x, detach(w), detach(v))


@primitive(x=_eigh_rule, outputs=("eigenvalues", "eigenvectors"), holomorphic=False, shapes="any")
def known_eigh(xp, x: Array, w: Array = None, v: Array = None) -> Any:
    """`eigh` of x, where w and v are its results if they are known: this way they can be differentiated again.

    >>> float(known_eigh(np.eye(1), np.array([1.0]), np.array([[-1.0]])).eigenvectors[0, 0])
    -1.0
    """
    return tuple(xp.linalg.eigh(hermitian(x))) if w is None else (w, v)


def _gradient_values(g: Array, x: Array, w: Array, v: Array) -> Array:
    v = known_eigh(x, w, v)[1]
    return real(sum(conj(v) * matmul(hermitian(g), v), axis=-2))


def _gradient_vectors(g: Array, x: Array, w: Array, v: Array) -> Array:
    w, v = known_eigh(x, w, v)
    return matmul(v, matmul(matmul(adjoint(v), hermitian(g)), v) * reciprocal(differences(w), ties(w)))


def _gradient_x(g: Array, g_values: Array, g_vectors: Array, x: Array, w: Array, v: Array) -> Array:
    # In the basis V with P = V^H dx V, V turns by P / (w_j - w_i) between eigenspaces and not at all within one; there
    # diag(w) moves by the whole block of P, not by its diagonal alone. The blocks are what repeated values need.
    w, v = known_eigh(x, w, v)
    back, same = adjoint(v), ties(w)
    apart = reciprocal(differences(w), same)
    k, m = matmul(matmul(back, hermitian(g)), v), matmul(back, g_vectors)
    divided, turned = k * apart, m * apart
    whole = turned + identity_like(m) * columns(g_values)
    turning = matmul(k, whole) - matmul(whole, k) - matmul(divided, adjoint(m))
    moving = matmul(divided, adjoint(turned)) - matmul(adjoint(turned), divided)
    return hermitian(matmul(matmul(v, turning * apart + where(same, moving, 0.0)), back))


@primitive(g_values=_gradient_values, g_vectors=_gradient_vectors, x=_gradient_x, holomorphic=False, shapes="any")
def eigh_gradient(xp, g_values: Array, g_vectors: Array, x: Array, w: Array = None, v: Array = None) -> Array:
    """The gradient of `eigh` at x for cotangents of its results; w and v are its results, if they are known.

    An operation of its own, because at repeated eigenvalues its derivative is more than what those of w and v make.

    >>> eigh_gradient(np.ones(2), np.zeros((2, 2)), np.eye(2))
    array([[1., 0.],
           [0., 1.]])
    """
    if w is None:
        w, v = xp.linalg.eigh(hermitian(x))
    back = adjoint(v)
    inner = matmul(back, g_vectors) * reciprocal(differences(w), ties(w))
    return hermitian(matmul(v * columns(g_values) + matmul(v, inner), back))


def _explain_eigh(x: Array) -> str:
    return not_square(x) or f"x is {shape_of(x)}; the eigenvalues were not found. Are all elements finite?"


@primitive(
    x=_eigh_rule,
    outputs=("eigenvalues", "eigenvectors"),
    holomorphic=False,
    shapes="any",
    explain=_explain_eigh,
)
def eigh(xp, x: Array) -> Any:
    """Eigenvalues w and eigenvectors V of symmetric or Hermitian matrices, x = V diag(w) V^H; the values ascend.

    x : (..., n, n), Hermitian; of others the Hermitian part (x + x^H) / 2 is taken. eigenvalues : (..., n).
    eigenvectors : (..., n, n), the vectors are columns.
    At repeated eigenvalues the derivative is that for which V does not turn within an eigenspace: right for projectors
    on whole eigenspaces, incomplete for V diag(f(w)) V^H, which is `hermitian_function(x, f)`.
    Raises ShapeError if a matrix is not square.

    >>> w, v = eigh(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> w
    array([1., 3.])
    """
    x = floating(xp, x)
    return tuple(xp.linalg.eigh(x * 0.5 + adjoint(x) * 0.5))


def _eigvalsh_rule(g: Array, x: Array) -> Array:
    w, v = eigh(x)
    return matmul(v * columns(shared(g, w)), adjoint(v))


@primitive(x=_eigvalsh_rule, shapes="any", explain=_explain_eigh)
def eigvalsh(xp, x: Array) -> Array:
    """Eigenvalues of symmetric or Hermitian matrices, in ascending order.

    x : (..., n, n), Hermitian; of others the Hermitian part (x + x^H) / 2 is taken. Result (..., n).
    Each of k equal eigenvalues gets the mean of their derivatives.
    Raises ShapeError if a matrix is not square.

    >>> eigvalsh(np.array([[2.0, 1.0], [1.0, 2.0]]))
    array([1., 3.])
    """
    x = floating(xp, x)
    return xp.linalg.eigvalsh(x * 0.5 + adjoint(x) * 0.5)
