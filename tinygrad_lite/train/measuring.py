"""Measuring a model on data, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from .. import ops
from ..core.errors import ShapeError
from ..core.graph import no_grad
from ..core.tree import leaves, unflatten
from .batches import as_batches, call, device_of, host, parts
from .history import Record
from .metrics import named_metrics
from .run import Tally

__all__ = ["evaluate", "predict"]


def evaluate(
    model: Any,
    data: Any,
    *,
    loss: Callable[[Any, Any], Any] | None = ops.cross_entropy,
    metrics: Any = None,
    batch_size: int = 256,
) -> Record:
    """The mean loss of a model on data, and metrics, in evaluation mode and without recording.

    data, loss, metrics : as for `fit`. Without a loss, only the metrics.
    batch_size : examples that are computed at once, if `data` are arrays.
    Returns a Record: `evaluate(...).loss`.

    Raises ShapeError if there are no examples.

    >>> model = nn.Linear(2, 1)
    >>> train.evaluate(model, (np.zeros((3, 2)), model(np.zeros((3, 2))).detach() + 1.0), loss=mse).loss
    1.0
    """
    device, training = device_of(model), model.training
    batches = as_batches("evaluate", data, batch_size, shuffle=False, device=device)
    tally = Tally(named_metrics(metrics))
    model.eval()
    try:
        with no_grad():
            for raw in batches:
                batch = parts("evaluate", raw, device)
                outputs = call(model, batch.inputs)
                tally.add(0.0 if loss is None else float(loss(outputs, batch.targets)), outputs, batch)
    finally:
        model.train(training)
    if not tally.examples:
        raise ShapeError("evaluate: there are no examples; at least one is required.")
    means = tally.means()
    return Record({name: value for name, value in means.items() if name != "loss" or loss is not None})


def predict(model: Any, data: Any, *, batch_size: int = 256) -> Any:
    """The outputs of a model for inputs, as NumPy arrays (n, ...), in evaluation mode and without recording.

    data : an array of inputs (n, ...); or as for `fit`, whose targets are then not looked at. Without shuffling, the
        outputs are in the order of the inputs.
    batch_size : inputs that are computed at once, if `data` are arrays.

    >>> train.predict(nn.Linear(2, 3), np.zeros((5, 2), np.float32)).shape
    (5, 3)
    """
    data = (data,) if hasattr(data, "shape") else data
    device, training = device_of(model), model.training
    batches = as_batches("predict", data, batch_size, shuffle=False, device=device)
    outputs = []
    model.eval()
    try:
        with no_grad():
            outputs = [host(call(model, parts("predict", raw, device).inputs)) for raw in batches]
    finally:
        model.train(training)
    if not outputs:
        raise ShapeError("predict: there are no examples; at least one is required.")
    joined = [numpy.concatenate(pieces) for pieces in zip(*map(leaves, outputs), strict=True)]
    return unflatten(outputs[0], iter(joined))
