"""Functions of matrices, general eigenvalues and elimination: repeated values, edges, messages, and other libraries."""

# ruff: noqa: E501  # messages stand on one line, as they are read

import sys
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg

import tinygrad_lite as tl
from tinygrad_lite import OPS, GradientError, ShapeError, linalg
from tinygrad_lite.testing import check_gradients

RNG = np.random.default_rng(0)
TURN = np.linalg.qr(RNG.standard_normal((4, 4)))[0]
REPEATED = (TURN * [1.0, 2.0, 2.0, 5.0]) @ TURN.T
NEAR = (TURN * [1.0, 2.0, 2.0 + 1e-9, 2.0 + 1e-4]) @ TURN.T
DIRECTION = RNG.standard_normal((4, 4))
DIRECTION = DIRECTION + DIRECTION.T


def normal(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linalg.hermitian_function(np.ones((2, 3)), tl.exp), "hermitian_function: x is (2, 3); square matrices are required, (..., n, n)."),
        (
            lambda: linalg.hermitian_function(np.full((4, 4), np.nan), tl.exp),
            "hermitian_derivative: x is (4, 4); the eigenvalues were not found. Are all elements finite?",
        ),
        (
            lambda: linalg.hermitian_function(np.eye(2), lambda w: w[..., :1]),
            "hermitian_function: the function made (1,) of (2,); it must be elementwise.",
        ),
        (
            lambda: linalg.singular_value_function(np.ones(3), tl.exp),
            "singular_value_function: x is (3,); at least two axes are required, (..., m, n).",
        ),
        (lambda: linalg.sqrtm(np.ones((2, 3))), "sqrtm: x is (2, 3); square matrices are required, (..., n, n)."),
        (
            lambda: linalg.sqrtm(np.zeros((2, 2))),
            "principal_root: x is (2, 2); a matrix is singular, or has a negative eigenvalue, so there is no principal root. Of positive semidefinite ones hermitian=True finds it.",
        ),
        (lambda: linalg.logm(np.ones((2, 3))), "logm: x is (2, 3); square matrices are required, (..., n, n)."),
        (
            lambda: linalg.solve_sylvester(np.eye(2), np.eye(3), np.ones((3, 2))),
            "solve_sylvester: a is (2, 2), b is (3, 3) and c is (3, 2); (..., m, m), (..., n, n) and (..., m, n) are required.",
        ),
        (
            lambda: linalg.solve_sylvester(np.ones((2, 1, 1)), np.eye(1), np.ones((3, 1, 1))),
            "solve_sylvester: a is (2, 1, 1), b is (1, 1) and c is (3, 1, 1); the axes before the last two must broadcast together.",
        ),
        (
            lambda: linalg.solve_sylvester(np.eye(1), -np.eye(1), np.ones((1, 1))),
            "solve_sylvester: a is (1, 1), b is (1, 1) and c is (1, 1); an eigenvalue of a is the negative of one of b, so there is no solution or more than one.",
        ),
        (lambda: linalg.eig(np.ones((2, 3))), "eig: x is (2, 3); square matrices are required, (..., n, n)."),
        (lambda: linalg.eig(np.full((2, 2), np.inf)), "eig: x is (2, 2); the eigenvalues were not found. Are all elements finite?"),
        (lambda: linalg.eigvals(np.ones(2)), "eigvals: x is (2,); square matrices are required, (..., n, n)."),
        (lambda: linalg.lu(np.ones(3)), "lu_factors: x is (3,); at least two axes are required, (..., m, n)."),
        (lambda: linalg.multi_dot([]), "multi_dot: the arrays are none; two or more are required."),
        (
            lambda: linalg.multi_dot([np.ones((2, 3)), np.ones(3), np.ones((3, 2))]),
            "multi_dot: the arrays are (2, 3), (3,), (3, 2); the first and the last may have one axis, the others need two or more.",
        ),
        (
            lambda: linalg.multi_dot([np.ones((2, 3)), np.ones((2, 3))]),
            "multi_dot: the arrays are (2, 3), (2, 3); the columns of (2, 3) must be as many as the rows of (2, 3).",
        ),
    ],
)  # fmt: skip
def test_messages(call, message):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value) == message


