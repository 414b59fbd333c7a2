"""A stand-in for the library cuBLASLt: C functions of the same names, which compute with NumPy on host memory.

Written from NVIDIA's documentation and header, and not from the package's binding, so that the two check each other.
The functions are called through the C ABI. Descriptors are opaque numbers; attributes are decoded from the bytes that
come, whose number must be that of the header; matrices are read by columns with their leading dimensions and batch
strides. What the documentation forbids gives the status it names. Each product is recorded in `calls`.

The stand-in has no algorithm for float64 with an epilogue, nor for batches with one, nor where `refuse(product)` says
so. An algorithm works only for the product that it was found for, with pointers aligned as was asked for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

import numpy as np

from .capture import note_pointers
from .memory import touch
from .streams import get_current_stream

__all__ = ["FakeCublasLt"]

SUCCESS, INVALID_VALUE, INTERNAL_ERROR, NOT_SUPPORTED = 0, 7, 14, 15
TYPES = {0: np.dtype("float32"), 1: np.dtype("float64"), 2: np.dtype("float16")}
try:
    import ml_dtypes
except ImportError:  # bfloat16 is of an extra
    pass
else:
    TYPES[14] = np.dtype(ml_dtypes.bfloat16)

FLOAT32, FLOAT64, TF32 = 68, 70, 77

PRODUCT = {
    3: ("transa", c_int32), 4: ("transb", c_int32), 7: ("epilogue", c_uint32), 8: ("bias", c_uint64),
    11: ("aux", c_uint64), 12: ("aux_ld", c_int64),
}  # fmt: skip
MATRIX = {5: ("batch", c_int32), 6: ("stride", c_int64)}
PREFERENCE = {
    1: ("workspace", c_uint64), 3: ("reduction", c_uint32), 5: ("align_a", c_uint32), 6: ("align_b", c_uint32),
    7: ("align_c", c_uint32), 8: ("align_d", c_uint32),
}  # fmt: skip

EPILOGUES = {
    1: "", 2: "relu", 4: "bias", 6: "bias relu", 32: "gelu", 36: "bias gelu", 130: "relu aux", 134: "bias relu aux",
    136: "drelu", 152: "drelu bgrad", 160: "gelu aux", 164: "bias gelu aux", 192: "dgelu", 208: "dgelu bgrad",
    512: "bgradb",
}  # fmt: skip

ANY, OUT = c_void_p, POINTER(c_void_p)
PROTOTYPES: dict[str, tuple] = {
    "Create": (OUT,),
    "Destroy": (ANY,),
    "MatmulDescCreate": (OUT, c_int, c_int),
    "MatmulDescDestroy": (ANY,),
    "MatmulDescSetAttribute": (ANY, c_int, ANY, c_size_t),
    "MatrixLayoutCreate": (OUT, c_int, c_uint64, c_uint64, c_int64),
    "MatrixLayoutDestroy": (ANY,),
    "MatrixLayoutSetAttribute": (ANY, c_int, ANY, c_size_t),
    "MatmulPreferenceCreate": (OUT,),
    "MatmulPreferenceDestroy": (ANY,),
    "MatmulPreferenceSetAttribute": (ANY, c_int, ANY, c_size_t),
    "MatmulAlgoGetHeuristic": (ANY, ANY, ANY, ANY, ANY, ANY, ANY, c_int, ANY, POINTER(c_int)),
    "Matmul": (ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, ANY, c_size_t, ANY),
}


class Refused(Exception):
    """A call that the library would refuse with this status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def require(condition: Any, why: str, status: int = INVALID_VALUE) -> None:
    if not condition:
        raise Refused(status, why)


