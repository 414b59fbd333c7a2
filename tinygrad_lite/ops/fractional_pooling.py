"""Max pooling by a ratio that is no whole number: the windows' distances are drawn at random."""

from __future__ import annotations

from math import prod
from typing import Any

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import Handle, unwrap, wrap
from ..core.op import Array, composite
from .indexing import take_along_axis
from .movement import reshape
from .random import default_generator
from .reductions import max
from .windows import Sizes, image_axes, per_axis

__all__ = [
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]  # fmt: skip

Ratios = float | tuple[float, ...]


@composite(shapes="any")
def fractional_max_pool2d(
    x: Array,
    samples: Array | None = None,
    *,
    kernel_size: int | Sizes,
    output_size: int | Sizes | None = None,
    output_ratio: Ratios | None = None,
    rng: Any = None,
) -> Array:
    """Maximum of windows of an image whose distances vary at random, so that the image shrinks by any ratio.

    x : (n, c, h, w). kernel_size : an integer, or (height, width). output_size : the same, of the result; or
    output_ratio : a number between 0 and 1 by which to multiply h and w, or two.
    samples : (n, c, 2), numbers from 0 to 1 that decide where the windows lie along each axis; drawn from `rng` (the
    default generator if None) if None. They have no derivative.
    Raises ShapeError unless exactly one of output_size and output_ratio is given and the windows fit.
    Source: Graham 2014, arXiv:1412.6071.

    >>> fractional_max_pool2d(np.arange(9.0).reshape(1, 1, 3, 3), np.zeros((1, 1, 2)), kernel_size=2, output_size=2)
    array([[[[4., 5.],
             [7., 8.]]]])
    """
    return _pooled("fractional_max_pool2d", x, samples, kernel_size, output_size, output_ratio, rng, 2)[0]


@composite(shapes="any")
def fractional_max_pool3d(
    x: Array,
    samples: Array | None = None,
    *,
    kernel_size: int | Sizes,
    output_size: int | Sizes | None = None,
    output_ratio: Ratios | None = None,
    rng: Any = None,
) -> Array:
    """The same of volumes; see `fractional_max_pool2d`. x : (n, c, d, h, w). samples : (n, c, 3).

    >>> fractional_max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), kernel_size=2, output_size=1)
    array([[[[[7.]]]]])
    """
    return _pooled("fractional_max_pool3d", x, samples, kernel_size, output_size, output_ratio, rng, 3)[0]


@composite(shapes="any")
def fractional_max_pool2d_with_indices(
    x: Array,
    samples: Array | None = None,
    *,
    kernel_size: int | Sizes,
    output_size: int | Sizes | None = None,
    output_ratio: Ratios | None = None,
    rng: Any = None,
) -> tuple[Array, Array]:
    """`fractional_max_pool2d`, and where the maxima are; see `max_pool2d_with_indices`.

    >>> fractional_max_pool2d_with_indices(np.arange(4.0).reshape(1, 1, 2, 2), kernel_size=2, output_size=1)[1]
    array([[[[3]]]])
    """
    return _pooled("fractional_max_pool2d_with_indices", x, samples, kernel_size, output_size, output_ratio, rng, 2)


@composite(shapes="any")
def fractional_max_pool3d_with_indices(
    x: Array,
    samples: Array | None = None,
    *,
    kernel_size: int | Sizes,
    output_size: int | Sizes | None = None,
    output_ratio: Ratios | None = None,
    rng: Any = None,
) -> tuple[Array, Array]:
    """`fractional_max_pool3d`, and where the maxima are; see `max_pool2d_with_indices`.

    >>> fractional_max_pool3d_with_indices(np.arange(8.0).reshape(1, 1, 2, 2, 2), kernel_size=2, output_size=1)[1]
    array([[[[[7]]]]])
    """
    return _pooled("fractional_max_pool3d_with_indices", x, samples, kernel_size, output_size, output_ratio, rng, 3)


def _pooled(
    op: str, x: Array, samples: Array | None, kernel_size: Any, output_size: Any, output_ratio: Any, rng: Any, axes: int
) -> tuple[Array, Array]:
    image_axes(op, x, axes)
    n, c, *image = shape_of(x)
    kernel = per_axis(op, "kernel_size", kernel_size, 1, axes)
    sizes = _sizes(op, image, output_size, output_ratio, axes)
    if any(k + m - 1 > size for k, m, size in zip(kernel, sizes, image, strict=True)):
        raise ShapeError(
            f"{op}: x is {shape_of(x)}, kernel_size is {kernel} and the output {sizes}; so many windows do not fit "
            f"unless each length of x is at least kernel_size + output_size - 1."
        )
    raw = unwrap(x)
    backend = backend_of(raw)
    xp = backend.xp
    if samples is None:
        source = rng or default_generator()
        samples = source.uniform((n, c, axes), dtype="float64", device=backend.device_of(raw))
    drawn = unwrap(samples)
    if tuple(drawn.shape) != (n, c, axes):
        raise ShapeError(f"{op}: x is {shape_of(x)} and samples is {tuple(drawn.shape)}; it must be {(n, c, axes)}.")
    # The number of each element of each window, (n, c, *kernel, *sizes).
    number: Any = 0
    for i, (k, m, size) in enumerate(zip(kernel, sizes, image, strict=True)):
        inside = xp.reshape(xp.arange(k), tuple(k if j == i else 1 for j in range(2 * axes)))
        starts = xp.reshape(_starts(xp, drawn[:, :, i], k, m, size), (n, c, *_along(m, axes + i, 2 * axes)))
        number = number * size + (starts + inside)
    shape = tuple(number.shape)
    count = prod(kernel)
    flat = reshape(x, (n, c, prod(image)))
    elements = reshape(
        take_along_axis(flat, xp.reshape(number, (n, c, prod(shape[2:]))), axis=-1), (n, c, count, *sizes)
    )
    number = xp.reshape(number, (n, c, count, *sizes))
    best = xp.argmax(unwrap(elements), axis=2, keepdims=True)
    chosen = xp.reshape(take_along_axis(number, best, axis=2), (n, c, *sizes))
    return max(elements, axis=2), wrap(chosen, None) if isinstance(x, Handle) else chosen


def _along(length: int, axis: int, ndim: int) -> tuple[int, ...]:
    return tuple(length if i == axis else 1 for i in range(ndim))


def _starts(xp: Any, drawn: Any, kernel: int, out: int, size: int) -> Any:
    """Where the windows begin along an axis, (n, c, out): at steps of the ratio, rounded down; the last at the end."""
    last = size - kernel
    ratio = last / (out - 1) if out > 1 else 0.0
    u = xp.expand_dims(drawn, axis=-1)
    starts = xp.floor((u + xp.arange(out, dtype=drawn.dtype)) * ratio) - xp.floor(u * ratio)
    return xp.where(xp.arange(out) == out - 1, last, xp.astype(starts, xp.int64))


def _sizes(op: str, image: list[int], output_size: Any, output_ratio: Any, axes: int) -> Sizes:
    if (output_size is None) == (output_ratio is None):
        raise ShapeError(f"{op}: exactly one of output_size and output_ratio is required.")
    if output_size is not None:
        return per_axis(op, "output_size", output_size, 1, axes)
    ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * axes
    sizes = tuple(int(size * ratio) for size, ratio in zip(image, ratios, strict=False))
    if len(ratios) != axes or not all(0 < ratio < 1 for ratio in ratios) or min(sizes) < 1:
        raise ShapeError(f"{op}: output_ratio is {output_ratio!r}; it must be between 0 and 1, and leave something.")
    return sizes
