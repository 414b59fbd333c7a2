"""Datasets of arrays, parts of them, and several in a row."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import data
from tinygrad_lite.core.errors import DTypeError, IndexingError, ShapeError

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)


def squares():
    return data.ConcatDataset([data.ArrayDataset(X[:1], Y[:1]), data.ArrayDataset(X[1:4], Y[1:4])])


@pytest.mark.parametrize(
    ("dataset", "numbers"),
    [
        (data.ArrayDataset(X, Y), [0, 1, 2, 3, 4, 5]),
        (data.Subset(data.ArrayDataset(X, Y), [4, 0, -1, 4]), [4, 0, 5, 4]),
        (data.Subset(squares(), np.array([True, False, True, True])), [0, 2, 3]),
        (squares(), [0, 1, 2, 3]),
        (data.ConcatDataset([squares(), data.Subset(squares(), [2]), squares()]), [0, 1, 2, 3, 2, 0, 1, 2, 3]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_way_to_take_examples_gives_the_same(dataset, numbers):
    numbers = np.array(numbers)
    n = len(dataset)
    assert isinstance(dataset, data.Dataset) and n == len(numbers)
    one = [dataset[i] for i in range(n)]
    assert [int(y) for _, y in one] == numbers.tolist() and all(np.array_equal(x, X[y]) for x, y in one)
    assert [int(y) for _, y in dataset] == numbers.tolist()  # iterating ends
    assert int(dataset[-n][1]) == numbers[0]
    order = np.random.default_rng(0).integers(-n, n, 20)
    indices = [slice(None), slice(1, 3), slice(None, None, -2), [0, n - 1], np.array([], int), [], order, order[:3]]
    for index in [*indices, np.uint8([1, 0]), numbers % 2 == 0]:
        x, y = dataset[index]
        assert np.array_equal(y, numbers[np.array(index, int) if isinstance(index, list) else index])
        assert np.array_equal(x, X[y])
    for outside in (n, -n - 1, [0, n], np.array([[0], [-n - 1]])):
        with pytest.raises(IndexingError, match=f"there is no example -?{n}|there is no example -{n + 1}"):
            dataset[outside]
    for wrong in ("a", 1.0, [0.5], np.array([True] * (n + 1)), None):
        with pytest.raises(DTypeError, match=f"index is .*; an integer, a slice, .* each of the {n} examples"):
            dataset[wrong]


def test_arrays_are_not_copied_and_may_be_read_only_or_mapped(tmp_path):
    fixed = X.copy()
    fixed.flags.writeable = False
    mapped = np.memmap(tmp_path / "x.raw", np.float32, "w+", shape=(6, 3))
    dataset = data.ArrayDataset(fixed, mapped)
    assert dataset.arrays[0] is fixed and dataset.arrays[1] is mapped
    assert dataset[[1, 2]][0].flags.writeable
    assert repr(dataset) == "ArrayDataset((6, 2) float64, (6, 3) float32)"


def test_lists_of_numbers_and_empty_arrays_are_datasets():
    assert data.ArrayDataset([[1, 2], [3, 4]])[1][0].tolist() == [3, 4]
    empty = data.ArrayDataset(np.zeros((0, 3)), [])
    assert len(empty) == 0 and empty[:][0].shape == (0, 3) and list(empty) == []
    with pytest.raises(IndexingError, match="ArrayDataset: there is no example 0; there are 0"):
        empty[0]


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ((), ShapeError, "ArrayDataset: there are no arrays; give at least one"),
        ((X, Y[:4]), ShapeError, "ArrayDataset: the arrays have 6 and 4 rows; each example needs a row of each"),
        ((np.float32(1),), DTypeError, "ArrayDataset: array 0 is a float32; a NumPy array is required"),
        ((X, np.array(3)), ShapeError, "ArrayDataset: array 1 has no axes; its first axis must count the examples"),
        (([[1, 2], [3]],), ShapeError, "array 0 is a list of rows of unequal lengths; pad them to one length"),
        ((np.array([None, 1]),), DTypeError, "array 0 has dtype object; numbers are required. Convert it with .astype"),
        ((["a", "b"],), DTypeError, "array 0 has dtype <U1; numbers are required"),
        (("ab",), DTypeError, "array 0 is a str; a NumPy array is required"),
        (((i for i in range(3)),), DTypeError, r"array 0 is a generator; .* numpy.stack\(list\(generator\)\)"),
        ((tl.tensor([1.0]),), DTypeError, r"array 0 is a Tensor; a NumPy array is required \(a Tensor has .numpy\(\)"),
        ((np.ma.masked_less(Y, 3),), DTypeError, r"array 0 is a masked array, .*; replace .* with .filled\(value\)"),
        ((None,), DTypeError, "array 0 is a NoneType; a NumPy array is required"),
    ],
)
def test_what_is_no_dataset_of_arrays(arrays, error, message):
    with pytest.raises(error, match=message):
        data.ArrayDataset(*arrays)


def test_subsets_keep_their_own_indices():
    indices = np.array([2, 1])
    part = data.Subset(data.ArrayDataset(X, Y), indices)
    indices[:] = 0
    assert part[:][1].tolist() == [2, 1] and repr(part) == "Subset(2 of 6 examples)"
    assert len(data.Subset(part, [])) == 0
    with pytest.raises(IndexingError, match="Subset: there is no example 6; there are 6"):
        data.Subset(data.ArrayDataset(X), [0, 6])
    with pytest.raises(ShapeError, match=r"Subset: indices are \(1, 1\); one axis is required"):
        data.Subset(data.ArrayDataset(X), [[1]])
    with pytest.raises(ShapeError, match=r"Subset: indices are \(\); one axis is required"):
        data.Subset(data.ArrayDataset(X), 1)
    with pytest.raises(DTypeError, match="Subset: dataset is a generator; something with __len__ and __getitem__"):
        data.Subset((i for i in range(3)), [1])


def test_datasets_in_a_row_must_be_alike():
    with pytest.raises(ShapeError, match="ConcatDataset: there are no datasets; give at least one"):
        data.ConcatDataset([])
    with pytest.raises(DTypeError, match="ConcatDataset: dataset is a int"):
        data.ConcatDataset([data.ArrayDataset(X), 3])
    both = data.ConcatDataset([data.ArrayDataset(X), data.ArrayDataset(X[:, :1])])
    with pytest.raises(ShapeError, match=r"examples \(1, 2\) float64 and \(1, 1\) float64 do not join; all datasets"):
        both[[0, 7]]
    both = data.ConcatDataset([data.ArrayDataset(X, Y), data.ArrayDataset(X)])
    with pytest.raises(ShapeError, match="do not join"):
        both[[0, 7]]
    plain = data.ConcatDataset([Y, Y + 10])  # arrays are datasets that give arrays, not tuples
    assert plain[[7, 1]].tolist() == [11, 1] and plain[11] == 15
