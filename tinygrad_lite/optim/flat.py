"""Parameters, gradients and optimizer state in flat buffers, one per kind of memory.

So an update is a few passes over long arrays instead of a few calls per parameter, and sending all gradients elsewhere
is one call. The parameters' `data` are views of the buffer; it is the only memory that the package changes in place.

Of parameters of 16 bits, whose steps would mostly be rounded away, the buffer and all state are float32: these are the
master weights. The parameters' `data` are views of a second buffer, which holds them rounded and is written in the same
pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy

from ..core.backend import backend_of
from ..core.dtypes import float32, limits
from ..core.effects import live_numbers
from ..core.errors import StateError
from ..core.graph import note_write, unwrap
from ..fusion.pieces import Pieces
from ..fusion.updates import write_over
from ..ops import zeros
from ..ops.creation import to_array
from ..tensor import Tensor
from .counts import Counts, Numbers, renamed, runs

__all__ = ["FlatGroup"]

ALONE = 1 << 18
"""Elements of a gradient from which on it is not copied: a step of Adam on 25 M parameters takes 0.6 of the time."""

Rule = Callable[..., tuple[Any, dict[str, Any], Numbers]]
"""`rule(param, grad, state, numbers, *beside)` returns the new parameter, state and numbers; it changes no array."""


class FlatGroup:
    """Parameters of one device, dtype and `requires_grad`, and everything that an optimizer keeps for them.

    parameters : pairs of name and Tensor. Their data are moved into the buffer.
    dtype : of the parameters and gradients. kept : of everything else, float32 instead of 16 bits.
    data : the buffer of the parameters, `(n,)`, of the dtype `kept`.
    shown : the buffer whose views the parameters' data are: `data`, or it rounded to `dtype`.
    grad : the buffer of their gradients, `(n,)`; None before the first step.
    state : further buffers `(n,)` by name. They are at the same place as long as the group lives.
    beside : buffers `(n,)` by name, of whoever keeps something of the same parameters; they are no part of the state.
    own : for each parameter, arrays of any shape by name, of rules for whole parameters; empty at first.
    numbers : for each parameter, how many updates it has had, and further numbers; if these are counted on the device,
        a name instead, which is the same for parameters with the same numbers. counts : where they are then, or None.

    On a GPU no gradient is copied: one kernel for all parameters reads each where it is, see `fusion/pieces.py`.
    """

    def __init__(self, parameters: Sequence[tuple[str, Tensor]]) -> None:
        self.names = [name for name, _ in parameters]
        self.parameters = [parameter for _, parameter in parameters]
        self.shapes = [tuple(parameter.shape) for parameter in self.parameters]
        self.bounds = [0, *accumulate(prod(shape) for shape in self.shapes)]
        self.device, self.dtype = self.parameters[0].device, self.parameters[0].dtype
        self.kept = float32 if limits(self.dtype).bits < 32 else self.dtype
        self.numbers: list[Numbers] = [(0,)] * len(parameters)
        self.counts: Counts | None = None
        self.own: list[dict[str, Any]] = [{} for _ in parameters]
        self.state: dict[str, Any] = {}
        self.beside: dict[str, Any] = {}
        self.grad: Any = None
        self.data = self._zeros()
        self._apart = backend_of(self.data).asynchronous
        self.shown = self.data if self.kept == self.dtype else self._zeros(self.dtype)
        self._saved: dict[int, Any] = {}
        self._view()
        self._runs: dict[tuple[int, int], Any] = {}
        self._alone: dict[int, Any] = {}
        self.take_in()

    def _zeros(self, dtype: Any = None) -> Any:
        return zeros((self.bounds[-1],), dtype=dtype or self.kept, device=self.device).data

    def _view(self) -> None:
        self._data_views = self.views(self.data)
        self._shown_views = self._data_views if self.shown is self.data else self.views(self.shown)

    def views(self, buffer: Any) -> list[Any]:
        """The parts of a buffer that belong to the parameters, in their shapes."""
        backend = backend_of(buffer)
        parts = zip(pairwise(self.bounds), self.shapes, strict=True)
        with backend.on(buffer):
            return [backend.xp.reshape(buffer[a:b], shape) for (a, b), shape in parts]

    def buffer(self, name: str, value: float = 0.0) -> Any:
        """The state buffer called `name`; full of `value` when it is first asked for."""
        if name not in self.state:
            self.state[name] = self._zeros()
            if value:
                self.state[name][...] = value
        return self.state[name]

    # A copied or unpickled view would be an array of its own, and training would go on beside the parameters.

    def __getstate__(self) -> dict[str, Any]:
        views = ("_data_views", "_shown_views", "_grad_views", "_runs", "_alone")
        return {name: value for name, value in vars(self).items() if name not in views}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        vars(self).update(kept)
        self._view()
        if self.grad is not None:
            self._grad_views = self.views(self.grad)
        self._runs, self._alone = {}, {}

    # What a step does, in this order

    def take_in(self) -> bool:
        """Move into the buffer what somebody else bound to a parameter's `data`, such as loaded weights.

        Returns False, and takes in nothing, if some of it is on another device; see `ParamGroup.take_in`.
        Raises StateError for data of another shape or dtype.
        """
        pairs = enumerate(zip(self.parameters, self._shown_views, strict=True))
        bound = [(i, parameter, view) for i, (parameter, view) in pairs if parameter.data is not view]
        for i, parameter, _ in bound:
            data = parameter.data
            if tuple(data.shape) != self.shapes[i] or data.dtype != self.dtype:
                raise StateError(
                    f"parameter {self.names[i]!r} is now {tuple(data.shape)} {data.dtype}; when the optimizer was made "
                    f"it was {self.shapes[i]} {self.dtype}. Make the optimizer after such changes, for example after "
                    f"model.to('float64')."
                )
        if any([parameter.device != self.device for _, parameter, _ in bound]):
            return False
        if bound:
            with backend_of(self.data).on(self.data):
                for i, parameter, view in bound:
                    view[...] = parameter.data
                    parameter.data = view
                    if self.shown is not self.data and i not in self._saved:
                        self._keep(i, self._data_views[i])
            note_write(self.shown)
        for i, exact in self._saved.items():
            self._keep(i, exact)
        self._saved = {}
        return True

    def keep_saved(self, i: int, exact: Any) -> None:
        """Take over the master weights of parameter `i` with the next step, where the parameter is what they round to.

        The parameter's own value may be loaded before or afterwards.
        """
        if self.shown is not self.data:
            self._saved[i] = exact

    def _keep(self, i: int, exact: Any) -> None:
        """The master weights of parameter `i`: `exact` where that rounds to the parameter, else the parameter."""
        backend, shown = backend_of(self.data), self._shown_views[i]
        with backend.on(self.data):
            astype = backend.xp.astype
            rounded, plain = (astype(x, self.kept) for x in (astype(exact, self.dtype), shown))
            self._data_views[i][...] = backend.xp.where(rounded == plain, exact, plain)

    def masters(self) -> list[Any] | None:
        """The master weights, each in its parameter's shape; None if the parameters themselves are exact."""
        return None if self.shown is self.data else self._data_views

    def show(self, part: slice = slice(None)) -> None:
        """Round the master weights into what the parameters show, where these are not the same."""
        if self.shown is not self.data:
            _refuse("parameters of 16 bits")
            self.shown[part] = backend_of(self.data).xp.astype(self.data[part], self.dtype)

    # How often

    def count_on_device(self, first: Numbers) -> None:
        """Let the device count from now on; `first` are the further numbers of a parameter without updates."""
        if self.counts is None:
            self.counts = Counts(self.numbers, first, self.data)
            renamed(self.numbers, range(len(self.numbers)))

    def read_numbers(self) -> list[Numbers]:
        """The numbers of the parameters, wherever they are."""
        return self.numbers if self.counts is None else self.counts.read()

    def write_numbers(self, known: Sequence[Numbers]) -> None:
        """Set the numbers of the parameters, where they are."""
        self.numbers[:] = known
        if self.counts is not None:
            self.counts.write(known)
            renamed(self.numbers, range(len(known)))

    def inherit(self, i: int, other: FlatGroup, j: int) -> None:
        """Take over for parameter `i` all that another group has kept of it as its parameter `j`."""
        self.numbers[i] = other.read_numbers()[j]
        self.own[i] = {name: to_array(array, device=self.device) for name, array in other.own[j].items()}
        part, source = slice(*self.bounds[i : i + 2]), slice(*other.bounds[j : j + 2])
        if self.shown is not self.data:
            self._keep(i, to_array(other._data_views[j], device=self.device))
        for ours, theirs in ((self.state, other.state), (self.beside, other.beside)):
            for name, buffer in theirs.items():
                if name not in ours:
                    ours[name] = self._zeros()
                with backend_of(buffer).on(buffer):
                    moving = buffer[source]
                ours[name][part] = to_array(moving, device=self.device)

    def present(self) -> list[int]:
        """`gather`, once in a captured step: a replay does what the capture did."""
        live = live_numbers.get()
        if live is None:
            return self.gather()
        present, self._alone = live.once(lambda: (self.gather(), self._alone))
        return present

    def gather(self) -> list[int]:
        """Copy the gradients into their buffer, but for large ones, which are used where they are; on a GPU all are.

        Returns the numbers of the parameters that have one.
        """
        pairs = [(i, parameter.grad) for i, parameter in enumerate(self.parameters)]
        present = {i: unwrap(gradient) for i, gradient in pairs if gradient is not None}
        if self._apart:
            self._alone = {i: _flat(g, self.dtype) for i, g in present.items()}
            return list(present)
        self._alone = {i: g.reshape(-1) for i, g in present.items() if _worth_a_run(g, self.dtype)}
        if len(present) > len(self._alone) and self.grad is None:
            self.grad = self._zeros(self.dtype)
            self._grad_views = self.views(self.grad)
        for i, gradient in present.items():
            if i not in self._alone:
                self._grad_views[i][...] = gradient
        return list(present)

    def apply(
        self, present: list[int], maps: Mapping[str, Callable[[Any, float], Any]], lr: float, skip: Any = None
    ) -> None:
        """w <- map(w, lr), for each parameter that has a gradient and a map, unless the array `()` `skip` is true."""
        for i in present:
            change = maps.get(self.names[i])
            if change is None:
                continue
            part, beside = self._data_views[i], [] if skip is None else [skip]

            def changed(w: Any, *skip: Any, change: Any = change) -> list[Any]:
                new = change(w, lr)
                return [backend_of(w).xp.where(skip[0], w, new) if skip else new, *skip]

            if getattr(change, "elementwise", False):
                write_over([part, *beside], changed)
            else:
                _refuse("a constraint of whole parameters")
                part[...] = changed(part, *beside)[0]
            self.show(slice(*self.bounds[i : i + 2]))

    def update(self, present: list[int], rule: Rule, state: Mapping[str, float], beside: Sequence[Any] = ()) -> None:
        """Apply a `rule` for elements, which may need norms, to the parameters that have a gradient.

        state : names of the buffers that it needs, with what they are full of before a parameter's first update.
        beside : arrays `()` that it is given too.
        A rule that keeps the first of the numbers as it is must keep the parameters too.
        """
        exact, counts = self.shown is self.data, self.counts
        own = len(state) + (not exact)
        if present:
            for name, value in state.items():
                self.buffer(name, value)
        for first, last in self._parts(present, self.numbers):
            part, known = slice(self.bounds[first], self.bounds[last]), self.numbers[first]
            shown = [] if exact else [self.shown[part]]
            counted = [] if counts is None else counts.of(first)
            after: list[tuple[Numbers, bool]] = []

            def arrays(
                param: Any, grad: Any, *held: Any, known: Numbers = known, after: list[tuple[Numbers, bool]] = after
            ) -> list[Any]:
                before = known if counts is None else counts.given(held[own + len(beside) :])
                wide = grad if exact else backend_of(grad).xp.astype(grad, self.kept)
                held_now = dict(zip(state, held, strict=False))
                new, kept, numbers = rule(param, wide, held_now, before, *held[own : own + len(beside)])
                after.append((numbers, numbers[0] is not before[0]))
                shown = [] if exact else [backend_of(new).xp.astype(new, self.dtype)]
                return [new, grad, *[kept[name] for name in state], *shown, *held[own:]]

            held = [self.state[name][part] for name in state]
            given = [self.data[part], self._gradients(first, last), *held, *shown, *beside, *counted]
            write_over(given, arrays, self.bounds[first : last + 1])
            numbers, changed = after[-1]
            if counts is None:
                self.numbers[first:last] = [numbers] * (last - first)
            else:
                counts.advance(first, last, rule, state, beside)
            if changed:
                # Announced by the part, so that a graph that used only other parameters stays valid.
                note_write(self._runs.setdefault((first, last), self.shown[part]))
        self._updated(present)

    def _updated(self, present: list[int]) -> None:
        """After an update: those that had it have other numbers than the others."""
        if self.counts is not None and len(present) < len(self.numbers):
            renamed(self.numbers, present)
        self._alone = {}

    def _parts(self, present: list[int], numbers: list[Numbers]) -> Iterator[tuple[int, int]]:
        """The runs of parameters with equal numbers, whose gradients are one array or as many as a kernel reads."""
        most = Pieces.most if self._apart else len(self.parameters)
        for first, last in runs(present, numbers, {} if self._apart else self._alone):
            for start in range(first, last, most):
                yield start, min(start + most, last)

    def _gradients(self, first: int, last: int) -> Any:
        """The gradients of the parameters from `first` on and before `last`, as one array."""
        if not self._apart and first not in self._alone:
            return self.grad[self.bounds[first] : self.bounds[last]]
        return self._alone[first] if last - first == 1 else Pieces([self._alone[i] for i in range(first, last)])

    def update_whole(self, present: list[int], rule: Rule, beside: Sequence[Any] = ()) -> None:
        """Apply a `rule` that needs whole parameters, each in its shape, to those that have a gradient.

        beside : arrays `()` that it is given too.
        """
        _refuse("a rule for whole parameters")
        for i in present:
            part = self._data_views[i]
            grad = self._alone[i].reshape(self.shapes[i]) if i in self._alone else self._grad_views[i]
            grad = grad if self.shown is self.data else backend_of(grad).xp.astype(grad, self.kept)
            before = self.numbers[i] if self.counts is None else self.counts.given(self.counts.of(i))
            new, kept, after = rule(part, grad, self.own[i], before, *beside)
            if self.counts is None:
                self.numbers[i] = after
            else:
                self.counts.put(i, after)
            # What is kept must not be memory that is written over.
            self.own[i] = {
                name: backend_of(array).copy(array) if array is grad or array is part else array
                for name, array in kept.items()
            }
            part[...] = new
            self.show(slice(*self.bounds[i : i + 2]))
            note_write(self._shown_views[i])
        self._updated(present)

    def found(self, present: list[int]) -> Iterator[Any]:
        """The gradients of these parameters, which `gather` has gathered, in as few arrays, or pieces, as possible."""
        for first, last in self._parts(present, [(0,)] * len(self.numbers)):
            yield self._gradients(first, last)

    def gradient(self) -> Any:
        """The gradients in an array of its own, `(n,)`, with 0 for parameters that have none."""
        buffer = self._zeros()
        with backend_of(buffer).on(buffer):
            for view, parameter in zip(self.views(buffer), self.parameters, strict=True):
                if parameter.grad is not None:
                    view[...] = unwrap(parameter.grad)
        return buffer

    def mix(self, name: str, weight: float) -> None:
        """w <- (1 - weight) w + weight * state[name], for the parameters that have been updated."""
        present = [i for i, numbers in enumerate(self.read_numbers()) if numbers[0]]
        for first, last in runs(present, [(0,)] * len(self.numbers), {}):
            part = slice(self.bounds[first], self.bounds[last])
            write_over([self.data[part], self.state[name][part]], lambda w, z: [(1 - weight) * w + weight * z, z])
            self.show(part)
            note_write(self._runs.setdefault((first, last), self.shown[part]))

    def follow(self, slow: Any, share: float) -> None:
        """slow <- slow + share * (w - slow), an array `(n,)`, and then w <- slow."""
        self.take_in()

        def meet(w: Any, slow: Any) -> list[Any]:
            met = (1 - share) * slow + share * w
            return [met, met * 1.0]

        write_over([self.data, slow], meet)
        self.show()
        note_write(self.shown)


def _refuse(why: str) -> None:
    """What is done on arrays, with numbers as they are now, cannot be part of a graph."""
    live = live_numbers.get()
    if live is not None:
        live.refuse(why)


def _flat(gradient: Any, dtype: Any) -> Any:
    """The gradient as a contiguous array `(n,)` of this dtype: itself, if it is contiguous."""
    xp = backend_of(gradient).xp
    return xp.reshape(xp.astype(gradient, dtype, copy=False), (-1,))


def _worth_a_run(gradient: Any, dtype: Any) -> bool:
    """Whether a gradient is so large that an update of its own costs less than copying it."""
    large = type(gradient) is numpy.ndarray and gradient.size >= ALONE
    return large and gradient.flags.c_contiguous and gradient.dtype == dtype