def test_a_function_of_a_tensor_that_would_get_no_gradient_is_refused():
    power = tl.tensor(2.0, requires_grad=True)
    with pytest.raises(GradientError, match="hermitian_function: the function uses a Tensor that requires a gradient"):
        linalg.hermitian_function(np.eye(2), lambda w: w**power)
    np.testing.assert_allclose(linalg.hermitian_function(np.eye(2), lambda w: w ** power.detach().item()), np.eye(2))


# Functions of Hermitian matrices


@pytest.mark.parametrize("x", [REPEATED, NEAR, 2 * np.eye(4)], ids=["repeated", "near", "multiple of one"])
@pytest.mark.parametrize("f", [tl.log, tl.sqrt, lambda w: 1 / w, np.exp], ids=["log", "sqrt", "inverse", "exp"])
def test_derivatives_of_functions_where_eigenvalues_repeat(x, f):
    check_gradients(lambda x: linalg.hermitian_function(x, f), x)


def test_the_third_derivative_where_eigenvalues_repeat():
    a, b, c = (DIRECTION, DIRECTION @ DIRECTION, REPEATED @ DIRECTION + DIRECTION @ REPEATED)
    found = OPS["hermitian_derivative"].function([REPEATED, a, b, c], function=lambda w: w**4)
    expected = sum(p @ q @ r @ s for p, q, r, s in permutations([REPEATED, a, b, c]))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("gap", [0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-4, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0])
def test_the_derivative_loses_no_digits_between_close_eigenvalues(gap):
    x = (TURN * [1.0, 1.0 + gap, 2.0, 3.0]) @ TURN.T
    found = OPS["hermitian_derivative"].function([x, DIRECTION], function=tl.exp)
    expected = scipy.linalg.expm_frechet(x, DIRECTION, compute_expm=False)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * abs(expected).max())


def test_functions_by_eigenvectors_lack_a_part_of_the_derivative():
    """What `hermitian_function` is for; should `eigh` learn it, its documentation must change."""

    def by_vectors(x):
        w, v = linalg.eigh(x)
        return (v * w**2) @ tl.matrix_transpose(v)

    def slope(f):
        return tl.grad(lambda x: tl.sum(f(x) * DIRECTION))(REPEATED)

    expected = REPEATED @ DIRECTION + DIRECTION @ REPEATED
    np.testing.assert_allclose(slope(lambda x: linalg.hermitian_function(x, tl.square)), expected)
    assert abs(slope(by_vectors) - expected).max() > 0.1


def test_a_constant_function_and_one_of_other_kinds():
    np.testing.assert_allclose(linalg.hermitian_function(REPEATED, lambda w: 3.0), 3 * np.eye(4), atol=1e-14)
    assert not tl.grad(lambda x: tl.sum(linalg.hermitian_function(x, lambda w: 3.0)))(REPEATED).any()
    assert not tl.grad(lambda x: tl.sum(linalg.hermitian_function(x, tl.floor)))(2.3 * np.eye(4)).any()
    clipped = linalg.hermitian_function(np.diag([-1.0, 2.0, 2.0]), tl.relu)
    np.testing.assert_allclose(clipped, np.diag([0.0, 2.0, 2.0]))
    check_gradients(lambda x: linalg.hermitian_function(x, tl.relu), np.diag([-1.0, 2.0, 2.0]))


def test_hermitian_functions_of_complex_matrices():
    x = normal(3, 3)
    unitary = np.linalg.qr(x)[0]
    repeated = (unitary * [2.0, 2.0, 5.0]) @ unitary.conj().T
    root = linalg.sqrtm(repeated, hermitian=True)
    np.testing.assert_allclose(root @ root, repeated)
    _check_complex(lambda x: linalg.hermitian_function(x, tl.log), repeated)
    _check_complex(lambda x: linalg.singular_value_function(x, tl.atan), x[:, :2])


def _check_complex(f, x):
    def parts(a, b):
        out = f(a + b * 1j)
        return tl.real(out), tl.imag(out)

    check_gradients(parts, x.real.copy(), x.imag.copy())


@pytest.mark.parametrize("x", [2 * TURN, np.zeros((3, 2)), np.ones((3, 3)), np.diag([1.0, 1.0, 0.0]), TURN[:2]])
@pytest.mark.parametrize("f", [lambda s: s, tl.sinh], ids=["reconstruction", "sinh"])
def test_functions_of_repeated_and_zero_singular_values(x, f):
    check_gradients(lambda x: linalg.singular_value_function(x, f), x)


