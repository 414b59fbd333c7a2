"""Linear and bilinear maps of vectors, with weights laid out as those of layers."""

from __future__ import annotations

from ..core.axes import shape_of
from ..core.errors import ShapeError
from ..core.op import Array, composite
from .movement import expand_dims, matrix_transpose, permute_dims, reshape, squeeze
from .products import matmul

__all__ = ["bilinear", "linear"]


@composite(shapes="any")
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Linear map of vectors, x weight^T + bias.

    x : (..., n_in). weight : (n_out, n_in), or (n_in,) for one output without an axis. bias : (n_out,), () or None.
    Raises ShapeError for shapes that do not fit.

    >>> linear(np.array([1.0, 2.0]), np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([0.5, 0.0]))
    array([3.5, 2. ])
    """
    own, shape = shape_of(x), shape_of(weight)
    if not own or len(shape) not in (1, 2) or own[-1] != shape[-1]:
        raise ShapeError(f"linear: x is {own} and weight is {shape}; they must be (..., n_in) and (n_out, n_in).")
    if bias is not None and shape_of(bias) != shape[:-1]:
        raise ShapeError(f"linear: bias is {shape_of(bias)} and weight is {shape}; bias must be {shape[:-1]}.")
    out = matmul(x, matrix_transpose(weight) if len(shape) == 2 else weight)
    return out if bias is None else out + bias


@composite(shapes="any")
def bilinear(x: Array, y: Array, weight: Array, bias: Array | None = None) -> Array:
    """Bilinear map of pairs of vectors, x^T weight[o] y + bias[o] for each output o.

    x : (..., n). y : (..., m), with the same axes in front. weight : (n_out, n, m). bias : (n_out,) or None.
    Raises ShapeError for shapes that do not fit.

    >>> bilinear(np.array([1.0, 2.0]), np.array([3.0]), np.array([[[1.0], [1.0]], [[0.0], [1.0]]]))
    array([9., 6.])
    """
    own, other, shape = shape_of(x), shape_of(y), shape_of(weight)
    if len(shape) != 3 or not own or not other or own[:-1] != other[:-1] or (own[-1], other[-1]) != shape[1:]:
        raise ShapeError(
            f"bilinear: x is {own}, y is {other} and weight is {shape}; they must be (..., n), (..., m) and "
            f"(n_out, n, m)."
        )
    if bias is not None and shape_of(bias) != shape[:1]:
        raise ShapeError(f"bilinear: bias is {shape_of(bias)} and weight is {shape}; bias must be {shape[:1]}.")
    outputs, n, m = shape
    # One product with all of weight, and one with y: what lies between is (..., n_out, m).
    between = matmul(x, reshape(permute_dims(weight, (1, 0, 2)), (n, outputs * m)))
    out = squeeze(matmul(reshape(between, (*own[:-1], outputs, m)), expand_dims(y, axis=-1)), axis=-1)
    return out if bias is None else out + bias
