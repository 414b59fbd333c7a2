"""Splitting, and passes over labelled data."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import data
from tinygrad_lite.core.errors import ShapeError


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_split_divides_every_class_alike_and_loses_nothing(fraction):
    labels = np.repeat([3, 5, 8], [40, 100, 20])
    images = np.arange(160)
    (x, y), (u, v) = data.stratified_split(images, labels, fraction=fraction, rng=1)
    assert sorted([*x, *u]) == list(range(160))
    assert np.array_equal(labels[x], y) and np.array_equal(labels[u], v)
    assert [np.sum(v == k) for k in (3, 5, 8)] == [40 * fraction, 100 * fraction, 20 * fraction]
    assert not np.array_equal(v, np.sort(v))


def test_split_repeats_with_its_seed():
    images, labels = data.digits()
    first, again, other = (data.stratified_split(images, labels, rng=seed)[1][0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_batches_are_one_pass():
    x, y = np.arange(10), np.arange(10) * 2
    seen = list(data.batches(x, y, 4, rng=0))
    assert [len(b) for b, _ in seen] == [4, 4, 2]
    assert sorted(np.concatenate([b for b, _ in seen])) == list(range(10))
    assert all(np.array_equal(b * 2, c) for b, c in seen)


def test_batches_in_order():
    seen = [b.tolist() for b, _ in data.batches(np.arange(5), np.arange(5), 2, shuffle=False)]
    assert seen == [[0, 1], [2, 3], [4]]


def test_one_generator_gives_each_epoch_another_order():
    rng = tl.Generator(0)
    epochs = [next(data.batches(np.arange(50), np.arange(50), 50, rng=rng))[0] for _ in range(2)]
    assert not np.array_equal(*epochs)


def test_without_rng_the_default_generator_decides():
    orders = []
    for seed in (0, 0, 1):
        tl.manual_seed(seed)
        orders.append(next(data.batches(np.arange(50), np.arange(50), 50))[0].tolist())
    assert orders[0] == orders[1] != orders[2]


def test_errors_say_what_is_wrong():
    with pytest.raises(ShapeError, match="batches: 3 images and 2 labels; each image needs one label"):
        data.batches(np.zeros(3), np.zeros(2), 1)
    with pytest.raises(ShapeError, match="stratified_split: 3 images and 2 labels"):
        data.stratified_split(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="size is 0; a batch holds at least one image"):
        data.batches(np.zeros(3), np.zeros(3), 0)
    with pytest.raises(ValueError, match=r"fraction is 1\.5; it must lie between 0 and 1"):
        data.stratified_split(np.zeros(3), np.zeros(3), fraction=1.5)
