"""The libraries that are compared: how each is started, gets its arrays, is waited for and gives results back.

A library is imported only in its own worker process.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

__all__ = ["LIBRARIES", "Library", "Unavailable", "open_library"]


class Unavailable(Exception):
    """The library, or the device, is not on this machine; the message says which."""


class Library:
    """A library over NumPy arrays on the CPU; the others override what differs.

    package : what is imported, and whose version is reported.
    same_as : the library whose methods of workloads it runs, if it has none of its own.
    environment : variables that its process is started with.
    """

    package = "numpy"
    same_as: str | None = None
    environment: ClassVar[dict[str, str]] = {}

    def __init__(self, device: str, threads: int) -> None:
        if importlib.util.find_spec(self.package) is None:
            raise Unavailable("not installed")
        self.device, self.threads = device, threads
        self.module = importlib.import_module(self.package)
        self.start()

    def start(self) -> None:
        """Set threads and device. Raises Unavailable if the device is missing."""
        if self.device != "cpu":
            raise Unavailable("runs on the CPU only")

    def version(self) -> str:
        """The library's version."""
        return str(self.module.__version__)

    def device_name(self) -> str:
        """The name of the device as its driver gives it, or an empty string for the CPU."""
        return ""

    def place(self, array: np.ndarray) -> Any:
        """A copy of `array` as the library's array on the device."""
        return array.copy()

    def wait(self, result: Any) -> None:
        """Return when `result`, and everything before it, has been computed."""

    def numpy(self, value: Any) -> np.ndarray:
        """A result as a NumPy array; 16-bit floating-point numbers as float32."""
        return np.asarray(value)

    def facts(self) -> dict[str, Any]:
        """What is to be known about device, driver and libraries below this one."""
        return {}

    def release(self) -> None:
        """Give memory that is kept for later back to the device."""

    def seconds(self, step: Callable[[], Any], number: int) -> float:
        """How long `number` calls take, the first of them called when the device has nothing else to do."""
        start = time.perf_counter()
        for _ in range(number - 1):
            step()
        self.wait(step())
        return time.perf_counter() - start

    def between_events(self, record: Callable[[], Any], elapsed: Callable[[Any, Any], float], step, number) -> float:
        """The seconds between an event before the first call's work and one after the last's.

        Raises RuntimeError if the host's clock shows that work was done on streams that the events did not wait for.
        """
        start = time.perf_counter()
        before = record()
        for _ in range(number):
            result = step()
        after = record()
        self.wait(result)
        waited, seconds = time.perf_counter() - start, elapsed(before, after)
        if waited > 5e-3 and seconds < waited / 2:
            raise RuntimeError(f"{seconds:.2g} s between the events, but {waited:.2g} s by the host's clock")
        return seconds


class TinygradLite(Library):
    package = "tinygrad_lite"

    def start(self) -> None:
        try:
            self.backend = importlib.import_module("tinygrad_lite.core.backend").device_backend(self.device)
        except self.module.BackendError as error:
            raise Unavailable(str(error)) from None

    def device_name(self) -> str:
        return f"{self.backend.name} {self.backend.xp.__version__}" if self.device != "cpu" else ""

    def place(self, array: np.ndarray) -> Any:
        return self.module.Tensor(array.copy()).to(self.device)

    def wait(self, result: Any) -> None:
        self.backend.synchronize()

    def numpy(self, value: Any) -> np.ndarray:
        if not isinstance(value, self.module.Tensor):
            return np.asarray(value)
        array = value.detach().cpu().numpy()
        return array.astype(np.float32) if array.dtype.itemsize == 2 else array

    def facts(self) -> dict[str, Any]:
        if self.device == "cpu":
            return {}
        cudnn = importlib.import_module("tinygrad_lite.cuda.cudnn")
        runtime = self.backend.xp.cuda.runtime
        properties = runtime.getDeviceProperties(self.backend.xp.cuda.Device().id)
        return {
            "device": properties["name"].decode(),
            "compute capability": f"{properties['major']}.{properties['minor']}",
            "memory, GiB": round(properties["totalGlobalMem"] / 2**30, 1),
            "driver's CUDA": runtime.driverGetVersion(),
            "CUDA": runtime.runtimeGetVersion(),
            "CuPy": self.backend.xp.__version__,
            "cuDNN": cudnn.version(),
        }

    def release(self) -> None:
        if self.device != "cpu":
            self.backend.xp.get_default_memory_pool().free_all_blocks()

    def seconds(self, step: Callable[[], Any], number: int) -> float:
        if self.device == "cpu":
            return super().seconds(step, number)
        cuda = self.backend.xp.cuda

        def record() -> Any:
            event = cuda.Event()
            event.record()
            return event

        return self.between_events(record, lambda a, b: cuda.get_elapsed_time(a, b) / 1e3, step, number)


