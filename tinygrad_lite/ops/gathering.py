"""Putting values at indices along an axis, adding them there, and choosing by masks. All give new arrays."""

from __future__ import annotations

from typing import Any

from ..core.axes import axes_of, shape_of, wrong_axis
from ..core.backend import backend_of
from ..core.errors import DTypeError, ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite, primitive
from .comparison import where
from .conversion import astype, dtype_on
from .indexing import getitem, scatter, scatter_along_axis, set_item
from .movement import broadcast_to

__all__ = [
    "bincount", "index_add", "masked_fill", "masked_select", "one_hot", "put_along_axis", "scatter_add",
    "segment_mean", "segment_sum",
]  # fmt: skip


def _checked_axis(op: str, x: Array, axis: int) -> int:
    """The axis counted from 0."""
    message = wrong_axis(len(shape_of(x)), axis)
    if message is not None:
        raise ShapeError(f"{op}: x is {shape_of(x)} and axis={axis}; {message}")
    return axes_of(axis, len(shape_of(x)))[0]


def _integers(op: str, name: str, indices: Array) -> Any:
    """The raw array of indices."""
    indices = unwrap(indices)
    dtype = str(getattr(indices, "dtype", "")).rpartition(".")[2]
    if not dtype.startswith(("int", "uint")):
        raise DTypeError(f"{op}: {name} is {dtype or type(indices).__name__}; an array of integers is required.")
    return indices


def check_range(op: str, name: str, indices: Any, length: int, least: int) -> None:
    """ShapeError if an index is not from `least` to `length` - 1. Not on a device, where it would wait for the result.

    The device's library wraps or clips there.
    """
    backend = backend_of(indices)
    if backend.asynchronous or 0 in indices.shape:
        return
    low, high = int(backend.xp.min(indices)), int(backend.xp.max(indices))
    if low < least or high >= length:
        raise ShapeError(f"{op}: {name} has values from {low} to {high}; they must be from {least} to {length - 1}.")


def _count(numbers: Any) -> int:
    """How many numbers there are from 0 to the largest."""
    backend = backend_of(numbers)
    return int(backend.to_numpy(backend.xp.max(numbers))) + 1


def _check_along(op: str, x: Array, indices: Array, axis: int) -> None:
    own, other = shape_of(x), shape_of(indices)
    pairs = list(zip(own, other, strict=False))
    if len(own) != len(other) or any(k not in (1, n) for n, k in pairs[:axis] + pairs[axis + 1 :]):
        raise ShapeError(
            f"{op}: x is {own} and indices are {other}; they must have as many axes, and each but axis {axis} the "
            f"length of x or 1."
        )


def _check_values(op: str, values: Array, shape: tuple[int, ...], what: str) -> None:
    """ShapeError unless `values` broadcast to `shape`."""
    own = shape_of(values)
    if len(own) > len(shape) or any(k not in (1, n) for k, n in zip(own[::-1], shape[::-1], strict=False)):
        raise ShapeError(f"{op}: values are {own}; they must broadcast to {what}, {shape}.")


def _along(x: Array, indices: Any, axis: int) -> tuple:
    """The index that means x[..., indices[..., j, ...], ...]."""
    xp, ndim = backend_of(indices).xp, len(x.shape)
    # NumPy assigns in the order in which the indices lie in memory; that must be the order in which they are read.
    indices = xp.reshape(xp.asarray(xp.reshape(indices, (-1,)), copy=True), indices.shape)
    return tuple(
        indices if i == axis else xp.reshape(xp.arange(n), tuple(n if j == i else 1 for j in range(ndim)))
        for i, n in enumerate(x.shape)
    )


# Along one axis


@composite(shapes="any", autocast="widest")
def put_along_axis(x: Array, indices: Array, values: Array, /, axis: int = -1) -> Array:
    """A copy of x with values at the indices along an axis: out[..., indices[..., j, ...], ...] = values[..., j, ...].

    x : (..., n, ...). indices : (..., k, ...), integers, with as many axes; any other axis may have length 1. Of
    several values for one place the last remains. values : broadcast to (..., k, ...).
    Raises ShapeError for an index out of range and for shapes that do not fit; DTypeError if indices are no integers.

    >>> put_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), 9.0)
    array([[1., 9.],
           [9., 4.]])
    """
    axis, indices = _checked_axis("put_along_axis", x, axis), _integers("put_along_axis", "indices", indices)
    _check_along("put_along_axis", x, indices, axis)
    check_range("put_along_axis", "indices", indices, x.shape[axis], -x.shape[axis])
    places = (*x.shape[:axis], indices.shape[axis], *x.shape[axis + 1 :])
    _check_values("put_along_axis", values, places, "the indices")
    return set_item(x, values, index=_along(x, indices, axis))


