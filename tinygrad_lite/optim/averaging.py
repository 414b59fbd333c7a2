"""Averages of a model's weights over the steps of its training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ..core.backend import backend_of
from ..core.dtypes import is_floating
from ..core.effects import once, replayed
from ..core.errors import StateError
from ..core.graph import no_grad, note_write
from ..fusion.updates import write_over_each
from ..nn import BatchNorm1d, InstanceNorm1d, Module
from ..tensor import Tensor

__all__ = ["EMA", "AveragedModel", "update_bn"]

Rule = Callable[[Any, Any, int], Any]


class AveragedModel(Module):
    """A copy of a model whose weights are the mean of those that the model had: stochastic weight averaging.

    model : the model; its copy is the attribute `module`, and calling this calls the copy.
    avg_fn : another rule, elementwise: from the average, the model's array and how many were averaged, the new average.
    use_buffers : average floating-point buffers too, such as running statistics; else they are the model's of the last
        update. After training with batch norms, see `update_bn`.

    Call `update_parameters(model)` after the steps that count, usually those of the last epochs, at a high or cyclic
    learning rate.

    Source: P. Izmailov et al., Averaging weights leads to wider optima and better generalization, 2018,
    arXiv:1803.05407.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> averaged = optim.AveragedModel(model)
    >>> for value in (1.0, 3.0, 8.0):
    ...     model.weight.data = np.full((1, 1), value, np.float32)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight
    Parameter([[4.]], dtype=float32, requires_grad=True)
    """

    def __init__(self, model: Module, avg_fn: Rule | None = None, use_buffers: bool = False) -> None:
        self.module = copy.deepcopy(model)
        self.avg_fn, self.use_buffers = avg_fn, use_buffers
        self.n_averaged = Tensor(0)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def rule(self, average: Any, value: Any, count: int) -> Any:
        """The new average, elementwise, where `count` values have been averaged."""
        if self.avg_fn is not None:
            return self.avg_fn(average, value, count)
        return average + (value - average) * (1 / (count + 1))

    @replayed(graph="refreshed", gradients=False)
    def update_parameters(self, model: Module) -> None:
        """Take the model's weights into the average; the first time, they are the average.

        Raises StateError if the model's parameters and buffers are not those of the copy.
        """
        own, others = (dict(m.named_parameters()) | dict(m.named_buffers()) for m in (self.module, model))
        shapes = [{name: tuple(tensor.shape) for name, tensor in tensors.items()} for tensors in (own, others)]
        if shapes[0] != shapes[1]:
            names = sorted(name for name in {**own, **others} if shapes[0].get(name) != shapes[1].get(name))
            raise StateError(
                f"update_parameters: the model differs from the averaged one in {', '.join(names)}; give the model "
                f"that was averaged before."
            )
        count = int(self.n_averaged.item())  # on the host from the first time on, which knows it without waiting
        parameters = dict(self.module.named_parameters())
        averaged = []
        for name, tensor in own.items():
            old, value = tensor.data, others[name].data
            if count and (name in parameters or (self.use_buffers and is_floating(old.dtype))):
                averaged.append([old, value])
            else:
                with backend_of(old).on(old):
                    once(partial(old.__setitem__, ..., value))
        write_over_each(averaged, lambda a, b: [self.rule(a, b, count), b])
        for tensor in own.values():
            note_write(tensor.data)
        self.n_averaged = Tensor(count + 1)


class EMA(AveragedModel):
    """A copy of a model whose weights are an exponential moving average: a <- decay * a + (1 - decay) * w.

    model, use_buffers : see `AveragedModel`.
    decay : share of the average that is kept, from 0 to 1; about 1 - 1 / n for an average over n steps.

    Call `update_parameters(model)` after every step. The first time, the model's weights are the average.

    Raises ValueError for a decay out of range.

    Source: B. Polyak, A. Juditsky, Acceleration of stochastic approximation by averaging, SIAM J. Control Optim. 30,
    1992, with exponential weights.

    >>> model = nn.Linear(1, 1, bias=False)
    >>> averaged = optim.EMA(model, decay=0.75)
    >>> for value in (1.0, 3.0):
    ...     model.weight.data = np.full((1, 1), value, np.float32)
    ...     averaged.update_parameters(model)
    >>> averaged.module.weight
    Parameter([[1.5]], dtype=float32, requires_grad=True)
    """

    def __init__(self, model: Module, decay: float = 0.999, use_buffers: bool = False) -> None:
        if not 0 <= decay <= 1:
            raise ValueError(f"EMA: decay is {decay}; it must be at least 0 and at most 1.")
        super().__init__(model, use_buffers=use_buffers)
        self.decay = decay

    def rule(self, average: Any, value: Any, count: int) -> Any:
        return self.decay * average + (1 - self.decay) * value


def update_bn(loader: Iterable[Any], model: Module, device: str | None = None) -> None:
    """Set the running statistics of all batch norms to the means over the batches of a loader.

    loader : batches, arrays or tuples whose first entry is the input.
    model : called with each batch in training mode; its weights stay.
    device : where the inputs are moved; as they are if None.

    >>> model = nn.BatchNorm1d(1)
    >>> optim.update_bn([np.full((4, 1), 2, np.float32), np.full((4, 1), 4, np.float32)], model)
    >>> model.running_mean
    Tensor([3.], dtype=float32)
    """
    norms = [m for m in model.modules() if isinstance(m, BatchNorm1d) and not isinstance(m, InstanceNorm1d)]
    norms = [norm for norm in norms if norm.track_running_stats]
    if not norms:
        return
    training = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None
        for buffer, value in ((norm.running_mean, 0), (norm.running_var, 1), (norm.num_batches_tracked, 0)):
            buffer.data = backend_of(buffer.data).xp.full_like(buffer.data, value)
    model.train()
    try:
        with no_grad():
            for batch in loader:
                inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
                model(inputs if device is None else Tensor(inputs, device=device))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in training:
            module.training = mode
