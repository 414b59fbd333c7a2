"""Datasets: examples that have a number, and are taken one at a time or, by NumPy indexing, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy

from ..core.errors import DTypeError, IndexingError, ShapeError, describe

__all__ = ["ArrayDataset", "ConcatDataset", "Dataset", "Subset"]


@runtime_checkable
class Dataset(Protocol):
    """Anything with a length and examples by number.

    `dataset[i]` is one example, usually a tuple `(input, target)`. `dataset[a:b]` and `dataset[integer_array]` are
    many, as a tuple of arrays whose first axis counts the examples; that is how a `DataLoader` takes a batch. A dataset
    that only knows integers is for a `DataLoader` with a `collate`.

    >>> class Squares:
    ...     def __len__(self):
    ...         return 100
    ...     def __getitem__(self, index):
    ...         numbers = np.arange(100.0)[index]
    ...         return numbers, numbers**2
    >>> isinstance(Squares(), data.Dataset), next(iter(data.DataLoader(Squares(), 3, shuffle=False)))
    (True, (array([0., 1., 2.]), array([0., 1., 4.])))
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any: ...


class ArrayDataset:
    """Arrays whose rows belong together: example i is `(x[i], y[i], ...)`.

    arrays : NumPy arrays (n, ...) of numbers, memory-mapped ones too, or lists of numbers. They are not copied.

    Raises ShapeError if the lengths differ, an array has no axes or a list's rows are not alike; DTypeError for what is
    no array of numbers.

    >>> dataset = data.ArrayDataset(np.array([[0.0], [1.0], [2.0]]), np.array([5, 6, 7]))
    >>> dataset[[0, 2]]
    (array([[0.],
           [2.]]), array([5, 7]))
    """

    def __init__(self, *arrays: Any) -> None:
        if not arrays:
            raise ShapeError("ArrayDataset: there are no arrays; give at least one.")
        self.arrays = tuple(_rows("ArrayDataset", number, array) for number, array in enumerate(arrays))
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) > 1:
            raise ShapeError(
                f"ArrayDataset: the arrays have {' and '.join(map(str, lengths))} rows; each example needs a row of "
                f"each."
            )

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        index = positions("ArrayDataset", index, len(self))
        return tuple(array[index] for array in self.arrays)

    def __repr__(self) -> str:
        return f"ArrayDataset({', '.join(map(describe, self.arrays))})"


def _rows(who: str, number: int, array: Any) -> numpy.ndarray:
    """An argument as an array of numbers with at least one axis."""
    name = f"{who}: array {number}"
    if not isinstance(array, numpy.ndarray):
        if not isinstance(array, Sequence) or isinstance(array, (str, bytes)):
            raise DTypeError(
                f"{name} is a {type(array).__name__}; a NumPy array is required (a Tensor has .numpy(), a generator "
                f"is gathered by numpy.stack(list(generator)))."
            )
        try:
            array = numpy.asarray(array)
        except ValueError as error:
            raise ShapeError(f"{name} is a list of rows of unequal lengths; pad them to one length.") from error
    if hasattr(array, "mask"):
        raise DTypeError(
            f"{name} is a masked array, and a model sees no mask; replace what is missing with .filled(value)."
        )
    if array.dtype.kind in "OSUMm":
        raise DTypeError(
            f"{name} has dtype {array.dtype}; numbers are required. Convert it with .astype, or write a dataset of "
            f"your own and a collate function."
        )
    if not array.ndim:
        raise ShapeError(f"{name} has no axes; its first axis must count the examples.")
    return array


class Subset:
    """Some examples of a dataset, in an order of one's own.

    dataset : see `Dataset`; a tuple of arrays is taken as `ArrayDataset(*arrays)`.
    indices : (n,) integers, which may repeat; booleans choose where they are true. What is given is copied.

    Raises IndexingError for an example that the dataset does not have.

    >>> data.Subset(data.ArrayDataset([10, 20, 30, 40]), [3, 1])[:]
    (array([40, 20]),)
    """

    def __init__(self, dataset: Any, indices: Any) -> None:
        self.dataset = as_dataset("Subset", dataset)
        chosen = positions("Subset", numpy.asarray(indices), len(self.dataset))
        if isinstance(chosen, int) or chosen.ndim != 1:
            raise ShapeError(f"Subset: indices are {numpy.shape(indices)}; one axis is required.")
        self.indices = chosen.copy()

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        chosen = self.indices[positions("Subset", index, len(self))]
        return self.dataset[chosen if isinstance(chosen, numpy.ndarray) else int(chosen)]

    def __repr__(self) -> str:
        return f"Subset({len(self)} of {len(self.dataset)} examples)"


