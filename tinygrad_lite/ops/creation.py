"""Making Tensors from numbers. Python floats become the default floating-point dtype; arrays keep theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from ..core.backend import BACKENDS, backend_of, device_backend
from ..core.dtypes import default_dtype, is_floating, note_dtype, numpy_dtype
from ..core.errors import DTypeError, ShapeError, describe
from ..core.graph import Handle, Leaf, unwrap, wrap
from ..core.op import Array, primitive
from .conversion import astype, copied, dtype_on, move, to_device

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like",
    "tensor", "zeros", "zeros_like",
]  # fmt: skip


# From data


def to_array(data: Any, *, dtype: Any = None, device: str | None = None) -> Any:
    """The array of a Tensor's data; arrays are kept without a copy unless `dtype` or `device` ask for another one."""
    array = unwrap(data)
    if isinstance(array, (bool, int, float, complex, list, tuple)):
        array = _from_python(array, dtype)
    elif not any(isinstance(array, backend.array_types) for backend in BACKENDS.values()):
        array = _foreign(array)
    array = _supported(array)
    if dtype is not None:
        array = astype(array, dtype)
    return array if device is None else unwrap(to_device(array, device=device))


def _foreign(data: Any) -> Any:
    """The array of a NumPy scalar, of a backend that loads on demand, or of another library."""
    if isinstance(data, numpy.generic) or not hasattr(data, "dtype"):
        return numpy.asarray(data)
    try:
        return backend_of(data).asarray(data)
    except DTypeError:
        return numpy.asarray(data)


def _supported(array: Any) -> Any:
    if isinstance(array, numpy.ndarray) and array.dtype.kind not in "biufc" and not is_floating(array.dtype):
        raise DTypeError(
            f"tensor: the data has dtype {array.dtype}; numbers and booleans are required, in arrays or nested lists."
        )
    note_dtype(array.dtype)
    return array


def _from_python(data: Any, dtype: Any) -> numpy.ndarray:
    """Python numbers and nested lists as an array."""
    try:
        array = numpy.asarray(data)
    except ValueError as error:
        message = f"the data is ragged{_ragged(data) or '.'} All lists at one depth must have the same length."
        raise ShapeError(f"tensor: {message}") from error
    if array.dtype == numpy.float64 and all(isinstance(x, int) for x in _numbers(data)) and _is_integer(dtype):
        try:
            return numpy.asarray(data, dtype=dtype)  # left to itself NumPy takes float64 for 0 and 2**63 together
        except OverflowError as error:
            raise DTypeError(f"tensor: a number is out of the range of dtype {dtype}; give a larger one.") from error
    if dtype is None and array.dtype == numpy.float64 and not any(hasattr(x, "dtype") for x in _numbers(data)):
        return array.astype(default_dtype())
    return array


def _is_integer(dtype: Any) -> bool:
    try:
        return dtype is not None and numpy_dtype(dtype).kind in "iu"
    except TypeError:
        return False


def _numbers(data: Any) -> Iterator[Any]:
    """What a nested list holds."""
    if not isinstance(data, (list, tuple)):
        yield data
        return
    for value in data:
        if isinstance(value, float):
            yield value
        else:
            yield from _numbers(value)


def _ragged(data: Any, place: str = "data") -> str | None:
    """Where the lengths of a nested list differ, or None if it is between lists of different parents."""
    lengths = [len(value) if hasattr(value, "__len__") and not isinstance(value, str) else None for value in data]
    for i, length in enumerate(lengths):
        if length != lengths[0]:
            first, other = (f"has length {n}" if n is not None else "is a number" for n in (lengths[0], length))
            return f": {place}[0] {first} and {place}[{i}] {other}."
    nested = (_ragged(value, f"{place}[{i}]") for i, value in enumerate(data) if isinstance(value, (list, tuple)))
    return next((message for message in nested if message is not None), None)


