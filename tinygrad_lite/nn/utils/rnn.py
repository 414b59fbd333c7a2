"""Batches of sequences of different lengths: padded with a value, or packed, with nothing between them.

Packed sequences lie as `ops/recurrent.py` wants them: the rows of the first time, then those of the second, and so on;
at each time those sequences that are that long, the longest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy

from ...core.backend import backend_of
from ...core.errors import ShapeError
from ...core.graph import unwrap
from ...core.op import Array
from ...ops import full_like, pad, reshape, stack, take, where

__all__ = [
    "PackedSequence", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence",
    "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class PackedSequence(NamedTuple):
    """A batch of sequences without padding; made by `pack_padded_sequence` or `pack_sequence`.

    data : (rows, ...), one time after another.
    batch_sizes : how many rows each time has.
    sorted_indices, unsorted_indices : the numbers of the sequences from the longest on, and the place of each sequence
        in that order; None if they were in that order.
    """

    data: Any
    batch_sizes: tuple[int, ...]
    sorted_indices: Any = None
    unsorted_indices: Any = None

    def lengths(self) -> numpy.ndarray:
        """How long each sequence is, in the order in which they were given."""
        sizes = numpy.asarray(self.batch_sizes)
        found = (sizes[:, None] > numpy.arange(sizes[0])).sum(axis=0)
        return found if self.unsorted_indices is None else found[self.unsorted_indices]


def pack_padded_sequence(
    input: Array, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The elements of a padded batch of sequences, without the padding.

    input : (time, n, ...), or (n, time, ...) if `batch_first`.
    lengths : n positive integers, looked at in main memory: from a GPU they are copied, which waits for it.
    enforce_sorted : whether the lengths must not grow; otherwise the sequences are sorted, and recurrent layers and
        `pad_packed_sequence` give results in the order of `input`.

    Raises ShapeError for lengths that do not fit.

    >>> x = np.array([[1, 2, 3], [4, 5, 0]])
    >>> packed = nn.utils.rnn.pack_padded_sequence(x, [3, 2], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (array([1, 4, 2, 5, 3]), (2, 2, 1))
    """
    counts = unwrap(lengths)
    counts = backend_of(counts).to_numpy(counts) if hasattr(counts, "shape") else numpy.asarray(counts)
    counts = counts.astype(numpy.int64)
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise ShapeError(f"pack_padded_sequence: input is {shape}; it must be (time, n, ...), or (n, time, ...).")
    n, time = shape[:2] if batch_first else shape[1::-1]
    if counts.shape != (n,) or n == 0 or counts.min() < 1 or counts.max() > time:
        raise ShapeError(
            f"pack_padded_sequence: lengths is {counts.tolist()} and input is {shape}; it must be {n} lengths from 1 "
            f"to {time}."
        )
    order = numpy.argsort(-counts, kind="stable")
    sequential = bool((counts[:-1] >= counts[1:]).all())
    if enforce_sorted and not sequential:
        raise ShapeError(
            f"pack_padded_sequence: lengths is {counts.tolist()}; they must not grow. Sort the sequences, or give "
            f"enforce_sorted=False."
        )
    places = numpy.arange(counts.max())[:, None], order[None, :]
    present = places[0] < counts[order]
    rows = (places[1] * time + places[0] if batch_first else places[0] * n + places[1])[present]
    data = take(reshape(input, (n * time, *shape[2:])), indices_like(input, rows), axis=0)
    sizes = tuple(present.sum(axis=1).tolist())
    return PackedSequence(data, sizes) if enforce_sorted else PackedSequence(data, sizes, order, numpy.argsort(order))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Array, numpy.ndarray]:
    """The padded batch (time, n, ...), or (n, time, ...), of packed sequences, and their lengths.

    padding_value : of the elements beyond the end of a sequence. total_length : the length of the time axis; that of
        the longest sequence if None.

    Raises ShapeError for a total_length that is less than that.

    >>> packed = nn.utils.rnn.pack_sequence([np.array([1, 2, 3]), np.array([4, 5])])
    >>> nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    (array([[1, 2, 3],
           [4, 5, 0]]), array([3, 2]))
    """
    sizes, lengths = numpy.asarray(sequence.batch_sizes), sequence.lengths()
    time = len(sizes) if total_length is None else total_length
    if time < len(sizes):
        raise ShapeError(
            f"pad_packed_sequence: total_length is {time}; it must be at least {len(sizes)}, the longest sequence."
        )
    count = len(lengths)
    places = numpy.arange(count) if sequence.unsorted_indices is None else sequence.unsorted_indices
    starts = numpy.zeros(time, numpy.int64)
    starts[: len(sizes)] = numpy.cumsum(sizes) - sizes
    present = numpy.arange(time)[:, None] < lengths
    rows = numpy.where(present, starts[:, None] + places, 0)
    if batch_first:
        rows, present = rows.T, present.T
    data = sequence.data
    taken = take(data, indices_like(data, rows.ravel()), axis=0)
    taken = reshape(taken, (*rows.shape, *data.shape[1:]))
    if present.all():
        return taken, lengths
    mask = indices_like(data, present.reshape(*present.shape, *(1,) * (len(data.shape) - 1)))
    return where(mask, taken, full_like(unwrap(taken), padding_value)), lengths


