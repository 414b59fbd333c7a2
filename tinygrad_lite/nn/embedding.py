"""Tables of vectors."""

from __future__ import annotations

from typing import Any, Literal

from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.op import Array
from ..ops import embedding, embedding_bag
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


class Embedding(Module):
    """A learned vector for each of `num_embeddings` integers: input `(...)` integers, output `(..., embedding_dim)`.

    padding_idx : an integer whose vector is 0 at first and gets no gradient; may be negative.
    max_norm, norm_type, scale_grad_by_freq : as for `embedding`; unlike PyTorch's, max_norm does not write to weight.
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
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self._start(num_embeddings, embedding_dim, padding_idx, rng, dtype, device)
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq

    def _start(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None, rng: Any, dtype: Any, device: str | None
    ) -> None:
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ShapeError(
                f"{type(self).__name__}: padding_idx is {padding_idx}; it must be within num_embeddings = "
                f"{num_embeddings}."
            )
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        weight = init.normal((num_embeddings, embedding_dim), rng=rng, dtype=dtype, device=device)
        if self.padding_idx is not None:
            with backend_of(weight).on(weight):
                weight[self.padding_idx, :] = 0
        self.weight = Parameter(weight)

    def _options(self) -> dict[str, Any]:
        return {
            "padding_idx": self.padding_idx,
            "max_norm": self.max_norm,
            "norm_type": self.norm_type,
            "scale_grad_by_freq": self.scale_grad_by_freq,
        }

    def forward(self, x: Array) -> Array:
        return embedding(x, self.weight, **self._options())


class EmbeddingBag(Embedding):
    """Means, sums or maxima of the vectors of bags of integers; see `embedding_bag`.

    Arguments as for `Embedding` and `embedding_bag`, in PyTorch's order. Input `(bags, k)`, or `(n,)` with offsets.

    >>> nn.EmbeddingBag(10, 3, mode="sum")(np.array([1, 2, 9]), np.array([0, 2])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: Literal["mean", "sum", "max"] = "mean",
        *,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self._start(num_embeddings, embedding_dim, padding_idx, rng, dtype, device)
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.mode: Literal["mean", "sum", "max"] = mode
        self.include_last_offset = include_last_offset

    def forward(self, x: Array, offsets: Array | None = None, per_sample_weights: Array | None = None) -> Array:
        options = {**self._options(), "mode": self.mode, "include_last_offset": self.include_last_offset}
        return embedding_bag(x, self.weight, offsets, per_sample_weights, **options)
