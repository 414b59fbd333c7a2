"""Factors of matrices: Cholesky, QR, singular values, and the pseudo-inverse.

Where singular values repeat, single vectors are not determined, and their derivative does not exist. The terms that
would divide by the difference of equal values are left out. So gradients are finite everywhere, and the first and the
second derivative are right for whatever belongs to a whole space of singular vectors and does not ask for f' of its
value: the projectors on it, the polar factor, sums over its values, norms. Of U f(S) V^H they lack the terms with f' at
repeated values, and of functions such as sum(S**2) the second derivative along directions that split them, because the
cotangents of S, U and V do not determine these; `singular_value_function` has them, since it knows f. Functions that
are not computed by vectors (pinv, det, expm, sqrtm) are right to any order.
A repeated value itself is a kink of the sorted values; `svdvals` gives each of k equal ones the mean of the k
derivatives, the element of least norm. Values count as equal within the rounding of the decomposition.
"""

from __future__ import annotations

from typing import Any, Literal

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.graph import node_of, unwrap
from ..core.op import Array, primitive
from .comparison import equal, less_equal, where
from .conversion import astype, detach
from .creation import zeros_like
from .eigenvalues import columns, differences, eigh_gradient, epsilon, hermitian, reciprocal, shared, ties
from .elementwise import negative
from .joining import concat
from .movement import broadcast_to, expand_dims, tril
from .products import matmul
from .reductions import sum
from .solving import adjoint, floating, identity_like, not_square, solve

__all__ = ["cholesky", "matrix_rank", "pinv", "qr", "svd", "svdvals"]


def no_matrix(x: Array, **_: Any) -> str | None:
    return f"x is {shape_of(x)}; at least two axes are required, (..., m, n)." if len(shape_of(x)) < 2 else None


def _first(x: Array, count: int) -> Array:
    """The first columns of each matrix."""
    return x[..., :count]


# Cholesky


def _explain_cholesky(x: Array, **_: Any) -> str:
    return not_square(x) or f"x is {shape_of(x)}; a matrix is not positive definite."


def _cholesky_rule(g: Array, out: Array, upper: bool) -> Array:
    # Source: I. Murray, Differentiation of the Cholesky decomposition, 2016, arXiv:1602.07527, eq. 10.
    lower, g = (adjoint(out), adjoint(g)) if upper else (out, g)
    inner = matmul(adjoint(lower), g)
    inner = tril(inner) - 0.5 * inner * identity_like(inner)
    transposed = adjoint(lower)
    return hermitian(adjoint(solve(transposed, adjoint(solve(transposed, inner)))))


@primitive(x=_cholesky_rule, holomorphic=False, shapes="any", explain=_explain_cholesky)
def cholesky(xp, x: Array, *, upper: bool = False) -> Array:
    """Cholesky factor of positive definite matrices: the lower triangular L with L L^H = x, or L^H if `upper`.

    x : (..., n, n), Hermitian; of others the Hermitian part (x + x^H) / 2 is taken.
    Raises ShapeError if a matrix is not square or not positive definite.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])
    """
    x = floating(xp, x)
    lower = xp.linalg.cholesky((x + adjoint(x)) * 0.5)
    return adjoint(lower) if upper else lower


# QR


def _explain_qr(x: Array, *, mode: str) -> str | None:
    if mode not in ("reduced", "complete"):
        return f"mode is {mode!r}; it must be 'reduced' or 'complete'."
    return no_matrix(x)


def _qr_rule(g: tuple, x: Array, out: tuple) -> Array:
    # Source: S. Walter and L. Lehmann, Algorithmic differentiation of linear algebra functions, 2010, arXiv:1009.6112.
    (q, r), (gq, gr) = out, g
    rows, columns = shape_of(x)[-2:]
    k = min(rows, columns)
    if shape_of(q)[-1] > k:
        # The further columns of Q are any basis of the rest; they turn no more than the first ones make them.
        rest, g_rest = q[..., k:], gq[..., k:]
        q, gq, r, gr = _first(q, k), _first(gq, k), r[..., :k, :], gr[..., :k, :]
        gq = gq - matmul(rest, matmul(adjoint(g_rest), q))
    if columns > rows:
        # The first columns determine Q; the others are R's, Q^T x.
        gq = gq + matmul(x[..., k:], adjoint(gr[..., k:]))
    square = _first(r, k)
    inner = matmul(square, adjoint(_first(gr, k))) - matmul(adjoint(gq), q)
    # The diagonal of R is real: only the real part of the diagonal counts.
    diagonal = 0.5 * inner * identity_like(inner)
    inner = tril(inner, k=-1) + diagonal
    inner = inner + adjoint(inner)
    gx = adjoint(solve(square, adjoint(gq + matmul(q, inner))))
    return gx if columns <= rows else concat([gx, matmul(q, gr[..., k:])], axis=-1)


