"""Complex numbers: parts, and the convention of derivatives, dL/dx + i dL/dy for a real L of z = x + iy."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import GradientError, autograd, tensor

Z = np.array([0.3 + 0.7j, -1.1 + 0.4j, 0.5 - 0.9j])
W = np.array([1.2 - 0.3j, 0.4 + 0.8j, -0.6 + 0.2j])


def differences(f, z, step=1e-6):
    """dL/dx + i dL/dy of a real function, by central differences."""
    result = np.zeros(z.shape, dtype=complex)
    for index in np.ndindex(z.shape):
        for direction in (1.0, 1.0j):
            moved = [z.copy(), z.copy()]
            moved[0][index] += step * direction
            moved[1][index] -= step * direction
            result[index] += direction * (float(f(moved[0])) - float(f(moved[1]))) / (2 * step)
    return result


def norm2(z):
    return tl.sum(tl.real(z) ** 2 + tl.imag(z) ** 2)


FUNCTIONS = {
    "abs": lambda z: tl.sum(tl.abs(z)),
    "exp": lambda z: norm2(tl.exp(z) * W),
    "log": lambda z: norm2(tl.log(z)),
    "sqrt": lambda z: tl.sum(tl.real(tl.sqrt(z) * W)),
    "sin, cos": lambda z: norm2(tl.sin(z) * tl.cos(z)),
    "tanh": lambda z: norm2(tl.tanh(z)),
    "power": lambda z: norm2(z**3),
    "quotient": lambda z: norm2(W / z + z / W),
    "conj": lambda z: tl.sum(tl.real(tl.conj(z) * z * z)),
    "imag": lambda z: tl.sum(tl.imag(z) ** 3),
    "product with real": lambda z: norm2(z * np.array([1.0, 2.0, 3.0])),
    "matmul": lambda z: norm2(np.outer(W, W) @ z),
    "indexing": lambda z: norm2(tl.concat([z[1:], z[::-1]]) - 2j),
    "reductions": lambda z: norm2(tl.mean(z) * tl.prod(z)),
    "real parts alone": lambda z: tl.sum(tl.real(z) * tl.imag(z)),
    "where": lambda z: norm2(tl.where(tl.real(z) > 0, z * z, W)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_real_functions(name):
    f = FUNCTIONS[name]
    np.testing.assert_allclose(tl.grad(f)(Z), differences(f, Z), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_derivatives(name):
    f = FUNCTIONS[name]

    def slope(z):
        g = tl.grad(f)(z)
        return tl.sum(tl.real(g) * np.array([0.3, -0.5, 0.7]) + tl.imag(g) * np.array([0.2, 0.9, -0.4]))

    np.testing.assert_allclose(tl.grad(slope)(Z), differences(slope, Z), rtol=1e-6, atol=1e-7)


def test_real_inputs_of_complex_results_get_real_gradients():
    f = lambda x: norm2(tl.exp(1j * x) * W + x)
    x = np.array([0.2, 1.5, -0.7])
    gradient = tl.grad(f)(x)
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, differences(f, x.astype(complex)).real, rtol=1e-7)
    single = tl.grad(lambda x: norm2(x * W.astype(np.complex64)))(x.astype(np.float32))
    assert single.dtype == np.float32


def test_forward_mode():
    direction = np.array([0.3 - 0.2j, 0.5j, 1.0])
    _, tangent = tl.jvp(lambda z: z * z * z, (Z,), (direction,))
    np.testing.assert_allclose(tangent, 3 * Z**2 * direction)
    _, tangent = tl.jvp(tl.conj, (Z,), (direction,))
    np.testing.assert_allclose(tangent, np.conj(direction))
    _, tangent = tl.jvp(tl.real, (Z,), (direction,))
    np.testing.assert_allclose(tangent, direction.real)


def test_gradient_descent_goes_downhill():
    z = tensor(Z, requires_grad=True)
    before = norm2(z - W)
    before.backward()
    assert norm2(z.detach() - 0.1 * z.grad - W).item() < before.item()
    np.testing.assert_allclose(z.grad.numpy(), 2 * (Z - W))


def test_a_complex_output_needs_a_cotangent():
    z = tensor(Z, requires_grad=True)
    with pytest.raises(GradientError, match=r"the output is complex \(complex128\).*real part"):
        z.sum().backward()
    np.testing.assert_allclose(autograd.grad(z * W, z, np.ones(3, complex)).numpy(), np.conj(W))


def test_the_absolute_value_at_zero_has_derivative_zero():
    np.testing.assert_array_equal(tl.grad(lambda z: tl.sum(tl.abs(z)))(np.zeros(2, complex)), [0.0, 0.0])


def test_the_sign_of_complex_numbers_has_no_derivative():
    with pytest.raises(GradientError, match=r"sign: .*write x / abs\(x\)"):
        tl.grad(lambda z: norm2(tl.sign(z)))(Z)


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_parts_of_real_arrays():
    x = np.array([1.0, -2.0])
    assert tl.real(x) is x and tl.conj(x) is x
    np.testing.assert_array_equal(tl.imag(x), [0.0, 0.0])
    np.testing.assert_array_equal(tl.grad(lambda x: tl.sum(tl.imag(x) + tl.real(x)))(x), [1.0, 1.0])


def test_parts_are_arrays_of_their_own():
    assert tl.real(Z).flags.c_contiguous and not np.shares_memory(tl.real(Z), Z)


def test_expm1_at_zeros_and_infinities():
    inf, nan = np.inf, np.nan
    parts = [(inf, 0.0), (-inf, inf), (inf, inf), (-inf, nan), (inf, nan), (nan, 0.0)]
    x = np.array([complex(*pair) for pair in parts])
    with np.errstate(invalid="ignore"):  # NumPy finds infinity + NaN i invalid
        out = tl.expm1(x)
    np.testing.assert_array_equal(out.real, [inf, -1.0, inf, -1.0, inf, nan])
    np.testing.assert_array_equal(out.imag, [0.0, 0.0, nan, 0.0, nan, 0.0])
    zero = tl.expm1(np.array([complex(-0.0, 0.0)]))[0]
    assert np.copysign(1.0, zero.real) == 1.0 and np.copysign(1.0, zero.imag) == 1.0
    np.testing.assert_allclose(tl.expm1(1e-20 * Z), 1e-20 * Z, rtol=1e-15)
