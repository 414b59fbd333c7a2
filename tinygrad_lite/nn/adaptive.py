"""Softmax over many classes of which few are frequent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy

from ..core.backend import backend_of
from ..core.errors import IndexingError, ShapeError
from ..core.graph import unwrap
from ..core.op import Array
from ..ops import argmax, concat, expand_dims, log_softmax, mean, take, take_along_axis
from .containers import ModuleList, Sequential
from .linear import Linear
from .module import Module
from .utils.rnn import indices_like

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class AdaptiveLogSoftmaxOutput(NamedTuple):
    """The logarithm of each target's probability, (n,), and the loss, minus their mean."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """Logarithms of class probabilities in time that grows with the frequent classes, not with all of them.

    Classes are numbered from the most frequent to the rarest. The head knows those before the first cutoff, and one
    entry for each cluster of rarer ones; a cluster has a map of its own, over fewer features.

    in_features : length of the last axis of the input. n_classes : how many classes.
    cutoffs : where clusters begin, growing numbers between 0 and n_classes.
    div_value : cluster i has in_features / div_value^(i + 1) features. head_bias : whether the head adds a bias.
    rng : generator of the initial values, those of `Linear`; the default generator if None.

    Called with input `(n, in_features)` and target `(n,)`, or both without n: returns a named tuple of `output`, the
    logarithms of the targets' probabilities, and `loss`, minus their mean. `log_prob(input)` gives those of all
    classes, `predict(input)` the most probable class.

    Parameters: head.weight, head.bias, and tail.i.0.weight and tail.i.1.weight of each cluster i.

    Raises ShapeError for cutoffs, inputs and targets that do not fit, IndexingError for a class that there is not.
    Source: Grave et al. 2017, arXiv:1609.04309.

    >>> layer = nn.AdaptiveLogSoftmaxWithLoss(8, 100, [10, 40], div_value=2.0)
    >>> output, loss = layer(np.ones((3, 8), np.float32), np.array([0, 20, 99]))
    >>> output.shape, loss.shape, layer.log_prob(np.ones((3, 8), np.float32)).shape
    ((3,), (), (3, 100))
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        ends = list(cutoffs)
        if not ends or ends != sorted(set(ends)) or ends[0] < 1 or ends[-1] >= n_classes:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: cutoffs is {ends} and n_classes is {n_classes}; they must be growing "
                f"numbers from 1 to {n_classes - 1}."
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, (*ends, n_classes)
        self.div_value, self.head_bias = div_value, head_bias
        how = {"rng": rng, "dtype": dtype, "device": device}
        self.head = Linear(in_features, ends[0] + len(ends), head_bias, **how)
        self.tail = ModuleList()
        for i, (start, end) in enumerate(zip(ends, self.cutoffs[1:], strict=True)):
            width = int(in_features // div_value ** (i + 1))
            if width < 1:
                raise ShapeError(
                    f"AdaptiveLogSoftmaxWithLoss: in_features is {in_features} and div_value is {div_value}; cluster "
                    f"{i} would have no features. Take fewer cutoffs or a smaller div_value."
                )
            first = Linear(in_features, width, False, **how)
            self.tail.append(Sequential(first, Linear(width, end - start, False, **how)))

    def forward(self, x: Array, target: Array) -> AdaptiveLogSoftmaxOutput:
        classes = self._checked(x, target)
        single = len(x.shape) == 1
        if single:
            x = expand_dims(x, axis=0)
        first = self.cutoffs[0]
        head = log_softmax(self.head(x), axis=1)
        parts, order = [], []
        for i, (start, end) in enumerate(zip((0, *self.cutoffs), self.cutoffs, strict=False)):
            (places,) = ((classes >= start) & (classes < end)).nonzero()
            if not places.size:
                continue
            rows = indices_like(x, places)
            entries = take(head, rows, axis=0)
            own = indices_like(x, classes[places, None] - start)
            if i == 0:
                chosen = take_along_axis(entries, own, axis=1)
            else:
                inner = log_softmax(self.tail[i - 1](take(x, rows, axis=0)), axis=1)
                chosen = entries[:, first + i - 1 : first + i] + take_along_axis(inner, own, axis=1)
            parts.append(chosen[:, 0])
            order.append(places)
        output = take(concat(parts), indices_like(x, numpy.concatenate(order).argsort()), axis=0)
        return AdaptiveLogSoftmaxOutput(output[0] if single else output, -mean(output))

    def log_prob(self, x: Array) -> Array:
        """The logarithms of the probabilities of all classes, (..., n_classes)."""
        first = self.cutoffs[0]
        head = log_softmax(self.head(x), axis=-1)
        clusters = [
            head[..., first + i : first + i + 1] + log_softmax(part(x), axis=-1) for i, part in enumerate(self.tail)
        ]
        return concat([head[..., :first], *clusters], axis=-1)

    def predict(self, x: Array) -> Array:
        """The most probable class of each input, (...)."""
        return argmax(self.log_prob(x), axis=-1)

    def _checked(self, x: Array, target: Array) -> numpy.ndarray:
        """The classes (n,) in main memory: how many there are of each cluster decides the shapes of what follows."""
        shape, given = tuple(x.shape), tuple(target.shape)
        if len(shape) not in (1, 2) or shape[-1] != self.in_features or given != shape[:-1] or 0 in shape:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: input is {shape} and target is {given}; they must be (n, "
                f"{self.in_features}) and (n,), or both without n."
            )
        given = unwrap(target)
        classes = backend_of(given).to_numpy(given).reshape(-1)
        low, high = int(classes.min()), int(classes.max())
        if low < 0 or high >= self.n_classes:
            raise IndexingError(
                f"AdaptiveLogSoftmaxWithLoss: target has classes from {low} to {high}; they must be from 0 to "
                f"{self.n_classes - 1}."
            )
        return classes
