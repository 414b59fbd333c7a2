"""Operations that move elements or change the shape, and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from ..core.axes import Axis, axes_of, wrong_axis
from ..core.errors import ShapeError
from ..core.op import Array, composite, primitive

__all__ = [
    "broadcast_to", "concat", "crop", "expand_dims", "flatten", "flip", "matrix_transpose", "moveaxis", "pad",
    "permute_dims", "reshape", "roll", "split", "squeeze", "stack", "swapaxes", "tril", "triu", "unstack",
]  # fmt: skip

def _explain_axis(x: Array, /, axis: Axis = None, **_) -> str | None:
    message = wrong_axis(len(x.shape), axis)
    return message and f"x is {tuple(x.shape)}; {message}"


# Shape


def _explain_reshape(x: Array, /, shape) -> str | None:
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    known = prod(n for n in lengths if n != -1)
    if lengths.count(-1) > 1:
        return f"shape is {lengths}; only one length may be -1."
    size = prod(x.shape)
    if lengths.count(-1) and (known == 0 or size % known):
        return f"x is {tuple(x.shape)} and shape is {lengths}; {size} elements are not a multiple of {known}."
    if not lengths.count(-1) and known != size:
        return f"x is {tuple(x.shape)} with {size} elements and shape is {lengths} with {known}; they must be equal."
    return None


@primitive(x=lambda g, x_shape: reshape(g, x_shape), shapes="any", explain=_explain_reshape)
def reshape(xp, x: Array, /, shape: int | tuple[int, ...]) -> Array:
    """x with another shape and the same elements in the same (C) order; one length may be -1.

    Raises ShapeError if the shape has another number of elements.

    >>> reshape(np.arange(4.0), (2, 2))
    array([[0., 1.],
           [2., 3.]])
    """
    return xp.reshape(x, (shape,) if isinstance(shape, int) else tuple(shape))


@composite(shapes="any")
def flatten(x: Array, *, start_axis: int = 0) -> Array:
    """x with the axes from `start_axis` on merged into one; `start_axis=1` keeps a batch axis.

    >>> flatten(np.zeros((2, 3, 4)), start_axis=1).shape
    (2, 12)
    """
    start = axes_of(start_axis, len(x.shape))[0] if len(x.shape) else 0
    return reshape(x, (*x.shape[:start], prod(x.shape[start:])))


def _explain_squeeze(x: Array, /, axis: Axis = None) -> str | None:
    message = wrong_axis(len(x.shape), axis)
    if message is None:
        message = f"axis is {axis!r}; only axes of length 1 can be removed."
    return f"x is {tuple(x.shape)}; {message}"


@primitive(x=lambda g, x_shape: reshape(g, x_shape), shapes="any", explain=_explain_squeeze)
def squeeze(xp, x: Array, /, axis: Axis = None) -> Array:
    """x without the given axes of length 1; without all of them by default.

    Raises ShapeError if a given axis has another length.

    >>> squeeze(np.zeros((1, 3, 1)), axis=0).shape
    (3, 1)
    """
    return xp.squeeze(x, axis=tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else axis)


def _explain_expand(x: Array, /, *, axis: int | tuple[int, ...]) -> str | None:
    message = wrong_axis(len(x.shape) + (len(axis) if isinstance(axis, tuple) else 1), axis)
    return message and f"x is {tuple(x.shape)}; in the result, {message}"


@primitive(x=lambda g, x_shape: reshape(g, x_shape), shapes="any", explain=_explain_expand)
def expand_dims(xp, x: Array, *, axis: int | tuple[int, ...] = 0) -> Array:
    """x with new axes of length 1, which lie at `axis` in the result.

    >>> expand_dims(np.zeros((2, 3)), axis=-1).shape
    (2, 3, 1)
    """
    if not isinstance(axis, tuple):
        return xp.expand_dims(x, axis=axis)
    ndim = len(x.shape) + len(axis)
    if wrong_axis(ndim, axis):
        raise ValueError
    new = {i % ndim for i in axis}
    old = iter(x.shape)
    return xp.reshape(x, tuple(1 if i in new else next(old) for i in range(ndim)))


# Order


def _negative(shift: int | tuple[int, ...]) -> int | tuple[int, ...]:
    return tuple(-n for n in shift) if isinstance(shift, (tuple, list)) else -shift


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(axes)), key=[i % len(axes) for i in axes].__getitem__))


def _explain_permute(x: Array, /, axes) -> str | None:
    message = wrong_axis(len(x.shape), tuple(axes)) or f"axes is {tuple(axes)}; it must name each of the axes once."
    return f"x is {tuple(x.shape)}; {message}"


@primitive(x=lambda g, axes: permute_dims(g, _inverse(axes)), shapes="any", explain=_explain_permute)
def permute_dims(xp, x: Array, /, axes: tuple[int, ...]) -> Array:
    """x with its axes in another order: axis i of the result is axis `axes[i]` of x.

    >>> permute_dims(np.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return xp.permute_dims(x, axes)


def _explain_matrix(x: Array, /, **_) -> str:
    return f"x is {tuple(x.shape)}; at least two axes are required."


@primitive(x=lambda g: matrix_transpose(g), shapes="any", explain=_explain_matrix)
def matrix_transpose(xp, x: Array) -> Array:
    """x with its last two axes exchanged.

    x : (..., n, m), result (..., m, n).

    >>> matrix_transpose(np.zeros((2, 3, 4))).shape
    (2, 4, 3)
    """
    return xp.matrix_transpose(x)


@composite(shapes="any")
def swapaxes(x: Array, /, axis1: int, axis2: int) -> Array:
    """x with two axes exchanged.

    >>> swapaxes(np.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    (i,), (j,) = axes_of(axis1, len(x.shape)), axes_of(axis2, len(x.shape))
    return permute_dims(x, tuple({i: j, j: i}.get(k, k) for k in range(len(x.shape))))


@composite(shapes="any")
def moveaxis(x: Array, /, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Array:
    """x with the axes `source` moved to the positions `destination`; the others keep their order.

    >>> moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    ndim = len(x.shape)
    taken, placed = axes_of(source, ndim), axes_of(destination, ndim)
    if len(taken) != len(placed):
        raise ShapeError(f"moveaxis: source is {source} and destination is {destination}; they must be equally many.")
    where_from = dict(zip(placed, taken, strict=True))
    rest = iter(i for i in range(ndim) if i not in taken)
    return permute_dims(x, tuple(where_from[i] if i in where_from else next(rest) for i in range(ndim)))


@primitive(x=lambda g, axis: flip(g, axis=axis), shapes="any", explain=_explain_axis)
def flip(xp, x: Array, *, axis: Axis = None) -> Array:
    """x with the order of its elements reversed along the given axes, along all by default.

    >>> flip(np.array([1.0, 2.0, 3.0]))
    array([3., 2., 1.])
    """
    return xp.flip(x, axis=axis)


@primitive(x=lambda g, shift, axis: roll(g, _negative(shift), axis=axis), shapes="any", explain=_explain_axis)
def roll(xp, x: Array, /, shift: int | tuple[int, ...], *, axis: Axis = None) -> Array:
    """x with its elements moved on by `shift` along the given axes; those that leave at one end enter at the other.

    Without `axis` the flattened array is rolled.

    >>> roll(np.array([1.0, 2.0, 3.0]), 1)
    array([3., 1., 2.])
    """
    return xp.roll(x, shift, axis=axis)


# Broadcasting


def _explain_broadcast(x: Array, /, shape) -> str:
    return f"x is {tuple(x.shape)} and shape is {shape}; each axis of x, from the last, must have that length or 1."


@primitive(x=lambda g, x_shape: sum_to(g, shape=x_shape), shapes="any", explain=_explain_broadcast)
def broadcast_to(xp, x: Array, /, shape: tuple[int, ...]) -> Array:
    """x broadcast to `shape`.

    >>> broadcast_to(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    return xp.broadcast_to(x, shape)


@primitive(x=lambda g, x_shape: broadcast_to(g, x_shape), shapes="any")
def sum_to(xp, x: Array, *, shape: tuple[int, ...]) -> Array:
    """The adjoint of broadcasting: x summed over the axes along which `shape` would have been broadcast to x's.

    >>> sum_to(np.ones((3, 2)), shape=(1, 2))
    array([[3., 3.]])
    """
    added = len(x.shape) - len(shape)
    stretched = tuple(i for i in range(len(x.shape)) if i < added or shape[i - added] != x.shape[i])
    return xp.reshape(xp.sum(x, axis=stretched, dtype=x.dtype), shape)


# Joining and cutting


def _explain_concat(*arrays: Array, axis: int | None) -> str:
    return _explain_joint(arrays, axis, 0, "their shapes must agree on every axis but the joined one.")


def _explain_stack(*arrays: Array, axis: int) -> str:
    return _explain_joint(arrays, axis, 1, "their shapes must be equal.")


def _explain_joint(arrays: tuple, axis: int | None, added: int, law: str) -> str:
    if not arrays:
        return "got no arrays; at least one is required."
    shapes = ", ".join(str(tuple(array.shape)) for array in arrays)
    return f"the arrays are {shapes} and axis={axis}; {wrong_axis(len(arrays[0].shape) + added, axis) or law}"


def _concat_rule(g: Array, arrays_shape: tuple, axis: int | None) -> list[Array]:
    lengths = [prod(shape) if axis is None else shape[axis] for shape in arrays_shape]
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths) - 1)]
    parts = split(g, ends, axis=axis or 0)
    return [reshape(part, shape) for part, shape in zip(parts, arrays_shape, strict=True)] if axis is None else parts


@primitive(arrays=_concat_rule, shapes="any", explain=_explain_concat)
def concat(xp, *arrays: Array, axis: int | None = 0) -> Array:
    """The arrays joined along an existing axis; with `axis=None` they are flattened first.

    Raises ShapeError if they differ in another axis.

    >>> concat([np.array([1.0, 2.0]), np.array([3.0])])
    array([1., 2., 3.])
    """
    return xp.concat(arrays, axis=axis)


@primitive(arrays=lambda g, axis: unstack(g, axis=axis), shapes="any", explain=_explain_stack)
def stack(xp, *arrays: Array, axis: int = 0) -> Array:
    """The arrays, of equal shape, joined along a new axis, which lies at `axis` in the result.

    >>> stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])], axis=1)
    array([[1., 3.],
           [2., 4.]])
    """
    return xp.stack(arrays, axis=axis)


def split(x: Array, /, indices_or_sections: int | Sequence[int], *, axis: int = 0) -> list[Array]:
    """x cut along an axis into equal sections, or at the given indices.

    indices_or_sections : a number of sections, which must divide the axis; or the indices at which to cut.

    Raises ShapeError if the sections would not be equal.

    >>> split(np.arange(6.0), 3)
    [array([0., 1.]), array([2., 3.]), array([4., 5.])]
    """
    (axis,) = axes_of(axis, len(x.shape))
    length = x.shape[axis]
    if isinstance(indices_or_sections, int):
        n = indices_or_sections
        if n < 1 or length % n:
            raise ShapeError(
                f"split: x is {tuple(x.shape)} and axis {axis} of length {length} cannot be cut into {n} equal "
                f"sections; give a divisor of the length, or the indices at which to cut."
            )
        bounds = [i * (length // n) for i in range(n + 1)]
    else:
        bounds = [0, *indices_or_sections, length]
    return [_section(x, axis, start, stop) for start, stop in pairwise(bounds)]


def _section(x: Array, axis: int, start: int, stop: int) -> Array:
    """x[start:stop] along `axis`, with the meaning that Python's slices give to bounds outside the axis."""
    length = x.shape[axis]
    start, stop, _ = slice(start, stop).indices(length)
    widths = [(0, 0)] * len(x.shape)
    widths[axis] = (start, length - stop) if stop > start else (0, length)
    return crop(x, tuple(widths))


