"""What the package asks of an array library, and how the library is found from the arrays of a call.

A backend needs only an array namespace (the Array API standard's functions, https://data-apis.org/array-api/2024.12/).
Everything else here has a default that works for any such namespace.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

import numpy

from .errors import BackendError, DTypeError

__all__ = [
    "BACKENDS",
    "Backend",
    "DeviceMemory",
    "Feed",
    "backend_for",
    "backend_of",
    "backend_of_type",
    "common_backend",
    "device_backend",
    "load_on_demand",
    "register_backend",
    "scipy_special",
    "several_devices",
]

PYTHON_SCALARS = (bool, int, float, complex)

_HERE = nullcontext()


class DeviceMemory(Protocol):
    """The memory of a library's devices, each of which is named by its number."""

    def allocate(self, size: int) -> Any:
        """So many bytes of the current device, whichever allocator arrays have. OutOfMemoryError if there is no room,
        even after all caches were emptied."""
        ...

    def stats(self, index: int) -> tuple[int, int, int | None, int, int, int]:
        """Bytes in use, kept, most in use at once, free, in total, and the limit; see `memory.DeviceStats`."""
        ...

    def reset_peak(self, index: int) -> None:
        """Begin to note the most bytes that are in use at once."""
        ...

    def set_limit(self, index: int, limit: int) -> None:
        """Take at most so many bytes from the device, or any number for 0."""
        ...

    def empty(self, index: int) -> None:
        """Give back to the device what is kept and free."""
        ...


class Feed(Protocol):
    """Moves batches of arrays to a device while it computes. Both methods may be called by several threads."""

    def send(self, arrays: list[Any]) -> Any:
        """Begin to move the arrays of main memory; returns what `take` is given."""
        ...

    def take(self, sent: Any) -> list[Any]:
        """The arrays on the device. The device's work that follows waits for them, and nobody else."""
        ...


