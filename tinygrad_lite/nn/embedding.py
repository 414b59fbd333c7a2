"""Tables of vectors."""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..core.op import Array
from ..ops import detach, expand_dims, take, where
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """A learned vector for each of `num_embeddings` integers: input `(...)` integers, output `(..., embedding_dim)`.

    padding_idx : an integer whose vector is 0 at first and gets no gradient; may be negative.
    rng : generator of the initial values, standard normal; the default generator if None.

    Parameters: weight `(num_embeddings, embedding_dim)`.

    Raises ShapeError for an integer outside the table.

    >>> nn.Embedding(10, 3)(np.array([[1, 2], [1, 9]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ShapeError(
                f"Embedding: padding_idx is {padding_idx}; it must be within num_embeddings = {num_embeddings}."
            )
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        weight = init.normal((num_embeddings, embedding_dim), rng=rng, dtype=dtype, device=device)
        if self.padding_idx is not None:
            weight[self.padding_idx, :] = 0
        self.weight = Parameter(weight)

    def forward(self, x: Array) -> Array:
        rows = take(self.weight, x, axis=0)
        if self.padding_idx is None:
            return rows
        return where(expand_dims(x == self.padding_idx, axis=-1), detach(rows), rows)
