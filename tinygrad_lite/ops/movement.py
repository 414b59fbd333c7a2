"""Operations that move elements or change the shape, and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..core.axes import Axis, axes_of, shape_of, wrong_axis
from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.op import Array, composite, primitive

__all__ = [
    "broadcast_arrays", "broadcast_to", "expand_dims", "flatten", "flip", "matrix_transpose", "moveaxis",
    "permute_dims", "reshape", "roll", "squeeze", "swapaxes", "tril", "triu",
]  # fmt: skip


def _explain_axis(x: Array, /, axis: Axis = None, **_) -> str | None:
    message = wrong_axis(len(shape_of(x)), axis)
    return message and f"x is {shape_of(x)}; {message}"


# Shape


def _explain_reshape(x: Array, /, shape, *, copy: bool | None = None) -> str | None:
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    known = prod(n for n in lengths if n != -1)
    if lengths.count(-1) > 1:
        return f"shape is {lengths}; only one length may be -1."
    size = prod(shape_of(x))
    if lengths.count(-1) and (known == 0 or size % known):
        return f"x is {shape_of(x)} and shape is {lengths}; {size} elements are not a multiple of {known}."
    if not lengths.count(-1) and known != size:
        return f"x is {shape_of(x)} with {size} elements and shape is {lengths} with {known}; they must be equal."
    return None


@primitive(x=lambda g, x_shape: reshape(g, x_shape), shapes="any", explain=_explain_reshape)
def reshape(xp, x: Array, /, shape: int | tuple[int, ...], *, copy: bool | None = None) -> Array:
    """x with another shape and the same elements in the same (C) order; one length may be -1.

    copy : True for memory of its own, False for that of x; None shares it if possible.

    Raises ShapeError if the shape has another number of elements, and if the memory cannot be shared and must be.

    >>> reshape(np.arange(4.0), (2, 2))
    array([[0., 1.],
           [2., 3.]])
    """
    out = xp.reshape(x, (shape,) if isinstance(shape, int) else tuple(shape))
    if copy is not None:
        backend = backend_of(x)
        if copy:
            return backend.copy(out)
        if not backend.may_share_memory(x, out) and prod(out.shape):
            raise ShapeError(f"reshape: x is {shape_of(x)} and copy=False; as {tuple(out.shape)} it must be copied.")
    return out


@composite(shapes="any")
def flatten(x: Array, *, start_axis: int = 0) -> Array:
    """x with the axes from `start_axis` on merged into one; `start_axis=1` keeps a batch axis.

    >>> flatten(np.zeros((2, 3, 4)), start_axis=1).shape
    (2, 12)
    """
    start = axes_of(start_axis, len(x.shape), "flatten")[0] if len(x.shape) else 0
    return reshape(x, (*x.shape[:start], prod(x.shape[start:])))


def _explain_squeeze(x: Array, /, axis: Axis = None) -> str | None:
    message = wrong_axis(len(shape_of(x)), axis)
    if message is None:
        message = f"axis is {axis!r}; only axes of length 1 can be removed."
    return f"x is {shape_of(x)}; {message}"


@primitive(x=lambda g, x_shape: reshape(g, x_shape), shapes="any", explain=_explain_squeeze)
def squeeze(xp, x: Array, /, axis: Axis = None) -> Array:
    """x without the given axes of length 1; without all of them by default.

    Raises ShapeError if a given axis has another length.

    >>> squeeze(np.zeros((1, 3, 1)), axis=0).shape
    (3, 1)
    """
    return xp.squeeze(x, axis=tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else axis)


def _explain_expand(x: Array, /, axis: int | tuple[int, ...]) -> str | None:
    message = wrong_axis(len(shape_of(x)) + (len(axis) if isinstance(axis, tuple) else 1), axis)
    return message and f"x is {shape_of(x)}; in the result, {message}"


@primitive(x=lambda g, x_shape: reshape(g, x_shape), shapes="any", explain=_explain_expand)
def expand_dims(xp, x: Array, /, axis: int | tuple[int, ...] = 0) -> Array:
    """x with new axes of length 1, which lie at `axis` in the result.

    Raises IndexingError for an axis that the result does not have.

    >>> expand_dims(np.zeros((2, 3)), axis=-1).shape
    (2, 3, 1)
    """
    if not isinstance(axis, tuple):
        return xp.expand_dims(x, axis=axis)
    ndim = len(x.shape) + len(axis)
    if wrong_axis(ndim, axis):
        raise IndexError
    new = {i % ndim for i in axis}
    old = iter(x.shape)
    return xp.reshape(x, tuple(1 if i in new else next(old) for i in range(ndim)))


# Order


def _negative(shift: int | tuple[int, ...]) -> int | tuple[int, ...]:
    return tuple(-n for n in shift) if isinstance(shift, (tuple, list)) else -shift


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(axes)), key=[i % len(axes) for i in axes].__getitem__))


def _explain_permute(x: Array, /, axes) -> str | None:
    message = wrong_axis(len(shape_of(x)), axes) or f"axes is {axes!r}; it must name each of the axes once."
    return f"x is {shape_of(x)}; {message}"


@primitive(x=lambda g, axes: permute_dims(g, _inverse(axes)), shapes="any", explain=_explain_permute)
def permute_dims(xp, x: Array, /, axes: tuple[int, ...]) -> Array:
    """x with its axes in another order: axis i of the result is axis `axes[i]` of x.

    >>> permute_dims(np.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return xp.permute_dims(x, axes)


def _explain_matrix(x: Array, /, **_) -> str:
    return f"x is {shape_of(x)}; at least two axes are required."


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
    (i,), (j,) = (axes_of(axis, len(x.shape), "swapaxes") for axis in (axis1, axis2))
    return permute_dims(x, tuple({i: j, j: i}.get(k, k) for k in range(len(x.shape))))


@composite(shapes="any")
def moveaxis(x: Array, /, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Array:
    """x with the axes `source` moved to the positions `destination`; the others keep their order.

    >>> moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    ndim = len(x.shape)
    taken, placed = (axes_of(axis, ndim, "moveaxis") for axis in (source, destination))
    if len(taken) != len(placed):
        raise ShapeError(f"moveaxis: source is {source} and destination is {destination}; they must be equally many.")
    where_from = dict(zip(placed, taken, strict=True))
    rest = iter(i for i in range(ndim) if i not in taken)
    return permute_dims(x, tuple(where_from[i] if i in where_from else next(rest) for i in range(ndim)))


@primitive(x=lambda g, axis: flip(g, axis=axis), shapes="any", explain=_explain_axis)
def flip(xp, x: Array, /, axis: Axis = None) -> Array:
    """x with the order of its elements reversed along the given axes, along all by default.

    >>> flip(np.array([1.0, 2.0, 3.0]))
    array([3., 2., 1.])
    """
    return xp.flip(x, axis=axis)


@primitive(x=lambda g, shift, axis: roll(g, _negative(shift), axis=axis), shapes="any", explain=_explain_axis)
def roll(xp, x: Array, /, shift: int | tuple[int, ...], axis: Axis = None) -> Array:
    """x with its elements moved on by `shift` along the given axes; those that leave at one end enter at the other.

    Without `axis` the flattened array is rolled.

    >>> roll(np.array([1.0, 2.0, 3.0]), 1)
    array([3., 1., 2.])
    """
    return xp.roll(x, shift, axis=axis)


# Broadcasting


def _explain_broadcast(x: Array, /, shape) -> str:
    return f"x is {shape_of(x)} and shape is {shape}; each axis of x, from the last, must have that length or 1."


@primitive(x=lambda g, x_shape: sum_to(g, shape=x_shape), shapes="any", explain=_explain_broadcast)
def broadcast_to(xp, x: Array, /, shape: tuple[int, ...]) -> Array:
    """x broadcast to `shape`.

    >>> broadcast_to(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    return xp.broadcast_to(x, shape)


def broadcast_arrays(*arrays: Array) -> list[Array]:
    """The arrays broadcast to their common shape.

    Raises ShapeError if they have none: from the last axis on, lengths must be equal or 1.

    >>> broadcast_arrays(np.array([1.0, 2.0]), np.array([[3.0]]))
    [array([[1., 2.]]), array([[3., 3.]])]
    """
    shapes = list(map(shape_of, arrays))
    shape = [1] * max(map(len, shapes), default=0)
    for one in shapes:
        for i, n in enumerate(reversed(one), start=1):
            if n != 1 and shape[-i] not in (1, n):
                raise ShapeError(
                    f"broadcast_arrays: the arrays are {', '.join(map(str, shapes))}; lengths must be equal or 1 from "
                    f"the last axis on."
                )
            shape[-i] = n if n != 1 else shape[-i]
    return [broadcast_to(x, tuple(shape)) for x in arrays]


@primitive(x=lambda g, x_shape: broadcast_to(g, x_shape), shapes="any")
def sum_to(xp, x: Array, *, shape: tuple[int, ...]) -> Array:
    """The adjoint of broadcasting: x summed over the axes along which `shape` would have been broadcast to x's.

    >>> sum_to(np.ones((3, 2)), shape=(1, 2))
    array([[3., 3.]])
    """
    own = x.shape
    added = len(own) - len(shape)
    if own[added:] == shape:
        return xp.sum(x, axis=tuple(range(added)), dtype=x.dtype)
    stretched = tuple([i for i in range(len(own)) if i < added or shape[i - added] != own[i]])
    return xp.reshape(xp.sum(x, axis=stretched, dtype=x.dtype), shape)


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
