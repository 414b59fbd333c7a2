"""A stand-in for NVIDIA's package `cudnn`: graphs of one operation, which compute with NumPy on host memory.

It has the names and parameters that are used of the package's version 1.32, and no others (`test_cudnn.py` compares
them with the package where it is installed), and insists on the order in which the package must be called. Its engines
have notes, as cuDNN's have: the first ones use TF32, differ from call to call, or are not cuDNN's at all, and a plan is
the first that was not left out. What cuDNN refuses of attention is refused. Each computation is recorded in `calls`.
"""

from __future__ import annotations

import enum
import itertools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .capture import note_pointers
from .cublaslt import memory, tf32
from .cudnn_arithmetic import COMPUTE
from .memory import touch
from .runtime import state
from .streams import get_current_stream

__all__ = ["FakeCudnn"]

Note = enum.Enum(
    "numerical_note",
    "TENSOR_CORE DOWN_CONVERT_INPUTS REDUCED_PRECISION_REDUCTION FFT NONDETERMINISTIC WINOGRAD",
)
DataType = enum.Enum("data_type", "FLOAT HALF BFLOAT16")
HeurMode = enum.Enum("heur_mode", "A FALLBACK")

TYPES = {DataType.FLOAT: np.dtype("float32"), DataType.HALF: np.dtype("float16")}
try:
    import ml_dtypes
except ImportError:  # bfloat16 is of an extra
    pass
else:
    TYPES[DataType.BFLOAT16] = np.dtype(ml_dtypes.bfloat16)


class GraphNotSupportedError(Exception):
    """The package's error for what no engine can compute."""


class Engine(NamedTuple):
    """One that may compute a graph. change : what it does to factors and results that it should not."""

    name: str
    notes: frozenset[Note] = frozenset()
    change: str = ""


FOREIGN = Engine("sdpa_fwd_prefill_sm90", change="foreign")
ENGINES = {
    np.dtype("float32"): (
        Engine("eng1_k2=1", frozenset({Note.TENSOR_CORE, Note.DOWN_CONVERT_INPUTS, Note.NONDETERMINISTIC}), "noise"),
        Engine("eng2_k2=1", frozenset({Note.WINOGRAD}), "noise"),
        Engine("eng3_k2=1", frozenset({Note.FFT}), "noise"),
        Engine("eng4_k2=1", frozenset({Note.TENSOR_CORE, Note.DOWN_CONVERT_INPUTS}), "tf32"),
        Engine("eng5_k2=1"),
    )
}
HALVES = (
    Engine("eng6_k2=1", frozenset({Note.TENSOR_CORE, Note.NONDETERMINISTIC}), "noise"),
    Engine("eng7_k2=1", frozenset({Note.TENSOR_CORE, Note.REDUCED_PRECISION_REDUCTION}), "noise"),
    Engine("eng8_k2=1", frozenset({Note.TENSOR_CORE})),
)


def require(condition: Any, why: str, error: type[Exception] = GraphNotSupportedError) -> None:
    if not condition:
        raise error(why)


