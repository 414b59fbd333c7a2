"""Eigenvalues and eigenvectors of square matrices that need not be symmetric. The results are complex."""

from __future__ import annotations

from typing import Any

import numpy

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.dtypes import is_complex
from ..core.op import Array, composite, primitive
from .complex import conj, real
from .eigenvalues import columns, differences, reciprocal, ties
from .elementwise import multiply
from .movement import expand_dims
from .products import matmul
from .reductions import sum
from .solving import adjoint, floating, identity_like, not_square, require_square, solve

__all__ = ["eig", "eigvals"]


def _explain(x: Array) -> str:
    return not_square(x) or f"x is {shape_of(x)}; the eigenvalues were not found. Are all elements finite?"


def _rule(g: tuple, out: tuple) -> Array:
    # From dx V + x dV = dV diag(w) + V diag(dw), where dV keeps the length of each vector and does not turn its phase.
    (g_values, g_vectors), (w, v) = g, out
    back = adjoint(v)
    one = identity_like(v)
    inner = matmul(back, g_vectors)
    lengths = real(sum(multiply(inner, one), axis=-1))
    inner = (inner - matmul(back, v) * columns(lengths)) * conj(reciprocal(differences(w), ties(w)))
    return solve(back, matmul(one * expand_dims(g_values, axis=-1) + inner, back))


@primitive(x=_rule, outputs=("eigenvalues", "eigenvectors"), holomorphic=False, shapes="any", explain=_explain)
def eig(xp, x: Array) -> Any:
    """Eigenvalues w and eigenvectors V of square matrices, x V = V diag(w), complex and in no particular order.

    x : (..., n, n). eigenvalues : (..., n). eigenvectors : (..., n, n), the vectors are columns of length 1.
    Of symmetric and Hermitian matrices `eigh` has the values in order, orthogonal vectors, and takes less time.
    The derivative is that for which no vector turns its phase, and none turns within the space of a repeated
    eigenvalue. Where a matrix has no basis of eigenvectors there is none: ShapeError, of `solve`, or huge numbers.
    A library without this function has NumPy compute it in main memory.
    Raises ShapeError if a matrix is not square.

    >>> w, v = eig(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    >>> print(w.round(3))
    [0.+1.j 0.-1.j]
    """
    x = floating(xp, x)
    if hasattr(xp.linalg, "eig"):
        found = xp.linalg.eig(x)
    else:
        backend = backend_of(x)
        found = [backend.asarray(part) for part in numpy.linalg.eig(backend.to_numpy(x))]
    # NumPy's are real if all values of all matrices are.
    wide = x.dtype if is_complex(x.dtype) else xp.result_type(x.dtype, xp.complex64)
    return tuple(xp.astype(part, wide) for part in found)


@composite(shapes="any")
def eigvals(x: Array) -> Array:
    """Eigenvalues of square matrices, complex and in no particular order. Of symmetric ones see `eigvalsh`.

    x : (..., n, n), result (..., n). The derivatives are those of `eig`.
    Raises ShapeError if a matrix is not square.

    >>> print(eigvals(np.array([[2.0, 1.0], [0.0, 3.0]])))
    [2.+0.j 3.+0.j]
    """
    require_square("eigvals", x)
    return eig(x).eigenvalues