class ConcatDataset:
    """Datasets one after the other.

    datasets : at least one, each as for `Subset`; many examples at once need arrays that join along their first axis.

    Raises ShapeError if there are none, or if examples of two of them do not join.

    >>> both = data.ConcatDataset([data.ArrayDataset([1, 2]), data.ArrayDataset([30, 40, 50])])
    >>> len(both), both[[4, 0]]
    (5, (array([50,  1]),))
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        self.datasets = [as_dataset("ConcatDataset", dataset) for dataset in datasets]
        if not self.datasets:
            raise ShapeError("ConcatDataset: there are no datasets; give at least one.")
        self._ends = numpy.cumsum([len(dataset) for dataset in self.datasets])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: Any) -> Any:
        index = positions("ConcatDataset", index, len(self))
        if isinstance(index, slice):
            index = numpy.arange(*index.indices(len(self)))
        owners = numpy.searchsorted(self._ends, index, side="right")
        if isinstance(index, int):
            return self.datasets[owners][index - self._start(int(owners))]
        places = [numpy.flatnonzero(owners == owner) for owner in range(len(self.datasets))]
        parts = [
            self.datasets[owner][index[place] - self._start(owner)]
            for owner, place in enumerate(places)
            if len(place) or not len(index)
        ]
        back = numpy.argsort(numpy.concatenate(places))
        return _joined(parts, back)

    def __repr__(self) -> str:
        return f"ConcatDataset({', '.join(map(repr, self.datasets))})"

    def _start(self, owner: int) -> int:
        return int(self._ends[owner - 1]) if owner else 0


def _joined(parts: list[Any], order: numpy.ndarray) -> Any:
    """Batches of several datasets one after the other, then in `order`."""
    try:
        if isinstance(parts[0], tuple):
            return tuple(numpy.concatenate(arrays)[order] for arrays in zip(*parts, strict=True))
        return numpy.concatenate(parts)[order]
    except ValueError as error:
        kinds = " and ".join(
            ", ".join(map(describe, part)) if isinstance(part, tuple) else describe(part) for part in parts
        )
        raise ShapeError(f"ConcatDataset: examples {kinds} do not join; all datasets must give alike ones.") from error


def as_dataset(who: str, dataset: Any) -> Any:
    """A dataset as it is, a tuple of arrays as an ArrayDataset; DTypeError for anything else."""
    if type(dataset) is tuple:
        return ArrayDataset(*dataset)
    if not isinstance(dataset, Dataset) or isinstance(dataset, (dict, str, bytes)):
        raise DTypeError(
            f"{who}: dataset is a {type(dataset).__name__}; something with __len__ and __getitem__ is required, such "
            f"as data.ArrayDataset(x, y)."
        )
    return dataset


def positions(who: str, index: Any, length: int) -> Any:
    """An index as an int, a slice or an array of integers from 0 to `length` - 1.

    Raises IndexingError for examples that there are not, DTypeError for what is no index.
    """
    if isinstance(index, slice):
        return index
    array = numpy.asarray(index)
    if array.dtype == bool and array.shape == (length,):
        return numpy.flatnonzero(array)
    if not array.size and array.ndim:
        array = array.astype(numpy.int64)
    if array.dtype.kind not in "iu":
        raise DTypeError(
            f"{who}: index is {describe(index)}; an integer, a slice, an array of integers, or one boolean for each of "
            f"the {length} examples is required."
        )
    outside = (array < -length) | (array >= length)
    if outside.any():
        first = int(array[outside].flat[0]) if array.ndim else int(array)
        raise IndexingError(f"{who}: there is no example {first}; there are {length}, numbered from 0.")
    array = numpy.where(array < 0, array + length, array) if (array < 0).any() else array
    return array if array.ndim else int(array)
