"""Schedules that go up and down: one cycle, many, and the cosine with restarts. They set rates, whatever they were."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from .base import Interval, Schedule, bounded, per_group

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CosineAnnealingWarmRestarts(Schedule):
    """The cosine from the initial rate down to eta_min, again and again, each time T_mult times as long.

        lr(t) = eta_min + (initial rate - eta_min) (1 + cos(pi t / T)) / 2,  t counted from the last restart

    T_0 : steps until the first restart.
    T_mult : a whole number; each T is the one before times it.

    Source: I. Loshchilov, F. Hutter, SGDR: Stochastic gradient descent with warm restarts, 2017, arXiv:1608.03983.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
    >>> rates = []
    >>> for epoch in range(7):
    ...     rates.append(float(f"{optimizer.lr:.3f}"))
    ...     schedule.step()
    >>> rates
    [0.8, 0.4, 0.8, 0.683, 0.4, 0.117, 0.8]
    """

    def __init__(
        self,
        optimizer: Any,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.T_0 = bounded(self, "T_0", T_0, _counts, "a whole number of at least 1")
        self.T_mult = bounded(self, "T_mult", T_mult, _counts, "a whole number of at least 1")
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch, interval=interval)

    def get_lr(self) -> list[float]:
        t, length = self.last_epoch, self.T_0
        if self.T_mult == 1:
            t %= length
        while t >= length:
            t -= length
            length *= self.T_mult
        share = (1 + math.cos(math.pi * t / length)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def go_on(self) -> None:
        self.set_lr(self.get_lr())


def _counts(n: Any) -> bool:
    return isinstance(n, int) and n >= 1


class _Cycling(Schedule):
    """What cycles the rate and, against it, the momentum: SGD's `momentum`, or the first of `betas`."""

    interval = "step"
    cycle_momentum: bool
    base_momentums: list[float]
    max_momentums: list[float]

    def choose_momentum(self, cycles: bool, base: float | Sequence[float], largest: float | Sequence[float]) -> None:
        """Take the arguments on momentum; ValueError if the optimizer has none."""
        self.cycle_momentum = cycles
        if cycles and any("momentum" not in group and "betas" not in group for group in self.groups):
            raise ValueError(
                f"{type(self).__name__}: cycle_momentum=True, and {type(self.optimizer).__name__} has neither momentum "
                f"nor betas; give cycle_momentum=False."
            )
        self.base_momentums = per_group(self, "base_momentum", base)
        self.max_momentums = per_group(self, "max_momentum", largest)

    def get_momentum(self) -> list[float]:
        """The momentum of each group at `last_epoch`."""
        raise NotImplementedError

    def set_lr(self, rates: Sequence[float]) -> None:
        super().set_lr(rates)
        if self.cycle_momentum:
            for group, momentum in zip(self.groups, map(float, self.get_momentum()), strict=True):
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum

    def go_on(self) -> None:
        self.set_lr(self.get_lr())


class CyclicLR(_Cycling):
    """The rate up from base_lr to max_lr and down again along straight lines, in cycles; the momentum down and up.

    base_lr, max_lr : the lowest and the highest rate, a number or one for each parameter group.
    step_size_up, step_size_down : steps of a cycle's two halves; the second is as long as the first if None.
    mode : "triangular"; "triangular2", where the height is halved in each cycle; "exp_range", where it is gamma^t.
    scale_fn, scale_mode : a factor on the height in place of those of `mode`, a function of the cycle's number, 1 for
        the first, or with scale_mode="iterations" of t. It is not part of the state.
    cycle_momentum, base_momentum, max_momentum : momentum goes from the highest at base_lr to the lowest at max_lr.

    Source: L. N. Smith, Cyclical learning rates for training neural networks, 2017, arXiv:1506.01186.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.1)
    >>> schedule = optim.CyclicLR(optimizer, base_lr=0.2, max_lr=1.0, step_size_up=2, cycle_momentum=False)
    >>> rates = []
    >>> for step in range(5):
    ...     rates.append(float(f"{optimizer.lr:.3f}"))
    ...     schedule.step()
    >>> rates
    [0.2, 0.6, 1.0, 0.6, 0.2]
    """

    not_state: ClassVar = (*Schedule.not_state, "scale_fn")

    def __init__(
        self,
        optimizer: Any,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.optimizer = optimizer
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f'CyclicLR: mode is {mode!r}; it must be "triangular", "triangular2" or "exp_range", or give scale_fn.'
            )
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        elif scale_mode not in ("cycle", "iterations"):
            raise ValueError(f'CyclicLR: scale_mode is {scale_mode!r}; it must be "cycle" or "iterations".')
        self.mode, self.gamma, self.scale_fn, self.scale_mode = mode, gamma, scale_fn, scale_mode
        down = step_size_up if step_size_down is None else step_size_down
        self.step_size_up = bounded(self, "step_size_up", step_size_up, lambda n: n > 0, "above 0")
        self.step_size_down = bounded(self, "step_size_down", down, lambda n: n > 0, "above 0")
        lowest, self.max_lrs = per_group(self, "base_lr", base_lr), per_group(self, "max_lr", max_lr)
        self.choose_momentum(cycle_momentum, base_momentum, max_momentum)
        for group, lr in zip(self.groups, lowest, strict=True):
            group["initial_lr"] = lr
        super().__init__(optimizer, last_epoch, interval=interval)

    def _height(self) -> float:
        """How far up between the lowest and the highest, with the factor of the mode."""
        total, up = self.step_size_up + self.step_size_down, self.step_size_up
        cycle = math.floor(1 + self.last_epoch / total)
        x = 1.0 + self.last_epoch / total - cycle
        height = x / (up / total) if x <= up / total else (x - 1) / (up / total - 1)
        return height * self._scale(cycle if self.scale_mode == "cycle" else self.last_epoch)

    def _scale(self, count: int) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(count)
        return {"triangular": 1.0, "triangular2": 0.5 ** (count - 1)}.get(self.mode, self.gamma**count)

    def get_lr(self) -> list[float]:
        height = self._height()
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def get_momentum(self) -> list[float]:
        height = self._height()
        pairs = zip(self.base_momentums, self.max_momentums, strict=True)
        return [high - (high - low) * height for low, high in pairs]


