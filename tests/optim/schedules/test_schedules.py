"""Schedules: exact values, going on from a saved state, intervals, groups, and errors."""

import json
import math

import numpy as np
import pytest

from tests.optim.parameters import parameters
from tinygrad_lite import nn, optim
from tinygrad_lite.core.errors import StateError
from tinygrad_lite.optim import (
    SGD,
    Adam,
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    Schedule,
    SequentialLR,
    StepLR,
    WarmUp,
)


def sgd(lr=0.8, **settings):
    return SGD([nn.Parameter([1.0])], lr=lr, **settings)


def rates(schedule, steps):
    found = [schedule.get_last_lr()[0]]
    for _ in range(steps):
        schedule.step()
        found.append(schedule.get_last_lr()[0])
    return found


MAKERS = {
    "LambdaLR": lambda o: LambdaLR(o, lambda t: 1 / (1 + t)),
    "MultiplicativeLR": lambda o: MultiplicativeLR(o, lambda t: 1 - 1 / (t + 2)),
    "StepLR": lambda o: StepLR(o, 3, 0.7),
    "MultiStepLR": lambda o: MultiStepLR(o, [2, 5, 5, 9], 0.3),
    "ConstantLR": lambda o: ConstantLR(o, 0.3, 7),
    "LinearLR": lambda o: LinearLR(o, 0.1, 0.9, 11),
    "ExponentialLR": lambda o: ExponentialLR(o, 0.93),
    "PolynomialLR": lambda o: PolynomialLR(o, 13, 1.7),
    "CosineAnnealingLR": lambda o: CosineAnnealingLR(o, 7, 1e-3),
    "CosineAnnealingWarmRestarts": lambda o: CosineAnnealingWarmRestarts(o, 3, 2, 1e-3),
    "CyclicLR": lambda o: CyclicLR(o, 0.1, 1.0, 4, 3, mode="exp_range", gamma=0.95),
    "OneCycleLR": lambda o: OneCycleLR(o, 1.0, 30),
    "ReduceLROnPlateau": lambda o: ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1),
    "SequentialLR": lambda o: SequentialLR(o, [ConstantLR(o, 0.3, 7), CosineAnnealingLR(o, 9), StepLR(o, 2)], [5, 11]),
    "ChainedScheduler": lambda o: ChainedScheduler([LinearLR(o, 0.1), ExponentialLR(o, 0.9)]),
    "WarmUp": lambda o: WarmUp(OneCycleLR(o, 1.0, 30), 5),
    "nested": lambda o: SequentialLR(
        o, [ExponentialLR(o, 0.9), ChainedScheduler([StepLR(o, 2), LinearLR(o)]), WarmUp(StepLR(o, 3), 2)], [4, 8],
        interval="epoch",
    ),
}  # fmt: skip


def momentum(optimizer):
    return optimizer.betas[0]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("optimizer_first", [True, False])
def test_a_saved_state_goes_on_bit_for_bit(kind, optimizer_first):
    metrics = np.random.default_rng(0).normal(size=24)
    for stop in (0, 1, 6, 8, 13):
        straight = Adam(parameters(), lr=0.3)
        schedule = MAKERS[kind](straight)
        for metric in metrics[:stop]:
            schedule.step(metric)
        saved, kept = json.loads(json.dumps(schedule.state_dict())), straight.state_dict()
        other = Adam(parameters(), lr=0.3)
        resumed = MAKERS[kind](other)
        for load, what in [(other.load_state_dict, kept), (resumed.load_state_dict, saved)][
            :: 1 if optimizer_first else -1
        ]:
            load(what)
        assert (other.lr, momentum(other)) == (straight.lr, momentum(straight))
        for metric in metrics[stop:]:
            schedule.step(metric)
            resumed.step(metric)
            assert (other.lr, momentum(other)) == (straight.lr, momentum(straight))
            assert schedule.get_last_lr() == resumed.get_last_lr() == [straight.lr]
        assert resumed.state_dict() == schedule.state_dict()