class Tensor:
    """An array of a graph. uid : given by the caller."""

    def __init__(self, dim: Any = (), stride: Any = (), data_type: Any = None, uid: int | None = None) -> None:
        self.dim, self.stride, self.data_type, self.uid, self.output = list(dim), list(stride), data_type, uid, False

    def set_output(self, output: bool) -> Tensor:
        self.output = output
        return self

    def set_uid(self, uid: int) -> Tensor:
        self.uid = uid
        return self

    def set_data_type(self, data_type: DataType) -> Tensor:
        self.data_type = data_type
        return self

    def set_dim(self, dim: list[int]) -> Tensor:
        self.dim = dim
        return self

    def set_stride(self, stride: list[int]) -> Tensor:
        self.stride = stride
        return self

    @property
    def bytes(self) -> int:
        """From the first element to the last."""
        last = sum((n - 1) * s for n, s in zip(self.dim, self.stride, strict=True))
        return (last + 1) * TYPES[self.data_type].itemsize

    def at(self, pointer: int) -> np.ndarray:
        """The array at an address."""
        dtype = TYPES[self.data_type]
        flat = memory(pointer, self.bytes // dtype.itemsize, dtype)
        return np.lib.stride_tricks.as_strided(flat, self.dim, [s * dtype.itemsize for s in self.stride])


class Handle:
    def __init__(self) -> None:
        self.thread, self.device, self.stream = threading.get_ident(), state.device, 0


class Pygraph:
    """A graph of one operation. `library` is what it belongs to."""

    library: FakeCudnn

    def __init__(self, *, intermediate_data_type: DataType, compute_data_type: DataType, handle: Handle) -> None:
        require((intermediate_data_type, compute_data_type) == (DataType.FLOAT,) * 2, "sums must be in float32")
        require(isinstance(handle, Handle) and handle.device == state.device, "the handle", TypeError)
        self.handle, self.inputs, self.results = handle, {}, []
        self.operation, self.options, self.done = "", {}, 0
        self.engines: list[Engine] = []
        self.engine: Engine | None = None

    def tensor(self, dim: list[int], stride: list[int], data_type: DataType, uid: int) -> Tensor:
        require(isinstance(data_type, DataType) and len(dim) == len(stride), "a tensor", TypeError)
        return Tensor(dim, stride, data_type, uid)

    def _node(self, operation: str, results: int, options: dict[str, Any], **inputs: Tensor) -> list[Tensor]:
        require(not self.operation, "a graph has one operation here", AssertionError)
        self.operation, self.inputs, self.options = operation, inputs, options
        self.results = [Tensor() for _ in range(results)]
        return self.results

    def conv_fprop(self, image: Tensor, weight: Tensor, pre_padding, post_padding, stride, dilation) -> Tensor:
        windows = {"before": pre_padding, "after": post_padding, "stride": stride, "dilation": dilation}
        return self._node("conv_fprop", 1, windows, image=image, weight=weight)[0]

    def conv_dgrad(self, loss: Tensor, filter: Tensor, pre_padding, post_padding, stride, dilation) -> Tensor:
        windows = {"before": pre_padding, "after": post_padding, "stride": stride, "dilation": dilation}
        return self._node("conv_dgrad", 1, windows, loss=loss, filter=filter)[0]

    def conv_wgrad(self, image: Tensor, loss: Tensor, pre_padding, post_padding, stride, dilation) -> Tensor:
        windows = {"before": pre_padding, "after": post_padding, "stride": stride, "dilation": dilation}
        return self._node("conv_wgrad", 1, windows, image=image, loss=loss)[0]

    def sdpa(
        self, q: Tensor, k: Tensor, v: Tensor, attn_scale: float, generate_stats: bool,
        diagonal_band_right_bound: int | None = None,
    ) -> list[Tensor]:  # fmt: skip
        options = {"scale": attn_scale, "right": diagonal_band_right_bound}
        require(generate_stats is True, "statistics", TypeError)
        return self._node("sdpa", 2, options, q=q, k=k, v=v)

    def sdpa_backward(
        self, q: Tensor, k: Tensor, v: Tensor, o: Tensor, dO: Tensor, stats: Tensor, attn_scale: float,
        use_deterministic_algorithm: bool = False, diagonal_band_right_bound: int | None = None,
    ) -> list[Tensor]:  # fmt: skip
        options = {"scale": attn_scale, "right": diagonal_band_right_bound}
        self.deterministic = use_deterministic_algorithm
        return self._node("sdpa_backward", 3, options, q=q, k=k, v=v, o=o, dO=dO, stats=stats)

    # Planning, step by step

    def _step(self, number: int) -> None:
        require(self.done == number - 1, f"step {number} follows step {self.done}", AssertionError)
        self.done = number

    def validate(self) -> None:
        self._step(1)
        tensors = [*self.inputs.values(), *self.results]
        require(all(result.output for result in self.results), "a result that is none", ValueError)
        require({t.uid for t in tensors} == set(range(1, len(tensors) + 1)), "the uids", ValueError)
        if self.operation.startswith("sdpa"):
            self._validate_attention()
        else:
            self._validate_windows()
        if self.library.refuse(self):
            raise GraphNotSupportedError("refused by the test")

    def _validate_windows(self) -> None:
        found, options = [*self.inputs.values(), *self.results], self.options
        order = {"conv_fprop": (0, 1, 2), "conv_dgrad": (2, 1, 0), "conv_wgrad": (0, 2, 1)}[self.operation]
        image, weight, loss = (found[i].dim for i in order)
        require(3 <= len(image) <= 5, "images of one to three axes")
        windows = zip(image[2:], weight[2:], *options.values(), strict=True)
        out = [(n + a + b - (k - 1) * d - 1) // s + 1 for n, k, a, b, s, d in windows]
        require(loss == [image[0], weight[0], *out], f"{loss} is no convolution of {image} and {weight}", ValueError)
        require(image[1] % weight[1] == weight[0] % (image[1] // weight[1]) == 0, "groups", ValueError)
        dense = [tuple(np.argsort(np.negative(t.stride), kind="stable")) for t in found if min(t.dim) > 1]
        require(len(set(dense)) <= 1, "memory orders differ", AssertionError)

    def _validate_attention(self) -> None:
        q, k, v = (self.inputs[name] for name in "qkv")
        for tensor in [*self.inputs.values(), *self.results]:
            size = TYPES[tensor.data_type].itemsize
            require(len(tensor.dim) == 4 and tensor.stride[3] == 1, "rows in one piece")
            require(size == 4 or not any(s * size % 16 for s in tensor.stride[:3]), "strides of 16 bytes")
        require(not (q.dim[3] % 8 or v.dim[3] % 8 or max(q.dim[3], v.dim[3]) > 256), "rows of a multiple of 8")
        require(q.dim[1] % k.dim[1] == 0 and k.dim[:3] == v.dim[:3], "heads")
        require(q.data_type != DataType.FLOAT or self.operation == "sdpa", "float32")
        if self.operation == "sdpa_backward":
            require((q.dim[2], k.dim[2]) != (1, 1), "s_q = s_kv = 1 is not supported.")

    def build_operation_graph(self) -> None:
        self._step(2)

    def create_execution_plans(self, heuristics: list[HeurMode]) -> None:
        require(heuristics == [HeurMode.A, HeurMode.FALLBACK], "the modes", AssertionError)
        self._step(3)
        dtype = TYPES[next(iter(self.inputs.values())).data_type]
        foreign = (FOREIGN,) if self.operation == "sdpa" else ()
        self.engines = [*foreign, *ENGINES.get(dtype, HALVES)]

    def deselect_engines(self, engine_names: list[str]) -> None:
        self._keep(lambda engine: not any(name in engine.name for name in engine_names))

    def deselect_numeric_notes(self, notes: list[Note]) -> None:
        self._keep(lambda engine: not engine.notes & set(notes))

    def deselect_workspace_greater_than(self, workspace_limit: int) -> None:
        self._keep(lambda engine: self.workspace <= workspace_limit)

    def _keep(self, good: Callable[[Engine], bool]) -> None:
        require(self.done == 3, "what is left out before there are plans is forgotten", AssertionError)
        self.engines = [engine for engine in self.engines if good(engine)]

    def check_support(self) -> None:
        self._step(4)
        require(self.engines, "No execution plans support the graph.")

    def build_plans(self) -> None:
        self._step(5)
        self.engine = self.engines[0]
        self.library.built += 1

    @property
    def workspace(self) -> int:
        if self.operation != "sdpa_backward" or not self.deterministic:
            return 64
        (b, h, m, _), n = self.inputs["q"].dim, self.inputs["k"].dim[2]
        return 2 * b * h * -(-m // 64) * 64 * -(-n // 128) * 128

    def get_workspace_size(self) -> int:
        return self.workspace

    def execute(self, tensor_dict: dict[int, int], workspace: int, handle: Handle) -> None:
        require(self.done == 5, "a graph without a plan", AssertionError)
        require(handle.thread == threading.get_ident(), "another thread's handle", AssertionError)
        require(handle.device == state.device and handle.stream == get_current_stream().ptr, "stream", AssertionError)
        tensors = [*self.inputs.values(), *self.results]
        require(set(tensor_dict) == {t.uid for t in tensors}, "a missing address", ValueError)
        require(all(type(p) is int and p % 16 == 0 for p in tensor_dict.values()), "addresses", AssertionError)
        touch(workspace, self.workspace, writes=True)
        pointers = [tensor_dict[t.uid] for t in tensors]
        capture = get_current_stream().capture
        if capture is None:
            self._compute(pointers)
        else:
            note_pointers(capture, self.operation, lambda: self._compute(pointers), (*pointers, workspace))
        self.library.calls.append((self.operation, self))

    def _compute(self, pointers: list[int]) -> None:
        tensors, count = [*self.inputs.values(), *self.results], len(self.inputs)
        for i, (tensor, pointer) in enumerate(zip(tensors, pointers, strict=True)):
            touch(pointer, tensor.bytes, writes=i >= count)
        assert self.engine is not None and self.engine.change != "foreign"
        given = [t.at(p).astype(np.float32) for t, p in zip(tensors[:count], pointers, strict=False)]
        if self.engine.change == "tf32":
            given = [tf32(np.ascontiguousarray(x)) for x in given]
        with np.errstate(all="ignore"):
            found = COMPUTE[self.operation](self, [x.astype(np.float64) for x in given])
        for tensor, pointer, values in zip(tensors[count:], pointers[count:], found, strict=True):
            noise = next(self.library.noise) if self.engine.change == "noise" else 0.0
            tensor.at(pointer)[...] = (values + noise).astype(TYPES[tensor.data_type])


class FakeCudnn:
    """The package.

    calls : the computations, as operations and graphs. built : how many plans. handles : that were made.
    refuse : which graphs no engine can compute.
    """

    __version__ = "1.32.0"
    data_type, heur_mode, numerical_note = DataType, HeurMode, Note
    cudnnGraphNotSupportedError = GraphNotSupportedError

    def __init__(self, refuse: Callable[[Pygraph], bool] = lambda graph: False) -> None:
        self.calls: list[tuple[str, Pygraph]] = []
        self.handles: list[Handle] = []
        self.built, self.refuse = 0, refuse
        self.noise = itertools.count(1)
        self.pygraph = type("pygraph", (Pygraph,), {"library": self})

    def backend_version(self) -> int:
        return 92801

    def backend_version_string(self) -> str:
        return "9.28.1"

    def create_handle(self) -> Handle:
        self.handles.append(Handle())
        return self.handles[-1]

    def set_stream(self, handle: Handle, stream: int) -> None:
        handle.stream = stream
