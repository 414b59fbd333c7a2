"""Linear algebra, `tl.linalg`: the functions of the Array API's extension of this name, and further ones."""

from .ops.chains import multi_dot
from .ops.decompositions import cholesky, matrix_rank, pinv, qr, svd, svdvals
from .ops.determinants import det, slogdet
from .ops.diagonals import cross, diag, diagonal, kron, trace
from .ops.eigenvalues import eigh, eigvalsh
from .ops.general_eigenvalues import eig, eigvals
from .ops.hermitian_functions import hermitian_function, singular_value_function
from .ops.least_squares import lstsq
from .ops.matrix_functions import expm, matrix_power
from .ops.matrix_roots import logm, solve_sylvester, sqrtm
from .ops.movement import matrix_transpose
from .ops.norms import cond, matrix_norm, norm, vector_norm
from .ops.products import matmul, outer, tensordot, vecdot
from .ops.solving import inv, solve, solve_triangular
from .ops.triangular_factors import lu

__all__ = [
    "cholesky", "cond", "cross", "det", "diag", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "expm",
    "hermitian_function", "inv", "kron", "logm", "lstsq", "lu", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer", "pinv", "qr", "singular_value_function",
    "slogdet", "solve", "solve_sylvester", "solve_triangular", "sqrtm", "svd", "svdvals", "tensordot", "trace",
    "vecdot", "vector_norm",
]  # fmt: skip
