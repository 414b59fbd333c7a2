"""Automatic differentiation for NumPy and CuPy arrays, and a neural-network library on top of it."""

from typing import TYPE_CHECKING, Any

from . import autodiff as autograd
from . import backends, fusion, kernels, memory, ops
from .core.autocast import autocast
from .core.domain import Interval
from .core.dtypes import (
    bfloat16 as _bfloat16,
)
from .core.dtypes import (
    bool_,
    complex64,
    complex128,
    default_dtype,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    set_default_dtype,
    uint8,
    uint16,
    uint32,
    uint64,
)  # fmt: skip
from .core.errors import (
    BackendError,
    BatchError,
    CaptureError,
    DeclarationError,
    DTypeError,
    GradientError,
    IndexingError,
    LoopWarning,
    OutOfMemoryError,
    ShapeError,
    StateError,
    TinygradLiteError,
)  # fmt: skip
from .core.graph import enable_grad, no_grad, set_grad_enabled
from .core.later import later
from .core.op import OPS, composite, kernel, primitive
from .core.precision import get_matmul_precision, set_matmul_precision
from .core.threads import get_num_threads, set_num_threads
from .fusion import fuse
from .interop.dlpack import from_dlpack
from .tensor import Tensor

# isort: split
from .ops import tensor  # after the file tensor.py, which would hide it

if TYPE_CHECKING:
    from . import cuda, data, fft, io, linalg, nn, optim, plots, regularizers, special, testing, train
    from .autodiff.capture import jit
    from .autodiff.estimators import stop_gradient, straight_through
    from .autodiff.recompute import checkpoint
    from .autodiff.sparse import jacobian_pattern, sparse_hessian, sparse_jacobian
    from .autodiff.transforms import gauss_newton_product, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
    from .autodiff.vectorize import vmap
    from .ops import *
    from .ops.datatypes import __array_namespace_info__
    from .optim import GradScaler

__version__ = "0.1.0"
__array_api_version__ = "2024.12"

LATER = {
    "autodiff.capture": "jit",
    "autodiff.estimators": "stop_gradient straight_through",
    "autodiff.recompute": "checkpoint",
    "autodiff.sparse": "jacobian_pattern sparse_hessian sparse_jacobian",
    "autodiff.transforms": "gauss_newton_product grad hessian hvp jacobian jvp value_and_grad vjp",
    "autodiff.vectorize": "vmap",
    "ops": " ".join(ops.__all__),
    "optim.grad_scaler": "GradScaler",
} | dict.fromkeys(
    ["cuda", "data", "fft", "io", "linalg", "nn", "optim", "plots", "regularizers", "special", "testing", "train"], ""
)
"""What not every program needs is imported when it is first used, see `core/later.py`."""

_attribute, __dir__ = later(__name__, LATER)


def __getattr__(name: str) -> Any:
    if name == "bool":  # the Array API's name; as a variable of this module it would hide Python's from importers of *
        return bool_
    if name == "bfloat16":  # of an extra
        return _bfloat16()
    plain = name.removesuffix("_loss")
    if plain != name and plain in ops.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; PyTorch's {name} is {plain!r} here")
    return _attribute(name)


if not TYPE_CHECKING:
    _HELPERS = {"LATER", "TYPE_CHECKING", "Any", "later", "cuda", "data", "io", "plots", "testing", "train"}
    __all__ = [name for name in __dir__() if not name.startswith("_") and name not in _HELPERS]
