"""Normalisation layers."""

from __future__ import annotations

from typing import Any

from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import unwrap, wrap
from ..core.op import Array
from ..ops import batch_norm, batch_statistics, layer_norm
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm"]


class LayerNorm(Module):
    """Each example normalised by its own mean and variance over the last axes; see `layer_norm`.

    normalized_shape : the lengths of these axes, or of the last one.
    eps : added to the variance.
    elementwise_affine, bias : whether there is a weight (1 at first), and with it a bias (0 at first).

    Parameters: weight and bias, both of shape `normalized_shape`.

    Raises ShapeError for an input with other last axes.

    >>> nn.LayerNorm(2)(np.array([[1.0, 3.0]], np.float32)).detach().numpy().round(3)
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        how = {"dtype": dtype, "device": device}
        self.weight = Parameter(init.ones(self.normalized_shape, **how)) if elementwise_affine else None
        self.bias = Parameter(init.zeros(self.normalized_shape, **how)) if elementwise_affine and bias else None

    def forward(self, x: Array) -> Array:
        count = len(self.normalized_shape)
        if tuple(x.shape[-count:]) != self.normalized_shape:
            raise ShapeError(
                f"LayerNorm: input is {tuple(x.shape)}; the last axes must be normalized_shape = "
                f"{self.normalized_shape}."
            )
        return layer_norm(x, self.weight, self.bias, axis=tuple(range(-count, 0)), eps=self.eps)


class BatchNorm1d(Module):
    """Each channel normalised by its mean and variance over the batch; see `batch_norm`. Input `(n, c)` or `(n, c, l)`.

    num_features : the number of channels c.
    eps : added to the variance.
    momentum : weight of the batch in the running statistics, r <- (1 - momentum) r + momentum * batch; None averages
        over all batches equally.
    affine : whether there is a weight (1 at first) and a bias (0 at first).
    track_running_stats : whether to keep running statistics, which evaluation mode uses in place of the batch's.

    Parameters: weight and bias `(c,)`. Buffers: running_mean and running_var (unbiased) `(c,)`, num_batches_tracked.

    Raises ShapeError for an input of another number of axes or channels, and for one value per channel in training.

    >>> nn.BatchNorm1d(1)(np.array([[1.0], [3.0]], np.float32)).detach().numpy().round(3)
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    axes = (2, 3)
    _expected = "(n, {c}) or (n, {c}, length)"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        how = {"dtype": dtype, "device": device}
        shape = (num_features,)
        self.weight = Parameter(init.ones(shape, **how)) if affine else None
        self.bias = Parameter(init.zeros(shape, **how)) if affine else None
        if track_running_stats:
            self.running_mean = Tensor(init.zeros(shape, **how))
            self.running_var = Tensor(init.ones(shape, **how))
            self.num_batches_tracked = Tensor(init.zeros((), dtype="int64", device=device))

    def forward(self, x: Array) -> Array:
        shape = tuple(x.shape)
        if len(shape) not in self.axes or shape[1] != self.num_features:
            expected = self._expected.format(c=self.num_features)
            raise ShapeError(f"{type(self).__name__}: input is {shape}; it must be {expected}.")
        if self.track_running_stats and not self.training:
            return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        mean, var, unbiased = batch_statistics(x)
        if self.track_running_stats:
            self._track(unwrap(mean), unwrap(unbiased))
        return batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps)

    def _track(self, mean: Any, var: Any) -> None:
        """Bind new running statistics; an array that somebody else holds is not changed."""
        xp = backend_of(mean).xp
        self.num_batches_tracked = wrap(backend_of(mean).asarray(self.num_batches_tracked.data + 1), None)
        rate = 1.0 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        for name, value in (("running_mean", mean), ("running_var", var)):
            old = getattr(self, name).data
            setattr(self, name, wrap((1.0 - rate) * old + rate * xp.astype(value, old.dtype), None))


class BatchNorm2d(BatchNorm1d):
    """The same for images `(n, c, h, w)`: each channel over the batch and all pixels. Arguments as for `BatchNorm1d`.

    >>> nn.BatchNorm2d(3)(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
    """

    axes = (4,)
    _expected = "(n, {c}, h, w)"
