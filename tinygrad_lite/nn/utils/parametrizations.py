"""Weights divided by a norm: of each output, or the spectral norm of all."""

from __future__ import annotations

from typing import Any

from ...core.backend import backend_of
from ...core.effects import replayed
from ...core.errors import ShapeError, StateError
from ...core.graph import Handle, unwrap
from ...core.op import Array
from ...ops import matmul, maximum, moveaxis, reshape, sqrt, sum
from .. import init
from ..convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from ..parameter import Buffer
from .parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """v g / |v|, from g and v; the norm is taken over all axes but one, or over all."""

    def __init__(self, dim: int | None) -> None:
        self.dim = -1 if dim is None else dim

    def _norm(self, v: Array) -> Array:
        if self.dim == -1:
            return sqrt(sum(v * v))
        axes = tuple(axis for axis in range(len(v.shape)) if axis != self.dim % len(v.shape))
        return sqrt(sum(v * v, axis=axes, keepdims=True))

    def forward(self, g: Array, v: Array) -> Array:
        return v * (g / self._norm(v))

    def right_inverse(self, weight: Array) -> tuple[Array, Array]:
        return self._norm(weight), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train the length and the direction of weights apart: weight = v g / |v|.

    dim : the axis that the norm is not taken over, so that each of its entries has a length of its own; over all axes
        for None or -1.

    Parameters: parametrizations.weight.original0, g, of length 1 along the other axes, and .original1, v, in place of
    weight. Returns the module. Raises StateError if it has no such tensor.
    Source: Salimans, Kingma 2016, arXiv:1602.07868.

    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    >>> layer.parametrizations.weight.original0.shape, layer.weight.shape
    ((3, 1), (3, 4))
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    """A weight divided by its largest singular value, estimated by steps of power iteration in training."""

    def __init__(self, weight: Array, iterations: int, dim: int, eps: float, rng: Any) -> None:
        self.dim, self.iterations, self.eps = dim % max(len(weight.shape), 1), iterations, eps
        if len(weight.shape) > 1:
            matrix = unwrap(self._matrix(unwrap(weight)))
            how = {"rng": rng, "dtype": matrix.dtype, "device": backend_of(matrix).device_of(matrix)}
            left, right = (init.normal((length,), **how) for length in matrix.shape)
            self._u, self._v = Buffer(self._unit(left)), Buffer(self._unit(right))
            self._iterate(matrix, 15)

    def _matrix(self, weight: Array) -> Array:
        moved = moveaxis(weight, self.dim, 0)
        return reshape(moved, (moved.shape[0], -1))

    def _unit(self, x: Array) -> Any:
        return x / maximum(sqrt(sum(x * x)), self.eps)

    @replayed(graph="fixed", gradients=False)
    def _iterate(self, matrix: Any, count: int) -> None:
        """Steps towards the singular vectors of the largest singular value, on arrays."""
        u, v = self._u.data, self._v.data
        for _ in range(count):
            u = self._unit(matmul(matrix, v))
            v = self._unit(matmul(u, matrix))
        self._u.data, self._v.data = u, v

    def forward(self, weight: Array) -> Array:
        if len(weight.shape) == 1:
            return self._unit(weight)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(unwrap(matrix), self.iterations)
        return weight / sum(self._u.data * matmul(matrix, self._v.data))

    def right_inverse(self, value: Array) -> Array:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
    *,
    rng: Any = None,
) -> Module:
    """Divide weights by their largest singular value, as one matrix with the axis `dim` in front.

    n_power_iterations : steps that improve the estimate of the singular vectors, at each use in training.
    eps : the least norm to divide the vectors by.
    dim : 1 for transposed convolutions and 0 for others if None.
    rng : generator of the first vectors; the default generator if None.

    Parameters: parametrizations.weight.original in place of weight. Buffers: parametrizations.weight.0._u and ._v.
    Returns the module. Raises ShapeError if there are no steps, StateError if it has no such tensor.
    Source: Miyato et al. 2018, arXiv:1802.05957.

    >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3), n_power_iterations=50)
    >>> print(f"{np.linalg.norm(layer.weight.detach().numpy(), 2):.4f}")
    1.0000
    """
    if n_power_iterations < 1:
        raise ShapeError(f"spectral_norm: n_power_iterations is {n_power_iterations}; it must be at least 1.")
    if dim is None:
        dim = int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))
    weight = getattr(module, name, None)
    if not isinstance(weight, Handle):
        raise StateError(f"spectral_norm: {type(module).__name__} has no tensor {name!r}.")
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps, rng))
