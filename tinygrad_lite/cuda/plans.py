"""Matrix products through cuBLASLt: what was found out about a product is kept as a plan and used again.

A plan has the descriptors of a product and the algorithm that the library's heuristic chose for it. To multiply is then
one lookup and one call on the current stream: nothing waits for the device, and beside the result nothing is allocated,
so that it may be captured in a CUDA graph. Sums of 16-bit factors are kept in float32 throughout.
"""

from __future__ import annotations

import logging
import threading
import weakref
from ctypes import byref, c_double, c_float
from functools import cache
from typing import Any, NamedTuple

from ..core import precision
from ..core.backend import device_backend
from ..core.caches import on_empty
from ..core.errors import BackendError
from . import cublaslt
from .cublaslt import COMPUTE, DATA_TYPES, Description, Epilogue, Layout, Library, Preference, Reduction
from .graphs import streams_of_graphs
from .layouts import Copies, Operand, ProductLayout, product_layout
from .module import cupy

__all__ = ["Products", "are_factors", "auxiliary", "multipliable", "multiply", "products"]

LOG = logging.getLogger(__name__)

LARGEST_CACHE = 4096
"""Plans that are kept; each takes some kilobytes of main memory."""


def are_factors(x: Any, y: Any) -> bool:
    """Whether both are arrays that cuBLASLt could multiply."""
    return (
        getattr(x, "dtype", None) == getattr(y, "dtype", 0)
        and x.dtype.name in DATA_TYPES
        and x.ndim > 0
        and y.ndim > 0
        and x.size > 0
        and y.size > 0
    )


def multipliable(x: Any, y: Any) -> bool:
    """Whether `multiply` may be asked for x @ y."""
    return are_factors(x, y) and x.shape[-1] == y.shape[max(y.ndim - 2, 0)]


def multiply(x: Any, y: Any, epilogue: Epilogue = Epilogue.DEFAULT, bias: Any = None, aux: Any = None) -> Any:
    """`x @ y`, followed by `epilogue`, or None if cuBLASLt cannot compute it here.

    x, y : arrays of one dtype, of those in DATA_TYPES, with at least one axis and no axis of length 0.
    bias : contiguous, of the same dtype: read or, for the epilogues with BGRAD, written.
    aux : what `auxiliary` made, written by a forward epilogue and read by that of its gradient.
    """
    return products(cupy()).multiply(x, y, epilogue, bias, aux)


