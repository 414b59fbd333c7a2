"""The same elements stored in another way: another dtype, another device, or outside the graph."""

from __future__ import annotations

from typing import Any

from ..core.accumulation import accumulate
from ..core.backend import Backend, backend_of, device_backend
from ..core.dtypes import is_complex, is_floating
from ..core.errors import DTypeError
from ..core.graph import Node, unwrap
from ..core.op import Array, composite, primitive

__all__ = ["astype", "cast", "detach", "to_device"]


def dtype_on(backend: Backend, dtype: Any) -> Any:
    """The dtype of a backend that has the given name, or the name of the given dtype."""
    try:
        return backend.dtype(dtype)
    except DTypeError:  # says which dtype is missing
        raise
    except (TypeError, AttributeError) as error:
        raise DTypeError(f"unknown dtype {dtype!r}; give a name, 'float32', or tinygrad_lite.float32.") from error


def _cast_rule(g: Array, x_dtype) -> Array:
    # The part of a complex gradient that a real input gets is left to the engine.
    return g if is_complex(g.dtype) and not is_complex(x_dtype) else cast(g, dtype=x_dtype)


@primitive(x=_cast_rule, shapes="any")
def cast(xp, x: Array, *, dtype) -> Array:
    """x with another floating-point dtype of its library. See `astype` for any dtype.

    >>> cast(np.array([1.5]), dtype=np.float32)
    array([1.5], dtype=float32)
    """
    return xp.astype(xp.asarray(x), dtype)


@composite(shapes="any")
def astype(x: Array, /, dtype, *, copy: bool = False, device: str | None = None) -> Array:
    """x with another dtype. Differentiable between floating-point dtypes; a constant otherwise.

    copy : True for memory of its own even if x has that dtype.
    device : move it there; default: where x is.

    >>> astype(np.array([1.5, 2.0]), "int64")
    array([1, 2])
    """
    dtype = dtype_on(backend_of(unwrap(x)), dtype)
    if x.dtype != dtype:
        x = cast(x if is_floating(dtype) and is_floating(x.dtype) else detach(x), dtype=dtype)
    elif copy:
        x = copied(x)
    return x if device is None else to_device(x, device=device)


@primitive(x=lambda g: g)
def copied(xp, x: Array) -> Array:
    """The same array in memory of its own.

    >>> copied(np.array([1.5]))
    array([1.5])
    """
    return backend_of(x).copy(x)


@primitive()
def detach(xp, x: Array) -> Array:
    """The same array as a constant: no gradient passes.

    >>> grad(lambda x: x * detach(x))(3.0)
    3.0
    """
    return x


def move(array: Array, device: str, non_blocking: bool = False) -> Array:
    """A raw array on the device called `device`; itself if it is there."""
    here, there = backend_of(array), device_backend(device)
    if here is not there:
        array = here.to_numpy(array)
    return (there.send if non_blocking else there.asarray)(array, device=device)


@primitive(x=lambda g, source, target: transfer(g, source=target, target=source), shapes="any")
def transfer(xp, x: Array, *, source: str, target: str, non_blocking: bool = False) -> Array:
    """x moved from the device `source`, where it is, to the device `target`. See `to_device`.

    >>> transfer(np.array([1.0]), source="cpu", target="cpu")
    array([1.])
    """
    return move(x, target, non_blocking)


def _pull_back(node: Node, g: Array, grads: dict[Node, Any]) -> None:
    """`transfer`'s rule, whose result is added up where it lies, and not where g does."""
    (parent,) = node.parents
    if parent in grads:
        source, target = node.saved
        gradient = transfer(g, source=target, target=source)
        with backend_of(gradient).on(gradient):
            accumulate(grads, parent, gradient, node)


transfer.op.pull = _pull_back  # type: ignore[attr-defined]


@composite(shapes="any")
def to_device(x: Array, *, device: str, non_blocking: bool = False) -> Array:
    """x on the device called `device`: `"cpu"`, `"cuda"`, `"cuda:1"`. The gradient comes back to x's device.

    non_blocking : do not wait for a copy from pinned memory (`cupyx.empty_pinned`), which must then stay as it is until
        the copy has been made; `cuda.synchronize()` waits for that. A copy from other memory may go on behind the
        call anyway, which makes no difference to the program, and one to the CPU is always waited for.

    Raises BackendError for a device that there is not.

    >>> to_device(np.array([1.0]), device="cpu")
    array([1.])
    """
    array = unwrap(x)
    source = backend_of(array).device_of(array)
    return transfer(x, source=source, target=device, non_blocking=non_blocking)
