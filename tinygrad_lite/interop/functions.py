"""The table of NumPy's functions that are not simply an operation of ours, and its entries for shapes, joining, files.

An entry has NumPy's name and parameters, as far as they are meaningful here; any other argument is refused. A function
without an entry is the operation of its name, with its arguments translated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy

from .. import ops
from ..core.axes import axes_of
from ..core.graph import Handle, unwrap
from .names import refuse
from .translation import array_of, in_dtype, placed

__all__ = ["TABLE", "entry"]

TABLE: dict[str, Callable] = {}
"""Entries by NumPy's name, without `numpy.`: `"concatenate"`, `"linalg.norm"`."""


def entry(function: Callable) -> Callable:
    """Decorator: enter a function in the table under its name, where `linalg_` stands for `linalg.`."""
    TABLE[function.__name__.rstrip("_").replace("linalg_", "linalg.")] = function
    return function


# What an array is


@entry
def shape(a):
    return tuple(array_of(a).shape)


@entry
def ndim(a):
    return len(array_of(a).shape)


@entry
def size(a, axis=None):
    x = array_of(a)
    return prod(x.shape[i] for i in axes_of(axis, len(x.shape), "numpy.size"))


@entry
def result_type(*arrays_and_dtypes):
    return numpy.result_type(*(unwrap(x).dtype if isinstance(x, Handle) else x for x in arrays_and_dtypes))


@entry
def can_cast(from_, to, casting: Any = "safe"):
    return numpy.can_cast(unwrap(from_).dtype if isinstance(from_, Handle) else from_, to, casting)


@entry
def iscomplexobj(x):
    return "complex" in str(array_of(x).dtype)


@entry
def isrealobj(x):
    return not iscomplexobj(x)


@entry
def array_repr(arr, max_line_width=None, precision=None, suppress_small=None):
    return repr(arr)


@entry
def array_str(a, max_line_width=None, precision=None, suppress_small=None):
    return str(a)


# Leaving the library: as with x.numpy(), only where no gradient is required


@entry
def save(file, arr, **options):
    numpy.save(file, numpy.asarray(arr), **options)


@entry
def savetxt(fname, X, **options):
    numpy.savetxt(fname, numpy.asarray(X), **options)


@entry
def savez(file, *args, **arrays):
    named: dict[str, Any] = {name: numpy.asarray(value) for name, value in arrays.items()}
    numpy.savez(file, *map(numpy.asarray, args), **named)


@entry
def savez_compressed(file, *args, **arrays):
    named: dict[str, Any] = {name: numpy.asarray(value) for name, value in arrays.items()}
    numpy.savez_compressed(file, *map(numpy.asarray, args), **named)


# Shape and order


@entry
def ravel(a, order="C"):
    return reshape(a, -1, order=order)


@entry
def reshape(a, shape, order="C", *, copy=None):
    x = array_of(a)
    if order == "F":
        lengths = (shape,) if isinstance(shape, int) else tuple(shape)
        return _reversed(ops.reshape(_reversed(x), lengths[::-1]))
    if order not in ("C", "A", "K"):
        raise refuse("numpy.reshape", "order", order)
    return ops.reshape(x, shape.__index__() if hasattr(shape, "__index__") else shape)


def _reversed(x: Any) -> Any:
    return ops.permute_dims(x, tuple(reversed(range(len(x.shape)))))


@entry
def transpose(a, axes=None):
    x = array_of(a)
    return _reversed(x) if axes is None else ops.permute_dims(x, tuple(axes))


@entry
def copy(a, order="K", subok=False):
    return ops.positive(array_of(a))


@entry
def atleast_1d(*arys):
    return _each(lambda x: ops.reshape(x, (1,)) if not x.shape else x, arys)


@entry
def atleast_2d(*arys):
    return _each(lambda x: ops.reshape(x, (1,) * (2 - len(x.shape)) + tuple(x.shape)) if len(x.shape) < 2 else x, arys)


@entry
def atleast_3d(*arys):
    def widened(x: Any) -> Any:
        if len(x.shape) > 2:
            return x
        return ops.expand_dims(atleast_2d(x), axis=-1) if len(x.shape) != 0 else ops.reshape(x, (1, 1, 1))

    return _each(widened, arys)


def _each(function: Callable, arrays: Sequence[Any]) -> Any:
    made = tuple(function(ops.asarray(array_of(x))) for x in arrays)
    return made[0] if len(made) == 1 else made


@entry
def fliplr(m):
    return ops.flip(array_of(m), axis=1)


@entry
def flipud(m):
    return ops.flip(array_of(m), axis=0)


@entry
def rollaxis(a, axis, start=0):
    x = array_of(a)
    count = len(x.shape)
    axis, start = axis % count, start + count if start < 0 else start
    return ops.moveaxis(x, axis, start - 1 if axis < start else start)


@entry
def broadcast_arrays(*args, subok=False):
    shape = numpy.broadcast_shapes(*(tuple(numpy.shape(x)) for x in map(array_of, args)))
    return tuple(ops.broadcast_to(ops.asarray(array_of(x)), shape) for x in args)