@primitive(x=_qr_rule, outputs=("Q", "R"), holomorphic=False, shapes="any", explain=_explain_qr)
def qr(xp, x: Array, *, mode: Literal["reduced", "complete"] = "reduced") -> Any:
    """Factors x = Q R, the columns of Q orthonormal, R upper triangular.

    x : (..., m, n). Q : (..., m, k), R : (..., k, n), with k = min(m, n), or k = m for `mode="complete"`.
    The derivative exists if the first min(m, n) columns of x are independent; ShapeError, of `solve`, if they are not.
    Raises ShapeError for fewer than two axes or another mode.

    >>> q, r = qr(np.array([[3.0, 1.0], [4.0, 2.0]]))
    >>> np.allclose(q @ r, [[3, 1], [4, 2]])
    True
    """
    if mode not in ("reduced", "complete"):
        raise ValueError
    return tuple(xp.linalg.qr(floating(xp, x), mode=mode))


# Singular values


def _explain_svd(x: Array, **_: Any) -> str:
    return no_matrix(x) or f"x is {shape_of(x)}; the singular values were not found. Are all elements finite?"


def _zeros(s: Array) -> Array:
    """Which singular values are 0 within rounding."""
    values = detach(s)
    return less_equal(values, epsilon(s.dtype) * sum(values, axis=-1, keepdims=True))


def _svd_rule(g: tuple, x: Array, out: tuple) -> Array:
    # U and V turn by the skew-symmetric parts of U^T dU and V^T dV. Their sum is the symmetric part of U^T dx V over
    # differences of singular values; their difference is the skew part over sums, which repeated values do no harm.
    (gu, gs, gvh), (u, s, vh) = g, out
    k = shape_of(s)[-1]
    v, gv = adjoint(vh), adjoint(gvh)
    u, gu = _without_rest(u, gu, k)
    v, gv = _without_rest(v, gv, k)
    if k and node_of(x) is not None:
        return _recorded_svd_rule((gu, gs, gv), x, tuple(map(detach, (u, s, v))))
    ut, vt = adjoint(u), adjoint(v)
    left, right = matmul(ut, gu), matmul(vt, gv)
    a, b = left - adjoint(left), right - adjoint(right)
    zero = _zeros(s)
    total = expand_dims(s, axis=-2) + expand_dims(s, axis=-1)
    both = expand_dims(astype(zero, s.dtype), axis=-2) * expand_dims(astype(zero, s.dtype), axis=-1)
    inner = (a + b) * reciprocal(differences(s), ties(s)) + (a - b) * reciprocal(total, equal(both, 1.0))
    inverse = columns(reciprocal(s, zero))
    gx = matmul(u * columns(gs) + matmul(u, 0.5 * inner), vt)
    if shape_of(u)[-2] > k:
        gx = gx + matmul((gu - matmul(u, left)) * inverse, vt)
    if shape_of(v)[-2] > k:
        gx = gx + matmul(u, adjoint((gv - matmul(v, right)) * inverse))
    return gx


def dilation(x: Array) -> Array:
    """The Hermitian matrix with x and its adjoint beside the diagonal; its eigenvalues are S, -S and 0."""
    *front, m, n = x.shape
    zero = zeros_like(x[..., :1, :1])
    above = concat([broadcast_to(zero, (*front, m, m)), x], axis=-1)
    below = concat([adjoint(x), broadcast_to(zero, (*front, n, n))], axis=-1)
    return concat([above, below], axis=-2)


def _recorded_svd_rule(g: tuple, x: Array, factors: tuple) -> Array:
    """The same by the eigenvectors of the dilation, whose gradient has the right derivative at repeated values."""
    (gu, gs, gv), (u, s, v) = g, factors
    (m, k), n = shape_of(u)[-2:], shape_of(v)[-2]
    half, *front = 0.5**0.5, *shape_of(s)[:-1]
    rest_u, rest_v = (qr(part, mode="complete").Q[..., k:] for part in (u, v))
    top = concat([half * u, half * u, rest_u, zeros_of(u, (*front, m, n - k))], axis=-1)
    bottom = concat([half * v, -half * v, zeros_of(v, (*front, n, m - k)), rest_v], axis=-1)
    w = concat([s, negative(s), zeros_of(s, (*front, m + n - 2 * k))], axis=-1)
    g_values = concat([gs, zeros_of(s, (*front, m + n - k))], axis=-1)
    g_vectors = concat([concat([gu, gv], axis=-2) / half, zeros_of(u, (*front, m + n, m + n - k))], axis=-1)
    whole = eigh_gradient(g_values, g_vectors, dilation(x), w, concat([top, bottom], axis=-2))
    return 2.0 * whole[..., :m, m:]


def zeros_of(x: Array, shape: tuple[int, ...]) -> Array:
    """Zeros with the dtype and device of x, of another shape."""
    return broadcast_to(zeros_like(x[..., :1] if len(shape) < 2 else x[..., :1, :1]), shape)


def _without_rest(u: Array, gu: Array, k: int) -> tuple[Array, Array]:
    """The first k columns, and their cotangent if the others turn no more than these make them."""
    if shape_of(u)[-1] == k:
        return u, gu
    first, rest = _first(u, k), u[..., k:]
    return first, _first(gu, k) - matmul(rest, matmul(adjoint(gu[..., k:]), first))


