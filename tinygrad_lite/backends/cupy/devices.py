"""Which GPUs there are, what they are called, and on which of them the arrays of a call lie."""
# pyright: reportAttributeAccessIssue=false
# Without CuPy installed, pyright takes `import cupy` for an import of this package's.

from __future__ import annotations

import re
from typing import Any

import cupy
import numpy

from ...batching import Batched
from ...core.errors import BackendError

__all__ = ["common_device", "count_devices", "index_of", "is_name"]

_NAME = re.compile(r"cuda(?::([0-9]+))?")


def is_name(device: str) -> bool:
    """Whether `device` is the name of a GPU, there or not."""
    return _NAME.fullmatch(device) is not None


def index_of(device: str, count: int) -> int:
    """The number of the device called `device`, of `count` devices. BackendError if there is none of that name."""
    match = _NAME.fullmatch(device)
    if match is None:
        raise BackendError(f"unknown device {device!r}; devices of CuPy are called 'cuda', 'cuda:0', 'cuda:1', ...")
    index = int(match[1] or 0)
    if index >= count:
        are = "is 1 GPU" if count == 1 else f"are {count} GPUs"
        raise BackendError(f"device {device!r}: there {are}; the last is 'cuda:{count - 1}'.")
    return index


def count_devices() -> int:
    """How many GPUs there are. BackendError if none can be used, or if CuPy or its CUDA is too old."""
    version = cupy.__version__
    if int(version.partition(".")[0]) < 13:
        raise BackendError(
            f"device 'cuda': CuPy {version} is installed; 13 or later is required. Install it with "
            f"pip install --upgrade 'tinygrad-lite[cuda13]', or 'tinygrad-lite[cuda12]' for a driver that has CUDA 12 "
            f"only."
        )
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except RuntimeError as error:  # CuPy's CUDARuntimeError: no driver, too old a driver, no device
        raise _no_gpu(str(error)) from error
    if count == 0:
        raise _no_gpu("the driver reports no device")
    cuda = cupy.cuda.runtime.runtimeGetVersion()
    if cuda < 12000:
        raise BackendError(
            f"device 'cuda': CuPy {version} is built for CUDA {cuda // 1000}.{cuda % 1000 // 10}; CUDA 12 or 13 is "
            f"required. Replace the package by pip install 'tinygrad-lite[cuda13]', or 'tinygrad-lite[cuda12]'."
        )
    return count


def _no_gpu(reason: str) -> BackendError:
    return BackendError(
        f"device 'cuda': CuPy {cupy.__version__} is installed, but no GPU can be used ({reason}). "
        f"Check that nvidia-smi lists one; or compute on the device 'cpu'."
    )


def common_device(name: str, values: tuple, statics: dict[str, Any]) -> int | None:
    """The number of the one device that holds all arrays of a call, also those in tuples; None if there are none.

    Raises BackendError, for the call of `name`, if they lie on two devices.
    """
    found = None
    for value in values if not statics else (*values, *statics.values()):
        if type(value) is cupy.ndarray:
            index = value.data.device_id
        elif value is None or type(value) in _NO_ARRAYS:
            continue
        elif isinstance(value, cupy.ndarray):
            index = value.device.id
        else:
            index = common_device(name, _parts(value), {})
        if found is None:
            found = index
        elif index is not None and index != found:
            raise BackendError(
                f"{name}: got arrays on cuda:{found} and on cuda:{index}; all arrays of a call must be on one device. "
                f"Move some of them, for example with x.to('cuda:{found}')."
            )
    return found


_NO_ARRAYS = frozenset({bool, int, float, complex, str, slice, numpy.dtype, type})


def _parts(value: Any) -> tuple:
    """What lies within a tuple, a list or a batch."""
    if isinstance(value, Batched):
        return (value.data,)
    return tuple(value) if isinstance(value, (tuple, list)) else ()
