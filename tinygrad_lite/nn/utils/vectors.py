"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from ...core.backend import backend_of
from ...core.errors import ShapeError
from ...core.graph import unwrap
from ...core.op import Array
from ...ops import concat, reshape
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Any:
    """The elements of all parameters, one after another. Differentiable.

    Raises ShapeError if there is none.

    >>> nn.utils.parameters_to_vector([nn.Parameter([[1.0, 2.0]]), nn.Parameter([3.0])]).tolist()
    [1.0, 2.0, 3.0]
    """
    parts = [reshape(parameter, (prod(parameter.shape),)) for parameter in parameters]
    if not parts:
        raise ShapeError("parameters_to_vector: there is no parameter; at least one is required.")
    return concat(parts)


def vector_to_parameters(vec: Array, parameters: Iterable[Tensor]) -> None:
    """Give parameters the elements of a vector, in the order of `parameters_to_vector`, in their own dtype.

    Raises ShapeError if their numbers differ; nothing is changed then.

    >>> layer = nn.Linear(2, 1)
    >>> nn.utils.vector_to_parameters(np.array([1.0, 2.0, 3.0]), layer.parameters())
    >>> layer.weight.tolist(), layer.bias.tolist()
    ([[1.0, 2.0]], [3.0])
    """
    vector, given = unwrap(vec), list(parameters)
    total = sum(prod(parameter.shape) for parameter in given)
    if tuple(vector.shape) != (total,):
        raise ShapeError(f"vector_to_parameters: vec is {tuple(vector.shape)}; the parameters have {total} elements.")
    backend, start = backend_of(vector), 0
    for parameter in given:
        end = start + prod(parameter.shape)
        part = backend.xp.reshape(vector[start:end], parameter.shape)
        parameter.data = backend.copy(backend.xp.astype(part, parameter.dtype))
        start = end
