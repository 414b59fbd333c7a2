"""Fourier transforms: complex inputs, gradients, inverses, edges."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.ops.test_complex import differences, norm2
from tinygrad_lite import ShapeError, fft

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(2, 5)) + 1j * RNG.normal(size=(2, 5))
C = RNG.normal(size=(40,)) + 1j * RNG.normal(size=(40,))


def weighted(y):
    """A real function of an array that treats all its elements differently."""
    weights = C[: y.size].reshape(y.shape)
    return norm2(y * weights + weights) if y.data.dtype.kind == "c" else tl.sum((y + weights.real) ** 2)


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 3, 4, 8])
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft"])
def test_complex_inputs(name, axis, n, norm):
    def transform(z):
        return getattr(fft, name)(z, n=n, axis=axis, norm=norm)

    np.testing.assert_allclose(transform(Z), getattr(np.fft, name)(Z, n=n, axis=axis, norm=norm), atol=1e-14)
    gradient = tl.grad(lambda z: weighted(transform(z)))(Z)
    expected = differences(lambda z: weighted(tl.tensor(transform(z))), Z)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["fftn", "ifftn", "irfftn"])
def test_several_axes_of_complex_inputs(name):
    transform = getattr(fft, name)
    np.testing.assert_allclose(transform(Z), getattr(np.fft, name)(Z), atol=1e-14)
    gradient = tl.grad(lambda z: weighted(transform(z)))(Z)
    expected = differences(lambda z: weighted(tl.tensor(transform(z))), Z)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6)


def test_inverses():
    x = RNG.normal(size=(3, 6))
    np.testing.assert_allclose(fft.ifft(fft.fft(x)), x, atol=1e-15)
    np.testing.assert_allclose(fft.irfft(fft.rfft(x), n=6), x, atol=1e-15)
    np.testing.assert_allclose(fft.irfftn(fft.rfftn(x), s=(3, 6)), x, atol=1e-15)
    np.testing.assert_allclose(fft.hfft(fft.ihfft(x), n=6), x, atol=1e-15)
    np.testing.assert_allclose(fft.ifftshift(fft.fftshift(x)), x)


def test_a_filter_is_differentiable_in_its_spectrum():
    x, h = RNG.normal(size=8), RNG.normal(size=5) + 1j * RNG.normal(size=5)
    f = lambda h: tl.sum(fft.irfft(fft.rfft(x) * h, n=8) ** 2)
    np.testing.assert_allclose(tl.grad(f)(h), differences(f, h), rtol=1e-6, atol=1e-7)


def test_single_precision_stays():
    x = np.ones(4, dtype=np.float32)
    assert fft.fft(x).dtype == np.complex64
    assert tl.grad(lambda x: norm2(fft.rfft(x)))(x).dtype == np.float32


def test_frequencies():
    np.testing.assert_allclose(fft.fftfreq(5, d=0.1, dtype="float64").numpy(), np.fft.fftfreq(5, 0.1))
    np.testing.assert_allclose(fft.rfftfreq(6, dtype="float64").numpy(), np.fft.rfftfreq(6))
    assert fft.fftfreq(4).dtype == tl.float32
    with pytest.raises(ShapeError, match="fftfreq: n is 0"):
        fft.fftfreq(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: fft.fft(x, axis=2), r"fft: x is \(2, 5\); axis 2 does not exist"),
        (lambda x: fft.rfft(x, n=0), "rfft: .*n is 0; it must be at least 1"),
        (lambda x: fft.ifft(x, norm="half"), "ifft: .*norm is 'half'; it must be one of 'backward', 'ortho', 'for"),
        (lambda x: fft.hfft(x, norm="half"), "hfft: norm is 'half'"),
        (lambda x: fft.fftn(x, s=(2, 2, 2), axes=(0, 1)), r"fftn: s is \(2, 2, 2\) for 2 axes"),
        (lambda x: fft.fft(x[:, :0]), "fft: .*axis -1 has length 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ShapeError, match=message):
        call(Z)