class Backend:
    """An array library: its namespace, its array types and its devices.

    Subclass it, set the four attributes, override what the library does differently, and call `register_backend`.
    """

    name: str
    """Short name, as kernels and messages use it: `"numpy"`, `"cupy"`."""
    xp: Any
    """The namespace with the Array API's functions."""
    array_types: tuple[type, ...]
    """The classes of its arrays."""
    default_device: str
    """The name of its device, or of the first of several: `"cpu"`, `"cuda"`."""
    asynchronous: bool = False
    """Whether work is only queued, so that looking at a value waits for all of it. Values are not checked then."""
    bfloat16_kernels: bool = False
    """Whether its kernels take arrays of bfloat16; if not, float32 is computed in for them, see `core/bfloat16.py`."""
    without_dtypes: bool = False
    """Whether its arrays have no dtype, since it computes nothing."""
    root: Backend | None = None
    """The backend whose arrays this one also takes, if there is one."""

    device_count: int = 1
    """How many devices it has."""
    several_devices: bool = False
    """Whether its library has a current device, and there are others beside it; see `on`."""

    memory: DeviceMemory | None = None
    """The memory of its devices, if it has others than main memory."""

    kernel_backend: str = ""
    """The name of the backend whose kernels it uses, if it is not its own."""

    def implement(self, op: Any) -> Callable | None:
        """What computes the primitive `op` here, if that is not its body; see `autodiff/capture.py`."""
        return None

    # With several devices: where work is done. Whatever computes on raw arrays asks for it here.

    def on(self, where: Any) -> AbstractContextManager[Any]:
        """Within the block, work is done on a device: the one called `where`, or the one that holds the array `where`.

        Raises BackendError for a device that there is not.
        """
        return _HERE

    def place(self, name: str, compute: Callable) -> Callable:
        """What runs `compute`, the implementation of the primitive `name`, on the device of its arrays."""
        return compute

    def run_body(self, op: Any, arguments: tuple, arrays: tuple, statics: dict[str, Any]) -> Any:
        """The definition of a composite on the device of its arrays, or NotImplemented if that makes no difference.

        arguments : what it is given, Tensors or arrays. arrays : the same with the Tensors' arrays.
        """
        return NotImplemented

    # Kernels

    def attempt(self, kernel: Any, values: tuple, statics: dict[str, Any], needs: tuple[bool, ...]) -> Any:
        """`kernel.attempt` for arrays of this backend."""
        return kernel.attempt(values, statics, needs)

    def differentiate(self, kernel: Any, g: Any, saved: Any, needs: tuple[bool, ...]) -> Any:
        """A kernel's backward for a cotangent of this backend."""
        return kernel._backward(g, saved, needs)

    def bind(self, body: Callable, xp: Any = None) -> Callable:
        """The body of a primitive with this backend's namespace filled in, or another one.

        A body that only forwards, `return xp.multiply(x, y)`, becomes the namespace's own function: two Python frames
        fewer where they cost as much as NumPy's work on a small array.
        """
        code, xp = body.__code__, self.xp if xp is None else xp
        # Not with static arguments: they are passed by name, and the namespace's function may call them otherwise.
        if len(code.co_names) == 1 and not code.co_kwonlyargcount and not code.co_posonlyargcount:
            names = code.co_varnames[: code.co_argcount]
            forwarding = eval(f"lambda {', '.join(names)}: {names[0]}.{code.co_names[0]}({', '.join(names[1:])})")
            if code.co_code == forwarding.__code__.co_code:
                return getattr(xp, code.co_names[0])
        return partial(body, xp)

    def owns_device(self, device: str) -> bool:
        """Whether `device` names a device of this backend."""
        return device == self.default_device

    def index(self, device: str) -> int:
        """The number of the device called `device`. BackendError if there is none."""
        return 0

    def device_of(self, array: Any) -> str:
        """The name of the device that holds `array`."""
        return self.default_device

    def full_name(self, device: str) -> str:
        """The name by which `device_of` reports the device called `device`."""
        return device

    def asarray(self, value: Any, *, dtype: Any = None, device: str | None = None) -> Any:
        """`value` as an array of this backend; NumPy arrays and Python numbers are transferred, own arrays kept."""
        return self.xp.asarray(value, dtype=dtype)

    def send(self, value: Any, *, device: str) -> Any:
        """`asarray` that does not wait: memory that `value` shares with others must stay as it is until it has arrived.

        The library's own work on the result waits by itself.
        """
        return self.asarray(value, device=device)

    def feed(self, device: str) -> Feed:
        """What moves batches to a device."""
        return _DirectFeed(self, device)

    def dtype(self, dtype: Any) -> Any:
        """This library's dtype for one of another library, or for a name such as `"float32"`."""
        known = isinstance(dtype, (str, type, numpy.dtype))
        return getattr(self.xp, numpy.dtype(dtype).name if known else str(dtype).rpartition(".")[2])

    def to_numpy(self, array: Any) -> numpy.ndarray:
        """`array` as a NumPy array; shares memory where it can."""
        return numpy.asarray(array)

    def text(self, array: Any) -> str:
        """The elements of `array` as a Tensor prints them."""
        return numpy.array2string(self.to_numpy(array), separator=", ", prefix="Tensor(")

    def may_share_memory(self, a: Any, b: Any) -> bool:
        """Whether two arrays might overlap. A cautious backend says True."""
        return True

    def owns_memory(self, array: Any) -> bool:
        """Whether `array` is known to be no view of another one. A cautious backend says False."""
        return False

    def copy(self, array: Any) -> Any:
        """A copy of `array` in memory of its own."""
        return self.xp.asarray(array, copy=True)

    draws: bool = False
    """Whether `draw` makes numbers on the device; what they need is then the place in the stream and nothing else."""

    def draw(self, draw: Any, device: str | None = None, dtype: Any = None) -> Any:
        """The random numbers of a `core.philox.Draw`, if they are floats perhaps in `dtype` already.

        The default makes them in main memory, and moves them.
        """
        return self.asarray(draw.make(), device=device)

    def synchronize(self, device: str | None = None) -> None:
        """Wait until all work that was handed to the device, or to every device, is done."""

    # What the standard lacks: NumPy's indexing. The defaults are slow but need nothing beyond it.

    def getitem(self, array: Any, index: Any) -> Any:
        """`array[index]`, `index` being anything that NumPy accepts."""
        positions = numpy.asarray(numpy.arange(array.size).reshape(array.shape)[self._host(index)])
        taken = self.xp.take(self.xp.reshape(array, (-1,)), self.asarray(positions.reshape(-1)), axis=0)
        return self.xp.reshape(taken, positions.shape)

    def assign(self, target: Any, index: Any, values: Any) -> Any:
        """`target` after `target[index] = values`, in place; of several values for one position the last remains."""
        host = self.to_numpy(target).copy()
        host[self._host(index)] = self.to_numpy(values)
        target[...] = self.asarray(host, dtype=target.dtype)
        return target

    def scatter_add(self, target: Any, index: Any, values: Any) -> Any:
        """`target` after `target[index] += values`, in place; a position that occurs twice receives both values."""
        host = self.to_numpy(target).copy()
        numpy.add.at(host, self._host(index), self.to_numpy(values))
        target[...] = self.asarray(host, dtype=target.dtype)
        return target

    # Batches, see `batching/`.

    def inward(self, gradient: Any, node: Any, parent: Any) -> Any:
        """The gradient that the rule of `node` found for `parent`, without batches that only `node` has."""
        return gradient

    # Special functions: the standard has none, nor has NumPy.

    def special(self, name: str) -> Callable:
        """The function `scipy.special.<name>` for arrays of this backend. The default computes in main memory.

        Raises BackendError if the library that has it is not installed.
        """
        function = getattr(scipy_special(name), name)
        return lambda *args: self.asarray(
            function(*(self.to_numpy(arg) if isinstance(arg, self.array_types) else arg for arg in args))
        )

    def _host(self, index: Any) -> Any:
        """`index` with its arrays in main memory."""
        if isinstance(index, tuple):
            return tuple(map(self._host, index))
        return self.to_numpy(index) if isinstance(index, self.array_types) else index


