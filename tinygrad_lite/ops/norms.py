"""Norms of vectors and matrices."""

from __future__ import annotations

from math import inf
from typing import Any

from ..core.axes import Axis, axes_of, shape_of, wrong_axis
from ..core.dtypes import is_complex, is_floating
from ..core.errors import ShapeError
from ..core.op import Array, composite, primitive
from .comparison import equal, not_equal, where
from .complex import real
from .conversion import astype
from .decompositions import svdvals
from .elementwise import abs, power
from .movement import expand_dims, permute_dims
from .reductions import max, min, spread, sum
from .solving import floating, inv

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]


def _unit(x: Array, out: Array, axis: Axis, keepdims: bool) -> Array:
    """x over its norm, 0 where that is 0."""
    length = spread(out, x.shape, axis, keepdims)
    zero = equal(length, 0.0)
    return where(zero, 0.0, x / where(zero, 1.0, length))


def _lp_rule(g: Array, x: Array, out: Array, p: float, axis: Axis, keepdims: bool) -> Array:
    unit = _unit(x, out, axis, keepdims)
    g = spread(g, x.shape, axis, keepdims)
    if p == 2:
        return g * unit
    # At a zero element the derivative is 0 for p > 1, and the element of least norm for p <= 1.
    zero = equal(unit, 0.0)
    return g * where(zero, 0.0, unit * power(where(zero, 1.0, abs(unit)), p - 2.0))


def _explain_lp(x: Array, *, p: float, axis: Axis, **_: Any) -> str | None:
    message = wrong_axis(len(shape_of(x)), axis)
    return message and f"x is {shape_of(x)}; {message}"


@primitive(x=_lp_rule, shapes="any", explain=_explain_lp, autocast="float32")
def lp_norm(xp, x: Array, *, p: float, axis: Axis = None, keepdims: bool = False) -> Array:
    """The norm (sum of |x|^p)^(1/p), with derivative 0 at 0.

    >>> float(lp_norm(np.array([3.0, 4.0]), p=2))
    5.0
    """
    x = floating(xp, x)
    if p == 2:
        x = xp.abs(x) if is_complex(x.dtype) else x
        return xp.sqrt(xp.sum(x * x, axis=axis, keepdims=keepdims))
    return xp.sum(xp.abs(x) ** p, axis=axis, keepdims=keepdims) ** (1.0 / p)


@composite(shapes="any", autocast="float32")
def vector_norm(x: Array, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Array:
    """Norm of vectors, (sum of |x|^ord)^(1/ord).

    axis : the axis, or several, along which the vectors lie; all by default.
    ord : any number but 0, for which the elements that are not 0 are counted; `inf` for the largest |x|, `-inf` for
        the smallest.
    The derivative at 0 is 0. Raises ShapeError for an axis that is not there.

    >>> float(vector_norm(np.array([3.0, -4.0])))
    5.0
    """
    if axis is not None:
        axes_of(axis, len(shape_of(x)), "vector_norm")
    x = x if is_floating(x.dtype) else astype(x, "float64")
    if ord in (inf, -inf):
        return (max if ord > 0 else min)(abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return sum(astype(not_equal(x, 0.0), real(x).dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return sum(abs(x), axis=axis, keepdims=keepdims)
    return lp_norm(x, p=ord, axis=axis, keepdims=keepdims)


@composite(shapes="any", autocast="float32")
def matrix_norm(x: Array, *, keepdims: bool = False, ord: float | str | None = "fro") -> Array:
    """Norm of matrices.

    x : (..., m, n), result (...), or (..., 1, 1) with `keepdims`.
    ord : `"fro"`, the root of the sum of squares; `"nuc"`, the sum of the singular values; 2 and -2, the largest and
        smallest of them; 1 and -1, the largest and smallest sum of |x| over a column; `inf` and `-inf`, over a row.
    The norm of empty matrices is 0. At a kink the derivative is the element of least norm; of the Frobenius and nuclear
    norm it is 0 at 0.
    Raises ShapeError for fewer than two axes, another `ord`, or a smallest element of none.

    >>> float(matrix_norm(np.array([[3.0, 0.0], [0.0, -4.0]]), ord="nuc"))
    7.0
    """
    shape = shape_of(x)
    if len(shape) < 2:
        raise ShapeError(f"matrix_norm: x is {shape}; at least two axes are required.")
    if ord is None or ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        reduce = sum if ord == "nuc" or (ord == 2 and 0 in shape[-2:]) else max if ord == 2 else min
        out = reduce(svdvals(x), axis=-1, keepdims=keepdims)
        return expand_dims(out, axis=-1) if keepdims else out
    if ord in (1, -1, inf, -inf):
        x = x if is_floating(x.dtype) else astype(x, "float64")
        reduce = min if ord < 0 else sum if 0 in shape[-2:] else max
        first, second = (-2, -1) if ord in (1, -1) else (-1, -2)
        return reduce(sum(abs(x), axis=first, keepdims=True), axis=(first, second), keepdims=keepdims)
    raise ShapeError(f"matrix_norm: ord is {ord!r}; it must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.")


@composite(shapes="any", autocast="float32")
def norm(x: Array, *, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """NumPy's norm: of all elements without `ord` and `axis`; of vectors along one axis; of matrices along two.

    ord : as for `vector_norm` and `matrix_norm`; 2 or `"fro"` if None.

    >>> float(norm(np.array([[3.0, 0.0], [0.0, -4.0]])))
    5.0
    """
    ndim = len(shape_of(x))
    if ord is None:
        return vector_norm(x, axis=axis, keepdims=keepdims)
    axes = axes_of(axis, ndim, "norm")
    if len(axes) == 1:
        if isinstance(ord, str):
            raise ShapeError(f"norm: ord is {ord!r}, a norm of matrices, and axis {axes[0]} is one axis; name two.")
        return vector_norm(x, axis=axes[0], keepdims=keepdims, ord=ord)
    if len(axes) != 2:
        raise ShapeError(f"norm: x is {shape_of(x)}, axis={axis} and ord={ord!r}; name one axis or two.")
    rest = tuple(i for i in range(ndim) if i not in axes)
    out = matrix_norm(permute_dims(x, (*rest, *axes)), ord=ord)
    return expand_dims(out, axis=tuple(sorted(axes))) if keepdims else out


@composite(shapes="any")
def cond(x: Array, *, p: float | str | None = None) -> Array:
    """Condition number of matrices, the norm of each times the norm of its inverse; infinite for singular ones.

    x : (..., n, n), result (...); for `p` None, 2 or -2 also (..., m, n), the ratio of the singular values.
    p : the norm, an `ord` of `matrix_norm`; 2 if None.
    Raises ShapeError for other norms if a matrix is not square or is singular.

    >>> print(f"{cond(np.array([[4.0, 0.0], [0.0, 2.0]])):.9f}")
    2.000000000
    """
    if p in (None, 2, -2):
        s = svdvals(x)
        ends = max(s, axis=-1), min(s, axis=-1)
        above, below = ends if p != -2 else ends[::-1]
        singular = equal(below, 0.0)
        return where(singular, inf, above / where(singular, 1.0, below))
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)