def test_the_state_has_the_settings():
    optimizer = sgd()
    saved = StepLR(optimizer, 3, 0.7).state_dict()
    assert saved == {
        "schedule": "StepLR", "step_size": 3, "gamma": 0.7, "base_lrs": [0.8], "last_lr": [0.8], "last_epoch": 0,
    }  # fmt: skip
    other = StepLR(sgd(0.1), 5)
    other.load_state_dict(saved)
    assert (other.step_size, other.gamma, other.optimizer.lr) == (3, 0.7, 0.8)
    assert "lr_lambdas" not in LambdaLR(optimizer, lambda t: 1.0).state_dict()


def test_a_state_that_does_not_fit_is_refused():
    schedule = StepLR(sgd(), 3)
    with pytest.raises(StateError, match=r"StepLR.load_state_dict: the state is of 'LinearLR'; it must be of 'StepLR'"):
        schedule.load_state_dict(LinearLR(sgd()).state_dict())
    saved = schedule.state_dict()
    del saved["gamma"]
    with pytest.raises(StateError, match="does not fit; missing: gamma; unexpected: speed"):
        schedule.load_state_dict(saved | {"speed": 3})
    with pytest.raises(StateError, match="is of 2 parameter groups and the optimizer has 1; they must be the same"):
        schedule.load_state_dict(schedule.state_dict() | {"last_lr": [1.0, 2.0]})


def test_the_state_of_parts_that_do_not_fit_is_refused_before_anything_changes():
    def chained(optimizer, *kinds):
        return ChainedScheduler([kind(optimizer) for kind in kinds])

    schedule = chained(sgd(), ConstantLR, LinearLR)
    before = schedule.state_dict()
    other = chained(sgd(), ConstantLR, ConstantLR)
    other.step()
    with pytest.raises(StateError, match=r"LinearLR.load_state_dict: the state is of 'ConstantLR'"):
        schedule.load_state_dict(other.state_dict())
    with pytest.raises(
        StateError, match="ChainedScheduler.load_state_dict: the state has 1 schedulers; it must have 2"
    ):
        schedule.load_state_dict(chained(sgd(), ConstantLR).state_dict())
    assert schedule.state_dict() == before


def test_rates_are_python_numbers():
    optimizer = sgd()
    CosineAnnealingLR(optimizer, 10, eta_min=np.float64(0.1)).step()
    assert type(optimizer.lr) is float


def test_schedules_go_on_from_rates_that_were_changed_by_hand():
    optimizer = sgd()
    schedule = ExponentialLR(optimizer, 0.5)
    optimizer.lr = 8.0
    schedule.step()
    assert optimizer.lr == 4.0


def test_last_epoch_goes_on_with_the_rates_that_the_groups_have():
    optimizer = sgd()
    first = CosineAnnealingLR(optimizer, 10)
    expected = rates(first, 10)
    optimizer = sgd()
    for _ in range(4):
        CosineAnnealingLR(optimizer, 10)  # notes the initial rate
    optimizer.lr = expected[4]
    resumed = CosineAnnealingLR(optimizer, 10, last_epoch=3)
    np.testing.assert_allclose(rates(resumed, 6), expected[4:], atol=1e-15)
    onward = CosineAnnealingWarmRestarts(optimizer, 10, last_epoch=3)
    np.testing.assert_allclose(rates(onward, 5), expected[4:10], atol=1e-15)


def test_the_cosine_after_its_end():
    assert rates(CosineAnnealingLR(sgd(1.0), 1, eta_min=0.5), 4) == [1.0, 0.5, 1.0, 0.5, 1.0]
    assert rates(PolynomialLR(sgd(1.0), 2), 4) == [1.0, 0.5, 0.0, 0.0, 0.0]
    assert rates(ConstantLR(sgd(1.0), 0.0, 2), 3) == [0.0, 0.0, 1.0, 1.0]


