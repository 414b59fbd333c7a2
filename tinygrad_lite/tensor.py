"""The Tensor class: a table of methods. Each is an operation of `ops/`; nothing is computed here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from . import ops
from .autodiff.gradients import backward
from .core.backend import backend_of, device_backend
from .core.codegen import set_tensor_class
from .core.dtypes import is_floating
from .core.errors import BackendError, DTypeError, GradientError, ShapeError
from .core.graph import Handle, Leaf, grad_enabled, wrap
from .interop import call_function, dlpack, leaving
from .interop.ufuncs import call_ufunc

__all__ = ["RemovableHook", "Tensor"]


class RemovableHook:
    """What `register_hook` returns; `remove()` takes the hook away."""

    def __init__(self, hooks: dict[int, Callable], key: int) -> None:
        self._hooks, self._key = hooks, key

    def remove(self) -> None:
        """Take the hook away; doing it twice is harmless."""
        self._hooks.pop(self._key, None)


def _reflected(op: Callable) -> Callable:
    """The operator for a Tensor on the right of something else."""

    def operator(self: Tensor, other: Any) -> Tensor:
        return op(other, self)

    return operator


class Tensor(Handle):
    """An array and its place in the record of the computation.

    data : an array of any backend, kept without a copy; or a Python number or nested list, floats in the default dtype.
    requires_grad : make this tensor a leaf, whose `grad` receives derivatives.
    dtype, device : convert or move the data.

    No operation changes an array in place: `x += y` and `x[i] = v` make `x` stand for a new result. So `x[0][1] = v`
    changes nothing but the temporary `x[0]`; write `x[0, 1] = v`.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    Tensor([2., 4.], dtype=float32)
    """

    __slots__ = ()
    __array_priority__ = 1000  # NumPy's arrays and scalars on the left leave the operation to Tensor

    def __init__(self, data: Any, *, requires_grad: bool = False, dtype: Any = None, device: str | None = None) -> None:
        self.data = ops.creation.to_array(data, dtype=dtype, device=device)
        self.node = None
        self.requires_grad = requires_grad

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return len(self.data.shape)

    @property
    def size(self) -> int:
        """The number of its elements."""
        return self.data.size

    @property
    def dtype(self) -> Any:
        """The dtype of its elements."""
        return self.data.dtype

    @property
    def device(self) -> str:
        """The name of the device that holds it: `"cpu"`, `"cuda:0"`."""
        return backend_of(self.data).device_of(self.data)

    @property
    def T(self) -> Tensor:
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ShapeError(f"T: the tensor has shape {self.shape}; .T is for matrices. Use .mT or permute_dims.")
        return ops.matrix_transpose(self)

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two axes exchanged."""
        return ops.matrix_transpose(self)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise BackendError(f"__array_namespace__: api_version is {api_version!r}; the newest known is '2024.12'.")
        return sys.modules[__name__.rpartition(".")[0]]

    # Its place in the graph

    @property
    def requires_grad(self) -> bool:
        """Whether derivatives reach this tensor. May be set on tensors that are not results of operations."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            raise GradientError(
                "requires_grad: this tensor is the result of an operation; use .detach() to cut it off."
            )
        if value and not is_floating(self.dtype):
            raise DTypeError(
                f"requires_grad: the tensor has dtype {self.dtype}; only floating-point tensors have gradients. "
                f"Convert it first, for example with .astype('float32')."
            )
        if value != self.requires_grad:
            self.node = Leaf(self.data) if value else None

    @property
    def is_leaf(self) -> bool:
        """Whether it is not the recorded result of an operation."""
        return self.node is None or type(self.node) is Leaf

    @property
    def grad(self) -> Tensor | None:
        """The derivatives that backward passes have added up here, or None. Only leaves have one."""
        return self.node.grad if type(self.node) is Leaf else None

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if type(self.node) is not Leaf:
            raise GradientError("grad: only a tensor created with requires_grad=True has a gradient to set.")
        if value is not None and tuple(value.shape) != tuple(self.shape):
            raise GradientError(
                f"grad: got shape {tuple(value.shape)} for a tensor of shape {self.shape}; they must be equal."
            )
        self.node.grad = value

    backward = backward

    def detach(self) -> Tensor:
        """The same array as a constant: no gradient passes."""
        return wrap(self.data, None)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHook:
        """Call `hook` with this tensor's gradient in every backward pass; what it returns, unless None, replaces it.

        Returns an object whose `remove()` takes the hook away. GradientError if the tensor requires no gradient.
        """
        if self.node is None:
            raise GradientError("register_hook: this tensor requires no gradient, so no hook would ever be called.")
        if self.node.hooks is None:
            self.node.hooks = {}
        key = max(self.node.hooks, default=-1) + 1
        self.node.hooks[key] = hook
        return RemovableHook(self.node.hooks, key)

    # Leaving the library

    def numpy(self) -> numpy.ndarray:
        """The data as a NumPy array, without a copy from main memory. GradientError if a gradient is required."""
        if self.node is not None:
            raise GradientError(
                "numpy: this tensor requires a gradient, which NumPy would lose; use .detach().numpy()."
            )
        return backend_of(self.data).to_numpy(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> numpy.ndarray:
        return leaving.array(self, dtype, copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        return call_function(function, args, kwargs)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None) -> Any:
        given = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return dlpack.capsule(self, **{name: x for name, x in given.items() if x is not None})

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self.data.__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return dlpack.cuda_interface(self)

    def item(self) -> Any:
        """The only element as a Python number. ShapeError if there are more."""
        if self.size != 1:
            raise ShapeError(f"item: the tensor has shape {self.shape}; only a tensor with one element is a number.")
        return backend_of(self.data).to_numpy(self.data).item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return backend_of(self.data).to_numpy(self.data).tolist()

    def __float__(self) -> float:
        return float(leaving.number(self))

    def __complex__(self) -> complex:
        return complex(leaving.number(self))

    def __int__(self) -> int:
        return int(leaving.number(self))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __index__(self) -> int:
        return self.item().__index__()

    def __format__(self, specification: str) -> str:
        return format(self.item(), specification) if specification else repr(self)

    def __contains__(self, value: Any) -> bool:
        return bool(ops.any(ops.equal(self, value)).item())

    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("len: the tensor is 0-d and has no length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(ops.unstack(self)) if len(self) else iter(())

    def __repr__(self) -> str:
        text = backend_of(self.data).text(self.data)
        device = "" if self.device == "cpu" else f", device={self.device!r}"
        return f"Tensor({text}, dtype={self.dtype}{device}{', requires_grad=True' if self.requires_grad else ''})"

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple:
        if not self.is_leaf:
            raise GradientError("pickle, copy: this tensor is the result of an operation; use .detach() first.")
        return _rebuild, (type(self), self.data, self.requires_grad)

    # Moving and converting

    def to(self, device: str, *, non_blocking: bool = False) -> Tensor:
        """The tensor on a device: `"cpu"`, `"cuda"` (the first GPU), `"cuda:1"`; itself if there. Differentiable.

        non_blocking : do not wait for a copy from pinned memory, see `to_device`.
        """
        if device_backend(device).full_name(device) == self.device:
            return self
        return ops.to_device(self, device=device, non_blocking=non_blocking)

    def to_device(self, device: str, /, *, stream: None = None) -> Tensor:
        """The tensor on a device, as `to`: the Array API's name. There are no streams to choose."""
        if stream is not None:
            raise BackendError("to_device: a stream was given; work runs on the current one of its library. Give None.")
        return self.to(device)

    def cpu(self) -> Tensor:
        """The tensor in main memory."""
        return self.to("cpu")

    def cuda(self) -> Tensor:
        """The tensor on the first GPU; for another one see `to`."""
        return self.to("cuda")

    astype = ops.astype

    # Indexing

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, index=ops.indexing.plain_index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        if type(self.node) is Leaf and grad_enabled():
            raise GradientError(
                "x[i] = v: x is a leaf that requires a gradient and would be cut off from it. "
                "Assign to a copy of it (y = +x), or within no_grad()."
            )
        result = ops.set_item(self, value, index=ops.indexing.plain_index(index))
        self.data = result.data
        if type(self.node) is not Leaf:
            self.node = result.node

    # Operators

    __add__ = ops.add
    __sub__ = ops.subtract
    __mul__ = ops.multiply
    __truediv__ = ops.divide
    __pow__ = ops.power
    __matmul__ = ops.matmul
    __neg__ = ops.negative
    __pos__ = ops.positive
    __abs__ = ops.abs
    __lt__ = ops.less
    __le__ = ops.less_equal
    __gt__ = ops.greater
    __ge__ = ops.greater_equal
    __floordiv__ = ops.floor_divide
    __mod__ = ops.remainder
    __and__ = ops.bitwise_and
    __or__ = ops.bitwise_or
    __xor__ = ops.bitwise_xor
    __invert__ = ops.bitwise_invert
    __lshift__ = ops.bitwise_left_shift
    __rshift__ = ops.bitwise_right_shift

    __radd__ = _reflected(ops.add)
    __rsub__ = _reflected(ops.subtract)
    __rmul__ = _reflected(ops.multiply)
    __rtruediv__ = _reflected(ops.divide)
    __rpow__ = _reflected(ops.power)
    __rmatmul__ = _reflected(ops.matmul)
    __rfloordiv__ = _reflected(ops.floor_divide)
    __rmod__ = _reflected(ops.remainder)
    __rand__ = _reflected(ops.bitwise_and)
    __ror__ = _reflected(ops.bitwise_or)
    __rxor__ = _reflected(ops.bitwise_xor)
    __rlshift__ = _reflected(ops.bitwise_left_shift)
    __rrshift__ = _reflected(ops.bitwise_right_shift)

    def __eq__(self, other: object) -> Any:
        return NotImplemented if other is None else ops.equal(self, other)

    def __ne__(self, other: object) -> Any:
        return NotImplemented if other is None else ops.not_equal(self, other)

    # Elementwise

    abs = ops.abs
    exp = ops.exp
    expm1 = ops.expm1
    log = ops.log
    log1p = ops.log1p
    sqrt = ops.sqrt
    square = ops.square
    sign = ops.sign
    sin = ops.sin
    cos = ops.cos
    tanh = ops.tanh
    clip = ops.clip
    relu = ops.relu
    sigmoid = ops.sigmoid
    softmax = ops.softmax
    log_softmax = ops.log_softmax

    # Reductions and scans

    sum = ops.sum
    mean = ops.mean
    var = ops.var
    std = ops.std
    prod = ops.prod
    max = ops.max
    min = ops.min
    argmax = ops.argmax
    argmin = ops.argmin
    any = ops.any
    all = ops.all
    logsumexp = ops.logsumexp
    cumulative_sum = ops.cumulative_sum

    # Movement

    broadcast_to = ops.broadcast_to
    expand_dims = ops.expand_dims
    squeeze = ops.squeeze
    flatten = ops.flatten
    take = ops.take

    def reshape(self, *shape: Any) -> Tensor:
        """The tensor with another shape: `x.reshape(2, -1)` or `x.reshape((2, -1))`."""
        return ops.reshape(self, shape[0] if len(shape) == 1 else shape)

    def permute_dims(self, *axes: Any) -> Tensor:
        """The tensor with its axes in another order: `x.permute_dims(1, 0)` or `x.permute_dims((1, 0))`."""
        return ops.permute_dims(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)


def _rebuild(cls: type[Tensor], data: Any, requires_grad: bool) -> Tensor:
    tensor = wrap(data, Leaf(data) if requires_grad else None)
    return tensor if cls is Tensor else cls(tensor.data, requires_grad=requires_grad)


set_tensor_class(Tensor)
