"""Mini-batches of a dataset, epoch after epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy

from ..core.backend import device_backend
from ..core.errors import DTypeError, ShapeError, StateError, describe
from ..core.graph import Handle, unwrap, wrap
from ..core.tree import leaves, map_leaves
from ..ops.random import Generator
from .arguments import count_of, generator_of
from .datasets import as_dataset
from .transforms import takes_rng
from .workers import in_order

__all__ = ["DataLoader", "default_collate"]

Batch = tuple[Any, ...]


class DataLoader:
    """Mini-batches of a dataset; each `iter()` is the next epoch, with an order of its own.

    dataset : see `Dataset`; a tuple of arrays is taken as `ArrayDataset(*arrays)`.
    batch_size : examples in a batch; the last batch of an epoch is smaller, or left out with `drop_last`.
    shuffle : a new random order for every epoch; otherwise the dataset's own. (PyTorch's default is False.)
    rng : a seed or a Generator, from which one number is drawn when an epoch begins; the default generator if None.
    transform : called with a batch's inputs (its first array), gives those to learn from; see `data.transforms`. If it
        has a parameter `rng`, it is given a generator of that batch alone: neither the number of workers nor their
        pace changes a result.
    collate : called with a list of single examples, makes the batch of them, see `default_collate`; for datasets that
        cannot be indexed by arrays. Without it a batch is `dataset[array of indices]`.
    workers : threads that prepare batches ahead, each `prefetch` of them; 0 prepares them as they are asked for. They
        pay where reading, decoding or transforming takes long. The dataset is then read by several threads at once.

    device : where batches lie, such as `"cuda"`; None leaves them in main memory. A GPU gets them by way of pinned
        memory and in a stream of its own, while it computes: with `workers`, as far ahead as they are; without, during
        what it still has to do. The stream that is current in the loop waits for a batch, and nobody else; a further
        one that is to use the batch must wait for that stream.

    Batches are tuples of new arrays: changing one leaves the data alone. An exception of dataset, collate or transform
    comes out when its batch is due, with a note that names epoch, batch and examples. A loop that is left early, by
    `break`, an exception or Ctrl-C, ends its threads.

    `state_dict()` holds the place within an epoch: after `load_state_dict()` the next `iter()` goes on with the batch
    that would have come next, bit for bit.

    Raises DTypeError for what is no dataset; ShapeError for sizes and numbers that cannot be; BackendError for a device
    that there is not.

    >>> loader = data.DataLoader(data.digits(), batch_size=500, rng=0)
    >>> [len(labels) for images, labels in loader], len(loader)
    ([500, 500, 500, 297], 4)
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 64,
        shuffle: bool = True,
        *,
        drop_last: bool = False,
        rng: int | Generator | None = None,
        transform: Callable[..., Any] | None = None,
        collate: Callable[[list[Any]], Any] | None = None,
        workers: int = 0,
        prefetch: int = 2,
        device: str | None = None,
    ) -> None:
        self.dataset = as_dataset("DataLoader", dataset)
        for name, function in (("transform", transform), ("collate", collate)):
            if function is not None and not callable(function):
                raise DTypeError(f"DataLoader: {name} is {describe(function)}; a function is required.")
        if collate is None and isinstance(self.dataset, (list, tuple, str)):
            raise DTypeError(
                f"DataLoader: a {type(dataset).__name__} cannot be indexed by an array of indices; give "
                f"data.ArrayDataset(x, y), or collate=data.default_collate for a list of examples."
            )
        self.batch_size = count_of("DataLoader: batch_size", batch_size, 1)
        self.workers = count_of("DataLoader: workers", workers, 0)
        self.prefetch = count_of("DataLoader: prefetch", prefetch, 1)
        if not len(self.dataset):
            raise ShapeError("DataLoader: the dataset has no examples; at least one is required.")
        if drop_last and self.batch_size > len(self.dataset):
            raise ShapeError(
                f"DataLoader: batch_size is {batch_size} and there are {len(self.dataset)} examples; with drop_last an "
                f"epoch would have no batch."
            )
        self.shuffle, self.drop_last, self.transform, self.collate = shuffle, drop_last, transform, collate
        self.rng = None if rng is None else generator_of(rng)
        self.device = None if device is None else device_backend(device).full_name(device)
        self.epoch = 0
        """How many epochs have begun."""
        self.position = 0
        """How many batches of the current epoch were given."""
        self._key: int | None = None  # from which the current epoch's order and its batches' generators follow
        self._resumed = False
        self._current: object = None  # the epoch that `position` is about; an older one may still be iterated

    def __len__(self) -> int:
        """Batches in an epoch."""
        examples = len(self.dataset)
        return examples // self.batch_size if self.drop_last else -(-examples // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if not self._resumed:
            self.epoch, self.position = self.epoch + 1, 0
            # The generator is left alone where nothing depends on it: measuring a model between two epochs of training
            # changes nothing.
            self._key = int(generator_of(self.rng).integers(2**63 - 1)) if self._random() else None
        self._resumed = False
        self._current = object()
        return self._epoch(self._current, self.epoch, self._key, range(self.position, len(self)))

    def _epoch(self, current: object, epoch: int, key: int | None, numbers: range) -> Iterator[Batch]:
        """The batches of an epoch with those numbers."""
        order = Generator(key).permutation(len(self.dataset)).numpy() if self.shuffle else None
        random = takes_rng(self.transform)
        feed = None if self.device is None else device_backend(self.device).feed(self.device)

        def batch(number: int) -> Any:
            part = slice(number * self.batch_size, min((number + 1) * self.batch_size, len(self.dataset)))
            rng = Generator((key << 32) + number + 1) if random and key is not None else None
            indices = order[part] if order is not None else part
            try:
                made = self._batch(indices, rng)
                return made if feed is None else (made, feed.send([unwrap(x) for x in leaves(made) if _moves(x)]))
            except Exception as error:
                error.add_note(f"DataLoader: in batch {number} of epoch {epoch}, {_names(indices)}.")
                raise

        for number, made in zip(numbers, in_order(batch, numbers, self.workers, self.prefetch), strict=True):
            if self._current is current:
                self.position = number + 1
            yield made if feed is None else _arrived(made[0], feed.take(made[1]))

    def _batch(self, indices: numpy.ndarray | slice, rng: Generator | None) -> Batch:
        made = self.dataset[indices] if self.collate is None else self.collate(self._examples(indices))
        arrays = tuple(made) if isinstance(made, (tuple, list)) else (made,)
        if self.collate is None:
            arrays = tuple(_own(array, indices) for array in arrays)
        if self.transform is not None:
            inputs = self.transform(arrays[0]) if rng is None else self.transform(arrays[0], rng=rng)
            if inputs is None:
                raise DTypeError("DataLoader: transform returned None; it must return the inputs to learn from.")
            arrays = (inputs, *arrays[1:])
        return arrays

    def _examples(self, indices: numpy.ndarray | slice) -> list[Any]:
        found = []
        for index in range(indices.start, indices.stop) if isinstance(indices, slice) else indices.tolist():
            try:
                found.append(self.dataset[index])
            except Exception as error:
                error.add_note(f"DataLoader: in example {index}.")
                raise
        return found

    def _random(self) -> bool:
        """Whether batches depend on the generator."""
        return self.shuffle or takes_rng(self.transform)

    def state_dict(self) -> dict[str, Any]:
        """Epoch, position within it, and the state of the generator, as numbers and lists of numbers."""
        return {
            "epoch": self.epoch,
            "position": self.position,
            "key": self._key,
            "generator": generator_of(self.rng).state_dict() if self._random() else None,
            "examples": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next `iter()` go on where `state_dict` was called: with the rest of that epoch, if any was left.

        Raises StateError for the state of a loader with another number of examples, batch size or order.
        """
        missing = [name for name in self.state_dict() if name not in state]
        if missing:
            raise StateError(f"DataLoader: the state lacks {', '.join(missing)}; it must come from state_dict().")
        theirs, ours = (
            f"{kept['examples']} examples in batches of {kept['batch_size']}, {_order(kept['shuffle'])}"
            for kept in (state, self.state_dict())
        )
        if theirs != ours:
            raise StateError(
                f"DataLoader: the state is of {theirs}, and this loader has {ours}; the place in an epoch is known for "
                f"the same data, batch size and order only."
            )
        self.epoch, self.position, self._key = state["epoch"], state["position"], state["key"]
        if state["generator"] is not None:
            generator_of(self.rng).load_state_dict(state["generator"])
        self._current = None
        self._resumed = self.epoch > 0 and self.position < len(self)

    def __repr__(self) -> str:
        return f"DataLoader({self.dataset!r}, {len(self)} batches of {self.batch_size}, {_order(self.shuffle)})"


def _moves(leaf: Any) -> bool:
    """Whether a part of a batch can be moved to a device: whether it is an array of numbers in main memory."""
    array = unwrap(leaf)
    return isinstance(array, numpy.ndarray) and array.dtype.kind not in "OSUMm"


def _arrived(batch: Batch, arrays: list[Any]) -> Batch:
    """The batch with arrays of a device in the place of its own."""
    rest = iter(arrays)

    def place(leaf: Any) -> Any:
        if not _moves(leaf):
            return leaf
        return wrap(next(rest), None) if isinstance(leaf, Handle) else next(rest)

    return map_leaves(place, batch)


def _order(shuffle: bool) -> str:
    return "shuffled" if shuffle else "in order"


def _own(array: Any, indices: numpy.ndarray | slice) -> Any:
    """A batch's array in memory of its own; what is no array (a string, a list of them) as it is.

    Slices are views. Their copy costs as much as a shuffled batch does, and is where a memory-mapped file is read.
    """
    if not isinstance(array, numpy.ndarray):
        return array
    return numpy.array(array) if isinstance(indices, slice) else numpy.asarray(array)


def _names(indices: numpy.ndarray | slice) -> str:
    if isinstance(indices, slice):
        return f"examples {indices.start} to {indices.stop - 1}"
    shown = ", ".join(map(str, indices[:8].tolist()))
    return f"examples {shown}" + (f" and {len(indices) - 8} more" if len(indices) > 8 else "")


def default_collate(examples: Sequence[Any]) -> Any:
    """A batch of single examples: numbers and arrays stacked along a new first axis, tuples entry by entry.

    Raises ShapeError for arrays of unequal shapes, DTypeError for what is no number and no array.

    >>> data.default_collate([(np.zeros(2), 7), (np.ones(2), 8)])
    (array([[0., 0.],
           [1., 1.]]), array([7, 8]))
    """
    if not examples:
        raise ShapeError("default_collate: there are no examples; a batch has at least one.")
    if isinstance(examples[0], (tuple, list)):
        lengths = {len(example) for example in examples}
        if len(lengths) > 1:
            raise ShapeError(
                f"default_collate: the examples have {' and '.join(map(str, sorted(lengths)))} entries; all must have "
                f"the same number."
            )
        return tuple(default_collate(entries) for entries in zip(*examples, strict=True))
    try:
        made = numpy.stack([numpy.asarray(example) for example in examples])
    except ValueError as error:
        shapes = list(dict.fromkeys(describe(numpy.asarray(example)) for example in examples))
        raise ShapeError(
            f"default_collate: examples are {', '.join(shapes[:4])}; a batch needs one shape. Pad or crop them, or "
            f"give the loader a collate of your own."
        ) from error
    if made.dtype.kind in "OSUMm":
        raise DTypeError(
            f"default_collate: examples are {type(examples[0]).__name__}; numbers, arrays and tuples of them are "
            f"stacked. Give the loader a collate of your own."
        )
    return made
