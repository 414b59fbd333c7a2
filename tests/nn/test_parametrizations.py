"""Computed weights, weight and spectral norm, and parameters as a vector."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.core.errors import ShapeError, StateError

parametrize, parametrizations = nn.utils.parametrize, nn.utils.parametrizations


class Symmetric(nn.Module):
    def forward(self, x):
        return x + x.T


class Exponential(nn.Module):
    def forward(self, x):
        return tl.exp(x)

    def right_inverse(self, x):
        return tl.log(x)


def test_a_parameter_is_computed_at_each_use_and_its_original_trained():
    layer = nn.Linear(3, 3)
    weight, before = layer.weight, layer.weight.data.copy()
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert layer.parametrizations["weight"].original is weight
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    np.testing.assert_array_equal(layer.weight.data, before + before.T)
    layer(np.ones((1, 3), np.float32)).sum().backward()
    assert weight.grad.tolist() == [[2.0] * 3] * 3
    assert parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias") and not parametrize.is_parametrized(nn.ReLU())


def test_assigning_and_chains():
    layer = nn.Linear(2, 2)
    layer.weight.data = np.array([[1.0, 2.0], [3.0, 4.0]])
    parametrize.register_parametrization(layer, "weight", Exponential())
    np.testing.assert_allclose(layer.weight.data, [[1.0, 2.0], [3.0, 4.0]])
    layer.weight = np.full((2, 2), 5.0)
    np.testing.assert_allclose(layer.parametrizations.weight.original.data, np.log(5.0))
    assert "weight" not in vars(layer)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    np.testing.assert_allclose(layer.weight.data, np.full((2, 2), 10.0))
    with pytest.raises(StateError, match="Symmetric: a value cannot be assigned to what it computes"):
        layer.weight = np.ones((2, 2))


@pytest.mark.parametrize("leave", [True, False])
def test_removing(leave):
    layer = nn.Linear(2, 2)
    weight, before = layer.weight, layer.weight.data.copy()
    parametrize.register_parametrization(layer, "weight", Symmetric())
    parametrize.remove_parametrizations(layer, "weight", leave)
    assert layer.weight is weight and not hasattr(layer, "parametrizations")
    np.testing.assert_array_equal(weight.data, before + before.T if leave else before)


def test_weight_norm_keeps_the_value_and_separates_length_and_direction():
    layer = nn.Linear(3, 2)
    before = layer.weight.data.copy()
    parametrizations.weight_norm(layer)
    made = layer.parametrizations.weight
    np.testing.assert_allclose(layer.weight.data, before, rtol=1e-6)
    np.testing.assert_allclose(made.original0.data, np.linalg.norm(before, axis=1, keepdims=True), rtol=1e-6)
    made.original0.data = np.array([[1.0], [2.0]], np.float32)
    np.testing.assert_allclose(np.linalg.norm(layer.weight.data, axis=1), [1.0, 2.0], rtol=1e-6)
    for each in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(each.weight.data, layer.weight.data)
    with pytest.raises(StateError, match=r"weight is computed from 2 tensors; only leave_parametrized=True"):
        parametrize.remove_parametrizations(layer, "weight", False)
    parametrize.remove_parametrizations(layer, "weight")
    assert list(layer.state_dict()) == ["bias", "weight"] and layer.weight.requires_grad


def test_spectral_norm_in_training_and_evaluation():
    layer = parametrizations.spectral_norm(nn.Linear(6, 4, rng=tl.Generator(0)), rng=tl.Generator(1))
    buffers = [name for name, _ in layer.named_buffers()]
    assert buffers == ["parametrizations.weight.0._u", "parametrizations.weight.0._v"]
    layer.eval()
    np.testing.assert_array_equal(layer.weight.data, layer.weight.data)
    layer.train()
    before = layer.parametrizations.weight.get_submodule("0")._u.data.copy()
    for _ in range(100):
        layer.weight
    assert (layer.parametrizations.weight.get_submodule("0")._u.data != before).any()
    assert np.linalg.norm(layer.weight.data, 2) == pytest.approx(1.0, rel=1e-5)


def test_spectral_norm_in_a_captured_step():
    def model():
        layer = nn.Linear(6, 4, rng=tl.Generator(0))
        return parametrizations.spectral_norm(layer, rng=tl.Generator(1))

    x = np.ones((2, 6), np.float32)
    plain, captured = model(), model()

    @tl.jit
    def step(x):
        return captured(x).sum()

    for _ in range(4):
        np.testing.assert_allclose(step(x).item(), plain(x).sum().item(), rtol=1e-6)
    np.testing.assert_allclose(
        *[made.state_dict()["parametrizations.weight.0._u"] for made in (plain, captured)], rtol=1e-6
    )


def test_what_cannot_be_parametrized():
    layer = nn.Linear(2, 3)
    for register in (parametrizations.weight_norm, parametrizations.spectral_norm):
        with pytest.raises(StateError, match=r"Linear has no tensor 'scale'"):
            register(layer, "scale")
    with pytest.raises(StateError, match=r"remove_parametrizations: Linear.weight is not parametrized"):
        parametrize.remove_parametrizations(layer, "weight")
    with pytest.raises(ShapeError, match=r"n_power_iterations is 0; it must be at least 1"):
        parametrizations.spectral_norm(layer, n_power_iterations=0)

    class Longer(nn.Module):
        def forward(self, x):
            return tl.concat([x, x])

    for _ in range(2):
        with pytest.raises(ShapeError, match=r"Longer gives \(6, 2\) for a tensor of shape \(3, 2\); they must be"):
            parametrize.register_parametrization(layer, "weight", Longer())
    assert parametrize.register_parametrization(layer, "weight", Longer(), unsafe=True).weight.shape == (6, 2)


def test_parameters_as_a_vector():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1, bias=False))
    vector = nn.utils.parameters_to_vector(model.parameters())
    assert vector.shape == (12,) and vector.requires_grad
    (vector * vector).sum().backward()
    np.testing.assert_allclose(model[1].weight.grad.data, 2 * model[1].weight.data)
    nn.utils.vector_to_parameters(np.arange(12.0), model.parameters())
    assert model[1].weight.tolist() == [[9.0, 10.0, 11.0]] and model[0].weight.dtype == np.float32
    np.testing.assert_array_equal(nn.utils.parameters_to_vector(model.parameters()).data, np.arange(12.0))
    with pytest.raises(ShapeError, match=r"vector_to_parameters: vec is \(11,\); the parameters have 12 elements"):
        nn.utils.vector_to_parameters(np.arange(11.0), model.parameters())
    with pytest.raises(ShapeError, match=r"parameters_to_vector: there is no parameter"):
        nn.utils.parameters_to_vector([])


@pytest.mark.parametrize("seed", range(40))
def test_pytorch_computes_the_same(seed):
    torch = pytest.importorskip("torch", reason="torch is not installed: no comparison with its parametrizations")
    from tests.nn.test_recurrent_torch import gradients_agree, pair

    rng = np.random.default_rng(seed)
    axes, transposed = int(rng.integers(0, 4)), bool(rng.random() < 0.5)
    how, dim = str(rng.choice(["weight_norm", "spectral_norm"])), [None, 0, 1, -1][int(rng.integers(0, 4))]
    options = {"dim": dim} if how == "weight_norm" or seed % 3 else {}
    if how == "spectral_norm":
        options["n_power_iterations"] = int(rng.integers(1, 4))
    inputs, outputs = int(rng.integers(1, 5)), int(rng.integers(1, 5))

    def build(m):
        kind = f"Conv{'Transpose' * transposed}{axes}d"
        layer = getattr(m, kind)(inputs, outputs, 2) if axes else m.Linear(inputs, outputs)
        return getattr(m.utils.parametrizations, how)(layer, **options)

    theirs, ours = build(torch.nn).double(), build(nn).to("float64")
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    assert set(ours.state_dict()) == set(theirs.state_dict())
    if seed % 4 == 0:
        ours.eval()
        theirs.eval()
    x = pair(rng.normal(size=(2, inputs, *(3,) * axes)))
    ours(x[0]), theirs(x[1])
    gradients_agree([(ours(x[0]), theirs(x[1]))], [x], ours, theirs)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name], value.numpy(), rtol=1e-9, err_msg=name)
