"""Programs written for NumPy, differentiated as they are; and SciPy's optimizers."""

from itertools import pairwise

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.testing import check_gradients

rng = np.random.default_rng(0)


def logistic_loss(weights, inputs, targets):
    predictions = 0.5 * (np.tanh(np.dot(inputs, weights) / 2.0) + 1)
    likelihoods = predictions * targets + (1 - predictions) * (1 - targets)
    return -np.sum(np.log(likelihoods))


def network_loss(params, inputs, targets):
    for w, b in params:
        outputs = np.dot(inputs, w) + b
        inputs = np.maximum(outputs, 0.1 * outputs)
    scores = outputs - np.log(np.sum(np.exp(outputs), axis=1, keepdims=True))
    penalty = sum(np.dot(np.ravel(w), np.ravel(w)) for w, _ in params)
    return -np.mean(np.take_along_axis(scores, targets[:, None], axis=1)) + 0.01 * penalty


def mixture_likelihood(logits, means, log_scales, data):
    centred = (np.expand_dims(data, 1) - means) / np.exp(log_scales)
    parts = -0.5 * np.sum(centred**2, axis=2) - np.sum(log_scales, axis=1)
    weights = logits - np.logaddexp.reduce(logits)
    largest = np.max(parts + weights, axis=1, keepdims=True)
    return np.sum(np.squeeze(largest, 1) + np.log(np.sum(np.exp(parts + weights - largest), axis=1)))


def pendulum(angles, steps=20):
    angle, speed = angles[0], angles[1]
    path = []
    for _ in range(steps):
        speed = speed - 0.1 * np.sin(angle)
        angle = angle + 0.1 * speed
        path.append(angle)
    return np.stack(path)


def attention(queries, keys, values):
    scores = np.einsum("qd,kd->qk", queries, keys) / np.sqrt(keys.shape[1])
    weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return np.matmul(weights / np.sum(weights, axis=-1, keepdims=True), values)


def smoothing(signal):
    padded = np.pad(signal, 2, mode="reflect")
    windows = np.stack([padded[i : i + len(signal)] for i in range(5)], axis=1)
    return np.where(np.abs(signal) > 0.5, np.mean(windows, axis=1), np.std(windows, axis=1))


def gaussian_process(log_scales, noise, values):
    """Negative log marginal likelihood, with a squared-exponential kernel."""
    inputs = rng_inputs / np.exp(log_scales)
    squares = np.sum((inputs[:, None] - inputs[None]) ** 2, axis=-1)
    kernel = np.exp(-0.5 * squares) + np.exp(noise) * np.eye(len(inputs))
    factor = np.linalg.cholesky(kernel)
    whitened = np.linalg.solve(factor, values)
    return 0.5 * np.dot(whitened, whitened) + np.sum(np.log(np.diag(factor))) + 3 * np.log(2 * np.pi)


def gaussian_likelihood(mean, root, data):
    """Log density of a normal distribution whose covariance is root @ root.T + I."""
    covariance = np.dot(root, root.T) + np.eye(len(mean))
    centred = data - mean
    sign, logdet = np.linalg.slogdet(covariance)
    distances = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(covariance), centred)
    return -0.5 * np.mean(distances + sign * logdet + len(mean) * np.log(2 * np.pi))


def kalman_filter(transition, noise, observations):
    """Log likelihood of a linear-Gaussian state space model."""
    mean, covariance = np.zeros(2), np.eye(2)
    likelihood = 0.0
    for observation in observations:
        mean = transition @ mean
        covariance = transition @ covariance @ transition.T + 0.1 * np.eye(2)
        variance = covariance[0, 0] + noise**2
        surprise = observation - mean[0]
        likelihood = likelihood - 0.5 * (np.log(2 * np.pi * variance) + surprise**2 / variance)
        gain = covariance[:, 0] / variance
        mean = mean + gain * surprise
        covariance = covariance - np.outer(gain, covariance[0])
    return likelihood


