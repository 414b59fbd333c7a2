"""Programs written for NumPy, differentiated as they are; and SciPy's optimizers."""

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