@composite(shapes="any", autocast="widest")
def scatter_add(x: Array, indices: Array, values: Array, *, axis: int = -1) -> Array:
    """x with `values` added at the indices along an axis: out[..., indices[..., j, ...], ...] += values[..., j, ...].

    x : (..., n, ...). indices : (..., k, ...), integers, with as many axes; any other axis may have length 1. A place
    that occurs several times receives the sum. values : broadcast to (..., k, ...).
    Raises ShapeError for an index out of range and for shapes that do not fit; DTypeError if indices are no integers.

    >>> scatter_add(np.zeros((1, 3)), np.array([[2, 2, 0]]), np.array([[1.0, 2.0, 3.0]]))
    array([[3., 0., 3.]])
    """
    axis, indices = _checked_axis("scatter_add", x, axis), _integers("scatter_add", "indices", indices)
    _check_along("scatter_add", x, indices, axis)
    check_range("scatter_add", "indices", indices, x.shape[axis], -x.shape[axis])
    places = (*x.shape[:axis], indices.shape[axis], *x.shape[axis + 1 :])
    _check_values("scatter_add", values, places, "the indices")
    return x + scatter_along_axis(broadcast_to(values, places), indices, axis=axis, shape=tuple(x.shape))


@composite(shapes="any", autocast="widest")
def index_add(x: Array, indices: Array, values: Array, *, axis: int = 0) -> Array:
    """x with subarrays added at the indices of an axis: out[..., indices[j], ...] += values[..., j, ...].

    x : (..., n, ...). indices : (k,), integers; a place that occurs several times receives the sum.
    values : broadcast to (..., k, ...).
    Raises ShapeError for an index out of range and for shapes that do not fit; DTypeError if indices are no integers.

    >>> index_add(np.zeros((3, 2)), np.array([2, 2]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[0., 0.],
           [0., 0.],
           [4., 6.]])
    """
    axis, indices = _checked_axis("index_add", x, axis), _integers("index_add", "indices", indices)
    if len(indices.shape) != 1:
        raise ShapeError(f"index_add: indices are {tuple(indices.shape)}; one axis is required.")
    check_range("index_add", "indices", indices, x.shape[axis], -x.shape[axis])
    places = (*x.shape[:axis], indices.shape[0], *x.shape[axis + 1 :])
    _check_values("index_add", values, places, "the indexed part of x")
    return x + scatter(broadcast_to(values, places), index=(slice(None),) * axis + (indices,), shape=tuple(x.shape))


# Segments


def _segment_index(op: str, x: Array, segments: Array, count: int | None, axis: int) -> tuple[int, Any, int]:
    axis, segments = _checked_axis(op, x, axis), _integers(op, "segments", segments)
    if tuple(segments.shape) != (x.shape[axis],):
        raise ShapeError(
            f"{op}: x is {tuple(x.shape)} and segments are {tuple(segments.shape)}; one number for each of the "
            f"{x.shape[axis]} places of axis {axis} is required."
        )
    if count is None:
        count = _count(segments) if segments.shape[0] else 0
    check_range(op, "segments", segments, count, 0)
    return axis, segments, count


@composite(shapes="any")
def segment_sum(x: Array, segments: Array, *, num_segments: int | None = None, axis: int = 0) -> Array:
    """Sums of the subarrays of x that have the same segment number: out[s] is the sum of x[i] where segments[i] == s.

    x : (..., n, ...). segments : (n,), integers from 0, in any order. num_segments : the length of the result along the
    axis; the largest number plus 1 if None. A segment without members has sum 0.
    Raises ShapeError if the lengths differ or a number is out of range; DTypeError if segments are no integers.

    >>> segment_sum(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]))
    array([5., 0., 2.])
    """
    axis, segments, count = _segment_index("segment_sum", x, segments, num_segments, axis)
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    return scatter(x, index=(slice(None),) * axis + (segments,), shape=shape)


@composite(shapes="any")
def segment_mean(x: Array, segments: Array, *, num_segments: int | None = None, axis: int = 0) -> Array:
    """Means of the subarrays of x that have the same segment number; arguments as for `segment_sum`.

    A segment without members has mean 0.
    Raises ShapeError if the lengths differ or a number is out of range; DTypeError if segments are no integers.

    >>> segment_mean(np.array([1.0, 2.0, 4.0]), np.array([0, 2, 0]))
    array([2.5, 0. , 2. ])
    """
    axis, segments, count = _segment_index("segment_mean", x, segments, num_segments, axis)
    xp = backend_of(segments).xp
    members = scatter(xp.ones(segments.shape, dtype=x.dtype), index=segments, shape=(count,))
    members = xp.maximum(members, xp.ones_like(members))
    members = xp.reshape(members, (count,) + (1,) * (len(x.shape) - 1 - axis))
    return segment_sum(x, segments, num_segments=count, axis=axis) / members


