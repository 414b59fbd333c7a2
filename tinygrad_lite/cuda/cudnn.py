"""Convolutions and attention through cuDNN's graphs: what was found out about a call is kept as a plan and used again.

cuDNN is called through NVIDIA's package nvidia-cudnn-frontend, which finds the cuDNN of NVIDIA's other packages. A call
is described as a graph of one operation. cuDNN names the engines that can compute it, the one that it expects to be the
fastest first; the first that keeps what this library promises becomes the plan:

- The same bits each time: engines with the note NONDETERMINISTIC are left out, and the gradients of attention ask for
  the deterministic algorithm.
- Sums in float32: none with REDUCED_PRECISION_REDUCTION. Products of float32 are of 24 bits of mantissa, none with
  TENSOR_CORE or DOWN_CONVERT_INPUTS, unless `set_matmul_precision("high")` allows TF32.
- An element that is infinite or no number reaches only the results that it is a factor of: none with FFT or WINOGRAD.

To compute is then one lookup and one call on the current stream. Nothing waits for the device, and beside the results
only the engine's workspace is allocated, as every other array is, so that it may be captured in a CUDA graph. Making a
plan takes milliseconds, and for attention, whose engines are compiled then, about a second.

Sources: the package's own, version 1.32; https://docs.nvidia.com/deeplearning/cudnn/frontend/latest/.
"""

from __future__ import annotations

import logging
import threading
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from ..core.errors import BackendError
from .module import cupy

__all__ = ["ALIGNMENT", "Call", "Plan", "Plans", "Spec", "contiguous", "open_library", "planned", "plans", "version"]

LOG = logging.getLogger(__name__)

OLDEST = (1, 32)
"""The first version of the package that this was written for."""

ALIGNMENT = 16
"""Bytes that divide all addresses, as cuDNN takes for granted."""

LARGEST_WORKSPACE = 256 << 20
"""Bytes that a call may need beside its results. The deterministic gradients of attention need a 16-bit number for each
query and key on GPUs before Blackwell (202 MB for 8 times 12 heads of 1,024 tokens); longer ones are declined."""

LARGEST_CACHE = 4096
"""Plans that are kept."""

OPERATIONS = {
    "conv_fprop": ("image", "weight"),
    "conv_dgrad": ("loss", "filter"),
    "conv_wgrad": ("image", "loss"),
    "sdpa": ("q", "k", "v"),
    "sdpa_backward": ("q", "k", "v", "o", "dO", "stats"),
}
"""The operations in use, with the names of the arrays that they read."""

DATA_TYPES = {"float16": "HALF", "bfloat16": "BFLOAT16", "float32": "FLOAT"}
"""cuDNN's names of dtypes."""

NEVER = ("NONDETERMINISTIC", "REDUCED_PRECISION_REDUCTION", "FFT", "WINOGRAD")
"""Notes of engines that are left out, `cudnnBackendNumericalNote_t`."""
ROUNDED = ("TENSOR_CORE", "DOWN_CONVERT_INPUTS")
"""Notes of engines that round factors of float32 to TF32 or less."""

OTHERS = ("sdpa_", "frost_")
"""What the names of engines begin with that are not cuDNN's but written in Python, and compiled by further packages."""


