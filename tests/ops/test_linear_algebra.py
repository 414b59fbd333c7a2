"""Exact edges, repeated values and messages of `tl.linalg`."""

# ruff: noqa: E501  # messages stand on one line, as they are read

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError, linalg
from tinygrad_lite.testing import check_gradients

RNG = np.random.default_rng(0)
TURN = np.linalg.qr(RNG.standard_normal((4, 4)))[0]
REPEATED = (TURN * [1.0, 2.0, 2.0, 5.0]) @ TURN.T
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linalg.inv(SINGULAR), "inv: x is (2, 2); x is singular and has no inverse. Use pinv for the nearest."),
        (
            lambda: linalg.inv(np.stack([[np.eye(2), np.eye(2)], [np.eye(2), SINGULAR]])),
            "inv: x is (2, 2, 2, 2); x[1, 1] is singular and has no inverse. Use pinv for the nearest.",
        ),
        (
            lambda: linalg.solve(np.stack([SINGULAR, np.eye(2)]), np.ones((2, 1))),
            "solve: a is (2, 2, 2) and b is (2, 1); a[0] is singular, so there is no solution or more than one. Use pinv for the shortest.",
        ),
        (lambda: linalg.inv(np.ones((2, 3))), "inv: x is (2, 3); square matrices are required, (..., n, n)."),
        (lambda: linalg.inv(np.ones(2)), "inv: x is (2,); square matrices are required, (..., n, n)."),
        (
            lambda: linalg.solve(SINGULAR, np.ones(2)),
            "solve: a is (2, 2) and b is (2,); a is singular, so there is no solution or more than one. Use pinv for the shortest.",
        ),
        (
            lambda: linalg.solve(np.ones((2, 3)), np.ones(2)),
            "solve: a is (2, 3) and b is (2,); a must be square matrices, (..., n, n). Use pinv for others.",
        ),
        (lambda: linalg.solve(np.eye(2), np.ones(3)), "solve: a is (2, 2) and b is (3,); b must have 2 rows, as a has."),
        (
            lambda: linalg.solve(np.ones((2, 3, 3)), np.ones((5, 3, 1))),
            "solve: a is (2, 3, 3) and b is (5, 3, 1); the axes before the last two, (2,) and (5,), must broadcast together.",
        ),
        (lambda: linalg.solve_triangular(np.ones((2, 3)), np.ones((2, 1))), "solve_triangular: x is (2, 3); square matrices are required, (..., n, n)."),
        (lambda: linalg.cholesky(-np.eye(2)), "cholesky: x is (2, 2); a matrix is not positive definite."),
        (lambda: linalg.cholesky(np.ones((2, 3))), "cholesky: x is (2, 3); square matrices are required, (..., n, n)."),
        (lambda: linalg.qr(np.eye(2), mode="raw"), "qr: mode is 'raw'; it must be 'reduced' or 'complete'."),
        (lambda: linalg.qr(np.ones(2)), "qr: x is (2,); at least two axes are required, (..., m, n)."),
        (lambda: linalg.eigh(np.ones((2, 3))), "eigh: x is (2, 3); square matrices are required, (..., n, n)."),
        (lambda: linalg.eigvalsh(np.ones((2, 3))), "eigvalsh: x is (2, 3); square matrices are required, (..., n, n)."),
        (lambda: linalg.svd(np.ones(3)), "svd: x is (3,); at least two axes are required, (..., m, n)."),
        (
            lambda: linalg.svdvals(np.full((2, 2), np.nan)),
            "svdvals: x is (2, 2); the singular values were not found. Are all elements finite?",
        ),
        (lambda: linalg.det(np.ones((2, 3))), "det: x is (2, 3); square matrices are required, (..., n, n)."),
        (lambda: linalg.slogdet(np.ones((2, 3))), "slogdet: x is (2, 3); square matrices are required, (..., n, n)."),
        (lambda: linalg.matrix_power(np.ones((2, 3)), 2), "matrix_power: x is (2, 3); square matrices are required, (..., n, n)."),
        (lambda: linalg.expm(np.ones((2, 3))), "expm: x is (2, 3); square matrices are required, (..., n, n)."),
        (lambda: linalg.matrix_norm(np.ones(3)), "matrix_norm: x is (3,); at least two axes are required."),
        (lambda: linalg.matrix_norm(SINGULAR, ord=3), "matrix_norm: ord is 3; it must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf."),
        (
            lambda: linalg.vector_norm(np.ones(3), axis=1),
            "vector_norm: axis 1 does not exist: the array has 1 axes, so axis must be from -1 to 0.",
        ),
        (
            lambda: linalg.norm(np.ones((2, 2, 2)), ord=1),
            "norm: x is (2, 2, 2), axis=None and ord=1; name one axis or two.",
        ),
        (lambda: linalg.norm(np.ones(3), ord="nuc"), "norm: ord is 'nuc', a norm of matrices, and axis 0 is one axis; name two."),
        (
            lambda: linalg.lstsq(np.ones((2, 3)), np.ones(3)),
            "lstsq: a is (2, 3) and b is (3,); (..., m, n) and (m,) or (..., m, k) are required.",
        ),
        (lambda: linalg.diagonal(np.ones(3)), "diagonal: x is (3,); at least two axes are required."),
        (lambda: linalg.trace(np.ones(3)), "trace: x is (3,); at least two axes are required."),
        (
            lambda: linalg.diag(np.ones((2, 2, 2))),
            "diag: x is (2, 2, 2); a vector or a matrix is required. Use diagonal for several matrices.",
        ),
        (
            lambda: linalg.cross(np.ones(2), np.ones(3)),
            "cross: x is (2,) and y is (3,); both need length 3 along axis -1.",
        ),
    ],
)  # fmt: skip
def test_messages(call, message):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == message