@entry
def pad(array, pad_width, mode="constant", *, constant_values=0, reflect_type="even"):
    x = array_of(array)
    if isinstance(pad_width, dict):
        given = {axis % len(x.shape): width for axis, width in pad_width.items()}
        pad_width = tuple(numpy.broadcast_to(given.get(i, 0), (2,)).tolist() for i in range(len(x.shape)))
    if mode == "constant" and isinstance(constant_values, (int, float)):
        return ops.pad(x, pad_width, value=constant_values)
    if mode == "constant":
        return _padded(x, pad_width, constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap") or reflect_type != "even":
        raise refuse("numpy.pad", "mode", mode)
    widths = numpy.broadcast_to(numpy.asarray(pad_width), (len(x.shape), 2))
    for axis, (before, after) in enumerate(widths.tolist()):
        if before or after:
            # The same elements in another order, and some of them twice: NumPy finds the positions.
            positions = numpy.pad(numpy.arange(x.shape[axis]), (before, after), mode=mode)
            x = ops.take(x, placed(positions, x), axis=axis)
    return x


def _padded(x: Any, pad_width: Any, constant_values: Any) -> Any:
    """x with other constants on each side, one axis after another."""
    shape = (len(x.shape), 2)
    sides = zip(
        *(numpy.broadcast_to(numpy.asarray(given), shape).tolist() for given in (pad_width, constant_values)),
        strict=True,
    )
    for axis, (widths, values) in enumerate(sides):
        for side in (0, 1):
            around = tuple(
                (0, 0) if i != axis else (widths[0], 0) if side == 0 else (0, widths[1]) for i in range(shape[0])
            )
            x = ops.pad(x, around, value=values[side])
    return x


@entry
def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    arrays = [ops.asarray(array_of(x)) for x in xi]
    if not sparse:
        return tuple(ops.meshgrid(*arrays, indexing=indexing))
    places = list(range(len(arrays)))
    if indexing == "xy":
        places[:2] = places[:2][::-1]
    return tuple(
        ops.reshape(x, tuple(-1 if i == place else 1 for i in range(len(arrays))))
        for x, place in zip(arrays, places, strict=True)
    )


# Joining and splitting


def _sequence(arrays: Any) -> list[Any]:
    return [array_of(x) for x in arrays]


@entry
def concatenate(arrays, axis=0, *, dtype=None):
    joined = ops.concat(_sequence(arrays), axis=axis)
    return in_dtype(joined, dtype, "numpy.concatenate")


@entry
def append(arr, values, axis=None):
    return ops.concat([array_of(arr), array_of(values)], axis=axis)


@entry
def vstack(tup):
    return ops.concat([atleast_2d(x) for x in tup], axis=0)


@entry
def hstack(tup):
    arrays = [atleast_1d(x) for x in tup]
    return ops.concat(arrays, axis=0 if len(arrays[0].shape) == 1 else 1)


@entry
def dstack(tup):
    return ops.concat([atleast_3d(x) for x in tup], axis=2)


@entry
def column_stack(tup):
    arrays = [ops.asarray(array_of(x)) for x in tup]
    return ops.concat([ops.reshape(x, (-1, 1)) if len(x.shape) < 2 else x for x in arrays], axis=1)


@entry
def block(arrays):
    depth = _depth(arrays)
    found = []
    _leaves(arrays, found)
    count = max(depth, *(len(getattr(x, "shape", ())) for x in found))

    def joined(part: Any, level: int) -> Any:
        if isinstance(part, list):
            return ops.concat([joined(p, level + 1) for p in part], axis=count - depth + level)
        x = ops.asarray(part)
        return ops.reshape(x, (1,) * (count - len(x.shape)) + tuple(x.shape))

    return joined(arrays, 0)


def _depth(arrays: Any) -> int:
    return 1 + max(map(_depth, arrays)) if isinstance(arrays, list) else 0


def _leaves(arrays: Any, found: list) -> None:
    for part in arrays if isinstance(arrays, list) else ():
        _leaves(part, found)
    if not isinstance(arrays, list):
        found.append(arrays)


@entry
def split(ary, indices_or_sections, axis=0):
    cuts = indices_or_sections
    return ops.split(array_of(ary), cuts if isinstance(cuts, int) else list(cuts), axis=axis)


@entry
def array_split(ary, indices_or_sections, axis=0):
    cuts = indices_or_sections
    if isinstance(cuts, int):
        length, more = divmod(ary.shape[axis], cuts)
        cuts = numpy.cumsum([length + (i < more) for i in range(cuts)])[:-1].tolist()
    return ops.split(ary, list(cuts), axis=axis)


@entry
def hsplit(ary, indices_or_sections):
    return split(ary, indices_or_sections, axis=0 if len(ary.shape) == 1 else 1)


@entry
def vsplit(ary, indices_or_sections):
    return split(ary, indices_or_sections, axis=0)


@entry
def dsplit(ary, indices_or_sections):
    return split(ary, indices_or_sections, axis=2)
