"""Picking elements by index, and putting them back."""

from __future__ import annotations

from math import prod as product
from typing import Any

import numpy

from ..core.axes import axes_of, shape_of, wrong_axis
from ..core.backend import backend_for, backend_of
from ..core.dtypes import is_floating
from ..core.errors import DTypeError
from ..core.graph import unwrap
from ..core.op import Array, primitive
from .comparison import where
from .movement import reshape

__all__ = ["getitem", "set_item", "take", "take_along_axis"]


# What an index is made of


def _in_main_memory(index: Any) -> Any:
    """A part of a list of indices, for NumPy to make an array of."""
    return backend_of(index).to_numpy(index) if hasattr(index, "shape") else index


def plain_index(index: Any) -> Any:
    """`index` without Tensors, and with lists and single integers of arrays as arrays and Python numbers.

    Raises DTypeError for anything that is not an integer, a slice, None, `...`, or an array of integers or booleans.
    """
    if isinstance(index, tuple):
        return tuple(map(plain_index, index))
    if index is None or index is Ellipsis or isinstance(index, (int, slice)):
        return index
    index = unwrap(index)
    if isinstance(index, (list, numpy.generic)):
        index = numpy.asarray([_in_main_memory(unwrap(i)) for i in index] if isinstance(index, list) else index)
        if index.size == 0 and index.ndim == 1:
            index = index.astype(numpy.int64)
    dtype = getattr(index, "dtype", None)
    if dtype is None or not _is_index_dtype(dtype):
        what = f"an array of dtype {dtype}" if dtype is not None else f"a {type(index).__name__}"
        raise DTypeError(
            f"x[i]: the index is {what}; integers, slices, None, ... and arrays of integers or booleans are accepted."
        )
    if isinstance(index, numpy.ndarray) and index.ndim == 0:
        return index.item()
    return index


def _is_index_dtype(dtype: Any) -> bool:
    name = str(getattr(dtype, "name", dtype)).rpartition(".")[2]
    return name.startswith(("int", "uint", "bool"))


def _parts(index: Any) -> tuple:
    return index if isinstance(index, tuple) else (index,)


def _is_mask(part: Any) -> bool:
    return isinstance(part, bool) or "bool" in str(getattr(part, "dtype", ""))


def _is_basic(index: Any) -> bool:
    """Whether the index is made of integers, slices, None and `...` only."""
    for part in _parts(index):
        if not (part is None or part is Ellipsis or isinstance(part, (slice, int))) or isinstance(part, bool):
            return False
    return True


def _repeats(index: Any) -> bool:
    """Whether the index may name a position twice: only arrays of integers do."""
    return not all(
        part is None or part is Ellipsis or isinstance(part, (slice, int)) or _is_mask(part) for part in _parts(index)
    )


def _explain_index(shape: tuple[int, ...], index: Any) -> str | None:
    """What is wrong with an index into an array of `shape`, or None."""
    parts = _parts(index)
    taken = [_axes_taken(part) for part in parts]
    used = sum(taken)
    if used > len(shape):
        return f"x is {shape} with {len(shape)} axes and the index is for {used}."
    axis = 0
    for part, n in zip(parts, taken, strict=True):
        message = _explain_part(shape, axis, part, n) if n else None
        if message is not None:
            return f"x is {shape} and {message}"
        axis += len(shape) - used if part is Ellipsis else n
    return None


