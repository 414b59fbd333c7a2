"""Normalisation layers."""

from __future__ import annotations

import math
from typing import Any

from ..core.backend import backend_of
from ..core.effects import live_numbers, replayed
from ..core.errors import ShapeError
from ..core.graph import unwrap, wrap
from ..core.op import Array
from ..ops import (
    batch_norm,
    batch_norm_training,
    batch_statistics,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    mean,
    reshape,
    rms_norm,
)
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


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


class RMSNorm(Module):
    """Each example divided by the root of its mean square over the last axes; see `rms_norm`.

    normalized_shape : the lengths of these axes, or of the last one.
    eps : added to the mean square; None for the distance from 1 to the next number of the input's dtype.
    elementwise_affine : whether there is a weight (1 at first).

    Parameters: weight, of shape `normalized_shape`.

    Raises ShapeError for an input with other last axes.

    >>> nn.RMSNorm(2)(np.array([[1.0, 7.0]], np.float32)).detach().numpy().round(3)
    array([[0.2, 1.4]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        how = {"dtype": dtype, "device": device}
        self.weight = Parameter(init.ones(self.normalized_shape, **how)) if elementwise_affine else None

    def forward(self, x: Array) -> Array:
        count = len(self.normalized_shape)
        if tuple(x.shape[-count:]) != self.normalized_shape:
            raise ShapeError(
                f"RMSNorm: input is {tuple(x.shape)}; the last axes must be normalized_shape = {self.normalized_shape}."
            )
        return rms_norm(x, self.weight, axis=tuple(range(-count, 0)), eps=self.eps)


class GroupNorm(Module):
    """Each group of channels of each example normalised by its own mean and variance; see `group_norm`.

    num_groups : how many groups. num_channels : the channels, a multiple of that. eps : added to the variance.
    affine, bias : whether there is a weight (1 at first), and with it a bias (0 at first).

    Parameters: weight and bias `(num_channels,)`.

    Raises ShapeError for channels that cannot be divided so, and for an input with others.

    >>> nn.GroupNorm(2, 4)(np.ones((1, 4, 3), np.float32)).shape
    (1, 4, 3)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ShapeError(
                f"GroupNorm: num_channels is {num_channels} and num_groups is {num_groups}; the channels must be a "
                f"multiple of the groups."
            )
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        how = {"dtype": dtype, "device": device}
        self.weight = Parameter(init.ones((num_channels,), **how)) if affine else None
        self.bias = Parameter(init.zeros((num_channels,), **how)) if affine and bias else None

    def forward(self, x: Array) -> Array:
        if len(x.shape) < 2 or x.shape[1] != self.num_channels:
            raise ShapeError(f"GroupNorm: input is {tuple(x.shape)}; it must be (n, {self.num_channels}, ...).")
        return group_norm(x, self.weight, self.bias, num_groups=self.num_groups, eps=self.eps)


class LocalResponseNorm(Module):
    """Each value divided by a power of the mean square of its neighbouring channels; see `local_response_norm`.

    >>> nn.LocalResponseNorm(2)(np.zeros((1, 4, 3))).shape
    (1, 4, 3)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Array) -> Array:
        return local_response_norm(x, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k)


class BatchNorm1d(Module):
    """Each channel normalised by its mean and variance over the batch; see `batch_norm`. Input `(n, c)` or `(n, c, l)`.

    num_features : the number of channels c.
    eps : added to the variance.
    momentum : weight of the batch in the running statistics, r <- (1 - momentum) r + momentum * batch; None averages
        over all batches equally.
    affine, bias : whether there is a weight (1 at first), and with it a bias (0 at first).
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
        bias: bool = True,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        how = {"dtype": dtype, "device": device}
        shape = (num_features,)
        self.weight = Parameter(init.ones(shape, **how)) if affine else None
        self.bias = Parameter(init.zeros(shape, **how)) if affine and bias else None
        if track_running_stats:
            self.running_mean = Tensor(init.zeros(shape, **how))
            self.running_var = Tensor(init.ones(shape, **how))
            self.num_batches_tracked = Tensor(init.zeros((), dtype="int64", device=device))

    def forward(self, x: Array) -> Array:
        self._check(x)
        if self.track_running_stats and not self.training:
            return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        out, mean, var = batch_norm_training(x, self.weight, self.bias, eps=self.eps)
        if self.track_running_stats:
            count = math.prod(x.shape) // self.num_features
            self._track(unwrap(mean), unwrap(var), count / (count - 1))
        return out

    def _check(self, x: Array) -> None:
        shape = tuple(x.shape)
        if len(shape) not in self.axes or shape[1] != self.num_features:
            expected = self._expected.format(c=self.num_features)
            raise ShapeError(f"{type(self).__name__}: input is {shape}; it must be {expected}.")

    @replayed(graph="fixed", gradients=False)
    def _track(self, mean: Any, var: Any, unbiased: float) -> None:
        """unbiased : what makes the variance one that divides by one less."""
        live = live_numbers.get()
        if live is not None and self.momentum is None:
            live.refuse("the number of batches is looked at")
        backend = backend_of(mean)
        with backend.on(mean):
            self.num_batches_tracked = wrap(backend.asarray(self.num_batches_tracked.data + 1), None)
            rate = 1.0 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
            self._move(mean, var * unbiased, rate)

    def _move(self, mean: Any, var: Any, rate: float) -> None:
        """Bind new running statistics; an array that somebody else holds is not changed."""
        xp = backend_of(mean).xp
        for name, value in (("running_mean", mean), ("running_var", var)):
            old = getattr(self, name).data
            moved = (1.0 - rate) * old + rate * xp.astype(value, old.dtype)
            if moved.dtype != old.dtype:  # NumPy's bfloat16 times a number
                moved = xp.astype(moved, old.dtype)
            setattr(self, name, wrap(moved, None))


