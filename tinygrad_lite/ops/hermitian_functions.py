"""Functions of the eigenvalues of Hermitian matrices and of the singular values of any: V f(w) V^H and U f(S) V^H.

Written with `eigh` or `svd`, such a function has an incomplete derivative where values repeat: it needs f' there, which
the derivatives by w and V do not contain. Here f is known. The k-th derivative in the directions D1 ... Dk is, in the
basis of eigenvectors, the sum over all orders of the D of

    sum over the indices between i and j of f[w_i, w_a, ..., w_j] D1[i, a] D2[a, b] ... Dk[.., j]

where f[...] is the divided difference; of k + 1 equal arguments it is f^(k) / k!. The expression is symmetric in the
directions and the cotangent: its derivative by a direction is the same with the cotangent in place of that direction,
its derivative by the matrix the same with the cotangent as one more direction. So one operation has every order.

Source: Y. Daleckii and S. Krein, AMS Translations 47, 1965; R. Bhatia, Matrix Analysis, 1997, section V.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import numpy

from ..core.axes import shape_of
from ..core.errors import GradientError, ShapeError
from ..core.graph import Handle, Leaf, set_grad_enabled, wrap
from ..core.op import Array, composite, primitive
from ..core.sweep import stand_in, sweep
from .comparison import greater, less, less_equal, logical_not, logical_or, where
from .creation import ones_like, zeros_like
from .decompositions import dilation
from .eigenvalues import epsilon, hermitian
from .elementwise import abs, negative, positive
from .joining import stack
from .movement import broadcast_to, expand_dims, reshape
from .products import matmul
from .reductions import sum
from .solving import adjoint, floating, not_square, require_square
from .sorting import sort

__all__ = ["hermitian_function", "singular_value_function"]


def gauss_rule(count: int) -> tuple[list[float], list[float]]:
    """Nodes and weights of Gauss's rule for integrals from 0 to 1."""
    nodes, weights = numpy.polynomial.legendre.leggauss(count)
    return (nodes / 2 + 0.5).tolist(), (weights / 2).tolist()


NODES, WEIGHTS = gauss_rule(6)

AT_ONCE = 1 << 16
"""Up to so many elements the function is called once with all nodes, instead of once for each."""


def slope(function: Callable) -> Callable:
    """The derivative of an elementwise function, a function of arrays or Tensors too."""

    def derivative(z: Array) -> Array:
        outer = z.node if isinstance(z, Handle) else None
        array = z.data if isinstance(z, Handle) else z
        with set_grad_enabled(True):
            point = wrap(array, Leaf(array)) if outer is None else stand_in(array, outer)
            out = function(point)
        if not isinstance(out, Handle) or out.node is None:
            return zeros_like(z)
        again = outer is not None
        one = ones_like(out.data)
        root = (out.node, wrap(one, None) if again else one)
        (g,) = sweep([root], [point.node], create_graph=again, retain_graph=again)
        return zeros_like(z) if g is None else g

    return derivative


# Divided differences


def value_at(function: Callable, z: Array) -> Array:
    """The function at an array, an array of its shape."""
    value = function(z)
    if isinstance(value, Handle):
        if value.node is not None:
            raise GradientError(
                "hermitian_function: the function uses a Tensor that requires a gradient, and would get none; "
                "give it x.detach(), or write it as a function of the matrix."
            )
        value = value.data
    if shape_of(value) not in ((), shape_of(z)):
        raise ShapeError(
            f"hermitian_function: the function made {shape_of(value)} of {shape_of(z)}; it must be elementwise."
        )
    return value if shape_of(value) == shape_of(z) else value * ones_like(z)


def divided_difference(function: Callable, points: Array) -> tuple[Array, Array]:
    """f[z_0, ..., z_k] for the z along the last axis, which ascend, and an estimate of its rounding error.

    Where the z are apart it is the recursive quotient, else the integral of f^(k) over their convex hull (Genocchi and
    Hermite), by Gauss's rule. The quotient loses digits as the z come closer and the integral is exact then: the
    integral is taken where it agrees with the quotient as well as rounding lets it.
    """
    rounding = epsilon(points.dtype)
    if points.shape[-1] == 1:
        value = value_at(function, points[..., 0])
        return value, 4.0 * rounding * abs(value)
    upper, error = divided_difference(function, points[..., 1:])
    lower, other = divided_difference(function, points[..., :-1])
    gap = points[..., -1] - points[..., 0]
    apart = greater(gap, 0.0)
    gap = where(apart, gap, 1.0)
    quotient, error = (upper - lower) / gap, (error + other) / gap
    mean = hull_mean(function, points)
    better = logical_or(logical_not(apart), less_equal(abs(quotient - mean), 4.0 * error))
    return where(better, mean, quotient), where(better, 4.0 * rounding * abs(mean), error)


