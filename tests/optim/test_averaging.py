"""Averages of models, and slow weights."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.optim.parameters import gradients, parameters
from tinygrad_lite import nn, optim
from tinygrad_lite.core.errors import GradientError, StateError


def models():
    """A model with batch norm in the states of a training."""
    tl.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).to("float64")
    optimizer = optim.SGD(model, 0.1)
    rng = np.random.default_rng(0)
    for _ in range(6):
        optimizer.zero_grad()
        (model(rng.normal(size=(5, 3))) ** 2).mean().backward()
        optimizer.step()
        yield model


def test_the_mean_of_all_weights():
    averaged, seen = None, []
    for model in models():
        averaged = averaged or optim.AveragedModel(model)
        averaged.update_parameters(model)
        seen.append(model.state_dict())
    assert averaged.n_averaged.item() == 6
    for name, value in averaged.module.state_dict().items():
        is_parameter = name in dict(model.named_parameters())
        expected = np.mean([state[name] for state in seen], axis=0) if is_parameter else seen[-1][name]
        np.testing.assert_allclose(value, expected, rtol=1e-12)
    assert next(iter(averaged.state_dict())) == "module.0.weight" and "n_averaged" in averaged.state_dict()


def test_exponential_averages_with_buffers():
    averaged, expected = None, {}
    for model in models():
        averaged = averaged or optim.EMA(model, decay=0.8, use_buffers=True)
        averaged.update_parameters(model)
        for name, value in model.state_dict().items():
            counts = name.endswith("num_batches_tracked")
            first = name not in expected or counts
            expected[name] = value if first else 0.8 * expected[name] + 0.2 * value
    for name, value in averaged.module.state_dict().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-12)


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("exponential", [False, True])
def test_the_averages_of_pytorch(exponential, use_buffers):
    torch = pytest.importorskip("torch", reason="torch is not installed: no comparison with its averages")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)).double()
    rule = torch.optim.swa_utils.get_ema_avg_fn(0.9) if exponential else None
    their_average = torch.optim.swa_utils.AveragedModel(theirs, avg_fn=rule, use_buffers=use_buffers)
    averaged = None
    for model in models():
        averaged = averaged or (
            optim.EMA(model, 0.9, use_buffers) if exponential else optim.AveragedModel(model, use_buffers=use_buffers)
        )
        theirs.load_state_dict({name: torch.tensor(value) for name, value in model.state_dict().items()})
        averaged.update_parameters(model)
        their_average.update_parameters(theirs)
    ours = averaged.state_dict()
    assert list(ours) != [] and set(ours) == set(their_average.state_dict())
    for name, value in their_average.state_dict().items():
        if not name.endswith("num_batches_tracked"):  # a count, whose average means nothing
            np.testing.assert_allclose(ours[name], value.numpy(), rtol=1e-12)


def test_a_rule_of_ones_own():
    averaged = plain = None
    for model in models():
        averaged = averaged or optim.AveragedModel(model, lambda a, w, n: a * (n / (n + 1)) + w / (n + 1))
        plain = plain or optim.AveragedModel(model)
        averaged.update_parameters(model)
        plain.update_parameters(model)
    for a, b in zip(averaged.parameters(), plain.parameters(), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-12)


def test_averages_are_apart_from_the_model():
    model = nn.Linear(2, 2)
    averaged = optim.EMA(model, 0.5)
    averaged.update_parameters(model)
    before = averaged(np.ones((1, 2), np.float32)).tolist()
    model.weight.data = model.weight.data + 1
    assert averaged(np.ones((1, 2), np.float32)).tolist() == before
    loss = averaged(np.ones((1, 2), np.float32)).sum()
    averaged.update_parameters(model)
    assert averaged(np.ones((1, 2), np.float32)).tolist() != before
    loss = (averaged.module.weight**2).sum()
    averaged.update_parameters(model)
    with pytest.raises(GradientError, match="was changed by an optimizer step after the forward pass"):
        loss.backward()


def test_averages_in_captured_steps():
    results = []
    for capture in (lambda f: f, tl.jit):
        tl.manual_seed(0)
        model = nn.Linear(3, 2)
        averaged, optimizer = optim.EMA(model, 0.5), optim.SGD(model, 0.1)

        def step(x, model=model, averaged=averaged, optimizer=optimizer):
            optimizer.zero_grad()
            (model(x) ** 2).sum().backward()
            optimizer.step()
            averaged.update_parameters(model)

        step = capture(step)
        for _ in range(4):
            step(np.ones((4, 3), np.float32))
        results.append([parameter.data.tobytes() for parameter in averaged.parameters()])
        assert averaged.n_averaged.item() == 4
    assert results[0] == results[1]


def test_averages_that_make_no_sense():
    with pytest.raises(ValueError, match=r"EMA: decay is 1\.5; it must be at least 0 and at most 1"):
        optim.EMA(nn.Linear(1, 1), 1.5)
    with pytest.raises(StateError, match=r"the model differs from the averaged one in bias, weight; give the model"):
        optim.EMA(nn.Linear(1, 2)).update_parameters(nn.Linear(2, 1))


# Statistics of batch norms


def test_statistics_over_a_loader():
    rng = np.random.default_rng(0)
    *_, model = models()
    batches = [rng.normal(size=(5, 3)) for _ in range(3)]
    model.eval()
    before = model.state_dict()
    optim.update_bn([(batch, None) for batch in batches], model)
    hidden = [batch @ before["0.weight"].T + before["0.bias"] for batch in batches]
    norm = model[1]
    np.testing.assert_allclose(norm.running_mean.data, np.mean([h.mean(0) for h in hidden], axis=0), rtol=1e-12)
    np.testing.assert_allclose(norm.running_var.data, np.mean([h.var(0, ddof=1) for h in hidden], axis=0), rtol=1e-12)
    assert norm.momentum == 0.1 and not norm.training and not model.training
    assert norm.num_batches_tracked.item() == 3
    for name, value in model.named_parameters():
        np.testing.assert_array_equal(value.data, before[name])


def test_modes_and_momenta_stay_after_an_error():
    *_, model = models()
    model.eval()
    with pytest.raises(tl.ShapeError):
        optim.update_bn([np.ones((2, 7))], model)
    assert model[1].momentum == 0.1 and not model[1].training
    assert optim.update_bn(iter([1]), nn.Linear(1, 1)) is None  # nothing to do


# Lookahead


@pytest.mark.parametrize("seed", range(4))
def test_lookahead(seed):
    """Zhang et al. 2019, algorithm 1, around momentum."""
    rng = np.random.default_rng(seed)
    k, alpha, lr, mu = int(rng.integers(1, 8)), float(rng.uniform(0.1, 1)), 0.05, float(rng.uniform(0, 0.9))
    params = parameters()
    optimizer = optim.Lookahead(optim.SGD(params, lr, momentum=mu), k, alpha)
    phi = [parameter.data.copy() for parameter in params]
    theta, velocity = [p.copy() for p in phi], [np.zeros_like(p) for p in phi]
    for t in range(1, 101):
        for i, g in enumerate(gradients(t)):
            params[i].grad = tl.tensor(np.sin(theta[i]) + g)
            velocity[i] = mu * velocity[i] + np.sin(theta[i]) + g
            theta[i] = theta[i] - lr * velocity[i]
            if t % k == 0:
                phi[i] = phi[i] + alpha * (theta[i] - phi[i])
                theta[i] = phi[i]
        optimizer.step()
        for parameter, expected in zip(params, theta, strict=True):
            np.testing.assert_allclose(parameter.data, expected, rtol=1e-10, atol=1e-12)


def stepped(optimizer, params, steps):
    for step in steps:
        for parameter, gradient in zip(params, gradients(step), strict=True):
            parameter.grad = tl.tensor(gradient)
        optimizer.step()
    return [parameter.data.tobytes() for parameter in params]


def test_the_state_of_lookahead():
    params = parameters()
    optimizer = optim.Lookahead(optim.Adam(params, 0.1), k=3)
    stepped(optimizer, params, range(5))
    saved, weights = optimizer.state_dict(), [parameter.data.copy() for parameter in params]
    others, other = copy.deepcopy((params, optimizer))
    pickled, unpickled = pickle.loads(pickle.dumps((params, optimizer)))
    resumed = [nn.Parameter(weight) for weight in weights]
    loaded = optim.Lookahead(optim.Adam(resumed, 0.7), k=3)
    loaded.load_state_dict(saved)
    expected = stepped(optimizer, params, range(5, 10))
    assert stepped(loaded, resumed, range(5, 10)) == expected
    assert stepped(other, others, range(5, 10)) == expected
    assert stepped(unpickled, pickled, range(5, 10)) == expected
    with pytest.raises(StateError, match=r"Lookahead\.load_state_dict: the state is of 'Adam'; it must be of 'Lookah"):
        optimizer.load_state_dict(saved["of"])


def test_lookahead_is_like_its_optimizer():
    params = parameters()
    optimizer = optim.Lookahead(optim.SGD(params[:2], 0.1), k=2)
    optimizer.add_param_group({"params": params[2:], "lr": 0.5})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    optimizer.lr = 0.2
    assert optimizer.lr == optimizer.optimizer.lr == 0.2
    schedule = optim.StepLR(optimizer, 1, gamma=0.5)
    schedule.step()
    assert optimizer.lr == 0.1
    stepped(optimizer, params, range(2))
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in params)
    assert repr(optimizer).startswith("Lookahead(SGD(") and repr(optimizer).endswith(", k=2, alpha=0.5)")
    with pytest.raises(AttributeError):
        _ = optimizer.nonsense


def test_lookahead_in_captured_steps():
    results = []
    for capture in (lambda f: f, lambda f: tl.jit(f, check=True)):
        tl.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = optim.Lookahead(optim.AdamW(model, 0.1), k=2)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            (model(x) ** 2).sum().backward()
            optimizer.step()

        step = capture(step)
        for _ in range(5):
            step(np.ones((4, 3), np.float32))
        results.append([parameter.data.tobytes() for parameter in model.parameters()])
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "Lookahead: k is 0; it must be at least 1"),
        ({"alpha": 0.0}, r"Lookahead: alpha is 0\.0; it must be above 0 and at most 1"),
        ({"alpha": 1.5}, r"Lookahead: alpha is 1\.5"),
    ],
)
def test_lookahead_that_makes_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        optim.Lookahead(optim.SGD(parameters()), **arguments)