def _axes_taken(part: Any) -> int:
    """How many axes of the array a part of an index is for."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return len(part.shape) if _is_mask(part) else 1


def _explain_part(shape: tuple[int, ...], axis: int, part: Any, n: int) -> str | None:
    if isinstance(part, slice):
        return None
    if _is_mask(part):
        mask, here = tuple(part.shape), shape[axis : axis + n]
        return None if mask == here else f"the mask is {mask}; on these axes it must be {here}."
    return _explain_range(shape, axis, part)


def _explain_range(shape: tuple[int, ...], axis: int, indices: Any) -> str | None:
    """Which of the integers is out of range for an axis, or None."""
    length = shape[axis]
    values = numpy.ravel(indices if isinstance(indices, int) else backend_of(indices).to_numpy(indices))
    wrong = values[(values < -length) | (values >= length)]
    if not wrong.size:
        return None
    allowed = f"from {-length} to {length - 1}" if length else "absent, since there is nothing to index"
    return f"the index {wrong[0]} is out of range for axis {axis} of length {length}; it must be {allowed}."


# Any index


@primitive(
    x=lambda g, x_shape, index: scatter(g, index=index, shape=x_shape),
    shapes="any",
    explain=lambda x, /, *, index: _explain_index(shape_of(x), index),
)
def getitem(xp, x: Array, *, index: Any) -> Array:
    """The elements of x at an index, `x[index]`, with all of NumPy's basic and advanced indexing.

    index : integers, slices, None, `...`, arrays of integers, boolean masks, or a tuple of them.
    A position that is picked several times receives the sum of the gradients.

    Raises IndexingError for an index out of range, too many indices, or a mask of the wrong shape.

    >>> getitem(np.array([1.0, 2.0, 3.0]), index=np.array([2, 2, 0]))
    array([3., 3., 1.])
    """
    return backend_for(x, index).getitem(x, index)


@primitive(x=lambda g, index: getitem(g, index=index), shapes="any")
def scatter(xp, x: Array, *, index: Any, shape: tuple[int, ...]) -> Array:
    """The adjoint of `getitem`: an array of `shape` that holds x at the index, sums of x where it repeats, 0 elsewhere.

    >>> scatter(np.array([1.0, 2.0, 3.0]), index=np.array([2, 2, 0]), shape=(3,))
    array([3., 0., 3.])
    """
    out = xp.zeros(shape, dtype=x.dtype)
    if _repeats(index):
        return backend_for(out, index, x).scatter_add(out, index, x)
    return backend_for(out, index, x).assign(out, index, x)


def _explain_set(x: Array, v: Array, /, *, index: Any) -> str | None:
    message = _explain_index(shape_of(x), index)
    if message is None:
        target = tuple(backend_of(x).getitem(x, index).shape)
        message = f"x[i] is {target} and v is {tuple(getattr(v, 'shape', ()))}; v must broadcast to x[i]."
    return message


def _set_item_v(g: Array, x_shape: tuple, index: Any) -> Array:
    picked = getitem(g, index=index)
    return where(survives(picked, index=index, shape=x_shape), picked, 0.0) if _repeats(index) else picked


@primitive(x=lambda g, index: set_item(g, 0.0, index=index), v=_set_item_v, shapes="any", explain=_explain_set)
def set_item(xp, x: Array, v: Array, *, index: Any) -> Array:
    """A copy of x that holds v at an index, as after `x[index] = v`. Where the index repeats, the last value remains.

    v : broadcasts to `x[index]`, and is converted to x's dtype.
    index : as for `getitem`.

    Raises ShapeError as `getitem` does, and if v does not fit; DTypeError for fractions into an array of integers.

    >>> set_item(np.array([1.0, 2.0, 3.0]), 9.0, index=slice(1, None))
    array([1., 9., 9.])
    """
    if not is_floating(x.dtype) and (isinstance(v, float) or is_floating(getattr(v, "dtype", x.dtype))):
        raise DTypeError(
            f"set_item: x has dtype {x.dtype} and v is floating-point; fractions would be lost. "
            f"Convert one of them first, for example with x.astype('float32')."
        )
    out = xp.asarray(x, copy=True)
    return backend_for(out, index, v).assign(out, index, v)


@primitive(shapes="any")
def survives(xp, x: Array, *, index: Any, shape: tuple[int, ...]) -> Array:
    """Whether a value remains after `y[index] = x` for y of `shape`, where a repeated index overwrites. A constant.

    x : the assigned values; only their shape matters.

    >>> survives(np.zeros(3), index=np.array([2, 2, 0]), shape=(3,))
    array([False,  True,  True])
    """
    order = xp.reshape(xp.arange(product(x.shape)), tuple(x.shape))
    latest = xp.zeros(shape, dtype=order.dtype)
    backend = backend_for(latest, index)
    latest = backend.assign(latest, index, order)
    return backend.getitem(latest, index) == order


# Along one axis


def _explain_take(x: Array, indices: Array, /, *, axis: int | None = None) -> str | None:
    shape = shape_of(x) if axis is not None else (product(shape_of(x)),)
    message = wrong_axis(len(shape), axis)
    if message is None and not _is_index_dtype(getattr(indices, "dtype", "int")):
        message = f"indices have dtype {indices.dtype}; integers are required."
    if message is None:
        message = _explain_range(shape, 0 if axis is None else axis % len(shape), indices)
    return message and f"x is {shape_of(x)} and axis={axis}; {message}"


def _take_rule(g: Array, x_shape: tuple, indices: Array, axis: int | None) -> Array:
    if axis is None:
        return reshape(scatter(g, index=indices, shape=(product(x_shape),)), x_shape)
    before = (slice(None),) * axes_of(axis, len(x_shape))[0]
    return scatter(g, index=(*before, indices), shape=x_shape)


@primitive(x=_take_rule, shapes="any", explain=_explain_take)
def take(xp, x: Array, indices: Array, /, axis: int | None = None) -> Array:
    """The subarrays of x at `indices` along an axis; elements of the flattened x without `axis`.

    x : (..., n, ...); indices : (k, ...), integers; the result has the axes of `indices` in place of the axis.

    Raises ShapeError for an index out of range.

    >>> take(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, 1, 0]), axis=1)
    array([[2., 2., 1.],
           [4., 4., 3.]])
    """
    if axis is None:
        x, axis = xp.reshape(x, (-1,)), 0
    axis = axes_of(axis, len(x.shape))[0]
    taken = xp.take(x, xp.reshape(xp.asarray(indices), (-1,)), axis=axis)
    return xp.reshape(taken, (*x.shape[:axis], *shape_of(indices), *x.shape[axis + 1 :]))


def _explain_along(x: Array, indices: Array, /, *, axis: int) -> str | None:
    shape = shape_of(x)
    message = wrong_axis(len(shape), axis)
    if message is None and len(shape_of(indices)) != len(shape):
        message = f"indices are {shape_of(indices)}; they must have as many axes as x."
    elif message is None and not _is_index_dtype(getattr(indices, "dtype", "int")):
        message = f"indices have dtype {indices.dtype}; integers are required."
    elif message is None:
        message = _explain_range(shape, axis % len(shape), indices)
    if message is None:
        message = f"indices are {shape_of(indices)}; they must broadcast with x in every other axis."
    return f"x is {shape} and axis={axis}; {message}"


@primitive(
    x=lambda g, x_shape, indices, axis: scatter_along_axis(g, indices, axis=axis, shape=x_shape),
    shapes="any",
    explain=_explain_along,
)
def take_along_axis(xp, x: Array, indices: Array, /, axis: int = -1) -> Array:
    """One choice of elements per line: out[..., j, ...] = x[..., indices[..., j, ...], ...].

    x : (..., n, ...); indices : (..., k, ...), integers, with as many axes.

    Raises ShapeError for an index out of range and for shapes that do not fit.

    >>> take_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]))
    array([[2.],
           [3.]])
    """
    return xp.take_along_axis(x, indices, axis=axis)


@primitive(x=lambda g, indices, axis: take_along_axis(g, indices, axis=axis), shapes="any")
def scatter_along_axis(xp, x: Array, indices: Array, /, *, axis: int, shape: tuple[int, ...]) -> Array:
    """The adjoint of `take_along_axis`: an array of `shape` with x added at the indices along an axis.

    >>> scatter_along_axis(np.array([[5.0, 6.0]]), np.array([[1, 1]]), axis=-1, shape=(1, 3))
    array([[ 0., 11.,  0.]])
    """
    axis = axes_of(axis, len(shape))[0]
    index = tuple(
        indices if i == axis else xp.reshape(xp.arange(n), tuple(n if j == i else 1 for j in range(len(shape))))
        for i, n in enumerate(shape)
    )
    out = xp.zeros(shape, dtype=x.dtype)
    return backend_for(out, index, x).scatter_add(out, index, x)
