"""The values and gradients of penalties on groups and on singular values; strengths that change; module kinds."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.regularizers.test_penalties import difference, gradients_of, model
from tinygrad_lite import nn, optim
from tinygrad_lite.core.errors import CaptureError
from tinygrad_lite.regularizers import (
    L1,
    L2,
    ElasticNet,
    GroupLasso,
    NuclearNorm,
    Orthogonal,
    SpectralNorm,
    Strength,
    biases,
    everything,
    in_modules,
    matrices,
)

RNG = np.random.default_rng(0)


def matrix(w):
    return w.reshape(len(w), -1)


def far_from_orthogonal(w):
    w = matrix(w)
    w = w if w.shape[0] <= w.shape[1] else w.T
    return ((w @ w.T - np.eye(len(w))) ** 2).sum()


VALUES = [
    (GroupLasso(1.0), lambda w: np.sqrt(w[0].size) * np.linalg.norm(matrix(w), axis=1).sum()),
    (
        GroupLasso(1.0, axis=1),
        lambda w: np.sqrt(w.size / w.shape[1]) * np.linalg.norm(matrix(w.swapaxes(0, 1)), axis=1).sum(),
    ),
    (GroupLasso(1.0, axis=tuple(range(2))), lambda w: sum(np.sqrt(k.size) * np.linalg.norm(k) for r in w for k in r)),
    (NuclearNorm(1.0), lambda w: np.linalg.svd(matrix(w), compute_uv=False).sum()),
    (SpectralNorm(1.0), lambda w: np.linalg.norm(matrix(w), 2)),
    (Orthogonal(1.0), far_from_orthogonal),
    (ElasticNet(1.0, 0.25), lambda w: 0.25 * np.abs(w).sum() + 0.375 * (w * w).sum()),
]


@pytest.mark.parametrize(("penalty", "formula"), VALUES, ids=[repr(penalty) for penalty, _ in VALUES])
@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 3, 2, 2)])
def test_values_and_gradients(penalty, formula, shape):
    w = RNG.normal(size=shape)
    assert penalty([tl.tensor(w)]).item() == pytest.approx(formula(w), rel=1e-12)
    slope = penalty.slopes([("w", tl.tensor(w))])["w"](w)
    for _ in range(5):
        direction = RNG.normal(size=shape)
        change = (formula(w + 1e-5 * direction) - formula(w - 1e-5 * direction)) / 2e-5
        assert (slope * direction).sum() == pytest.approx(change, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("penalty", [penalty for penalty, _ in VALUES], ids=repr)
def test_for_plain_sgd_coupled_and_decoupled_agree_to_rounding(penalty):
    assert difference(lambda m, decay: optim.SGD(m, 0.05, decay=decay), penalty * 0.1) < 1e-14


def test_orthogonal_matrices_are_not_penalised():
    q, _ = np.linalg.qr(RNG.normal(size=(5, 3)))
    for w in (q, q.T):
        assert Orthogonal(1.0)([tl.tensor(w)]).item() == pytest.approx(0, abs=1e-13)


def test_at_zero_the_gradient_is_zero():
    for penalty in (GroupLasso(1.0), NuclearNorm(1.0)):
        np.testing.assert_array_equal(penalty.gradient(np.zeros((2, 3))), np.zeros((2, 3)))


def test_they_are_on_matrices_only():
    for penalty, _ in VALUES[:-1]:
        found = gradients_of(penalty, model())
        assert found["0.bias"] is None and found["0.weight"] is not None
    assert GroupLasso(1.0).on(biases | matrices).selector != everything


# Strengths that change


def test_a_schedule_changes_the_strength():
    strength = Strength(0.2)
    penalty = 3 * L2(strength).on(matrices) + L1(strength)

    def fixed(s):
        return 3 * L2(s).on(matrices) + L1(s)

    schedule = optim.LinearLR(strength, start_factor=0.5, total_iters=2)
    for expected in (0.1, 0.15, 0.2, 0.2):
        assert float(strength) == pytest.approx(expected)
        assert penalty(model()).item() == pytest.approx(fixed(expected)(model()).item(), rel=1e-12)
        schedule.step()
    strength.value = 0.7
    assert penalty(model()).item() == pytest.approx(fixed(0.7)(model()).item(), rel=1e-12)
    (strength * 2).value = 0.7
    assert repr(strength) == "Strength(0.35)"


@pytest.mark.parametrize("place", ["decay", "project"])
def test_the_optimizer_heeds_the_strength(place):
    w = nn.Parameter(np.ones(2))
    strength = Strength(0.5)
    optimizer = optim.SGD([w], lr=0.1, **{place: L1(strength)})
    for expected, after in ((0.95, 0.0), (0.95, 1.0), (0.85, 1.0)):
        w.grad = tl.tensor(np.zeros(2))
        optimizer.step()
        np.testing.assert_allclose(w.data, expected, rtol=1e-14)
        strength.value = after


def test_captured_steps():
    strength = Strength(0.5)
    with pytest.raises(CaptureError, match=r"jit: the penalty's strength, Strength\(0.5\), would stay as it is now"):
        tl.jit(lambda w: L1(strength)([w]))(np.ones(2))
    w = nn.Parameter(np.ones(2))
    optimizer = optim.SGD([w], lr=0.1, decay=L1(strength))

    @tl.jit
    def step(x):
        optimizer.zero_grad()
        (0.0 * w * x).sum().backward()
        optimizer.step()

    for expected in (0.95, 0.90, 0.80):
        step(np.ones(2))
        np.testing.assert_allclose(w.data, expected, rtol=1e-14)
        strength.value = 0.5 if expected > 0.92 else 1.0


# Module kinds


def test_parameters_of_kinds_of_modules():
    m = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Sequential(nn.Linear(4, 2)))
    names = [name for name, p in m.named_parameters() if in_modules(m, nn.LayerNorm)(name, p)]
    assert names == ["1.weight", "1.bias"]
    rest = gradients_of(L2(1.0).on(~in_modules(m, nn.LayerNorm) & ~biases), m)
    assert [name for name, g in rest.items() if g is not None] == ["0.weight", "2.0.weight"]
    assert repr(in_modules(m, nn.Linear, nn.LayerNorm)) == "in_modules(model, Linear, LayerNorm)"
    with pytest.raises(ValueError, match="in_modules: the model has no module of the kind Conv2d; check the kinds"):
        in_modules(m, nn.Conv2d)
