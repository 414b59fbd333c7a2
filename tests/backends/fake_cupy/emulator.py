"""Modules of CUDA C++ on a processor: the stand-in for `cupy.RawModule`.

A source is compiled with g++ behind `emulator.h` and kept in the temporary folder. A launch copies every array into
memory with guard bytes around it, runs all blocks, looks at the guards, and copies back.
"""

from __future__ import annotations

import ctypes
import getpass
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

from .arrays import written
from .capture import capturable
from .runtime import CUDARuntimeError, Device

__all__ = ["EmulationError", "RawModule", "compiler"]

_ONE_LAUNCH = threading.Lock()
"""Threads launch one after another, from the copies of their arrays on: a kernel sees what the one before it wrote, and
the emulator's threads are known to all of a module."""

HEADER = Path(__file__).with_name("emulator.h")
GUARD = 256
"""Bytes before and after an array, all of them `PATTERN`; NaN as floats."""
PATTERN = 0xFF
FLAGS = (
    "-std=c++17",
    "-O1",
    "-fPIC",
    "-shared",
    "-w",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-U_FORTIFY_SOURCE",
)

ENTRY = """
extern "C" const char* run_NAME(const unsigned* g, const unsigned* b, size_t shared, void** args, const char* kinds,
                                const size_t* sizes, size_t given) {
    return emulated::launch(NAME, g, b, shared, args, kinds, sizes, given);
}
"""

SHARED = ((120, 99), (90, 227), (86, 99), (80, 163), (0, 64))
"""KiB of shared memory that a block may have, since which compute capability; CUDA C++ Programming Guide, table of
technical specifications."""

_KERNEL = re.compile(r"\bextern\s+\"C\"\s+void\s+(\w+)\s*\(")
"""A kernel, behind the preprocessor."""


class EmulationError(RuntimeError):
    """A kernel does not compile, was given wrong arguments, or did something that a GPU would not survive."""


def compiler() -> str | None:
    """The path of g++, if there is one."""
    return shutil.which("g++")


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"tinygrad_lite_emulated_{getpass.getuser()}"
    folder.mkdir(exist_ok=True)
    return folder


def _run(text: str, *arguments: str) -> str:
    """What g++ says to a source."""
    command = [compiler() or "g++", *FLAGS, "-x", "c++", "-", *arguments]
    ran = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise EmulationError(f"a kernel does not compile:\n{ran.stderr[:4000]}")
    return ran.stdout


def _compiled(code: str) -> Any:
    """The library of a source, with a function `run_<name>` for each of its kernels."""
    text = f'{HEADER.read_text()}\n#line 1 "kernel"\n{code}\n'
    place = _folder() / hashlib.sha256((ENTRY + text).encode()).hexdigest()
    library = place.with_suffix(".so")
    if not library.exists():
        made = place.with_suffix(f".{os.getpid()}.so")  # renamed when whole: several processes may compile the same
        entries = [ENTRY.replace("NAME", name) for name in _KERNEL.findall(_run(text, "-E", "-P"))]
        _run(text + "".join(entries), "-o", str(made), "-lm")
        made.rename(library)
    return ctypes.CDLL(str(library))


class RawModule:
    """A source whose kernels run on the processor."""

    def __init__(self, *, code: str, options: Sequence[str] = (), backend: str = "nvrtc") -> None:
        if type(options) is not tuple:
            raise TypeError(f"Argument 'options' has incorrect type (expected tuple, got {type(options).__name__})")
        self.code, self.options = code, options
        self._library: Any = None

    def get_function(self, name: str) -> RawKernel:
        if self._library is None:
            self._library = _compiled(self.code)
        if not hasattr(self._library, f"run_{name}"):
            raise EmulationError(f"there is no kernel {name}")
        return RawKernel(self._library, name)


