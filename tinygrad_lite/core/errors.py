"""The errors that the package raises. Each says what it got, what it needs, what to do, and is a builtin error too."""

from __future__ import annotations

from typing import Any

__all__ = [
    "BackendError",
    "BatchError",
    "CaptureError",
    "DTypeError",
    "DeclarationError",
    "GradientError",
    "IndexingError",
    "LoopWarning",
    "OutOfMemoryError",
    "ShapeError",
    "StateError",
    "TinygradLiteError",
]


class TinygradLiteError(Exception):
    """Base of every error of this package."""


class ShapeError(TinygradLiteError, ValueError):
    """Shapes, axes or indices that an operation cannot work with."""


class IndexingError(ShapeError, IndexError):
    """An index or an axis that an array does not have, or a mask that does not fit it."""


class DTypeError(TinygradLiteError, TypeError):
    """A dtype, or a kind of object, that an operation cannot work with."""


class BackendError(TinygradLiteError, TypeError):
    """Arrays of two libraries in one call, a missing array library, or a missing device."""


class OutOfMemoryError(TinygradLiteError, MemoryError):
    """A GPU has no room for an array, even after the memory that was kept for later was given back.

    op : the operation that failed; None if it is not known. device : its name.
    requested : bytes that were asked for.
    used, held : bytes in arrays, and bytes that CuPy's pool has from the device for these and the next arrays.
    free, total : bytes of the device that nobody has, and all that there are.
    limit : the bytes that the pool may have, 0 for any number; see `memory.set_limit`.
    """

    def __init__(
        self, device: str, requested: int, *, used: int, held: int, free: int, total: int, limit: int = 0
    ) -> None:
        self.op: str | None = None
        self.device, self.requested, self.used, self.held = device, requested, used, held
        self.free, self.total, self.limit = free, total, limit
        most = f" (the limit is {in_bytes(limit)})" if limit else ""
        super().__init__(
            f"out of memory on {device}: {in_bytes(requested)} were asked for; arrays use {in_bytes(used)}, the pool "
            f"holds {in_bytes(held)}{most}, and {in_bytes(free)} of {in_bytes(total)} are free. Use smaller batches, "
            f"let go of tensors that are not needed, or keep fewer of them with checkpoint()."
        )

    def name_operation(self, op: str) -> None:
        """Say in the message which operation failed, if that is not said yet."""
        if self.op is None:
            self.op = op
            self.args = (f"{op}: {self.args[0]}",)

    def __reduce__(self) -> tuple:
        return _out_of_memory, (vars(self),)


def _out_of_memory(state: dict[str, Any]) -> OutOfMemoryError:
    error = OutOfMemoryError(**{name: value for name, value in state.items() if name != "op"})
    if state["op"] is not None:
        error.name_operation(state["op"])
    return error


def in_bytes(count: int) -> str:
    """A number of bytes to read: `512 bytes`, `1.50 GiB`."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << power:
            return f"{count / (1 << power):.2f} {unit}"
    return f"{count} bytes"


class BatchError(TinygradLiteError, TypeError):
    """What `vmap` cannot do on all examples at once: look at a value, or give results of different shapes."""


class CaptureError(TinygradLiteError, TypeError):
    """A step that `jit` cannot capture: it looks at values, or at what a replay would not see."""


class LoopWarning(UserWarning):
    """Something that `vmap`, or a Jacobian, computes example by example, and so slowly."""


class GradientError(TinygradLiteError, RuntimeError):
    """A derivative that cannot be computed: a freed graph, a missing rule, a missing or wrong cotangent."""


class StateError(TinygradLiteError, ValueError):
    """Saved state that does not fit: missing, unexpected or misshapen entries, or a file that cannot be read."""


class DeclarationError(TinygradLiteError, TypeError):
    """An operation or kernel declared wrongly; raised at import."""


def describe(value: object) -> str:
    """A short description of an argument for an error message: `(3, 4) float32`, or its value if it is a scalar."""
    shape = getattr(value, "shape", None)
    if shape is None:
        text = repr(value)
        return text if len(text) <= 60 else f"a {type(value).__name__}"
    return f"{tuple(shape)} {getattr(value, 'dtype', '')}".rstrip()
