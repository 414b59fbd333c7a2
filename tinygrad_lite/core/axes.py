"""Naming and checking the axes of an array."""

from __future__ import annotations

from typing import Any

from .errors import IndexingError, ShapeError

__all__ = ["Axis", "axes_of", "shape_of", "wrong_axis"]

Axis = int | tuple[int, ...] | None
"""One axis, several, or all of them. Negative numbers count from the last."""


def axes_of(axis: Axis, ndim: int, op: str | None = None) -> tuple[int, ...]:
    """The axes that `axis` names, counted from 0; all for None. IndexingError, of `op`, for one that is not there."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    axes = (axis,) if not isinstance(axis, (tuple, list)) else tuple(axis)
    message = wrong_axis(ndim, axes)
    if message is not None:
        missing = any(isinstance(i, int) and not -ndim <= i < ndim for i in axes)
        raise (IndexingError if missing else ShapeError)(message if op is None else f"{op}: {message}")
    return tuple(i % ndim for i in axes)


def wrong_axis(ndim: int, axis: Axis) -> str | None:
    """What is wrong with `axis` for an array of `ndim` axes, or None."""
    axes = () if axis is None else (axis,) if not isinstance(axis, (tuple, list)) else tuple(axis)
    for i in axes:
        if not isinstance(i, int) and not hasattr(i, "__index__"):
            return f"axis is {axis!r}; it must be an integer, a tuple of integers or None."
        if not -ndim <= i < ndim:
            if ndim == 0:
                return f"axis {i} does not exist: the array is 0-d and has no axes."
            return f"axis {i} does not exist: the array has {ndim} axes, so axis must be from {-ndim} to {ndim - 1}."
    if len({i % ndim for i in axes}) < len(axes):
        return f"axis is {axis!r}; each axis may be named once."
    return None


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of an array; that of a Python number is ()."""
    return tuple(getattr(value, "shape", ()))