def unstack(x: Array, *, axis: int = 0) -> tuple[Array, ...]:
    """The subarrays of x along an axis, which they no longer have.

    >>> unstack(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    (array([1., 3.]), array([2., 4.]))
    """
    (axis,) = axes_of(axis, len(x.shape))
    return tuple(squeeze(_section(x, axis, i, i + 1), axis=axis) for i in range(x.shape[axis]))


def _widths(pad_width, ndim: int) -> tuple[tuple[int, int], ...]:
    """NumPy's forms of pad_width as one pair per axis: a number, (before, after), or one pair (or number) per axis."""
    if isinstance(pad_width, int):
        return ((pad_width, pad_width),) * ndim
    entries = [(entry,) if isinstance(entry, int) else tuple(entry) for entry in pad_width]
    if len(entries) == 2 and all(isinstance(entry, int) for entry in pad_width):
        entries = [tuple(pad_width)]
    pairs = [entry * 2 if len(entry) == 1 else entry for entry in entries]
    pairs = pairs * ndim if len(pairs) == 1 else pairs
    if len(pairs) != ndim or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ValueError
    return tuple(pairs)


def _explain_pad(x: Array, /, pad_width, **_) -> str:
    return (
        f"x is {tuple(x.shape)} and pad_width is {pad_width!r}; it must be a number, (before, after), or "
        f"{len(x.shape)} such pairs, none of them negative, and to be cut off no more than there is."
    )


