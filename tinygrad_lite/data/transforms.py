"""Changes to images on their way into a model, for a whole batch at once: each image by its own random numbers.

A transform is called as `transform(images, rng=...)`, images (n, channels, height, width), and returns new images; they
go into `DataLoader(..., transform=...)`. `rng` is a seed or a Generator; the default generator if None.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from ..core.errors import DTypeError, ShapeError, describe
from ..ops.random import Generator
from .arguments import generator_of

__all__ = [
    "CenterCrop", "Compose", "GaussianNoise", "Normalize", "RandomCrop", "RandomHorizontalFlip", "RandomRotation",
    "RandomShift", "RandomVerticalFlip",
]  # fmt: skip

Images = numpy.ndarray
Rng = int | Generator | None


def takes_rng(transform: Any) -> bool:
    """Whether what a transform does is random: whether it has a parameter `rng`, or is a Compose of one that does."""
    if isinstance(transform, Compose):
        return any(map(takes_rng, transform.transforms))
    try:
        return "rng" in inspect.signature(transform).parameters
    except (TypeError, ValueError):  # None, or written in C
        return False


class Compose:
    """One transform after the other, each given `rng` if it takes it.

    >>> both = data.transforms.Compose([data.transforms.RandomHorizontalFlip(1.0), lambda images: 10 * images])
    >>> both(np.array([[[[1, 2]]]]))
    array([[[[20, 10]]]])
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        self.transforms = list(transforms)
        for transform in self.transforms:
            if not callable(transform):
                raise DTypeError(f"Compose: {transform!r} is no transform; each must be callable with a batch.")

    def __call__(self, images: Any, rng: Rng = None) -> Any:
        generator = generator_of(rng)
        for transform in self.transforms:
            images = transform(images, rng=generator) if takes_rng(transform) else transform(images)
        return images

    def __repr__(self) -> str:
        return f"Compose({self.transforms!r})"


@dataclass(frozen=True)
class RandomShift:
    """Images moved by up to `pixels` up or down and left or right, whole pixels; `fill` comes in from outside.

    pixels : one number, or those for (height, width).

    >>> data.transforms.RandomShift((0, 1))(np.array([[[[1, 2, 3]]]]), rng=0)
    array([[[[0, 1, 2]]]])
    """

    pixels: int | tuple[int, int]
    fill: float = 0.0

    def __post_init__(self) -> None:
        _pair("RandomShift: pixels", self.pixels, 0)

    def __call__(self, images: Images, rng: Rng = None) -> Images:
        images = _images("RandomShift", images)
        padded = _padded(images, _pair("RandomShift: pixels", self.pixels, 0), self.fill)
        return _cut("RandomShift", padded, images.shape[2:], rng)


@dataclass(frozen=True)
class RandomCrop:
    """A part of each image, at a random place.

    size : (height, width) of the part, one number for a square. padding : how many pixels of `fill` are first put
    around the image, one number or those for (height, width).

    Raises ShapeError, when it is called, for images that are smaller than the part.

    >>> data.transforms.RandomCrop(2)(np.arange(9).reshape(1, 1, 3, 3), rng=3)
    array([[[[0, 1],
             [3, 4]]]])
    """

    size: int | tuple[int, int]
    padding: int | tuple[int, int] = 0
    fill: float = 0.0

    def __post_init__(self) -> None:
        _pair("RandomCrop: size", self.size, 1)
        _pair("RandomCrop: padding", self.padding, 0)

    def __call__(self, images: Images, rng: Rng = None) -> Images:
        padded = _padded(_images("RandomCrop", images), _pair("RandomCrop: padding", self.padding, 0), self.fill)
        return _cut("RandomCrop", padded, _pair("RandomCrop: size", self.size, 1), rng)


@dataclass(frozen=True)
class CenterCrop:
    """The middle of each image; nothing random. size : as for `RandomCrop`.

    >>> data.transforms.CenterCrop(1)(np.arange(9).reshape(1, 1, 3, 3))
    array([[[[4]]]])
    """

    size: int | tuple[int, int]

    def __post_init__(self) -> None:
        _pair("CenterCrop: size", self.size, 1)

    def __call__(self, images: Images) -> Images:
        images = _images("CenterCrop", images)
        size = _pair("CenterCrop: size", self.size, 1)
        top, left = _room("CenterCrop", images, size)
        top, left = top // 2, left // 2
        return images[:, :, top : top + size[0], left : left + size[1]].copy()


