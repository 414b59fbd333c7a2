"""Operations that join arrays, cut them, add borders and take them off."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import Any

import numpy

from ..core.axes import axes_of, shape_of, wrong_axis
from ..core.errors import ShapeError
from ..core.op import Array, primitive
from .movement import flip, reshape, sum_to

__all__ = ["concat", "crop", "pad", "split", "stack", "unstack"]


def _explain_concat(*arrays: Array, axis: int | None) -> str:
    return _explain_joint(arrays, axis, 0, "their shapes must agree on every axis but the joined one.")


def _explain_stack(*arrays: Array, axis: int) -> str:
    return _explain_joint(arrays, axis, 1, "their shapes must be equal.")


def _explain_joint(arrays: tuple, axis: int | None, added: int, law: str) -> str:
    if not arrays:
        return "got no arrays; at least one is required."
    shapes = [shape_of(array) for array in arrays]
    message = wrong_axis(len(shapes[0]) + added, axis) or law
    return f"the arrays are {', '.join(map(str, shapes))} and axis={axis}; {message}"


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
    if any(isinstance(array, (int, float)) for array in arrays):
        dtype = xp.result_type(*arrays)
        arrays = tuple(xp.asarray(array, dtype=dtype) for array in arrays)
    return xp.stack(arrays, axis=axis)


def split(x: Array, /, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """x cut along an axis into equal sections, or at the given indices.

    indices_or_sections : a number of sections, which must divide the axis; or the indices at which to cut.

    Raises ShapeError if the sections would not be equal.

    >>> split(np.arange(6.0), 3)
    [array([0., 1.]), array([2., 3.]), array([4., 5.])]
    """
    (axis,) = axes_of(axis, len(x.shape), "split")
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
        # With the meaning that Python's slices give to bounds outside the axis.
        bounds = [0, *(slice(None, end).indices(length)[1] for end in indices_or_sections), length]
    if bounds == sorted(bounds):
        return list(sections(x, bounds=tuple(bounds), axis=axis))
    return [_section(x, axis, start, stop) for start, stop in pairwise(bounds)]


@primitive(x=lambda g, axis: concat(g, axis=axis), shapes="any", outputs=...)
def sections(xp, x: Array, *, bounds: tuple[int, ...], axis: int) -> tuple[Array, ...]:
    """x cut along an axis at ascending bounds, the first of which is 0 and the last its length.

    >>> sections(np.arange(3.0), bounds=(0, 1, 3), axis=0)
    (array([0.]), array([1., 2.]))
    """
    before = (slice(None),) * axis
    return tuple(x[(*before, slice(start, stop), ...)] for start, stop in pairwise(bounds))


def _section(x: Array, axis: int, start: int, stop: int) -> Array:
    """x[start:stop] along `axis`, empty if the bounds do not ascend."""
    widths = [(0, 0)] * len(x.shape)
    widths[axis] = (start, x.shape[axis] - stop) if stop > start else (0, x.shape[axis])
    return crop(x, tuple(widths))


def _explain_unstack(x: Array, /, *, axis: int) -> str | None:
    message = wrong_axis(len(shape_of(x)), axis)
    return message and f"x is {shape_of(x)}; {message}"


@primitive(x=lambda g, axis: stack(g, axis=axis), shapes="any", outputs=..., explain=_explain_unstack)
def unstack(xp, x: Array, /, axis: int = 0) -> tuple[Array, ...]:
    """The subarrays of x along an axis, which they no longer have.

    >>> unstack(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    (array([1., 3.]), array([2., 4.]))
    """
    before = (slice(None),) * axes_of(axis, len(x.shape), "unstack")[0]
    return tuple(x[(*before, i, ...)] for i in range(x.shape[axis]))


def _widths(pad_width, ndim: int) -> Any:
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


def _has_nothing_to_add(shape: tuple[int, ...], widths: tuple) -> bool:
    return any(n == 0 and any(added) for n, added in zip(shape, widths, strict=True))


def _explain_pad(x: Array, /, pad_width, *, mode: str = "constant", **_) -> str:
    if mode not in _MODES:
        return f"mode is {mode!r}; it must be one of {', '.join(map(repr, _MODES))}."
    with suppress(ValueError, TypeError):  # of widths that are none, see below
        if mode != "constant" and _has_nothing_to_add(shape_of(x), _widths(pad_width, len(shape_of(x)))):
            return f"x is {shape_of(x)} and mode is {mode!r}; there is no element to add."
    return (
        f"x is {shape_of(x)} and pad_width is {pad_width!r}; it must be a number, (before, after), or "
        f"{len(shape_of(x))} such pairs, none of them negative, and to be cut off no more than there is."
    )


_MODES = {
    "constant": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric", "wrap": "wrap",
    "replicate": "edge", "circular": "wrap",
}  # fmt: skip
"""What `pad` adds, by NumPy's name, and by PyTorch's where it is another."""


@lru_cache(maxsize=256)
def _runs(n: int, before: int, after: int, mode: str) -> tuple[tuple[int, int, int], ...]:
    """Where the elements of a padded axis come from: first element, step (1, 0 or -1) and length of each run."""
    places = numpy.pad(numpy.arange(n), (before, after), mode=_MODES[mode]).tolist()  # type: ignore[call-overload]
    steps = [there - here for here, there in pairwise(places)] + [0]
    runs, start = [], 0
    while start < len(places):
        stop, step = start + 1, steps[start] if abs(steps[start]) <= 1 else 0
        while stop < len(places) and steps[stop - 1] == step:
            stop += 1
        runs.append((places[start], step, stop - start))
        start = stop
    return tuple(runs)


def _repeated(xp, x: Array, runs: tuple[tuple[int, int, int], ...], axis: int) -> Array:
    before, parts = (slice(None),) * axis, []
    for start, step, length in runs:
        if step == 0:
            part = x[(*before, slice(start, start + 1), ...)]
            parts.append(xp.broadcast_to(part, tuple(length if i == axis else n for i, n in enumerate(part.shape))))
        else:
            low = start if step > 0 else start - length + 1
            part = x[(*before, slice(low, low + length), ...)]
            parts.append(part if step > 0 else xp.flip(part, axis=axis))
    return xp.concat(parts, axis=axis)


def _folded(g: Array, x_shape: tuple, runs: tuple[tuple[int, int, int], ...], axis: int) -> Array:
    """The adjoint of `_repeated`: every element added where it came from."""
    total, end = None, 0
    for start, step, length in runs:
        part, end = _section(g, axis, end, end + length), end + length
        if step == 0:
            part, length = sum_to(part, shape=tuple(1 if i == axis else n for i, n in enumerate(part.shape))), 1
        low = start - length + 1 if step < 0 else start
        widths = [(0, 0)] * len(x_shape)
        widths[axis] = (low, x_shape[axis] - low - length)
        part = pad(flip(part, axis=axis) if step < 0 else part, tuple(widths))
        total = part if total is None else total + part
    return total


def _pad_rule(g: Array, x_shape: tuple, pad_width, mode: str) -> Array:
    if mode == "constant":
        return crop(g, pad_width)
    for axis, (n, widths) in reversed(list(enumerate(zip(x_shape, _widths(pad_width, len(x_shape)), strict=True)))):
        if any(widths):
            g = _folded(g, (*g.shape[:axis], n, *g.shape[axis + 1 :]), _runs(n, *widths, mode), axis)
    return g


@primitive(x=_pad_rule, shapes="any", explain=_explain_pad)
def pad(xp, x: Array, /, pad_width, *, value: float = 0.0, mode: str = "constant") -> Array:
    """x with elements added around it.

    pad_width : the number of added elements: one for all sides, `(before, after)` for all axes, or a pair per axis.
    mode : what is added. `"constant"` is `value`; `"edge"` (or `"replicate"`) repeats the outermost element,
        `"reflect"` mirrors at it, `"symmetric"` mirrors beside it so that it is repeated, `"wrap"` (or `"circular"`)
        goes on at the other end. They are repeated where more is added than there is.

    >>> pad(np.array([1.0, 2.0]), (1, 2))
    array([0., 1., 2., 0., 0.])
    >>> pad(np.array([1.0, 2.0, 3.0]), (1, 2), mode="reflect")
    array([2., 1., 2., 3., 2., 1.])
    """
    widths = _widths(pad_width, len(x.shape))
    if mode != "constant":
        if mode not in _MODES or _has_nothing_to_add(x.shape, widths):
            raise ValueError
        for axis, (n, added) in enumerate(zip(x.shape, widths, strict=True)):
            x = _repeated(xp, x, _runs(n, *added, mode), axis) if any(added) else x
        return x
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
