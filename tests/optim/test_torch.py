"""The same trajectories as PyTorch's optimizers."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim

torch = pytest.importorskip("torch", reason="torch is not installed: no comparison with its optimizers")

CASES = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3}),
]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_one_hundred_steps(name, arguments):
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(20, 5)), rng.normal(size=(20, 2))
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    ours = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)).to("float64")
    ours.load_state_dict(theirs.state_dict())
    their_optimizer = getattr(torch.optim, name)(theirs.parameters(), **arguments)
    optimizer = getattr(optim, name)(ours, **arguments)
    for step in range(100):
        if step == 50:
            optimizer.lr /= 2
            their_optimizer.param_groups[0]["lr"] /= 2
        optimizer.zero_grad()
        tl.mse(ours(x), target).backward()
        their_optimizer.zero_grad()
        torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(target)).backward()
        if step % 7 == 3:  # a step without some of the gradients
            ours[0].bias.grad = None
            theirs[0].bias.grad = None
        optimizer.step()
        their_optimizer.step()
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key], value.numpy(), rtol=1e-10, atol=1e-10)


def test_clipping():
    gradient = np.random.default_rng(0).normal(size=(3, 4))
    w, v = nn.Parameter(np.zeros((3, 4))), torch.nn.Parameter(torch.zeros(3, 4, dtype=torch.float64))
    for norm_type in (1.0, 2.0, float("inf")):
        w.grad, v.grad = tl.tensor(gradient), torch.tensor(gradient)
        norm = optim.clip_grad_norm([w], 0.7, norm_type)
        assert norm.item() == pytest.approx(torch.nn.utils.clip_grad_norm_([v], 0.7, norm_type).item(), rel=1e-12)
        np.testing.assert_allclose(w.grad.data, v.grad.numpy(), rtol=1e-12)
