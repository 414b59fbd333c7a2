"""A strict stand-in for CuPy, so that the CuPy code path runs on machines without a GPU.

It computes with NumPy, and has only the names and parameters of CuPy 14's main namespace (`cupy_names.txt`). Its arrays
are no NumPy arrays: they refuse, as CuPy's do, to meet NumPy arrays and to become one implicitly. It is stricter than
CuPy in one respect: `float(x)`, `int(x)` and `bool(x)` are refused, each of which makes CuPy wait for the device.
Explicit copies to the host are counted in `state.host_copies`. New memory holds NaN. There are two devices.

Kernels in CUDA C++ run too, on the processor: `emulator.py`. So do matrix products by cuBLASLt: `cublaslt.py`. Programs
of expressions, of which there would be one for every operation and every combination of dtypes, and which take g++ half
a second each, run only where they are asked for. There is no cuDNN but where a test installs that of `cudnn.py`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_lite import backends
from tinygrad_lite.batching.backend import batched_class
from tinygrad_lite.core import backend as core
from tinygrad_lite.core.errors import BackendError
from tinygrad_lite.cuda import cublaslt as binding
from tinygrad_lite.cuda import cudnn as graphs
from tinygrad_lite.fusion.makers import PROGRAMS

from .arrays import ndarray
from .cublaslt import FakeCublasLt
from .functions import CUPYX, build, cupyx
from .memory import get_allocator, set_allocator
from .runtime import HostCopyError, state

__all__ = ["BLAS", "HostCopyError", "cupy", "installed", "ndarray", "state"]

_BACKEND_MODULE = "tinygrad_lite.backends.cupy"

cupy: Any = build()

BLAS = FakeCublasLt()
"""The cuBLASLt of the stand-in."""


@contextmanager
def installed(module: Any = cupy, *, programs: bool = False) -> Iterator[Any]:
    """Within the block, `import cupy` gives `module` (fails if None), and the package has not loaded CuPy yet.

    programs : whether expressions are compiled; if not, definitions run as they are written.
    """
    own = [name for name in sys.modules if name.startswith(_BACKEND_MODULE)]
    before = {name: sys.modules.get(name) for name in ("cupy", *CUPYX, _BACKEND_MODULE, *own)}
    allocator = get_allocator()
    batched_class(core.BACKENDS["numpy"])  # known before, so that it is not forgotten afterwards
    importlib.import_module("tinygrad_lite.autodiff.recorded")  # which has such classes too
    open_library, open_cudnn = binding.open_library, graphs.open_library
    kept = (core.BACKENDS, core._BY_TYPE, core._ON_DEMAND, PROGRAMS)
    registries = [(registry, registry.copy()) for registry in kept]
    try:
        sys.modules["cupy"] = module
        sys.modules.update(cupyx() if module is not None else dict.fromkeys(CUPYX))
        for name in own:
            del sys.modules[name]
        set_allocator()
        vars(backends).pop("cupy", None)
        core.BACKENDS.pop("cupy", None)
        core.load_on_demand("cupy", "cuda", backends._load_cupy)
        binding.open_library = lambda major: binding.Library(BLAS)
        graphs.open_library = _no_cudnn
        if not programs:
            PROGRAMS.pop("cupy", None)
        yield module
    finally:
        set_allocator(allocator)
        binding.open_library, graphs.open_library = open_library, open_cudnn
        for registry, contents in registries:
            registry.clear()
            registry.update(contents)
        vars(backends).pop("cupy", None)
        for name in [name for name in sys.modules if name.startswith(_BACKEND_MODULE)]:
            del sys.modules[name]
        for name, loaded in before.items():
            sys.modules.pop(name, None)
            if loaded is not None:
                sys.modules[name] = loaded


def _no_cudnn() -> Any:
    raise BackendError("cuDNN: the stand-in has none.")
