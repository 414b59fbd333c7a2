"""Drawing mini-batches from labelled arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from ..core.errors import ShapeError
from ..ops.random import Generator
from .seeds import generator_of

__all__ = ["batches"]

Pair = tuple[Any, Any]


def batches(
    images: Any, labels: Any, size: int, *, rng: int | Generator | None = None, shuffle: bool = True
) -> Iterator[Pair]:
    """One pass over labelled data in mini-batches `(images, labels)`; the last is smaller if `size` does not divide.

    images : (n, ...); labels : (n,).
    rng : a seed or a Generator, from which the order is drawn; the default generator if None. A seed gives every pass
        the same order, a Generator each its own.

    Raises ShapeError if the lengths differ, ValueError if `size` is less than 1.

    >>> [len(y) for x, y in data.batches(*data.digits(), 500, rng=0)]
    [500, 500, 500, 297]
    """
    if len(images) != len(labels):
        raise ShapeError(f"batches: {len(images)} images and {len(labels)} labels; each image needs one label.")
    if size < 1:
        raise ValueError(f"batches: size is {size}; a batch holds at least one image.")
    return _slices(images, labels, size, generator_of(rng).permutation(len(labels)).numpy() if shuffle else None)


def _slices(images: Any, labels: Any, size: int, order: numpy.ndarray | None) -> Iterator[Pair]:
    for start in range(0, len(labels), size):
        chosen = slice(start, start + size) if order is None else order[start : start + size]
        yield images[chosen], labels[chosen]
