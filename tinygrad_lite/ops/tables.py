"""Rows of tables, one for each integer, and their sums over bags of integers."""

from __future__ import annotations

from typing import Any, Literal

import numpy

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.dtypes import is_floating, limits
from ..core.errors import DTypeError, ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite
from .comparison import greater, where
from .conversion import astype, detach
from .elementwise import divide, multiply
from .gathering import segment_sum
from .indexing import take
from .movement import expand_dims, reshape
from .norms import vector_norm
from .reductions import max

__all__ = ["embedding", "embedding_bag"]


@composite(shapes="any")
def embedding(
    x: Array,
    weight: Array,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Array:
    """The rows of a table: weight[x].

    x : (...), integers. weight : (n, features). Returns (..., features).
    padding_idx : an integer whose row gets no gradient; may be negative.
    max_norm : rows with a longer norm, of order `norm_type`, are shortened to this length. Unlike PyTorch's, the table
        is not written to, and the derivative is that of the shortened rows.
    scale_grad_by_freq : divide the gradient of each row by the number of times that x names it.
    Raises ShapeError for a row that there is not; DTypeError if x is not of integers.

    >>> embedding(np.array([1, 0, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3., 4.],
           [1., 2.],
           [3., 4.]])
    """
    index, n = _checked("embedding", x, weight, padding_idx)
    rows = take(weight, index, axis=0)
    if max_norm is not None:
        length = vector_norm(rows, ord=norm_type, axis=-1, keepdims=True)
        longer = greater(detach(length), max_norm)
        rows = where(longer, rows * (max_norm / where(longer, length, 1.0)), rows)
    if scale_grad_by_freq:
        xp = backend_of(index).xp
        flat = xp.reshape(index, (-1,))
        ones = astype(flat * 0 + 1, rows.dtype)
        counts = xp.take(unwrap(segment_sum(ones, flat, num_segments=n)), flat, axis=0)
        share = rows / xp.reshape(counts, (*index.shape, 1))
        rows = detach(rows) + (share - detach(share))  # the value of the rows, and the derivative of their shares
    if padding_idx is not None:
        rows = where(expand_dims(index == padding_idx % n, axis=-1), detach(rows), rows)
    return rows


@composite(shapes="any")
def embedding_bag(
    x: Array,
    weight: Array,
    offsets: Array | None = None,
    per_sample_weights: Array | None = None,
    *,
    mode: Literal["mean", "sum", "max"] = "mean",
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    include_last_offset: bool = False,
) -> Array:
    """The mean, sum or maximum of the rows of a table that each bag of integers names.

    x : (bags, k), integers, one bag per row; or (n,), cut into bags at `offsets`. weight : (rows, features).
    offsets : (bags,), integers, where each bag begins in x, from 0 and in order; with `include_last_offset` also where
        the last one ends.
    per_sample_weights : the shape of x, factors of the rows; only for mode "sum".
    padding_idx : an integer that does not count, and whose row gets no gradient.
    max_norm, norm_type, scale_grad_by_freq : as for `embedding`.
    Returns (bags, features); 0 for a bag in which nothing counts.
    Raises ShapeError for arguments that do not fit; DTypeError if x or offsets are not of integers.

    >>> embedding_bag(np.array([0, 1, 1]), np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([0, 2]))
    array([[2., 4.],
           [3., 6.]])
    """
    index, n = _checked("embedding_bag", x, weight, padding_idx)
    segments, bags = _bags(index, offsets, include_last_offset)
    if mode not in ("mean", "sum", "max"):
        raise ShapeError(f"embedding_bag: mode is {mode!r}; it must be 'mean', 'sum' or 'max'.")
    if per_sample_weights is not None and (mode != "sum" or shape_of(per_sample_weights) != tuple(index.shape)):
        raise ShapeError(
            f"embedding_bag: per_sample_weights is {shape_of(per_sample_weights)}, x is {tuple(index.shape)} and mode "
            f"is {mode!r}; they must have the shape of x, and the mode must be 'sum'."
        )
    weight = weight if is_floating(weight.dtype) else astype(weight, "float64")  # means of integers are none
    backend = backend_of(index)
    xp = backend.xp
    flat = xp.reshape(index, (-1,))
    rows = embedding(
        flat, weight, padding_idx=padding_idx, max_norm=max_norm, norm_type=norm_type,
        scale_grad_by_freq=scale_grad_by_freq,
    )  # fmt: skip
    counted = flat == flat if padding_idx is None else flat != padding_idx % n
    if mode == "max":
        places, filled = (backend.asarray(part) for part in _padded(segments, bags))
        filled = xp.expand_dims(filled & xp.take(counted, places, axis=0), axis=-1)
        lowest = float(limits(rows.dtype).min)
        shape = (*places.shape, rows.shape[-1])
        members = where(filled, reshape(take(rows, xp.reshape(places, (-1,)), axis=0), shape), lowest)
        return where(xp.any(filled, axis=1), max(members, axis=1), 0.0)
    rows = where(xp.expand_dims(counted, axis=-1), rows, 0.0)
    if per_sample_weights is not None:
        rows = multiply(rows, reshape(per_sample_weights, (-1, 1)))
    numbers = backend.asarray(segments)
    total = segment_sum(rows, numbers, num_segments=bags)
    if mode == "sum":
        return total
    counts = segment_sum(astype(counted, rows.dtype), numbers, num_segments=bags)
    return divide(total, expand_dims(xp.maximum(unwrap(counts), xp.ones_like(unwrap(counts))), axis=-1))


def _checked(op: str, x: Array, weight: Array, padding_idx: int | None) -> tuple[Any, int]:
    """The integers as a raw array, and the number of rows."""
    index, shape = unwrap(x), shape_of(weight)
    if len(shape) != 2:
        raise ShapeError(f"{op}: weight is {shape}; it must be (rows, features).")
    if not str(getattr(index, "dtype", "")).rpartition(".")[2].startswith(("int", "uint")):
        raise DTypeError(f"{op}: x is {getattr(index, 'dtype', type(index).__name__)}; integers are required.")
    if padding_idx is not None and not -shape[0] <= padding_idx < shape[0]:
        raise ShapeError(f"{op}: padding_idx is {padding_idx}; it must be a row of weight, which is {shape}.")
    return index, shape[0]


def _bags(index: Any, offsets: Array | None, include_last_offset: bool) -> tuple[numpy.ndarray, int]:
    """The bag of each integer, and the number of bags."""
    if len(index.shape) == 2:
        if offsets is not None:
            raise ShapeError(f"embedding_bag: x is {tuple(index.shape)}, one bag per row; offsets must be None.")
        return numpy.repeat(numpy.arange(index.shape[0]), index.shape[1]), index.shape[0]
    if len(index.shape) != 1 or offsets is None:
        raise ShapeError(f"embedding_bag: x is {tuple(index.shape)}; it must be (bags, k), or (n,) with offsets.")
    raw = unwrap(offsets)
    starts = numpy.asarray(backend_of(raw).to_numpy(raw))
    if starts.dtype.kind not in "iu":
        raise DTypeError(f"embedding_bag: offsets are {starts.dtype}; integers are required.")
    ends = starts[-1:].tolist() if include_last_offset else [index.shape[0]]
    wrong = starts.ndim != 1 or not starts.size or starts[0] != 0 or (numpy.diff(starts) < 0).any()
    if wrong or ends != [index.shape[0]] or starts[-1] > index.shape[0]:
        raise ShapeError(
            f"embedding_bag: offsets are {starts.tolist()} and x is {tuple(index.shape)}; they must begin with 0, not "
            f"decrease, and not pass the end of x, which the last one must be with include_last_offset."
        )
    starts = starts[:-1] if include_last_offset else starts
    return numpy.searchsorted(starts, numpy.arange(index.shape[0]), side="right") - 1, len(starts)


def _padded(segments: numpy.ndarray, bags: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The places of each bag's integers, (bags, longest), and which of them there are."""
    counts = numpy.bincount(segments, minlength=bags)
    steps = numpy.arange(int(counts.max(initial=0)) or 1)
    filled = steps < counts[:, None]
    places = (numpy.cumsum(counts) - counts)[:, None] + steps
    return numpy.where(filled, places, 0), filled