class _DirectFeed:
    """The arrays are moved when they are taken."""

    def __init__(self, backend: Backend, device: str) -> None:
        self.backend, self.device = backend, device

    def send(self, arrays: list[Any]) -> list[Any]:
        return arrays

    def take(self, sent: list[Any]) -> list[Any]:
        return [self.backend.asarray(array, device=self.device) for array in sent]


def scipy_special(name: str) -> Any:
    """The module `scipy.special`, which `name` is wanted of; imported on demand, since SciPy is optional."""
    try:
        import scipy.special
    except ImportError as error:
        raise BackendError(
            f"{name}: SciPy, which computes it, cannot be imported ({error}). Install it with "
            f"pip install 'tinygrad-lite[scipy]'."
        ) from error
    return scipy.special


BACKENDS: dict[str, Backend] = {}
"""The backends in use, by name."""

_BY_TYPE: dict[type, Backend] = {}
_BY_TYPES: dict[tuple[type, ...], Backend] = {}
_ON_DEMAND: dict[str, tuple[str, Callable[[], Backend]]] = {}


def register_backend(backend: Backend) -> Backend:
    """Make `backend` known, so that calls with its arrays are computed by it."""
    backend.kernel_backend = backend.kernel_backend or backend.name
    BACKENDS[backend.name] = backend
    for array_type in backend.array_types:
        _BY_TYPE[array_type] = backend
    _BY_TYPES.clear()
    return backend


def load_on_demand(package: str, device: str, load: Callable[[], Backend]) -> None:
    """Call `load` when an array of `package`, or a device whose name starts with `device`, first appears."""
    _ON_DEMAND[package] = (device, load)


def _load(package: str) -> Backend:
    backend = _ON_DEMAND[package][1]()
    del _ON_DEMAND[package]
    return register_backend(backend)


def backend_of_type(array_type: type) -> Backend | None:
    """The backend of an array class, or None for scalars and foreign classes."""
    for cls in array_type.__mro__:
        if cls in _BY_TYPE:
            return _BY_TYPE[cls]
    package = array_type.__module__.partition(".")[0]
    if package in _ON_DEMAND and not issubclass(array_type, PYTHON_SCALARS):
        _load(package)
        return backend_of_type(array_type)
    return None


def several_devices() -> bool:
    """Whether arrays may lie where no work is done unless somebody sees to it; see `Backend.on`."""
    return any([backend.several_devices for backend in BACKENDS.values()])


def common_backend(op: str, types: tuple[type, ...]) -> Backend:
    """The one backend of the given argument types; scalars and None go with any backend, and alone with NumPy's."""
    found: Backend | None = None
    for array_type in types:
        backend = backend_of_type(array_type)
        if backend is None:
            if not issubclass(array_type, (*PYTHON_SCALARS, numpy.generic, type(None))):
                raise DTypeError(
                    f"{op}: got a {array_type.__name__}; arrays, Tensors and Python numbers are accepted. "
                    f"Convert it first, for example with tinygrad_lite.tensor(...)."
                )
        elif found is None or found in _beneath(backend):
            found = backend
        elif found is not backend and backend not in _beneath(found):
            raise BackendError(
                f"{op}: got arrays of {found.name} and of {backend.name}; all arrays of a call must belong to one "
                f"library. Move some of them, for example with x.to({(backend.root or backend).default_device!r})."
            )
    return found if found is not None else BACKENDS["numpy"]


def _beneath(backend: Backend) -> list[Backend]:
    """Those whose arrays may stand beside its own: its root, the root of that, and so on."""
    return [] if backend.root is None else [backend.root, *_beneath(backend.root)]


def backend_of(array: Any) -> Backend:
    """The backend that `array` belongs to; NumPy's for Python and NumPy scalars."""
    return _BY_TYPE.get(type(array)) or common_backend("backend_of", (type(array),))


def backend_for(*values: Any) -> Backend:
    """The backend for the arrays among `values` and in the tuples among them; what is no array does not matter."""
    types = tuple([t for value in values for t in (map(type, value) if type(value) is tuple else (type(value),))])
    if types not in _BY_TYPES:
        known = [t for t in types if backend_of_type(t) is not None]
        # Indices of any library's arrays may lie in main memory.
        indices = [t for t in known[1:] if issubclass(t, numpy.ndarray)]
        _BY_TYPES[types] = common_backend("indexing", tuple(t for t in known if t not in indices or t is known[0]))
    return _BY_TYPES[types]


def device_backend(device: str) -> Backend:
    """The backend that owns the device called `device`: `"cpu"`, `"cuda"`, `"cuda:1"`.

    Raises BackendError for a name that no backend owns, or whose library or hardware is missing.
    """
    for package, (prefix, _) in list(_ON_DEMAND.items()):
        if device.partition(":")[0] == prefix:
            return _load(package)
    for backend in BACKENDS.values():
        if backend.owns_device(device):
            return backend
    known = [backend.default_device for backend in BACKENDS.values()] + [device for device, _ in _ON_DEMAND.values()]
    raise BackendError(f"unknown device {device!r}; known are {', '.join(map(repr, dict.fromkeys(known)))}.")
