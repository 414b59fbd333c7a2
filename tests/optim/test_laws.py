"""What holds for every optimizer: its state is all that it knows, it can be captured and copied, and it learns."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.optim import parameters as usual
from tinygrad_lite import nn, optim

LAW = {
    "SGD": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "ASGD": {"t0": 3, "lambd": 0.1},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {"betas": (0.9, 0.99)},
    "Adagrad": {"initial_accumulator_value": 0.1, "lr_decay": 0.1},
    "Adadelta": {"eps": 1e-2},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Rprop": {},
    "Lion": {"weight_decay": 0.1},
    "LARS": {"trust_coefficient": 0.1},
    "LAMB": {},
    "Adafactor": {"weight_decay": 0.1},
    "Muon": {"adjust_lr_fn": "match_rms_adamw"},
    "SophiaG": {},
    "SGDScheduleFree": {"warmup_steps": 4, "weight_decay": 0.1},
    "AdamWScheduleFree": {"warmup_steps": 2, "r": 1.0},
    "LBFGS": {"max_iter": 3, "line_search_fn": "strong_wolfe", "history_size": 3},
}
"""Every optimizer, with arguments that make it keep all that it can keep."""

NAMES = [
    name
    for name in optim.__all__
    if isinstance(getattr(optim, name), type)
    and issubclass(getattr(optim, name), optim.Optimizer)
    and name != "Optimizer"
]


def test_the_laws_are_of_all_optimizers():
    assert set(NAMES) == set(LAW)


SHAPES = dict.fromkeys(NAMES, usual.SHAPES) | {"Muon": [(3, 4), (5, 2), (2, 2), (1, 6)]}
STEPPED = [name for name in NAMES if name != "LBFGS"]
"""All that take steps without evaluating the loss themselves."""


def parameters(name, dtype="float64"):
    rng = np.random.default_rng(0)
    return [nn.Parameter(rng.normal(size=shape).astype(dtype)) for shape in SHAPES[name]]


def gradients(name, step):
    rng = np.random.default_rng(100 + step)
    return [rng.normal(size=shape) for shape in SHAPES[name]]


def made(name, params, **more):
    return getattr(optim, name)(params, **{"lr": 0.05, **LAW[name], **more})


def train(optimizer, params, steps):
    """Steps with gradients that depend on the parameters; one of the parameters has none in every third step."""
    for step in steps:
        rng = np.random.default_rng(100 + step)
        values = [rng.normal(size=parameter.shape) for parameter in params]

        def closure(values=values, step=step):
            for i, (parameter, value) in enumerate(zip(params, values, strict=True)):
                gradient = 0.5 * (parameter.data - value.astype(parameter.dtype))
                parameter.grad = None if i == 1 and step % 3 == 0 else tl.tensor(gradient)
            return sum(
                ((parameter.detach() - value) ** 2).sum() for parameter, value in zip(params, values, strict=True)
            )

        optimizer.step(closure)


def values(params):
    return [parameter.data.tobytes() for parameter in params]


def halves(name, params):
    return params if name == "LBFGS" else [{"params": params[:2]}, {"params": params[2:], "lr": 0.02}]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_state_is_all_that_it_knows(name, dtype):
    params = parameters(name, dtype)
    optimizer = made(name, halves(name, params))
    train(optimizer, params, range(5))
    optimizer.param_groups[0]["lr"] = 0.03
    saved, weights = optimizer.state_dict(), [parameter.data.copy() for parameter in params]
    train(optimizer, params, range(5, 10))
    resumed = [nn.Parameter(weight) for weight in weights]
    other = made(name, halves(name, resumed), lr=0.7)
    train(other, resumed, range(2))  # whatever it knows is forgotten
    for parameter, weight in zip(resumed, weights, strict=True):
        parameter.data = weight
    other.load_state_dict(copy.deepcopy(saved))
    train(other, resumed, range(5, 10))
    assert values(params) == values(resumed)
    np.testing.assert_equal(optimizer.state_dict(), other.state_dict())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("name", NAMES)
def test_copies_go_on(name, duplicate):
    params = parameters(name)
    optimizer = made(name, halves(name, params))
    train(optimizer, params, range(3))
    others, other = duplicate((params, optimizer))
    train(optimizer, params, range(3, 6))
    train(other, others, range(3, 6))
    assert values(params) == values(others)


@pytest.mark.parametrize("name", STEPPED)
def test_captured_steps(name):
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3))
    results = []
    for capture in (lambda f: f, lambda f: tl.jit(f, check=True)):
        tl.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Tanh(), nn.Linear(4, 3, bias=False)).to("float64")
        optimizer = made(name, model)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = tl.mse(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step = capture(step)
        results.append([[step(x, y).item() for _ in range(4)], values(model.parameters())])
    assert results[0] == results[1]


@pytest.mark.parametrize("name", [name for name in NAMES if getattr(optim, name).elementwise])
def test_elementwise_rules_are_programs(name, monkeypatch):
    """They run on symbols, in one pass over the buffers, and never on arrays."""
    seen = set()
    rule = getattr(optim, name).update

    def watched(param, grad, state, hyper):
        seen.add(type(param))
        return rule(param, grad, state, hyper)

    monkeypatch.setattr(getattr(optim, name), "update", staticmethod(watched))
    params = parameters(name, "float32")
    train(made(name, params), params, range(8))
    assert seen and np.ndarray not in seen


@pytest.mark.parametrize("name", STEPPED)
def test_parts_change_nothing(name):
    """Parameters in one buffer, or each in an optimizer of its own: the same results bit for bit."""
    together, apart = parameters(name), parameters(name)
    optimizer, others = made(name, together), [made(name, [parameter]) for parameter in apart]
    for step in range(4):
        for params in (together, apart):
            for parameter, gradient in zip(params, gradients(name, step), strict=True):
                parameter.grad = tl.tensor(gradient)
        optimizer.step()
        for other in others:
            other.step()
    assert values(together) == values(apart)


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32(name):
    params = parameters(name, "float32")
    optimizer = made(name, params)
    train(optimizer, params, range(3))
    assert {parameter.dtype for parameter in params} == {np.dtype("float32")}
    kept = [value for entry in optimizer.state_dict()["state"].values() for value in entry.values()]
    assert {value.dtype for value in kept if hasattr(value, "dtype")} <= {np.dtype("float32")}


@pytest.mark.parametrize("name", STEPPED)
def test_maximizing_is_minimizing_the_opposite(name):
    results = []
    for sign in (1, -1):
        params = parameters(name)
        optimizer = made(name, params, maximize=sign < 0)
        for step in range(3):
            for parameter, gradient in zip(params, gradients(name, step), strict=True):
                parameter.grad = tl.tensor(sign * gradient)
            optimizer.step()
        results.append(values(params))
    assert results[0] == results[1]


RATES = dict.fromkeys(STEPPED, 0.1) | {"Adadelta": 10.0, "Adagrad": 1.0, "SGD": 0.02, "Muon": 1.0}
RATES |= {"SGDScheduleFree": 1.0, "SophiaG": 0.03}


@pytest.mark.parametrize("name", STEPPED)
def test_it_finds_the_minimum_of_a_quadratic(name):
    params = parameters(name)
    for parameter in params:
        parameter.data = np.abs(parameter.data)  # steps in proportion to the parameter do not cross 0
    factors = [np.linspace(0.5, 2, parameter.size).reshape(parameter.shape) for parameter in params]
    calm = {"weight_decay": 0.0, "lambd": 1e-6, "lr_decay": 0.0}
    known = made(name, parameters(name)).defaults
    optimizer = made(name, params, lr=RATES[name], **{key: value for key, value in calm.items() if key in known})
    for step in range(400):
        if "ScheduleFree" not in name:
            optimizer.lr = RATES[name] * (1 - step / 400)
        for parameter, factor in zip(params, factors, strict=True):
            parameter.grad = tl.tensor(factor * (parameter.data - 1.5))
        if name == "SophiaG" and step % 10 == 0:
            optimizer.update_hessian(1)
        optimizer.step()
    optimizer.eval()
    assert max(np.abs(parameter.data - 1.5).max() for parameter in params) < 5e-3
