"""Linear algebra, `tl.linalg`: the functions of the Array API's extension of this name, and further ones."""

from .ops.decompositions import cholesky, eigh, eigvalsh, matrix_rank, pinv, qr, svd, svdvals
from .ops.determinants import det, slogdet
from .ops.diagonals import cross, diag, diagonal, kron, trace
from .ops.least_squares import lstsq
from .ops.matrix_functions import expm, matrix_power
from .ops.movement import matrix_transpose
from .ops.norms import cond, matrix_norm, norm, vector_norm
from .ops.products import matmul, outer, tensordot, vecdot
from .ops.solving import inv, solve, solve_triangular

__all__ = [
    "cholesky", "cond", "cross", "det", "diag", "diagonal", "eigh", "eigvalsh", "expm", "inv", "kron", "lstsq",
    "matmul", "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "norm", "outer", "pinv", "qr",
    "slogdet", "solve", "solve_triangular", "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip
