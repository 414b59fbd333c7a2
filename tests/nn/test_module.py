"""Modules: what they contain, their state, mode, place and how they print."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.core.errors import DTypeError, StateError


class Nested(nn.Module):
    """Parameters and buffers in every kind of place."""

    def __init__(self):
        self.scale = nn.Parameter([1.0, 2.0])
        self.layers = [nn.Linear(2, 3), nn.Linear(3, 2)]
        self.heads = {"a": nn.Linear(2, 1), "b": (nn.Linear(2, 1, bias=False),)}
        self.plain = tl.tensor([5.0], requires_grad=True)
        self.offset = tl.tensor([3.0])
        self._scratch = tl.tensor([4.0])
        self.size = 7


def names(pairs):
    return [name for name, _ in pairs]


def test_names_are_paths_through_attributes_lists_tuples_and_dicts():
    assert names(Nested().named_parameters()) == [
        "scale",
        *["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"],
        *["heads.a.weight", "heads.a.bias", "heads.b.0.weight"],
        "plain",
    ]
    assert names(Nested().named_modules()) == ["", "layers.0", "layers.1", "heads.a", "heads.b.0"]


def test_tensors_without_gradient_are_buffers_unless_private():
    model = Nested()
    assert names(model.named_buffers()) == ["offset"]
    assert model.buffers().__next__() is model.offset
    assert "offset" in model.state_dict() and "_scratch" not in model.state_dict()


def test_recorded_results_are_no_state():
    model = Nested()
    model.last = model.scale * 2.0
    assert "last" not in model.state_dict()
    assert "last" not in names(model.named_parameters()) + names(model.named_buffers())


def test_frozen_parameters_stay_parameters():
    model = Nested().requires_grad_(False)
    assert len(list(model.parameters())) == 8 + 1 - 1  # `plain` is no Parameter: frozen, it is a buffer
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert names(model.named_buffers()) == ["plain", "offset"]
    assert all(parameter.requires_grad for parameter in model.requires_grad_().parameters())


def test_cycles_end():
    model = Nested()
    model.layers[0].parent = model
    model.everything = [model]
    assert len(list(model.parameters())) == 9


def test_shared_parameters_are_listed_once_and_saved_under_every_name():
    model = nn.Module()
    model.first, model.second = nn.Linear(2, 2), nn.Linear(2, 2)
    model.second.weight = model.first.weight
    assert names(model.named_parameters()) == ["first.weight", "first.bias", "second.bias"]
    state = model.state_dict()
    assert list(state) == ["first.weight", "first.bias", "second.weight", "second.bias"]
    state["second.weight"] = np.full((2, 2), 9.0)
    del state["first.weight"]
    model.load_state_dict(state)
    assert model.first.weight is model.second.weight
    np.testing.assert_array_equal(model.first.weight.data, 9.0)


def test_state_dict_is_a_snapshot():
    layer = nn.Linear(2, 2)
    state = layer.state_dict()
    before = state["weight"].copy()
    layer.weight.data[...] = 0.0
    np.testing.assert_array_equal(state["weight"], before)


def test_state_round_trips_bit_for_bit_and_copies():
    model, other = Nested(), Nested()
    state = model.state_dict()
    report = other.load_state_dict(state)
    assert report == ([], [])
    for name, array in other.state_dict().items():
        assert array.tobytes() == state[name].tobytes()
    state["scale"][...] = 0.0
    assert other.scale.tolist() == [1.0, 2.0]


def test_loading_keeps_dtype_and_the_parameters_identity():
    layer = nn.Linear(2, 2)
    weight, node = layer.weight, layer.weight.node
    layer.load_state_dict({"weight": np.ones((2, 2)), "bias": tl.tensor([1, 2])})
    assert layer.weight is weight and weight.node is node
    assert weight.dtype == layer.bias.dtype == np.float32
    assert layer.bias.tolist() == [1.0, 2.0]


def test_loading_lists_all_problems_and_loads_nothing():
    layer = nn.Linear(2, 3)
    before = layer.state_dict()
    with pytest.raises(StateError) as caught:
        layer.load_state_dict({"weight": np.zeros((3, 2)), "scale": np.zeros(1)})
    message = str(caught.value)
    assert message == (
        "load_state_dict: the state does not fit Linear; missing: bias; unexpected: scale. strict=False loads the rest."
    )
    with pytest.raises(StateError, match=r"misshapen: weight is \(2, 3\) and must be \(3, 2\)\.$"):
        layer.load_state_dict({"weight": np.zeros((2, 3)), "bias": np.zeros(3)}, strict=False)
    np.testing.assert_array_equal(layer.weight.data, before["weight"])


def test_loading_what_fits():
    layer = nn.Linear(2, 3)
    report = layer.load_state_dict({"weight": np.zeros((3, 2)), "scale": np.zeros(1)}, strict=False)
    assert report.missing == ["bias"] and report.unexpected == ["scale"]
    np.testing.assert_array_equal(layer.weight.data, 0.0)


def test_train_and_eval_reach_all_modules():
    model = Nested()
    assert model.training and model.eval() is model
    assert not any(module.training for module in model.modules())
    assert all(module.training for module in model.train().modules())


def test_zero_grad():
    layer = nn.Linear(2, 1)
    layer(np.ones((1, 2), np.float32)).sum().backward()
    layer.weight.requires_grad = False
    layer.zero_grad()
    assert layer.bias.grad is None


def test_to_dtype_converts_data_gradients_and_buffers():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model(np.ones((3, 2), np.float32)).sum().backward()
    assert model.to("float64") is model
    arrays = dict(model.named_parameters()) | dict(model.named_buffers())
    assert {name: str(t.dtype) for name, t in arrays.items()} == {
        name: "int64" if name.endswith("tracked") else "float64" for name in arrays
    }
    assert model[0].weight.grad.dtype == np.float64
    model.zero_grad()
    model(np.ones((3, 2))).sum().backward()
    assert model[0].weight.grad.dtype == np.float64
    assert model.to(dtype=np.float32)[0].weight.dtype == np.float32
    assert model.to(tl.float64)[0].weight.dtype == np.float64
    assert model.to("cpu")[0].weight.device == "cpu"
    assert model.to(device="cpu", dtype="float32")[0].weight.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int64, np.dtype("int32"), int])
def test_to_refuses_other_dtypes(dtype):
    with pytest.raises(DTypeError, match="a device or a floating-point dtype is required, such as 'float32'"):
        nn.Linear(2, 2).to(dtype)


def test_to_refuses_unknown_devices():
    with pytest.raises(tl.BackendError, match="unknown device 'int64'"):
        nn.Linear(2, 2).to("int64")


def test_forward_must_be_defined():
    with pytest.raises(NotImplementedError, match=r"Nested: define forward\(self, \.\.\.\)"):
        Nested()(1.0)


def test_repr_is_a_tree():
    class Model(nn.Module):
        def __init__(self):
            self.body = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2, bias=False), nn.ReLU())
            self.heads = [nn.Linear(6, 10)]

    assert repr(Model()) == (
        "Model(\n"
        "  body: Sequential(\n"
        "    0: Conv2d(1, 6, 5, padding=2, bias=False)\n"
        "    1: ReLU()\n"
        "  )\n"
        "  heads.0: Linear(6, 10)\n"
        ")"
    )
    assert repr(nn.Dropout(0.3)) == "Dropout(p=0.3)"
    assert repr(nn.LayerNorm(4, elementwise_affine=False)) == "LayerNorm((4,), elementwise_affine=False, bias=False)"


@pytest.mark.numpy_only("a text that names no device")
def test_repr_of_a_parameter():
    assert repr(nn.Parameter([[1.0], [2.0]])) == (
        "Parameter([[1.],\n           [2.]], dtype=float32, requires_grad=True)"
    )


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_equal_and_independent(duplicate):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5, rng=tl.Generator(1)), nn.Linear(3, 1))
    model[3].weight.requires_grad = False
    model.eval()
    other = duplicate(model)
    x = np.ones((4, 2), np.float32)
    np.testing.assert_array_equal(other(x).detach().numpy(), model(x).detach().numpy())
    assert isinstance(other[0].weight, nn.Parameter) and other[0].weight.requires_grad
    assert isinstance(other[3].weight, nn.Parameter) and not other[3].weight.requires_grad
    other[0].weight.data[...] = 0.0
    assert np.abs(model[0].weight.data).min() > 0


def test_deepcopy_keeps_sharing():
    model = nn.Module()
    model.first, model.second = nn.Linear(2, 2), nn.Linear(2, 2)
    model.second.weight = model.first.weight
    other = copy.deepcopy(model)
    assert other.first.weight is other.second.weight


def test_sequential_is_a_sequence():
    first, last = nn.Linear(2, 3), nn.Linear(3, 4)
    model = nn.Sequential(first, tl.relu, last)
    assert len(model) == 3 and model[0] is first and model[-1] is last and list(model) == [first, tl.relu, last]
    part = model[1:]
    assert list(part) == [tl.relu, last] and names(part.named_parameters()) == ["2.weight", "2.bias"]
    assert part.append(nn.Linear(4, 1)) is part
    assert names(part.named_parameters())[2:] == ["3.weight", "3.bias"]
    assert part(np.ones((5, 3), np.float32)).shape == (5, 1)


def test_sequential_with_names():
    model = nn.Sequential({"in": nn.Linear(2, 3), "out": nn.Linear(3, 1)})
    assert names(model.named_parameters()) == ["in.weight", "in.bias", "out.weight", "out.bias"]


def test_sequential_refuses_what_it_cannot_hold():
    with pytest.raises(DTypeError, match="Sequential: layer 1 is a float; a module or a function is required"):
        nn.Sequential(nn.ReLU(), 2.0)
    with pytest.raises(DTypeError, match="an entry cannot be called 'forward'"):
        nn.Sequential({"forward": nn.ReLU()})