class RawKernel:
    """One kernel of a module."""

    def __init__(self, library: Any, name: str) -> None:
        self.name = name
        self._shared = 48 << 10
        self._run = getattr(library, f"run_{name}")
        self._run.restype = ctypes.c_char_p

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        return self._shared

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        most = next(kib for since, kib in SHARED if int(Device().compute_capability) >= since)
        if size > most << 10:
            raise CUDARuntimeError(f"CUDA_ERROR_INVALID_VALUE: {self.name}: {size} bytes of shared memory")
        self._shared = size

    @capturable("kernel", writes=(3,))
    def __call__(self, grid: tuple, block: tuple, args: tuple, *, shared_mem: int = 0) -> None:
        if not all(type(given) is tuple for given in (grid, block, args)):
            raise TypeError(f"{self.name}: grid, block and arguments must be tuples")
        grid, block = ((*map(int, axes), 1, 1)[:3] for axes in (grid, block))
        if min(grid) < 1 or max(grid[1:]) > 65535 or grid[0] > 2**31 - 1:
            raise EmulationError(f"{self.name}: a grid of {grid} blocks is not possible")
        if shared_mem > self.max_dynamic_shared_size_bytes:
            raise EmulationError(f"{self.name}: {shared_mem} bytes of shared memory were not asked for")
        with _ONE_LAUNCH:
            self._launch(grid, block, args, shared_mem)

    def _launch(self, grid: tuple, block: tuple, args: tuple, shared_mem: int) -> None:
        arrays = [arg for arg in args if hasattr(arg, "_host")]
        for array in arrays:  # which of them it writes on, nobody says
            written(array)
        memory = _Guarded(arrays)
        values = [_value(arg, memory) for arg in args]
        kinds = "".join(kind for kind, _ in values).encode()
        sizes = (ctypes.c_size_t * len(values))(*[len(data) for _, data in values])
        buffers = [ctypes.create_string_buffer(data, len(data)) for _, data in values]
        pointers = (ctypes.c_void_p * len(values))(*[ctypes.addressof(buffer) for buffer in buffers])
        shape = [(ctypes.c_uint * 3)(*axes) for axes in (grid, block)]
        failed = self._run(*shape, ctypes.c_size_t(shared_mem), pointers, kinds, sizes, ctypes.c_size_t(len(values)))
        if failed is not None:
            raise EmulationError(f"{self.name}: {failed.decode()}")
        memory.give_back(self.name)


def _value(arg: Any, memory: _Guarded) -> tuple[str, bytes]:
    """The kind of an argument as the emulator names it, and its bytes.

    CuPy 13 makes another pointer of None, and refuses structures; NumPy's arrays of one element are passed by value.
    """
    if hasattr(arg, "_host"):
        return "p", memory.address(arg).to_bytes(8, "little")
    if isinstance(arg, numpy.ndarray) and arg.size == 1:
        return {"V": "s", "u": "p"}.get(arg.dtype.kind, arg.dtype.kind), arg.tobytes()
    if isinstance(arg, bool):
        return "b", numpy.bool_(arg).tobytes()
    if isinstance(arg, int):
        arg = numpy.int64(arg)
    if not isinstance(arg, numpy.generic) or isinstance(arg, numpy.void):
        raise EmulationError(f"a {type(arg).__name__} is no argument of a kernel")
    return arg.dtype.kind, arg.tobytes()


class _Guarded:
    """Copies of arrays, with guard bytes around each stretch of memory that one or several of them cover."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        spans = sorted(numpy.lib.array_utils.byte_bounds(array._host) for array in arrays if array.size)
        self.stretches: list[tuple[int, int, numpy.ndarray]] = []
        for start, end in _merged(spans):
            offset = GUARD + start % 16  # as aligned as it was
            raw = numpy.full(end - start + 2 * GUARD + 32, PATTERN, numpy.uint8)
            offset += -raw.ctypes.data % 16
            raw[offset : offset + end - start] = _memory(start, end)
            self.stretches.append((start, offset, raw))
        self.ends = {start: end for start, end in _merged(spans)}

    def address(self, array: Any) -> int:
        """Where the array is now."""
        where = array._host.ctypes.data
        for start, offset, raw in self.stretches:
            if start <= where < self.ends[start]:
                return raw.ctypes.data + offset + where - start
        return where  # an empty array

    def give_back(self, name: str) -> None:
        """Copy the arrays back; EmulationError if a guard was written over."""
        for start, offset, raw in self.stretches:
            size = self.ends[start] - start
            before, after = raw[:offset], raw[offset + size :]
            for guard, where in ((before, "before"), (after, "after")):
                wrong = numpy.flatnonzero(guard != PATTERN)
                if wrong.size:
                    distance = offset - wrong[-1] if where == "before" else wrong[0] + 1
                    raise EmulationError(f"{name}: wrote {distance} bytes {where} an array of {size} bytes")
            _memory(start, start + size)[:] = raw[offset : offset + size]


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in itertools.chain(spans):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _memory(start: int, end: int) -> numpy.ndarray:
    """The bytes of memory between two addresses."""
    return numpy.ctypeslib.as_array((ctypes.c_uint8 * (end - start)).from_address(start))
