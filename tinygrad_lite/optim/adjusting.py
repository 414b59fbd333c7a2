"""What a step does around its rule: it unscales and clips gradients, shrinks weights, and may leave itself out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..core.backend import backend_of
from ..ops.conversion import move
from .flat import FlatGroup

__all__ = ["Adjustment", "Shrinking", "all_finite", "clip_factor", "shrinking"]

Gathered = list[tuple[FlatGroup, list[int]]]
"""Flat groups, and the parameters of each that have a gradient, after `FlatGroup.gather`."""


class Adjustment:
    """What a step does to each gradient g before its rule, as part of the same pass: clip(g * factor, -limit, limit).

    factor : a number, or an array `()` on the device, whose value nobody looks at; None for 1.
    limit : a number, None for infinity.
    skip : an array `()` on the device: where it is true, the parameters and their state stay as they are; or None.
    """

    def __init__(self, factor: Any, limit: float | None, skip: Any) -> None:
        self.factor, self.limit, self.skip = factor, limit, skip

    def on(self, device: str) -> Adjustment:
        """The same for gradients on this device."""
        moved = (x if isinstance(x, float) or x is None else move(x, device) for x in (self.factor, self.skip))
        factor, skip = moved
        return Adjustment(factor, self.limit, skip)

    def gradient(self, g: Any) -> Any:
        """The gradient that the rule gets."""
        g = g if self.factor is None else g * self.factor
        if self.limit is None:
            return g
        xp = backend_of(g).xp
        return xp.minimum(xp.maximum(g, -self.limit), self.limit)

    def chosen(self, old: Any, new: Any) -> Any:
        """The new array, or the old one where the step is left out."""
        return new if self.skip is None else backend_of(new).xp.where(self.skip, old, new)

    def kept(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """The same for the arrays of a state; what has no old one begins with zeros. Numbers are left alone."""
        if self.skip is None:
            return dict(new)
        return {
            name: self.chosen(old[name] if name in old else backend_of(value).xp.zeros_like(value), value)
            if hasattr(value, "shape")
            else value
            for name, value in new.items()
        }


def all_finite(gathered: Gathered) -> Any:
    """Whether no gradient has an infinity or a NaN: an array `()` on the first one's device."""
    return _together(
        gathered, lambda xp, part: xp.all(xp.isfinite(part)), lambda xp, parts: xp.all(xp.stack(parts)), True
    )


def clip_factor(gathered: Gathered, inverse: Any, max_norm: float) -> Any:
    """max_norm / (norm + 1e-6), at most 1, times `inverse`; the norm is that of all gradients times `inverse`."""
    total = _together(gathered, _square, lambda xp, parts: xp.sqrt(xp.sum(xp.stack(parts))), 0.0)
    xp = backend_of(total).xp
    norm = total if inverse is None else total * inverse
    factor = xp.minimum(max_norm / (norm + 1e-6), xp.ones_like(norm))
    return factor if inverse is None else factor * inverse


def _square(xp: Any, part: Any) -> Any:
    part = xp.astype(part, xp.float32) if part.dtype.itemsize < 4 else part
    return xp.sum(part * part)


def _together(gathered: Gathered, of_part: Any, of_all: Any, of_none: Any) -> Any:
    """`of_all` of what `of_part` finds of each run of gradients, on the device of the first."""
    found, first = [], None
    for flat, present in gathered:
        backend = backend_of(flat.data)
        with backend.on(flat.data):
            found += [backend.asarray(of_part(backend.xp, part)) for part in _parts(flat, present)]
        first = flat if first is None and found else first
    if first is None:
        return backend_of(gathered[0][0].data).asarray(of_none)
    backend = backend_of(first.data)
    with backend.on(first.data):
        parts = [backend.xp.astype(move(part, first.device), found[0].dtype) for part in found]
        return backend.asarray(of_all(backend.xp, parts))


def _parts(flat: FlatGroup, present: list[int]) -> Iterable[Any]:
    return (part for part in flat.found(present) if part.size)


class Shrinking:
    """w - lr * slope(w): a step down a penalty, as a map of the kind that projections are."""

    def __init__(self, slope: Callable[[Any], Any]) -> None:
        self.slope = slope
        self.elementwise = getattr(slope, "elementwise", False)

    def __call__(self, w: Any, lr: float) -> Any:
        return w - lr * self.slope(w)


def shrinking(slopes: Mapping[str, Callable[[Any], Any]]) -> dict[str, Shrinking]:
    return {name: Shrinking(slope) for name, slope in slopes.items()}
