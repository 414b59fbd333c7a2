"""Parts and folds: nothing lost, nothing twice, seeded, classes divided evenly."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import data
from tinygrad_lite.core.errors import DTypeError, ShapeError


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_split_divides_every_class_alike_and_loses_nothing(fraction):
    labels = np.repeat([3, 5, 8], [40, 100, 20])
    images = np.arange(160)
    (x, y), (u, v) = data.stratified_split(images, labels, fraction=fraction, rng=1)
    assert sorted([*x, *u]) == list(range(160))
    assert np.array_equal(labels[x], y) and np.array_equal(labels[u], v)
    assert [np.sum(v == k) for k in (3, 5, 8)] == [40 * fraction, 100 * fraction, 20 * fraction]
    assert not np.array_equal(v, np.sort(v))


def test_lists_are_split_too():
    (x, y), (u, v) = data.stratified_split([1, 2, 3, 4], [0, 0, 1, 1], fraction=0.5, rng=0)
    assert sorted([*x, *u]) == [1, 2, 3, 4] and sorted(y) == sorted(v) == [0, 1]


def test_split_repeats_with_its_seed():
    images, labels = data.digits()
    first, again, other = (data.stratified_split(images, labels, rng=seed)[1][0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("lengths", "counts"),
    [
        ([6, 3, 1], [6, 3, 1]),
        ([0.6, 0.3, 0.1], [6, 3, 1]),
        ([0.55, 0.25, 0.2], [6, 2, 2]),
        ([0.15, 0.15, 0.7], [2, 1, 7]),
        ([1 / 3] * 3, [4, 3, 3]),
        (np.array([9, 1]), [9, 1]),
        ([1.0], [10]),
    ],
)
def test_random_parts_are_all_examples_once(lengths, counts):
    x = np.arange(10)
    parts = data.random_split((x, x * 2), lengths, rng=0)
    assert [len(part) for part in parts] == counts
    assert sorted(np.concatenate([part[:][0] for part in parts])) == list(range(10))
    assert all(np.array_equal(a * 2, b) for part in parts for a, b in [part[:]])


def test_random_parts_repeat_with_their_seed():
    parts = [data.random_split(np.arange(50), [25, 25], rng=seed)[0].indices.tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2] and parts[0] != sorted(parts[0])
    tl.manual_seed(3)
    first = data.random_split(np.arange(50), [25, 25])[0].indices.tolist()
    assert first == data.random_split(np.arange(50), [25, 25], rng=3)[0].indices.tolist()


@pytest.mark.parametrize("lengths", [[5, 4], [0.5, 0.4], [], [11], [0.7, 0.7], "ab", [None]])
def test_parts_that_do_not_add_up(lengths):
    with pytest.raises(
        ShapeError, match="there are 10 examples; lengths must be integers that add up to 10, or shares"
    ):
        data.random_split(np.arange(10), lengths)


def test_empty_parts():
    for lengths, counts in (([10, 0], "10, 0"), ([11, -1], "11, -1"), ([0.96, 0.02, 0.02], "10, 0, 0")):
        with pytest.raises(ShapeError, match=f"give parts of {counts}; each part needs at least one example"):
            data.random_split(np.arange(10), lengths)
    with pytest.raises(DTypeError, match="random_split: dataset is a set"):
        data.random_split({1, 2}, [1, 1])


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("n", "folds"), [(10, 5), (11, 4), (7, 7), (9, 2)])
def test_every_example_is_tested_on_once(n, folds, shuffle):
    made = data.kfold(n, folds, shuffle=shuffle, rng=0)
    assert len(made) == folds
    assert sorted(np.concatenate([test for _, test in made])) == list(range(n))
    for learn, test in made:
        assert sorted([*learn, *test]) == list(range(n)) and len(test) in (n // folds, -(-n // folds))
        assert np.array_equal(learn, np.sort(learn)) and np.array_equal(test, np.sort(test))
    consecutive = all(np.all(np.diff(test) == 1) for _, test in made)
    assert consecutive == (not shuffle or folds == n)


def test_folds_in_order_are_scikit_learns():
    selection = pytest.importorskip("sklearn.model_selection")
    for n, folds in ((10, 5), (11, 4), (23, 3)):
        ours, theirs = data.kfold(np.zeros(n), folds, shuffle=False), selection.KFold(folds).split(np.zeros(n))
        for (a, b), (c, d) in zip(ours, theirs, strict=True):
            assert np.array_equal(a, c) and np.array_equal(b, d)


def test_folds_repeat_with_their_seed():
    for make in (lambda seed: data.kfold(20, 4, rng=seed), lambda s: data.stratified_kfold([0, 1] * 10, 4, rng=s)):
        tests = [[test.tolist() for _, test in make(seed)] for seed in (0, 0, 1)]
        assert tests[0] == tests[1] != tests[2]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_hold_their_share_of_every_class(folds):
    labels = np.random.default_rng(0).permutation(np.repeat(["a", "b", "c"], [5, 17, 40]))
    made = data.stratified_kfold(labels, folds, rng=1)
    assert sorted(np.concatenate([test for _, test in made])) == list(range(62))
    for learn, test in made:
        assert sorted([*learn, *test]) == list(range(62))
        for name, count in (("a", 5), ("b", 17), ("c", 40)):
            assert np.sum(labels[test] == name) in (count // folds, -(-count // folds))
        assert len(test) in (62 // folds, -(-62 // folds))


def test_errors_say_what_is_wrong():
    with pytest.raises(ShapeError, match="stratified_split: 3 images and 2 labels"):
        data.stratified_split(np.zeros(3), np.zeros(2))
    with pytest.raises(ShapeError, match=r"stratified_split: labels are \(0,\); one axis with at least one label"):
        data.stratified_split(np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match=r"fraction is 1\.5; it must lie between 0 and 1"):
        data.stratified_split(np.zeros(3), np.zeros(3), fraction=1.5)
    for folds in (1, -2, 4, 2.5):
        with pytest.raises(ShapeError, match=f"kfold: folds is {folds} and there are 3 examples; an integer from 2 up"):
            data.kfold(3, folds)
    with pytest.raises(ShapeError, match="stratified_kfold: folds is 3 and class 7 has 2 examples; .* for each fold"):
        data.stratified_kfold([5, 5, 5, 7, 7], 3)
    with pytest.raises(ShapeError, match=r"stratified_kfold: labels are \(2, 2\); one axis"):
        data.stratified_kfold(np.zeros((2, 2)), 2)
    with pytest.raises(DTypeError, match="Generator: seed is 0.5"):
        data.kfold(4, 2, rng=0.5)
