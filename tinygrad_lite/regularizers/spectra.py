"""Penalties on weights as matrices: by their singular values, and by how far they are from orthogonal.

A convolution's weight, (out, in, ...), is the matrix (out, in * ...).
"""

from __future__ import annotations

from .. import ops
from ..core.op import Array
from ..linalg import matrix_norm, svd
from .penalties import Penalty
from .selection import matrices

__all__ = ["NuclearNorm", "Orthogonal", "SpectralNorm"]


def as_matrix(w: Array) -> Array:
    """The rows of w along its first axis, (m, ...), as those of a matrix, (m, n)."""
    return w if len(w.shape) == 2 else ops.reshape(w, (w.shape[0], -1))


class _Spectral(Penalty):
    """A norm of the singular values."""

    choice = matrices
    homogeneous = True

    def shrunk(self, s: Array, t: float) -> Array:
        """The proximal map of the norm of singular values s, (n,), largest first."""
        raise NotImplementedError

    def prox(self, w: Array, t: float) -> Array:
        u, s, vt = svd(as_matrix(w), full_matrices=False)
        return ops.reshape(ops.matmul(u * self.shrunk(s, t), vt), w.shape)


class NuclearNorm(_Spectral):
    """strength * the sum of singular values: matrices of low rank.

    Its proximal map makes each singular value smaller by t, and those that are not larger exactly 0.

    Source: J.-F. Cai, E. Candes, Z. Shen, A singular value thresholding algorithm for matrix completion, 2010.

    >>> from tinygrad_lite.regularizers import NuclearNorm
    >>> NuclearNorm(1.0).prox(np.diag([3.0, 0.5]), 1.0).round(6).tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """

    def of(self, w: Array) -> Array:
        return matrix_norm(as_matrix(w), ord="nuc")

    def shrunk(self, s: Array, t: float) -> Array:
        return ops.maximum(s - t, 0.0)


class SpectralNorm(_Spectral):
    """strength * the largest singular value, by which a layer stretches its input at most.

    Its proximal map cuts the singular values at the level above which they add up to t.

    Source: the penalty, Y. Yoshida, T. Miyato, Spectral norm regularization, 2017, arXiv:1705.10941 (there its square).

    >>> from tinygrad_lite.regularizers import SpectralNorm
    >>> SpectralNorm(1.0).prox(np.diag([3.0, 2.0]), 2.0).round(6).tolist()
    [[1.5, 0.0], [0.0, 1.5]]
    """

    def of(self, w: Array) -> Array:
        return matrix_norm(as_matrix(w), ord=2)

    def shrunk(self, s: Array, t: float) -> Array:
        # The level is the largest of those at which the first 1, 2, ... values alone would be cut.
        counts = ops.cumulative_sum(ops.ones_like(s))
        level = ops.max((ops.cumulative_sum(s) - t) / counts)
        return ops.minimum(s, ops.maximum(level, 0.0))


class Orthogonal(Penalty):
    """strength * |W W^T - 1|_F^2, or W^T W if W has more rows than columns: rows (columns) of length 1 at right angles.

    Source: A. Brock et al., Neural photo editing with introspective adversarial networks, 2017, arXiv:1609.07093.

    >>> from tinygrad_lite.regularizers import Orthogonal
    >>> Orthogonal(1.0)([tensor([[2.0, 0.0], [0.0, 1.0]])])
    Tensor(9., dtype=float32)
    """

    choice = matrices

    def of(self, w: Array) -> Array:
        w = as_matrix(w)
        turned = ops.matrix_transpose(w)
        gram = ops.matmul(w, turned) if w.shape[0] <= w.shape[1] else ops.matmul(turned, w)
        # |G - 1|^2 = |G|^2 - 2 tr G + n, where n is the number of rows, and tr G is the sum of squares of w.
        return ops.sum(gram * gram) - 2.0 * ops.sum(w * w) + float(gram.shape[0])