def test_a_singular_matrix_says_so_in_the_backward_pass_too():
    with pytest.raises(ShapeError, match="inv: x is \\(2, 2\\); x is singular"):
        tl.grad(lambda x: linalg.slogdet(x).logabsdet)(SINGULAR)


@pytest.mark.parametrize("single", [False, True])
def test_factors_multiply_to_the_matrix(single):
    tolerance = 1e-5 if single else 1e-12
    x = RNG.standard_normal((2, 4, 3)).astype("float32" if single else "float64")
    for full in (True, False):
        u, s, vh = linalg.svd(x, full_matrices=full)
        np.testing.assert_allclose((u[..., :3] * s[..., None, :]) @ vh, x, atol=tolerance)
        np.testing.assert_allclose(
            u.mT @ u, np.broadcast_to(np.eye(u.shape[-1]), (2, *u.shape[-1:] * 2)), atol=tolerance
        )
    w, v = linalg.eigh(x.mT @ x)
    np.testing.assert_allclose((v * w[..., None, :]) @ v.mT, x.mT @ x, atol=10 * tolerance)
    assert (np.diff(w) >= 0).all() and w.dtype == v.dtype == s.dtype == x.dtype


def test_results_are_named():
    assert linalg.eigh(np.eye(2))._fields == ("eigenvalues", "eigenvectors")
    assert linalg.svd(np.eye(2))._fields == ("U", "S", "Vh")
    assert linalg.qr(np.eye(2))._fields == ("Q", "R")
    assert linalg.slogdet(np.eye(2))._fields == ("sign", "logabsdet")


def test_integers_become_double_precision():
    for name in ("inv", "det", "cholesky", "eigvalsh", "svdvals", "pinv", "expm", "vector_norm", "matrix_norm"):
        assert getattr(linalg, name)(np.array([[2, 1], [1, 2]])).dtype == np.float64, name