def spectral_filter(signal, log_gains):
    """Bands of the spectrum weighted one by one; the energy that remains, and the smoothed signal."""
    spectrum = np.fft.rfft(signal)
    bands = np.repeat(np.exp(log_gains), 2)[: spectrum.shape[0]]
    smoothed = np.fft.irfft(spectrum * bands, n=signal.shape[0])
    power = np.abs(np.fft.fft(smoothed)) ** 2
    return np.concatenate([smoothed, np.atleast_1d(np.log(np.mean(power)))])


def poisson_by_fourier(charge):
    """The periodic potential of a charge density on a grid, by division in Fourier space."""
    n = charge.shape[0]
    k = np.fft.fftfreq(n) * 2 * np.pi
    squares = k[:, None] ** 2 + k[None] ** 2
    squares[0, 0] = 1.0
    transformed = np.fft.fft2(charge - np.mean(charge)) / squares
    potential = np.real(np.fft.ifft2(transformed))
    return np.sum(potential * charge)


def fluid(velocity, steps=3):
    """Diffusion and drift on a ring of cells, written in place as simulations are."""
    field = velocity * 1.0
    for _ in range(steps):
        left, right = np.roll(field, 1), np.roll(field, -1)
        field = field + 0.1 * (left - 2 * field + right) - 0.05 * field * (right - left)
        field[0] = 0.0
        field[-1] = field[-2]
        field[2:4] += 0.1 * np.sin(field[2:4])
    return field


def upwind(density, speed):
    """One step of an upwind scheme: the direction of the difference depends on the sign of the speed."""
    ahead, behind = np.roll(density, -1) - density, density - np.roll(density, 1)
    return density - 0.1 * speed * np.where(speed > 0, behind, ahead)


def recurrent_network(start, inward, around, outward):
    """Cross-entropy of predicting the next of a sequence of symbols."""
    symbols = np.eye(3)[[0, 1, 2, 1, 0]]
    hidden, loss = start, 0.0
    for now, following in pairwise(symbols):
        hidden = np.tanh(np.hstack([now @ inward, hidden]) @ around)
        scores = hidden @ outward
        loss = loss - np.sum(following * (scores - np.log(np.sum(np.exp(scores)))))
    return loss / 4


