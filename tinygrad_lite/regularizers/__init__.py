"""Penalties on parameters, composable values, in the loss (coupled) or in the update (decoupled)."""

from .penalties import L1, L2, Penalty, Regularizer, Sum
from .selection import Selector, biases, everything, matrices, named

__all__ = ["L1", "L2", "Penalty", "Regularizer", "Selector", "Sum", "biases", "everything", "matrices", "named"]
