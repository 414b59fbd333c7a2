"""NumPy ufuncs that run machine code: NumPy checks the arrays, takes them apart, and lets other threads run meanwhile.

Their loop is a function `void loop(char **args, intp const *dimensions, intp const *strides, void *data)`, see NumPy's
reference, "UFunc API". They are made by functions of NumPy's C API, whose table has fixed places
(`numpy/__ufunc_api.h`, a part of NumPy's binary interface).
"""

from __future__ import annotations

import ctypes
import functools
import logging
import mmap
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy

__all__ = ["available", "executable", "machine_ufunc", "where_possible"]

LOG = logging.getLogger(__name__)

SYSTEMS = ("linux", "darwin", "freebsd")
"""Those whose functions take arguments in the registers that `loops.py` reads: System V's convention."""

_PLAIN, _GENERALIZED = 1, 31
"""Places of `PyUFunc_FromFuncAndData` and `PyUFunc_FromFuncAndDataAndSignature` in the table."""


class _Head(ctypes.Structure):
    """How a `PyUFuncObject` begins (`numpy/ufuncobject.h`); it lets go of `obj` when it ends."""

    _fields_ = [
        ("object", ctypes.c_byte * object.__basicsize__),
        *[(name, ctypes.c_int) for name in ("nin", "nout", "nargs", "identity")],
        *[(name, ctypes.c_void_p) for name in ("functions", "data")],
        *[(name, ctypes.c_int) for name in ("ntypes", "reserved1")],
        *[(name, ctypes.c_void_p) for name in ("name", "types", "doc", "ptr", "obj")],
    ]


def executable(code: bytes) -> tuple[mmap.mmap, int]:
    """Memory with the code, which is there as long as the object, and its address. OSError where that is refused."""
    pages = mmap.mmap(-1, len(code), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), ctypes.c_size_t(len(code)), 1 | 4):  # read, execute
        raise OSError("memory cannot be made executable")
    return pages, address


def machine_ufunc(
    name: str, code: bytes, types: Sequence[numpy.dtype], inputs: int, signature: str | None = None
) -> Any:
    """A ufunc whose loop is given as code.

    name : as it stands in NumPy's warnings. types : dtypes of the inputs, then of the results. inputs : their number.
    signature : of a generalized ufunc, such as `"(n)->(n)"`.

    OSError where memory cannot be made executable.
    """
    pages, address = executable(code)
    loops, data, text = (ctypes.c_void_p * 1)(address), (ctypes.c_void_p * 1)(), name.encode()
    kinds = bytes(numpy.dtype(kind).num for kind in types)
    given = (loops, data, kinds, 1, inputs, len(types) - inputs, -1, text, text, 0)
    if signature is None:
        ufunc = _api(_PLAIN, len(given))(*given)
    else:
        ufunc = _api(_GENERALIZED, len(given) + 1)(*given, signature.encode())
    head, kept = _Head.from_address(id(ufunc)), (pages, given)
    if (head.nin, head.nargs, head.obj) != (inputs, len(types), None):
        raise OSError("NumPy's ufuncs are not laid out as in its header")
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
    head.obj = id(kept)  # the code lives as long as the ufunc
    return ufunc


@functools.cache
def _api(place: int, arguments: int) -> Any:
    """The function at a place of NumPy's table."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(pointer(numpy._core.umath._UFUNC_API, None), ctypes.POINTER(ctypes.c_void_p))
    p, s, i = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    return ctypes.PYFUNCTYPE(ctypes.py_object, *(p, p, s, i, i, i, i, s, s, i, s)[:arguments])(table[place])


def where_possible(make: Callable[..., Any]) -> Callable[..., Any]:
    """A function that gives what `make` does, or None on a computer without machine code, or without more of it: a
    system allows so many pieces of memory of a process's own."""

    @functools.wraps(make)
    def made(*args: Any, **kwargs: Any) -> Any:
        if available():
            with suppress(OSError):
                return make(*args, **kwargs)
        return None

    return made


@functools.cache
def available() -> bool:
    """Whether this computer runs such code: a 64-bit x86 processor with AVX2 and FMA, a system of the Unix kind that
    lets memory be executed, and CPython. If not, a line of the log says why."""
    missing = _missing()
    if missing:
        LOG.debug("no machine code: %s", missing)
    return not missing


def _missing() -> str:
    """What is wanting on this computer, or nothing."""
    if sys.implementation.name != "cpython":
        return f"Python is {sys.implementation.name}"
    if not sys.platform.startswith(SYSTEMS):
        return f"the system is {sys.platform}"
    if platform.machine() not in ("x86_64", "amd64") or ctypes.sizeof(ctypes.c_void_p) != 8:
        return f"the processor is {platform.machine()}, addresses have {ctypes.sizeof(ctypes.c_void_p)} bytes"
    simd = numpy.show_config(mode="dicts").get("SIMD Extensions", {})
    known = {*simd.get("baseline", ()), *simd.get("found", ())}
    if not ({"X86_V3"} <= known or {"AVX2", "FMA3"} <= known):
        return "the processor is without AVX2 or FMA"
    try:
        machine_ufunc("probe", b"\xc3", [numpy.dtype("f4")] * 2, 1)
    except (OSError, AttributeError, ValueError) as error:
        return str(error)
    return ""