def test_what_the_function_is_of_negative_numbers_does_not_matter():
    check_gradients(lambda x: linalg.singular_value_function(x, tl.expm1), 2 * TURN)
    np.testing.assert_allclose(linalg.singular_value_function(-np.eye(2), tl.expm1), -np.expm1(1) * np.eye(2))


def test_the_reconstruction_has_the_cotangent_itself_as_gradient():
    """Of a matrix of rank 3 with 12 singular values that are 0, where the factors of an SVD give another one."""
    x = np.repeat(np.eye(15)[:, :3] * [1.0, 2.0, 3.0], 5, axis=1)
    g = RNG.standard_normal(x.shape)
    found = tl.grad(lambda x: tl.sum(linalg.singular_value_function(x, lambda s: s) * g))(x)
    np.testing.assert_allclose(found, g, atol=1e-12)


# Second derivatives at repeated values


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tl.sum(linalg.eigvalsh(x)),
        lambda x: linalg.trace(linalg.hermitian_function(x, tl.square)),
        lambda x: linalg.matrix_norm(x, ord="nuc"),
        lambda x: linalg.matrix_norm(x),
        linalg.pinv,
        linalg.expm,
        linalg.cholesky,
        lambda x: linalg.slogdet(x).logabsdet,
        linalg.det,
        lambda x: linalg.matrix_power(x, -2),
        linalg.sqrtm,
        linalg.logm,
    ],
    ids=["eigvalsh", "trace", "nuc", "fro", "pinv", "expm", "cholesky", "slogdet", "det", "power", "sqrtm", "logm"],
)  # fmt: skip
@pytest.mark.parametrize("x", [REPEATED, 2 * np.eye(4)], ids=["repeated", "multiple of one"])
def test_second_derivatives_where_values_repeat(f, x):
    check_gradients(f, x)


def span(x, start, stop):
    """The projector on the space of some eigenvectors."""
    v = linalg.eigh(x).eigenvectors[:, start:stop]
    return v @ tl.conj(tl.matrix_transpose(v))


def polar(x):
    u, _, vh = linalg.svd(x, full_matrices=False)
    return u @ vh


BESIDE = {
    "polar factor": polar,
    "polar factor of columns": lambda x: polar(x @ TURN[:, 1:]),
    "nuclear norm": lambda x: linalg.matrix_norm(x, ord="nuc"),
    "simple value": lambda x: linalg.eigvalsh(x)[3],
    "simple vector": lambda x: tl.abs(linalg.eigh(x).eigenvectors[:, 3]) ** 2,
    "sum of equal values": lambda x: tl.sum(linalg.eigvalsh(x)[1:3]),
    "projector": lambda x: span(x, 1, 3),
    "other projector": lambda x: span(x, 3, 4),
    "spectral norm": lambda x: linalg.matrix_norm(x, ord=2),
    "sum of equal singular values": lambda x: tl.sum(linalg.svdvals(x)[1:3]),
}


@pytest.mark.parametrize("name", BESIDE)
def test_second_derivatives_beside_and_of_a_repeated_value(name):
    check_gradients(BESIDE[name], REPEATED)
    unitary = np.linalg.qr(normal(4, 4))[0]
    _check_complex(BESIDE[name], (unitary * [1.0, 2.0, 2.0, 5.0]) @ unitary.conj().T)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tl.sum(linalg.eigvalsh(x) ** 3),
        lambda x: tl.sum(linalg.svdvals(x) ** 3),
        lambda x: linalg.matrix_norm(x, ord=2),
        lambda x: linalg.eigh(x).eigenvectors ** 2,
        lambda x: (lambda u, s, vh: (u * s) @ vh)(*linalg.svd(x)),
    ],
    ids=["eigvalsh", "svdvals", "spectral", "eigh", "reconstruction"],
)
def test_second_derivatives_where_values_differ(f):
    check_gradients(f, (TURN * [1.0, 2.0, 3.0, 5.0]) @ TURN.T)
    check_gradients(f, np.array([[2.0]]))


# Roots and logarithms


