"""Schedules give the rates (and momenta) of PyTorch's on randomly drawn settings."""

import inspect

import numpy as np
import pytest

from tinygrad_lite import nn, optim

torch = pytest.importorskip("torch")
theirs = torch.optim.lr_scheduler

DRAWS = 40
"""Settings per schedule."""


def pair(rng, kind="SGD"):
    """The same optimizer, ours and PyTorch's, with a learning rate that is drawn."""
    lr = float(10 ** rng.uniform(-4, 0))
    settings = {"momentum": 0.5} if kind == "SGD" else {}
    ours = getattr(optim, kind)([nn.Parameter([1.0])], lr=lr, **settings)
    return ours, getattr(torch.optim, kind)([torch.nn.Parameter(torch.ones(1))], lr=lr, **settings)


def whole(rng, low, high):
    return int(rng.integers(low, high))


def hyperbola(a, slope=1.0):
    return lambda t: a / (1 + slope * t)


SIMPLE = {
    "LambdaLR": lambda rng: {"lr_lambda": hyperbola(rng.uniform(0.1, 2))},
    "MultiplicativeLR": lambda rng: {"lr_lambda": hyperbola(rng.uniform(0.9, 1.05), 0.0)},
    "StepLR": lambda rng: {"step_size": whole(rng, 1, 20), "gamma": rng.uniform(0.3, 1)},
    "MultiStepLR": lambda rng: {"milestones": rng.integers(0, 90, 4).tolist(), "gamma": rng.uniform(0.1, 1)},
    "ConstantLR": lambda rng: {"factor": rng.uniform(0.1, 1), "total_iters": whole(rng, 1, 60)},
    "LinearLR": lambda rng: {
        "start_factor": rng.uniform(0.01, 1), "end_factor": rng.uniform(0, 1), "total_iters": whole(rng, 1, 60),
    },
    "ExponentialLR": lambda rng: {"gamma": rng.uniform(0.8, 1.05)},
    "PolynomialLR": lambda rng: {"total_iters": whole(rng, 1, 60), "power": rng.uniform(0.5, 3)},
    "CosineAnnealingLR": lambda rng: {"T_max": whole(rng, 1, 60), "eta_min": rng.choice([0.0, 1e-3])},
    "CosineAnnealingWarmRestarts": lambda rng: {
        "T_0": whole(rng, 1, 30), "T_mult": whole(rng, 1, 4), "eta_min": float(rng.choice([0.0, 1e-3])),
    },
}  # fmt: skip


def cyclic(rng):
    base = rng.uniform(1e-4, 0.1)
    return {
        "base_lr": base, "max_lr": base * rng.uniform(1, 20), "step_size_up": whole(rng, 1, 30),
        "step_size_down": [None, whole(rng, 1, 30)][whole(rng, 0, 2)], "gamma": rng.uniform(0.9, 1.0),
        "mode": rng.choice(["triangular", "triangular2", "exp_range"]), "cycle_momentum": bool(rng.integers(2)),
        "scale_fn": [None, lambda x: 1 / (1 + x)][whole(rng, 0, 2)], "scale_mode": rng.choice(["cycle", "iterations"]),
        "base_momentum": rng.uniform(0.5, 0.8), "max_momentum": rng.uniform(0.8, 0.99),
    }  # fmt: skip


def one_cycle(rng):
    length = {"total_steps": whole(rng, 101, 160)} if rng.integers(2) else {"epochs": 12, "steps_per_epoch": 11}
    return length | {
        "max_lr": rng.uniform(1e-3, 1), "pct_start": rng.uniform(0.1, 0.45), "three_phase": bool(rng.integers(2)),
        "anneal_strategy": rng.choice(["cos", "linear"]), "cycle_momentum": bool(rng.integers(2)),
        "base_momentum": rng.uniform(0.5, 0.8), "max_momentum": rng.uniform(0.8, 0.99),
        "div_factor": rng.uniform(2, 50), "final_div_factor": 10 ** rng.uniform(0, 5),
    }  # fmt: skip