def convolution_layer(image, kernel):
    """Windows through views of a padded image, a nonlinearity, and pooling of 2 by 2."""
    padded = np.pad(image, 1)
    rows, columns = image.shape
    windows = np.stack([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=-1)
    active = np.maximum(np.tensordot(windows, np.ravel(kernel), axes=1), 0.0)
    return np.max(np.reshape(active, (rows // 2, 2, columns // 2, 2)), axis=(1, 3))


def variational_bound(mean, log_scale):
    """A reparametrised estimate of the evidence lower bound for a density in the form of a funnel."""
    draws = np.random.RandomState(0).randn(5, 2) * np.exp(log_scale) + mean
    x, y = draws[:, 0], draws[:, 1]
    log_density = -0.5 * (y / 1.35) ** 2 - 0.5 * (x / np.exp(y / 2)) ** 2 - y / 2
    return np.sum(log_scale) + np.mean(log_density)


def principal_axes(data):
    """Share of the variance along the first axis, by eigenvalues and by singular values."""
    centred = data - np.mean(data, axis=0)
    values = np.linalg.eigvalsh(np.cov(data, rowvar=False))
    singular = np.linalg.svd(centred, compute_uv=False)
    return np.stack([values[-1] / np.sum(values), singular[0] ** 2 / np.sum(singular**2)])


def orbit(state, steps=8):
    """Two bodies attracted to the origin, by the leapfrog method; one row of the array for each step."""
    path = np.zeros_like(np.outer(np.zeros(steps), state))
    position, speed = state[:2], state[2:]
    for step in range(steps):
        half = speed - 0.05 * position / np.linalg.norm(position) ** 3
        position = position + 0.1 * half
        speed = half - 0.05 * position / np.linalg.norm(position) ** 3
        path[step] = np.concatenate([position, speed])
    return path


def least_squares_fit(x, y):
    """Coefficients of a regression on powers of x, and the fit's residual."""
    design = np.vander(x, 3)
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    return np.append(coefficients, np.linalg.norm(design @ coefficients - y))


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


targets = rng.integers(0, 2, 6)
PROGRAMS = {
    "logistic regression": (lambda w: logistic_loss(w, rng_inputs, targets), rng.normal(size=3)),
    "network": (
        lambda *p: network_loss([p[:2], p[2:]], rng_inputs, targets),
        *(rng.normal(size=shape) for shape in ((3, 4), (4,), (4, 2), (2,))),
    ),
    "mixture": (
        lambda logits, means, scales: mixture_likelihood(logits, means, scales, rng_inputs),
        *(rng.normal(size=shape) for shape in ((2,), (2, 3), (2, 3))),
    ),
    "pendulum": (pendulum, np.array([1.0, 0.2])),
    "attention": (attention, *(rng.normal(size=shape) for shape in ((2, 3), (4, 3), (4, 5)))),
    "smoothing": (smoothing, rng.normal(size=8)),
    "rosenbrock": (rosenbrock, rng.normal(size=4)),
    "Gaussian process": (gaussian_process, np.zeros(3), np.array(-1.0), rng.normal(size=6)),
    "Gaussian": (gaussian_likelihood, *(rng.normal(size=shape) for shape in ((3,), (3, 3), (4, 3)))),
    "Kalman filter": (kalman_filter, np.array([[0.9, 0.2], [-0.1, 0.8]]), np.array(0.5), rng.normal(size=4)),
    "spectral filter": (spectral_filter, rng.normal(size=9), rng.normal(size=3)),
    "Poisson equation": (poisson_by_fourier, rng.normal(size=(4, 4))),
    "fluid": (fluid, rng.normal(size=6)),
    "upwind scheme": (upwind, rng.normal(size=6), rng.normal(size=6)),
    "recurrent network": (
        recurrent_network,
        *(rng.normal(size=shape) for shape in ((2,), (3, 2), (4, 2), (2, 3))),
    ),
    "convolution": (convolution_layer, rng.normal(size=(4, 6)), rng.normal(size=(3, 3))),
    "variational bound": (variational_bound, rng.normal(size=2), rng.normal(size=2)),
    "principal axes": (principal_axes, rng.normal(size=(6, 3))),
    "orbit": (orbit, np.array([1.0, 0.2, -0.1, 0.9])),
    "least squares": (least_squares_fit, np.linspace(0.0, 1.0, 6), rng.normal(size=6)),
}
rng_inputs = rng.normal(size=(6, 3))


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    f, *arrays = PROGRAMS[name]
    out = f(*(tl.tensor(x, requires_grad=True) for x in arrays))
    assert out.requires_grad
    np.testing.assert_allclose(out.detach().numpy(), f(*arrays), rtol=1e-12)
    check_gradients(lambda *xs: f(*xs), *arrays)


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "SLSQP"])
def test_scipy_minimizers(method):
    optimize = pytest.importorskip("scipy.optimize")
    start = np.array([-1.2, 1.0, 0.5])
    for f, jac in ((tl.value_and_grad(rosenbrock), True), (rosenbrock, tl.grad(rosenbrock))):
        found = optimize.minimize(f, start, jac=jac, method=method)
        assert found.success
        np.testing.assert_allclose(found.x, np.ones(3), atol=1e-3)


def test_scipy_second_order_and_least_squares():
    optimize = pytest.importorskip("scipy.optimize")
    start = np.array([-1.2, 1.0])
    found = optimize.minimize(
        rosenbrock, start, jac=tl.grad(rosenbrock), hess=tl.hessian(rosenbrock), method="Newton-CG"
    )
    np.testing.assert_allclose(found.x, np.ones(2), atol=1e-3)
    product = optimize.minimize(
        rosenbrock,
        start,
        jac=tl.grad(rosenbrock),
        hessp=lambda x, p: tl.hvp(rosenbrock, x, p),
        method="trust-ncg",
    )
    np.testing.assert_allclose(product.x, np.ones(2), atol=1e-3)

    def residuals(x):
        return np.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    np.testing.assert_allclose(
        optimize.least_squares(residuals, start, jac=tl.jacobian(residuals)).x, np.ones(2), atol=1e-8
    )
    root = optimize.root(residuals, start, jac=tl.jacobian(residuals))
    np.testing.assert_allclose(root.x, np.ones(2), atol=1e-8)
