"""The perceptron, which is taught by its mistakes instead of gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array
from ..ops import step
from ..ops.creation import to_array, zeros
from ..ops.random import Generator
from .module import Module
from .parameter import Parameter

__all__ = ["Perceptron", "PerceptronFit"]


class PerceptronFit(NamedTuple):
    """How the learning of a perceptron went.

    converged : whether it answers every example right; only then are the examples linearly separable for sure.
    mistakes : how many there were in each epoch; the last is 0 if it converged.
    """

    converged: bool
    mistakes: list[int]

    @property
    def epochs(self) -> int:
        """How often it has gone through the examples."""
        return len(self.mistakes)


class Perceptron(Module):
    """A neuron that answers 1 on one side of a plane and 0 on the other: step(w . x + b).

    in_features : length of the last axis of the input `(..., in_features)`; the output is `(...)`.

    Parameters, 0 at first: weight `(in_features,)`, bias `()`. The derivative of the step is 0, so that optimizers
    cannot train it; `fit` does.

    Source: F. Rosenblatt, The perceptron: a probabilistic model for information storage and organization in the brain,
    1958, Psychological Review 65(6), 386-408.

    >>> questions = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> model = nn.Perceptron(2)
    >>> model.fit(questions, [0, 0, 0, 1]).converged
    True
    >>> model(questions).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """

    def __init__(self, in_features: int, *, dtype: Any = None, device: str | None = None) -> None:
        self.in_features = in_features
        self.weight = Parameter(zeros((in_features,), dtype=dtype, device=device).data)
        self.bias = Parameter(zeros((), dtype=dtype, device=device).data)

    def logit(self, x: Array) -> Array:
        """w . x + b, whose sign decides."""
        if tuple(x.shape)[-1:] != (self.in_features,):
            raise ShapeError(
                f"Perceptron: input is {tuple(x.shape)}; the last axis must be in_features = {self.in_features}."
            )
        return x @ self.weight + self.bias

    def forward(self, x: Array) -> Array:
        return step(self.logit(x))

    def fit(self, x: Any, y: Any, *, lr: float = 1.0, epochs: int = 1000, rng: Any = None) -> PerceptronFit:
        """Learn by the perceptron rule: for each example that is answered wrongly, w += lr error x and b += lr error.

        x, y : examples `(n, in_features)` and answers `(n,)`, each 0 or 1. The error is y - answer: -1, 0 or 1.
        lr : only changes the scale of w and b where they begin at 0.
        epochs : how often to go through the examples at most. It ends after an epoch without a mistake, which comes
            after at most (R / margin)^2 mistakes if a plane separates the examples, and never if none does.
        rng : a seed or a Generator that orders the examples anew in every epoch; as they come if None.

        Raises ShapeError for examples and answers that do not fit.
        Source of the bound: A. Novikoff, On convergence proofs on perceptrons, 1962.

        >>> print(nn.Perceptron(2).fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], epochs=20).converged)
        False
        """
        dtype, device = self.weight.dtype, self.weight.device
        x, y = (_host(values).astype(self.weight.data.dtype) for values in (x, y))
        if x.ndim != 2 or x.shape[1] != self.in_features or y.shape != x.shape[:1] or not len(x):
            raise ShapeError(
                f"Perceptron.fit: x is {x.shape} and y is {y.shape}; (n, {self.in_features}) and (n,) with n > 0 are "
                f"required."
            )
        if not numpy.isin(y, (0, 1)).all():
            raise ShapeError(f"Perceptron.fit: y holds {y[~numpy.isin(y, (0, 1))][0]:g}; every answer must be 0 or 1.")
        rng = Generator(rng) if isinstance(rng, int) else rng
        weight, bias = _host(self.weight).copy(), _host(self.bias).copy()
        mistakes: list[int] = []
        while len(mistakes) < epochs and (not mistakes or mistakes[-1]):
            mistakes.append(0)
            for i in range(len(x)) if rng is None else rng.permutation(len(x)).tolist():
                error = y[i] - (x[i] @ weight + bias > 0)
                if error:
                    weight, bias = weight + lr * error * x[i], bias + lr * error
                    mistakes[-1] += 1
        self.weight.data, self.bias.data = (to_array(v, dtype=dtype, device=device) for v in (weight, bias))
        return PerceptronFit(not mistakes[-1], mistakes)


def _host(values: Any) -> numpy.ndarray:
    array = unwrap(values)
    return backend_of(array).to_numpy(array) if hasattr(array, "shape") else numpy.asarray(array)