def state(optimizer):
    group = optimizer.param_groups[0]
    momentum = group["betas"][0] if "betas" in group else group["momentum"]
    return group["lr"], momentum


def compare(ours, theirs, steps=100):
    """`ours` and `theirs` are pairs of optimizer and schedule."""
    theirs[0].step()  # or PyTorch warns
    found, expected = [], []
    for _ in range(steps + 1):
        found.append([*state(ours[0]), *ours[1].get_last_lr()])
        expected.append([*state(theirs[0]), *theirs[1].get_last_lr()])
        ours[1].step()
        theirs[1].step()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", [*SIMPLE, "CyclicLR", "OneCycleLR"])
def test_rates_and_momenta(name):
    rng = np.random.default_rng(3)
    settings = SIMPLE | {"CyclicLR": cyclic, "OneCycleLR": one_cycle}
    for draw in range(DRAWS):
        mine, other = pair(rng, "Adam" if draw % 2 else "SGD")
        chosen = settings[name](rng)
        compare((mine, getattr(optim, name)(mine, **chosen)), (other, getattr(theirs, name)(other, **chosen)))


def test_reduce_on_plateau():
    rng = np.random.default_rng(4)
    for _ in range(2 * DRAWS):
        mine, other = pair(rng)
        chosen = {
            "mode": rng.choice(["min", "max"]), "factor": rng.uniform(0.1, 0.9), "patience": whole(rng, 0, 5),
            "threshold": 10 ** rng.uniform(-4, -1), "threshold_mode": rng.choice(["rel", "abs"]),
            "cooldown": whole(rng, 0, 4), "min_lr": 10 ** rng.uniform(-8, -2), "eps": 10 ** rng.uniform(-9, -4),
        }  # fmt: skip
        first, second = optim.ReduceLROnPlateau(mine, **chosen), theirs.ReduceLROnPlateau(other, **chosen)
        for metric in np.cumsum(rng.normal(-0.02, 0.2, 100)):
            metric = np.nan if rng.random() < 0.02 else metric
            first.step(metric)
            second.step(metric)
            np.testing.assert_allclose(state(mine), state(other), rtol=1e-12)


def drawn_parts(rng, count):
    """Names and settings of schedules that may be parts of others."""
    names = rng.choice(list(SIMPLE), count)
    return [(str(name), SIMPLE[name](rng)) for name in names]


def made(module, optimizer, parts):
    return [getattr(module, name)(optimizer, **settings) for name, settings in parts]


def test_one_after_the_other():
    rng = np.random.default_rng(5)
    for _ in range(4 * DRAWS):
        mine, other = pair(rng)
        parts = drawn_parts(rng, 3)
        milestones = sorted(rng.choice(np.arange(1, 80), 2, replace=False).tolist())
        compare(
            (mine, optim.SequentialLR(mine, made(optim, mine, parts), milestones)),
            (other, theirs.SequentialLR(other, made(theirs, other, parts), milestones)),
        )


def test_several_at_once():
    rng = np.random.default_rng(6)
    for _ in range(4 * DRAWS):
        mine, other = pair(rng)
        parts = drawn_parts(rng, whole(rng, 1, 4))
        compare(
            (mine, optim.ChainedScheduler(made(optim, mine, parts))),
            (other, theirs.ChainedScheduler(made(theirs, other, parts))),
        )


def test_names_arguments_and_defaults_are_pytorchs():
    names = set(theirs.__all__) - {"LRScheduler"}  # whose name here is Schedule
    assert names <= set(optim.__all__)
    for name in sorted(names):
        expected = inspect.signature(getattr(theirs, name)).parameters
        found = inspect.signature(getattr(optim, name)).parameters
        without = {"last_epoch"} if name == "SequentialLR" else set()
        assert [key for key in found if key != "interval"] == [key for key in expected if key not in without], name
        for key, parameter in expected.items():
            assert key in without or found[key].default == parameter.default, (name, key)