def tensor(data: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Any:
    """A new Tensor of `data`, without a copy if it is an array of the right dtype and device.

    data : a number, a nested list of numbers, an array, or a Tensor, from which the new one is cut off.
    dtype : default: that of an array; for Python floats the default floating-point dtype, for integers int64.
    device : default: where the data is.
    requires_grad : make it a leaf, whose `grad` receives derivatives.

    Raises ShapeError for a ragged list; DTypeError for data that is not numeric, or requires a gradient and is not
    floating-point.

    >>> tensor([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 2.],
            [3., 4.]], dtype=float32)
    """
    array = to_array(data, dtype=dtype, device=device)
    if requires_grad and not is_floating(array.dtype):
        raise DTypeError(
            f"tensor: the data has dtype {array.dtype} and requires_grad is set; only floating-point tensors have "
            f"gradients. Give dtype='float32', for example."
        )
    return wrap(array, Leaf(array) if requires_grad else None)


def asarray(data: Any, *, dtype: Any = None, device: str | None = None, copy: bool | None = None) -> Any:
    """`data` as a Tensor: a Tensor stays connected to its gradient, and itself if nothing is to be changed.

    dtype, device : as for `tensor`.
    copy : True for memory of its own, False for that of `data`; None shares it if possible.

    Raises DTypeError, as `tensor` does, and with `copy=False` for what must be converted or moved.

    >>> x = tensor([1.0], requires_grad=True)
    >>> asarray(x) is x
    True
    """
    made = data if isinstance(data, Handle) else tensor(data, dtype=dtype)
    made = made if dtype is None else astype(made, dtype)
    made = made if device is None else to_device(made, device=device)
    shared = made.data is unwrap(data)
    if copy is False and not shared:
        raise DTypeError(
            f"asarray: got {describe(unwrap(data))} and copy=False; as a Tensor {describe(made)} is a copy."
        )
    return copied(made) if copy and shared else made


# From nothing


def _made(name: str, device: str | None, dtype: Any, *arguments: Any, **keywords: Any) -> Any:
    """A Tensor of what the function `name` of the device's namespace makes."""
    device = device or "cpu"
    backend = device_backend(device)
    dtype, there = dtype_on(backend, dtype), backend.on(device)
    try:
        with there:
            array = getattr(backend.xp, name)(*arguments, dtype=dtype, **keywords)
    except (ValueError, ZeroDivisionError) as error:
        raise ShapeError(f"{name}: got {', '.join(map(repr, arguments))}; {error}.") from error
    except TypeError as error:
        raise DTypeError(f"{name}: got {', '.join(map(repr, arguments))}; {error}.") from error
    return wrap(array, None)


def zeros(shape: int | tuple[int, ...], *, dtype: Any = None, device: str | None = None) -> Any:
    """A Tensor of zeros.

    >>> zeros((2, 2))
    Tensor([[0., 0.],
            [0., 0.]], dtype=float32)
    """
    return _made("zeros", device, dtype or default_dtype(), shape)


def ones(shape: int | tuple[int, ...], *, dtype: Any = None, device: str | None = None) -> Any:
    """A Tensor of ones.

    >>> ones(3, dtype="int64")
    Tensor([1, 1, 1], dtype=int64)
    """
    return _made("ones", device, dtype or default_dtype(), shape)


def empty(shape: int | tuple[int, ...], *, dtype: Any = None, device: str | None = None) -> Any:
    """A Tensor of whatever its memory held: only for data that will be replaced.

    >>> empty((2, 3)).shape
    (2, 3)
    """
    return _made("empty", device, dtype or default_dtype(), shape)


def full(shape: int | tuple[int, ...], fill_value: float, *, dtype: Any = None, device: str | None = None) -> Any:
    """A Tensor of equal numbers; without `dtype` a float gives the default floating-point dtype, an integer int64.

    >>> full((2,), 0.5)
    Tensor([0.5, 0.5], dtype=float32)
    """
    return _made("full", device, dtype or to_array(fill_value).dtype, shape, fill_value)


def eye(n_rows: int, n_cols: int | None = None, *, k: int = 0, dtype: Any = None, device: str | None = None) -> Any:
    """A matrix with ones on diagonal `k` (0 is the main one, positive ones lie above it) and zeros elsewhere.

    >>> eye(2, 3)
    Tensor([[1., 0., 0.],
            [0., 1., 0.]], dtype=float32)
    """
    return _made("eye", device, dtype or default_dtype(), n_rows, n_cols, k=k)


def arange(
    start: float, stop: float | None = None, step: float = 1, *, dtype: Any = None, device: str | None = None
) -> Any:
    """The numbers start, start + step, ... before `stop`; `arange(stop)` starts at 0. Integers give int64.

    >>> arange(1, 7, 2)
    Tensor([1, 3, 5], dtype=int64)
    """
    first, end = (0, start) if stop is None else (start, stop)
    integers = all(isinstance(value, int) for value in (first, end, step))
    return _made("arange", device, dtype or ("int64" if integers else default_dtype()), first, end, step)


def linspace(
    start: float, stop: float, num: int, *, endpoint: bool = True, dtype: Any = None, device: str | None = None
) -> Any:
    """`num` numbers at equal distances from `start` to `stop`, with the latter unless `endpoint` is False.

    >>> linspace(0.0, 1.0, 5)
    Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    return _made("linspace", device, dtype or default_dtype(), start, stop, num, endpoint=endpoint)


# Like another array: an array gives an array, a Tensor a Tensor; on its device, and of its dtype unless one is given.


@primitive(shapes="any")
def zeros_like(xp, x: Array, *, dtype: Any = None, device: str | None = None) -> Array:
    """Zeros in the shape of x, on its device and of its dtype unless others are given.

    >>> zeros_like(np.array([1.0, 2.0]))
    array([0., 0.])
    """
    return _on(device, xp.zeros_like(x, dtype=_dtype_for(x, dtype)))


@primitive(shapes="any")
def ones_like(xp, x: Array, *, dtype: Any = None, device: str | None = None) -> Array:
    """Ones in the shape of x, on its device and of its dtype unless others are given.

    >>> ones_like(np.array([1.0, 2.0]))
    array([1., 1.])
    """
    return _on(device, xp.ones_like(x, dtype=_dtype_for(x, dtype)))


@primitive(shapes="any")
def full_like(xp, x: Array, /, fill_value: float, *, dtype: Any = None, device: str | None = None) -> Array:
    """Equal numbers in the shape of x, on its device and of its dtype unless others are given.

    >>> full_like(np.array([1.0, 2.0]), 3)
    array([3., 3.])
    """
    return _on(device, xp.full_like(x, fill_value, dtype=_dtype_for(x, dtype)))


def empty_like(x: Array, /, *, dtype: Any = None, device: str | None = None) -> Array:
    """Whatever its memory held, in the shape of x: only for data that will be replaced. See `zeros_like`.

    >>> empty_like(np.array([1.0, 2.0])).shape
    (2,)
    """
    array = unwrap(x)
    backend = backend_of(array)
    with backend.on(array):
        made = backend.xp.empty_like(array, dtype=_dtype_for(array, dtype))
    made = _on(device, made)
    return wrap(made, None) if isinstance(x, Handle) else made


def _on(device: str | None, array: Any) -> Any:
    return array if device is None else move(array, device)


def _dtype_for(x: Any, dtype: Any) -> Any:
    return dtype if dtype is None else dtype_on(backend_of(x), dtype)
