"""Dropout."""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..core.op import Array
from ..ops import dropout
from .module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """In training mode, sets each element to 0 with probability p and divides the others by 1 - p; see `dropout`.

    rng : the generator to draw from; the default generator if None.

    Raises ShapeError if p is not a probability.

    >>> nn.Dropout(0.5).eval()(np.ones(2))
    array([1., 1.])
    """

    def __init__(self, p: float = 0.5, *, rng: Any = None) -> None:
        if not 0.0 <= p <= 1.0:
            raise ShapeError(f"Dropout: p is {p}; it must be a probability, from 0 to 1.")
        self.p, self.rng = p, rng

    def forward(self, x: Array) -> Array:
        return dropout(x, p=self.p, training=self.training, rng=self.rng)
