"""Kernels for `ops/normalization.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import ops
from ...core.axes import axes_of
from ...core.op import kernel
from . import row_code as code
from .memory import scratch
from .row_code import in_rows, row_code
from .rows import dots, floats, ones, over_rows, sums

__all__ = ["layer_norm", "rms_norm"]


def _last_axes(x: Any, weight: Any = None, bias: Any = None, *, axis: Any = -1, eps: Any = 1e-5) -> bool:
    """The last axes of an array, and weights that fit; the definition explains what is wrong with others."""
    if not floats(x):
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


def _as_rows(x: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """x with its last axes as one, and their lengths."""
    shape = x.shape[x.ndim - (len(axis) if isinstance(axis, tuple) else 1) :]
    return x.reshape(-1, int(np.prod(shape))), shape


KEPT = 1 << 19
"""Elements up to which the normalised rows are kept: 0.74 of the time at (768, 128), 0.83 at (256, 1000)."""


ROWS, PARTS = 32, 16
"""The gradients of weights come from sums over the rows of parts: so many rows or more, and so many parts or fewer."""


def _by_code(
    made: Any, rows: Any, weight: Any, bias: Any, out: Any, means: Any, scales: Any, eps: float
) -> None:  # fmt: skip
    """Normalise by machine code; rows stand for a weight or a bias that is not there, and are not read."""
    x = in_rows(rows)
    w, b = (x[0] if a is None else np.ascontiguousarray(a) for a in (weight, bias))
    made(x, w, b, rows.shape[1], eps, out=(out, means[:, 0], scales[:, 0]))


def _scale_and_shift(normal: np.ndarray, weight: Any, bias: Any, out: np.ndarray) -> None:
    """normal * weight + bias in `out`, which may be `normal` itself."""
    if weight is not None:
        np.multiply(normal, weight, out=out)
    elif out is not normal:
        np.copyto(out, normal)
    if bias is not None:
        out += bias


# Forward and backward, with weight and bias, float32: machine code takes 0.31 of PyTorch's time at (8192, 1024).
# NumPy's calls, in processor time: 0.83 at (64, 128), 0.67 at (768, 128) and (8192, 1024). Eight rows as one where
# weight and bias are applied: 1.0 to 1.06.
@kernel(ops.layer_norm, "numpy", when=_last_axes)
def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, axis: Any = -1, eps: float = 1e-5) -> Any:
    """Keeps the means and the deviations' reciprocals, and the normalised rows if they are few."""
    rows, shape = _as_rows(x, axis)
    n, length = rows.shape
    out = np.empty(rows.shape, x.dtype)
    means, scales = np.empty((n, 1), x.dtype), np.empty((n, 1), x.dtype)
    w, b = (None if a is None else a.reshape(-1) for a in (weight, bias))
    made = row_code(code.normalised, x, True, weight is not None, bias is not None)
    if made is not None:
        _by_code(made, rows, w, b, out, means, scales, eps)
        return out.reshape(x.shape), (rows, None, means, scales, weight, shape)
    normals = np.empty(rows.shape, x.dtype) if rows.size <= KEPT else None

    def work(block: slice) -> None:
        o, mean, scale = out[block], means[block], scales[block]
        r = o if normals is None else normals[block]
        np.divide(sums(rows[block]), length, out=mean)
        np.subtract(rows[block], mean, out=r)
        np.divide(1, np.sqrt(dots(r, r) / length + eps), out=scale)
        r *= scale
        _scale_and_shift(r, w, b, o)

    over_rows(work, n, length)
    return out.reshape(x.shape), (rows, normals, means, scales, weight, shape)


@layer_norm.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    rows, normals, means, scales, weight, shape = saved

    def normal(block: slice, out: Any) -> Any:
        if normals is not None:
            return normals[block]
        np.subtract(rows[block], means[block], out=out)
        out *= scales[block]
        return out

    return _gradients(g, rows, means, scales, weight, shape, needs, normal, kept=normals is not None)