@primitive(x=lambda g, pad_width: crop(g, pad_width), shapes="any", explain=_explain_pad)
def pad(xp, x: Array, /, pad_width, *, value: float = 0.0) -> Array:
    """x with `value` added around it.

    pad_width : the number of added elements: one for all sides, `(before, after)` for all axes, or a pair per axis.

    >>> pad(np.array([1.0, 2.0]), (1, 2))
    array([0., 1., 2., 0., 0.])
    """
    widths = _widths(pad_width, len(x.shape))
    out = xp.full(tuple(a + n + b for n, (a, b) in zip(x.shape, widths, strict=True)), value, dtype=x.dtype)
    out[tuple(slice(a, a + n) for n, (a, _) in zip(x.shape, widths, strict=True))] = x
    return out


@primitive(x=lambda g, pad_width: pad(g, pad_width), shapes="any", explain=_explain_pad)
def crop(xp, x: Array, /, pad_width) -> Array:
    """x without its outer elements: `crop(pad(x, w), w)` is x. `pad_width` as for `pad`.

    >>> crop(np.arange(5.0), (1, 2))
    array([1., 2.])
    """
    widths = _widths(pad_width, len(x.shape))
    if any(a + b > n for n, (a, b) in zip(x.shape, widths, strict=True)):
        raise ValueError
    return x[tuple(slice(a, n - b) for n, (a, b) in zip(x.shape, widths, strict=True))]


# Triangles


def _matrices(x: Array) -> Array:
    if len(x.shape) < 2:  # NumPy would make a matrix of a vector
        raise ValueError
    return x


@primitive(x=lambda g, k: tril(g, k=k), shapes="any", explain=_explain_matrix)
def tril(xp, x: Array, *, k: int = 0) -> Array:
    """The lower triangle of each matrix: zero above diagonal `k` (0 is the main one, positive ones lie above it).

    x : (..., n, m).

    >>> tril(np.ones((2, 3)))
    array([[1., 0., 0.],
           [1., 1., 0.]])
    """
    return xp.tril(_matrices(x), k=k)


@primitive(x=lambda g, k: triu(g, k=k), shapes="any", explain=_explain_matrix)
def triu(xp, x: Array, *, k: int = 0) -> Array:
    """The upper triangle of each matrix: zero below diagonal `k` (0 is the main one, positive ones lie above it).

    x : (..., n, m).

    >>> triu(np.ones((2, 3)), k=1)
    array([[0., 1., 1.],
           [0., 0., 1.]])
    """
    return xp.triu(_matrices(x), k=k)