class FakeCublasLt:
    """The library.

    calls : the products, as dicts. failures : why calls were refused. searches : how often for an algorithm.
    live : the objects by number. before : called when a product begins.
    """

    def __init__(self, refuse: Callable[[dict], bool] = lambda product: False) -> None:
        self.calls: list[dict] = []
        self.failures: list[str] = []
        self.searches = 0
        self.live: dict[int, dict] = {}
        self.refuse = refuse
        self.before: Callable[[], None] = lambda: None
        self._next = 0x1000
        self._algorithms: dict[int, tuple] = {}
        for name, types in PROTOTYPES.items():
            setattr(self, f"cublasLt{name}", CFUNCTYPE(c_int, *types)(self._guarded(getattr(self, f"_{name}"))))

    def _guarded(self, function: Callable[..., None]) -> Callable[..., int]:
        def called(*args: Any) -> int:
            try:
                function(*args)
            except Refused as refused:
                self.failures.append(str(refused))
                return refused.status
            except BaseException as error:  # an exception cannot pass through C
                self.failures.append(repr(error))
                return INTERNAL_ERROR
            return SUCCESS

        return called

    def _new(self, where: Any, **state: Any) -> None:
        self._next += 16
        self.live[self._next] = state
        where[0] = self._next

    def _get(self, number: int | None, kind: str) -> dict:
        require(number in self.live and self.live[number]["kind"] == kind, f"{number} is no {kind}")
        return self.live[number]  # type: ignore[index]

    def _set(self, number: int, kind: str, table: dict, attribute: int, address: int, size: int) -> None:
        require(attribute in table, f"attribute {attribute} of {kind}")
        name, width = table[attribute]
        require(address and size == ctypes.sizeof(width), f"{kind}.{name} has {ctypes.sizeof(width)} bytes, not {size}")
        self._get(number, kind)[name] = width.from_address(address).value

    # Objects

    def _Create(self, where: Any) -> None:
        self._new(where, kind="handle")

    def _Destroy(self, number: int) -> None:
        self._get(number, "handle")
        del self.live[number]

    def _MatmulDescCreate(self, where: Any, compute: int, scale: int) -> None:
        require((compute, scale) in ((FLOAT32, 0), (TF32, 0), (FLOAT64, 1)), f"compute {compute}, scale {scale}")
        self._new(where, kind="product", compute=compute, scale=scale, transa=0, transb=0, epilogue=1, bias=0, aux=0,
                  aux_ld=0)  # fmt: skip

    def _MatmulDescDestroy(self, number: int) -> None:
        self._get(number, "product")
        del self.live[number]

    def _MatmulDescSetAttribute(self, number: int, attribute: int, address: int, size: int) -> None:
        self._set(number, "product", PRODUCT, attribute, address, size)

    def _MatrixLayoutCreate(self, where: Any, dtype: int, rows: int, columns: int, leading: int) -> None:
        require(dtype in TYPES, f"data type {dtype}")
        require(rows and columns and leading >= rows, f"{rows} by {columns}, leading dimension {leading}")
        self._new(where, kind="matrix", dtype=TYPES[dtype], rows=rows, columns=columns, leading=leading, batch=1,
                  stride=0)  # fmt: skip

    def _MatrixLayoutDestroy(self, number: int) -> None:
        self._get(number, "matrix")
        del self.live[number]

    def _MatrixLayoutSetAttribute(self, number: int, attribute: int, address: int, size: int) -> None:
        self._set(number, "matrix", MATRIX, attribute, address, size)

    def _MatmulPreferenceCreate(self, where: Any) -> None:
        self._new(
            where, kind="preference", workspace=0, reduction=7, align_a=256, align_b=256, align_c=256, align_d=256
        )

    def _MatmulPreferenceDestroy(self, number: int) -> None:
        self._get(number, "preference")
        del self.live[number]

    def _MatmulPreferenceSetAttribute(self, number: int, attribute: int, address: int, size: int) -> None:
        self._set(number, "preference", PREFERENCE, attribute, address, size)

    # Products

    def _product(self, number: int, matrices: tuple[int, int, int, int]) -> dict:
        """All that describes a product, once it is known to be consistent."""
        what = self._get(number, "product")
        a, b, c, d = (self._get(matrix, "matrix") for matrix in matrices)
        require(what["epilogue"] in EPILOGUES, f"epilogue {what['epilogue']}")
        require(what["transa"] in (0, 1) and what["transb"] in (0, 1), "a transpose that is neither 0 nor 1")
        m, k = (a["columns"], a["rows"]) if what["transa"] else (a["rows"], a["columns"])
        n, inner = (b["rows"], b["columns"]) if what["transb"] else (b["columns"], b["rows"])
        require(inner == k, f"A is {m} by {k} and B is {inner} by {n}")
        require((d["rows"], d["columns"]) == (m, n), f"D is {d['rows']} by {d['columns']}, not {m} by {n}")
        require(c == d, "C is laid out differently from D")
        require(len({x["batch"] for x in (a, b, d)}) == 1, "batches differ")
        require(len({x["dtype"] for x in (a, b, d)}) == 1, "dtypes differ")
        require((d["dtype"] == np.float64) == (what["compute"] == FLOAT64), "compute type and dtype", NOT_SUPPORTED)
        require(what["compute"] != TF32 or d["dtype"] == np.float32, "TF32 is for float32", NOT_SUPPORTED)
        require(d["batch"] == 1 or d["stride"] >= d["leading"] * (n - 1) + m, "the batches of D overlap")
        epilogue = EPILOGUES[what["epilogue"]].split()
        if "bias" in epilogue or "bgrad" in epilogue or "bgradb" in epilogue:
            require(what["bias"], "no pointer to the bias")
        if "aux" in epilogue or "drelu" in epilogue or "dgelu" in epilogue:
            divisor = 128 if "relu" in epilogue or "drelu" in epilogue else 8
            require(what["aux"], "no pointer to aux")
            require(what["aux_ld"] >= m and what["aux_ld"] % divisor == 0, f"leading dimension of aux {what['aux_ld']}")
        return what | {"a": a, "b": b, "d": d, "m": m, "n": n, "k": k, "name": " ".join(epilogue)}

    def _MatmulAlgoGetHeuristic(
        self, handle: int, product: int, a: int, b: int, c: int, d: int, preference: int, asked: int, found: int,
        count: Any,
    ) -> None:  # fmt: skip
        self._get(handle, "handle")
        self.searches += 1
        wanted, limits = self._product(product, (a, b, c, d)), self._get(preference, "preference")
        require(asked > 0, "no algorithm was asked for")
        epilogue = wanted["name"]
        lacking = epilogue and (wanted["d"]["dtype"] == np.float64 or wanted["d"]["batch"] > 1)
        if lacking or self.refuse(wanted):
            count[0] = 0
            raise Refused(NOT_SUPPORTED, f"no algorithm for {epilogue or 'this product'}")
        self._next += 16
        self._algorithms[self._next] = self._signature(wanted), dict(limits)
        (c_uint64 * 8).from_address(found)[0] = self._next
        c_uint64.from_address(found + 64).value = limits["workspace"]
        c_int.from_address(found + 72).value = SUCCESS
        c_float.from_address(found + 76).value = 1.0
        count[0] = 1

    @staticmethod
    def _signature(product: dict) -> tuple:
        matrices = (tuple(sorted((k, str(v)) for k, v in product[name].items())) for name in "abd")
        return (*matrices, *(product[name] for name in ("compute", "transa", "transb", "epilogue", "aux_ld")))

    def _Matmul(
        self, handle: int, product: int, alpha: int, a: int, a_layout: int, b: int, b_layout: int, beta: int, c: int,
        c_layout: int, d: int, d_layout: int, algorithm: int, workspace: int, workspace_bytes: int, stream: int | None,
    ) -> None:  # fmt: skip
        self._get(handle, "handle")
        self.before()
        what = self._product(product, (a_layout, b_layout, c_layout, d_layout))
        number = c_uint64.from_address(algorithm).value
        require(number in self._algorithms, "no algorithm that was found")
        signature, limits = self._algorithms[number]
        require(signature == self._signature(what), "the algorithm is for another product")
        require((stream or 0) == get_current_stream().ptr, f"stream {stream} is not the current one")
        require(a % limits["align_a"] == 0 and b % limits["align_b"] == 0, "A or B is aligned less than was said")
        require(workspace and workspace % 256 == 0 and workspace_bytes >= limits["workspace"], "the workspace")
        scale = ctypes.c_double if what["scale"] == 1 else ctypes.c_float
        factor, kept = scale.from_address(alpha).value, scale.from_address(beta).value
        require(kept == 0 or c, "no C")
        begun = (a, b, c, d, factor, kept)
        capture = get_current_stream().capture
        if capture is None:
            self._compute(what, *begun)
        else:
            pointers = (a, b, d, what["bias"], what["aux"])
            note_pointers(capture, "cublasLtMatmul", lambda: self._compute(what, *begun), pointers)
        self.calls.append(what | {"stream": stream or 0, "limits": limits, "workspace": workspace})

    def _compute(self, what: dict, a: int, b: int, c: int, d: int, factor: float, kept: float) -> None:
        wide = np.dtype("float64") if what["compute"] == FLOAT64 else np.dtype("float32")
        for pointer, name in ((a, "a"), (b, "b")):
            touch(pointer, extent(what[name]), writes=False)
        touch(d, extent(what["d"]), writes=True)
        left, right = (view(pointer, what[name]).astype(wide) for pointer, name in ((a, "a"), (b, "b")))
        if what["compute"] == TF32:
            left, right = tf32(left), tf32(right)
        left = left.swapaxes(1, 2) if what["transa"] else left
        right = right.swapaxes(1, 2) if what["transb"] else right
        with np.errstate(all="ignore"):
            out = wide.type(factor) * (left @ right)
            if kept:
                out += wide.type(kept) * view(c, what["d"]).astype(wide)
            if what["name"]:
                out[0] = self._finish(what, out[0], right[0])
            view(d, what["d"])[...] = out.astype(what["d"]["dtype"])

    def _finish(self, what: dict, out: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The epilogue of one product (m, n)."""
        steps, dtype, (m, n) = what["name"].split(), what["d"]["dtype"], out.shape
        if "bias" in steps:
            out = out + vector(what["bias"], m, dtype, writes=False).astype(out.dtype)[:, None]
        if "relu" in steps:
            if "aux" in steps:
                bits(what, m, n, writes=True)[...] = np.packbits(out > 0, axis=0, bitorder="little")
            out = np.maximum(out, 0)
        if "gelu" in steps:
            if "aux" in steps:
                kept(what, m, n, writes=True)[...] = out.astype(dtype)
            out = gelu(out)
        if "drelu" in steps:
            out = out * np.unpackbits(bits(what, m, n, writes=False), axis=0, count=m, bitorder="little")
        if "dgelu" in steps:
            out = out * gelu_slope(kept(what, m, n, writes=False).astype(out.dtype))
        if "bgrad" in steps:
            vector(what["bias"], m, dtype, writes=True)[...] = out.sum(axis=1).astype(dtype)
        if "bgradb" in steps:
            vector(what["bias"], n, dtype, writes=True)[...] = right.sum(axis=0).astype(dtype)
        return out


def memory(pointer: int, count: int, dtype: np.dtype) -> np.ndarray:
    """`count` elements from an address on, which an array of the device has."""
    return np.frombuffer((ctypes.c_char * (count * dtype.itemsize)).from_address(pointer), dtype, count)


def extent(matrix: dict) -> int:
    """The bytes from the first element of a batch of matrices to the last."""
    last = (matrix["batch"] - 1) * matrix["stride"] + (matrix["columns"] - 1) * matrix["leading"] + matrix["rows"]
    return last * matrix["dtype"].itemsize


def view(pointer: int, matrix: dict) -> np.ndarray:
    """A batch of matrices (batch, rows, columns) stored by columns."""
    count = extent(matrix) // matrix["dtype"].itemsize
    strides = [step * matrix["dtype"].itemsize for step in (matrix["stride"], 1, matrix["leading"])]
    shape = matrix["batch"], matrix["rows"], matrix["columns"]
    return np.lib.stride_tricks.as_strided(memory(pointer, count, matrix["dtype"]), shape, strides)


def vector(pointer: int, count: int, dtype: np.dtype, *, writes: bool) -> np.ndarray:
    touch(pointer, count * dtype.itemsize, writes=writes)
    return memory(pointer, count, dtype)


def bits(what: dict, m: int, n: int, *, writes: bool) -> np.ndarray:
    """The bytes (m / 8, n) of the mask of a ReLU."""
    bytes_per_column = what["aux_ld"] // 8
    touch(what["aux"], bytes_per_column * n, writes=writes)
    whole = memory(what["aux"], bytes_per_column * n, np.dtype("uint8")).reshape(n, bytes_per_column)
    return whole.T[: -(-m // 8)]


def kept(what: dict, m: int, n: int, *, writes: bool) -> np.ndarray:
    """The arguments (m, n) of a GELU."""
    touch(what["aux"], what["aux_ld"] * n * what["d"]["dtype"].itemsize, writes=writes)
    return memory(what["aux"], what["aux_ld"] * n, what["d"]["dtype"]).reshape(n, what["aux_ld"]).T[:m]


def tf32(x: np.ndarray) -> np.ndarray:
    """float32 with 10 bits after the leading one."""
    return ((x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_slope(x: np.ndarray) -> np.ndarray:
    t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x * x)
