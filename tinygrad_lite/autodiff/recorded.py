"""Arrays that note what is computed with them: what a step is captured with, see `capture.py`.

A backend like any other, on top of NumPy's or of another library's. What it notes is what computes an operation there,
so replays take the same fast ways as the first call.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from ..batching import operators
from ..core.backend import BACKENDS, Backend, backend_of, register_backend
from ..core.errors import CaptureError
from ..core.graph import Handle, caller, source_line, wrap
from ..core.op import Kernel, Op

__all__ = ["Recorded", "is_array", "plain", "recorded", "recorded_in"]


class Recorded:
    """An array whose calls are noted.

    data : the array. name : what the program calls it. recorder : the capture that it belongs to.

    The class of an array tells its backend, so each library has a class of its own; see `recorded`.
    """

    __slots__ = ("__weakref__", "data", "name", "recorder")
    __array_ufunc__ = None

    backend: Backend

    def __init__(self, data: Any, name: str, recorder: Any) -> None:
        self.data, self.name, self.recorder = data, name, recorder

    shape = property(lambda self: self.data.shape)
    dtype = property(lambda self: self.data.dtype)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        return self.recorder.call(_item, (self, index), {})

    def __repr__(self) -> str:
        return f"<{self.name}, {self.shape} {self.dtype}>"

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise CaptureError(
            "jit: a value is looked at, for example by `if`, `float()` or `.numpy()`; a captured step cannot depend on "
            "it. Return it, and look at what the call returns. It is looked at "
            f"{source_line(*caller(sys._getframe(1)))}"
        )

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __array__ = __iter__ = __setitem__ = _refuse


def _item(array: Any, index: Any) -> Any:
    return array[index]


class _Namespace:
    """A library's functions, noted when they are called with Recorded."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._module, name)
        if name in ("linalg", "fft"):
            return _Namespace(own)
        if not callable(own) or isinstance(own, type):
            return own
        return functools.partial(_noted, name, own)


def _noted(label: str, function: Callable, *args: Any, **kwargs: Any) -> Any:
    found = next(recorded_in((args, kwargs)), None)
    return function(*args, **kwargs) if found is None else found.recorder.call(function, args, kwargs, label)


def recorded_in(values: Any) -> Iterator[Recorded]:
    """The Recorded in a structure."""
    if isinstance(values, Recorded):
        yield values
    elif isinstance(values, dict):
        for value in values.values():
            yield from recorded_in(value)
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from recorded_in(value)


class _RecordedBackend(Backend):
    """The backend `root` with every call noted: an operation's implementation there is one call."""

    asynchronous = True
    root: Backend

    def __init__(self, root: Backend, cls: type[Recorded]) -> None:
        self.root, self.array_types = root, (cls,)
        self.name = self.default_device = f"jit({root.name})"
        self.kernel_backend = root.kernel_backend
        self.xp = _Namespace(root.xp)

    def implement(self, op: Op) -> Callable:
        return functools.partial(_computed, op)

    def attempt(self, kernel: Kernel, values: tuple, statics: dict[str, Any], needs: tuple[bool, ...]) -> Any:
        first = next(recorded_in(values))
        recorder = first.recorder
        if hasattr(kernel, "resolve"):
            resolved = kernel.resolve(*plain(values))
            if resolved is None:
                return NotImplemented
            function, used = resolved
            return recorder.call(function, tuple([values[0][name] for name in used]), {}, _label(kernel.name)), None
        found = kernel.attempt(plain(values), statics, needs)
        if found is NotImplemented:
            return found
        name = recorder.note(kernel.attempt, (values, statics, needs), {}, kernel.name, found[0])
        # What a kernel keeps is handed back to it as it is: it may hold numbers that depend on the values.
        return recorder.wrapped(found[0], f"{name}[0]"), type(first)(found[1], f"{name}[1]", recorder)

    def differentiate(self, kernel: Kernel, g: Any, saved: Any, needs: tuple[bool, ...]) -> Any:
        recorder = next(recorded_in((g, saved))).recorder
        return recorder.call(kernel._backward, (g, saved, needs), {}, f"{kernel.name}_backward")

    def device_of(self, array: Any) -> str:
        return self.root.device_of(plain(array))

    def dtype(self, dtype: Any) -> Any:
        return self.root.dtype(dtype)

    def asarray(self, value: Any, *, dtype: Any = None, device: str | None = None) -> Any:
        if isinstance(value, Recorded):
            return value if dtype is None or dtype == value.dtype else _noted("", self.root.asarray, value, dtype=dtype)
        return self.root.asarray(value, dtype=dtype)

    def to_numpy(self, array: Any) -> Any:
        return array._refuse() if isinstance(array, Recorded) else array

    def text(self, array: Any) -> str:
        return repr(array)

    def copy(self, array: Any) -> Any:
        return _noted("", self.root.copy, array)

    def owns_memory(self, array: Any) -> bool:
        return self.root.owns_memory(plain(array))

    def getitem(self, array: Any, index: Any) -> Any:
        return _noted("", self.root.getitem, array, index)

    def assign(self, target: Any, index: Any, values: Any) -> Any:
        return _noted("", self._on_a_copy, self.root.assign, target, index, values)

    def scatter_add(self, target: Any, index: Any, values: Any) -> Any:
        return _noted("", self._on_a_copy, self.root.scatter_add, target, index, values)

    def _on_a_copy(self, write: Callable, target: Any, index: Any, values: Any) -> Any:
        """Zeros to be written into may be a constant of the program."""
        return write(self.root.copy(target), index, values)

    def special(self, name: str) -> Callable:
        return functools.partial(_noted, name, self.root.special(name))


