"""Where a training is: what callbacks look at, and what a checkpoint holds."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import StateError
from ..nn import Module
from ..ops.random import Generator, default_generator
from ..optim import GradScaler
from .batches import Batch, host
from .callbacks import Callback
from .history import History, Record
from .metrics import Metric

__all__ = ["Run", "Tally"]


class Tally:
    """Sums over the batches of an epoch so far.

    metrics : by name; reset at first.
    examples, steps, batches : how many there were.
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = metrics
        self.loss, self.examples, self.steps, self.batches = 0.0, 0, 0, 0
        self.seconds, self._started = 0.0, time.perf_counter()
        for metric in metrics.values():
            metric.reset()

    def add(self, loss: float, outputs: Any, batch: Batch) -> None:
        """Count a batch and its mean loss."""
        self.loss += loss * batch.size
        self.examples += batch.size
        self.batches += 1
        if self.metrics:
            outputs, targets = host(outputs), host(batch.targets)
            for metric in self.metrics.values():
                metric.update(outputs, targets)

    def means(self) -> dict[str, Any]:
        """The mean loss and the metrics so far."""
        return {"loss": self.loss / self.examples} | {name: m.compute() for name, m in self.metrics.items()}

    def elapsed(self) -> float:
        """Seconds since the epoch began, without the time between a checkpoint and going on from it."""
        return self.seconds + time.perf_counter() - self._started

    def state_dict(self) -> dict[str, Any]:
        sums = {name: getattr(self, name) for name in ("loss", "examples", "steps", "batches")}
        return {
            **sums,
            "seconds": self.elapsed(),
            "metrics": {name: metric.state_dict() for name, metric in self.metrics.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name in ("loss", "examples", "steps", "batches", "seconds"):
            setattr(self, name, state[name])
        for name, metric in self.metrics.items():
            metric.load_state_dict(state["metrics"][name])


@dataclass
class Run:
    """A training while it runs.

    model, optimizer, schedule, data, history, callbacks : what `fit` was given; `data` are the batches.
    start, last : how many epochs the history had at first; the number of the last epoch.
    steps_per_epoch : None if the data do not say how many batches they are.
    epoch : number of the current epoch, 1 for the first; 0 before it.
    step : how many steps the optimizer has made, in all epochs.
    loss : of the last step, the mean over its examples.
    tally : sums over the current epoch; `tally.means()` are the loss and the metrics so far.
    scaler : of the loss; enabled for float16 only.
    stop : None, or why the training is to end; set by callbacks.
    """

    model: Module
    optimizer: Any
    schedule: Any
    data: Any
    history: History
    callbacks: list[Callback]
    tally: Tally
    start: int
    last: int
    steps_per_epoch: int | None
    epoch: int = 0
    step: int = 0
    loss: float = math.nan
    stop: str | None = None
    scaler: GradScaler = field(default_factory=lambda: GradScaler(enabled=False))

    def tell(self, event: str) -> None:
        """Call a method of every callback."""
        for callback in self.callbacks:
            getattr(callback, event)(self)

    @property
    def lr(self) -> float:
        """The learning rate, of the first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    # What a checkpoint holds

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides how the training goes on: numbers, texts and copies of arrays."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "start": self.start,
            "stop": self.stop,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "data": self.data.state_dict() if hasattr(self.data, "state_dict") else None,
            "generators": {name: generator.state_dict() for name, generator in self._generators()},
            "callbacks": {name: callback.state_dict() for name, callback in self._named_callbacks()},
            "tally": self.tally.state_dict(),
            "history": list(self.history),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there, bit for bit.

        Raises StateError for the state of another model, optimizer, loader or schedule.
        """
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        if (self.schedule is None) != (state["schedule"] is None):
            without, having = ("without", "with") if state["schedule"] is None else ("with", "without")
            raise StateError(f"fit: the checkpoint is of a training {without} a schedule, and this one is {having}.")
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        if state["data"] is not None and hasattr(self.data, "load_state_dict"):
            self.data.load_state_dict(state["data"])
        generators = dict(self._generators())
        for name in generators.keys() & state["generators"].keys():
            generators[name].load_state_dict(state["generators"][name])
        callbacks = dict(self._named_callbacks())
        for name in callbacks.keys() & state["callbacks"].keys():
            callbacks[name].load_state_dict(state["callbacks"][name])
        self.last += state["start"] - self.start
        self.start, self.epoch, self.step, self.stop = (state[name] for name in ("start", "epoch", "step", "stop"))
        self.tally.load_state_dict(state["tally"])
        self.history[:] = [Record(record) for record in state["history"]]

    def _generators(self) -> list[tuple[str, Generator]]:
        """The default generator, and those that modules keep."""
        own = [
            (f"{path}.{name}", value)
            for path, module in self.model.named_modules()
            for name, value in vars(module).items()
            if isinstance(value, Generator)
        ]
        return [("default", default_generator()), *own]

    def _named_callbacks(self) -> list[tuple[str, Callback]]:
        kinds = [type(callback).__name__ for callback in self.callbacks]
        return [(f"{kind}.{kinds[:i].count(kind)}", self.callbacks[i]) for i, kind in enumerate(kinds)]
