"""Dropout."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import ops
from ..core.errors import ShapeError
from ..core.op import Array
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class Dropout(Module):
    """In training mode, sets each element to 0 with probability p and divides the others by 1 - p; see `dropout`.

    rng : the generator to draw from; the default generator if None.

    Raises ShapeError if p is not a probability.

    >>> nn.Dropout(0.5).eval()(np.ones(2))
    array([1., 1.])
    """

    operation: ClassVar[Any] = staticmethod(ops.dropout)

    def __init__(self, p: float = 0.5, *, rng: Any = None) -> None:
        if not 0.0 <= p <= 1.0:
            raise ShapeError(f"{type(self).__name__}: p is {p}; it must be a probability, from 0 to 1.")
        self.p, self.rng = p, rng

    def forward(self, x: Array) -> Array:
        return type(self).operation(x, p=self.p, training=self.training, rng=self.rng)


class Dropout1d(Dropout):
    """Dropout of whole channels of sequences `(n, c, l)`; see `dropout1d`. Arguments as for `Dropout`."""

    operation = staticmethod(ops.dropout1d)


class Dropout2d(Dropout):
    """Dropout of whole channels of images `(n, c, h, w)`; see `dropout2d`. Arguments as for `Dropout`."""

    operation = staticmethod(ops.dropout2d)


class Dropout3d(Dropout):
    """Dropout of whole channels of volumes `(n, c, d, h, w)`; see `dropout3d`. Arguments as for `Dropout`."""

    operation = staticmethod(ops.dropout3d)


class AlphaDropout(Dropout):
    """Dropout for layers with `SELU`, keeping mean and variance; see `alpha_dropout`. Arguments as for `Dropout`."""

    operation = staticmethod(ops.alpha_dropout)


class FeatureAlphaDropout(Dropout):
    """The same of whole channels; see `feature_alpha_dropout`. Arguments as for `Dropout`."""

    operation = staticmethod(ops.feature_alpha_dropout)
