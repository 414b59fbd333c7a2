"""The schedule that looks at how training goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from ...core.effects import replayed
from .base import Interval, Schedule, bounded, per_group

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(Schedule):
    """The rate times `factor` when a metric has not got better for more than `patience` steps.

    mode : "min" if less is better, as for a loss, or "max".
    threshold, threshold_mode : better is below best * (1 - threshold), for mode "max" above best * (1 + threshold), and
        with "abs" below best - threshold or above best + threshold. A metric that is not a number is never better.
    cooldown : steps after a reduction in which nothing is counted.
    min_lr : rates do not go below it, a number or one for each parameter group.
    eps : a change that is not larger is left out.

    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> optimizer.lr
    0.4
    """

    def __init__(
        self,
        optimizer: Any,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
        *,
        interval: Interval | None = None,
    ) -> None:
        self.optimizer = optimizer
        for name, value, known in (("mode", mode, ("min", "max")), ("threshold_mode", threshold_mode, ("rel", "abs"))):
            if value not in known:
                raise ValueError(f'ReduceLROnPlateau: {name} is {value!r}; it must be "{known[0]}" or "{known[1]}".')
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.share = bounded(self, "factor", factor, lambda f: 0 <= f < 1, "at least 0 and below 1")
        self.patience, self.cooldown, self.eps = patience, cooldown, eps
        self.min_lrs = per_group(self, "min_lr", min_lr)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer, interval=interval)

    def factor(self, t: int) -> float:
        return 1.0

    @replayed
    def step(self, metric: float | None = None) -> None:
        """Look at the metric, a number or a Tensor with one, and reduce the rates if it is time.

        Raises ValueError without a metric.
        """
        if metric is None:
            raise ValueError("ReduceLROnPlateau.step: there is no metric; give what it watches, such as the loss.")
        value = float(metric)
        self.last_epoch += 1
        if self._better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = [group["lr"] for group in self.groups]
        if self.num_bad_epochs > self.patience:
            self.num_bad_epochs, self.cooldown_counter = 0, self.cooldown
            reduced = [max(lr * self.share, least) for lr, least in zip(rates, self.min_lrs, strict=True)]
            rates = [new if lr - new > self.eps else lr for lr, new in zip(rates, reduced, strict=True)]
        self.set_lr(rates)

    def _better(self, value: float) -> bool:
        margin = self.threshold if self.threshold_mode == "abs" else self.threshold * self.best
        if self.threshold_mode == "rel" and math.isinf(self.best):
            margin = 0.0  # there is no best yet, and inf - inf is not a number
        return value < self.best - margin if self.mode == "min" else value > self.best + margin
