"""Distances and similarities of pairs of vectors as modules. The functions themselves are in `ops`."""

from __future__ import annotations

from .. import ops
from ..core.op import Array
from .module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along `axis`; see `cosine_similarity`."""

    def __init__(self, axis: int = 1, eps: float = 1e-8) -> None:
        self.axis, self.eps = axis, eps

    def forward(self, x: Array, y: Array) -> Array:
        return ops.cosine_similarity(x, y, axis=self.axis, eps=self.eps)


class PairwiseDistance(Module):
    """The p-norm of the difference of vectors along the last axis; see `pairwise_distance`."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False) -> None:
        self.p, self.eps, self.keepdims = p, eps, keepdims

    def forward(self, x: Array, y: Array) -> Array:
        return ops.pairwise_distance(x, y, p=self.p, eps=self.eps, keepdims=self.keepdims)