@dataclass(frozen=True)
class RandomHorizontalFlip:
    """Left and right exchanged, in each image with probability p.

    >>> data.transforms.RandomHorizontalFlip(1.0)(np.array([[[[1, 2, 3]]]]))
    array([[[[3, 2, 1]]]])
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        _probability("RandomHorizontalFlip", self.p)

    def __call__(self, images: Images, rng: Rng = None) -> Images:
        return _flipped(_images("RandomHorizontalFlip", images), self.p, rng, -1)


@dataclass(frozen=True)
class RandomVerticalFlip:
    """Top and bottom exchanged, in each image with probability p.

    >>> data.transforms.RandomVerticalFlip(1.0)(np.array([[[[1], [2], [3]]]]))[0, 0, :, 0]
    array([3, 2, 1])
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        _probability("RandomVerticalFlip", self.p)

    def __call__(self, images: Images, rng: Rng = None) -> Images:
        return _flipped(_images("RandomVerticalFlip", images), self.p, rng, -2)


@dataclass(frozen=True)
class RandomRotation:
    """Images turned about their middle by a random angle, with bilinear interpolation; `fill` beyond the edges.

    degrees : angles are drawn evenly between -degrees and degrees, or from (least, greatest); positive ones turn
    counter-clockwise. Images of integers are rounded.

    >>> data.transforms.RandomRotation((90, 90))(np.array([[[[1.0, 2.0], [3.0, 4.0]]]])).round(6)
    array([[[[2., 4.],
             [1., 3.]]]])
    """

    degrees: float | tuple[float, float]
    fill: float = 0.0

    def __post_init__(self) -> None:
        least, greatest = self._range()
        if not least <= greatest:
            raise ShapeError(
                f"RandomRotation: degrees are {self.degrees!r}; a number from 0 up, or (least, greatest), is required."
            )

    def _range(self) -> tuple[float, float]:
        return self.degrees if isinstance(self.degrees, tuple) else (-self.degrees, self.degrees)

    def __call__(self, images: Images, rng: Rng = None) -> Images:
        images = _images("RandomRotation", images)
        low, high = self._range()
        angles = generator_of(rng).uniform((len(images), 1, 1), low=low, high=high, dtype="float64").numpy()
        return _rotated(images, angles * (math.pi / 180), self.fill)


@dataclass(frozen=True)
class Normalize:
    """(images - mean) / std, channel by channel; nothing random.

    mean, std : a number, or one for each channel.

    Raises ShapeError for a std that is not positive, and when it is called, for another number of channels; DTypeError
    for images of integers.

    >>> data.transforms.Normalize(mean=0.5, std=[0.5])(np.array([[[[0.0, 1.0]]]]))
    array([[[[-1.,  1.]]]])
    """

    mean: float | Sequence[float]
    std: float | Sequence[float]

    def __post_init__(self) -> None:
        if not numpy.all(numpy.asarray(self.std) > 0):
            raise ShapeError(f"Normalize: std is {self.std!r}; positive numbers are required.")

    def __call__(self, images: Images) -> Images:
        images = _images("Normalize", images, floating=True)
        mean, std = (self._channels(images, name) for name in ("mean", "std"))
        return (images - mean) / std

    def _channels(self, images: Images, name: str) -> numpy.ndarray:
        values = numpy.asarray(getattr(self, name), images.dtype)
        if values.shape not in ((), (1,), (images.shape[1],)):
            raise ShapeError(
                f"Normalize: {name} has shape {values.shape} and the images have {images.shape[1]} channels; a number, "
                f"or one for each channel, is required."
            )
        return values.reshape(-1, 1, 1)


@dataclass(frozen=True)
class GaussianNoise:
    """Images with a normal random number of `mean` and standard deviation `sigma` added to each pixel.

    clip : keep the result between 0 and 1.

    Raises ShapeError for a negative sigma; DTypeError, when it is called, for images of integers.

    >>> data.transforms.GaussianNoise(sigma=0.1)(np.full((1, 1, 1, 2), 0.5), rng=2).round(2)
    array([[[[0.53, 0.42]]]])
    """

    mean: float = 0.0
    sigma: float = 0.1
    clip: bool = True

    def __post_init__(self) -> None:
        if not self.sigma >= 0:
            raise ShapeError(f"GaussianNoise: sigma is {self.sigma!r}; a number from 0 up is required.")

    def __call__(self, images: Images, rng: Rng = None) -> Images:
        images = _images("GaussianNoise", images, floating=True)
        noise = generator_of(rng).normal(images.shape, mean=self.mean, std=self.sigma, dtype=images.dtype).numpy()
        noise += images
        return noise.clip(0, 1, out=noise) if self.clip else noise