class Torch(Library):
    package = "torch"

    def start(self) -> None:
        self.module.set_num_threads(self.threads)
        if self.device == "cpu":
            return
        if not self.module.cuda.is_available():
            raise Unavailable("this build of PyTorch finds no CUDA device")
        self.module.backends.cudnn.allow_tf32 = False  # as its products, unless a workload says otherwise

    def device_name(self) -> str:
        return self.module.cuda.get_device_name() if self.device != "cpu" else ""

    def place(self, array: np.ndarray) -> Any:
        return self.module.from_numpy(array.copy()).to(self.device)

    def wait(self, result: Any) -> None:
        if self.device != "cpu":
            self.module.cuda.synchronize()

    def numpy(self, value: Any) -> np.ndarray:
        if not isinstance(value, self.module.Tensor):
            return np.asarray(value)
        value = value.detach().cpu()
        return (value.float() if value.is_floating_point() and value.itemsize == 2 else value).numpy()

    def facts(self) -> dict[str, Any]:
        if self.device == "cpu":
            return {}
        return {"CUDA": self.module.version.cuda, "cuDNN": self.module.backends.cudnn.version()}

    def release(self) -> None:
        if self.device != "cpu":
            self.module.cuda.empty_cache()

    def seconds(self, step: Callable[[], Any], number: int) -> float:
        if self.device == "cpu":
            return super().seconds(step, number)

        def record() -> Any:
            event = self.module.cuda.Event(enable_timing=True)
            event.record()
            return event

        return self.between_events(record, lambda a, b: a.elapsed_time(b) / 1e3, step, number)


class TunedTorch(Torch):
    """PyTorch on the CPU where glibc's malloc keeps large blocks instead of returning them to the system.

    Fresh pages are a large part of what PyTorch's elementwise operations cost, so this compares kernels with kernels;
    users run the other one.
    """

    same_as = "torch"
    environment: ClassVar = {
        "MALLOC_MMAP_THRESHOLD_": "1073741824",
        "MALLOC_TRIM_THRESHOLD_": "17179869184",
        "MALLOC_TOP_PAD_": "268435456",
    }

    def start(self) -> None:
        if self.device != "cpu":
            raise Unavailable("is about the CPU's memory only")
        super().start()


class Jax(Library):
    """JAX has no events: its times are the host's, until the result is there."""

    package = "jax"
    environment: ClassVar = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # others need memory of the same GPU

    def start(self) -> None:
        if self.device != "cpu":
            self.module.config.update("jax_default_matmul_precision", "highest")
        self.module.config.update("jax_platforms", self.device)
        try:
            self.chosen = self.module.devices(self.device)[0]
        except RuntimeError as error:
            raise Unavailable(f"JAX finds no such device: {str(error).splitlines()[0]}") from None

    def device_name(self) -> str:
        return self.chosen.device_kind if self.device != "cpu" else ""

    def place(self, array: np.ndarray) -> Any:
        return self.module.device_put(array.copy(), self.chosen)

    def wait(self, result: Any) -> None:
        self.module.block_until_ready(result)

    def numpy(self, value: Any) -> np.ndarray:
        array = np.asarray(value)
        return array.astype(np.float32) if array.dtype.itemsize == 2 else array


class Autograd(Library):
    package = "autograd"

    def version(self) -> str:
        return importlib.import_module("importlib.metadata").version("autograd")


class Mygrad(Library):
    package = "mygrad"


LIBRARIES: dict[str, type[Library]] = {
    "tinygrad_lite": TinygradLite,
    "numpy": Library,
    "torch": Torch,
    "torch_tuned": TunedTorch,
    "jax": Jax,
    "autograd": Autograd,
    "mygrad": Mygrad,
}
"""By the names of columns and of workloads' methods; the first is ours, the second the floor, the rest are peers."""


def open_library(name: str, device: str, threads: int) -> Library:
    """Import the library and make it ready on the device. Raises Unavailable with the reason if that cannot be."""
    try:
        return LIBRARIES[name](device, threads)
    except ImportError as error:
        raise Unavailable(f"cannot be imported: {error}") from None