class OneCycleLR(_Cycling):
    """One cycle: the rate up to max_lr and then down to almost nothing; the momentum down and then up.

    max_lr : the highest rate, a number or one for each parameter group. It begins at max_lr / div_factor, and ends at
        that / final_div_factor.
    total_steps : steps of the cycle, or epochs * steps_per_epoch.
    pct_start : share of the steps until the highest rate.
    anneal_strategy : "cos" or "linear".
    cycle_momentum, base_momentum, max_momentum : momentum goes from the highest to the lowest and back.
    three_phase : down to the first rate as fast as it went up, and from there to the last.

    Raises ValueError in a `step` beyond total_steps.

    Source: L. N. Smith, N. Topin, Super-convergence: very fast training of neural networks using large learning rates,
    2018, arXiv:1708.07120.

    >>> optimizer = optim.AdamW([nn.Parameter([1.0])], lr=0.1)
    >>> schedule = optim.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> print(f"{optimizer.lr:.3f} {optimizer.betas[0]:.3f}")
    0.040 0.950
    >>> for step in range(2):
    ...     schedule.step()
    >>> print(f"{optimizer.lr:.3f} {optimizer.betas[0]:.3f}")
    1.000 0.850
    """

    def __init__(
        self,
        optimizer: Any,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.optimizer = optimizer
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    f"OneCycleLR: epochs is {epochs} and steps_per_epoch is {steps_per_epoch}; give total_steps, or "
                    f"both of these."
                )
            total_steps = epochs * steps_per_epoch
        self.total_steps = bounded(self, "total_steps", total_steps, _counts, "a whole number of at least 1")
        self.pct_start = bounded(self, "pct_start", pct_start, lambda p: 0 <= p <= 1, "from 0 to 1")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f'OneCycleLR: anneal_strategy is {anneal_strategy!r}; it must be "cos" or "linear".')
        self.anneal_strategy, self.three_phase = anneal_strategy, three_phase
        self.max_lrs = per_group(self, "max_lr", max_lr)
        self.final_div_factor = final_div_factor
        self.choose_momentum(cycle_momentum, base_momentum, max_momentum)
        for group, highest in zip(self.groups, self.max_lrs, strict=True):
            group["initial_lr"] = highest / div_factor
        super().__init__(optimizer, last_epoch, interval=interval)

    def _between(self, low: float, high: float, last: float) -> float:
        """Where a quantity is on its way from low to high, back, and to last."""
        peak = self.pct_start * self.total_steps - 1
        phases = [(peak, low, high), (self.total_steps - 1.0, high, last)]
        if self.three_phase:
            phases[1:] = [(2 * peak, high, low), (self.total_steps - 1.0, low, last)]
        start = 0.0
        while len(phases) > 1 and self.last_epoch > phases[0][0]:
            start = phases.pop(0)[0]
        end, before, after = phases[0]
        share = (self.last_epoch - start) / (end - start) if end != start else 1.0
        if self.anneal_strategy == "linear":
            return before + (after - before) * share
        return after + (before - after) * (1 + math.cos(math.pi * share)) / 2

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} of total_steps={self.total_steps}; the cycle is over. Give as "
                f"many total_steps as there will be steps."
            )
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [self._between(first, highest, first / self.final_div_factor) for first, highest in pairs]

    def get_momentum(self) -> list[float]:
        pairs = zip(self.base_momentums, self.max_momentums, strict=True)
        return [self._between(largest, smallest, largest) for smallest, largest in pairs]