def test_one_cycle_whose_highest_rate_is_the_first():
    assert rates(OneCycleLR(sgd(momentum=0.9), 1.0, total_steps=4, pct_start=0.25), 1)[0] == 1.0


def test_a_warm_up_reaches_the_initial_rate_and_then_goes_over():
    optimizer = sgd(1.0)
    found = rates(WarmUp(CosineAnnealingLR(optimizer, 10), 4, start_factor=0.2), 14)
    np.testing.assert_allclose(found[:5], [0.2, 0.4, 0.6, 0.8, 1.0], rtol=1e-14)
    np.testing.assert_allclose(found[4:], [(1 + math.cos(math.pi * t / 10)) / 2 for t in range(11)], atol=1e-14)


def test_parts_that_are_compositions_begin_at_their_milestone():
    optimizer = sgd(1.0)
    chained = ChainedScheduler([LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.5)])
    schedule = SequentialLR(optimizer, [StepLR(optimizer, 1, 0.1), chained], [2])
    np.testing.assert_allclose(rates(schedule, 4), [1.0, 0.1, 0.5, 0.75 / 2, 0.25], rtol=1e-14)


def test_intervals():
    optimizer = sgd(momentum=0.9)
    assert StepLR(optimizer, 2).interval == ReduceLROnPlateau(optimizer).interval == "epoch"
    assert OneCycleLR(optimizer, 1.0, 10).interval == CyclicLR(optimizer, 0.1, 1.0).interval == "step"
    assert StepLR(optimizer, 2, interval="step").interval == "step"
    assert WarmUp(StepLR(optimizer, 2), 3).interval == "step"
    assert WarmUp(StepLR(optimizer, 2), 3, interval="epoch").interval == "epoch"
    by_step = [StepLR(optimizer, 2, interval="step"), LinearLR(optimizer, interval="step")]
    assert ChainedScheduler(by_step).interval == SequentialLR(optimizer, by_step, [2]).interval == "step"


def test_a_schedule_of_ones_own():
    class Root(Schedule):
        def factor(self, t):
            return 1 / math.sqrt(1 + t)

    np.testing.assert_allclose(rates(Root(sgd(1.0)), 3), [1, 2**-0.5, 3**-0.5, 0.5], rtol=1e-15)
    with pytest.raises(NotImplementedError, match=r"Schedule: define factor\(self, t\), or get_lr\(self\)"):
        Schedule(sgd())


def test_repr():
    schedule = StepLR(sgd(), 2, 0.5)
    schedule.step()
    assert repr(schedule) == "StepLR(last_epoch=1, lr=0.8)"


class Plain(optim.Optimizer):
    """Without momentum."""


