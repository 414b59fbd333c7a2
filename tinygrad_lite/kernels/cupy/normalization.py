"""Kernels for `ops/normalization.py`."""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...core.axes import axes_of, wrong_axis
from ...core.op import kernel
from ...cuda.module import cupy
from ...cuda.source import CudaSource
from .rows import TYPES, Rows, accumulator, dense, floats, parameters_fit, type_of

__all__ = ["layer_norm", "rms_norm", "summed"]

SOURCE = CudaSource(__file__, [{"T": T} for T in TYPES])

BLOCKS = 264
"""Blocks that the backward has at most, each of which makes a row of partial sums: two on each processor of an H100.

Not asked of the device, so that results are equal on all.
"""


def _last_axes(x: Any, weight: Any = None, bias: Any = None, *, axis: Any = -1, eps: Any = 1e-5) -> bool:
    """The last axes of an array, and weights that fit; the definition explains what is wrong with others."""
    if not floats(x) or isinstance(axis, bool) or wrong_axis(x.ndim, axis) is not None:
        return False
    axes = axes_of(axis, x.ndim)
    if not axes or sorted(axes) != list(range(x.ndim - len(axes), x.ndim)):
        return False
    return parameters_fit(x, x.shape[x.ndim - len(axes) :], weight, bias)


def _forward(x: Any, weight: Any, bias: Any, axis: Any, eps: float, centred: bool) -> tuple[Any, tuple]:
    n = math.prod(x.shape[x.ndim - len(axes_of(axis, x.ndim)) :])
    rows, kind = x.size // n, accumulator(x)
    x, weight, bias = (None if a is None else dense(a) for a in (x, weight, bias))
    out = cupy().empty(x.shape, x.dtype)
    means, scales = cupy().empty(rows, kind) if centred else None, cupy().empty(rows, kind)
    args = (x, weight, bias, out, means, scales, kind.type(eps), rows, n)
    Rows.plan(rows, n, x, weight, bias, out).launch(SOURCE(T=type_of(x)), "forward", *args)
    return out, (x, weight, bias, means, scales)


def _backward(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    """The gradients of the input, the weight and the bias, of those that are needed."""
    x, weight, bias, means, scales = saved
    g = dense(g.astype(x.dtype, copy=False))
    rows = scales.size
    n = x.size // rows
    module, kind, wanted = SOURCE(T=type_of(x)), accumulator(x), (*needs, False, False)
    of_x = cupy().empty(x.shape, x.dtype) if wanted[0] else None
    plan = Rows.plan(rows, n, g, x, weight, of_x)
    held = not plan.kind.endswith("long")
    plan = plan._replace(blocks=min(plan.blocks, BLOCKS if plan.lanes > 32 else 2 * BLOCKS)) if held else plan
    parts = plan.blocks if held else min(rows, BLOCKS)
    sums = [cupy().empty((parts, n), kind) if needed else None for needed in wanted[1:3]]
    if held or of_x is not None:
        plan.launch(module, "backward", g, x, weight, means, scales, of_x, *sums, rows, n)
    if not any(wanted[1:3]):
        return of_x, None, None
    if not held:
        module.launch("long_columns", (-(-n // 256), parts), 256, (g, x, means, scales, *sums, rows, n))
    return of_x, *summed(x, sums, parts, weight, bias)


def summed(x: Any, sums: list[Any], parts: int, weight: Any, bias: Any) -> list[Any]:
    """The gradients of a weight and a bias, in the dtype of x, from `parts` rows of partial sums of each or None."""
    found = [
        None if part is None else cupy().empty(given.shape, x.dtype)
        for part, given in zip(sums, (weight, bias), strict=True)
    ]
    n = next(given.size for given in found if given is not None)
    SOURCE(T=type_of(x)).launch("summed", (-(-n // 32), 2), 256, (*sums, *found, parts, n))
    return found


@kernel(ops.layer_norm, "cupy", when=_last_axes)
def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, axis: Any = -1, eps: float = 1e-5) -> Any:
    """Keeps the means and the deviations' reciprocals."""
    return _forward(x, weight, bias, axis, eps, centred=True)


@layer_norm.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    return _backward(g, saved, needs)


@kernel(ops.rms_norm, "cupy", when=_last_axes)
def rms_norm(x: Any, weight: Any = None, *, axis: Any = -1, eps: float | None = None) -> Any:
    """As `layer_norm`, without means."""
    if eps is None:
        eps = float(cupy().finfo(x.dtype).eps) if x.dtype.kind == "f" else 2.0**-7
    return _forward(x, weight, None, axis, eps, centred=False)


@rms_norm.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    return _backward(g, saved, needs)[:2]
