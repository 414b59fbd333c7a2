"""Splitting data and drawing mini-batches from it, with seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from ..core.errors import ShapeError
from ..ops.random import Generator, default_generator

__all__ = ["batches", "stratified_split"]

Pair = tuple[Any, Any]


def _generator(rng: int | Generator | None) -> Generator:
    """The generator of a seed, the given generator, or the default one."""
    if rng is None:
        return default_generator()
    return Generator(rng) if isinstance(rng, int) else rng


def _shuffled(rng: Generator, items: numpy.ndarray) -> numpy.ndarray:
    return items[rng.permutation(len(items)).numpy()]


def _check_lengths(name: str, images: Any, labels: Any) -> int:
    if len(images) != len(labels):
        raise ShapeError(f"{name}: {len(images)} images and {len(labels)} labels; each image needs one label.")
    return len(labels)


def stratified_split(
    images: Any, labels: Any, *, fraction: float = 0.25, rng: int | Generator | None = None
) -> tuple[Pair, Pair]:
    """Two parts of labelled data, drawn at random so that each class is divided in the same proportion.

    images : (n, ...); labels : (n,) the classes.
    fraction : how much of each class goes to the second part, rounded to whole images.
    rng : a seed or a Generator; the default generator if None.
    Returns `(images, labels), (images, labels)`, both parts in random order.

    Raises ShapeError if the lengths differ, ValueError if `fraction` is not between 0 and 1.

    >>> (x, y), (x_test, y_test) = data.stratified_split(*data.digits(), fraction=0.25, rng=0)
    >>> len(x), len(x_test)
    (1347, 450)
    """
    _check_lengths("stratified_split", images, labels)
    if not 0 < fraction < 1:
        raise ValueError(f"stratified_split: fraction is {fraction}; it must lie between 0 and 1.")
    rng = _generator(rng)
    kept, drawn = [], []
    for label in numpy.unique(labels):
        members = _shuffled(rng, numpy.flatnonzero(labels == label))
        count = round(fraction * len(members))
        drawn.append(members[:count])
        kept.append(members[count:])
    first, second = (_shuffled(rng, numpy.concatenate(part)) for part in (kept, drawn))
    return (images[first], labels[first]), (images[second], labels[second])


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
    count = _check_lengths("batches", images, labels)
    if size < 1:
        raise ValueError(f"batches: size is {size}; a batch holds at least one image.")
    return _slices(images, labels, size, _generator(rng).permutation(count).numpy() if shuffle else None)


def _slices(images: Any, labels: Any, size: int, order: numpy.ndarray | None) -> Iterator[Pair]:
    for start in range(0, len(labels), size):
        chosen = slice(start, start + size) if order is None else order[start : start + size]
        yield images[chosen], labels[chosen]
