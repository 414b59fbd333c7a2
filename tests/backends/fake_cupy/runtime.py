"""Devices of the stand-in, and what is counted."""

from __future__ import annotations

import threading

__all__ = ["DEVICES", "CUDARuntimeError", "Device", "HostCopyError", "state"]

DEVICES = 2


class HostCopyError(TypeError):
    """An implicit copy from the device to the host."""


class CUDARuntimeError(RuntimeError):
    """What the runtime refuses."""


class _Current(threading.local):
    device = 0


class State:
    """What changes: each thread's current device, and how many explicit copies to the host there were."""

    host_copies = 0
    _current = _Current()

    @property
    def device(self) -> int:
        return self._current.device

    @device.setter
    def device(self, index: int) -> None:
        self._current.device = index


state = State()


class Device:
    """One of the devices; `with Device(1):` makes it the current one."""

    compute_capability = "90"

    def __init__(self, index: int | Device | None = None) -> None:
        self.id = state.device if index is None else int(index)
        if not 0 <= self.id < DEVICES:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    compute_capability = "90"

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __enter__(self) -> Device:
        self._before, state.device = state.device, self.id
        return self

    def __exit__(self, *_: object) -> None:
        state.device = self._before

    def use(self) -> Device:
        state.device = self.id
        return self

    def synchronize(self) -> None:
        from .streams import synchronize_device

        synchronize_device(self.id)

    @property
    def mem_info(self) -> tuple[int, int]:
        from .memory import TOTAL, taken

        return TOTAL - taken(self.id), TOTAL
