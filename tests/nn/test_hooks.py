"""Hooks of modules, buffers, and finding modules."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.core.errors import GradientError, StateError


class Scaled(nn.Module):
    """Two outputs; y may be scaled."""

    def forward(self, x, y, *, factor=1.0):
        return x * y * factor, x + y


def test_forward_hooks_see_and_replace_arguments_and_outputs():
    module, seen = Scaled(), []
    module.register_forward_pre_hook(lambda m, args: seen.append(("pre", m is module, args)))
    module.register_forward_pre_hook(lambda m, args: (args[0] + 1, args[1]))
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"factor": 10.0}), with_kwargs=True, prepend=True)
    module.register_forward_hook(lambda m, args, out: seen.append(("post", args, out[0])))
    module.register_forward_hook(lambda m, args, kwargs, out: out[0] + kwargs["factor"], with_kwargs=True)
    assert module(2.0, 5.0) == 160.0
    assert seen == [("pre", True, (2.0, 5.0)), ("post", (3.0, 5.0), 150.0)]


def test_hooks_are_removed_and_ordered():
    module, order = nn.Identity(), []
    handles = [module.register_forward_hook(lambda *_, i=i: order.append(i), prepend=i == 2) for i in range(3)]
    module(1.0)
    assert order == [2, 0, 1]
    handles[0].remove()
    handles[0].remove()
    module(1.0)
    assert order == [2, 0, 1, 2, 1]


def test_always_call():
    module, seen = nn.Linear(2, 2), []
    module.register_forward_hook(lambda *given: seen.append(given[-1]))
    module.register_forward_hook(lambda *given: seen.append(given[-1]), always_call=True)
    with pytest.raises(ValueError, match="last axis"):
        module(np.ones((2, 3)))
    assert seen == [None]


def test_backward_hooks_see_gradients_of_inputs_and_outputs():
    module, seen = Scaled(), []
    module.register_full_backward_hook(lambda *given: seen.append(given))
    x, y = tl.tensor([2.0, 3.0], requires_grad=True), np.array([5.0, 7.0], "float32")
    first, second = module(x, y)
    (first * 10.0).sum().backward(retain_graph=True)
    (called,) = seen
    assert called[0] is module
    assert called[1][0].tolist() == [50.0, 70.0] and called[1][1] is None
    assert called[2][0].tolist() == [10.0, 10.0] and called[2][1].tolist() == [0.0, 0.0]
    second.sum().backward()
    assert seen[1][1][0].tolist() == [1.0, 1.0]


def test_backward_hooks_replace_gradients():
    module, x = Scaled(), tl.tensor([2.0], requires_grad=True)
    module.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 3.0, grads[1]))
    handle = module.register_full_backward_hook(lambda m, grads, _: (grads[0] * 10.0, None))
    module(x, 5.0)[0].sum().backward()
    assert x.grad.tolist() == [150.0]
    handle.remove()
    x.grad = None
    module(x, 5.0)[0].sum().backward()
    assert x.grad.tolist() == [15.0]
    module.register_full_backward_hook(lambda m, grads, _: grads[0][:0])
    with pytest.raises(GradientError, match=r"full_backward_hook returned gradients of the shapes"):
        module(x, 5.0)[0].sum().backward()


def test_backward_hooks_without_inputs_that_need_gradients():
    layer, seen = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda *given: seen.append(given))
    layer(np.ones((3, 2), np.float32)).sum().backward()
    assert seen[0][1] == (None,) and seen[0][2][0].tolist() == [[1.0]] * 3
    assert layer.weight.grad.tolist() == [[3.0, 3.0]]
    with tl.no_grad():
        layer(np.ones((3, 2), np.float32))
    assert len(seen) == 1


def test_second_derivatives_pass_backward_hooks():
    module, seen = nn.Tanh(), []
    module.register_full_backward_hook(lambda m, grads, _: seen.append(grads[0].item()))
    x, t = tl.tensor(np.array(0.3), requires_grad=True), np.tanh(0.3)
    (slope,) = tl.autograd.grad(module(x), [x], create_graph=True)
    (curve,) = tl.autograd.grad(slope, [x])
    assert seen == [pytest.approx(1 - t**2), pytest.approx(-2 * t * (1 - t**2))]
    assert curve.item() == seen[1]


def test_pooling_and_copies_with_hooks():
    layer = nn.MaxPool2d(2), nn.AvgPool2d(2)
    for each in layer:
        each.register_forward_hook(lambda m, args, out: out * 0.0)
        assert not copy.deepcopy(each)(np.ones((1, 1, 2, 2))).any()


def test_pytorch_calls_hooks_with_the_same():
    torch = pytest.importorskip("torch", reason="torch is not installed: no comparison with its hooks")
    found = []
    for m, tensor in ((nn, tl.tensor), (torch.nn, torch.tensor)):
        layer, seen = m.Bilinear(2, 3, 2), []
        for parameter in layer.parameters():
            values = np.arange(np.prod(parameter.shape), dtype="float32").reshape(parameter.shape)
            parameter.data = tensor(values).data
        layer.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 2,))
        layer.register_full_backward_hook(lambda m, grads, outs, seen=seen: seen.extend([*grads, *outs]))
        layer.register_full_backward_hook(lambda m, grads, outs: (grads[0] * 3, None), prepend=True)
        x, y = tensor(np.ones((4, 2), "float32"), requires_grad=True), tensor(np.ones((4, 3), "float32"))
        layer(x, y).sum().backward()
        found.append([None if each is None else each.tolist() for each in [*seen, x.grad, layer.weight.grad]])
    assert found[0] == found[1]


@pytest.mark.numpy_only("a text that names no device")
def test_buffers_are_state_whatever_their_name_and_move():
    module = nn.Module()
    module.register_buffer("_hidden", np.ones(2, np.float32))
    module.register_buffer("scratch", tl.tensor([1.0]), persistent=False)
    module.register_buffer("nothing", None)
    module._other = tl.tensor([1.0])
    assert list(module.state_dict()) == ["_hidden"]
    assert [name for name, _ in module.named_buffers()] == ["_hidden", "scratch"]
    assert module.load_state_dict({"_hidden": np.zeros(2)}) == ([], [])
    module.to("float64")
    assert module.scratch.dtype == module._hidden.dtype == np.float64 and module._other.dtype == np.float32
    for made in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert isinstance(made.scratch, nn.Buffer) and not made.scratch.persistent and made._hidden.persistent
    assert repr(module.scratch) == "Buffer([1.], dtype=float64)"


def test_finding_modules_and_parameters():
    model = nn.Sequential(nn.Linear(2, 3), nn.ModuleDict({"a": nn.Linear(3, 1), "b": nn.ReLU()}))
    model.extra = [nn.ReLU(), {"c": nn.Tanh()}]
    assert [name for name, _ in model.named_children()] == ["0", "1", "extra.0", "extra.1.c"]
    assert model.get_submodule("1.a") is model[1]["a"] and model.get_submodule("") is model
    assert model.get_parameter("1.a.bias") is model[1]["a"].bias
    with pytest.raises(StateError, match=r"get_submodule: Sequential has no module '2'"):
        model.get_submodule("2")
    with pytest.raises(StateError, match=r"get_parameter: Sequential has no parameter '1.a'"):
        model.get_parameter("1.a")
    seen = []
    assert model.apply(seen.append) is model
    assert seen[-1] is model and len(seen) == 7
    model.add_module("last", nn.ReLU())
    model.register_parameter("scale", nn.Parameter([1.0]))
    assert isinstance(model.last, nn.ReLU) and "scale" in model.state_dict()
    with pytest.raises(AttributeError, match="'Sequential' object has no attribute 'nothing'"):
        model.nothing
