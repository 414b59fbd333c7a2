"""Entries of the table for positions, for writing in place, and for applying a function along an axis."""

from __future__ import annotations

from typing import Any

import numpy

from .. import ops
from ..core.axes import axes_of
from ..core.errors import DTypeError
from ..core.graph import Handle
from .choice import constant
from .functions import TABLE, entry, ravel, reshape
from .names import ours
from .translation import array_of, beside, holds_tensor, placed

__all__: list[str] = []


# Positions: constants


def _constants(name: str) -> None:
    """An entry for a function of NumPy's whose results are integers: it is computed in main memory."""
    function = getattr(numpy, name)

    def positions(*args, **kwargs):
        like = next(x for x in (*args, *kwargs.values()) if holds_tensor(x))
        like = array_of(like)
        found = function(*map(_values, args), **{key: _values(value) for key, value in kwargs.items()})
        wrap = lambda x: ops.asarray(placed(numpy.asarray(x), like))  # noqa: E731
        return tuple(map(wrap, found)) if isinstance(found, tuple) else wrap(found)

    TABLE[name] = positions


def _values(x: Any) -> Any:
    if isinstance(x, (list, tuple)) and holds_tensor(x):
        return type(x)(map(_values, x))
    return constant(x) if isinstance(x, Handle) else x


for _name in (
    "argpartition", "diag_indices_from", "lexsort", "nanargmax", "nanargmin", "ravel_multi_index", "tril_indices_from",
    "triu_indices_from", "unravel_index",
):  # fmt: skip
    _constants(_name)


# Order


@entry
def partition(a, kth, axis=-1):
    """All of it in order: any order is a partition that has the k-th element in its place."""
    return ops.sort(ravel(array_of(a)) if axis is None else array_of(a), axis=-1 if axis is None else axis)


# Parts


@entry
def insert(arr, obj, values, axis=None):
    x, values = array_of(arr), ops.asarray(array_of(values))
    if axis is None:
        x, axis = ravel(x), 0
    axis %= len(x.shape)
    length = x.shape[axis]
    places = numpy.arange(length)[obj] if isinstance(obj, slice) else numpy.asarray(_values(obj))
    places = numpy.flatnonzero(places) if places.dtype == bool else places
    if not places.ndim:
        # As x[i] = values would: the first axis is that of the inserted parts.
        values = ops.reshape(values, (1,) * (len(x.shape) - len(values.shape)) + tuple(values.shape))
        values = ops.moveaxis(values, 0, axis)
        places = numpy.full(values.shape[axis], places)
    count = len(places)
    origin = numpy.insert(numpy.arange(length), places, numpy.arange(length, length + count))
    shape = tuple(count if i == axis else n for i, n in enumerate(x.shape))
    both = ops.concat([x, ops.astype(ops.broadcast_to(values, shape), x.dtype)], axis=axis)
    return ops.take(both, placed(origin, x), axis=axis)


@entry
def resize(a, new_shape):
    x = ravel(a)
    shape = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    count = int(numpy.prod(shape))
    return reshape(ops.take(x, placed(numpy.arange(count) % max(x.shape[0], 1), x)), shape)


@entry
def trim_zeros(filt, trim="fb", axis=None):
    x = array_of(filt)
    kept = numpy.argwhere(constant(x))
    axes, index = axes_of(axis, len(x.shape), "numpy.trim_zeros"), [slice(None)] * len(x.shape)
    for i in axes:
        first = int(kept[:, i].min(initial=x.shape[i])) if "f" in trim.lower() else 0
        index[i] = slice(first, int(kept[:, i].max(initial=-1)) + 1 if "b" in trim.lower() else None)
    return ops.getitem(x, index=tuple(index))


@entry
def choose(a, choices):
    like = next(x for x in (a, *choices) if isinstance(x, Handle))
    chosen, *options = (ops.asarray(beside(x, like)) for x in (a, *choices))
    out = options[0]
    for i, option in enumerate(options):
        out = ops.where(ops.equal(chosen, i), option, out)
    return out


# Functions along axes


@entry
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    x = ops.moveaxis(array_of(arr), axis, -1)
    before = x.shape[:-1]
    made = [ops.asarray(array_of(func1d(line, *args, **kwargs))) for line in ops.unstack(reshape(x, (-1, x.shape[-1])))]
    out = ops.stack(made)
    own = tuple(out.shape[1:])
    out = reshape(out, (*before, *own))
    first = axis % (len(before) + 1)
    return ops.moveaxis(out, tuple(range(-len(own), 0)), tuple(range(first, first + len(own))))


@entry
def apply_over_axes(func, a, axes):
    x = array_of(a)
    for axis in (axes,) if isinstance(axes, int) else axes:
        made = func(x, axis)
        x = made if len(made.shape) == len(x.shape) else ops.expand_dims(made, axis=axis)
    return x


# In place, as with `x[i] = v`


def _target(asked: str, arr: Any) -> Any:
    if not isinstance(arr, Handle):
        raise DTypeError(
            f"numpy.{asked}: the array is NumPy's and the values are a Tensor; make it a Tensor first, with "
            f"tinygrad_lite.tensor(array)."
        )
    return arr


def _row(values: Any, target: Any) -> Any:
    values = beside(values, target)
    return ravel(values if hasattr(values, "shape") else placed(numpy.asarray(values), target))


@entry
def copyto(dst, src, *, where=True):
    target = _target("copyto", dst)
    values = beside(src, target)
    target[...] = values if where is True else ops.where(beside(where, target), values, target)


@entry
def putmask(a, mask, values):
    target = _target("putmask", a)
    values = _row(values, target)
    places = numpy.arange(target.size) % max(values.shape[0], 1)
    copyto(target, reshape(ops.take(values, placed(places, values)), target.shape), where=mask)


@entry
def place(arr, mask, vals):
    target = _target("place", arr)
    values = _row(vals, target)
    (places,) = numpy.nonzero(numpy.ravel(constant(mask)))
    put(target, places, values)


@entry
def put(a, ind, v, mode="raise"):
    target = _target("put", a)
    values = _row(v, target)
    places = numpy.ravel(constant(ind))
    if mode != "raise":
        places = places % target.size if mode == "wrap" else numpy.clip(places, 0, target.size - 1)
    if len(places):
        flat = ravel(target)
        flat[placed(places, target)] = ops.take(values, placed(numpy.arange(len(places)) % values.shape[0], values))
        target[...] = reshape(flat, target.shape)


@entry
def fill_diagonal(a, val, wrap=False):
    shape = _target("fill_diagonal", a).shape
    step = 1 + int(numpy.cumprod((1, *shape[:0:-1]))[1:].sum())
    whole = wrap or len(shape) != 2
    put(a, numpy.arange(0, a.size if whole else min(a.size, shape[1] ** 2), step), val)


# Equations of tensors


@entry
def linalg_tensorsolve(a, b):
    a, b = array_of(a), array_of(b)
    rest = tuple(a.shape[len(b.shape) :])
    flat = ravel(b)
    return reshape(ours("solve", "numpy.linalg.tensorsolve")(reshape(a, (-1, flat.shape[0])), flat), rest)


@entry
def linalg_tensorinv(a, ind=2):
    a = array_of(a)
    rows = int(numpy.prod(a.shape[:ind]))
    inverse = ours("inv", "numpy.linalg.tensorinv")(reshape(a, (rows, -1)))
    return reshape(inverse, (*a.shape[ind:], *a.shape[:ind]))