class BatchNorm2d(BatchNorm1d):
    """The same for images `(n, c, h, w)`: each channel over the batch and all pixels. Arguments as for `BatchNorm1d`.

    >>> nn.BatchNorm2d(3)(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
    """

    axes = (4,)
    _expected = "(n, {c}, h, w)"


class BatchNorm3d(BatchNorm1d):
    """The same for volumes `(n, c, d, h, w)`. Arguments as for `BatchNorm1d`.

    >>> nn.BatchNorm3d(3)(np.ones((2, 3, 2, 4, 4), np.float32)).shape
    (2, 3, 2, 4, 4)
    """

    axes = (5,)
    _expected = "(n, {c}, d, h, w)"


class InstanceNorm1d(BatchNorm1d):
    """Each channel of each sequence `(n, c, length)` by its own mean and variance; see `instance_norm`.

    num_features : the number of channels c. eps : added to the variance.
    affine, bias : whether there is a weight (1 at first), and with it a bias (0 at first).
    track_running_stats : whether to keep running means of the statistics, which evaluation mode uses in their place;
        momentum : the weight of the batch in them (None for 0).

    Parameters and buffers as for `BatchNorm1d`; the batches are not counted.

    Raises ShapeError for an input of another number of axes or channels, and for one value per channel.

    >>> nn.InstanceNorm1d(1)(np.array([[[1.0, 3.0]]], np.float32)).round(3)
    array([[[-1.,  1.]]], dtype=float32)
    """

    axes = (3,)
    _expected = "(n, {c}, length)"

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, bias=bias, dtype=dtype, device=device
        )

    def forward(self, x: Array) -> Array:
        self._check(x)
        if self.track_running_stats and not self.training:
            return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        out = instance_norm(x, self.weight, self.bias, eps=self.eps)
        if self.track_running_stats:
            data = unwrap(x)
            shape = (x.shape[0], self.num_features)
            centre, _, unbiased = batch_statistics(reshape(data, (1, shape[0] * shape[1], *data.shape[2:])))
            centre, unbiased = (mean(reshape(each, shape), axis=0) for each in (centre, unbiased))
            self._move(centre, unbiased, 0.0 if self.momentum is None else self.momentum)
        return out


class InstanceNorm2d(InstanceNorm1d):
    """The same for images `(n, c, h, w)`. Arguments as for `InstanceNorm1d`.

    >>> nn.InstanceNorm2d(3)(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
    """

    axes = (4,)
    _expected = "(n, {c}, h, w)"


class InstanceNorm3d(InstanceNorm1d):
    """The same for volumes `(n, c, d, h, w)`. Arguments as for `InstanceNorm1d`.

    >>> nn.InstanceNorm3d(3)(np.ones((2, 3, 2, 4, 4), np.float32)).shape
    (2, 3, 2, 4, 4)
    """

    axes = (5,)
    _expected = "(n, {c}, d, h, w)"