@primitive(x=_svd_rule, outputs=("U", "S", "Vh"), holomorphic=False, shapes="any", explain=_explain_svd)
def svd(xp, x: Array, *, full_matrices: bool = True) -> Any:
    """Singular value decomposition x = U diag(S) Vh; U and Vh have orthonormal columns and rows, S descends.

    x : (..., m, n). S : (..., k) with k = min(m, n). U : (..., m, m), Vh : (..., n, n), or, unless `full_matrices`,
    (..., m, k) and (..., k, n).
    At repeated singular values the derivative is that for which U and V do not turn together within their space: right
    for the polar factor U Vh, incomplete for U diag(f(S)) Vh, which is `singular_value_function(x, f)`.
    Raises ShapeError for fewer than two axes.

    >>> u, s, vh = svd(np.array([[3.0, 0.0], [0.0, 2.0], [0.0, 0.0]]), full_matrices=False)
    >>> s
    array([3., 2.])
    """
    return tuple(xp.linalg.svd(floating(xp, x), full_matrices=full_matrices))


def _singular_values(xp: Any, x: Array) -> Array:
    x = floating(xp, x)
    if hasattr(xp.linalg, "svdvals"):
        return xp.linalg.svdvals(x)
    return xp.linalg.svd(x, compute_uv=False)  # CuPy


def _svdvals_rule(g: Array, x: Array) -> Array:
    u, s, vh = svd(x, full_matrices=False)
    return matmul(u * columns(where(_zeros(s), 0.0, shared(g, s))), vh)


@primitive(x=_svdvals_rule, shapes="any", explain=_explain_svd)
def svdvals(xp, x: Array) -> Array:
    """Singular values of matrices, in descending order.

    x : (..., m, n), result (..., min(m, n)).
    Each of k equal singular values gets the mean of their derivatives; those that are 0 have derivative 0.
    Raises ShapeError for fewer than two axes.

    >>> svdvals(np.array([[0.0, 3.0], [2.0, 0.0]]))
    array([3., 2.])
    """
    return _singular_values(xp, x)


def _threshold(xp: Any, x: Array, s: Array, rtol: float | Array | None) -> Array:
    """Singular values up to this count as 0."""
    largest = xp.max(s, axis=-1, keepdims=True)
    if rtol is None:
        return largest * (max(x.shape[-2:]) * epsilon(s.dtype))
    return largest * (rtol if isinstance(rtol, (int, float)) else backend_of(s).asarray(unwrap(rtol))[..., None])


@primitive(shapes="any", explain=_explain_svd)
def matrix_rank(xp, x: Array, *, rtol: float | Array | None = None) -> Array:
    """How many singular values exceed `rtol` times the largest; `rtol` is max(m, n) times the dtype's epsilon if None.

    x : (..., m, n), result (...) of integers; rtol : a number, or (...), one for each matrix.

    >>> matrix_rank(np.array([[1.0, 2.0], [2.0, 4.0]]))
    np.int64(1)
    """
    s = _singular_values(xp, x)
    if not s.shape[-1]:
        return xp.sum(xp.astype(s, xp.int64), axis=-1)
    return xp.sum(xp.astype(s > _threshold(xp, x, s, rtol), xp.int64), axis=-1)


def _pinv_rule(g: Array, x: Array, out: Array) -> Array:
    # Source: G. Golub and V. Pereyra, SIAM J. Numer. Anal. 10, 1973, eq. 4.12. It holds while the rank stays the same.
    turned, transposed = adjoint(g), adjoint(out)
    left = matmul(matmul(turned, out), transposed)
    right = matmul(transposed, matmul(out, turned))
    straight = negative(matmul(matmul(transposed, g), transposed))
    # The projectors first: the pseudo-inverse may be huge, and its products with itself out of range.
    return straight + left - matmul(matmul(x, out), left) + right - matmul(right, matmul(out, x))


@primitive(x=_pinv_rule, holomorphic=False, shapes="any", explain=_explain_svd)
def pinv(xp, x: Array, *, rtol: float | Array | None = None) -> Array:
    """Pseudo-inverse of each matrix: `pinv(a) @ b` is the shortest of the x that make |a @ x - b| least.

    x : (..., m, n), result (..., n, m).
    rtol : singular values up to `rtol` times the largest count as 0; a number, or (...), one for each matrix;
        max(m, n) times the dtype's epsilon if None.
    The derivative is that among matrices of the same rank.
    Raises ShapeError for fewer than two axes.

    >>> pinv(np.array([[2.0, 0.0], [0.0, 0.0]]))
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    x = floating(xp, x)
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    if not s.shape[-1]:
        return adjoint(x)
    large = s > _threshold(xp, x, s, rtol)
    inverse = xp.where(large, 1.0 / xp.where(large, s, xp.ones_like(s)), xp.zeros_like(s))
    return xp.matmul(adjoint(vh) * inverse[..., None, :], adjoint(u))
