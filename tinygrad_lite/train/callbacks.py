"""What happens beside the training: callbacks, and stopping when the model no longer gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import StateError

if TYPE_CHECKING:
    from .run import Run

__all__ = ["Callback", "EarlyStopping"]


class Callback:
    """Base of what `fit` calls while it trains; a subclass defines what it needs.

    Every method gets the run, see `Run`: the model, the optimizer, the history, where the training is. Setting
    `run.stop` to a sentence that says why ends the training after this step or epoch.

    >>> class Tell(train.Callback):
    ...     def on_epoch(self, run):
    ...         print(run.epoch, run.history[-1].loss > 0)
    >>> model = nn.Linear(2, 1)
    >>> train.fit(model, (np.ones((4, 2)), np.ones((4, 1))), optimizer=optim.SGD(model, lr=0.1), epochs=2, loss=mse,
    ...           callbacks=[Tell()], progress=False).column("epoch")
    1 True
    2 True
    [1, 2]
    """

    def on_start(self, run: Run) -> None:
        """Before the first epoch; in a training that was resumed, `run.history` has the epochs so far."""

    def on_step(self, run: Run) -> None:
        """After each step of the optimizer."""

    def on_epoch(self, run: Run) -> None:
        """After each epoch and its validation; `run.history[-1]` is its record."""

    def on_end(self, run: Run) -> None:
        """When the training ends, whether it is complete, was stopped, was interrupted or failed."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold for this callback to go on: numbers, texts and arrays by name."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        vars(self).update(state)


class EarlyStopping(Callback):
    """Ends the training when a number has not got better for some epochs, and gives the model its best weights back.

    monitor : name of the number in the epoch's record.
    patience : how many epochs in a row may pass without an improvement; after so many the training ends.
    min_delta : by how much a number must be better than the best to count as an improvement.
    mode : `"min"` if smaller is better, `"max"` if larger is.
    restore_best : whether the model ends with the weights (and buffers) of the best epoch instead of the last.

    `best` and `best_epoch` say what the best number was, and when.

    Raises StateError if the record has no such number; ValueError for a negative patience or another mode.

    >>> stopping = train.EarlyStopping(patience=3)
    >>> stopping
    EarlyStopping('val_loss', patience=3)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] = "min",
        restore_best: bool = True,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"EarlyStopping: mode is {mode!r}; 'min' or 'max' is required.")
        if patience < 0 or min_delta < 0:
            raise ValueError(
                f"EarlyStopping: patience is {patience} and min_delta is {min_delta}; both must be at least 0."
            )
        self.monitor, self.patience, self.min_delta, self.mode = monitor, patience, min_delta, mode
        self.restore_best = restore_best
        self.best, self.best_epoch, self.waited = math.inf if mode == "min" else -math.inf, 0, 0
        self.best_weights: dict[str, Any] | None = None

    def on_epoch(self, run: Run) -> None:
        record = run.history[-1]
        if self.monitor not in record:
            hint = " Give fit validation=." if self.monitor.startswith("val_") else ""
            raise StateError(
                f"EarlyStopping: monitor is {self.monitor!r}; the epoch's record has {', '.join(record)}.{hint}"
            )
        value = float(record[self.monitor])
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:
            self.best, self.best_epoch, self.waited = value, run.epoch, 0
            self.best_weights = run.model.state_dict() if self.restore_best else None
            return
        self.waited += 1
        if self.waited >= max(self.patience, 1):
            run.stop = f"{self.monitor} has not been better than {self.best:.6g} for {self.waited} epochs"

    def on_end(self, run: Run) -> None:
        if self.best_weights is not None:
            run.model.load_state_dict(self.best_weights)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("best", "best_epoch", "waited", "best_weights")}

    def __repr__(self) -> str:
        return f"EarlyStopping({self.monitor!r}, patience={self.patience})"