class Spec(NamedTuple):
    """An array of a graph. strides : in elements."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


class Call(NamedTuple):
    """What a plan is for, apart from the device.

    inputs, outputs : in the order of OPERATIONS, and of what the operation returns.
    options : the operation's other arguments. exact : whether factors of float32 keep all their bits.
    """

    operation: str
    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...]
    options: tuple[tuple[str, Any], ...]
    exact: bool = False


def contiguous(shape: tuple[int, ...], channels_last: bool = False) -> tuple[int, ...]:
    """The strides, in elements, of an array without gaps; with `channels_last`, axis 1 lies innermost.

    >>> contiguous((2, 3, 4, 5)), contiguous((2, 3, 4, 5), channels_last=True)
    ((60, 20, 5, 1), (60, 1, 15, 3))
    """
    order = (0, *range(2, len(shape)), 1) if channels_last else range(len(shape))
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis], step = step, step * shape[axis]
    return tuple(strides)


def open_library() -> Any:
    """The package `cudnn`. Raises BackendError if it, or cuDNN, is missing or too old."""
    try:
        cudnn: Any = import_module("cudnn")
        cudnn.backend_version()  # fails if the package has found no cuDNN
    except (ImportError, OSError, RuntimeError, AssertionError) as error:
        raise BackendError(
            f"cuDNN: {error}; pip install 'tinygrad-lite[cudnn]' nvidia-cudnn-cu13 (or -cu12) brings it."
        ) from error
    if tuple(map(int, cudnn.__version__.split(".")[:2])) < OLDEST:
        least = ".".join(map(str, OLDEST))
        raise BackendError(f"cuDNN: nvidia-cudnn-frontend is {cudnn.__version__}; {least} or later is required.")
    return cudnn


def version() -> str | None:
    """The versions of cuDNN and of its package, for reports; None if it is not used."""
    library = plans(cupy()).library()
    return library and f"{library.backend_version_string()}, frontend {library.__version__}"


def planned(cudnn: Any, call: Call, **where: Any) -> Any:
    """The graph of a call with a plan for it; input and output number i has the uid i + 1.

    where : for which device, as `cudnn.pygraph` takes it: its handle, or its properties.
    Raises cuDNN's errors (`refusals`) if there is no plan that is allowed.
    """
    single = cudnn.data_type.FLOAT
    graph = cudnn.pygraph(intermediate_data_type=single, compute_data_type=single, **where)
    names = OPERATIONS[call.operation]
    arrays = {
        name: graph.tensor(
            dim=list(spec.shape), stride=list(spec.strides), data_type=_data_type(cudnn, spec.dtype), uid=i + 1
        )
        for i, (name, spec) in enumerate(zip(names, call.inputs, strict=True))
    }
    made = getattr(graph, call.operation)(**arrays, **dict(call.options))
    results = made if isinstance(made, (list, tuple)) else [made]
    for i, (result, spec) in enumerate(zip(results, call.outputs, strict=True), len(names)):
        result.set_output(True).set_uid(i + 1).set_data_type(_data_type(cudnn, spec.dtype))
        result.set_dim(list(spec.shape)).set_stride(list(spec.strides))
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
    graph.deselect_engines(list(OTHERS))
    graph.deselect_workspace_greater_than(LARGEST_WORKSPACE)
    graph.deselect_numeric_notes([getattr(cudnn.numerical_note, note) for note in NEVER + ROUNDED * call.exact])
    graph.check_support()
    graph.build_plans()
    return graph


def _data_type(cudnn: Any, dtype: str) -> Any:
    return getattr(cudnn.data_type, DATA_TYPES[dtype])


def refusals(cudnn: Any) -> tuple[type[Exception], ...]:
    """The errors of a graph that cuDNN cannot compute, or cannot compute here."""
    return (cudnn.cudnnGraphNotSupportedError, RuntimeError, ValueError, ImportError)


@cache
def plans(cupy: Any) -> Plans:
    """The plans of this process for the arrays of the module `cupy`."""
    return Plans(cupy)


class Plans:
    """Plans, the library and its handles.

    A thread has a handle on each device, since no two may use one at once. What is captured is captured on a stream of
    its own, so that a handle for each stream would be made during the capture; a handle is told its stream instead.

    plans : by calls and devices, the oldest first; None for what cuDNN refused.
    """

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self.plans: dict[tuple[Call, int], Plan | None] = {}
        self._opened: list[Any] = []
        self._own = threading.local()
        self._lock = threading.RLock()

    def library(self) -> Any:
        """The package `cudnn`, or None if it cannot be used; it is looked for only once."""
        if not self._opened:
            with self._lock:
                if not self._opened:
                    self._opened.append(self._open())
        return self._opened[0]

    def _open(self) -> Any:
        try:
            return open_library()
        except BackendError as reason:
            LOG.debug("convolutions and attention are left to this package's own kernels: %s", reason)
            return None

    def handle(self, device: int) -> Any:
        """This thread's handle on a device, which is the current one."""
        handles = vars(self._own)
        name = f"device {device}"
        if name not in handles:
            handles[name] = self.library().create_handle()
        return handles[name]

    def find(self, call: Call, *arrays: Any) -> Plan | None:
        """The plan of a call for these inputs; None if cuDNN is missing, or cannot compute it, or not here."""
        if self.library() is None:
            return None
        device = self.cupy.cuda.runtime.getDevice()
        if any(array.data.device_id != device or array.data.ptr % ALIGNMENT for array in arrays):
            return None
        try:
            return self.plans[call, device]
        except KeyError:
            return self._prepare(call, device)

    def _prepare(self, call: Call, device: int) -> Plan | None:
        """What `plans` is to hold for this call; the oldest plan goes if there are too many."""
        made = None
        with self._lock:
            try:
                made = Plan(self, planned(self.library(), call, handle=self.handle(device)), device)
            except refusals(self.library()) as reason:
                LOG.debug("%s is left to this package's own kernels: cuDNN: %s", call, reason)
            while len(self.plans) >= LARGEST_CACHE:
                del self.plans[next(iter(self.plans))]
            self.plans[call, device] = made
        return made


class Plan:
    """A call that cuDNN can compute on one device."""

    def __init__(self, owner: Plans, graph: Any, device: int) -> None:
        self._owner, self._graph, self._device = owner, graph, device
        self._workspace_bytes = graph.get_workspace_size()
        self._lock = threading.Lock()

    def run(self, *arrays: Any) -> None:
        """Compute on the current stream; `arrays` are the inputs and then the outputs, laid out as the call says."""
        owner = self._owner
        cupy, library, handle = owner.cupy, owner.library(), owner.handle(self._device)
        workspace = cupy.empty(self._workspace_bytes, dtype="uint8")
        addresses = {i + 1: array.data.ptr for i, array in enumerate(arrays)}
        library.set_stream(handle=handle, stream=cupy.cuda.get_current_stream().ptr)
        with self._lock:  # the package builds its list of addresses in the graph
            self._graph.execute(addresses, workspace.data.ptr, handle=handle)
