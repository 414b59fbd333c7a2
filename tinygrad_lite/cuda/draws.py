"""Random numbers of CuPy's own, which a captured step would find again and again as they were at its capture.

CuPy's functions draw from a state that it keeps for each device. While a step is captured there is another in its
place, which refuses whoever draws in that step. What is drawn from a generator that the program has made itself is not
seen.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..core.effects import active_capture
from ..core.errors import CaptureError
from ..core.graph import caller, source_line
from .module import cupy

__all__ = ["draws_refused"]


@contextmanager
def draws_refused() -> Iterator[None]:
    """Within the block, a step that is captured cannot draw from CuPy's states. Other threads can."""
    kind = cupy().random.RandomState
    states: dict[int, Any] | None = getattr(cupy().random._generator, "_random_states", None)
    if states is None:  # a version of CuPy that keeps them elsewhere
        yield
        return

    class Refusing(kind):
        def __init__(self, device: int) -> None:
            self.__dict__.update(device=device, inside=states.get(device))

        def __getattribute__(self, name: str) -> Any:
            if name.startswith("__"):
                return super().__getattribute__(name)
            if active_capture.get() is not None:
                raise CaptureError(
                    f"jit: cupy.random.{name} is called in the step, and replays would find the numbers that it gave "
                    f"at the capture. Draw them with tinygrad_lite.random, or give them as an argument. "
                    f"It is called at {_place(sys._getframe(1), kind.__module__.rpartition('.')[0])}"
                )
            own = self.__dict__
            if own["inside"] is None:
                with cupy().cuda.Device(own["device"]):
                    own["inside"] = kind()
            return getattr(own["inside"], name)

    devices = range(cupy().cuda.runtime.getDeviceCount())
    placed = {device: Refusing(device) for device in devices}
    states.update(placed)
    try:
        yield
    finally:
        for device, refusing in placed.items():
            if states.get(device) is refusing:  # nobody has set another
                states.pop(device)
                if refusing.__dict__["inside"] is not None:
                    states[device] = refusing.__dict__["inside"]


def _place(frame: FrameType, package: str) -> str:
    """The line of the program that called a function of the package."""
    outer: FrameType | None = frame
    while outer is not None and outer.f_globals.get("__name__", "").startswith(package):
        outer = outer.f_back
    return source_line(*caller(outer or frame))