# Repeated eigenvalues and singular values


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tl.sum(linalg.eigvalsh(x)),
        lambda x: tl.sum(linalg.eigh(x).eigenvalues ** 2),
        lambda x: tl.sum(linalg.eigvalsh(x) ** 3),
        lambda x: tl.sum(linalg.svdvals(x) ** 2),
        lambda x: linalg.matrix_norm(x, ord="nuc"),
        linalg.pinv,
        linalg.det,
        linalg.expm,
        lambda x: linalg.matrix_power(x, -2),
    ],
)
def test_right_where_values_repeat(f):
    check_gradients(f, REPEATED, order=1)
    check_gradients(f, np.eye(4), order=1)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tl.sum(linalg.eigvalsh(x)[1:3]),
        lambda x: tl.sum(linalg.svdvals(x)[1:3] ** 2),
        lambda x: linalg.eigh(x)[1][:, 1:3] @ tl.matrix_transpose(linalg.eigh(x)[1][:, 1:3]),
    ],
)
def test_right_for_what_belongs_to_a_whole_eigenspace(f):
    check_gradients(f, REPEATED, order=1)


def test_the_polar_factor_of_a_multiple_of_a_rotation():
    def polar(x):
        u, _, vh = linalg.svd(x)
        return u @ vh

    check_gradients(polar, 2.0 * TURN, order=1)


def test_equal_values_share_the_derivative():
    for f in (lambda x: linalg.eigvalsh(x)[3], lambda x: linalg.svdvals(x)[0], lambda x: linalg.matrix_norm(x, ord=2)):
        np.testing.assert_allclose(tl.grad(f)(np.eye(4)), np.eye(4) / 4, atol=1e-15)


@pytest.mark.parametrize("order", [1, 2])
def test_finite_everywhere(order):
    functions = [linalg.eigvalsh, linalg.svdvals, linalg.det, linalg.pinv, linalg.expm]
    functions += [lambda x: linalg.eigh(x).eigenvectors, lambda x: linalg.svd(x).U, lambda x: linalg.svd(x).Vh]
    functions += [lambda x, o=o: linalg.matrix_norm(x, ord=o) for o in ("fro", "nuc", 1, 2, -2, np.inf)]
    functions += [lambda x, o=o: linalg.vector_norm(x, ord=o) for o in (0.5, 1, 1.5, 2, 3, np.inf, -np.inf)]
    for x in (np.zeros((3, 3)), np.ones((3, 3)), np.eye(3), np.diag([1.0, 1.0, 0.0])):
        for f in functions:
            derivative = tl.grad(lambda x: tl.sum(f(x) * np.arange(1.0, 4.0)))  # noqa: B023  # called in this turn of the loop
            if order == 2:
                first = derivative
                derivative = tl.grad(lambda x: tl.sum(first(x) * np.arange(9.0).reshape(3, 3)))  # noqa: B023  # called in this turn of the loop
            assert np.isfinite(derivative(x)).all()


@pytest.mark.parametrize("ord", (0.5, 1, 1.5, 2, 3, np.inf, -np.inf))
def test_norms_of_vectors_have_derivative_zero_at_zero(ord):
    gradient = tl.grad(lambda x: linalg.vector_norm(x, ord=ord))(np.zeros(3))
    np.testing.assert_array_equal(gradient, np.zeros(3))


@pytest.mark.parametrize("ord", ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf))
def test_norms_of_matrices_have_derivative_zero_at_zero(ord):
    gradient = tl.grad(lambda x: linalg.matrix_norm(x, ord=ord))(np.zeros((2, 2)))
    np.testing.assert_array_equal(gradient, np.zeros((2, 2)))


# Determinants of singular matrices


@pytest.mark.parametrize("x", [np.zeros((2, 2)), SINGULAR, np.eye(3), np.diag([3.0, 0.0, 0.0])])
def test_the_second_derivative_of_a_determinant_at_singular_matrices(x):
    weight = RNG.standard_normal(x.shape)
    n = len(x)

    def slope(x):  # of the determinant, in the direction of `weight`
        return (np.linalg.det(x + weight) - np.linalg.det(x - weight)) / 2 - (np.linalg.det(weight) if n == 3 else 0)

    first = tl.grad(linalg.det)
    np.testing.assert_allclose(np.sum(first(x) * weight), slope(x), atol=1e-12)
    second = tl.grad(lambda x: tl.sum(first(x) * weight))(x)
    expected = (slope(x + weight) - slope(x - weight)) / 2
    np.testing.assert_allclose(np.sum(second * weight), expected, atol=1e-12)


