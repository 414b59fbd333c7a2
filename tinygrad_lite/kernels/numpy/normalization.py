"""Kernels for `ops/normalization.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...core.axes import axes_of
from ...core.op import kernel

__all__ = ["layer_norm"]


def _last_axes(x: Any, weight: Any = None, bias: Any = None, *, axis: Any = -1, eps: float = 1e-5) -> bool:
    """The last axes of an array, and weights that fit; the definition explains what is wrong with others."""
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or x.size == 0:
        return False
    count = len(axis) if isinstance(axis, tuple) else 1
    if axis not in (-1, x.ndim - 1) and (
        not isinstance(axis, tuple)
        or not set(axis) <= set(range(-x.ndim, x.ndim))
        or sorted(axes_of(axis, x.ndim)) != list(range(x.ndim - count, x.ndim))
    ):
        return False
    expected = x.shape[x.ndim - count :]
    return 0 < count <= x.ndim and all(
        a is None or (isinstance(a, np.ndarray) and a.shape == expected and a.dtype == x.dtype) for a in (weight, bias)
    )


# Forward and backward, with weight and bias, float32: 0.57 at (64, 10), 0.60 at (256, 1000), 0.43 at (2048, 1024).
@kernel(ops.layer_norm, "numpy", when=_last_axes)
def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, axis: Any = -1, eps: float = 1e-5) -> Any:
    """Rows in one array; keeps the normalised rows and the deviations' reciprocals."""
    shape = x.shape[x.ndim - (len(axis) if isinstance(axis, tuple) else 1) :]
    length = int(np.prod(shape))
    rows = x.reshape(-1, length)
    normal = rows - rows.mean(axis=1, keepdims=True)
    scale = 1 / np.sqrt(np.vecdot(normal, normal)[:, None] / length + eps)
    normal *= scale
    out = normal if weight is None else normal * weight.reshape(-1)
    if bias is not None:
        out = out + bias.reshape(-1) if weight is None else np.add(out, bias.reshape(-1), out=out)
    return out.reshape(x.shape), (normal, scale, weight, shape)


@layer_norm.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    normal, scale, weight, shape = saved
    rows = g.reshape(normal.shape)
    of_x = of_weight = of_bias = None
    if len(needs) > 1 and needs[1]:
        of_weight = np.einsum("ij,ij->j", rows, normal).reshape(shape)
    if len(needs) > 2 and needs[2]:
        of_bias = rows.sum(axis=0).reshape(shape)
    if needs[0]:
        inner = rows if weight is None else rows * weight.reshape(-1)
        length = normal.shape[1]
        of_x = normal * (np.vecdot(inner, normal)[:, None] / -length)
        of_x += inner
        of_x -= inner.mean(axis=1, keepdims=True)
        of_x *= scale
        of_x = of_x.reshape(g.shape)
    return of_x, of_weight, of_bias