WRONG = [
    (TypeError, lambda: StepLR(object(), 2), "StepLR: optimizer is of type object; give an Optimizer"),
    (ValueError, lambda: StepLR(sgd(), 0), "StepLR: step_size is 0; it must be at least 1"),
    (ValueError, lambda: StepLR(sgd(), 2, last_epoch=-2), "StepLR: last_epoch is -2; it must be at least -1"),
    (ValueError, lambda: StepLR(sgd(), 2, last_epoch=3), "without 'initial_lr'; make the schedule without last_epoch"),
    (ValueError, lambda: StepLR(sgd(), 2, interval="day"), "interval is 'day'; it must be \"epoch\" or \"step\""),
    (ValueError, lambda: ConstantLR(sgd(), 1.5), "ConstantLR: factor is 1.5; it must be from 0 to 1"),
    (ValueError, lambda: LinearLR(sgd(), 0.0), "LinearLR: start_factor is 0.0; it must be above 0, at most 1"),
    (ValueError, lambda: LinearLR(sgd(), end_factor=2.0), "LinearLR: end_factor is 2.0; it must be from 0 to 1"),
    (ValueError, lambda: CosineAnnealingLR(sgd(), 0), "CosineAnnealingLR: T_max is 0; it must be at least 1"),
    (ValueError, lambda: CosineAnnealingWarmRestarts(sgd(), 1.5), "T_0 is 1.5; it must be a whole number"),
    (TypeError, lambda: LambdaLR(sgd(), 0.5), "LambdaLR: lr_lambda is 0.5; it must be a function of t"),
    (
        ValueError,
        lambda: LambdaLR(sgd(), [abs, abs]),
        "LambdaLR: lr_lambda has 2 entries and the optimizer has 1 parameter groups; give one for each group",
    ),
    (ValueError, lambda: CyclicLR(sgd(), 0.1, 1.0, mode="saw"), "CyclicLR: mode is 'saw'; it must be \"triangular\""),
    (ValueError, lambda: CyclicLR(sgd(), 0.1, 1.0, scale_fn=abs, scale_mode="x"), "scale_mode is 'x'; it must be"),
    (ValueError, lambda: CyclicLR(Plain([nn.Parameter([1.0])], 0.1), 0.1, 1.0), "Plain has neither momentum nor betas"),
    (ValueError, lambda: OneCycleLR(sgd(), 1.0, epochs=3), "epochs is 3 and steps_per_epoch is None; give total_steps"),
    (ValueError, lambda: OneCycleLR(sgd(), 1.0, 10, pct_start=2), "pct_start is 2; it must be from 0 to 1"),
    (ValueError, lambda: OneCycleLR(sgd(), 1.0, 10, anneal_strategy="x"), "anneal_strategy is 'x'; it must be \"cos\""),
    (ValueError, lambda: rates(OneCycleLR(sgd(), 1.0, 3), 4), "step 4 of total_steps=3; the cycle is over"),
    (ValueError, lambda: ReduceLROnPlateau(sgd(), "low"), "mode is 'low'; it must be \"min\" or \"max\""),
    (ValueError, lambda: ReduceLROnPlateau(sgd(), factor=1.0), "factor is 1.0; it must be at least 0 and below 1"),
    (ValueError, lambda: ReduceLROnPlateau(sgd()).step(), "there is no metric; give what it watches"),
    (ValueError, lambda: ChainedScheduler([]), "ChainedScheduler: there are no schedulers; give at least one"),
    (TypeError, lambda: ChainedScheduler([3], sgd()), r"schedulers\[0\] is int; it must be a Schedule"),
    (ValueError, lambda: ChainedScheduler([ReduceLROnPlateau(sgd())]), "which needs a metric; step it beside this one"),
    (ValueError, lambda: ChainedScheduler([StepLR(sgd(), 1), StepLR(sgd(), 1)]), r"schedulers\[1\] is of another opt"),
    (TypeError, lambda: WarmUp(sgd(), 3), "WarmUp: after is SGD; it must be a Schedule"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "make", "message"), WRONG)
def test_errors(error, make, message):
    with pytest.raises(error, match=message):
        make()


def test_errors_of_milestones_and_intervals():
    optimizer = sgd(momentum=0.9)
    parts = [StepLR(optimizer, 2), OneCycleLR(optimizer, 1.0, 10)]
    with pytest.raises(ValueError, match="have the intervals epoch, step; give the same to all, or interval= here"):
        SequentialLR(optimizer, parts, [2])
    with pytest.raises(ValueError, match=r"milestones are \[\] for 2 schedulers; there must be one fewer"):
        SequentialLR(optimizer, parts, [], interval="step")


def test_several_groups():
    optimizer = SGD([{"params": [nn.Parameter([1.0])], "lr": 0.1}, {"params": [nn.Parameter([1.0])]}], lr=0.2)
    schedule = LambdaLR(optimizer, [lambda t: 1 / (1 + t), lambda t: 0.5**t])
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == schedule.get_last_lr() == [0.05, 0.1]
    CyclicLR(optimizer, [0.1, 0.3], 1.0, cycle_momentum=False)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.3]
    assert optim.ExponentialLR(optimizer, 0.5).base_lrs == [0.1, 0.3]
