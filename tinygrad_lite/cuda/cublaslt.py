"""cuBLASLt, NVIDIA's library of matrix products, through ctypes: its functions, constants and errors.

Only what `plans.py` uses is here. Names and values are those of NVIDIA's header cublasLt.h, see
https://docs.nvidia.com/cuda/cublas/#using-the-cublaslt-api. Nothing here needs CuPy or a GPU.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from ctypes import POINTER, Structure, byref, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from enum import IntEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..core.errors import BackendError

__all__ = [
    "COMPUTE", "DATA_TYPES", "SIGNATURES", "Algorithm", "CublasLtError", "Description", "Epilogue", "Heuristic",
    "Layout", "Library", "Preference", "Reduction", "Status", "open_library",
]  # fmt: skip


class Status(IntEnum):
    """What every function returns, `cublasStatus_t`."""

    SUCCESS = 0
    NOT_INITIALIZED = 1
    ALLOC_FAILED = 3
    INVALID_VALUE = 7
    ARCH_MISMATCH = 8
    MAPPING_ERROR = 11
    EXECUTION_FAILED = 13
    INTERNAL_ERROR = 14
    NOT_SUPPORTED = 15
    LICENSE_ERROR = 16


class Description(IntEnum):
    """Attributes of a product, `cublasLtMatmulDescAttributes_t`."""

    TRANSA = 3
    TRANSB = 4
    EPILOGUE = 7
    BIAS_POINTER = 8
    EPILOGUE_AUX_POINTER = 11
    EPILOGUE_AUX_LD = 12


class Layout(IntEnum):
    """Attributes of a matrix, `cublasLtMatrixLayoutAttribute_t`; its creation takes type, rows, columns and `ld`."""

    BATCH_COUNT = 5
    STRIDED_BATCH_OFFSET = 6


class Preference(IntEnum):
    """Attributes of a search for an algorithm, `cublasLtMatmulPreferenceAttributes_t`."""

    MAX_WORKSPACE_BYTES = 1
    REDUCTION_SCHEME_MASK = 3
    MIN_ALIGNMENT_A_BYTES = 5
    MIN_ALIGNMENT_B_BYTES = 6
    MIN_ALIGNMENT_C_BYTES = 7
    MIN_ALIGNMENT_D_BYTES = 8


class Epilogue(IntEnum):
    """What is done to a product before it is stored, `cublasLtEpilogue_t`; GELU is the one with tanh.

    `*_AUX` stores what the gradient `D*` will need: RELU a bit for each element, GELU its argument. `*_BGRAD` is the
    sum of the result over its columns, `BGRADB` that of matrix B over the summed index.
    """

    DEFAULT = 1
    RELU = 2
    BIAS = 4
    RELU_BIAS = 6
    GELU = 32
    GELU_BIAS = 36
    RELU_AUX = 130
    RELU_AUX_BIAS = 134
    DRELU = 136
    DRELU_BGRAD = 152
    GELU_AUX = 160
    GELU_AUX_BIAS = 164
    DGELU = 192
    DGELU_BGRAD = 208
    BGRADB = 512

    @property
    def has_bias(self) -> bool:
        """Whether it reads or writes a vector."""
        return bool(self & (4 | 16 | 512))

    @property
    def has_aux(self) -> bool:
        """Whether it reads or writes what the gradient needs."""
        return bool(self & 128)


class Reduction(IntEnum):
    """How the parts of a sum that was split may be kept, `cublasLtReductionScheme_t`; a mask."""

    INPLACE = 1
    COMPUTE_TYPE = 2
    OUTPUT_TYPE = 4


DATA_TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
"""The number of a dtype, `cudaDataType_t`."""

COMPUTE = {"float32": 68, "float64": 70, "float16": 68, "bfloat16": 68, "tf32": 77}
"""What products are computed and summed in, `cublasComputeType_t`: COMPUTE_32F, 64F, and 32F_FAST_TF32."""

_WIDTHS: dict[type, dict[int, Any]] = {
    Description: {
        Description.TRANSA: c_int32,
        Description.TRANSB: c_int32,
        Description.EPILOGUE: c_uint32,
        Description.BIAS_POINTER: c_void_p,
        Description.EPILOGUE_AUX_POINTER: c_void_p,
        Description.EPILOGUE_AUX_LD: c_int64,
    },
    Layout: {
        Layout.BATCH_COUNT: c_int32,
        Layout.STRIDED_BATCH_OFFSET: c_int64,
    },
    Preference: {
        Preference.MAX_WORKSPACE_BYTES: c_uint64,
        Preference.REDUCTION_SCHEME_MASK: c_uint32,
        Preference.MIN_ALIGNMENT_A_BYTES: c_uint32,
        Preference.MIN_ALIGNMENT_B_BYTES: c_uint32,
        Preference.MIN_ALIGNMENT_C_BYTES: c_uint32,
        Preference.MIN_ALIGNMENT_D_BYTES: c_uint32,
    },
}
"""The C type of each attribute."""


class Algorithm(Structure):
    """`cublasLtMatmulAlgo_t`: opaque."""

    _fields_ = [("data", c_uint64 * 8)]


class Heuristic(Structure):
    """`cublasLtMatmulHeuristicResult_t`: an algorithm, and the workspace that it needs, in bytes."""

    _fields_ = [
        ("algorithm", Algorithm),
        ("workspace", c_size_t),
        ("state", c_int),
        ("waves", c_float),
        ("reserved", c_int * 4),
    ]


_OUT, _IN = POINTER(c_void_p), c_void_p
_ATTRIBUTE = (_IN, c_int, c_void_p, c_size_t)

SIGNATURES: dict[str, tuple] = {
    "cublasLtCreate": (_OUT,),
    "cublasLtDestroy": (_IN,),
    "cublasLtMatmulDescCreate": (_OUT, c_int, c_int),
    "cublasLtMatmulDescDestroy": (_IN,),
    "cublasLtMatmulDescSetAttribute": _ATTRIBUTE,
    "cublasLtMatrixLayoutCreate": (_OUT, c_int, c_uint64, c_uint64, c_int64),
    "cublasLtMatrixLayoutDestroy": (_IN,),
    "cublasLtMatrixLayoutSetAttribute": _ATTRIBUTE,
    "cublasLtMatmulPreferenceCreate": (_OUT,),
    "cublasLtMatmulPreferenceDestroy": (_IN,),
    "cublasLtMatmulPreferenceSetAttribute": _ATTRIBUTE,
    "cublasLtMatmulAlgoGetHeuristic": (
        _IN, _IN, _IN, _IN, _IN, _IN, _IN, c_int, POINTER(Heuristic), POINTER(c_int),
    ),
    "cublasLtMatmul": (
        _IN, _IN, c_void_p, c_void_p, _IN, c_void_p, _IN, c_void_p, c_void_p, _IN, c_void_p, _IN,
        POINTER(Algorithm), c_void_p, c_size_t, c_void_p,
    ),
}  # fmt: skip
"""The argument types of the functions in use; each returns a status."""


class CublasLtError(BackendError):
    """A function of cuBLASLt failed. `status` is what it returned."""

    def __init__(self, function: str, status: int) -> None:
        self.status = status
        known = status in Status._value2member_map_
        name = f"CUBLAS_STATUS_{Status(status).name}" if known else f"the unknown status {status}"
        super().__init__(f"{function}: cuBLASLt returned {name}.")


class Library:
    """The functions of a loaded cuBLASLt.

    functions : what has them as attributes, such as a `ctypes.CDLL`.

    Raises BackendError if one is missing.
    """

    def __init__(self, functions: Any) -> None:
        self._functions = {}
        for name, types in SIGNATURES.items():
            function = getattr(functions, name, None)
            if function is None:
                raise BackendError(f"cuBLASLt: {functions} has no function {name}; version 11.4 or later is required.")
            function.argtypes, function.restype = types, c_int
            self._functions[name] = function
        self.multiply = self._functions["cublasLtMatmul"]

    def call(self, name: str, *args: Any) -> None:
        """Call the function of that name. Raises CublasLtError unless it succeeds."""
        status = self._functions[name](*args)
        if status:
            raise CublasLtError(name, status)

    def create(self, kind: str, *args: int) -> int:
        """A new object: `""` is a handle; `"MatmulDesc"`, `"MatrixLayout"` and `"MatmulPreference"` are descriptors."""
        made = c_void_p()
        self.call(f"cublasLt{kind}Create", byref(made), *args)
        assert made.value is not None
        return made.value

    def destroy(self, kind: str, made: int) -> None:
        """Free what `create` made."""
        self.call(f"cublasLt{kind}Destroy", made)

    def describe(self, made: int, attribute: IntEnum, value: int) -> None:
        """Set an attribute of a descriptor."""
        kind = {Description: "MatmulDesc", Layout: "MatrixLayout", Preference: "MatmulPreference"}[type(attribute)]
        boxed = _WIDTHS[type(attribute)][attribute](value)
        self.call(f"cublasLt{kind}SetAttribute", made, int(attribute), byref(boxed), ctypes.sizeof(boxed))

    def algorithm(self, handle: int, description: int, layouts: tuple[int, int, int], preference: int) -> Heuristic:
        """The algorithm that the library expects to be the fastest for D = A B; `layouts` are those of A, B and D.

        Raises CublasLtError if there is none.
        """
        a, b, d = layouts
        found, count = Heuristic(), c_int()
        name = "cublasLtMatmulAlgoGetHeuristic"
        self.call(name, handle, description, a, b, d, d, preference, 1, byref(found), byref(count))
        if not count.value or found.state:
            raise CublasLtError(name, found.state if count.value else Status.NOT_SUPPORTED)
        return found


def open_library(major: int) -> Library:
    """The cuBLASLt of this major version of CUDA: that which CuPy has loaded, or else the first that is found.

    Raises BackendError, which names where it was sought, if there is none.
    """
    sought = []
    for path in _candidates(major):
        sought.append(path)
        try:
            return Library(ctypes.CDLL(path))
        except OSError:
            continue
    raise BackendError(
        f"cuBLASLt: no library of CUDA {major} was found; sought were {', '.join(sought)}. "
        f"pip install 'cupy-cuda{major}x[ctk]' brings it."
    )


def _candidates(major: int) -> Iterator[str]:
    """What may be the path of the library: the loader's own search, NVIDIA's wheels, CUDA's folder."""
    windows = sys.platform == "win32"
    name = f"cublasLt64_{major}.dll" if windows else f"libcublasLt.so.{major}"
    yield name  # found at once if it is in memory, as it is where CuPy has loaded cuBLAS, which needs it
    spec = find_spec("nvidia")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    folder = "bin" if windows else "lib"
    for own in (f"cu{major}", "cublas"):  # since CUDA 13, and before
        yield from (str(Path(root, own, folder, name)) for root in folders)
    for variable in ("CUDA_PATH", "CUDA_HOME"):
        if root := os.environ.get(variable):
            yield str(Path(root, folder if windows else "lib64", name))
