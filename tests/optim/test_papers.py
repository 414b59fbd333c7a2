"""Optimizers that PyTorch lacks, against the algorithms of their papers, written down in NumPy one array at a time."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.optim.parameters import gradients, parameters
from tinygrad_lite import nn, optim
from tinygrad_lite.core.errors import StateError

STEPS = 100
SEEDS = range(4)


def pull(step, place):
    """A gradient that depends on where one is, and differs from step to step."""
    return [np.sin(w) + 0.3 * w + 0.2 * g for w, g in zip(place, gradients(step), strict=True)]


def norm(x):
    return np.sqrt((x**2).sum())


def check(make, algorithm):
    """`algorithm` is a generator for one parameter: yields where the gradient is wanted, and is sent it."""
    params = parameters()
    optimizer = make(params)
    runs = [algorithm(parameter.data.copy()) for parameter in params]
    places = [next(run) for run in runs]
    for step in range(STEPS):
        for parameter, place, gradient in zip(params, places, pull(step, places), strict=True):
            np.testing.assert_allclose(parameter.data, place, rtol=1e-10, atol=1e-12)
            parameter.grad = tl.tensor(gradient)
        places = [run.send(gradient) for run, gradient in zip(runs, pull(step, places), strict=True)]
        optimizer.step()
    return optimizer, params


@pytest.mark.parametrize("seed", SEEDS)
def test_lion(seed):
    """Chen et al. 2023, algorithm 2."""
    rng = np.random.default_rng(seed)
    b1, b2, eta, lam = rng.uniform(0.5, 0.95), rng.uniform(0.5, 0.99), rng.uniform(1e-3, 0.05), rng.choice([0, 0.3])

    def algorithm(theta):
        m = np.zeros_like(theta)
        while True:
            g = yield theta
            c = b1 * m + (1 - b1) * g
            theta = theta - eta * (np.sign(c) + lam * theta)
            m = b2 * m + (1 - b2) * g

    check(lambda p: optim.Lion(p, float(eta), (float(b1), float(b2)), weight_decay=float(lam)), algorithm)


@pytest.mark.parametrize("seed", SEEDS)
def test_lars(seed):
    """You, Gitman, Ginsburg 2017, algorithm 1."""
    rng = np.random.default_rng(seed)
    gamma, m, beta, eta = rng.uniform(0.1, 2), rng.uniform(0, 0.95), rng.choice([0, 0.1]), rng.uniform(0.01, 0.1)

    def algorithm(w):
        v = np.zeros_like(w)
        while True:
            g = yield w
            local = eta * norm(w) / (norm(g) + beta * norm(w))
            v = m * v + gamma * local * (g + beta * w)
            w = w - v

    def make(p):
        return optim.LARS(p, float(gamma), float(m), weight_decay=float(beta), trust_coefficient=float(eta))

    check(make, algorithm)


@pytest.mark.parametrize("seed", SEEDS)
def test_lamb(seed):
    """You et al. 2020, algorithm 2, with the identity for phi."""
    rng = np.random.default_rng(seed)
    b1, b2, eta, lam = rng.uniform(0.5, 0.95), rng.uniform(0.5, 0.99), rng.uniform(1e-3, 0.05), rng.choice([0, 0.3])

    def algorithm(x):
        m = v = np.zeros_like(x)
        t = 0
        while True:
            g = yield x
            t += 1
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
            r = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + 1e-6)
            u = r + lam * x
            x = x - eta * norm(x) / norm(u) * u

    check(lambda p: optim.LAMB(p, float(eta), (float(b1), float(b2)), weight_decay=float(lam)), algorithm)


@pytest.mark.parametrize("rule", [optim.LARS, optim.LAMB])
def test_ratios_of_nothing(rule):
    """A parameter of norm 0 and a gradient of norm 0: a step at the plain rate, or none, but no NaN."""
    w, v = nn.Parameter(np.zeros(3)), nn.Parameter(np.ones(3))
    optimizer = rule([w, v], lr=0.5, weight_decay=0.0)
    w.grad, v.grad = tl.tensor(np.ones(3)), tl.tensor(np.zeros(3))
    optimizer.step()
    assert v.tolist() == [1.0] * 3
    assert w.tolist() == pytest.approx([-0.5] * 3, rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_sophia(seed):
    """Liu et al. 2024, algorithm 3 with the estimate of algorithm 2."""
    rng = np.random.default_rng(seed)
    b1, b2, eta, lam = rng.uniform(0.5, 0.97), rng.uniform(0.5, 0.99), rng.uniform(1e-3, 0.05), rng.choice([0, 0.3])
    rho, every, batch = rng.uniform(0.01, 1), int(rng.integers(2, 12)), int(rng.integers(1, 20))
    params = parameters()
    optimizer = optim.SophiaG(params, float(eta), (float(b1), float(b2)), float(rho), weight_decay=float(lam))
    thetas = [p.data.copy() for p in params]
    ms, hs = [[np.zeros_like(theta) for theta in thetas] for _ in range(2)]
    clipped = []
    for t in range(1, STEPS + 1):
        if t % every == 1:
            for i, g in enumerate(pull(1000 + t, thetas)):
                params[i].grad = tl.tensor(g)
                hs[i] = b2 * hs[i] + (1 - b2) * batch * g * g
            optimizer.update_hessian(batch)
        for i, g in enumerate(pull(t, thetas)):
            params[i].grad = tl.tensor(g)
            ms[i] = b1 * ms[i] + (1 - b1) * g
            thetas[i] = thetas[i] - eta * lam * thetas[i]
            ratio = ms[i] / np.maximum(rho * hs[i], 1e-12)
            clipped += [np.abs(ratio).max() > 1, np.abs(ratio).min() < 1]
            thetas[i] = thetas[i] - eta * np.clip(ratio, -1, 1)
        optimizer.step()
        for p, theta in zip(params, thetas, strict=True):
            np.testing.assert_allclose(p.data, theta, rtol=1e-10, atol=1e-12)
    assert 0 < np.mean(clipped) < 1


def test_curvature_is_estimated_between_forward_and_backward():
    """It changes no parameter, so graphs stay valid."""
    w = nn.Parameter(np.ones(2))
    optimizer = optim.SophiaG([w])
    loss = (w * w).sum()
    w.grad = tl.tensor(np.ones(2))
    optimizer.update_hessian(4)
    optimizer.zero_grad()
    loss.backward()
    assert w.grad.tolist() == [2, 2] and w.tolist() == [1, 1]
    np.testing.assert_allclose(optimizer.state_dict()["state"]["0"]["hessian"], 0.04)


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_schedule_free(seed, adam):
    """Defazio et al. 2024, equations 3 to 5 and algorithm 1, with x, y and z each on its own."""
    rng = np.random.default_rng(seed)
    beta, b2, lam = rng.uniform(0.5, 0.95), rng.uniform(0.5, 0.99), rng.choice([0, 0.3])
    gamma, warmup, r = rng.uniform(0.01, 0.3), int(rng.choice([0, 20])), int(rng.choice([0, 1]))
    averages = []

    def algorithm(x):
        z, v, total, t = x, np.zeros_like(x), 0.0, 0
        while True:
            y = (1 - beta) * z + beta * x
            averages.append(x)
            g = yield y
            t += 1
            rate = gamma * min(1, t / warmup) if warmup else gamma
            if adam:
                v = b2 * v + (1 - b2) * g**2
                g = g / (np.sqrt(v) + 1e-8)
                rate *= np.sqrt(1 - b2**t)
            z = z - rate * g - rate * lam * y
            weight = t**r * rate**2  # rates only rise here
            total += weight
            x = (1 - weight / total) * x + weight / total * z

    more = {"weight_decay": float(lam), "warmup_steps": warmup, "r": float(r)}

    def make(p):
        if adam:
            return optim.AdamWScheduleFree(p, float(gamma), (float(beta), float(b2)), **more)
        return optim.SGDScheduleFree(p, float(gamma), float(beta), **more)

    optimizer, params = check(make, algorithm)
    training = [parameter.data.copy() for parameter in params]
    optimizer.eval()
    optimizer.eval()
    for parameter, x in zip(params, averages[-len(params) :], strict=True):
        np.testing.assert_allclose(parameter.data, x, rtol=1e-10, atol=1e-12)
    with pytest.raises(StateError, match=r"ScheduleFree: step in evaluation mode; call optimizer\.train\(\) before it"):
        optimizer.step()
    optimizer.train()
    for parameter, y in zip(params, training, strict=True):
        np.testing.assert_allclose(parameter.data, y, rtol=1e-12, atol=1e-13)


def test_parameters_that_were_not_trained_are_their_own_averages():
    params = parameters()
    optimizer = optim.SGDScheduleFree(params, 0.1)
    params[2].grad = tl.tensor(np.ones(5))
    optimizer.step()
    optimizer.eval()
    for parameter, start in zip(params, parameters(), strict=True):
        assert (parameter.data.tobytes() == start.data.tobytes()) == (parameter is not params[2])


# Rosenbrock's valley


@pytest.mark.parametrize(
    ("name", "arguments", "steps"),
    [
        ("Lion", {"lr": 0.003}, 3000),
        ("LAMB", {"lr": 0.01, "weight_decay": 0.0}, 3000),
        ("LARS", {"lr": 0.003, "trust_coefficient": 1.0, "weight_decay": 0.0}, 3000),
        ("SGDScheduleFree", {"lr": 0.002, "momentum": 0.95}, 4000),
        ("AdamWScheduleFree", {"lr": 0.1, "betas": (0.95, 0.99)}, 3000),
        ("SophiaG", {"lr": 0.003, "weight_decay": 0.0, "rho": 0.01}, 3000),
    ],
)
def test_the_valley_of_rosenbrock(name, arguments, steps):
    # The norm of [-1.2, 1] becomes nearly 0 on the way, and so do LAMB's steps.
    place = nn.Parameter(np.array([2.0, 3.0] if name == "LAMB" else [-1.2, 1.0]))
    optimizer = getattr(optim, name)([place], **arguments)
    rate = optimizer.lr
    for step in range(steps):
        if "ScheduleFree" not in name:
            optimizer.lr = rate * (1 - step / steps)
        x, y = place.data
        place.grad = tl.tensor(np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)]))
        if name == "SophiaG" and step % 10 == 0:
            optimizer.update_hessian(1)
        optimizer.step()
    optimizer.eval()
    x, y = place.data
    assert (1 - x) ** 2 + 100 * (y - x**2) ** 2 < 0.05


def test_lbfgs_in_the_valley_of_rosenbrock():
    place = nn.Parameter(np.array([-1.2, 1.0]))
    optimizer = optim.LBFGS([place], max_iter=60, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (1 - place[0]) ** 2 + 100 * (place[1] - place[0] ** 2) ** 2
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx(24.2)
    np.testing.assert_allclose(place.data, [1, 1], atol=1e-4)
    assert optimizer.state_dict()["search"]["func_evals"] < 60