def test_matrix_function_edges():
    x = RNG.standard_normal((3, 3))
    np.testing.assert_array_equal(linalg.matrix_power(x, 0), np.eye(3))
    assert (linalg.matrix_power(x, 1) is not x) and (linalg.matrix_power(x, 1) == x).all()
    np.testing.assert_allclose(linalg.expm(np.diag([30.0, -30.0])), np.diag(np.exp([30.0, -30.0])), rtol=1e-12)
    assert linalg.expm(np.zeros((0, 0))).shape == (0, 0)
    assert linalg.matrix_rank(np.zeros((2, 0, 3))).tolist() == [0, 0]
    assert linalg.pinv(np.zeros((2, 0, 3))).shape == (2, 3, 0)


def test_cross_counts_the_axis_in_each_array():
    x, y = np.arange(9.0).reshape(3, 3), np.array([1.0, -2.0, 0.5])
    for axis in (0, -1):
        np.testing.assert_array_equal(linalg.cross(x, y, axis=axis), np.cross(x, y, axis=axis))
        np.testing.assert_array_equal(linalg.cross(y, x, axis=axis), np.cross(y, x, axis=axis))
    np.testing.assert_array_equal(linalg.cross(x[:, :2], y, axis=0), np.cross(x[:, :2], y, axis=0))


def test_the_dtype_of_a_trace():
    x = np.full((2, 2), 3, dtype="uint8")
    assert linalg.trace(x).dtype == np.uint64
    for dtype in ("uint8", "float32"):
        assert linalg.trace(x, dtype=dtype).dtype == dtype and linalg.trace(x, dtype=dtype) == 6


@pytest.mark.parametrize("ord", [0, 1, 2, 3, np.inf])
def test_the_norm_of_complex_numbers_is_real(ord):
    x = np.array([3 + 4j, 0, 1j], dtype="complex64")
    assert linalg.vector_norm(x, ord=ord).dtype == np.float32
    np.testing.assert_allclose(linalg.vector_norm(x, ord=ord), np.linalg.norm(x, ord=ord), rtol=1e-6)


def test_a_tolerance_for_each_matrix():
    x, rtol = np.array([np.diag([1.0, 0.3, 0.1])] * 3), np.array([0.05, 0.2, 0.5])
    for given in (rtol, tl.tensor(rtol), tl.tensor(rtol, requires_grad=True)):
        assert np.asarray(linalg.matrix_rank(x, rtol=given)).tolist() == [3, 2, 1]
        np.testing.assert_allclose(linalg.pinv(x, rtol=given), np.linalg.pinv(x, rtol=rtol), rtol=1e-14)
    none = np.zeros((0, 3, 3))
    assert linalg.pinv(none, rtol=np.zeros(0)).shape == (0, 3, 3)
    assert linalg.matrix_rank(none, rtol=np.zeros(0)).shape == (0,)


def test_least_squares_and_condition_of_a_singular_matrix():
    found = linalg.lstsq(SINGULAR, np.array([1.0, 2.0]))
    np.testing.assert_allclose(found.x, [0.2, 0.4])
    assert found.rank == 1 and found.residuals < 1e-20
    assert linalg.cond(SINGULAR) > 1e15
    stack = RNG.standard_normal((2, 1, 4, 3)), RNG.standard_normal((3, 4, 2))
    assert linalg.lstsq(*stack).x.shape == (2, 3, 3, 2)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 0, 0)])