def hull_mean(function: Callable, points: Array) -> Array:
    """The integral of f^(k) over the simplex whose corners are mapped to the k + 1 points along the last axis."""
    k = points.shape[-1] - 1
    if not k:
        return value_at(function, points[..., 0])
    last, rest = points[..., -1:], points[..., :-1]
    derivative, total = slope(function), 0.0
    inner = [last + node * (rest - last) for node in NODES]
    if points.size <= AT_ONCE:
        together = hull_mean(derivative, stack(inner, axis=0))
        means = [together[i, ...] for i in range(len(NODES))]
    else:
        means = [hull_mean(derivative, z) for z in inner]
    for node, weight, mean in zip(NODES, WEIGHTS, means, strict=True):
        total = total + weight * node ** (k - 1) * mean
    return total


def table(function: Callable, w: Array, order: int) -> Array:
    """f[w_i, w_j, ...] for all `order` + 1 indices, along as many axes."""
    *front, n = w.shape
    axes = order + 1
    shape = (*front, *[n] * axes)
    copies = [
        broadcast_to(reshape(w, (*front, *(n if i == axis else 1 for i in range(axes)))), shape) for axis in range(axes)
    ]
    return divided_difference(function, sort(stack(copies, axis=-1), axis=-1))[0]


# Functions of Hermitian matrices


def _explain(*arrays: Array, **_: Any) -> str | None:
    x = arrays[0]
    return not_square(x) or f"x is {shape_of(x)}; the eigenvalues were not found. Are all elements finite?"


def _rule(g: Array, arrays: Sequence[Array], function: Callable) -> list[Array]:
    x, *directions = arrays
    by_directions = [
        hermitian_derivative([x, *directions[:i], g, *directions[i + 1 :]], function=function)
        for i in range(len(directions))
    ]
    return [hermitian_derivative([*arrays, g], function=function), *by_directions]


@primitive(arrays=_rule, holomorphic=False, shapes="any", explain=_explain)
def hermitian_derivative(xp, *arrays: Array, function: Callable) -> Array:
    """The k-th derivative of `hermitian_function` at the first matrix in the directions of the k others.

    arrays : (..., n, n) each; their Hermitian parts are taken. Memory and work grow as n^(k + 1).

    >>> hermitian_derivative([np.eye(2), np.ones((2, 2))], function=lambda w: w**3)
    array([[3., 3.],
           [3., 3.]])
    """
    x, *directions = (hermitian(floating(xp, a)) for a in arrays)
    w, v = xp.linalg.eigh(x)
    back = adjoint(v)
    if not directions:
        return matmul(v * expand_dims(value_at(function, w), axis=-2), back)
    turned = [matmul(matmul(back, d), v) for d in directions]
    k, (*front, n) = len(turned), w.shape
    differences = table(function, w, k)
    total = 0.0
    for order in permutations(turned):
        term = differences
        for i, d in enumerate(order):
            term = term * reshape(d, (*front, *[1] * i, n, n, *[1] * (k - 1 - i)))
        total = total + sum(term, axis=tuple(range(len(front) + 1, len(front) + k)))
    return matmul(matmul(v, total), back)


@composite(shapes="any")
def hermitian_function(x: Array, /, function: Callable) -> Array:
    """A function of symmetric or Hermitian matrices, V diag(f(w)) V^H for x = V diag(w) V^H.

    x : (..., n, n), Hermitian; of others the Hermitian part (x + x^H) / 2 is taken.
    function : f, real and elementwise, written with operations or with NumPy's functions, so that it can be
        differentiated; it is called with arrays of other shapes, too.
    Derivatives of every order are right at repeated eigenvalues, too, where those by `eigh` are not. The k-th takes
    memory and work in proportion to n^(k + 1), if n is large.
    Raises ShapeError if a matrix is not square.

    >>> hermitian_function(np.array([[2.0, 0.0], [0.0, 8.0]]), lambda w: 1 / w)
    array([[0.5  , 0.   ],
           [0.   , 0.125]])
    """
    require_square("hermitian_function", x)
    return hermitian_derivative([x], function=function)


@composite(shapes="any")
def singular_value_function(x: Array, /, function: Callable) -> Array:
    """A function of singular values, U diag(f(S)) V^H for x = U diag(S) V^H.

    x : (..., m, n), the result too.
    function : f, as for `hermitian_function`, of numbers >= 0, with f(0) = 0 if one of the singular values may be 0.
    Derivatives of every order are right at repeated singular values, and at those that are 0 if f, continued as an odd
    function, has them there.
    Raises ShapeError for fewer than two axes.

    >>> singular_value_function(np.diag([3.0, 0.5]), lambda s: relu(s - 1))
    array([[2., 0.],
           [0., 0.]])
    """
    shape = shape_of(x)
    if len(shape) < 2:
        raise ShapeError(f"singular_value_function: x is {shape}; at least two axes are required, (..., m, n).")
    m, n = shape[-2:]
    if not (m and n):
        return positive(x)
    return hermitian_function(dilation(x), lambda w: odd(function, w))[..., :m, m:]


def odd(function: Callable, w: Array) -> Array:
    """The function of non-negative numbers continued as an odd one, with its own slope at 0."""
    one = ones_like(w)
    side = where(less(w, 0.0), negative(one), one)
    return side * function(side * w)
