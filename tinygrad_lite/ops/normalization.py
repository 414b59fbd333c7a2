"""Normalisation by mean and variance, by norms, and dropout."""

from __future__ import annotations

import math
from typing import Any

from ..core.axes import Axis, axes_of, shape_of, wrong_axis
from ..core.backend import backend_of, device_backend
from ..core.dtypes import is_complex, is_floating, limits
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite, primitive
from ..core.philox import Draw
from .comparison import where
from .elementwise import maximum, power, sqrt, square
from .joining import pad
from .movement import reshape
from .norms import vector_norm
from .random import default_generator
from .reductions import mean

__all__ = [
    "batch_norm",
    "batch_norm_training",
    "batch_statistics",
    "drop",
    "dropout",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "moments",
    "moments_gradient",
    "normalize",
    "rms_norm",
]


@composite(shapes="any", autocast="float32")
def layer_norm(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    axis: int | tuple[int, ...] = -1,
    eps: float = 1e-5,
) -> Array:
    """Layer normalisation, (x - mean) / sqrt(variance + eps) * weight + bias, with the statistics of x over `axis`.

    x : any shape. weight, bias : the lengths of x along `axis`, or None for 1 and 0. The variance divides by their
    product.
    Raises ShapeError if weight or bias has another shape.
    Source: Ba et al. 2016, arXiv:1607.06450.

    >>> layer_norm(np.array([[1.0, 2.0, 3.0]]), eps=0.0)
    array([[-1.22474487,  0.        ,  1.22474487]])
    """
    axes = _axes("layer_norm", x, axis)
    centred = x - mean(x, axis=axis, keepdims=True)
    out = centred / sqrt(mean(square(centred), axis=axis, keepdims=True) + eps)
    return _scaled("layer_norm", out, weight, bias, axes)


@composite(shapes="any", autocast="float32")
def batch_norm(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    axis: int = 1,
    eps: float = 1e-5,
) -> Array:
    """Batch normalisation with given statistics, (x - mean) / sqrt(var + eps) * weight + bias, along `axis`.

    x : (n, channels, ...). mean, var, weight, bias : (channels,); weight and bias may be None for 1 and 0. For the
    statistics of x itself, as in training, there is `batch_norm_training`.
    Raises ShapeError if one of them has another shape.
    Source: Ioffe & Szegedy 2015, arXiv:1502.03167.

    >>> batch_norm(np.array([[1.0], [3.0]]), np.array([2.0]), np.array([1.0]), eps=0.0)
    array([[-1.],
           [ 1.]])
    """
    axes = _axes("batch_norm", x, axis)
    mean, var = _aligned("batch_norm", "mean", mean, x, axes), _aligned("batch_norm", "var", var, x, axes)
    return _scaled("batch_norm", (x - mean) / sqrt(var + eps), weight, bias, axes)


@composite(shapes="any", outputs=("out", "mean", "var"), autocast="float32")
def batch_norm_training(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, axis: int = 1, eps: float = 1e-5
) -> Any:
    """Batch normalisation with the statistics of x, and these: `batch_norm` by its mean and variance for each channel.

    x : (n, channels, ...). weight, bias : (channels,), or None for 1 and 0. Returns the normalised array, and mean and
    variance, (channels,), over all axes but `axis`; the variance divides by the number of values per channel.
    Raises ShapeError if there are fewer than two values per channel, or weight or bias has another shape.
    Source: Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1.

    >>> batch_norm_training(np.array([[1.0], [3.0]]), eps=0.0).out
    array([[-1.],
           [ 1.]])
    """
    axes, _ = _all_but("batch_norm_training", x, axis)
    mean, var = moments(x, axis=axes)
    return batch_norm(x, mean, var, weight, bias, axis=axis, eps=eps), mean, var