def _images(who: str, images: Any, floating: bool = False) -> Images:
    if not isinstance(images, numpy.ndarray) or images.ndim != 4:
        hint = "; images[:, None] adds the axis of channels" if getattr(images, "ndim", 0) == 3 else ""
        raise ShapeError(
            f"{who}: images are {describe(images)}; a NumPy array (n, channels, height, width) is required{hint}."
        )
    if floating and images.dtype.kind != "f":
        raise DTypeError(
            f"{who}: images are {images.dtype}; floating-point ones are required: images.astype('float32') / 255."
        )
    return images


def _pair(name: str, value: Any, least: int) -> tuple[int, int]:
    """(height, width) of one number or two."""
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2 or any(not hasattr(n, "__index__") or n < least for n in pair):
        raise ShapeError(f"{name} is {value!r}; an integer from {least} up, or two for (height, width), is required.")
    return int(pair[0]), int(pair[1])


def _probability(who: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ShapeError(f"{who}: p is {p!r}; a probability from 0 to 1 is required.")


def _room(who: str, images: Images, size: tuple[int, int]) -> tuple[int, int]:
    """How many places there are below and right of the first one."""
    room = images.shape[2] - size[0], images.shape[3] - size[1]
    if min(room) < 0:
        raise ShapeError(
            f"{who}: images are {images.shape[2]} x {images.shape[3]} and the part is {size[0]} x {size[1]}; it must "
            f"not be larger."
        )
    return room


def _padded(images: Images, by: tuple[int, int], fill: float) -> Images:
    if by == (0, 0):
        return images
    n, channels, height, width = images.shape
    padded = numpy.full((n, channels, height + 2 * by[0], width + 2 * by[1]), fill, images.dtype)
    padded[:, :, by[0] : by[0] + height, by[1] : by[1] + width] = images
    return padded


def _cut(who: str, images: Images, size: tuple[int, int], rng: Rng) -> Images:
    """A part of each image at a random place."""
    down, right = _room(who, images, size)
    generator = generator_of(rng)
    rows, columns = (generator.integers(0, room + 1, len(images)).numpy() for room in (down, right))
    parts = numpy.lib.stride_tricks.sliding_window_view(images, size, axis=(2, 3))
    return parts[numpy.arange(len(images)), :, rows, columns]


def _flipped(images: Images, p: float, rng: Rng, axis: int) -> Images:
    chosen = generator_of(rng).bernoulli(p, len(images)).numpy()
    flipped = images.copy()
    flipped[chosen] = numpy.flip(images, axis)[chosen]
    return flipped


def _rotated(images: Images, angles: numpy.ndarray, fill: float) -> Images:
    """Images turned by angles (n, 1, 1) in radians, counter-clockwise as one looks at them."""
    n, channels, height, width = images.shape
    dtype = images.dtype if images.dtype.kind == "f" else numpy.dtype("float32")
    y, x = numpy.arange(height)[:, None] - (height - 1) / 2, numpy.arange(width) - (width - 1) / 2
    cos, sin, y, x = (values.astype(dtype) for values in (numpy.cos(angles), numpy.sin(angles), y, x))
    # Where in the image each pixel comes from; up to one pixel outside it mixes with `fill`.
    rows = (cos * y + sin * x + (height - 1) / 2).clip(-1, height)
    columns = (cos * x - sin * y + (width - 1) / 2).clip(-1, width)
    top, left = numpy.floor(rows), numpy.floor(columns)
    below, right = (part[:, None] for part in (rows - top, columns - left))
    # One pixel around, two on the far sides: the neighbour of a place at the very end.
    padded = numpy.full((n, channels, height + 3, width + 3), fill, dtype)
    padded[:, :, 1 : height + 1, 1 : width + 1] = images
    places = (top.astype(numpy.int64) + 1) * (width + 3) + left.astype(numpy.int64) + 1
    first = numpy.arange(n * channels).reshape(n, channels, 1, 1) * ((height + 3) * (width + 3))
    places = places[:, None] + first

    def value(step: int) -> numpy.ndarray:
        return padded.ravel().take(places + step, mode="clip")  # a mode without checks, which cost as much again

    upper, lower = value(0), value(width + 3)
    upper += right * (value(1) - upper)
    lower += right * (value(width + 4) - lower)
    upper += below * (lower - upper)
    return upper if images.dtype == dtype else numpy.rint(upper).astype(images.dtype)
