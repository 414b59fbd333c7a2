"""Kernels for `ops/convolution.py` and `ops/windows.py`: products of matrices with the elements under each window.

Convolutions are cuDNN's where it is installed and takes them, see `cudnn_convolution.py`.
"""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...core.backend import backend_of
from ...core.op import kernel
from ...cuda.source import CudaSource, c_type
from ...ops.windows import Geometry, batch_first, batch_last, fold_nd, geometry, unfold_nd
from .cudnn_convolution import by_cudnn

__all__ = ["convolve_nd", "convolve_nd_input", "convolve_nd_weight", "fold", "unfold"]

FLOATS = ("float16", "bfloat16", "float32", "float64")

SOURCE = CudaSource(
    __file__, [{"T": c_type(dtype), "INDEX": index} for dtype in FLOATS for index in ("u32", "i64")]
)  # fmt: skip

THREADS = 256
BLOCKS = 1 << 16
"""The most blocks of a launch; each thread of more does several elements."""


def columns(x: Any, windows: Geometry) -> Any:
    """The elements under each window: x (c, *image, n) becomes (c, *kernel, *out, n)."""
    xp, n = backend_of(x).xp, x.shape[-1]
    result = xp.empty((x.shape[0], *windows.kernel, *windows.out, n), x.dtype)
    width = 16 // x.itemsize
    strides = [stride // x.itemsize for stride in x.strides]
    packed = strides[-1] == 1 and not any(k % width for k in (n, *strides[:-1])) and x.data.ptr % 16 == 0
    channel, *axes, batch = strides
    numbers = (channel, *[0] * (3 - len(axes)), *axes, batch)
    _launch("columns", packed, x, result, n, numbers, windows)
    return result


def images(x: Any, windows: Geometry) -> Any:
    """The adjoint of `columns`: elements added where they came from, (c, *kernel, *out, n) becomes (c, *image, n)."""
    xp, n = backend_of(x).xp, x.shape[-1]
    x = xp.ascontiguousarray(x)
    result = xp.empty((x.shape[0], *windows.image, n), x.dtype)
    packed = n % (16 // x.itemsize) == 0 and x.data.ptr % 16 == 0
    _launch("images", packed, x, result, n, (), windows)
    return result


def _launch(name: str, packed: bool, x: Any, result: Any, n: int, numbers: tuple, windows: Geometry) -> None:
    width = 16 // x.itemsize if packed else 1
    args = (x, result, result.size // width, n // width, *numbers, *described(windows))
    chosen = SOURCE(T=c_type(x.dtype), INDEX=index_type(max(x.size, result.size)))
    chosen.launch(f"{name}_packed" if packed else name, blocks_for(result.size // width), THREADS, args)


def blocks_for(elements: int) -> int:
    """Blocks of `THREADS` threads for so many elements."""
    return min(math.ceil(elements / THREADS), BLOCKS)


def index_type(elements: int) -> str:
    """What counts so many elements; a step of all threads beyond the last must not wrap around."""
    return "u32" if elements + BLOCKS * THREADS < 1 << 32 else "i64"


def described(windows: Geometry) -> list[int]:
    """The windows as `windows.cuh` takes them; axes that are missing have one element."""
    before = [before for before, _ in windows.padding]
    sizes = (windows.image, windows.kernel, windows.out, windows.stride, before, windows.dilation)
    filled = [(0 if each is before else 1,) * (3 - len(each)) + tuple(each) for each in sizes]
    return [number for each in filled for number in each]


def _single(windows: Geometry) -> bool:
    """Whether each window is one element, and each element one window."""
    return math.prod(windows.kernel) == 1 and windows.out == windows.image == windows.padded


def _matrices(x: Any, windows: Geometry, groups: int) -> Any:
    """The windows' elements of images (n, c, *image) as matrices (groups, c / groups * kernel, out * n)."""
    xp = backend_of(x).xp
    last = batch_last(xp, x)
    if not _single(windows):
        last = columns(last, windows)
    return xp.reshape(last, (groups, *windows.matrix(x.shape[1] // groups, x.shape[0])))


def _known(x: Any, y: Any, **statics: Any) -> bool:
    return _known_alone(x) and getattr(y, "dtype", None) == x.dtype and y.size > 0


def _known_alone(x: Any, **statics: Any) -> bool:
    return getattr(getattr(x, "dtype", None), "name", None) in FLOATS and x.size > 0


@kernel(ops.convolve_nd, "cupy", when=_known)
def convolve_nd(x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """One launch for the windows' elements and one product for each group; none for windows of one element."""
    xp = backend_of(x).xp
    windows = geometry(tuple(x.shape[2:]), tuple(w.shape[2:]), stride, padding, dilation)
    found = by_cudnn("conv_fprop", x, w, (x.shape[0], w.shape[0], *windows.out), windows)
    if found is not None:
        return found
    filters = xp.reshape(w, (groups, w.shape[0] // groups, -1))
    products = ops.matmul(filters, _matrices(x, windows, groups))
    return batch_first(xp, xp.reshape(products, (w.shape[0], *windows.out, x.shape[0])))


@kernel(ops.convolve_nd_input, "cupy", when=_known)
def convolve_nd_input(y: Any, w: Any, *, image: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """One product for each group, and one launch that adds the windows' elements."""
    xp = backend_of(y).xp
    windows = geometry(tuple(image), tuple(w.shape[2:]), stride, padding, dilation)
    by_library = by_cudnn("conv_dgrad", y, w, (y.shape[0], w.shape[1] * groups, *windows.image), windows)
    if by_library is not None:
        return by_library
    filters = xp.reshape(w, (groups, w.shape[0] // groups, -1))
    cotangents = xp.reshape(batch_last(xp, y), (groups, w.shape[0] // groups, -1))
    found = ops.matmul(xp.swapaxes(filters, 1, 2), cotangents)
    shape = (w.shape[1] * groups, *windows.kernel, *windows.out, y.shape[0])
    if _single(windows):
        return batch_first(xp, xp.reshape(found, (shape[0], *windows.image, y.shape[0])))
    return batch_first(xp, images(xp.reshape(found, shape), windows))


@kernel(ops.convolve_nd_weight, "cupy", when=_known)
def convolve_nd_weight(y: Any, x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """As `convolve_nd`, with the product of the cotangents and the transposed elements."""
    xp = backend_of(y).xp
    windows = geometry(tuple(x.shape[2:]), tuple(kernel), stride, padding, dilation)
    found = by_cudnn("conv_wgrad", x, y, (y.shape[1], x.shape[1] // groups, *windows.kernel), windows)
    if found is not None:
        return xp.ascontiguousarray(found)  # in the order of the filters
    cotangents = xp.reshape(batch_last(xp, y), (groups, y.shape[1] // groups, -1))
    products = ops.matmul(cotangents, xp.swapaxes(_matrices(x, windows, groups), 1, 2))
    return xp.reshape(products, (y.shape[1], x.shape[1] // groups, *windows.kernel))


@kernel(unfold_nd, "cupy", when=_known_alone)
def unfold(x: Any, *, kernel_size: Any, stride: Any, dilation: Any) -> Any:
    """One launch."""
    xp, (n, c), image = backend_of(x).xp, x.shape[:2], tuple(x.shape[2:])
    windows = geometry(image, tuple(kernel_size), tuple(stride), ((0, 0),) * len(image), tuple(dilation))
    found = columns(xp.reshape(x, (n * c, *image, 1)), windows)
    return xp.reshape(found, (n, c, *windows.kernel, *windows.out))


@kernel(fold_nd, "cupy", when=_known_alone)
def fold(x: Any, *, image: Any, stride: Any, dilation: Any) -> Any:
    """One launch."""
    xp, (n, c), axes = backend_of(x).xp, x.shape[:2], len(image)
    sizes = tuple(x.shape[2 : 2 + axes])
    windows = geometry(tuple(image), sizes, tuple(stride), ((0, 0),) * axes, tuple(dilation))
    found = images(xp.reshape(x, (n * c, *x.shape[2:], 1)), windows)
    return xp.reshape(found, (n, c, *image))