# Forward and backward, with weight: 0.95 at (32, 64), 0.92 at (64, 128), 0.76 at (768, 128), 0.60 at (8192, 1024).
@kernel(ops.rms_norm, "numpy", when=_last_axes)
def rms_norm(x: Any, weight: Any = None, *, axis: Any = -1, eps: float | None = None) -> Any:
    """As `layer_norm`, without means."""
    rows, shape = _as_rows(x, axis)
    n, length = rows.shape
    out, scales = np.empty(rows.shape, x.dtype), np.empty((n, 1), x.dtype)
    w = None if weight is None else weight.reshape(-1)
    added = float(np.finfo(x.dtype).eps) if eps is None else eps
    made = row_code(code.normalised, x, False, weight is not None, False)
    if made is not None:
        _by_code(made, rows, w, None, out, np.empty_like(scales), scales, added)
        return out.reshape(x.shape), (rows, None, scales, weight, shape)
    normals = np.empty(rows.shape, x.dtype) if rows.size <= KEPT else None

    def work(block: slice) -> None:
        z, o, scale = rows[block], out[block], scales[block]
        r = o if normals is None else normals[block]
        np.divide(1, np.sqrt(dots(z, z) / length + added), out=scale)
        np.multiply(z, scale, out=r)
        _scale_and_shift(r, w, None, o)

    over_rows(work, n, length)
    return out.reshape(x.shape), (rows, normals, scales, weight, shape)


@rms_norm.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    rows, normals, scales, weight, shape = saved

    def normal(block: slice, out: Any) -> Any:
        if normals is not None:
            return normals[block]
        return np.multiply(rows[block], scales[block], out=out)

    return _gradients(g, rows, None, scales, weight, shape, needs, normal, kept=normals is not None)


def _gradients(
    g: Any, rows: Any, means: Any, scales: Any, weight: Any, shape: tuple[int, ...], needs: tuple[bool, ...],
    normal: Any, *, kept: bool,
) -> tuple:  # fmt: skip
    """The gradients of rows times weight plus bias, where the rows are normalised; those of the weights block by block.

    means : None where they were not subtracted. kept : whether the normalised rows were.
    normal : from a block and an array to the normalised rows, in that array unless they were kept.
    """
    (n, length), centred, made = rows.shape, means is not None, None
    if needs[0] and not kept:
        made = row_code(code.normalised_rule, rows, centred, weight is not None, needs[1], needs[2:] == (True,))
    if made is not None:
        return _gradients_by_code(made, g, rows, means, scales, weight, shape)[: len(needs)]
    ups = np.ascontiguousarray(g).reshape(n, length)
    w = ones(length, rows.dtype) if weight is None else weight.reshape(-1)
    of_x = np.empty(rows.shape, rows.dtype) if needs[0] else None
    wanted = (*needs, False)
    parts: dict[int, tuple[Any, Any]] = {}

    def work(block: slice) -> None:
        up, scale = ups[block], scales[block]
        every, other = ones(len(up), up.dtype), scratch("row", up.shape, up.dtype)
        result = scratch("normal", up.shape, up.dtype) if of_x is None else of_x[block]
        r = normal(block, result)
        # Sums along both axes are products with vectors: 0.4 of the time of `einsum` and `reduce`.
        np.multiply(up, r, out=other)
        parts[block.start] = every @ other if wanted[1] else None, every @ up if wanted[2] else None
        if of_x is None:
            return
        inner = np.matmul(other, w)[:, None]
        np.multiply(r, inner / -length, out=result)
        result += up if weight is None else np.multiply(up, w, out=other)
        if centred:
            result -= np.matmul(up, w)[:, None] / length
        result *= scale

    blocks = over_rows(work, n, length)
    of_weight, of_bias = (
        sum(parts[block.start][i] for block in blocks).reshape(shape) if wanted[i + 1] else None for i in range(2)
    )
    found = (None if of_x is None else of_x.reshape(g.shape), of_weight, of_bias)
    return found[: len(needs)]


def _gradients_by_code(
    made: Any, g: Any, rows: Any, means: Any, scales: Any, weight: Any, shape: tuple[int, ...]
) -> tuple:
    """Machine code adds to the sums over the rows of a part as it goes, which are inputs that it writes."""
    ups, x, (n, length) = in_rows(g.reshape(rows.shape)), in_rows(rows), rows.shape
    w = x[0] if weight is None else np.ascontiguousarray(weight.reshape(-1))
    of_x, shifts = np.empty(rows.shape, rows.dtype), scales if means is None else means
    parts = max(min(n // ROWS, PARTS), 1)
    whole = n - n % parts
    sums = np.zeros((2, parts + (whole < n), length), rows.dtype)
    for cut, own in ((slice(whole), slice(parts)), (slice(whole, n), slice(parts, None))):
        if own.start is None or whole < n:
            count = parts if own.start is None else 1
            given = [a[cut].reshape(count, -1, *a.shape[1:]) for a in (ups, x, shifts[:, 0], scales[:, 0], of_x)]
            made(*given[:2], w, *given[2:4], length, *sums[:, own], out=given[4])
    of_weight, of_bias = np.add.reduce(sums, axis=1).reshape(2, *shape)
    return of_x.reshape(g.shape), of_weight, of_bias
