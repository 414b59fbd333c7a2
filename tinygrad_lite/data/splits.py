"""Dividing data: into parts, and into folds for cross-validation. At random, with seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy

from ..core.errors import ShapeError
from ..ops.random import Generator
from .arguments import generator_of
from .datasets import Subset, as_dataset

__all__ = ["kfold", "random_split", "stratified_kfold", "stratified_split"]

Pair = tuple[Any, Any]
Fold = tuple[numpy.ndarray, numpy.ndarray]


def random_split(dataset: Any, lengths: Sequence[float], *, rng: int | Generator | None = None) -> list[Subset]:
    """A dataset divided at random.

    dataset : see `Dataset`; a tuple of arrays is taken as `ArrayDataset(*arrays)`.
    lengths : how many examples each part gets, together all of them; or its share, together 1. Shares are rounded down,
        and what is left over goes one by one to the first parts.
    rng : a seed or a Generator; the default generator if None.

    Raises ShapeError if the lengths do not add up, or a part would be empty.

    >>> [len(part) for part in data.random_split(data.digits(), [0.7, 0.15, 0.15], rng=0)]
    [1258, 270, 269]
    """
    dataset = as_dataset("random_split", dataset)
    counts = _counts(list(lengths), len(dataset))
    order = generator_of(rng).permutation(len(dataset)).numpy()
    return [Subset(dataset, part) for part in numpy.split(order, numpy.cumsum(counts)[:-1])]


def _counts(lengths: list[float], n: int) -> list[int]:
    numbers = all(isinstance(length, Real) for length in lengths)
    whole = all(isinstance(length, Integral) for length in lengths)
    if not lengths or not numbers or (sum(lengths) != n if whole else not math.isclose(sum(lengths), 1)):
        raise ShapeError(
            f"random_split: lengths are {lengths} and there are {n} examples; lengths must be integers that add up to "
            f"{n}, or shares that add up to 1."
        )
    counts = [int(length) if whole else math.floor(length * n) for length in lengths]
    for i in range(0 if min(counts) < 0 else n - sum(counts)):
        counts[i % len(counts)] += 1
    if min(counts) < 1:
        raise ShapeError(
            f"random_split: lengths {lengths} of {n} examples give parts of {', '.join(map(str, counts))}; each part "
            f"needs at least one example."
        )
    return counts


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
    if len(images) != len(labels):
        raise ShapeError(
            f"stratified_split: {len(images)} images and {len(labels)} labels; each image needs one label."
        )
    if not 0 < fraction < 1:
        raise ValueError(f"stratified_split: fraction is {fraction}; it must lie between 0 and 1.")
    images, labels = (numpy.asarray(part) if isinstance(part, (list, tuple)) else part for part in (images, labels))
    rng = generator_of(rng)
    kept, drawn = [], []
    for members in _classes("stratified_split", labels, rng):
        count = round(fraction * len(members))
        drawn.append(members[:count])
        kept.append(members[count:])
    first, second = (_shuffled(rng, numpy.concatenate(part)) for part in (kept, drawn))
    return (images[first], labels[first]), (images[second], labels[second])


def _shuffled(rng: Generator, items: numpy.ndarray) -> numpy.ndarray:
    return items[rng.permutation(len(items)).numpy()]


def _classes(who: str, labels: Any, rng: Generator) -> list[numpy.ndarray]:
    """For each class the numbers of its examples, in random order."""
    labels = numpy.asarray(labels)
    if labels.ndim != 1 or not len(labels):
        raise ShapeError(f"{who}: labels are {labels.shape}; one axis with at least one label is required.")
    return [_shuffled(rng, numpy.flatnonzero(labels == label)) for label in numpy.unique(labels)]


def kfold(n: Any, folds: int = 5, *, shuffle: bool = True, rng: int | Generator | None = None) -> list[Fold]:
    """For each fold `(indices to learn from, indices to test on)`; every example is tested on once.

    n : the number of examples, or something that has this length. The folds' sizes differ by at most 1.
    shuffle : folds at random; otherwise of consecutive examples. Indices are in ascending order.
    rng : a seed or a Generator; the default generator if None.

    Raises ShapeError for fewer than two folds or fewer examples than folds.

    >>> data.kfold(5, 2, shuffle=False)
    [(array([3, 4]), array([0, 1, 2])), (array([0, 1, 2]), array([3, 4]))]
    """
    n = len(n) if hasattr(n, "__len__") else int(n)
    _check_folds("kfold", folds, n, f"there are {n} examples")
    order = generator_of(rng).permutation(n).numpy() if shuffle else numpy.arange(n)
    owner = numpy.empty(n, numpy.int64)
    owner[order] = numpy.sort(numpy.arange(n) % folds)
    return _folds(owner, folds)


def stratified_kfold(labels: Any, folds: int = 5, *, rng: int | Generator | None = None) -> list[Fold]:
    """`kfold` at random with each class spread evenly: its examples in two folds differ by at most 1, as all do.

    labels : (n,) the classes.

    Raises ShapeError for fewer than two folds, or a class of fewer examples than folds.

    >>> [labels[test].tolist() for labels in [np.array([7, 7, 8, 8])] for _, test in data.stratified_kfold(labels, 2)]
    [[7, 8], [7, 8]]
    """
    classes = _classes("stratified_kfold", labels, generator_of(rng))
    least = min(classes, key=len)
    name = numpy.asarray(labels)[least[0]]
    _check_folds("stratified_kfold", folds, len(least), f"class {name} has {len(least)} examples")
    owner = numpy.empty(len(labels), numpy.int64)
    owner[numpy.concatenate(classes)] = numpy.arange(len(labels)) % folds  # dealt out class after class
    return _folds(owner, folds)


def _check_folds(who: str, folds: int, n: int, given: str) -> None:
    if not hasattr(folds, "__index__") or folds < 2 or folds > n:
        raise ShapeError(
            f"{who}: folds is {folds!r} and {given}; an integer from 2 up, and an example for each fold, is required."
        )


def _folds(owner: numpy.ndarray, folds: int) -> list[Fold]:
    return [(numpy.flatnonzero(owner != fold), numpy.flatnonzero(owner == fold)) for fold in range(folds)]
