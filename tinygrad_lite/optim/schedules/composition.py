"""Schedules made of schedules: one after the other, several at once, and a warm-up before another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ...core.errors import StateError
from .base import Interval, Schedule
from .decays import LinearLR
from .plateau import ReduceLROnPlateau

__all__ = ["ChainedScheduler", "SequentialLR", "WarmUp"]


class _Composed(Schedule):
    """Several schedules of one optimizer."""

    not_state: ClassVar = (*Schedule.not_state, "schedulers")

    def _take(self, optimizer: Any, schedulers: Sequence[Schedule], interval: Interval | None) -> None:
        kind = type(self).__name__
        if not schedulers:
            raise ValueError(f"{kind}: there are no schedulers; give at least one.")
        for number, part in enumerate(schedulers):
            if not isinstance(part, Schedule):
                raise TypeError(f"{kind}: schedulers[{number}] is {type(part).__name__}; it must be a Schedule.")
            if isinstance(part, ReduceLROnPlateau):
                raise ValueError(
                    f"{kind}: schedulers[{number}] is ReduceLROnPlateau, which needs a metric; step it beside this one."
                )
            if part.optimizer is not optimizer:
                raise ValueError(f"{kind}: schedulers[{number}] is of another optimizer; all must be of the same.")
        intervals = {part.interval for part in schedulers}
        if interval is None and len(intervals) > 1:
            raise ValueError(
                f"{kind}: schedulers have the intervals {', '.join(part.interval for part in schedulers)}; "
                f"give the same to all, or interval= here."
            )
        self.optimizer, self.schedulers = optimizer, list(schedulers)
        self.choose_interval(schedulers[0].interval if interval is None else interval)
        self.base_lrs = [group["initial_lr"] for group in self.groups]
        self.last_epoch = 0

    def _note(self) -> None:
        self.last_lr = [group["lr"] for group in self.groups]

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"schedulers": [part.state_dict() for part in self.schedulers]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        self.check_saved(saved)
        for part, state in zip(self.schedulers, saved["schedulers"], strict=True):
            part.load_state_dict(state)
        self.load_own({name: value for name, value in saved.items() if name != "schedulers"})

    def check_saved(self, saved: Mapping[str, Any]) -> None:
        super().check_saved({name: value for name, value in saved.items() if name != "schedulers"})
        states = saved.get("schedulers", ())
        if len(states) != len(self.schedulers):
            raise StateError(
                f"{type(self).__name__}.load_state_dict: the state has {len(states)} schedulers; it must have "
                f"{len(self.schedulers)}."
            )
        for part, state in zip(self.schedulers, states, strict=True):
            part.check_saved(state)


class SequentialLR(_Composed):
    """One schedule after the other: each begins, with the initial rates, at its milestone.

    schedulers : made from the same optimizer.
    milestones : the values of t at which the second, third, ... take over; one fewer than schedulers.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> first = optim.ConstantLR(optimizer, factor=0.5, total_iters=10)
    >>> schedule = optim.SequentialLR(optimizer, [first, optim.ExponentialLR(optimizer, 0.25)], milestones=[2])
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates.append(optimizer.lr)
    ...     schedule.step()
    >>> rates
    [0.4, 0.4, 0.8, 0.2]
    """

    def __init__(
        self,
        optimizer: Any,
        schedulers: Sequence[Schedule],
        milestones: Sequence[int],
        *,
        interval: Interval | None = None,
    ) -> None:
        self._take(optimizer, schedulers, interval)
        if len(milestones) != len(schedulers) - 1 or list(milestones) != sorted(milestones):
            raise ValueError(
                f"{type(self).__name__}: milestones are {list(milestones)} for {len(schedulers)} schedulers; there "
                f"must be one fewer than schedulers, in ascending order."
            )
        self.milestones = list(milestones)
        self.restart()

    def begin(self) -> None:
        self.last_epoch = 0
        self.schedulers[bisect_right(self.milestones, 0)].begin()
        self._note()

    def advance(self) -> None:
        self.last_epoch += 1
        number = bisect_right(self.milestones, self.last_epoch)
        if number and self.milestones[number - 1] == self.last_epoch:
            self.schedulers[number].restart()
        else:
            self.schedulers[number].advance()
        self._note()

    def take_over(self) -> None:
        super().take_over()
        self.schedulers[bisect_right(self.milestones, self.last_epoch)].take_over()


class ChainedScheduler(_Composed):
    """Several schedules at once: in each step they change the rates one after the other, so their factors multiply.

    schedulers : made from the same optimizer.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> halving, quartering = optim.ExponentialLR(optimizer, 0.5), optim.StepLR(optimizer, 2, gamma=0.25)
    >>> schedule = optim.ChainedScheduler([halving, quartering])
    >>> for epoch in range(2):
    ...     schedule.step()
    >>> optimizer.lr
    0.05
    """

    def __init__(
        self, schedulers: Sequence[Schedule], optimizer: Any = None, *, interval: Interval | None = None
    ) -> None:
        if optimizer is None and schedulers:
            optimizer = getattr(schedulers[0], "optimizer", None)
        self._take(optimizer, schedulers, interval)
        self._note()

    def begin(self) -> None:
        self.last_epoch = 0
        for part in self.schedulers:
            part.begin()
        self._note()

    def advance(self) -> None:
        self.last_epoch += 1
        for part in self.schedulers:
            part.advance()
        self._note()


class WarmUp(SequentialLR):
    """The rate along a line from start_factor times the initial rate up to it in total_iters steps; then `after`.

    after : the schedule that follows; it begins at t = total_iters.
    total_iters : steps of the warm-up. It counts optimizer steps, as does `after`, unless interval="epoch".

    Source: P. Goyal et al., Accurate, large minibatch SGD, 2017, arXiv:1706.02677, section 2.2.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.WarmUp(optim.CosineAnnealingLR(optimizer, T_max=4), total_iters=2, start_factor=0.5)
    >>> rates = []
    >>> for step in range(7):
    ...     rates.append(float(f"{optimizer.lr:.3f}"))
    ...     schedule.step()
    >>> rates
    [0.4, 0.6, 0.8, 0.683, 0.4, 0.117, 0.0]
    """

    def __init__(
        self, after: Schedule, total_iters: int, start_factor: float = 0.01, *, interval: Interval | None = "step"
    ) -> None:
        optimizer = getattr(after, "optimizer", None)
        if optimizer is None:
            raise TypeError(f"WarmUp: after is {type(after).__name__}; it must be a Schedule.")
        rising = LinearLR(optimizer, start_factor, total_iters=total_iters)
        super().__init__(optimizer, [rising, after], [total_iters], interval=interval)
