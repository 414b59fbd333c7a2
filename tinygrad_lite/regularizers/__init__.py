"""Penalties and constraints on parameters: composable values, in the loss, in the update, or after it."""

from .constraints import Box, Constraint, MaxNorm, NonNegative, UnitNorm
from .norms import L1, L2, ElasticNet, GroupLasso
from .outputs import ActivityPenalty, GradientPenalty, JacobianPenalty
from .penalties import Penalty, Regularizer, Sum, Term
from .selection import Selector, biases, everything, in_modules, matrices, named
from .spectra import NuclearNorm, Orthogonal, SpectralNorm
from .strength import Strength

__all__ = [
    "L1", "L2", "ActivityPenalty", "Box", "Constraint", "ElasticNet", "GradientPenalty", "GroupLasso",
    "JacobianPenalty", "MaxNorm", "NonNegative", "NuclearNorm", "Orthogonal", "Penalty", "Regularizer", "Selector",
    "SpectralNorm", "Strength", "Sum", "Term", "UnitNorm", "biases", "everything", "in_modules", "matrices", "named",
]  # fmt: skip