def auxiliary(epilogue: Epilogue, rows: int, columns: int, dtype: Any) -> Any:
    """Memory for what an epilogue keeps of a result (rows, columns) for the gradient.

    ReLU keeps a bit for each element, in rows of a multiple of 128; GELU an element, in rows of a multiple of 8.
    """
    if "RELU" in epilogue.name:
        return cupy().empty((rows, -(-columns // 128) * 16), dtype="uint8")
    return cupy().empty((rows, -(-columns // 8) * 8), dtype=dtype)


@cache
def products(cupy: Any) -> Products:
    """The plans of this process for the arrays of the module `cupy`."""
    made = Products(cupy)
    _all.add(made)
    return made


_all: weakref.WeakSet[Products] = weakref.WeakSet()


@on_empty
def _release_workspaces() -> None:
    for made in list(_all):
        made.release()


class Key(NamedTuple):
    """What a plan is for. alignment : bytes, a power of two, that divides the addresses of x and y; at most 256."""

    x_shape: tuple[int, ...]
    x_strides: tuple[int, ...]
    y_shape: tuple[int, ...]
    y_strides: tuple[int, ...]
    dtype: Any
    epilogue: Epilogue
    tf32: bool
    device: int
    alignment: int
    bias_alignment: int


class Products:
    """Plans, libraries and workspaces.

    plans : by what they are for, the oldest first. Where there is none, the shapes to which x and y must be copied for
        there to be one (or None for that which is right as it is); or None if nothing helps.
    """

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self.plans: dict[Any, Plan | Copies | None] = {}
        self._libraries: dict[int, tuple[Library, int] | None] = {}
        self._workspaces: dict[tuple[int, int, int], Any] = {}
        self._lock = threading.Lock()

    def multiply(self, x: Any, y: Any, epilogue: Epilogue, bias: Any, aux: Any) -> Any:
        """See the function of that name."""
        cupy, memory_x, memory_y = self.cupy, x.data, y.data
        device = memory_x.device_id
        if memory_y.device_id != device or cupy.cuda.runtime.getDevice() != device:
            return None
        pointer_x, pointer_y = memory_x.ptr, memory_y.ptr
        low = pointer_x | pointer_y | 256
        low_bias = 16 if bias is None else bias.data.ptr | 16
        # A plain tuple is equal to a Key, and made in a fifth of the time.
        key = (
            x.shape, x.strides, y.shape, y.strides, x.dtype, epilogue, precision.get_matmul_precision() == "high",
            device, low & -low, low_bias & -low_bias,
        )  # fmt: skip
        try:
            plan = self.plans[key]
        except KeyError:
            plan = self._prepare(Key(*key), bias, aux)
        if isinstance(plan, tuple):
            x, y = (self._copy(array, shape) for array, shape in zip((x, y), plan, strict=True))
            return self.multiply(x, y, epilogue, bias, aux)
        return None if plan is None else plan.run(self, pointer_x, pointer_y, bias, aux)

    def _copy(self, array: Any, shape: tuple[int, ...] | None) -> Any:
        return array if shape is None else self.cupy.ascontiguousarray(self.cupy.broadcast_to(array, shape))

    def _prepare(self, key: Key, bias: Any, aux: Any) -> Plan | Copies | None:
        """What `plans` is to hold under this key; the oldest plan goes if there are too many."""
        found = self._library(key.device)
        if found is None:
            return None
        library, handle = found
        made: Plan | Copies | None = None
        size = key.dtype.itemsize
        x_strides, y_strides = (tuple(stride // size for stride in s) for s in (key.x_strides, key.y_strides))
        try:
            if any(stride % size for stride in key.x_strides + key.y_strides):
                raise BackendError("an axis has a stride that is no whole number of elements")
            layout = product_layout(key.x_shape, x_strides, key.y_shape, y_strides)
            planned = isinstance(layout, ProductLayout)
            made = Plan(self, library, handle, layout, key, bias, aux) if planned else layout
        except BackendError as reason:
            LOG.debug(
                "matmul: x is %s and y is %s, %s, %s; it is left to CuPy: %s",
                key.x_shape, key.y_shape, key.dtype.name, key.epilogue.name, reason,
            )  # fmt: skip
        with self._lock:
            while len(self.plans) >= LARGEST_CACHE:
                del self.plans[next(iter(self.plans))]
            self.plans[key] = made
        return made

    def _library(self, device: int) -> tuple[Library, int] | None:
        """The library and its handle, or None if there is none; it is looked for only once."""
        with self._lock:
            if device not in self._libraries:
                try:
                    library = cublaslt.open_library(self.cupy.cuda.runtime.runtimeGetVersion() // 1000)
                    self._libraries[device] = library, library.create("")
                except BackendError as reason:
                    LOG.debug("matmul is left to CuPy: %s", reason)
                    self._libraries[device] = None
            return self._libraries[device]

    def workspace_bytes(self, device: int) -> int:
        """The size of a workspace, as NVIDIA recommends it: 32 MiB since Hopper, 4 MiB before.

        Source: https://docs.nvidia.com/cuda/cublas/#cublassetworkspace.
        """
        return (32 if int(self.cupy.cuda.Device(device).compute_capability) >= 90 else 4) << 20

    def workspace(self, device: int, stream: int, size: int) -> Any:
        """Memory that algorithms may use on this stream; it is to be held until they are launched."""
        key = device, stream, threading.get_ident() if stream == _STREAM_PER_THREAD else 0
        memory = self._workspaces.get(key)
        if memory is None:
            # Not through the allocator in use: that of a captured graph is for the graph alone.
            pool = device_backend("cuda").memory
            assert pool is not None, "GPUs have memory"
            memory = self._workspaces.setdefault(key, pool.allocate(size))
        return memory

    def release(self) -> None:
        """Let go of the workspaces but for those that captured graphs write on. Whoever multiplies makes a new one."""
        graphs = streams_of_graphs()
        for key in [key for key in list(self._workspaces) if key[1] not in graphs]:
            self._workspaces.pop(key, None)


_STREAM_PER_THREAD = 2
"""The number of the stream of which each thread has its own, `cudaStreamPerThread`."""


class Plan:
    """A product of fixed shapes and layouts, dtype and epilogue, on one device.

    Raises CublasLtError if the library has no algorithm for it.
    """

    def __init__(
        self, owner: Products, library: Library, handle: int, layout: ProductLayout, key: Key, bias: Any, aux: Any
    ) -> None:
        name, self._key = key.dtype.name, key
        self._library, self._handle, self._layout = library, handle, layout
        self._made: list[tuple[str, int]] = []
        number = c_double if name == "float64" else c_float
        self._one, self._zero = number(1.0), number(0.0)
        self._factors = byref(self._one), byref(self._zero)
        self._bias, self._aux = key.epilogue.has_bias, key.epilogue.has_aux
        self._lock = threading.Lock()
        self._description = self._describe(name, bias, aux)
        result = Operand(False, layout.rows, layout.columns, layout.rows, layout.rows * layout.columns)
        a, b, d = (self._matrix(operand, name) for operand in (layout.a, layout.b, result))
        self._layouts = a, b, d
        self._workspace_bytes = owner.workspace_bytes(key.device)
        self._algorithm = self._search(name)
        self._chosen = byref(self._algorithm)

    def _describe(self, dtype: str, bias: Any, aux: Any) -> int:
        key = self._key
        compute = COMPUTE["tf32" if key.tf32 and dtype == "float32" else dtype]
        made = self._create("MatmulDesc", compute, DATA_TYPES["float64" if dtype == "float64" else "float32"])
        values: dict[Description, int] = {
            Description.TRANSA: int(self._layout.a.transposed),
            Description.TRANSB: int(self._layout.b.transposed),
            Description.EPILOGUE: key.epilogue,
        }
        if self._bias:
            values[Description.BIAS_POINTER] = bias.data.ptr
        if self._aux:
            values[Description.EPILOGUE_AUX_POINTER] = aux.data.ptr
            values[Description.EPILOGUE_AUX_LD] = aux.shape[1] * (8 if aux.dtype == "uint8" else 1)
        for attribute, value in values.items():
            self._library.describe(made, attribute, value)
        return made

    def _matrix(self, operand: Operand, dtype: str) -> int:
        made = self._create("MatrixLayout", DATA_TYPES[dtype], operand.rows, operand.columns, operand.leading)
        if self._layout.batch > 1:
            self._library.describe(made, Layout.BATCH_COUNT, self._layout.batch)
            self._library.describe(made, Layout.STRIDED_BATCH_OFFSET, operand.stride)
        return made

    def _search(self, dtype: str) -> Any:
        """The algorithm. The result comes from CuPy's pool, which aligns to 512 bytes."""
        preference = self._create("MatmulPreference")
        values = {
            Preference.MAX_WORKSPACE_BYTES: self._workspace_bytes,
            Preference.MIN_ALIGNMENT_A_BYTES: self._key.alignment,
            Preference.MIN_ALIGNMENT_B_BYTES: self._key.alignment,
            Preference.MIN_ALIGNMENT_C_BYTES: 256,
            Preference.MIN_ALIGNMENT_D_BYTES: 256,
        }
        if dtype in ("float16", "bfloat16"):
            values[Preference.REDUCTION_SCHEME_MASK] = Reduction.COMPUTE_TYPE
        for attribute, value in values.items():
            self._library.describe(preference, attribute, value)
        return self._library.algorithm(self._handle, self._description, self._layouts, preference).algorithm

    def _create(self, kind: str, *args: int) -> int:
        made = self._library.create(kind, *args)
        self._made.append((kind, made))
        return made

    def run(self, owner: Products, x: int, y: int, bias: Any, aux: Any) -> Any:
        """Multiply what is at the addresses x and y, on the current stream."""
        key, cupy = self._key, owner.cupy
        out = cupy.empty(self._layout.shape, key.dtype)
        stream, pointer = cupy.cuda.get_current_stream().ptr, out.data.ptr
        workspace = owner.workspace(key.device, stream, self._workspace_bytes)
        (one, zero), (a, b, d) = self._factors, self._layouts
        arguments = (
            self._handle, self._description, one, y, a, x, b, zero, pointer, d, pointer, d, self._chosen,
            workspace.ptr, self._workspace_bytes, stream,
        )  # fmt: skip
        if self._bias or self._aux:
            with self._lock:  # the addresses are in the descriptor, which another thread may be about to use
                if self._bias:
                    self._library.describe(self._description, Description.BIAS_POINTER, bias.data.ptr)
                if self._aux:
                    self._library.describe(self._description, Description.EPILOGUE_AUX_POINTER, aux.data.ptr)
                status = self._library.multiply(*arguments)
        else:
            status = self._library.multiply(*arguments)
        if status:
            raise cublaslt.CublasLtError("cublasLtMatmul", status)
        return out

    def __del__(self) -> None:
        for kind, made in self._made:
            self._library.destroy(kind, made)
