"""Sparse Jacobians and Hessians from few products: columns that share no row are found together, by coloring.

The results are arrays of `scipy.sparse` in main memory, and constants: they are not differentiated again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from ..core.backend import backend_of
from ..core.errors import BackendError, BatchError, GradientError, LoopWarning, ShapeError
from ..core.graph import as_array, no_grad, unwrap
from .coloring import color_columns, color_symmetric
from .transforms import grad, vjp
from .vectorize import vmap

__all__ = ["SparseHessian", "SparseJacobian", "jacobian_pattern", "sparse_hessian", "sparse_jacobian"]

BATCH = 65536
"""Elements of the vectors that are multiplied in one batch: more of long vectors only miss the processor's cache."""


def sparse_jacobian(
    f: Callable, pattern: Any = None, *, argnum: int = 0, mode: str | None = None, check: bool = True
) -> SparseJacobian:
    """The function that returns the Jacobian of `f` with respect to one array as a sparse array.

    f : a function with one array as its result; result and argument are flattened.
    pattern : where the Jacobian may differ from 0: a boolean or sparse array of shape (out.size, x.size), which must
        hold for every argument. Without it the first call finds it with `jacobian_pattern`, which takes as many
        products as a dense Jacobian; calls that follow use it again.
    mode : `"reverse"` groups rows, `"forward"` columns; by default whichever needs fewer products.
    check : compare each result with one product of the true Jacobian and a random vector.
    Returns a function (see `SparseJacobian`) whose result is a `scipy.sparse.csr_array`.

    Raises BackendError without SciPy, ShapeError for a pattern of another shape; when called, GradientError if the
    pattern lacks a nonzero.

    >>> jacobian = sparse_jacobian(lambda x: x[1:] * x[:-1], np.eye(5, 6) + np.eye(5, 6, 1))
    >>> jacobian(np.arange(6.0)).toarray()[:2]
    array([[1., 0., 0., 0., 0., 0.],
           [0., 2., 1., 0., 0., 0.]])
    >>> jacobian
    <sparse Jacobian, (5, 6), 10 nonzeros, 2 products in reverse mode>
    """
    if mode not in (None, "forward", "reverse"):
        raise GradientError(f"sparse_jacobian: mode is {mode!r}; it must be 'forward', 'reverse' or None.")
    return SparseJacobian("sparse_jacobian", f, pattern, argnum, mode, check)


def sparse_hessian(f: Callable, pattern: Any = None, *, argnum: int = 0, check: bool = True) -> SparseHessian:
    """The function that returns the Hessian of a scalar function with respect to one array as a sparse array.

    pattern : as for `sparse_jacobian`, of shape (x.size, x.size); one triangle is enough.
    argnum, check : as for `sparse_jacobian`.

    The symmetry saves products: a matrix of nonzeros in one row, one column and on the diagonal takes two.

    >>> hessian = sparse_hessian(lambda x: (x[1:] * x[:-1] ** 2).sum() + x[0] ** 3)
    >>> hessian(np.array([1.0, 2.0, 3.0])).toarray()
    array([[10.,  2.,  0.],
           [ 2.,  6.,  4.],
           [ 0.,  4.,  0.]])
    """
    return SparseHessian("sparse_hessian", f, pattern, argnum, None, check)


def jacobian_pattern(f: Callable, *args: Any, argnum: int = 0, points: int = 2, seed: int = 0) -> Any:
    """Where the Jacobian of `f` differs from 0 at one of several random points beside the argument.

    args : arguments of `f`; points : how many points, each of which takes as many products as a dense Jacobian;
    seed : of the random numbers.
    Returns a boolean `scipy.sparse.csr_array` of shape (out.size, x.size). NaN counts as not 0.

    What is 0 at all these points is missed: a branch that none of them takes (`where`, `relu`, `maximum`). What differs
    from 0 by rounding only (behind a Fourier transform, for example) is included. Where either matters, write the
    pattern down, or unite several.

    >>> jacobian_pattern(lambda x: x[1:] * x[:-1], np.zeros(4)).toarray().astype(int)
    array([[1, 1, 0, 0],
           [0, 1, 1, 0],
           [0, 0, 1, 1]])
    """
    function, x = _restricted("jacobian_pattern", f, args, {}, argnum)
    return _detected("jacobian_pattern", function, x, points, seed)


