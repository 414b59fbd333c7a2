"""Loss scaling, so that small gradients do not vanish in float16."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy

from ..core.backend import backend_of, device_backend
from ..core.dtypes import float32, limits
from ..core.effects import replayed
from ..core.errors import DTypeError, GradientError, StateError
from ..core.graph import Handle, unwrap, wrap

__all__ = ["GradScaler"]

NAMES = ("growth_factor", "backoff_factor", "growth_interval")


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

    On the CPU NumPy warns where a scaled loss or a gradient overflows; `np.errstate(over="ignore")` keeps it quiet.
    On a GPU nothing waits for the device: whether a gradient is infinite is known there only, and the update is chosen
    by it. Such a step is counted by the optimizer all the same; on the CPU it is not, as in `torch.amp.GradScaler`.

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

    @replayed
    def _tensor(self, device: str) -> Any:
        """The scale as a constant Tensor, on the device unless it has one already."""
        if self._scale is None:
            # While a step is captured the loss is on the stand-in for a device; its arrays are NumPy's.
            self._make(self._device or (device if device.startswith("cuda") else "cpu"))
        return wrap(self._scale, None)

    def _make(self, device: str) -> None:
        scale, steps = self._first
        backend = device_backend(device)
        self._scale = backend.asarray(numpy.asarray(scale, "float32"), device=device)
        self._good_steps = backend.asarray(numpy.asarray(steps, "int32"), device=device)

    def inverse(self) -> Any:
        """1 / scale: a number on the CPU, else an array `()` on the device."""
        backend = backend_of(self._scale)
        if not backend.asynchronous:
            return float(float32.type(1.0 / float(self._scale)))
        with backend.on(self._scale):
            return backend.xp.astype(1.0 / backend.xp.astype(self._scale, backend.dtype("float64")), float32)

    # Steps

    @replayed
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
        self._found[_key(optimizer)] = True if finite is None else finite

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

    @replayed
    def update(self, new_scale: Any = None) -> None:
        """Adapt the scale, after the steps of all optimizers; or set it, if `new_scale` is given.

        Raises GradientError if there was no step.
        """
        if not self._enabled:
            return
        self._require_scale("update")
        backend = backend_of(self._scale)
        xp = backend.xp
        with backend.on(self._scale):
            if new_scale is not None:
                self._scale = backend.asarray(xp.astype(backend.asarray(unwrap(new_scale)), float32))
            elif not self._found:
                raise GradientError("GradScaler.update: there was no step since the last one; call step() before it.")
            else:
                finite = None
                for one in self._found.values():
                    one = backend.asarray(one)
                    finite = one if finite is None else finite & one
                self._adapt(xp, finite)
        self._found, self._stepped = {}, set()

    def _adapt(self, xp: Any, finite: Any) -> None:
        backend = backend_of(self._scale)
        scale = xp.astype(self._scale, backend.dtype("float64"))
        steps = self._good_steps + 1
        full = finite & (steps == self.growth_interval)
        grown = scale * self.growth_factor
        grown = xp.where(grown <= float(limits(float32).max), grown, scale)
        kept = xp.astype(xp.where(full, grown, scale), float32)
        self._scale = backend.asarray(xp.where(finite, kept, xp.astype(scale * self.backoff_factor, float32)))
        none = xp.zeros_like(steps)
        self._good_steps = backend.asarray(xp.where(xp.logical_or(full, ~finite), none, steps))

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
            self._make(backend_of(self._scale).device_of(self._scale))

    def __repr__(self) -> str:
        own = [f"{name}={getattr(self, name)!r}" for name in NAMES]
        return f"GradScaler(scale={self.get_scale()!r}, {', '.join(own)})"