@pytest.mark.parametrize("size", [1, 3, 30])
def test_roots_and_logarithms_are_those_of_scipy(size):
    y = RNG.standard_normal((2, size, size)) / np.sqrt(size)
    x = scipy.linalg.expm(y)
    np.testing.assert_allclose(linalg.logm(x), y, atol=1e-12)
    np.testing.assert_allclose(linalg.sqrtm(x), scipy.linalg.expm(y / 2), atol=1e-12)
    np.testing.assert_allclose(linalg.logm(np.diag([0.02, 0.8, 3.9])), np.diag(np.log([0.02, 0.8, 3.9])), rtol=1e-13)
    single = linalg.logm(x.astype("float32"))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, y, atol=2e-4)


def test_the_root_and_logarithm_of_a_jordan_block_and_of_a_rotation():
    block = np.array([[4.0, 1.0, 0.0], [0.0, 4.0, 1.0], [0.0, 0.0, 4.0]])
    np.testing.assert_allclose(linalg.sqrtm(block), [[2, 0.25, -1 / 64], [0, 2, 0.25], [0, 0, 2]], atol=1e-14)
    for f in (linalg.sqrtm, linalg.logm):
        check_gradients(f, block)
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_allclose(linalg.logm(quarter), np.pi / 2 * quarter, atol=1e-14)
    _check_complex(linalg.sqrtm, 2 * np.eye(3) + 0.4 * normal(3, 3))
    _check_complex(linalg.logm, 2 * np.eye(3) + 0.4 * normal(3, 3))


def test_matrices_without_a_root():
    assert np.isnan(linalg.sqrtm(np.array([[1.0, 5.0], [3.0, 2.0]]))).all()
    assert linalg.sqrtm(np.zeros((0, 0))).shape == linalg.logm(np.zeros((2, 0, 0)))[0].shape == (0, 0)


def test_large_equations_are_solved_with_or_without_scipy(monkeypatch):
    a, b, c = np.eye(25) + 0.1 * RNG.standard_normal((2, 25, 25)), 2 * np.eye(20), RNG.standard_normal((25, 20))
    found = linalg.solve_sylvester(a, b, c)
    np.testing.assert_allclose(a @ found + found @ b, np.broadcast_to(c, (2, 25, 20)), atol=1e-12)
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    np.testing.assert_allclose(linalg.solve_sylvester(a, b, c), found, atol=1e-12)


# General eigenvalues


def test_eigenvalues_are_complex_whatever_the_values():
    for dtype, wide in (("float64", "complex128"), ("float32", "complex64"), ("int64", "complex128")):
        w, v = linalg.eig(np.array([[2, 1], [0, 3]], dtype=dtype))
        assert w.dtype == v.dtype == wide
        np.testing.assert_allclose(w, [2, 3], atol=1e-6)
    assert linalg.eigvals(np.zeros((2, 0, 0))).shape == (2, 0)


def test_eigenvectors_belong_to_their_values():
    x = RNG.standard_normal((3, 5, 5))
    w, v = linalg.eig(x)
    np.testing.assert_allclose(x @ v, v * w[..., None, :], atol=1e-12)
    np.testing.assert_allclose(linalg.eigvals(x), w)


INVARIANT = {
    "values": lambda x: linalg.eigvals(x) ** 2,
    "vectors": lambda x: tl.abs(linalg.eig(x).eigenvectors) ** 2,
    "projectors": lambda x: (lambda v: v * tl.matrix_transpose(linalg.inv(v)))(linalg.eig(x).eigenvectors),
}


@pytest.mark.parametrize("name", INVARIANT)
def test_derivatives_of_what_does_not_depend_on_the_phase_of_eigenvectors(name):
    x = np.eye(4, k=1) - np.eye(4, k=-1) + 0.1 * RNG.standard_normal((4, 4))
    assert np.iscomplexobj(np.linalg.eigvals(x))
    check_gradients(lambda x: (tl.real(INVARIANT[name](x)), tl.imag(INVARIANT[name](x))), x)
    _check_complex(INVARIANT[name], normal(3, 3))


def test_sums_over_repeated_eigenvalues():
    basis = RNG.standard_normal((3, 3))
    for x in ((basis * [1.0, 2.0, 2.0]) @ np.linalg.inv(basis), np.eye(3)):
        check_gradients(lambda x: tl.real(tl.sum(linalg.eigvals(x) ** 3)), x, order=1)


