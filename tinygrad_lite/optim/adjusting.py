"""What a step does around its rule: it unscales and clips gradients, shrinks weights, and may leave itself out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.backend import backend_of
from ..core.effects import once
from ..fusion.device_numbers import DeviceNumber, chosen
from ..fusion.makers import PROGRAMS
from ..fusion.pieces import Pieces, whole
from ..fusion.updates import write_over
from ..ops.conversion import move
from .counts import Numbers
from .flat import FlatGroup

if TYPE_CHECKING:
    from .optimizer import Optimizer

__all__ = ["LEFT_OUT", "Adjustment", "Shrinking", "adjustment", "shrinking"]

Gathered = list[tuple[FlatGroup, list[int]]]
"""Flat groups, and the parameters of each that have a gradient, after `FlatGroup.gather`."""


class Adjustment:
    """What a step does to each gradient g before its rule, as part of the same pass: clip(g * factor, -limit, limit).

    factor : a number, or an array `()` on the device, whose value nobody looks at, in rules a DeviceNumber; None for 1.
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

    @property
    def arrays(self) -> list[Any]:
        """The arrays `()` in it."""
        return [x for x in (self.factor, self.skip) if x is not None and not isinstance(x, float)]

    def given(self, arrays: Sequence[Any], dtype: Any) -> Adjustment:
        """The same with other arrays, or symbols of them, for gradients of this dtype."""
        if not arrays:
            return self
        known = self.factor is None or isinstance(self.factor, float)
        factor = self.factor if known else DeviceNumber(arrays[0], dtype)
        return Adjustment(factor, self.limit, None if self.skip is None else arrays[-1])

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

    def counted(self, old: Numbers, new: Numbers) -> Numbers:
        """The same for numbers that the device has."""
        if self.skip is None:
            return new
        condition = DeviceNumber(self.skip, old[0].dtype)
        return tuple([chosen(condition, lambda x=x: x, lambda y=y: y) for x, y in zip(old, new, strict=True)])


LEFT_OUT = Adjustment(None, None, None)
"""Of a step that is not made."""


def adjustment(optimizer: Optimizer, gathered: Gathered, scaler: Any) -> Adjustment:
    """What is done to the gradients in a step that a scaler makes or that clips; LEFT_OUT if there is to be none."""
    inverse, skip = None, None
    if scaler is not None:
        finite = scaler.known_finite(optimizer)
        if finite is None:
            finite, inverse = once(lambda: (_all_finite(gathered), scaler.inverse()))
        scaler.note_step(optimizer, finite)
        if finite is not True and backend_of(finite).asynchronous:
            skip = once(lambda: backend_of(finite).xp.logical_not(finite))
        elif not finite:
            return LEFT_OUT
    factor = inverse
    if optimizer.clip_norm is not None:
        factor = _clip_factor(once(lambda: _norm(gathered)), inverse, optimizer.clip_norm)
    return Adjustment(factor, optimizer.clip_value, skip)


def _all_finite(gathered: Gathered) -> Any:
    """Whether no gradient has an infinity or a NaN: an array `()` on the first one's device."""
    return _together(gathered, _finite, lambda xp, found: xp.all(found), True)


def _norm(gathered: Gathered) -> Any:
    """The norm of all gradients: an array `()` on the first one's device, of memory of its own."""
    return _together(gathered, _square, lambda xp, found: xp.sqrt(xp.sum(found)), 0.0)


def _clip_factor(total: Any, inverse: Any, max_norm: float) -> Any:
    """max_norm / (norm + 1e-6), at most 1, times `inverse`; the norm is `total` times `inverse`.

    Written over `total` on a device.
    """
    given = [] if inverse is None else [inverse]

    def factor(total: Any, *inverse: Any) -> list[Any]:
        norm = total * inverse[0] if inverse else total
        share = backend_of(total).xp.minimum(max_norm / (norm + 1e-6), 1.0)
        return [share * inverse[0] if inverse else share, *inverse]

    if not backend_of(total).asynchronous:
        return float(factor(total, *given)[0])
    device = backend_of(total).device_of(total)
    write_over([total, *(move(array, device) for array in given)], factor)
    return total


# Where a GPU has the gradients they are read once, and not joined: with an array of all, of its squares or of what is
# finite, 20 or 14 bytes would be moved for one of float32 instead of 4.


def _finite(xp: Any, part: Any) -> Any:
    kernels = _kernels(part)
    return kernels.all_finite(part) if kernels else xp.all(xp.isfinite(whole(part)))


def _square(xp: Any, part: Any) -> Any:
    kernels = _kernels(part)
    if kernels:
        return kernels.sum_of_squares(part)
    part = whole(part)
    part = xp.astype(part, xp.float32) if part.dtype.itemsize < 4 else part
    return xp.sum(part * part)


def _kernels(part: Any) -> Any:
    """What computes totals on a GPU, if it can of these."""
    array = part.arrays[0] if isinstance(part, Pieces) else part
    if backend_of(array).name != "cupy" or "cupy" not in PROGRAMS:
        return None
    from ..fusion import totals  # on demand: nothing on the CPU needs it

    return totals if array.dtype.name in totals.TYPES else None


def _together(gathered: Gathered, of_part: Any, of_all: Any, of_none: Any) -> Any:
    """`of_all` of what `of_part` finds of each run of gradients, on the device of the first."""
    found, first = [], None
    for flat, present in gathered:
        backend = backend_of(flat.data)
        with backend.on(flat.data):
            found += [backend.asarray(of_part(backend.xp, part)) for part in _parts(flat, present)]
        first = flat if first is None and found else first
    if first is None:
        data = gathered[0][0].data
        with backend_of(data).on(data):
            return backend_of(data).asarray(backend_of(data).xp.full((), of_none))
    backend = backend_of(first.data)
    with backend.on(first.data):
        parts = [backend.xp.astype(move(part, first.device), found[0].dtype) for part in found]
        return backend.asarray(of_all(backend.xp, parts[0] if len(parts) == 1 else backend.xp.stack(parts)))


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
