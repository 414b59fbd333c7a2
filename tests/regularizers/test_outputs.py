"""Penalties on slopes and on activations, against formulas, Jacobians and finite differences."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.core.errors import ShapeError, StateError
from tinygrad_lite.regularizers import L1, L2, ActivityPenalty, GradientPenalty, JacobianPenalty

RNG = np.random.default_rng(0)


def network(outputs=2):
    rng = tl.Generator(0)
    return nn.Sequential(nn.Linear(3, 5, rng=rng), nn.Tanh(), nn.Linear(5, outputs, rng=rng)).to("float64")


def jacobians(model, x):
    return np.stack([tl.jacobian(lambda v: model(v[None])[0])(row).data for row in x])


def test_the_jacobian_penalty_is_that_of_the_jacobian():
    model, x = network(), RNG.normal(size=(6, 3))
    expected = 0.3 / 2 * (jacobians(model, x) ** 2).sum(axis=(1, 2)).mean()
    assert JacobianPenalty(0.3, projections=None)(model, x).item() == pytest.approx(expected, rel=1e-12)


def test_its_estimate_is_right_on_average():
    model, x = network(), RNG.normal(size=(6, 3))
    exact = JacobianPenalty(1.0, projections=None)(model, x).item()
    estimate = JacobianPenalty(1.0, projections=600, rng=tl.Generator(1))(model, x).item()
    assert estimate == pytest.approx(exact, rel=0.03) and estimate != exact


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_the_gradient_penalty(target):
    model, x = network(1), RNG.normal(size=(6, 3))
    norms = np.linalg.norm(jacobians(model, x)[:, 0], axis=1)
    found = GradientPenalty(0.3, target)(model, x).item()
    assert found == pytest.approx(0.3 * ((norms - target) ** 2).mean(), rel=1e-12)


@pytest.mark.parametrize("penalty", [GradientPenalty(0.7), JacobianPenalty(0.7, projections=None)], ids=["grad", "jac"])
def test_they_can_be_learned_from(penalty):
    """The gradient at the weights against finite differences."""
    model, x = network(), RNG.normal(size=(6, 3))
    penalty(model, x).backward()
    weight = model[0].weight
    slope, start = weight.grad.numpy(), weight.data.copy()
    for _ in range(3):
        direction = RNG.normal(size=start.shape)
        values = []
        for step in (1e-5, -1e-5):
            weight.data = start + step * direction
            values.append(penalty(model, x).item())
        assert (slope * direction).sum() == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6)
        weight.data = start


def test_float32_stays_float32():
    model, x = network().to("float32"), RNG.normal(size=(6, 3)).astype("float32")
    for penalty in (GradientPenalty(0.7), JacobianPenalty(0.7)):
        assert penalty(model, x).dtype == np.float32


def test_activities():
    model, x = network(), RNG.normal(size=(6, 3))
    hidden = np.tanh(x @ model[0].weight.data.T + model[0].bias.data)
    for on in (nn.Tanh, "1", ["1"], lambda name, module: name == "1"):
        penalty = ActivityPenalty(model, L1(0.3), on=on)
        model(x)
        assert penalty().item() == pytest.approx(0.3 * np.abs(hidden).sum() / 6, rel=1e-12)
        penalty.remove()
    penalty = ActivityPenalty(model, L2(0.3), on=(nn.Tanh, "0"))
    model(x)
    expected = 0.15 * (hidden**2).sum() / 6 + 0.15 * (np.arctanh(hidden) ** 2).sum() / 6
    assert penalty(model).item() == pytest.approx(expected, rel=1e-10)
    with pytest.raises(StateError, match="ActivityPenalty: no outputs have been noted; call the model first"):
        penalty()
    with tl.no_grad():
        model(x)
    assert not penalty.outputs
    penalty.remove()
    model(x)
    assert not penalty.outputs


def test_activities_shrink_in_training():
    def size(strength):
        model, x, y = network(), np.random.default_rng(1).normal(size=(30, 3)), np.zeros((30, 2))
        penalty, optimizer = ActivityPenalty(model, L1(strength), on=nn.Tanh), optim.SGD(model, lr=0.1)
        for _ in range(50):
            optimizer.zero_grad()
            (tl.mse(model(x), y) + penalty(model)).backward()
            optimizer.step()
        return np.abs(np.tanh(x @ model[0].weight.data.T + model[0].bias.data)).mean()

    assert size(1.0) < 0.5 * size(0.0)


def test_errors():
    with pytest.raises(ValueError, match="ActivityPenalty: on='7' chooses none of the modules 0, 1, 2; check it"):
        ActivityPenalty(network(), L1(0.1), on="7")
    with pytest.raises(ValueError, match="JacobianPenalty: projections is 0; it must be at least 1, or None"):
        JacobianPenalty(1.0, projections=0)
    message = r"GradientPenalty: x is \(3,\) and the outputs are \(2,\); \(batch, ...\) of the same batch is required"
    with pytest.raises(ShapeError, match=message):
        GradientPenalty(1.0)(network(), np.ones(3))
