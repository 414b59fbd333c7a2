"""Parameter groups, closures, and maps that are applied after the update."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.optim.parameters import gradients, parameters, run
from tinygrad_lite import nn
from tinygrad_lite.core.errors import CaptureError, DTypeError, GradientError, StateError
from tinygrad_lite.optim import SGD, Adam, AdamW
from tinygrad_lite.regularizers import L2


def test_each_group_has_its_own_hyperparameters():
    params, others = parameters(), parameters()
    optimizer = SGD(
        [{"params": params[:1], "lr": 0.5}, {"params": params[1:], "momentum": 0.9, "weight_decay": 0.1}], lr=0.1
    )
    first, second = SGD(others[:1], 0.5), SGD(others[1:], 0.1, momentum=0.9, weight_decay=0.1)
    run(optimizer, params, 3)
    for step in range(3):
        for parameter, gradient in zip(others, gradients(step), strict=True):
            parameter.grad = tl.tensor(gradient)
        first.step()
        second.step()
    for a, b in zip(params, others, strict=True):
        assert a.data.tobytes() == b.data.tobytes()


def test_groups_as_dicts():
    params = parameters()
    optimizer = Adam([{"params": params[:2]}, {"params": iter(params[2:]), "lr": 0.5, "betas": [0.5, 0.6]}])
    first, second = optimizer.param_groups
    assert [first["lr"], second["lr"], second["betas"]] == [1e-3, 0.5, (0.5, 0.6)]
    assert first["params"] == params[:2] and second["params"] == params[2:]
    assert [*first] == ["params", *optimizer.defaults]
    assert list(optimizer.state_dict()["state"]) == ["0", "1", "2", "3"]


def test_attributes_are_of_all_groups():
    params = parameters()
    optimizer = SGD([{"params": params[:2], "lr": 0.5}, {"params": params[2:]}], lr=0.1, momentum=0.9)
    assert optimizer.momentum == 0.9
    with pytest.raises(StateError, match=r"SGD: lr differs from group to group, 0\.5, 0\.1; read it from optimizer"):
        _ = optimizer.lr
    optimizer.lr = 0.2
    assert [group["lr"] for group in optimizer.param_groups] == [0.2, 0.2] and optimizer.lr == 0.2
    with pytest.raises(AttributeError, match="'SGD' object has no attribute 'betas'"):
        _ = optimizer.betas


def test_groups_that_are_added():
    params, others = parameters(), parameters()
    optimizer, other = AdamW(params[:2], 0.1), AdamW(others, 0.1)
    optimizer.add_param_group({"params": params[2:]})
    run(optimizer, params, 2)
    run(other, others, 2)
    for a, b in zip(params, others, strict=True):
        assert a.data.tobytes() == b.data.tobytes()


def test_names_in_groups():
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 1)))
    pairs = list(model.named_parameters())
    optimizer = SGD([{"params": pairs[:2]}, {"params": pairs[2:]}])
    assert list(optimizer.state_dict()["state"]) == ["0.0.weight", "0.0.bias", "1.0.weight", "1.0.bias"]
    optimizer = SGD([{"params": model[0]}, {"params": model[1]}])
    assert list(optimizer.state_dict()["state"]) == ["0.weight", "0.bias", "groups.1.0.weight", "groups.1.0.bias"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_of_groups_go_on_training(duplicate):
    params = parameters()
    optimizer = AdamW([{"params": params[:2], "lr": 0.5}, {"params": params[2:]}], 0.1, decay=L2(0.1), project=Shrink())
    run(optimizer, params, 2)
    others, other = duplicate((params, optimizer))
    assert other.param_groups[0]["params"][0] is others[0]
    run(optimizer, params, 2, first=2)
    run(other, others, 2, first=2)
    for a, b in zip(params, others, strict=True):
        assert a.data.tobytes() == b.data.tobytes() and not np.shares_memory(a.data, b.data)


def test_groups_that_make_no_sense():
    w, v = nn.Parameter([1.0]), nn.Parameter([2.0])
    with pytest.raises(DTypeError, match=r"SGD: parameter group 1 is a Parameter; each must be a dict with 'params'"):
        SGD([{"params": [w]}, v])
    with pytest.raises(DTypeError, match=r"SGD: parameter group 0 is a dict with \['lr'\]; each must be a dict with"):
        SGD([{"lr": 0.1}])
    with pytest.raises(ValueError, match=r"SGD: parameter group 1 has 'rate'; the hyperparameters of SGD are lr, mom"):
        SGD([{"params": [w]}, {"params": [v], "rate": 1.0}])
    with pytest.raises(ValueError, match=r"SGD: lr is -1; it must be at least 0"):
        SGD([{"params": [w], "lr": -1}])
    with pytest.raises(GradientError, match=r"SGD: the same tensor is given twice, as '0', '1'"):
        SGD([{"params": [w]}, {"params": [w]}])
    optimizer = SGD([w])
    with pytest.raises(GradientError, match=r"the same tensor is given twice"):
        optimizer.add_param_group({"params": [w]})
    assert len(optimizer.param_groups) == 1


def test_state_of_other_groups_is_refused():
    params = parameters()
    saved = SGD([{"params": params[:1]}, {"params": params[1:]}]).state_dict()
    with pytest.raises(StateError, match=r"does not fit the parameters; groups: 1 \+ 3 parameters and must be 4\."):
        SGD(params).load_state_dict(saved)


# Closures


def test_the_loss_of_a_closure_is_returned():
    w = nn.Parameter(np.ones(2))
    optimizer = SGD([w], 0.25)
    seen = []

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        seen.append(w.tolist())
        return loss

    with tl.no_grad():  # as in PyTorch, the closure records nevertheless
        assert optimizer.step(closure).item() == 2.0
    assert w.tolist() == [0.5, 0.5] and seen == [[1.0, 1.0]]
    assert optimizer.step() is None


def test_closures_are_not_captured():
    w = nn.Parameter(np.ones(2))
    optimizer = SGD([w], 0.25)
    with pytest.raises(CaptureError, match=r"jit: SGD\.step was given a closure, which replays would not follow"):
        tl.jit(lambda x: optimizer.step(lambda: x))(np.ones(2))


# Maps after the update


class Unit:
    """A projection of the whole parameter onto norm lr."""

    def __call__(self, w, lr):
        return lr * w / np.sqrt((w * w).sum())


class Shrink:
    """A constraint: the first parameter and the third on a sphere."""

    def projections(self, named):
        return {named[0][0]: Unit(), **({named[2][0]: Unit()} if len(named) > 2 else {})}


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_maps_are_applied_after_the_update():
    params, others = parameters(), parameters()
    optimizer, other = SGD(params, 0.1, project=Shrink()), SGD(others, 0.1)
    run(optimizer, params, 1)
    run(other, others, 1)
    for i in (1, 3):
        assert params[i].data.tobytes() == others[i].data.tobytes()
    for i in (0, 2):
        expected = 0.1 * others[i].data / np.linalg.norm(others[i].data)
        np.testing.assert_allclose(params[i].data, expected, rtol=1e-14)
        assert np.shares_memory(params[i].data, optimizer.groups[0].data)


def test_maps_wait_for_a_gradient():
    params = parameters()
    before = params[0].data.copy()
    optimizer = SGD(params, 0.1, project=Shrink())
    optimizer.step()
    np.testing.assert_array_equal(params[0].data, before)


def test_elementwise_maps_get_any_part():
    class Halve:
        elementwise = True

        def __call__(self, w, lr):
            return w * 0.5 * lr

    class Constraint:
        def projections(self, named):
            return {name: Halve() for name, _ in named}

    w = nn.Parameter(np.ones(5))
    optimizer = SGD([w], 0.5, project=Constraint())
    w.grad = tl.tensor(np.ones(5))
    optimizer.step()
    assert w.tolist() == [0.125] * 5
    assert "project=" in repr(optimizer)


def test_a_rule_for_whole_parameters_may_keep_what_it_was_given():
    """The gradient and the parameter themselves are no memory to keep."""

    class Delayed(tl.optim.Optimizer):
        elementwise = False

        @staticmethod
        def update(param, grad, state, hyper):
            assert param.shape == grad.shape == (2, 2)
            new = param - state["last"] if state else param
            return new, {"last": grad, "start": state.get("start", param)}

    w = nn.Parameter(np.zeros((2, 2)))
    optimizer = Delayed([w], 0.1)
    for k in range(3):
        w.grad = tl.tensor(np.full((2, 2), k + 1.0))
        optimizer.step()
    assert w.tolist() == [[-3.0, -3.0]] * 2
    assert optimizer.state_dict()["state"]["0"]["start"].tolist() == [[0.0, 0.0]] * 2
