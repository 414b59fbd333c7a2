"""Layers one after another: which of them are one operation, and that nobody can tell but by the time that it takes."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.cuda.test_products import blas
from tinygrad_lite import nn
from tinygrad_lite.core.effects import active_capture
from tinygrad_lite.nn.runs import _runs

__all__ = ["blas"]

L, R, G = nn.Linear, nn.ReLU, nn.GELU


@pytest.mark.parametrize(
    ("kinds", "runs"),
    [
        ((L, R, L), ((0, 3),)),
        ((L, R, L, R, L), ((0, 5),)),
        ((L, G, L, R, L), ((0, 3),)),
        ((nn.Flatten, L, R, L, R), ((1, 4),)),
        ((L, L, R, L, nn.Dropout, L, G, L), ((1, 4), (5, 8))),
        ((L, R, nn.Dropout, L), ()),
        ((L, nn.Tanh, L), ()),
        ((L, R), ()),
        ((L,), ()),
        ((), ()),
    ],
)
def test_runs(kinds, runs):
    assert _runs(kinds) == runs


def model(*layers, device="cuda"):
    made = nn.Sequential(*layers).to(device)
    rng = np.random.default_rng(0)
    for parameter in made.parameters():
        parameter.data[...] = parameter.data * 0 + rng.standard_normal()
    return made


def names(blas):
    found = [call["name"] for call in blas.calls]
    blas.calls.clear()
    return found


def data(device="cuda"):
    return tl.tensor(np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3), device=device)


@pytest.mark.numpy_only("chooses its devices itself")
def test_a_network_is_one_operation_on_a_gpu(blas):
    def network(device):
        return model(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2), device=device)

    there, here = network("cuda"), network("cpu")
    for net, device in ((there, "cuda"), (here, "cpu")):
        tl.sum(tl.sin(net(data(device)))).backward()
    assert names(blas) == ["bias relu aux"] * 2 + ["bias", "bgradb", "drelu bgrad", "", "drelu bgrad", ""]
    for mine, theirs in zip(there.parameters(), here.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.cpu(), theirs.grad, rtol=1e-4, atol=1e-5)


def test_gelu_is_within_the_product_if_it_is_the_approximation(blas):
    with tl.no_grad():
        model(nn.Linear(3, 5), nn.GELU("tanh"), nn.Linear(5, 2))(data())
        assert names(blas) == ["bias gelu", "bias"]
        model(nn.Linear(3, 5), nn.GELU(), nn.Linear(5, 2))(data())
        assert names(blas) == ["bias", "bias"]
        mixed = model(nn.Linear(3, 5), nn.GELU("tanh"), nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 2))
        mixed(data())
        assert names(blas) == ["bias"] * 3


def test_layers_with_hooks_or_a_forward_of_their_own_are_called(blas):
    net, seen = model(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)), []
    expected = net(data()).detach().cpu()
    handle = net[1].register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape)))
    names(blas)
    np.testing.assert_allclose(net(data()).detach().cpu(), expected, rtol=1e-6)
    assert seen == [(4, 5)] and names(blas) == ["bias", "bias"]
    handle.remove()
    net[1].forward = lambda x: x * 0.0
    np.testing.assert_allclose(net(data()).detach().cpu()[0], net[2].bias.detach().cpu())


def test_subclasses_are_called(blas):
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2.0 * super().forward(x)

    net = model(Doubled(3, 5), nn.ReLU(), nn.Linear(5, 2))
    net(data())
    assert names(blas) == ["bias", "bias"]


def test_a_capture_is_told_of_each_layer(blas):
    class Noted:
        def __init__(self):
            self.modules = []

        def enter_module(self, module):
            self.modules.append(module)

    net, noted = model(nn.Linear(3, 5), nn.ReLU(), nn.Dropout(0.0), nn.Linear(5, 2)), Noted()
    token = active_capture.set(noted)
    try:
        net(data())
    finally:
        active_capture.reset(token)
    assert noted.modules[0] is net and set(noted.modules[1:]) == set(net) and names(blas) == ["bias relu aux", "bias"]


def test_summaries_count_each_layer(blas):
    net = model(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    kinds = [row.kind for row in nn.summary(net, data()).rows]
    assert kinds == ["Sequential", "Linear", "ReLU", "Linear"]


def test_a_wrong_input_is_explained_by_the_layer(blas):
    net = model(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    with pytest.raises(tl.ShapeError, match=r"^Linear: input is \(4, 4\); the last axis must be in_features = 3\.$"):
        net(tl.tensor(np.ones((4, 4), "float32"), device="cuda"))


def test_inputs_that_are_no_arrays_are_passed_on():
    net = nn.Sequential(lambda pair: pair[0] + pair[1], nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    assert net((np.ones(3, "float32"), np.ones(3, "float32"))).shape == (2,)


def test_dropout_that_leaves_all_as_it_is_may_lie_between(blas):
    net = model(nn.Linear(3, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 2))
    with tl.no_grad():
        net(data())
        assert names(blas) == ["bias", "bias"]
        expected = nn.Sequential(net[0], net[1], net[3])(data()).cpu()
        assert names(blas) == ["bias relu", "bias"]
        net.eval()
        np.testing.assert_array_equal(net(data()).cpu(), expected)
        assert names(blas) == ["bias relu", "bias"]
        net.train()[2].p = 0.0
        np.testing.assert_array_equal(net(data()).cpu(), expected)
        assert names(blas) == ["bias relu", "bias"]
        seen = []
        net[2].register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape)))
        net(data())
        assert names(blas) == ["bias", "bias"] and seen == [(4, 5)]


def test_a_captured_step_notices_that_dropout_is_used_again(blas):
    net = model(nn.Linear(3, 5), nn.ReLU(), nn.Dropout(1.0), nn.Linear(5, 2)).eval()
    step = tl.jit(net)
    for mode in (False, True, False):
        net[2].train(mode)
        with tl.no_grad():
            np.testing.assert_allclose(step(data()).cpu(), net(data()).cpu(), rtol=1e-6)
            assert (step(data()).cpu().numpy() == net[3].bias.detach().cpu().numpy()).all() == mode


@pytest.mark.parametrize("layer", [nn.TransformerEncoderLayer, nn.TransformerDecoderLayer])
@pytest.mark.parametrize("activation", ["relu", tl.relu, nn.ReLU()])
@pytest.mark.numpy_only("chooses its devices itself")
def test_the_network_of_a_transformers_layer(blas, layer, activation):
    results = []
    for dropout, mode in ((0.0, True), (0.5, False), (0.5, True)):
        made = model(layer(4, 2, 6, dropout, activation))[0].train(mode)
        x = tl.tensor(np.linspace(-1, 1, 24, dtype="float32").reshape(3, 2, 4), device="cuda")
        with tl.no_grad():
            results.append((made(x) if layer is nn.TransformerEncoderLayer else made(x, x)).cpu())
        fused = "bias relu" in names(blas)
        assert fused is (dropout == 0.0 or not mode)
    np.testing.assert_array_equal(results[0], results[1])
