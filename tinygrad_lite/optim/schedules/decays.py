"""Schedules that are a factor on the learning rate: by a function, in steps, along a line, an exponential, a cosine."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from .base import Interval, Schedule, bounded, per_group

__all__ = [
    "ConstantLR", "CosineAnnealingLR", "ExponentialLR", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR",
    "PolynomialLR", "StepLR",
]  # fmt: skip

Factor = Callable[[int], float]


class LambdaLR(Schedule):
    """initial rate * lr_lambda(t).

    lr_lambda : function of t = 0, 1, ..., or a list with one for each parameter group. Not part of the state.
    Others : see `Schedule`.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    >>> schedule.step()
    >>> optimizer.lr
    0.4
    """

    not_state: ClassVar = (*Schedule.not_state, "lr_lambdas")

    def __init__(
        self,
        optimizer: Any,
        lr_lambda: Factor | Sequence[Factor],
        last_epoch: int = -1,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.optimizer = optimizer
        self.lr_lambdas = per_group(self, "lr_lambda", lr_lambda)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"{type(self).__name__}: lr_lambda is {function!r}; it must be a function of t.")
        super().__init__(optimizer, last_epoch, interval=interval)

    def get_lr(self) -> list[float]:
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * function(self.last_epoch) for base, function in pairs]


class MultiplicativeLR(LambdaLR):
    """Each step multiplies the rate by lr_lambda(t), t = 1, 2, ....

    Arguments : see `LambdaLR`. Where `SequentialLR` comes to it, it goes on from the rate there, times lr_lambda(0).

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.MultiplicativeLR(optimizer, lambda t: 0.5)
    >>> schedule.step()
    >>> optimizer.lr
    0.4
    """

    def get_lr(self) -> list[float]:
        return self._multiplied() if self.last_epoch else [group["lr"] for group in self.groups]

    def _multiplied(self) -> list[float]:
        pairs = zip(self.groups, self.lr_lambdas, strict=True)
        return [group["lr"] * function(self.last_epoch) for group, function in pairs]

    def restart(self) -> None:
        self.last_epoch = 0
        self.set_lr(self._multiplied())


class StepLR(Schedule):
    """The rate times gamma after every step_size steps.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for epoch in range(5):
    ...     schedule.step()
    >>> optimizer.lr
    0.2
    """

    def __init__(
        self,
        optimizer: Any,
        step_size: int,
        gamma: float = 0.1,
        last_epoch: int = -1,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.step_size = bounded(self, "step_size", step_size, lambda n: n >= 1, "at least 1")
        self.gamma = gamma
        super().__init__(optimizer, last_epoch, interval=interval)

    def factor(self, t: int) -> float:
        return self.gamma ** (t // self.step_size)


class MultiStepLR(Schedule):
    """The rate times gamma at each milestone.

    milestones : values of t; one that is listed twice counts twice.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.MultiStepLR(optimizer, milestones=[2, 3], gamma=0.5)
    >>> for epoch in range(5):
    ...     schedule.step()
    >>> optimizer.lr
    0.2
    """

    def __init__(
        self,
        optimizer: Any,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch, interval=interval)

    def factor(self, t: int) -> float:
        return self.gamma ** bisect_right(self.milestones, t)


class ConstantLR(Schedule):
    """The rate times `factor`, and from t = total_iters on the whole rate.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.ConstantLR(optimizer, factor=0.5, total_iters=3)
    >>> optimizer.lr
    0.4
    """

    def __init__(
        self,
        optimizer: Any,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.share = bounded(self, "factor", factor, lambda f: 0 <= f <= 1, "from 0 to 1")
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch, interval=interval)

    def factor(self, t: int) -> float:
        return self.share if t < self.total_iters else 1.0


class LinearLR(Schedule):
    """The factor goes along a line from start_factor to end_factor in total_iters steps, and stays there.

    start_factor : above 0, at most 1. The usual warm-up is `WarmUp`, which goes over into another schedule.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> schedule.step()
    >>> print(f"{optimizer.lr:.3f}")
    0.600
    """

    def __init__(
        self,
        optimizer: Any,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.start_factor = bounded(self, "start_factor", start_factor, lambda f: 0 < f <= 1, "above 0, at most 1")
        self.end_factor = bounded(self, "end_factor", end_factor, lambda f: 0 <= f <= 1, "from 0 to 1")
        self.total_iters = bounded(self, "total_iters", total_iters, lambda n: n >= 1, "at least 1")
        super().__init__(optimizer, last_epoch, interval=interval)

    def factor(self, t: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * min(t / self.total_iters, 1.0)


class ExponentialLR(Schedule):
    """Each step multiplies the rate by gamma.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule.step()
    >>> optimizer.lr
    0.4
    """

    def __init__(self, optimizer: Any, gamma: float, last_epoch: int = -1, *, interval: Interval | None = None) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch, interval=interval)

    def factor(self, t: int) -> float:
        return self.gamma**t


class PolynomialLR(Schedule):
    """The factor (1 - t / total_iters)^power, and 0 from t = total_iters on.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> for epoch in range(2):
    ...     schedule.step()
    >>> print(f"{optimizer.lr:.3f}")
    0.200
    """

    def __init__(
        self,
        optimizer: Any,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.total_iters = bounded(self, "total_iters", total_iters, lambda n: n >= 1, "at least 1")
        self.power = power
        super().__init__(optimizer, last_epoch, interval=interval)

    def factor(self, t: int) -> float:
        return (1.0 - min(t / self.total_iters, 1.0)) ** self.power


class CosineAnnealingLR(Schedule):
    """Half a wave of a cosine from the initial rate down to eta_min in T_max steps, and up again in the next T_max.

        lr(t) = eta_min + (initial rate - eta_min) (1 + cos(pi t / T_max)) / 2

    Source: I. Loshchilov, F. Hutter, SGDR: Stochastic gradient descent with warm restarts, 2017, arXiv:1608.03983,
    without the restarts, which are `CosineAnnealingWarmRestarts`.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.CosineAnnealingLR(optimizer, T_max=10)
    >>> for epoch in range(5):
    ...     schedule.step()
    >>> print(f"{optimizer.lr:.3f}")
    0.400
    """

    def __init__(
        self,
        optimizer: Any,
        T_max: int,
        eta_min: float = 0.0,
        last_epoch: int = -1,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.T_max = bounded(self, "T_max", T_max, lambda n: n >= 1, "at least 1")
        self.floor = self.eta_min = eta_min
        super().__init__(optimizer, last_epoch, interval=interval)

    def factor(self, t: int) -> float:
        return (1.0 + math.cos(math.pi * t / self.T_max)) / 2