def _computed(op: Op, *arrays: Any, **statics: Any) -> Any:
    """A primitive's call, noted as one of what computes it for the arrays themselves."""
    types = tuple(map(type, plain(arrays)))
    function = op.implementations[types if op.variadic or len(types) != 1 else types[0]]
    first = next(recorded_in(arrays))
    if getattr(function, "func", None) is op.body and not first.backend.root.asynchronous:
        out = _one_call(op, function, arrays, statics, first)
        if out is not None:
            return out
    return first.recorder.call(function, arrays, statics, op.name)


def _one_call(op: Op, function: Callable, arrays: tuple, statics: dict[str, Any], first: Recorded) -> Any:
    """The result of a primitive whose body comes to one call of NumPy's, or none, which is noted in its place."""
    recorder = first.recorder
    mark = len(recorder.lines)
    try:
        out = op.body(first.backend.xp, *arrays, **statics)
        if isinstance(out, Recorded) and len(recorder.lines) <= mark + 1:
            expected = function(*plain(arrays), **statics)
            if expected.dtype == out.dtype and expected.tobytes() == out.data.tobytes():
                return out
    except Exception:  # it is noted as a whole, and raises the same if it is an error
        pass
    del recorder.lines[mark:]
    return None


def _label(name: str) -> str:
    """What a program is called, as an identifier."""
    return "_".join(name.replace(",", "").split())


def plain(values: Any) -> Any:
    """A structure with the arrays themselves in place of the Recorded; itself if it has none, since functions may
    change it: some take out what was kept for them."""
    if isinstance(values, Recorded):
        return values.data
    if isinstance(values, Handle):
        return wrap(values.data.data, None) if isinstance(values.data, Recorded) else values
    if not isinstance(values, (list, tuple, dict)):
        return values
    parts = list(values.values() if isinstance(values, dict) else values)
    found = list(map(plain, parts))
    if all(map(operator.is_, found, parts)):
        return values
    if isinstance(values, dict):
        return dict(zip(values, found, strict=True))
    return type(values)(*found) if hasattr(values, "_fields") else type(values)(found)


@functools.lru_cache
def _class_for(root: Backend) -> type[Recorded]:
    cls = type("Recorded", (Recorded,), {"__slots__": (), "__module__": __name__, **operators()})
    cls.backend = register_backend(_RecordedBackend(root, cls))
    return cls


def recorded(array: Any, name: str, recorder: Any) -> Recorded:
    """A Recorded of an array of any backend."""
    return _class_for(backend_of(array))(array, name, recorder)


def is_array(value: Any) -> bool:
    """Whether a value is an array, or a scalar of NumPy's."""
    return hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, (Handle, Recorded))


_class_for(BACKENDS["numpy"])
