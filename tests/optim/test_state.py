"""The state of optimizers: by path, and loaded bit for bit."""

import numpy as np
import pytest

from tests.optim.parameters import parameters, run
from tinygrad_lite import nn
from tinygrad_lite.core.errors import StateError
from tinygrad_lite.optim import SGD, Adam, AdamW


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, momentum=0.9), lambda p: SGD(p, 0.1), lambda p: AdamW(p, 0.1)])
def test_state_round_trips_bit_for_bit(make):
    params = parameters()
    optimizer = make(params)
    run(optimizer, params, 3)
    optimizer.lr = 0.05
    saved, weights = optimizer.state_dict(), [p.data.copy() for p in params]
    run(optimizer, params, 3, first=3)
    resumed = [nn.Parameter(w) for w in weights]
    other = make(resumed)
    other.load_state_dict(saved)
    assert other.lr == 0.05
    run(other, resumed, 3, first=3)
    for a, b in zip(params, resumed, strict=True):
        assert a.data.tobytes() == b.data.tobytes()
    first, second = optimizer.state_dict(), other.state_dict()
    assert first["param_groups"] == second["param_groups"]
    for name, entry in first["state"].items():
        assert entry.keys() == second["state"][name].keys()
        for key, value in entry.items():
            np.testing.assert_array_equal(value, second["state"][name][key])


def test_state_is_by_path_and_a_snapshot():
    model = nn.Sequential(nn.Linear(2, 1))
    optimizer = Adam(model)
    assert optimizer.state_dict()["state"] == {"0.weight": {"step": 0}, "0.bias": {"step": 0}}
    model(np.ones((1, 2), np.float32)).sum().backward()
    optimizer.step()
    saved = optimizer.state_dict()
    assert list(saved["state"]["0.weight"]) == ["step", "exp_avg", "exp_avg_sq"]
    before = saved["state"]["0.weight"]["exp_avg"].copy()
    optimizer.step()
    np.testing.assert_array_equal(saved["state"]["0.weight"]["exp_avg"], before)


def test_loading_the_state_of_a_fresh_optimizer_starts_anew():
    results = []
    for steps in (0, 3):
        params = parameters()
        optimizer = Adam(params, 0.1)
        fresh = optimizer.state_dict()
        run(optimizer, params, steps)
        optimizer.load_state_dict(fresh)
        for parameter, value in zip(params, parameters(), strict=True):
            parameter.data = value.data
        run(optimizer, params, 2)
        results.append(b"".join(p.data.tobytes() for p in params))
    assert results[0] == results[1]


def test_state_that_does_not_fit():
    params = parameters()
    optimizer = Adam(params)
    run(optimizer, params, 1)
    saved = optimizer.state_dict()
    with pytest.raises(StateError, match=r"SGD\.load_state_dict: the state is of 'Adam'; it must be of 'SGD'"):
        SGD(params, 0.1).load_state_dict(saved)
    saved["state"]["extra"] = saved["state"].pop("0")
    saved["state"]["2"]["exp_avg"] = np.zeros(6)
    with pytest.raises(StateError) as caught:
        Adam(params).load_state_dict(saved)
    assert str(caught.value) == (
        "Adam.load_state_dict: the state does not fit the parameters; missing: 0; unexpected: extra; "
        "misshapen: exp_avg of 2 is (6,) and must be (5,)."
    )