@composite(shapes="any")
def bincount(x: Array, weights: Array | None = None, *, minlength: int = 0) -> Array:
    """How often each number from 0 on occurs in x; or the sum of the weights of its occurrences.

    x : (n,), integers from 0. weights : (n,), differentiable. minlength : the least length of the result, which is
    otherwise the largest number plus 1.
    Raises ShapeError if the lengths differ or a number is negative; DTypeError if x is not of integers.

    >>> bincount(np.array([0, 2, 0]))
    array([2, 0, 1])
    """
    numbers = _integers("bincount", "x", x)
    own, other = shape_of(numbers), shape_of(numbers if weights is None else weights)
    if len(own) != 1 or own != other:
        raise ShapeError(f"bincount: x is {own} and weights are {other}; both must be (n,).")
    if weights is None:
        weights = astype(x, "int64") * 0 + 1
    count = _count(numbers) if own[0] else 0
    check_range("bincount", "x", numbers, max(count, 1), 0)
    return segment_sum(weights, numbers, num_segments=max(count, minlength))


# Masks


def _mask(op: str, mask: Array) -> Any:
    mask = unwrap(mask)
    if "bool" not in str(getattr(mask, "dtype", "")):
        given = getattr(mask, "dtype", type(mask).__name__)
        raise DTypeError(f"{op}: mask is {given}; an array of booleans is required.")
    return mask


@composite(shapes="any")
def masked_fill(x: Array, mask: Array, value: Array) -> Array:
    """A copy of x with `value` where the mask is true.

    mask : booleans that broadcast to x. value : a number, or an array that broadcasts to x.
    Raises ShapeError for shapes that do not fit; DTypeError if mask is not of booleans.

    >>> masked_fill(np.array([1.0, 2.0]), np.array([True, False]), -1.0)
    array([-1.,  2.])
    """
    mask = _mask("masked_fill", mask)
    for name, given in (("mask", mask), ("value", value)):
        own, shape = shape_of(given), tuple(x.shape)
        if len(own) > len(shape) or any(k not in (1, n) for k, n in zip(own[::-1], shape[::-1], strict=False)):
            raise ShapeError(f"masked_fill: x is {shape} and {name} is {own}; {name} must broadcast to x.")
    return where(mask, value, x)


@composite(shapes="any")
def masked_select(x: Array, mask: Array) -> Array:
    """The elements of x where the mask is true, in one axis, in the order of x. x and mask broadcast together.

    The length of the result depends on the mask's values.
    Raises ShapeError if they do not broadcast; DTypeError if mask is not of booleans.

    >>> masked_select(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([True, False]))
    array([1., 3.])
    """
    mask = _mask("masked_select", mask)
    own, other = tuple(x.shape), tuple(mask.shape)
    ndim = max(len(own), len(other))
    pairs = list(zip((1,) * (ndim - len(own)) + own, (1,) * (ndim - len(other)) + other, strict=True))
    if any(n != k and 1 not in (n, k) for n, k in pairs):
        raise ShapeError(f"masked_select: x is {own} and mask is {other}; they must broadcast together.")
    shape = tuple(k if n == 1 else n for n, k in pairs)
    return getitem(broadcast_to(x, shape), index=backend_of(mask).xp.broadcast_to(mask, shape))


# Codes


@primitive(shapes="any")
def one_hot_codes(xp, x: Array, *, num_classes: int, dtype: Any) -> Array:
    """Rows of 0 with 1 at the given class. See `one_hot`, which checks the classes.

    >>> one_hot_codes(np.array([1, 0]), num_classes=2, dtype=np.int64)
    array([[0, 1],
           [1, 0]])
    """
    return xp.astype(xp.expand_dims(x, axis=-1) == xp.arange(num_classes, dtype=x.dtype), dtype)


@composite(shapes="any")
def one_hot(x: Array, *, num_classes: int = -1, dtype: Any = "int64") -> Array:
    """For each class number a row of 0 with 1 at that place: out[..., c] is 1 where x[...] == c. A constant.

    x : any shape, integers from 0. num_classes : the length of the new last axis; -1 stands for the largest class
    plus 1.
    Raises ShapeError for a class out of range, or if there are none to count; DTypeError if x is not of integers.

    >>> one_hot(np.array([2, 0]), dtype="float32")
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    classes = _integers("one_hot", "x", x)
    backend = backend_of(classes)
    if num_classes == -1:
        if 0 in classes.shape:
            raise ShapeError(f"one_hot: x is {tuple(classes.shape)}, without elements; give num_classes.")
        num_classes = _count(classes)
    check_range("one_hot", "x", classes, num_classes, 0)
    return one_hot_codes(x, num_classes=num_classes, dtype=dtype_on(backend, dtype))
