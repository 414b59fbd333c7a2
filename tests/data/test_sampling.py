"""Passes over labelled data."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import data
from tinygrad_lite.core.errors import ShapeError


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
    with pytest.raises(ValueError, match="size is 0; a batch holds at least one image"):
        data.batches(np.zeros(3), np.zeros(3), 0)
