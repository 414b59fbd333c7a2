"""The same trajectories as PyTorch's optimizers, for hyperparameters and options drawn at random."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim

torch = pytest.importorskip("torch", reason="torch is not installed: no comparison with its optimizers")

DRAWS = 4


def some(rng, **values):
    """Each value with a chance of one half."""
    return {name: value for name, value in values.items() if rng.random() < 0.5}


def logarithmic(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def common(rng):
    return some(rng, weight_decay=logarithmic(rng, 1e-3, 0.3), maximize=False) | some(rng, maximize=True)


def betas(rng):
    return {"betas": (float(rng.uniform(0, 0.95)), float(rng.uniform(0.5, 0.999)))} if rng.random() < 0.7 else {}


def adam(rng, **more):
    rate = {"lr": logarithmic(rng, 1e-3, 0.05)} if rng.random() < 0.8 else {}
    return rate | betas(rng) | common(rng) | some(rng, eps=logarithmic(rng, 1e-8, 1e-3), **more)


def sgd(rng):
    arguments = {"lr": logarithmic(rng, 1e-3, 0.1), **common(rng)}
    if rng.random() < 0.7:
        arguments |= {"momentum": float(rng.uniform(0.1, 0.95))}
        arguments |= {"nesterov": True} if rng.random() < 0.5 else some(rng, dampening=float(rng.uniform(0, 0.9)))
    return arguments


def without(arguments, *names):
    return {name: value for name, value in arguments.items() if name not in names}


ARGUMENTS = {
    "SGD": sgd,
    "ASGD": lambda rng: (
        common(rng) | some(rng, lr=0.05, lambd=0.02, alpha=float(rng.uniform(0.5, 1)), t0=float(rng.integers(0, 60)))
    ),
    "Adam": lambda rng: adam(rng, amsgrad=True, decoupled_weight_decay=True),
    "AdamW": lambda rng: adam(rng, amsgrad=True),
    "Adamax": adam,
    "NAdam": lambda rng: adam(rng, momentum_decay=0.02, decoupled_weight_decay=True),
    "RAdam": lambda rng: adam(rng, decoupled_weight_decay=True),
    "Adagrad": lambda rng: without(adam(rng, lr_decay=0.01, initial_accumulator_value=0.3), "betas"),
    "Adadelta": lambda rng: without(adam(rng), "betas", "lr") | some(rng, rho=float(rng.uniform(0.5, 0.99)), lr=0.5),
    "RMSprop": lambda rng: (
        without(adam(rng), "betas")
        | some(rng, alpha=float(rng.uniform(0.5, 0.99)), momentum=float(rng.uniform(0, 0.9)), centered=True)
    ),
    "Adafactor": lambda rng: (
        common(rng)
        | some(rng, lr=logarithmic(rng, 1e-3, 0.3), beta2_decay=-float(rng.uniform(0.5, 1)), d=1.5, eps=(1e-12, 0.01))
    ),
    "Muon": lambda rng: (
        some(rng, lr=logarithmic(rng, 1e-3, 0.1), weight_decay=0.3, momentum=0.8, nesterov=False)
        | some(
            rng,
            adjust_lr_fn=str(rng.choice(["original", "match_rms_adamw"])),
            ns_steps=3,
            ns_coefficients=(2, -1.5, 0.5),
        )
    ),
    "Rprop": lambda rng: some(rng, lr=0.003, etas=(0.4, 1.3), step_sizes=(1e-4, 0.02), maximize=True),
}


@pytest.fixture
def float64(monkeypatch):
    """PyTorch keeps some of an optimizer's numbers in its default type; its Muon iterates in bfloat16."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    yield
    torch.set_default_dtype(before)


