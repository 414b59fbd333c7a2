"""The training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy

from .. import ops
from ..autodiff.diagnosis import find_nan
from ..core.autocast import autocast as Precision
from ..core.errors import GradientError, ShapeError
from ..ops.random import Generator
from ..optim import GradScaler, clip_grad_norm
from ..tensor import Tensor
from .batches import Batch, as_batches, call, device_of, parts
from .callbacks import Callback
from .history import History, Record
from .interrupts import Interrupts
from .measuring import evaluate
from .metrics import named_metrics
from .progress import Progress
from .run import Run, Tally

__all__ = ["fit"]

Loss = Callable[[Any, Any], Any]


def fit(
    model: Any,
    data: Any,
    *,
    optimizer: Any,
    epochs: int,
    loss: Loss = ops.cross_entropy,
    batch_size: int = 64,
    validation: Any = None,
    schedule: Any = None,
    penalty: Callable[[Any], Any] | None = None,
    metrics: Any = None,
    callbacks: Iterable[Callback] = (),
    accumulate: int = 1,
    clip_norm: float | None = None,
    autocast: str | None = None,
    checkpoints: Any = None,
    rng: int | Generator | None = None,
    progress: bool = True,
    history: History | None = None,
) -> History:
    """Train a model.

    model : called with the inputs of a batch; with several arguments if these are a tuple, or named ones if a dict.
    data : a tuple `(x, y)` of arrays (n, ...), which are shuffled anew for each epoch; a DataLoader; or any object that
        gives batches `(inputs, targets)` whenever it is iterated. They are moved to the model's device.
    optimizer : updates the model's parameters; weight decay belongs to it.
    epochs : how many times all data are gone through.
    loss : called with the model's outputs and the targets, returns the mean over the batch, a Tensor of shape ().
    batch_size : examples in a batch, if `data` are arrays; of `validation` too.
    validation : data of the same kinds, that are only measured, after every epoch.
    schedule : sets the learning rates, see `optim.Schedule`: its `step` is called after every step of the optimizer or
        after every epoch, as its `interval` says, after an epoch with the validation loss (or the loss).
    penalty : called with the model; its value is added to the loss (a coupled regularizer).
    metrics : what else to measure, in training and in validation: a list of Metric, or a dict of name and Metric or
        function of (outputs, targets), such as `[train.Accuracy()]`.
    callbacks : see `Callback`.
    accumulate : batches whose gradients are averaged for each step, so that they act as one large batch; each example
        counts the same.
    clip_norm : largest norm of the gradient, of all parameters together; see `optim.clip_grad_norm`.
    autocast : `"bfloat16"` or `"float16"`: the model and the loss are computed within `tl.autocast(...)`, and for
        float16 the loss is scaled by a `GradScaler`, which leaves out steps whose gradient is not finite.
    checkpoints : where to save the state of the training, and to go on from if there is one; see `Checkpoints`.
    rng : a seed or a Generator for the order of `data` that are arrays; the default generator if None.
    progress : show a bar with the loss and metrics, or a line per epoch if there is no terminal.
    history : where epochs are appended, so that they are at hand after an exception such as Ctrl-C.
    Returns the history.

    Ctrl-C ends the training after the current step: a checkpoint is saved, and KeyboardInterrupt raised.
    Raises FloatingPointError before a step if the loss or its gradient is not finite, and names the operation that made
    it so; ShapeError if there are no examples; DTypeError for data that cannot be iterated again.

    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> optimizer = optim.SGD(model, lr=0.5)
    >>> history = train.fit(model, (x, 3 * x + 1), optimizer=optimizer, epochs=40, loss=mse, progress=False)
    >>> history[-1].loss < 1e-6, model.weight.detach().numpy().round(3)
    (True, array([[3.]], dtype=float32))
    """
    if epochs < 0 or accumulate < 1:
        raise ValueError(f"fit: epochs is {epochs} and accumulate {accumulate}; they must be at least 0 and 1.")
    history = History() if history is None else history
    device = device_of(model)
    batches = as_batches("fit", data, batch_size, shuffle=True, device=device, rng=rng)
    held = None if validation is None else as_batches("fit", validation, batch_size, shuffle=False, device=device)
    train_metrics = named_metrics(metrics)
    run = Run(
        model, optimizer, schedule, batches, history,
        callbacks=[*callbacks, *([Progress()] if progress else [])],
        tally=Tally(train_metrics),
        start=len(history), last=len(history) + epochs,
        steps_per_epoch=math.ceil(len(batches) / accumulate) if hasattr(batches, "__len__") else None,
        epoch=len(history),
        scaler=GradScaler(enabled=autocast == "float16"),
    )  # fmt: skip
    precision = Precision(autocast or "float16", autocast is not None)
    step = Step(run, loss, penalty, clip_norm, precision)
    val_metrics = copy.deepcopy(train_metrics)
    if checkpoints is not None:
        checkpoints.resume(run)
    with Interrupts() as interrupts:
        try:
            run.tell("on_start")
            while run.stop is None and (run.epoch < run.last or run.tally.batches):
                if not run.tally.batches:
                    run.epoch, run.tally = run.epoch + 1, Tally(train_metrics)
                model.train()
                optimizer.train()
                for group in _groups(run, accumulate):
                    step(group)
                    run.tell("on_step")
                    if getattr(schedule, "interval", "epoch") == "step":
                        schedule.step()
                    if checkpoints is not None:
                        checkpoints.after_step(run, interrupts.asked)
                    if interrupts.asked:
                        raise KeyboardInterrupt
                    if run.stop is not None:
                        break
                _finish_epoch(run, held, loss, val_metrics, precision)
                if checkpoints is not None:
                    checkpoints.after_epoch(run, interrupts.asked)
                if interrupts.asked:
                    raise KeyboardInterrupt
        finally:
            optimizer.eval()
            run.tell("on_end")
    return history


def _groups(run: Run, size: int) -> Iterator[list[Any]]:
    """The batches of an epoch, or what is left of one that was resumed, in lists of `size`."""
    if run.tally.batches and run.tally.batches >= len(run.data):
        return  # a checkpoint was saved after its last step
    batches = iter(run.data)
    while group := list(islice(batches, size)):
        yield group


def _finish_epoch(run: Run, held: Any, loss: Loss, metrics: Any, precision: Precision) -> None:
    if not run.tally.examples:
        raise ShapeError("fit: there are no examples; at least one is required.")
    record = Record(epoch=run.epoch, **run.tally.means())
    seconds, rate = run.tally.elapsed(), run.lr
    run.optimizer.eval()
    if held is not None:
        with precision:
            seen = evaluate(run.model, held, loss=loss, metrics=metrics)
        record.update({f"val_{name}": value for name, value in seen.items()})
    record.update(lr=rate, seconds=seconds)
    run.history.append(record)
    if getattr(run.schedule, "interval", None) == "epoch":
        run.schedule.step(record.get("val_loss", record["loss"]))
    run.tell("on_epoch")
    run.tally = Tally(run.tally.metrics)


class Step:
    """One step of the optimizer from the batches of a list."""

    def __init__(
        self, run: Run, loss: Loss, penalty: Callable[[Any], Any] | None, clip_norm: float | None, precision: Precision
    ) -> None:
        self.run, self.loss, self.penalty, self.clip_norm, self.precision = run, loss, penalty, clip_norm, precision
        self.device, self.parameters = device_of(run.model), list(run.model.parameters())

    def __call__(self, group: list[Any]) -> None:
        run = self.run
        batches = [parts("fit", raw, self.device) for raw in group]
        if not sum(batch.size for batch in batches):
            return
        seen: list[list[tuple[float, Any, Batch]]] = []

        def closure() -> float:
            seen.append(self.gradients(batches, first=not seen))
            return _mean(seen[-1])

        with numpy.errstate(all="ignore"):  # what is not finite is reported by name
            if run.scaler.is_enabled():
                closure()
                run.scaler.step(run.optimizer)
                run.scaler.update()
            else:
                run.optimizer.step(closure)
        run.step += 1
        run.tally.steps += 1
        run.loss = _mean(seen[0])
        for loss, outputs, batch in seen[0]:  # an optimizer that asks more than once has moved the weights meanwhile
            run.tally.add(loss, outputs, batch)

    def gradients(self, batches: list[Batch], first: bool) -> list[tuple[float, Any, Batch]]:
        """Set the gradients of the parameters; returns loss, outputs and batch for each batch.

        first : whether these are the weights that the step began with; when a line search tries others, it deals with
            what is not finite.
        """
        self.run.optimizer.zero_grad()
        seen = []
        for batch, share in self.shares(batches):
            whole, value, outputs = self.forward(batch, share, penalised=not seen)
            if first:
                self.check(float(whole.item()), "loss", lambda whole=whole: find_nan(whole))
            self.run.scaler.scale(whole).backward()
            seen.append((value, outputs, batch))
        if self.run.scaler.is_enabled():  # it looks for what is not finite itself
            if self.clip_norm is not None:
                self.run.scaler.unscale_(self.run.optimizer)
                clip_grad_norm(self.parameters, self.clip_norm)
            return seen
        size = self.size_of_gradient()
        if first:
            self.check(size, "gradient", lambda: self.culprit(batches))
        return seen

    def shares(self, batches: list[Batch]) -> Iterator[tuple[Batch, float]]:
        """Each batch with its share of the examples, so that every example counts the same."""
        total = sum(batch.size for batch in batches)
        return ((batch, batch.size / total) for batch in batches)

    def forward(self, batch: Batch, share: float, penalised: bool) -> tuple[Any, float, Any]:
        """What is to be differentiated, the loss as a number, and the outputs."""
        with self.precision:
            outputs = call(self.run.model, batch.inputs)
            loss = self.loss(outputs, batch.targets)
        if loss.shape:
            raise ShapeError(
                f"fit: the loss is {tuple(loss.shape)}; it must be a single number, shape (). Take its mean."
            )
        whole = loss if share == 1.0 else loss * share
        if penalised and self.penalty is not None:
            with self.precision:
                whole = whole + self.penalty(self.run.model)
        return whole, float(loss.item()), outputs

    # Numbers that are not finite are noticed before the step, so that the weights stay good.

    def size_of_gradient(self) -> float:
        """The norm before clipping; or without clipping the sum of all elements, which is not finite if one is not."""
        if self.clip_norm is not None:
            return float(clip_grad_norm(self.parameters, self.clip_norm).item())
        total = Tensor(0.0, device=self.device)
        for gradient in (parameter.grad for parameter in self.parameters):
            if gradient is not None:
                total = total + gradient.sum().to(self.device)
        return float(total.item())

    def culprit(self, batches: list[Batch]) -> Any:
        """The operation whose derivative is not finite, from the batches once more: the graph is gone."""
        wholes = (self.forward(*pair, penalised=i == 0)[0] for i, pair in enumerate(self.shares(batches)))
        return next((found for found in map(find_nan, wholes) if found is not None), None)

    def check(self, value: float, what: str, find: Callable[[], Any]) -> None:
        if math.isfinite(value):
            return
        try:
            found = find()
        except GradientError:  # the loss does not depend on parameters
            found = None
        where = "" if found is None else f": {found}"
        run = self.run
        raise FloatingPointError(
            f"fit: the {what} is {value} in epoch {run.epoch}, step {run.tally.steps + 1}, with learning rate "
            f"{run.lr:g}{where}. Try a smaller learning rate or clip_norm, or mend that operation."
        )


def _mean(seen: list[tuple[float, Any, Batch]]) -> float:
    return sum(loss * batch.size for loss, _, batch in seen) / sum(batch.size for _, _, batch in seen)