def pad_sequence(
    sequences: Sequence[Array],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: Literal["left", "right"] = "right",
) -> Array:
    """Sequences (length, ...) of different lengths as one padded array (time, n, ...), or (n, time, ...).

    >>> nn.utils.rnn.pad_sequence([np.array([1, 2, 3]), np.array([4])], batch_first=True, padding_side="left")
    array([[1, 2, 3],
           [0, 0, 4]])
    """
    if padding_side not in ("left", "right"):
        raise ShapeError(f"pad_sequence: padding_side is {padding_side!r}; it must be 'left' or 'right'.")
    if len(sequences) == 0:
        raise ShapeError("pad_sequence: there is no sequence; at least one is required.")
    time = max(x.shape[0] for x in sequences)
    padded = []
    for x in sequences:
        missing = time - x.shape[0]
        widths = ((missing, 0) if padding_side == "left" else (0, missing), *((0, 0),) * (len(x.shape) - 1))
        padded.append(pad(x, widths, value=padding_value) if missing else x)
    return stack(padded, axis=0 if batch_first else 1)


def pack_sequence(sequences: Sequence[Array], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (length, ...) of different lengths, packed. `enforce_sorted` as for `pack_padded_sequence`.

    >>> nn.utils.rnn.pack_sequence([np.array([1, 2, 3]), np.array([4])]).data
    array([1, 4, 2, 3])
    """
    lengths = [x.shape[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpad_sequence(padded_sequences: Array, lengths: Iterable[int], batch_first: bool = False) -> list[Array]:
    """The sequences of a padded batch (time, n, ...), or (n, time, ...), each with its length.

    >>> nn.utils.rnn.unpad_sequence(np.array([[1, 2, 3], [4, 5, 0]]), [3, 2], batch_first=True)
    [array([1, 2, 3]), array([4, 5])]
    """
    ends = numpy.asarray(unwrap(lengths)).tolist()
    x = padded_sequences
    return [x[i, :end] if batch_first else x[:end, i] for i, end in enumerate(ends)]


def unpack_sequence(packed_sequences: PackedSequence) -> list[Array]:
    """The sequences that were packed.

    >>> nn.utils.rnn.unpack_sequence(nn.utils.rnn.pack_sequence([np.array([1, 2, 3]), np.array([4])]))
    [array([1, 2, 3]), array([4])]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)


def indices_like(like: Any, values: numpy.ndarray) -> Any:
    """Indices or a mask where `like` is."""
    array = unwrap(like)
    backend = backend_of(array)
    return backend.asarray(values, device=backend.device_of(array))