def networks(bias=True):
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 4, bias), torch.nn.Tanh(), torch.nn.Linear(4, 2, bias)).double()
    ours = nn.Sequential(nn.Linear(5, 4, bias), nn.Tanh(), nn.Linear(4, 2, bias)).to("float64")
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def agree(ours, theirs):
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key], value.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("draw", range(DRAWS))
@pytest.mark.parametrize("name", ARGUMENTS)
def test_one_hundred_steps(name, draw, float64):
    rng = np.random.default_rng([draw, list(ARGUMENTS).index(name)])
    torch.manual_seed(draw)
    arguments = ARGUMENTS[name](rng) if draw else {}
    x, target = rng.normal(size=(20, 5)), rng.normal(size=(20, 2))
    ours, theirs = networks(bias=name != "Muon")
    further = {"lr": 2e-3} if rng.random() < 0.5 else {}
    optimizer = getattr(optim, name)([{"params": ours[0]}, {"params": ours[2], **further}], **arguments)
    their_groups = [{"params": theirs[0].parameters()}, {"params": theirs[2].parameters(), **further}]
    their_optimizer = getattr(torch.optim, name)(their_groups, **arguments)
    lost = {int(step) for step in rng.integers(0, 100, size=20)}
    sign = -1.0 if arguments.get("maximize") else 1.0  # the loss still goes down
    for step in range(100):
        if step == 50:
            for group in (*optimizer.param_groups, *their_optimizer.param_groups):
                group["lr"] /= 2
        optimizer.zero_grad()
        (sign * tl.mse(ours(x), target)).backward()
        their_optimizer.zero_grad()
        (sign * torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(target))).backward()
        if step in lost:  # a step without some of the gradients
            for layer in (ours[0], theirs[0]):
                (layer.weight if layer.bias is None else layer.bias).grad = None
        optimizer.step()
        their_optimizer.step()
    agree(ours, theirs)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_same_arguments_and_state(name):
    """Names and defaults of arguments and of what is kept for each parameter."""
    ours, theirs = networks(bias=name != "Muon")
    optimizer, their_optimizer = getattr(optim, name)(ours), getattr(torch.optim, name)(theirs.parameters())
    expected = their_optimizer.param_groups[0]
    for key, value in optimizer.param_groups[0].hyper.items():
        assert value == expected.get(key, False), key
    missing = set(expected) - set(optimizer.param_groups[0])
    assert missing <= {"foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay"}
    ours(np.ones((1, 5))).sum().backward()
    theirs(torch.ones(1, 5, dtype=torch.float64)).sum().backward()
    optimizer.step()
    their_optimizer.step()
    kept = next(iter(their_optimizer.state.values()), {})
    # PyTorch's SGD without momentum keeps nothing, and with it does not count.
    assert set(optimizer.state_dict()["state"]["0.weight"]) - {"step"} == {
        k for k, v in kept.items() if v is not None
    } - {"step"}


@pytest.mark.parametrize("hidden", [0, 4])
@pytest.mark.parametrize("draw", range(2 * DRAWS))
def test_lbfgs(draw, hidden):
    """Equal to rounding on a convex problem; on a network differences of rounding grow from step to step."""
    rng = np.random.default_rng(draw)
    torch.manual_seed(draw)
    arguments = {"line_search_fn": "strong_wolfe"} if draw % 4 else {"lr": 0.1}
    arguments |= some(rng, max_iter=int(rng.integers(1, 8)), history_size=int(rng.integers(1, 6)), max_eval=7)
    arguments |= some(rng, tolerance_grad=1e-3, tolerance_change=1e-5)
    if draw % 2:
        arguments |= {"lr": float(rng.uniform(0.2, 3))}
    ours, theirs = networks() if hidden else (nn.Linear(5, 2).to("float64"), torch.nn.Linear(5, 2).double())
    ours.load_state_dict(theirs.state_dict())
    x, target = rng.normal(size=(20, 5)), rng.normal(size=(20, 2))
    optimizer, their_optimizer = optim.LBFGS(ours, **arguments), torch.optim.LBFGS(theirs.parameters(), **arguments)

    def closure():
        optimizer.zero_grad()
        loss = tl.log(tl.cosh(ours(x) - target)).mean()
        loss.backward()
        return loss

    def their_closure():
        their_optimizer.zero_grad()
        error = theirs(torch.tensor(x)) - torch.tensor(target)
        loss = torch.log(torch.cosh(error)).mean()
        loss.backward()
        return loss

    for _ in range(30):
        losses = optimizer.step(closure).item(), their_optimizer.step(their_closure).item()
        assert losses[0] == pytest.approx(losses[1], rel=1e-7 if hidden else 1e-10)
        kept, theirs_kept = optimizer.state_dict()["search"], next(iter(their_optimizer.state.values()))
        done = kept["n_iter"], kept["func_evals"]
        assert done == (theirs_kept["n_iter"], theirs_kept["func_evals"])
        if done[0] >= (20 if hidden else 100):
            break
    assert done[1] > 20 or "max_iter" in arguments
    for key, value in theirs.state_dict().items():
        tolerance = 1e-5 if hidden else 1e-10
        np.testing.assert_allclose(ours.state_dict()[key], value.numpy(), rtol=tolerance, atol=tolerance)


def test_clipping():
    gradient = np.random.default_rng(0).normal(size=(3, 4))
    w, v = nn.Parameter(np.zeros((3, 4))), torch.nn.Parameter(torch.zeros(3, 4, dtype=torch.float64))
    for norm_type in (1.0, 2.0, float("inf")):
        w.grad, v.grad = tl.tensor(gradient), torch.tensor(gradient)
        norm = optim.clip_grad_norm([w], 0.7, norm_type)
        assert norm.item() == pytest.approx(torch.nn.utils.clip_grad_norm_([v], 0.7, norm_type).item(), rel=1e-12)
        np.testing.assert_allclose(w.grad.data, v.grad.numpy(), rtol=1e-12)
