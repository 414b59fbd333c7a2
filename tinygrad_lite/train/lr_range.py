"""The range test of the learning rate: at which rates training gets anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from .. import ops
from ..core.errors import ShapeError
from ..ops.random import Generator, default_generator
from .batches import as_batches, call, device_of, parts

__all__ = ["RangeTest", "lr_range_test"]


class RangeTest:
    """What `lr_range_test` found.

    rates, losses : (steps,) each, the learning rates and the smoothed losses.
    raw : (steps,) the losses as they were.
    """

    def __init__(self, rates: numpy.ndarray, losses: numpy.ndarray, raw: numpy.ndarray) -> None:
        self.rates, self.losses, self.raw = rates, losses, raw

    @property
    def suggestion(self) -> float | None:
        """The rate at which the loss falls fastest, per factor on the rate; None if it falls nowhere.

        By the slope of lines through a sixth of the steps each, as from one step to the next it is mostly noise.
        """
        finite = numpy.isfinite(self.losses)
        rates, losses = self.rates[finite], self.losses[finite]
        around = max(1, len(rates) // 12)
        if len(rates) < 2 * around + 1:
            return None
        windows = numpy.lib.stride_tricks.sliding_window_view(losses, 2 * around + 1)
        slopes = windows @ numpy.arange(-around, around + 1)  # those of the least-squares lines, but for a factor
        steepest = int(slopes.argmin())
        return float(rates[around + steepest]) if slopes[steepest] < 0 else None

    def plot(self, **options: Any) -> Any:
        """The loss by learning rate with the suggestion, as a matplotlib Figure; see `plots.lr_range`."""
        from ..plots import lr_range

        return lr_range(self.rates, self.losses, suggestion=self.suggestion, **options)

    def __repr__(self) -> str:
        suggested = "None" if self.suggestion is None else f"{self.suggestion:.2g}"
        return f"RangeTest({len(self.rates)} steps, rates {self.rates[0]:.2g} to {self.rates[-1]:.2g}, {suggested=!s})"


def lr_range_test(
    model: Any,
    data: Any,
    *,
    optimizer: Any,
    loss: Callable[[Any, Any], Any] = ops.cross_entropy,
    min_lr: float = 1e-6,
    max_lr: float = 10.0,
    steps: int = 100,
    batch_size: int = 64,
    smoothing: float = 0.9,
    diverged: float = 4.0,
    rng: int | Generator | None = None,
) -> RangeTest:
    """Train with a learning rate that grows from step to step, and note the loss; then everything is as it was.

    model, data, loss, batch_size, rng : as for `fit`. Data that end before the steps do begin anew.
    optimizer : whose rates, of all groups, go from `min_lr` to `max_lr`, each the one before times the same factor.
    smoothing : share of the mean of losses that is kept from step to step.
    diverged : the test ends when the smoothed loss is above this many times its least (by diverged - 1 times its
        amount, if that is negative), or the loss is not a finite number.

    Parameters, buffers and mode of the model, the state of optimizer, loader and default generator are restored, also
    after an exception; gradients are None.

    Source: L. N. Smith, Cyclical learning rates for training neural networks, 2017, arXiv:1506.01186, section 3.3.

    >>> model = nn.Linear(2, 1, rng=Generator(0))
    >>> x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    >>> found = train.lr_range_test(
    ...     model, (x, x[:, :1]), optimizer=optim.SGD(model, lr=0.1), loss=mse, min_lr=1e-3, batch_size=16, rng=0
    ... )
    >>> 0.01 < found.suggestion < 2.0
    True

    Raises ValueError for rates, steps or factors out of range, ShapeError if the data have no batches.
    """
    if not 0 < min_lr < max_lr or steps < 2:
        raise ValueError(
            f"lr_range_test: min_lr={min_lr}, max_lr={max_lr}, steps={steps}; 0 < min_lr < max_lr and at least two "
            f"steps are required."
        )
    if not 0 <= smoothing < 1 or not diverged > 1:
        raise ValueError(
            f"lr_range_test: smoothing={smoothing}, diverged={diverged}; smoothing must be at least 0 and below 1, and "
            f"diverged above 1."
        )
    device = device_of(model)
    loader = as_batches("lr_range_test", data, batch_size, shuffle=True, device=device, rng=rng)
    kept = [model, optimizer, default_generator(), *[owner for owner in (loader, rng) if hasattr(owner, "state_dict")]]
    states, training = [owner.state_dict() for owner in kept], model.training
    noted: list[tuple[float, float, float]] = []
    mean, least = 0.0, math.inf
    try:
        model.train()
        for number, batch in zip(range(steps), _endless(loader), strict=False):
            rate = min_lr * (max_lr / min_lr) ** (number / (steps - 1))
            for group in optimizer.param_groups:
                group["lr"] = rate
            inputs, targets, _ = parts("lr_range_test", batch, device)
            optimizer.zero_grad()
            value = loss(call(model, inputs), targets)
            value.backward()
            optimizer.step()
            mean = smoothing * mean + (1 - smoothing) * float(value)
            smoothed = mean / (1 - smoothing ** (number + 1))
            least = min(least, smoothed)
            noted.append((rate, smoothed, float(value)))
            if not math.isfinite(smoothed) or smoothed > least + (diverged - 1) * abs(least):
                break
    finally:
        optimizer.zero_grad()
        for owner, state in zip(kept, states, strict=True):
            owner.load_state_dict(state)
        model.train(training)
    return RangeTest(*numpy.array(noted).T)


def _endless(batches: Any) -> Iterator[Any]:
    """The batches, and again."""
    while True:
        some = False
        for batch in batches:
            some = True
            yield batch
        if not some:
            raise ShapeError("lr_range_test: the data have no batches; at least one is required.")
