"""How many elements lie between given edges, or how much they weigh."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.dtypes import is_complex
from ..core.errors import DTypeError, ShapeError
from ..core.graph import Handle, unwrap, wrap
from ..core.op import Array, composite
from .creation import ones_like
from .gathering import segment_sum
from .indexing import take
from .movement import reshape
from .reductions import sum

__all__ = ["Histogram", "histogram"]


class Histogram(NamedTuple):
    """What `histogram` returns: as NumPy's, in the same order."""

    counts: Array
    edges: Array


@composite(shapes="any")
def histogram(
    x: Array,
    weights: Array | None = None,
    *,
    bins: Any = 10,
    range: tuple[float, float] | None = None,
    density: bool = False,
) -> Histogram:
    """How many elements lie in each bin, or the sum of their weights there; and the edges of the bins.

    weights : of x's shape. Only they have a derivative: the counts do not change with x but by jumps.
    bins : how many, all of one width; or their edges, ascending; or the name of one of NumPy's rules (`"auto"`).
    range : the outermost edges, for a number of bins; the extreme elements if None. What lies outside is left out.
    density : divide by the width of the bin and by the sum of all, so that the integral is 1.
    A bin holds its lower edge, and the last one also its upper edge.
    Raises ShapeError if the weights have another shape, or for what are no bins; DTypeError for complex x.

    >>> histogram(np.array([1.0, 2.0, 1.5, 4.0]), bins=3).counts
    array([2, 1, 1])
    """
    raw = unwrap(x)
    if weights is not None and shape_of(weights) != shape_of(x):
        raise ShapeError(f"histogram: x is {shape_of(x)} and weights are {shape_of(weights)}; they must be equal.")
    if is_complex(raw.dtype):
        raise DTypeError(f"histogram: x has dtype {raw.dtype}; complex numbers have no order. Give real ones.")
    backend = backend_of(raw)
    values = backend.to_numpy(raw).reshape(-1)
    values = values.astype("uint8") if values.dtype == bool else values
    try:
        edges = numpy.histogram_bin_edges(values, bins, range)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"histogram: bins={bins!r} and range={range!r}; {error}") from error
    edges = edges.astype(values.dtype if values.dtype.kind == "f" else "float64")
    place = numpy.searchsorted(edges, values, side="right") - 1
    place = numpy.where(values == edges[-1], len(edges) - 2, place)
    (inside,) = numpy.nonzero((values >= edges[0]) & (values <= edges[-1]))
    made = ones_like(x, dtype=edges.dtype.name if density else "int64") if weights is None else weights
    kept = take(reshape(made, (-1,)), backend.asarray(inside), axis=0)
    counts = segment_sum(kept, backend.asarray(place[inside]), num_segments=len(edges) - 1)
    if density:
        counts = counts / backend.asarray(numpy.diff(edges)) / sum(counts)
    edges = backend.asarray(edges)
    edges = wrap(edges, None) if isinstance(counts, Handle) else edges
    return Histogram(counts, edges)
