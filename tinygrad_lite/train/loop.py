"""Training a classifier, and measuring one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy

from .. import ops
from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import no_grad
from ..data import batches
from ..ops.random import Generator
from ..tensor import Tensor
from .metrics import accuracy as share_right
from .progress import Progress

__all__ = ["Epoch", "Evaluation", "History", "cosine", "evaluate", "fit"]


class Epoch(NamedTuple):
    """One pass over the training images.

    number : 1 for the first.
    loss, accuracy : means over its batches, while the model was learning from them.
    held_out_loss, held_out_accuracy : of the held-out images after it, None without such images.
    seconds : how long it took, without the held-out images.
    """

    number: int
    loss: float
    accuracy: float
    held_out_loss: float | None
    held_out_accuracy: float | None
    seconds: float


class History(list[Epoch]):
    """The epochs of a training, in order."""

    def column(self, name: str) -> list[Any]:
        """One field of every epoch: `history.column("loss")`."""
        return [getattr(epoch, name) for epoch in self]


class Evaluation(NamedTuple):
    """What a model makes of labelled images: mean loss, accuracy, and the predicted class of each image, (n,) int64."""

    loss: float
    accuracy: float
    predictions: numpy.ndarray


def cosine(progress: float) -> float:
    """The learning-rate factor (1 + cos(pi p)) / 2: 1 at the start (p = 0), 0 at the end (p = 1).

    Source: Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts.

    >>> train.cosine(0.0), train.cosine(1.0)
    (1.0, 0.0)
    """
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def fit(
    model: Any,
    images: Any,
    labels: Any,
    *,
    optimizer: Any,
    epochs: int,
    batch_size: int = 64,
    loss: Callable[[Any, Any], Any] = ops.cross_entropy,
    penalty: Callable[[Any], Any] | None = None,
    schedule: Callable[[float], float] | None = None,
    augment: Callable[[Any], Any] | None = None,
    held_out: tuple[Any, Any] | None = None,
    rng: int | Generator | None = None,
    progress: bool = True,
    history: History | None = None,
) -> History:
    """Train a classifier on labelled images.

    model : called with a batch, returns logits (batch, classes).
    images, labels : (n, ...) and (n,) NumPy arrays; batches are moved to the model's device.
    optimizer : updates the model's parameters; weight decay belongs to it.
    loss : called with logits and labels; cross entropy by default.
    penalty : called with the model; its value is added to the loss (a coupled regularizer).
    schedule : maps the share of all steps already done, from 0 to below 1, to a factor on the learning rate.
    augment : called with each batch of images (a NumPy array), returns the images to learn from in their place.
    held_out : images and labels that are only measured, after every epoch.
    rng : a seed or a Generator for the order of the images; the default generator if None.
    progress : show a bar with loss, accuracy and images per second, or a line per epoch if there is no terminal.
    history : where epochs are appended, so that they are at hand after an exception such as Ctrl-C.
    Returns the history.

    Raises FloatingPointError if the loss is no longer a finite number, ShapeError if there are no images.
    """
    if not len(labels):
        raise ShapeError("fit: there are no images; at least one is required.")
    history = History() if history is None else history
    rng = Generator(rng) if isinstance(rng, int) else rng
    device = _device(model)
    rate, first = optimizer.lr, len(history) + 1
    steps, done = epochs * math.ceil(len(labels) / batch_size), 0
    try:
        with Progress(epochs * len(labels), epochs, shown=progress) as bar:
            for number in range(first, first + epochs):
                model.train()
                tally = _Tally()
                for batch, targets in batches(images, labels, batch_size, rng=rng):
                    if schedule is not None:
                        optimizer.lr = rate * schedule(done / steps)
                    x = Tensor(batch if augment is None else augment(batch), device=device)
                    y = Tensor(targets, device=device)
                    optimizer.zero_grad()
                    logits = model(x)
                    value = loss(logits, y)
                    (value if penalty is None else value + penalty(model)).backward()
                    optimizer.step()
                    done += 1
                    tally.add(value, logits, y)
                    if bar.advance(len(targets)):
                        bar.show(number, *tally.means())
                record = Epoch(number, *tally.means(), None, None, time.perf_counter() - tally.started)
                if not math.isfinite(record.loss):
                    raise FloatingPointError(
                        f"fit: the loss is {record.loss} in epoch {number} with learning rate {rate:g}; "
                        f"try a smaller one."
                    )
                if held_out is not None:
                    seen = evaluate(model, *held_out, loss=loss)
                    record = record._replace(held_out_loss=seen.loss, held_out_accuracy=seen.accuracy)
                history.append(record)
                bar.finish_epoch(record, len(labels))
    finally:
        optimizer.lr = rate
    return history


class _Tally:
    """Sums over an epoch's batches. They stay on the device, so that a GPU is not waited for after every batch."""

    def __init__(self) -> None:
        self.loss: Any = 0.0
        self.right: Any = 0
        self.count = 0
        self.started = time.perf_counter()

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        with no_grad():
            self.loss = self.loss + loss.detach() * len(labels)
            self.right = self.right + ops.sum(ops.equal(ops.argmax(logits.detach(), axis=-1), labels))
            self.count += len(labels)

    def means(self) -> tuple[float, float]:
        """The mean loss and the accuracy so far."""
        return float(self.loss) / self.count, float(self.right) / self.count


def _device(model: Any) -> str:
    """Where the model's parameters are."""
    for parameter in model.parameters():
        return parameter.device
    return "cpu"


def evaluate(
    model: Any,
    images: Any,
    labels: Any,
    *,
    loss: Callable[[Any, Any], Any] = ops.cross_entropy,
    batch_size: int = 256,
) -> Evaluation:
    """Measure a classifier on labelled images, in evaluation mode and without recording.

    images, labels : (n, ...) and (n,) NumPy arrays.
    loss : as for `fit`.

    Raises ShapeError if there are no images.
    """
    if not len(labels):
        raise ShapeError("evaluate: there are no images; at least one is required.")
    device = _device(model)
    training = model.training
    total, predictions = 0.0, []
    model.eval()
    try:
        with no_grad():
            for batch, targets in batches(images, labels, batch_size, shuffle=False):
                logits = model(Tensor(batch, device=device))
                total += float(loss(logits, Tensor(targets, device=device))) * len(targets)
                chosen = ops.argmax(logits, axis=-1)
                predictions.append(backend_of(chosen.data).to_numpy(chosen.data))
    finally:
        model.train(training)
    predicted = numpy.concatenate(predictions)
    return Evaluation(total / len(labels), share_right(labels, predicted), predicted)
