"""What all learning-rate schedules share: whose rates they set, stepping, and state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

from ...core.effects import replayed
from ...core.errors import StateError

__all__ = ["Interval", "Schedule", "bounded", "per_group"]

Interval = Literal["epoch", "step"]

T = TypeVar("T")


class Schedule:
    """Base of the schedules: from step to step it sets the learning rate of every parameter group of an optimizer.

    optimizer : the optimizer. A group's rate when its first schedule is made is its initial rate, `base_lrs`.
    last_epoch : -1 begins. Any other number goes on at t = last_epoch + 1, with groups that have the rates of then;
        `load_state_dict` is the simpler way.
    interval : "epoch" or "step" (of the optimizer): how often `fit` calls `step()`, and so what `T_max` and the like
        count.

    A schedule is made from the factor on the initial rate at each t = 0, 1, ...: define `factor`. What is set is the
    present rate times factor(t) / factor(t - 1), as PyTorch does, so that schedules can be chained. One that sets rates
    no matter what they are now defines `get_lr`.

    >>> class Halving(optim.Schedule):
    ...     def factor(self, t):
    ...         return 0.5**t
    >>> optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.8)
    >>> schedule = Halving(optimizer)
    >>> for epoch in range(2):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.2]

    Raises TypeError for something that is no optimizer, ValueError for an unknown interval or last_epoch.
    """

    interval: Interval = "epoch"
    floor = 0.0
    """What the factor multiplies is the distance to this rate."""

    not_state: ClassVar[tuple[str, ...]] = ("optimizer", "interval")
    """Attributes that `state_dict` leaves out: objects, and functions of the caller."""

    def __init__(self, optimizer: Any, last_epoch: int = -1, *, interval: Interval | None = None) -> None:
        self.optimizer = optimizer
        self.choose_interval(interval)
        if last_epoch < -1:
            raise ValueError(f"{type(self).__name__}: last_epoch is {last_epoch}; it must be at least -1.")
        groups = self.groups
        if last_epoch == -1:
            for group in groups:
                group.setdefault("initial_lr", group["lr"])
        elif any("initial_lr" not in group for group in groups):
            raise ValueError(
                f"{type(self).__name__}: last_epoch={last_epoch}, and there is a parameter group without 'initial_lr'; "
                f"make the schedule without last_epoch and use load_state_dict."
            )
        self.base_lrs = [group["initial_lr"] for group in groups]
        if last_epoch == -1:
            self.begin()
        else:
            self.last_epoch = last_epoch + 1
            self.go_on()

    # What a schedule is

    def factor(self, t: int) -> float:
        """The factor on the initial rate after t calls of `step`."""
        raise NotImplementedError(f"{type(self).__name__}: define factor(self, t), or get_lr(self).")

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`, one per group; the groups still have those from before."""
        t = self.last_epoch
        new, old = self.factor(t), self.factor(t - 1) if t else 1.0
        present = zip(self.groups, self.base_lrs, strict=True)
        return [self._scaled(group["lr"], base, new, old) for group, base in present]

    def _scaled(self, lr: float, base: float, new: float, old: float) -> float:
        if new == old:
            return lr
        if old == 0.0:  # there is no distance to the floor left to multiply
            return lr + (base - self.floor) * new
        return self.floor + (lr - self.floor) * (new / old)

    # Stepping

    @property
    def groups(self) -> Sequence[MutableMapping[str, Any]]:
        """The optimizer's parameter groups: mappings of hyperparameters, by name."""
        groups = getattr(self.optimizer, "param_groups", None)
        if groups is None:
            kind = type(self.optimizer).__name__
            raise TypeError(f"{type(self).__name__}: optimizer is of type {kind}; give an Optimizer.")
        return groups

    @replayed(graph="refreshed", gradients=False)
    def step(self, metric: float | None = None) -> None:
        """Go on to the next rates. Call it after the optimizer's steps of an epoch, or of a batch, see `interval`.

        metric : what `ReduceLROnPlateau` needs; the others do not look at it.
        """
        self.advance()

    def advance(self) -> None:
        """One step, without the metric."""
        self.last_epoch += 1
        self.set_lr(self.get_lr())

    def begin(self) -> None:
        """Be at t = 0, with the rates that the groups have now."""
        self.last_epoch = 0
        self.set_lr(self.get_lr())

    def restart(self) -> None:
        """Be at t = 0, with the initial rates."""
        for group, base in zip(self.groups, self.base_lrs, strict=True):
            group["lr"] = base
        self.begin()

    def go_on(self) -> None:
        """Take over what the groups have; called when the schedule is made with a last_epoch."""
        self.last_lr = [group["lr"] for group in self.groups]

    def set_lr(self, rates: Sequence[float]) -> None:
        """Give the groups these rates."""
        # A NumPy float64 would make float32 parameters float64.
        self.last_lr = [float(lr) for lr in rates]
        for group, lr in zip(self.groups, self.last_lr, strict=True):
            group["lr"] = lr

    def get_last_lr(self) -> list[float]:
        """The rates that were set last, one per group."""
        return list(self.last_lr)

    # State

    def state_dict(self) -> dict[str, Any]:
        """Numbers, lists and strings: where the schedule is, and its settings. Functions are not part of it."""
        kept = {name: value for name, value in vars(self).items() if name not in self.not_state}
        return {"schedule": type(self).__name__} | {
            name: list(value) if isinstance(value, (list, tuple)) else value for name, value in kept.items()
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over the state of a schedule of the same kind, and give the optimizer's groups the rates of then.

        So it does not matter whether the optimizer's own state is loaded before or after this.

        Raises StateError for the state of another kind of schedule or of another number of groups.
        """
        self.check_saved(saved)
        self.load_own(saved)

    def load_own(self, saved: Mapping[str, Any]) -> None:
        """Take over a state that fits."""
        for name, value in saved.items():
            if name != "schedule":
                setattr(self, name, list(value) if isinstance(value, (list, tuple)) else value)
        self.take_over()

    def take_over(self) -> None:
        """Give the groups what this schedule had given them when its state was saved."""
        for group, base in zip(self.groups, self.base_lrs, strict=True):
            group["initial_lr"] = base
        self.set_lr(self.last_lr)

    def check_saved(self, saved: Mapping[str, Any]) -> None:
        """Raise StateError if the state does not fit."""
        kind, other = type(self).__name__, saved.get("schedule")
        if other != kind:
            raise StateError(f"{kind}.load_state_dict: the state is of {other!r}; it must be of {kind!r}.")
        names = {"schedule"} | {name for name in vars(self) if name not in self.not_state}
        problems = {"missing": sorted(names - set(saved)), "unexpected": sorted(set(saved) - names)}
        if any(problems.values()):
            text = "; ".join(f"{what}: {', '.join(entries)}" for what, entries in problems.items() if entries)
            raise StateError(f"{kind}.load_state_dict: the state does not fit; {text}.")
        if "last_lr" in names and len(saved["last_lr"]) != len(self.groups):
            raise StateError(
                f"{kind}.load_state_dict: the state is of {len(saved['last_lr'])} parameter groups and the optimizer "
                f"has {len(self.groups)}; they must be the same."
            )

    def choose_interval(self, interval: Interval | None) -> None:
        """Take the interval that was asked for, if any."""
        if interval is not None:
            if interval not in ("epoch", "step"):
                raise ValueError(f'{type(self).__name__}: interval is {interval!r}; it must be "epoch" or "step".')
            self.interval = interval

    def __repr__(self) -> str:
        rates = ", ".join(f"{lr:g}" for lr in self.last_lr)
        return f"{type(self).__name__}(last_epoch={self.last_epoch}, lr={rates})"


def per_group(schedule: Schedule, name: str, value: T | Sequence[T]) -> list[T]:
    """An argument for each parameter group: a list or tuple as it is, anything else the same for all.

    Raises ValueError for a list of another length.
    """
    count = len(schedule.groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{type(schedule).__name__}: {name} has {len(value)} entries and the optimizer has {count} parameter "
            f"groups; give one for each group, or one for all."
        )
    return list(value)


def bounded(schedule: Schedule, name: str, value: float, accepts: Callable[[float], bool], rule: str) -> float:
    """The value, or ValueError, which states the rule, if it is not accepted."""
    if not accepts(value):
        raise ValueError(f"{type(schedule).__name__}: {name} is {value}; it must be {rule}.")
    return value