def test_a_library_without_eig_has_it_from_numpy():
    without = SimpleNamespace(**{**vars(np), "linalg": SimpleNamespace()})
    x = RNG.standard_normal((2, 3, 3))
    for found, expected in zip(OPS["eig"].body(without, x), linalg.eig(x), strict=True):
        np.testing.assert_array_equal(found, expected)


# Elimination


@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 5), (2, 4, 3), (1, 1), (40, 40)])
def test_factors_of_elimination_are_those_of_scipy(shape):
    x = RNG.standard_normal(shape)
    for found, expected in zip(linalg.lu(x), scipy.linalg.lu(x), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_elimination_of_singular_complex_and_empty_matrices():
    p, lower, upper = linalg.lu(np.ones((3, 3)))
    np.testing.assert_array_equal(p @ lower @ upper, np.ones((3, 3)))
    assert linalg.lu(np.ones((2, 3), dtype="float32")).P.dtype == np.float32
    x = normal(3, 4)
    p, lower, upper = linalg.lu(x)
    np.testing.assert_allclose(p @ lower @ upper, x)
    for one in (x, x.T):
        _check_complex(lambda x: linalg.lu(x).L, one)
        _check_complex(lambda x: linalg.lu(x).U, one)
    assert [part.shape for part in linalg.lu(np.zeros((2, 0, 3)))] == [(2, 0, 0), (2, 0, 0), (2, 0, 3)]
    with pytest.raises(ShapeError, match="solve: .* a is singular"):
        tl.grad(lambda x: tl.sum(linalg.lu(x).L))(np.ones((3, 3)))


# Products


def test_products_of_several_matrices(monkeypatch):
    from tinygrad_lite.ops import chains

    sizes = []
    multiply = chains.matmul
    monkeypatch.setattr(chains, "matmul", lambda x, y: sizes.append(x.size) or multiply(x, y))
    a, b, c, d = (RNG.standard_normal(shape) for shape in ((10, 100), (100, 5), (5, 50), (50,)))
    np.testing.assert_allclose(linalg.multi_dot([a, b, c, d]), np.linalg.multi_dot([a, b, c, d]))
    assert sizes == [250, 500, 1000]  # from the right
    assert linalg.multi_dot([d, d]).shape == () and linalg.multi_dot([d, c.T]).shape == (5,)


# PyTorch


def test_gradients_are_those_of_torch():
    torch = pytest.importorskip("torch")
    x = RNG.standard_normal((2, 4, 4))
    symmetric = x @ x.mT + np.eye(4)
    pairs = [
        (lambda x: linalg.lu(x).L, lambda x: torch.linalg.lu(x)[1], x),
        (lambda x: linalg.lu(x).U, lambda x: torch.linalg.lu(x)[2], x[..., :3]),
        (lambda x: linalg.lu(x).L, lambda x: torch.linalg.lu(x)[1], x[..., :2, :]),
        (lambda x: tl.abs(linalg.eigvals(x)) ** 2, lambda x: torch.linalg.eigvals(x).abs() ** 2, x),
        (lambda x: tl.abs(linalg.eig(x)[1]) ** 2, lambda x: torch.linalg.eig(x)[1].abs() ** 2, x),
        (lambda x: linalg.hermitian_function(x, tl.exp), torch.linalg.matrix_exp, symmetric / 9),
        (lambda x: linalg.multi_dot([x[0], x[1], x[0]]), lambda x: torch.linalg.multi_dot([x[0], x[1], x[0]]), x),
    ]
    for mine, theirs, value in pairs:
        a, b = tl.tensor(value, requires_grad=True), torch.tensor(value, requires_grad=True)
        ours, out = mine(a), theirs(b)
        np.testing.assert_allclose(ours.detach().numpy(), out.detach().numpy(), rtol=1e-9, atol=1e-10)
        cotangent = np.cos(np.arange(ours.size)).reshape(ours.shape)
        cotangent = cotangent + cotangent.mT if mine is pairs[5][0] else cotangent
        tl.sum(ours * cotangent).backward()
        (out * torch.tensor(cotangent)).sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-9)
