"""`tl.linalg` of complex matrices: derivatives by real and imaginary part, and PyTorch's."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import linalg
from tinygrad_lite.testing import check_gradients

RNG = np.random.default_rng(1)


def normal(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


X, TALL, WIDE = normal(3, 3), normal(4, 2), normal(2, 4)
POSITIVE = X @ X.conj().T + np.eye(3)


def squares(x):
    """What does not depend on the phase of vectors."""
    return tl.abs(x) ** 2


def polar(x):
    u, _, vh = linalg.svd(x, full_matrices=False)
    return u @ vh


FUNCTIONS = {
    "inv": (linalg.inv, X),
    "solve": (lambda x: linalg.solve(x, TALL[:3]), X),
    "det": (linalg.det, X),
    "det of zeros": (linalg.det, 0 * X[:2, :2]),
    "cofactor": (tl.OPS["cofactor"].function, X),
    "slogdet, sign": (lambda x: linalg.slogdet(x).sign, X),
    "slogdet, logarithm": (lambda x: linalg.slogdet(x).logabsdet, X),
    "cholesky": (linalg.cholesky, POSITIVE),
    "qr, Q": (lambda x: linalg.qr(x).Q, X),
    "qr, R": (lambda x: linalg.qr(x).R, WIDE),
    "eigh": (lambda x: squares(linalg.eigh(x).eigenvectors), POSITIVE),
    "eigvalsh": (linalg.eigvalsh, POSITIVE),
    "svd, U": (lambda x: squares(linalg.svd(x, full_matrices=False).U), TALL),
    "svd, Vh": (lambda x: squares(linalg.svd(x, full_matrices=False).Vh), WIDE),
    "polar factor": (polar, TALL),
    "svdvals": (linalg.svdvals, TALL),
    "pinv": (linalg.pinv, WIDE),
    "matrix_norm": (lambda x: linalg.matrix_norm(x, ord="nuc"), X),
    "vector_norm": (lambda x: linalg.vector_norm(x, ord=3), X),
    "expm": (linalg.expm, X),
    "matrix_power": (lambda x: linalg.matrix_power(x, -2), X),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name):
    function, x = FUNCTIONS[name]

    def parts(a, b):
        out = function(a + b * 1j)
        return tl.real(out), tl.imag(out)

    check_gradients(parts, x.real.copy(), x.imag.copy())


@pytest.mark.parametrize("name", ["inv", "det", "eigvalsh", "svdvals", "pinv", "matrix_norm", "vector_norm"])
def test_gradients_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    value = np.stack([POSITIVE, POSITIVE + 1])
    mine, theirs = tl.tensor(value, requires_grad=True), torch.tensor(value, requires_grad=True)
    tl.sum(tl.real(getattr(linalg, name)(mine) * (2 - 1j))).backward()
    (getattr(torch.linalg, name)(theirs) * (2 - 1j)).real.sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=1e-8, atol=1e-9)


def test_factors_multiply_to_the_matrix():
    lower = linalg.cholesky(POSITIVE)
    np.testing.assert_allclose(lower @ lower.conj().T, POSITIVE)
    np.testing.assert_allclose(linalg.cholesky(POSITIVE, upper=True), lower.conj().T)
    w, v = linalg.eigh(POSITIVE)
    np.testing.assert_allclose((v * w) @ v.conj().T, POSITIVE)
    np.testing.assert_allclose(linalg.pinv(WIDE), np.linalg.pinv(WIDE))
    np.testing.assert_allclose(tl.OPS["cofactor"].function(X), np.linalg.det(X) * np.linalg.inv(X).T)