class SparseJacobian:
    """What `sparse_jacobian` returns: call it with the arguments of the function.

    pattern : the pattern, a boolean `scipy.sparse.csr_array`, or None before the first call if none was given.
    products : the number of colors, which is the number of products with the Jacobian that a call takes.
    mode : `"forward"` or `"reverse"`. All three are None until the pattern is known.
    """

    kind = "Jacobian"
    pattern: Any = None
    products: int | None = None

    def __init__(self, name: str, f: Callable, pattern: Any, argnum: int, mode: str | None, check: bool) -> None:
        self._name, self._f, self._argnum, self._check = name, f, argnum, check
        self._asked, self.mode = mode, mode
        if pattern is not None:
            self._plan(pattern)

    def __repr__(self) -> str:
        if self.pattern is None:
            return f"<sparse {self.kind} of unknown pattern>"
        return (
            f"<sparse {self.kind}, {self.pattern.shape}, {self.pattern.nnz} nonzeros, {self.products} products in "
            f"{self.mode} mode>"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function, x = _restricted(self._name, self._f, args, kwargs, self._argnum)
        with no_grad():
            products = self._products(function, x)
            if self.pattern is None:
                self._plan(self._found(function, x))
            assert self.pattern is not None
            if self.pattern.shape != products.shape:
                raise ShapeError(
                    f"{self._name}: the pattern has shape {self.pattern.shape} and the {self.kind} {products.shape} "
                    f"(result, argument); they must be equal."
                )
            result = self._evaluated(products)
            if self._check:
                self._compare(result, products)
        return result

    def _products(self, function: Callable, x: Any) -> _Products:
        return _Products(self._name, function, x)

    def _found(self, function: Callable, x: Any) -> Any:
        return _detected(self._name, function, x, 2, 0)

    def _plan(self, pattern: Any) -> None:
        """Color the pattern, by the columns, by the rows or both."""
        rows, columns, shape = self._nonzeros(pattern)
        best: numpy.ndarray | None = None
        # No coloring needs fewer colors than there are nonzeros in a row: begin where that promises fewer.
        sides = {"reverse": (columns, rows, shape[::-1]), "forward": (rows, columns, shape)}
        bounds = {mode: int(numpy.bincount(side[0], minlength=1).max()) for mode, side in sides.items()}
        for mode in [self._asked] if self._asked else sorted(sides, key=lambda mode: bounds[mode]):
            if best is None or bounds[mode] <= best.max(initial=0):
                colors = color_columns(*sides[mode])
                if best is None or colors.max(initial=0) < best.max(initial=0):
                    best, self.mode = colors, mode
        self._finish(rows, columns, shape, best)

    def _nonzeros(self, pattern: Any) -> tuple[numpy.ndarray, numpy.ndarray, tuple[int, int]]:
        coordinates = _sparse(self._name).coo_array(pattern)
        if coordinates.ndim != 2:
            raise ShapeError(f"{self._name}: the pattern has shape {coordinates.shape}; it must have two axes.")
        nonzero = coordinates.data != 0
        rows, columns = (axis[nonzero].astype(numpy.int64) for axis in coordinates.coords)
        unique = numpy.unique(rows * coordinates.shape[1] + columns)
        rows, columns = divmod(unique, max(coordinates.shape[1], 1))
        return rows, columns, coordinates.shape

    def _finish(self, rows: numpy.ndarray, columns: numpy.ndarray, shape: tuple[int, int], colors: Any) -> None:
        self._rows, self._columns, self._colors = rows, columns, colors
        self.products = int(colors.max(initial=-1)) + 1 if len(rows) else 0
        ones = numpy.ones(len(rows), dtype=bool)
        self.pattern = _sparse(self._name).csr_array((ones, (rows, columns)), shape=shape)

    def _evaluated(self, products: _Products) -> Any:
        """The sparse array, from a product for each color: with the sum of the unit vectors of that color."""
        multiply = products.pull if self.mode == "reverse" else products.push
        seeds = self._colors == numpy.arange(self.products or 0).reshape(-1, 1)
        found = [part for _, part in products.of_each(multiply, seeds)]
        values = self._values(numpy.concatenate(found)) if found else numpy.zeros(0, products.dtype)
        return _sparse(self._name).csr_array((values, (self._rows, self._columns)), shape=self.pattern.shape)

    def _values(self, compressed: numpy.ndarray) -> numpy.ndarray:
        if self.mode == "reverse":
            return compressed[self._colors[self._rows], self._columns]
        return compressed[self._colors[self._columns], self._rows]

    def _compare(self, result: Any, products: _Products) -> None:
        """GradientError if a product of the result with a random vector is not that of the true matrix."""
        matrix, multiply = (result.T, products.pull) if self.mode == "reverse" else (result, products.push)
        vector = numpy.random.default_rng(0).standard_normal(matrix.shape[1]).astype(products.dtype)
        expected, got = multiply(vector), matrix @ vector
        eps = numpy.finfo(products.dtype).eps
        size = abs(matrix) @ abs(vector) + abs(expected)
        finite = numpy.isfinite(size)
        close = abs(got - expected) <= eps**0.5 * size + 10 * eps * size[finite].max(initial=0.0)
        wrong = numpy.flatnonzero(finite & ~close)
        if len(wrong):
            line = "column" if self.mode == "reverse" else "row"
            raise GradientError(
                f"{self._name}: the pattern lacks nonzeros: the {self.kind} differs from its product with a random "
                f"vector in {len(wrong)} of {matrix.shape[0]} {line}s, first in {line} {wrong[0]}. Give a pattern that "
                f"holds for every argument; jacobian_pattern finds that of one."
            )


class SparseHessian(SparseJacobian):
    """What `sparse_hessian` returns: call it with the arguments of the function. Attributes as of `SparseJacobian`."""

    kind = "Hessian"

    def _products(self, function: Callable, x: Any) -> _Products:
        return _Products(self._name, grad(function), x)

    def _found(self, function: Callable, x: Any) -> Any:
        return _detected(self._name, grad(function), x, 2, 0)

    def _plan(self, pattern: Any) -> None:
        rows, columns, shape = self._nonzeros(pattern)
        if shape[0] != shape[1]:
            raise ShapeError(f"{self._name}: the pattern has shape {shape}; that of a Hessian is square.")
        n = shape[0]
        unique = numpy.unique(numpy.concatenate([rows * n + columns, columns * n + rows]))
        rows, columns = divmod(unique, max(n, 1))
        self.mode = "reverse"  # over reverse: the Hessian is its own transpose
        colors = color_symmetric(rows, columns, n)
        # An entry and its mirror image are read at the same place, in the row where the color is alone.
        i, j = numpy.maximum(rows, columns), numpy.minimum(rows, columns)
        places = rows * (n + 1) + colors[columns]
        distinct, counts = numpy.unique(places, return_counts=True)
        alone = counts[numpy.searchsorted(distinct, i * (n + 1) + colors[j])] == 1
        self._places = numpy.where(alone, colors[j], colors[i]), numpy.where(alone, i, j)
        self._finish(rows, columns, shape, colors)

    def _values(self, compressed: numpy.ndarray) -> numpy.ndarray:
        return compressed[self._places]


class _Products:
    """Products of vectors with the Jacobian of a function at one argument, on NumPy arrays.

    All take one vector, or several as the rows of a matrix.
    """

    def __init__(self, name: str, function: Callable, x: Any) -> None:
        self.backend, self.x = backend_of(x), x
        out, self._pull = vjp(function, x)
        if not hasattr(out, "shape"):
            raise GradientError(f"{name}: the function returned a {type(out).__name__}; it must return one array.")
        self.out = unwrap(out)
        self.shape = (int(self.out.size), int(x.size))
        self.dtype = self._host(x).dtype
        self._push: Callable | None = None
        self._one_by_one = False

    def pull(self, vectors: numpy.ndarray) -> numpy.ndarray:
        """The transposed Jacobian times vectors."""
        return self._multiplied(self._pull, vectors, self.out)

    def push(self, vectors: numpy.ndarray) -> numpy.ndarray:
        """The Jacobian times vectors: pulling is linear, and its transpose is pushing."""
        if self._push is None:
            self._push = vjp(lambda u: self._pull(u)[0], self.backend.xp.zeros_like(self.out))[1]
        return self._multiplied(self._push, vectors, self.x)

    def of_each(self, multiply: Callable, vectors: Any) -> Iterator[tuple[int, numpy.ndarray]]:
        """The products of the rows of a matrix, some at a time, with the number of the first."""
        rows = max(1, BATCH // max(1, *self.shape))
        for first in range(0, vectors.shape[0], rows):
            part = vectors[first : first + rows]
            part = part.toarray() if hasattr(part, "toarray") else part
            yield first, multiply(part.astype(self.dtype))

    def _multiplied(self, linear: Callable, vectors: numpy.ndarray, like: Any) -> numpy.ndarray:
        shape = (*vectors.shape[:-1], *like.shape)
        given = self.backend.asarray(vectors.reshape(shape), dtype=like.dtype, device=self.backend.device_of(like))
        if vectors.ndim == 1:
            return self._host(linear(given)[0]).reshape(-1)
        if len(vectors) > 1 and not self._one_by_one:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", LoopWarning)
                    return self._host(vmap(lambda g: linear(g)[0])(given)).reshape(len(vectors), -1)
            except BatchError:
                self._one_by_one = True
        return numpy.stack([self._host(linear(given[i, ...])[0]).reshape(-1) for i in range(len(vectors))])

    def _host(self, array: Any) -> numpy.ndarray:
        return self.backend.to_numpy(unwrap(array))


def _detected(name: str, function: Callable, x: Any, points: int, seed: int) -> Any:
    """The pattern at random points beside `x`, row by row or column by column."""
    sparse = _sparse(name)
    rng = numpy.random.default_rng(seed)
    backend = backend_of(x)
    host = backend.to_numpy(x)
    size = float(numpy.sqrt(numpy.mean(numpy.square(host)))) if host.size else 0.0
    none = numpy.zeros(0, numpy.int64)
    found = [(none, none)]
    for _ in range(points):
        step = numpy.where(host == 0, size if 0 < size < numpy.inf else 1.0, host) * 0.01
        moved = (host + step * rng.standard_normal(host.shape)).astype(host.dtype)
        with no_grad(), numpy.errstate(all="ignore"):
            products = _Products(name, function, backend.asarray(moved, device=backend.device_of(x)))
            m, n = products.shape
            by_row = m <= n
            units = sparse.eye_array(min(m, n), format="csr")
            for first, part in products.of_each(products.pull if by_row else products.push, units):
                lines, others = numpy.nonzero(part)
                found.append((first + lines, others) if by_row else (others, first + lines))
    rows, columns = map(numpy.concatenate, zip(*found, strict=True))
    pattern = sparse.coo_array((numpy.ones(len(rows), dtype=bool), (rows, columns)), shape=(m, n)).tocsr()
    pattern.sum_duplicates()
    return pattern


def _restricted(name: str, f: Callable, args: tuple, kwargs: dict[str, Any], argnum: int) -> tuple[Callable, Any]:
    """`f` as a function of one positional argument, and this as an array."""
    if not -len(args) <= argnum < len(args):
        raise ShapeError(f"{name}: argnum {argnum} with {len(args)} positional arguments; it must name one of them.")
    i = argnum % len(args)
    x = as_array(unwrap(args[i]))
    if not hasattr(x, "shape"):
        raise GradientError(f"{name}: argument {i} is a {type(x).__name__}; it must be an array.")
    return lambda x: f(*args[:i], x, *args[i + 1 :], **kwargs), x


def _sparse(name: str) -> Any:
    """The module `scipy.sparse`; imported on demand, since SciPy is optional."""
    try:
        import scipy.sparse
    except ImportError as error:
        raise BackendError(
            f"{name}: SciPy, which has the sparse arrays, cannot be imported ({error}). Install it with "
            f"pip install 'tinygrad-lite[scipy]'."
        ) from error
    return scipy.sparse
