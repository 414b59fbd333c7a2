"""Optimizers against their formulas in plain NumPy, their flat buffers, and errors."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.optim.parameters import gradients, parameters, run
from tinygrad_lite import nn
from tinygrad_lite.core.errors import GradientError, StateError
from tinygrad_lite.fusion import updates
from tinygrad_lite.fusion.programs import Blocks
from tinygrad_lite.optim import SGD, Adam, AdamW, Optimizer, flat
from tinygrad_lite.regularizers import L2


def check(make, formula, steps=5):
    """`formula(w, g, state, t)` returns the new w and changes the dict `state`."""
    params = parameters()
    expected = [parameter.data.copy() for parameter in params]
    states = [{} for _ in params]
    run(make(params), params, steps)
    for t in range(1, steps + 1):
        for i, g in enumerate(gradients(t - 1)):
            expected[i] = formula(expected[i], g, states[i], t)
    for parameter, w in zip(params, expected, strict=True):
        np.testing.assert_allclose(parameter.data, w, rtol=1e-12)


def test_sgd():
    check(lambda p: SGD(p, lr=0.1), lambda w, g, s, t: w - 0.1 * g)
    check(lambda p: SGD(p, 0.1, weight_decay=0.3), lambda w, g, s, t: w - 0.1 * (g + 0.3 * w))


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_momentum(nesterov):
    dampening = 0.0 if nesterov else 0.2

    def formula(w, g, s, t):
        s["v"] = g if t == 1 else 0.9 * s["v"] + (1 - dampening) * g
        return w - 0.1 * (g + 0.9 * s["v"] if nesterov else s["v"])

    check(lambda p: SGD(p, 0.1, momentum=0.9, dampening=dampening, nesterov=nesterov), formula)


@pytest.mark.parametrize(("kind", "coupled", "decoupled"), [(Adam, 0.0, 0.0), (Adam, 0.2, 0.0), (AdamW, 0.0, 0.2)])
def test_adam(kind, coupled, decoupled):
    def formula(w, g, s, t):
        g = g + coupled * w
        s["m"] = 0.8 * s.get("m", 0.0) + 0.2 * g
        s["v"] = 0.95 * s.get("v", 0.0) + 0.05 * g**2
        m, v = s["m"] / (1 - 0.8**t), s["v"] / (1 - 0.95**t)
        return w - 0.1 * m / (np.sqrt(v) + 1e-3) - 0.1 * decoupled * w

    check(lambda p: kind(p, 0.1, betas=(0.8, 0.95), eps=1e-3, weight_decay=coupled + decoupled), formula)


def test_adamw_decays_by_default():
    w = nn.Parameter(np.ones(1))
    w.grad = tl.tensor(np.zeros(1))
    AdamW([w], lr=0.5).step()
    assert w.item() == 1 - 0.5 * 0.01


def test_blocks_change_nothing(monkeypatch):
    results = []
    before = tl.get_num_threads()
    try:
        for size, threads in ((7, 1), (7, 2), (5, 3), (10**6, 1)):
            monkeypatch.setattr(updates, "_programs", {})
            monkeypatch.setattr(Blocks, "least", size)
            monkeypatch.setattr(Blocks, "alone", 0)
            monkeypatch.setattr(Blocks, "most", size)
            tl.set_num_threads(threads)
            params = parameters("float32")
            run(AdamW(params, lr=0.1), params, 3)
            results.append(b"".join(p.data.tobytes() for p in params))
    finally:
        tl.set_num_threads(before)
    assert len(set(results)) == 1


def test_float32_stays_float32():
    params = parameters("float32")
    optimizer = Adam(params, lr=0.1, weight_decay=0.1)
    run(optimizer, params, 2)
    assert {p.dtype for p in params} == {np.dtype("float32")}
    arrays = [a for entry in optimizer.state_dict()["state"].values() for k, a in entry.items() if k != "step"]
    assert {a.dtype for a in arrays} == {np.dtype("float32")}


def test_the_rule_changes_none_of_its_arguments():
    rng = np.random.default_rng(0)
    for optimizer in (SGD(parameters(), 0.1, 0.9, weight_decay=0.1), AdamW(parameters(), 0.1)):
        hyper = optimizer.param_groups[0].hyper | {"step": 2}
        param, grad = rng.normal(size=4), rng.normal(size=4)
        state = {name: rng.uniform(size=4) for name in optimizer.state_arrays(hyper)}
        before = copy.deepcopy((param, grad, state))
        optimizer.update(param, grad, state, hyper)
        np.testing.assert_equal((param, grad, state), before)


# Parameters, gradients and state in flat buffers


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_parameters_become_views_of_one_buffer():
    params = parameters()
    values = [p.data.copy() for p in params]
    (group,) = SGD(params, 0.1).groups
    assert group.data.shape == (22,)
    for parameter, value in zip(params, values, strict=True):
        assert np.shares_memory(parameter.data, group.data)
        np.testing.assert_array_equal(parameter.data, value)


def test_one_buffer_per_dtype():
    params = [nn.Parameter(np.ones(2, "float32")), nn.Parameter(np.ones(3)), nn.Parameter(np.ones(2, "float32"))]
    optimizer = SGD(params, 0.1)
    assert [group.data.size for group in optimizer.groups] == [4, 3]
    for p in params:
        p.grad = tl.tensor(np.ones(p.shape, p.dtype))
    optimizer.step()
    assert [p.tolist() for p in params] == [[pytest.approx(0.9)] * p.size for p in params]


def test_the_users_array_is_not_written():
    mine = np.ones(3)
    w = nn.Parameter(mine)
    optimizer = SGD([w], 0.1)
    w.grad = tl.tensor(np.ones(3))
    optimizer.step()
    w.data = mine
    w.grad = tl.tensor(np.ones(3))
    optimizer.step()
    assert mine.tolist() == [1, 1, 1] and w.tolist() == pytest.approx([0.9] * 3)


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_data_bound_by_others_is_taken_in():
    params = parameters()
    optimizer = SGD(params, 0.1)
    run(optimizer, params, 1)
    params[0].data = np.full((3, 4), 2.0)
    run(optimizer, params, 1)
    np.testing.assert_allclose(params[0].data, 2.0 - 0.1 * gradients(0)[0])
    assert np.shares_memory(params[0].data, optimizer.groups[0].data)


def test_two_optimizers_of_one_parameter():
    w = nn.Parameter(np.ones(1))
    first, second = SGD([w], 0.1), SGD([w], 0.2)
    for optimizer in (first, second, first):
        w.grad = tl.tensor(np.ones(1))
        optimizer.step()
    assert w.item() == pytest.approx(0.6)


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=0.5), lambda p: AdamW(p, 0.1)])
def test_without_gradient_a_parameter_and_its_state_stay(make):
    def train(steps):
        """Gradients in the listed steps only; returns the parameter and its state, as bytes."""
        params = parameters()
        optimizer = make(params)
        for step in range(4):
            for i, (parameter, gradient) in enumerate(zip(params, gradients(0), strict=True)):
                parameter.grad = tl.tensor(gradient) if i != 1 or step in steps else None
            optimizer.step()
        entry = optimizer.state_dict()["state"]["1"]
        return params[1].data.tobytes(), entry.pop("step"), [a.tobytes() for a in entry.values()]

    assert train([0, 3]) == train([1, 2]) != train([0, 1, 2])
    assert train([])[1:] == (0, [])
    assert train([])[0] == parameters()[1].data.tobytes()


def test_frozen_parameters_get_no_buffers_for_state():
    frozen, w = nn.Parameter(np.ones(1000), requires_grad=False), nn.Parameter(np.ones(3))
    optimizer = Adam([frozen, w], 0.1)
    w.grad = tl.tensor(np.ones(3))
    optimizer.step()
    assert [array.size for group in optimizer.groups for array in group.state.values()] == [3, 3]
    frozen.requires_grad = True
    frozen.grad = tl.tensor(np.ones(1000))
    optimizer.step()
    assert frozen.data.max() < 1


def test_backward_after_a_step_is_an_error():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = SGD(model, 0.1)
    loss = model(np.ones((2, 3), np.float32)).sum()
    loss.backward(retain_graph=True)
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(GradientError, match="was changed by an optimizer step after the forward pass"):
        loss.backward()


def test_a_graph_over_other_parameters_stays_valid():
    first, second = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2))
    optimizer = SGD([first, second], 0.1)
    loss = (first * first).sum()
    second.grad = tl.tensor(np.ones(2))
    optimizer.step()
    loss.backward()
    assert first.grad.tolist() == [2, 2]
    optimizer.step()
    loss = (first * first).sum()
    optimizer.zero_grad()
    first.data = np.zeros(2)
    optimizer.step()
    with pytest.raises(GradientError, match="was changed by an optimizer step"):
        loss.backward()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_copies_go_on_training(duplicate):
    params = parameters()
    optimizer = AdamW(params, 0.1, decay=L2(0.1))
    run(optimizer, params, 2)
    others, other = duplicate((params, optimizer))
    run(optimizer, params, 2, first=2)
    run(other, others, 2, first=2)
    for a, b in zip(params, others, strict=True):
        assert a.data.tobytes() == b.data.tobytes() and not np.shares_memory(a.data, b.data)
        assert np.shares_memory(b.data, other.groups[0].data)


# What they accept


def test_sources_of_parameters():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1, bias=False))

    def names(source):
        return [name for group in SGD(source, 0.1).groups for name in group.names]

    assert names(model) == names(model.named_parameters()) == names(dict(model.named_parameters()))
    assert names(model) == ["0.weight", "0.bias", "1.weight"]
    assert names(model.parameters()) == ["0", "1", "2"]
    plain = tl.tensor([1.0], requires_grad=True)
    assert names([plain]) == ["0"]


def test_a_parameter_of_another_dtype_is_an_error():
    model = nn.Linear(2, 1)
    optimizer = SGD(model, 0.1)
    model.to("float64")
    with pytest.raises(StateError, match=r"'weight' is now \(1, 2\) float64; .* Make the optimizer after"):
        optimizer.step()


def test_zero_grad_and_repr():
    params = parameters()
    optimizer = SGD(params, 0.1)
    run(optimizer, params, 1)
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)
    assert repr(optimizer) == (
        "SGD(4 parameters, lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False)"
    )
    assert repr(AdamW(parameters(), decay=L2(0.5))).endswith("maximize=False, decay=L2(0.5))")


def test_lr_is_an_attribute():
    w = nn.Parameter(np.ones(1))
    optimizer = SGD([w], 0.1)
    optimizer.lr = 0.5
    w.grad = tl.tensor(np.ones(1))
    optimizer.step()
    assert w.item() == 0.5


def test_an_optimizer_of_ones_own():
    class SignSGD(Optimizer):
        @staticmethod
        def update(param, grad, state, hyper):
            return param - hyper["lr"] * np.sign(grad), state

    w = nn.Parameter(np.zeros(2))
    w.grad = tl.tensor(np.array([3.0, -0.1]))
    SignSGD([w], 0.5).step()
    assert w.tolist() == [-0.5, 0.5]


def test_large_gradients_are_used_where_they_are(monkeypatch):
    results = []
    for least in (10**6, 5, 1):
        monkeypatch.setattr(flat, "ALONE", least)
        params = parameters("float32")
        for k in range(3):
            run(AdamW(params, lr=0.1), params, 1, first=k)
        results.append(b"".join(p.data.tobytes() for p in params))
    assert len(set(results)) == 1


def test_a_large_first_parameter_beside_a_small_one(monkeypatch):
    monkeypatch.setattr(flat, "ALONE", 5)
    params = [nn.Parameter(np.ones(n, "float32")) for n in (8, 2, 9, 9, 1)]
    for i, p in enumerate(params):
        p.grad = tl.Tensor(np.full(p.shape, i + 1.0, "float32"))
    SGD(params, lr=0.5).step()
    for i, p in enumerate(params):
        np.testing.assert_array_equal(p.detach(), np.full(p.shape, 1 - 0.5 * (i + 1), "float32"))
        np.testing.assert_array_equal(p.grad, np.full(p.shape, i + 1.0, "float32"))


def test_large_gradients_that_are_plain_arrays_are_not_copied(monkeypatch):
    monkeypatch.setattr(flat, "ALONE", 5)
    w = nn.Parameter(np.ones(8, "float32"))
    w.grad = np.ones(8, "float32")
    optimizer = SGD([w], lr=0.5)
    optimizer.step()
    assert optimizer.groups[0].grad is None
    np.testing.assert_array_equal(w.detach(), np.full(8, 0.5, "float32"))
