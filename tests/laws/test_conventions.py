"""At kinks and ties the derivative is the written convention's: the element of least norm (see `core/domain.py`)."""

import numpy as np
import pytest

from tests.laws.cases import CASES
from tinygrad_lite import OPS, elu, grad, leaky_relu, linalg, prelu
from tinygrad_lite.testing import laws

EXEMPT = {
    "qr": "a matrix without full rank has no unique factors",
    "lu_factors": "a singular matrix may have no unique factors",
    "eigh": "repeated eigenvalues have no unique vectors",
    "known_eigh": "repeated eigenvalues have no unique vectors",
    "eigh_gradient": "repeated eigenvalues have no unique vectors",
    "eig": "repeated eigenvalues have no derivative",
    "eigvals": "repeated eigenvalues have no derivative",
    "svd": "repeated singular values have no unique vectors",
    "grid_sample": "between two elements the nearest one jumps",
    "embedding_bag": "a row that is looked up several times has that many shares in a tie",
}
"""Operations that the convention says nothing of at such points, and why."""


@pytest.mark.parametrize(("op", "sample"), [case for case in CASES if case.values[0].name not in EXEMPT])
def test_gradients_at_kinks_and_ties_have_least_norm(op, sample):
    laws.least_norm(op, sample, examples=4)


def test_exempt_operations_exist():
    assert set(EXEMPT) <= set(OPS)


@pytest.mark.parametrize(("slope", "expected"), [(0.25, 0.25), (1.0, 1.0), (2.0, 1.0), (-1.0, 0.0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_steep_left_side_of_an_activation_does_not_win_at_zero(slope, expected, dtype):
    x = np.zeros(2, dtype)
    assert grad(lambda x: elu(x, alpha=slope).sum())(x).tolist() == [expected] * 2
    assert grad(lambda x: leaky_relu(x, negative_slope=slope).sum())(x).tolist() == [expected] * 2
    assert grad(lambda x: prelu(x, np.array([slope], dtype)).sum())(x).tolist() == [expected] * 2


@pytest.mark.parametrize("ord", [1, 1.5, 2, 3, np.inf, -np.inf])
def test_the_norm_at_zero_has_gradient_zero(ord):
    assert grad(lambda x: linalg.vector_norm(x, ord=ord))(np.zeros(3)).tolist() == [0.0] * 3
    assert grad(lambda x: linalg.vector_norm(x, axis=1, ord=ord).sum())(np.zeros((2, 2))).tolist() == [[0.0] * 2] * 2


def test_matrix_norms_at_zero_have_gradient_zero():
    for ord in ("fro", "nuc", 1, 2, np.inf):
        gradient = grad(lambda x, ord=ord: linalg.matrix_norm(x, ord=ord))(np.zeros((2, 2)))
        np.testing.assert_array_equal(gradient, np.zeros((2, 2)))
