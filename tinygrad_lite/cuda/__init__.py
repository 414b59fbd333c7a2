"""CUDA C++ for the kernels of CuPy's arrays: sources, what they share, and how they are compiled and launched.

`prelude.cuh` is the beginning of every source; `source.py` puts sources together and needs no GPU; `module.py` compiles
and launches them through CuPy. The kernels themselves are beside their Python files, in `kernels/cupy/`.

The functions here are about the GPUs themselves. There is no stream or event of this package's own: work is done on the
current stream of the arrays' device, and so within `with cupy.cuda.Stream(): ...` on that one. Statistics and limits of
memory are in `memory`.
"""

from __future__ import annotations

from ..core.backend import device_backend
from ..core.errors import BackendError

__all__ = ["device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """Whether there is a GPU that can be used: CuPy, a driver and a device.

    >>> is_available() == (device_count() > 0)
    True
    """
    return device_count() > 0


def device_count() -> int:
    """How many GPUs can be used; 0 also without CuPy or a driver, where `zeros(1, device="cuda")` says what is missing.

    >>> device_count() >= 0
    True
    """
    try:
        return device_backend("cuda").device_count
    except BackendError:
        return 0


def synchronize(device: str | None = None) -> None:
    """Wait until a GPU has done all the work that it was given, of all streams; all GPUs if None.

    Work is queued, and most calls return before it is done: wait before reading a clock, and before filling memory
    anew that `to(device, non_blocking=True)` copies from. Raises BackendError where there is no GPU.
    """
    device_backend("cuda" if device is None else device).synchronize(device)
