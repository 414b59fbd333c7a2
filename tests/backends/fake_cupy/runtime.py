"""Devices of the stand-in, and what is counted."""

from __future__ import annotations

__all__ = ["Device", "HostCopyError", "state"]


class HostCopyError(TypeError):
    """An implicit copy from the device to the host."""


class State:
    """What changes: the current device, and how many explicit copies to the host there were."""

    device = 0
    host_copies = 0


state = State()


class Device:
    """One of the devices; `with Device(1):` makes it the current one."""

    def __init__(self, index: int | None = None) -> None:
        self.id = state.device if index is None else index

    def __enter__(self) -> Device:
        self._before, state.device = state.device, self.id
        return self

    def __exit__(self, *_: object) -> None:
        state.device = self._before

    def synchronize(self) -> None: ...
