"""Loss scaling, so that small gradients do not vanish in float16."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial, reduce
from typing import Any

import numpy

from ..core.backend import backend_of, device_backend
from ..core.dtypes import float32, float64, int32, limits
from ..core.effects import once, replayed
from ..core.errors import DTypeError, GradientError, StateError
from ..core.graph import Handle, note_write, unwrap, wrap
from ..fusion.device_numbers import DeviceNumber, chosen
from ..fusion.updates import write_over
from ..ops.conversion import move

__all__ = ["GradScaler"]

NAMES = ("growth_factor", "backoff_factor", "growth_interval")

LARGEST = float(limits(float32).max)
"""What the scale may grow to."""


def _key(optimizer: Any) -> int:
    """What an optimizer is known by; of one around another, the inner one makes the step."""
    return id(getattr(optimizer, "optimizer", optimizer))


class GradScaler:
    """Multiplies the loss by a scale and divides the gradients by it; the scale adapts to what float16 can hold.

    A step whose gradients have an infinity or a NaN is left out, and the scale multiplied by `backoff_factor`; after
    `growth_interval` steps without one it is multiplied by `growth_factor`.

    device : where the scale lies; default: that of the first loss.
    init_scale : the scale at first.
    growth_factor : above 1. backoff_factor : above 0 and below 1. growth_interval : steps, at least 1.
    enabled : False for one that does nothing, so that programs need not ask.

    All backward passes come before `update`: one after it, of a loss that was scaled before it, is a GradientError,
    since `step` would divide by another scale.

    On the CPU NumPy warns where a scaled loss or a gradient overflows; `np.errstate(over="ignore")` keeps it quiet.
    On a GPU nothing waits for the device: whether a gradient is infinite is known there only, and the update is chosen
    by it. Scale and counts lie there and are written in place, so a captured step with all of this is one graph.

    Raises ValueError for factors out of range.
    Source: P. Micikevicius et al., Mixed precision training, 2018, arXiv:1710.03740; as `torch.amp.GradScaler`.

    >>> model, scaler = nn.Linear(2, 1), GradScaler(init_scale=256.0)
    >>> optimizer = optim.SGD(model, lr=0.1)
    >>> with autocast("float16"):
    ...     loss = mse(model(np.ones((4, 2), np.float32)), np.zeros((4, 1), np.float32))
    >>> scaler.scale(loss).backward()
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> scaler.get_scale()
    256.0
    """

    def __init__(
        self,
        device: str | None = None,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if not (init_scale > 0 and growth_factor > 1 and 0 < backoff_factor < 1 and growth_interval >= 1):
            raise ValueError(
                f"GradScaler: init_scale is {init_scale}, growth_factor {growth_factor}, backoff_factor "
                f"{backoff_factor} and growth_interval {growth_interval}; they must be above 0, above 1, between 0 and "
                f"1, and at least 1."
            )
        self.growth_factor, self.backoff_factor, self.growth_interval = growth_factor, backoff_factor, growth_interval
        self._enabled, self._device = enabled, device
        self._first = (init_scale, 0)
        self._scale: Any = None
        self._good_steps: Any = None
        self._found: dict[int, Any] = {}
        self._stepped: set[int] = set()

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale as a number, for which a GPU must be waited for; 1 if not enabled."""
        if not self._enabled:
            return 1.0
        return float(self._first[0] if self._scale is None else backend_of(self._scale).to_numpy(self._scale))

    def scale(self, outputs: Any) -> Any:
        """The loss, or each of several, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Handle):
            factor = self._tensor(backend_of(outputs.data).device_of(outputs.data))
            here = outputs.device  # type: ignore[attr-defined]
            return outputs * (factor if factor.device == here else factor.to(here))
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled  # type: ignore[call-arg]
        raise DTypeError(f"GradScaler.scale: got a {type(outputs).__name__}; a Tensor or several are required.")

    @replayed(graph="fixed", gradients=False)
    def _tensor(self, device: str) -> Any:
        """The scale as a constant Tensor, on the device unless it has one already."""
        if self._scale is None:
            # While a step is captured the loss is on the stand-in for a device; its arrays are NumPy's.
            device = self._device or (device if device.startswith("cuda") else "cpu")
            scale, steps = self._first
            backend = device_backend(device)
            self._scale = backend.asarray(numpy.asarray(scale, float32), device=device)
            self._good_steps = backend.asarray(numpy.asarray(steps, int32), device=device)
        return wrap(self._scale, None)

    @staticmethod
    def _set(array: Any, value: Any) -> None:
        """array <- value, in place: captured steps know where it is."""
        with backend_of(array).on(array):
            array[...] = backend_of(array).asarray(value) if hasattr(value, "shape") else value

    def inverse(self) -> Any:
        """1 / scale: a number on the CPU, else an array `()` on the device."""
        backend = backend_of(self._scale)
        if not backend.asynchronous:
            return float(float32.type(1.0 / float(self._scale)))
        with backend.on(self._scale):
            return backend.xp.astype(1.0 / backend.xp.astype(self._scale, backend.dtype("float64")), float32)

    # Steps

    @replayed(graph="refreshed")
    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimizer's parameters by the scale, to look at them or to change them.

        Without it `step` does so, in the same pass as the update. Raises GradientError if it was done since the last
        `update`, DTypeError for float16 gradients, which would vanish.
        """
        if not self._enabled:
            return
        self._require_scale("unscale_")
        if _key(optimizer) in self._found:
            done = "step" if _key(optimizer) in self._stepped else "unscale_"
            raise GradientError(f"GradScaler.unscale_: {done}() was called for this optimizer since the last update().")
        self._found[_key(optimizer)] = once(lambda: self._unscaled(optimizer))

    def _unscaled(self, optimizer: Any) -> Any:
        """Divide the gradients by the scale; returns whether they are finite."""
        inverse, finite = self.inverse(), None
        for group in optimizer.param_groups:
            for tensor in group["params"]:
                if tensor.grad is None:
                    continue
                g = tensor.grad.data
                if limits(g.dtype).smallest_normal > 1e-20:
                    raise DTypeError(
                        f"GradScaler.unscale_: a gradient is {g.dtype}, in which it would vanish; leave unscaling to "
                        f"step(), and clip with the optimizer's clip_norm."
                    )
                backend = backend_of(g)
                with backend.on(g):
                    one = backend.xp.all(backend.xp.isfinite(g))
                    here = inverse if isinstance(inverse, float) else backend.asarray(inverse)
                    tensor.grad = wrap(backend.xp.astype(g * here, g.dtype), None)
                    finite = one if finite is None else finite & backend.asarray(one)
        return True if finite is None else finite

    def step(self, optimizer: Any) -> None:
        """Unscale the gradients, unless `unscale_` has, and update the parameters, unless a gradient is not finite.

        Raises GradientError if it was called for the optimizer since the last `update`, or before `scale`.
        """
        if not self._enabled:
            optimizer.step()
            return
        self._require_scale("step")
        if _key(optimizer) in self._stepped:
            raise GradientError("GradScaler.step: it was called for this optimizer since the last update().")
        optimizer.step(scaler=self)

    def known_finite(self, optimizer: Any) -> Any:
        """Whether the gradients are finite, if `unscale_` has looked; else None."""
        return self._found.get(_key(optimizer))

    def note_step(self, optimizer: Any, finite: Any) -> None:
        """An optimizer that takes `scaler=` says that it has made a step, and whether its gradients were finite."""
        self._found[_key(optimizer)] = finite
        self._stepped.add(_key(optimizer))

    @replayed(graph="refreshed", gradients=False)
    def update(self, new_scale: Any = None) -> None:
        """Adapt the scale, after the steps of all optimizers; or set it, if `new_scale` is given.

        Raises GradientError if there was no step.
        """
        if not self._enabled:
            return
        self._require_scale("update")
        backend = backend_of(self._scale)
        with backend.on(self._scale):
            if new_scale is not None:
                once(lambda: self._set(self._scale, unwrap(new_scale)))
            elif not self._found:
                raise GradientError("GradScaler.update: there was no step since the last one; call step() before it.")
            else:
                self._adapt(list(self._found.values()))
        note_write(self._scale)
        self._found, self._stepped = {}, set()

    def _adapt(self, found: list[Any]) -> None:
        """The next scale, written over this one. found : for each optimizer, whether its gradients were finite."""
        if not backend_of(self._scale).asynchronous:
            finite = all(map(bool, found))
            scale, steps = self._adapted(float(self._scale), int(self._good_steps), finite)
            self._scale[...], self._good_steps[...] = scale, steps
            return
        device = backend_of(self._scale).device_of(self._scale)
        arrays = [move(finite, device) for finite in found if finite is not True]

        def rule(scale: Any, steps: Any, *found: Any) -> list[Any]:
            xp, number = backend_of(scale).xp, partial(DeviceNumber, dtype=float32)
            finite = reduce(xp.logical_and, found) if found else xp.equal(steps, steps)
            kept = self._adapted(number(xp.astype(scale, float64)), number(xp.astype(steps, float64)), number(finite))
            return [xp.astype(kept[0].value, float32), xp.astype(kept[1].value, int32), *found]

        write_over([self._scale, self._good_steps, *arrays], rule)

    def _adapted(self, scale: Any, steps: Any, finite: Any) -> tuple[Any, Any]:
        """The scale and the steps without an infinity after a step, in numbers of Python or of the device."""

        def grown() -> Any:
            larger = scale * self.growth_factor
            return chosen(larger > LARGEST, lambda: scale, lambda: larger)

        def after_step() -> tuple[Any, Any]:
            full = steps + 1 == self.growth_interval
            return chosen(full, lambda: (grown(), 0.0), lambda: (scale, steps + 1))

        return chosen(finite, after_step, lambda: (scale * self.backoff_factor, 0.0))

    def _require_scale(self, method: str) -> None:
        if self._scale is None:
            raise GradientError(f"GradScaler.{method}: scale() was not called before it; scale the loss with it.")

    # State

    def state_dict(self) -> dict[str, Any]:
        """The scale, the factors and the interval, and the steps since the scale was changed; empty if not enabled."""
        if not self._enabled:
            return {}
        steps = self._first[1] if self._scale is None else int(backend_of(self._scale).to_numpy(self._good_steps))
        own = {name: getattr(self, name) for name in NAMES}
        return {"scale": self.get_scale(), **own, "_growth_tracker": steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the state of another one. Raises StateError for one that is empty, or has not the right names."""
        if not self._enabled:
            return
        missing = [name for name in ("scale", *NAMES, "_growth_tracker") if name not in state]
        if missing:
            raise StateError(
                f"GradScaler.load_state_dict: {', '.join(missing)} missing; the state must be of an enabled GradScaler."
            )
        for name in NAMES:
            setattr(self, name, state[name])
        self._first = (float(state["scale"]), int(state["_growth_tracker"]))
        if self._scale is not None:
            for array, value in zip((self._scale, self._good_steps), self._first, strict=True):
                self._set(array, value)

    def __repr__(self) -> str:
        own = [f"{name}={getattr(self, name)!r}" for name in NAMES]
        return f"GradScaler(scale={self.get_scale()!r}, {', '.join(own)})"