@composite(shapes="any", autocast="float32")
def group_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, num_groups: int, eps: float = 1e-5
) -> Array:
    """Group normalisation: layer normalisation of each group of channels, then times weight plus bias by channel.

    x : (n, channels, ...). weight, bias : (channels,), or None for 1 and 0. num_groups : how many groups.
    Raises ShapeError if the channels cannot be divided so, and for a weight or bias of another shape.
    Source: Wu & He 2018, arXiv:1803.08494.

    >>> group_norm(np.array([[[1.0, 3.0], [2.0, 2.0]]]), num_groups=2, eps=0.1).round(2)
    array([[[-0.95,  0.95],
            [ 0.  ,  0.  ]]])
    """
    shape = tuple(x.shape)
    if len(shape) < 2 or num_groups < 1 or shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: x is {shape} and num_groups is {num_groups}; x must be (n, channels, ...), with a multiple "
            f"of num_groups for channels."
        )
    groups = reshape(x, (shape[0], num_groups, math.prod(shape[1:]) // num_groups))
    return _scaled("group_norm", reshape(layer_norm(groups, eps=eps), shape), weight, bias, (1,))


@composite(shapes="any", autocast="float32")
def instance_norm(x: Array, weight: Array | None = None, bias: Array | None = None, *, eps: float = 1e-5) -> Array:
    """Instance normalisation: each channel of each example by its own mean and variance.

    x : (n, channels, ...), with more than one value per channel. weight, bias : (channels,), or None for 1 and 0.
    Raises ShapeError if x has fewer axes or values, and for a weight or bias of another shape.
    Source: Ulyanov et al. 2016, arXiv:1607.08022.

    >>> instance_norm(np.array([[[1.0, 3.0], [2.0, 2.0]]]), eps=0.1).round(2)
    array([[[-0.95,  0.95],
            [ 0.  ,  0.  ]]])
    """
    shape = tuple(x.shape)
    if len(shape) < 3 or math.prod(shape[2:]) < 2:
        raise ShapeError(
            f"instance_norm: x is {shape}; it must be (n, channels, ...), with at least 2 values in each channel."
        )
    return _scaled("instance_norm", layer_norm(x, axis=tuple(range(2, len(shape))), eps=eps), weight, bias, (1,))


@composite(shapes="any", autocast="float32")
def rms_norm(
    x: Array, weight: Array | None = None, *, axis: int | tuple[int, ...] = -1, eps: float | None = None
) -> Array:
    """Normalisation by the root of the mean square, x / sqrt(mean(x^2) + eps) * weight, over `axis`.

    x : any shape. weight : the lengths of x along `axis`, or None for 1. eps : None stands for the distance from 1 to
    the next number of the dtype of x.
    Raises ShapeError if weight has another shape.
    Source: Zhang & Sennrich 2019, arXiv:1910.07467.

    >>> rms_norm(np.array([[1.0, 7.0]]))
    array([[0.2, 1.4]])
    """
    axes = _axes("rms_norm", x, axis)
    if eps is None:
        eps = min(float(limits(x.dtype).eps), float(limits("float32").eps))
    out = x / sqrt(mean(square(x), axis=axis, keepdims=True) + eps)
    return _scaled("rms_norm", out, weight, None, axes)


@composite(shapes="any")
def local_response_norm(x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """Local response normalisation, x / (k + alpha * s)^beta, with s the mean of x^2 over `size` neighbouring channels.

    x : (n, channels, ...), with at least 3 axes. The window has size // 2 channels before and (size - 1) // 2 after;
    channels that there are not count as 0.
    Raises ShapeError if x has fewer axes, or size is not positive.
    Source: Krizhevsky et al. 2012, section 3.3.

    >>> local_response_norm(np.array([[[1.0], [2.0], [4.0]]]), size=2, alpha=2.0, beta=1.0)
    array([[[0.5       ],
            [0.33333333],
            [0.19047619]]])
    """
    shape = tuple(x.shape)
    if len(shape) < 3 or size < 1:
        raise ShapeError(
            f"local_response_norm: x is {shape} and size is {size}; x must be (n, channels, ...), with at least 3 "
            f"axes, and size from 1 up."
        )
    around = ((0, 0), (size // 2, (size - 1) // 2), *[(0, 0)] * (len(shape) - 2))
    squares = pad(square(x), around)
    total = squares[:, : shape[1], ...]
    for i in range(1, size):
        total = total + squares[:, i : i + shape[1], ...]
    return x / power(k + alpha / size * total, beta)


@composite(shapes="any")
def normalize(x: Array, *, p: float = 2.0, axis: int | tuple[int, ...] = 1, eps: float = 1e-12) -> Array:
    """x divided by its p-norm along `axis`, or by `eps` if that is larger: vectors of length 1.

    x : any shape with this axis. p : a positive number; infinity for the largest absolute value.
    Raises ShapeError for another p, and an axis that is not there.

    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    _axes("normalize", x, axis)
    if not p > 0:
        raise ShapeError(f"normalize: p is {p}; it must be a positive number.")
    return x / maximum(vector_norm(x, ord=p, axis=axis, keepdims=True), eps)


@composite()
def moments_gradient(x: Array, mean: Array, of_mean: Array, of_var: Array) -> Array:
    """The gradient of `moments` at x, (x - mean) * of_var + of_mean; all arrays broadcast.

    of_mean : the cotangents of means, divided by the number of elements of each. of_var : of variances, times 2.

    >>> moments_gradient(np.array([1.0, 3.0]), np.array([2.0]), np.array([0.5]), np.array([1.0]))
    array([-0.5,  1.5])
    """
    return (x - mean) * of_var + of_mean


def _moments_rule(g: tuple, x: Array, out: tuple, axis: Axis) -> Array:
    axes = range(len(x.shape)) if axis is None else axes_of(axis, len(x.shape))
    count = math.prod(x.shape[i] for i in axes)
    ones = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    of_mean, of_var, centre = (reshape(part, ones) for part in (g[0], g[1], out[0]))
    return moments_gradient(x, centre, of_mean * (1.0 / count), of_var * (2.0 / count))


def _explain_moments(x: Array, *, axis: Axis = None, **_: Any) -> str | None:
    shape = shape_of(x)
    message = wrong_axis(len(shape), axis)
    return None if message is None else f"x is {shape} and axis={axis}; {message}"


@primitive(x=_moments_rule, outputs=("mean", "var"), shapes="any", autocast="float32", explain=_explain_moments)
def moments(xp: Any, x: Array, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean and variance of the elements of a real array; both NaN if there are none.

    The variance divides by the number of elements.

    >>> mean, var = moments(np.array([[1.0, 3.0], [2.0, 2.0]]), axis=1)
    >>> mean, var
    (array([2., 2.]), array([1., 0.]))
    """
    x = x if is_floating(x.dtype) else xp.astype(x, xp.float64)
    centre = xp.mean(x, axis=axis, keepdims=True)
    centred = x - centre
    var = xp.mean(centred * centred, axis=axis, keepdims=keepdims)
    return xp.reshape(centre, var.shape), var


def batch_statistics(x: Array, *, axis: int = 1) -> tuple[Array, Array, Array]:
    """Mean, variance and unbiased variance of x over all axes but one, as batch normalisation needs them in training.

    x : (n, channels, ...). Returns three arrays of shape (channels,). The variance, which divides by the number of
    values per channel, normalises the batch; the unbiased one, which divides by one less, goes into running averages.
    Raises ShapeError if there are fewer than two values per channel.

    >>> batch_statistics(np.array([[1.0], [3.0]]))
    (array([2.]), array([1.]), array([2.]))
    """
    axes, count = _all_but("batch_statistics", x, axis)
    centre, var = moments(x, axis=axes)
    return centre, var, var * (count / (count - 1))


def _all_but(op: str, x: Array, axis: int) -> tuple[tuple[int, ...], int]:
    """The axes of x beside that of the channels, and how many values a channel has, at least 2."""
    kept = _axes(op, x, axis)
    axes = tuple(a for a in range(len(x.shape)) if a not in kept)
    count = math.prod(x.shape[a] for a in axes)
    if count < 2:
        raise ShapeError(f"{op}: x is {tuple(x.shape)}, with {count} values per channel; a variance needs at least 2.")
    return axes, count


def dropout(x: Array, *, p: float = 0.5, training: bool = True, rng: Any = None) -> Array:
    """x with each element set to 0 with probability `p` and the others divided by 1 - p; x itself if not `training`.

    rng : the generator to draw from; the default generator if None.
    Raises ShapeError if `p` is not between 0 and 1.
    Source: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html.

    >>> dropout(np.ones(2), p=0.5, training=False)
    array([1., 1.])
    """
    if not 0.0 <= p <= 1.0:
        raise ShapeError(f"dropout: p is {p}; it must be a probability, from 0 to 1.")
    if not training or p == 0.0:
        return x
    data, source = unwrap(x), rng or default_generator()
    device, scale = backend_of(data).device_of(data), 1.0 / (1.0 - p) if p < 1.0 else 1.0
    if device_backend(device).draws and is_floating(data.dtype) and not is_complex(data.dtype):
        return drop(x, draw=source.mask(1.0 - p, tuple(x.shape)), scale=scale)
    kept = unwrap(source.bernoulli(1.0 - p, x.shape, device=device))
    return where(kept, x * scale, 0.0)


@primitive(x=lambda g, draw, scale: drop(g, draw=draw, scale=scale), shapes="any", autocast="as given")
def drop(xp: Any, x: Array, *, draw: Draw, scale: float) -> Array:
    """`x * scale` where `draw`, the truth values of `Generator.mask` for the shape of x, is true, and 0 elsewhere.

    Nothing is kept for the derivative, which makes the truth values again: on a GPU that costs less than reading them.

    >>> drop(np.ones(4), draw=Generator(0).mask(0.5, (4,)), scale=2.0)
    array([2., 2., 0., 2.])
    """
    device = backend_of(x).device_of(x)
    scaled = x * scale
    return xp.where(device_backend(device).draw(draw, device), scaled, xp.zeros_like(scaled))


def _axes(op: str, x: Array, axis: int | tuple[int, ...]) -> tuple[int, ...]:
    """The axes counted from 0, in the order of x."""
    message = wrong_axis(len(x.shape), axis)
    if message is not None:
        raise ShapeError(f"{op}: x is {tuple(x.shape)} and axis={axis}; {message}")
    return tuple(sorted(axes_of(axis, len(x.shape))))


def _aligned(op: str, name: str, value: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """A parameter with one axis for each of `axes`, shaped so that these meet the same axes of x."""
    expected = tuple(x.shape[a] for a in axes)
    if tuple(value.shape) != expected:
        raise ShapeError(
            f"{op}: {name} is {tuple(value.shape)} and x is {tuple(x.shape)}; {name} must have the lengths of x along "
            f"axis {', '.join(map(str, axes))}, {expected}."
        )
    if axes == tuple(range(len(x.shape) - len(axes), len(x.shape))):
        return value
    return reshape(value, tuple(n if a in axes else 1 for a, n in enumerate(x.shape)))


def _scaled(op: str, out: Array, weight: Array | None, bias: Array | None, axes: tuple[int, ...]) -> Array:
    if weight is not None:
        out = out * _aligned(op, "weight", weight, out, axes)
    if bias is not None:
        out = out + _aligned(op, "bias", bias, out, axes)
    return out