@pytest.mark.parametrize("ord", ["fro", "nuc", 1, 2, np.inf])
def test_norms_of_empty_matrices(shape, ord):
    x = np.zeros(shape)
    for keepdims in (False, True):
        found, expected = (f(x, ord=ord, keepdims=keepdims) for f in (linalg.matrix_norm, np.linalg.matrix_norm))
        np.testing.assert_array_equal(found, expected)
    assert tl.grad(lambda x: tl.sum(linalg.matrix_norm(x, ord=ord)))(x).shape == shape


def test_the_smallest_singular_value_of_none():
    with pytest.raises(ShapeError, match="min: x is \\(0,\\) and axis=-1; there is no element to choose from"):
        linalg.matrix_norm(np.zeros((0, 3)), ord=-2)


@pytest.mark.parametrize("x", [np.zeros((2, 2)), np.diag([1.0, 0.0])])
def test_singular_matrices_have_an_infinite_condition_number(x):
    assert linalg.cond(x) == np.inf and linalg.cond(x, p=-2) == np.linalg.cond(x, p=-2)
    assert not tl.grad(linalg.cond)(x).any()


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e150])
@pytest.mark.parametrize("f", [
    lambda x, scale: linalg.svd(x, full_matrices=False).U ** 2,
    lambda x, scale: linalg.svdvals(x) / scale,
    lambda x, scale: linalg.eigh(x[:3]).eigenvectors ** 2,
    lambda x, scale: linalg.pinv(x) * scale,
], ids=["svd", "svdvals", "eigh", "pinv"])  # fmt: skip
def test_derivatives_of_very_small_and_very_large_matrices(f, scale):
    x = np.random.default_rng(3).standard_normal((4, 3))

    def gradient(size):
        def weighted(x):
            out = f(x, size)
            return tl.sum(out * np.cos(np.arange(out.size)).reshape(out.shape))

        return tl.grad(weighted)(x * size) * size

    np.testing.assert_allclose(gradient(scale), gradient(1.0), rtol=1e-10)


# PyTorch


def test_gradients_are_those_of_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.linalg
    x = RNG.standard_normal((2, 4, 4))
    positive = x @ x.mT + np.eye(4)
    tall = RNG.standard_normal((2, 5, 3))
    cases = [(name, x) for name in ("inv", "det", "svdvals", "pinv", "matrix_norm", "vector_norm")]
    cases += [(name, positive) for name in ("cholesky", "eigvalsh")] + [(name, tall) for name in ("svdvals", "pinv")]
    pairs = [(getattr(linalg, name), getattr(theirs, name), value) for name, value in cases]
    pairs += [
        (lambda x: linalg.slogdet(x)[1], lambda x: theirs.slogdet(x)[1], x),
        (lambda x: linalg.qr(x)[0], lambda x: theirs.qr(x)[0], tall),
        (lambda x: linalg.qr(x)[1], lambda x: theirs.qr(x)[1], tall.mT),
        (linalg.expm, theirs.matrix_exp, x),
        (lambda x: linalg.matrix_power(x, -3), lambda x: theirs.matrix_power(x, -3), positive),
        (lambda x: linalg.eigh(x)[1] ** 2, lambda x: theirs.eigh(x)[1] ** 2, positive),
        (
            lambda x: linalg.svd(x, full_matrices=False)[0] ** 2,
            lambda x: theirs.svd(x, full_matrices=False)[0] ** 2,
            tall,
        ),
        (lambda x: linalg.matrix_norm(x, ord="nuc"), lambda x: theirs.matrix_norm(x, ord="nuc"), tall),
    ]
    for mine, other, value in pairs:
        a, b = tl.tensor(value, requires_grad=True), torch.tensor(value, requires_grad=True)
        ours, out = mine(a), other(b)
        np.testing.assert_allclose(ours.detach().numpy(), out.detach().numpy(), rtol=1e-9, atol=1e-10)
        cotangent = np.cos(np.arange(ours.size)).reshape(ours.shape)
        tl.sum(ours * cotangent).backward()
        (out * torch.tensor(cotangent)).sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-9)
