"""Products of matrices and, more generally, sums of products over named axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy

from ..backends.products import matmul as numpy_matmul
from ..core.errors import ShapeError
from ..core.op import Array, composite, primitive
from .complex import conj
from .elementwise import multiply
from .indexing import getitem
from .movement import broadcast_to, expand_dims, matrix_transpose, moveaxis, permute_dims, reshape
from .reductions import sum

__all__ = ["contract", "einsum", "matmul", "outer", "tensordot", "vecdot"]


# Matrix products


def times(x: Array, y: Array) -> Array:
    """`matmul` of two matrices, for rules. The backend's function on NumPy's arrays, which saves the dispatch.

    Raw arrays of other libraries go through `matmul` too: it has kernels for them.
    """
    if type(x) is numpy.ndarray:
        return numpy_matmul(x, y) if type(y) is numpy.ndarray else x @ y
    return matmul(x, y)


def _matmul_x(g: Array, y: Array, x_shape: tuple[int, ...]) -> Array:
    if len(y.shape) == 1:
        return g * y if len(x_shape) == 1 else expand_dims(g, axis=-1) * y
    if len(x_shape) == 1:
        return reshape(matmul(y, expand_dims(g, axis=-1)), y.shape[:-1])
    return matmul(g, matrix_transpose(y)) if len(g.shape) > 2 else times(g, matrix_transpose(y))


def _matmul_y(g: Array, x: Array, y_shape: tuple[int, ...]) -> Array:
    if len(x.shape) == 1:
        return g * x if len(y_shape) == 1 else expand_dims(x, axis=-1) * expand_dims(g, axis=-2)
    if len(y_shape) > 2:
        return times(matrix_transpose(x), g)
    # One y for the whole batch: a single product over all its rows, instead of one for each matrix and their sum.
    if len(x.shape) > 2:
        count = math.prod(x.shape[:-1])
        x, g = reshape(x, (count, x.shape[-1])), reshape(g, (count, *y_shape[1:]))
    return times(matrix_transpose(x), g)


def _explain_matmul(x: Array, y: Array) -> str | None:
    shapes = [getattr(x, "shape", ()), getattr(y, "shape", ())]
    given = f"x is {tuple(shapes[0])} and y is {tuple(shapes[1])}"
    if () in shapes:
        return f"{given}; both need at least one axis. Use multiply for numbers."
    inner = shapes[1][max(len(shapes[1]) - 2, 0)]
    if shapes[0][-1] != inner:
        which = "second-last of y" if len(shapes[1]) > 1 else "axis of y"
        return f"{given}; the last axis of x ({shapes[0][-1]}) must equal the {which} ({inner})."
    return f"{given}; the axes before the last two, {shapes[0][:-2]} and {shapes[1][:-2]}, must broadcast together."


@primitive(x=_matmul_x, y=_matmul_y, shapes="any", explain=_explain_matmul, autocast="low")
def matmul(xp, x: Array, y: Array) -> Array:
    """Matrix product x @ y, the sum over k of x[..., i, k] y[..., k, j].

    x : (..., m, k) or (k,). y : (..., k, n) or (k,). The axes before the last two broadcast to each other; a vector on
    the left is a row, on the right a column, and its axis is missing in the result.
    Raises ShapeError if the lengths k differ or the axes in front do not broadcast.

    >>> matmul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 1.0]))
    array([3., 7.])
    """
    if len(x.shape) > 2 and len(y.shape) == 2:
        # One product instead of one per matrix of the batch: 0.5 of the time for 64 matrices 8 x 64 and y 64 x 64, 0.4
        # for 1024 matrices 4 x 32 and y 32 x 32, 0.9 to 1 for large ones.
        rows = xp.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
        return xp.reshape(xp.matmul(rows, y), (*x.shape[:-1], y.shape[1]))
    return xp.matmul(x, y)


@composite(shapes="any")
def outer(x: Array, y: Array) -> Array:
    """Outer product of two vectors, x[i] y[j]; arrays of other shapes are flattened first.

    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    return multiply(reshape(x, (-1, 1)), reshape(y, (1, -1)))


@composite(shapes="any", autocast="low")
def vecdot(x: Array, y: Array, /, axis: int = -1) -> Array:
    """Dot product along one axis, the sum over `axis` of conj(x) * y; the other axes broadcast.

    x, y : arrays with equal length along `axis`.
    Raises ShapeError if the lengths differ.

    >>> vecdot(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    inside = [-len(a.shape) <= axis < len(a.shape) for a in (x, y)]
    if not all(inside) or x.shape[axis] != y.shape[axis]:
        raise ShapeError(
            f"vecdot: x is {tuple(x.shape)} and y is {tuple(y.shape)}; both need the same length along axis {axis}."
        )
    if axis >= 0:  # counted from the front in each: among the axes that broadcast from the back they may not meet
        x, y, axis = moveaxis(x, axis, -1), moveaxis(y, axis, -1), -1
    products = multiply(conj(x), y)
    return sum(products, axis=axis, dtype=products.dtype)


@composite(shapes="any", autocast="widest")
def tensordot(x: Array, y: Array, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Array:
    """Sum of products over pairs of axes: the last `axes` of x with the first of y, or the two lists of axes given.

    Raises ShapeError if the lengths of a pair differ.

    >>> tensordot(np.ones((2, 3)), np.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    dims = len(x.shape), len(y.shape)
    left, right = (range(dims[0] - axes, dims[0]), range(axes)) if isinstance(axes, int) else axes
    left, right = [a % dims[0] for a in left], [a % dims[1] for a in right]
    if len(left) != len(right) or any(x.shape[a] != y.shape[b] for a, b in zip(left, right, strict=False)):
        raise ShapeError(
            f"tensordot: x is {tuple(x.shape)} and y is {tuple(y.shape)}; axes {left} of x must have the lengths of "
            f"axes {right} of y."
        )
    labels_x = list(range(dims[0]))
    labels_y = list(range(dims[0], dims[0] + dims[1]))
    for a, b in zip(left, right, strict=True):
        labels_y[b] = labels_x[a]
    keep = [label for label in labels_x + labels_y if (label in labels_x) != (label in labels_y)]
    return _pair(x, labels_x, y, labels_y, keep)[0]


# Einstein summation


def einsum(subscripts: str, *operands: Array) -> Array:
    """Sum of products over named axes, in Einstein's notation: `"ik,kj->ij"` is the matrix product.

    subscripts : for each operand one letter per axis, separated by commas; then, after `->`, the axes of the result.
        Letters that are missing there are summed over; a letter that occurs twice in one operand takes its diagonal.
        Without `->` the result has the letters that occur once, in alphabetical order. `...` stands for further axes,
        which broadcast.
    Raises ShapeError if the subscripts are malformed, or do not fit the operands.

    >>> x = np.arange(6.0).reshape(2, 3)
    >>> einsum("ij->j", x)
    array([3., 5., 7.])
    >>> einsum("ik,jk->ij", x, x)
    array([[ 5., 14.],
           [14., 50.]])
    """
    return contract(*operands, subscripts=subscripts)


@composite(shapes="any", autocast="low")
def contract(*operands: Array, subscripts: str) -> Array:
    """`einsum` with the operands first. Two operands at a time are contracted, by one (batched) matrix product.

    >>> contract(np.ones((2, 3)), np.ones((3, 4)), subscripts="ik,kj->ij").shape
    (2, 4)
    """
    terms, output, sizes, order = _plan(subscripts, tuple(tuple(getattr(x, "shape", ())) for x in operands))
    parts = []
    for i, (x, labels) in enumerate(zip(operands, terms, strict=True)):
        others = {label for j, term in enumerate(terms) if j != i for label in term} | set(output)
        parts.append(_simplify(x, list(labels), sizes, others))
    for i, j in order:
        (y, labels_y), (x, labels_x) = parts.pop(j), parts.pop(i)
        keep = set(output).union(*(labels for _, labels in parts))
        parts.append(_pair(x, labels_x, y, labels_y, keep))
    (x, labels), axes = parts[0], output
    if labels != list(axes):
        x = permute_dims(x, tuple(labels.index(label) for label in axes))
    return x


@lru_cache(maxsize=256)
def _plan(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> Any:
    """The labels of each operand and of the result, their lengths, and which pairs to contract, one after another."""
    terms, output = _parse(subscripts, shapes)
    sizes: dict[Any, int] = {}
    for labels, shape in zip(terms, shapes, strict=True):
        for label, length in zip(labels, shape, strict=True):
            if sizes.setdefault(label, length) != length and 1 not in (length, sizes[label]):
                raise ShapeError(
                    f"{_given(subscripts, shapes)} axis {_name(label)} has lengths {sizes[label]} and {length}; "
                    f"they must be equal."
                )
            sizes[label] = length if sizes[label] == 1 else sizes[label]
    return terms, output, sizes, _order(terms, output, sizes)


def _order(terms: Sequence[Sequence], output: Sequence, sizes: dict) -> list[tuple[int, int]]:
    """Pairs of positions in the list of operands, each pair replaced by its product at the end of the list.

    Greedy: the pair whose product is smallest compared with what it replaces.
    """
    sets, order = [set(term) for term in terms], []

    def volume(labels: set) -> int:
        return math.prod(sizes[label] for label in labels)

    while len(sets) > 1:
        best = None
        for i in range(len(sets)):
            for j in range(i + 1, len(sets)):
                rest = set(output).union(*(labels for k, labels in enumerate(sets) if k not in (i, j)))
                product = (sets[i] | sets[j]) & rest
                growth = volume(product) - volume(sets[i]) - volume(sets[j])
                if best is None or growth < best[0]:
                    best = growth, i, j, product
        assert best is not None
        _, i, j, product = best
        order.append((i, j))
        sets = [labels for k, labels in enumerate(sets) if k not in (i, j)] + [product]
    return order


def _parse(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[tuple], tuple]:
    """The labels of each operand's axes and of the result's."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    written = left.split(",")
    if len(written) != len(shapes):
        raise ShapeError(
            f"{_given(subscripts, shapes)} there are {len(written)} terms before '->' for {len(shapes)} operands; "
            f"write one for each."
        )
    terms = [_expand(term, len(shape), subscripts, shapes) for term, shape in zip(written, shapes, strict=True)]
    dots = sorted({label for term in terms for label in term if isinstance(label, int)})
    if arrow:
        count = len(dots) if "..." in right else 0
        output = _expand(right, len(right.replace("...", "")) + count, subscripts, shapes)
    else:
        flat = [label for term in terms for label in term]
        output = (*dots, *sorted(c for c in set(flat) if isinstance(c, str) and flat.count(c) == 1))
    known = {label for term in terms for label in term}
    for label in output:
        if label not in known or output.count(label) > 1:
            raise ShapeError(
                f"{_given(subscripts, shapes)} {_name(label)} after '->' must occur there once, and in an operand."
            )
    return terms, output


def _expand(term: str, dims: int, subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple:
    """The labels of one term for an array of `dims` axes."""
    before, dots, after = term.partition("...")
    letters = before + after
    if letters and not (letters.isalpha() and letters.isascii()):
        raise ShapeError(f"{_given(subscripts, shapes)} the term {term!r} may have letters and one '...' only.")
    count = dims - len(letters)
    if count < 0 or (count and not dots):
        raise ShapeError(
            f"{_given(subscripts, shapes)} the term {term!r} names {len(letters)} axes of an operand with {dims}; "
            f"name each, or write '...' for the others."
        )
    return (*before, *range(-count, 0), *after)


def _given(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> str:
    return f"einsum: got {subscripts!r} for operands of shapes {', '.join(map(str, shapes))};"


def _name(label: Any) -> str:
    return repr(label) if isinstance(label, str) else "'...'"


def _simplify(x: Array, labels: list, sizes: dict, needed: set) -> tuple[Array, list]:
    """One operand with its diagonals taken, axes of length 1 that broadcast dropped, and its own axes summed."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            x, labels = _diagonal(x, labels, label, sizes[label])
    own = tuple(i for i, label in enumerate(labels) if label not in needed)
    dropped = tuple(i for i, label in enumerate(labels) if x.shape[i] != sizes[label])
    if own or dropped:
        # A broadcast axis that is summed counts as often as it would have been repeated.
        repeats = math.prod(sizes[labels[i]] for i in own if i in dropped)
        x = sum(x, axis=tuple(dict.fromkeys(own + dropped)))
        x = x * repeats if repeats != 1 else x
        labels = [label for i, label in enumerate(labels) if i not in own and i not in dropped]
    return x, labels


def _diagonal(x: Array, labels: list, label: Any, size: int) -> tuple[Array, list]:
    """The first two axes called `label` replaced by one, over their diagonal, at the end."""
    first = labels.index(label)
    second = labels.index(label, first + 1)
    rest = [i for i in range(len(labels)) if i not in (first, second)]
    shape = tuple(x.shape[i] for i in rest)
    if x.shape[first] != size or x.shape[second] != size:
        x = broadcast_to(x, tuple(size if i in (first, second) else n for i, n in enumerate(x.shape)))
    x = reshape(permute_dims(x, (*rest, first, second)), (*shape, size * size))
    x = getitem(x, index=(..., slice(None, None, size + 1)))
    return x, [labels[i] for i in rest] + [label]


def _pair(x: Array, labels_x: list, y: Array, labels_y: list, keep: Any) -> tuple[Array, list]:
    """The product of two operands, summed over the labels that both have and nobody else keeps."""
    shared = [label for label in labels_x if label in labels_y]
    batch = [label for label in shared if label in keep]
    summed = [label for label in shared if label not in keep]
    rows = [label for label in labels_x if label not in shared]
    columns = [label for label in labels_y if label not in shared]
    sizes = dict(zip(labels_x, x.shape, strict=True)) | dict(zip(labels_y, y.shape, strict=True))
    x = _as_matrices(x, labels_x, batch, rows, summed, sizes)
    y = _as_matrices(y, labels_y, batch, summed, columns, sizes)
    # A sum over nothing is an elementwise product, for which a matrix product would take longer.
    product = matmul(x, y) if summed else multiply(x, y)
    labels = batch + rows + columns
    return reshape(product, tuple(sizes[label] for label in labels)), labels


def _as_matrices(x: Array, labels: list, batch: list, rows: list, columns: list, sizes: dict) -> Array:
    """`x` with axes (batch, rows, columns), or (rows, columns) without a batch, each of them several axes merged."""
    shape = [math.prod(sizes[label] for label in group) for group in (batch, rows, columns)]
    flipped = labels == batch + columns + rows and labels != batch + rows + columns
    order = labels if flipped else batch + rows + columns
    if order != labels:
        x = permute_dims(x, tuple(labels.index(label) for label in order))
    if flipped:
        # The axes are in the order of the transposed matrix: merging them needs no copy, and BLAS takes it as it is.
        shape[1], shape[2] = shape[2], shape[1]
    x = reshape(x, tuple(shape if batch else shape[1:]))
    return matrix_transpose(x) if flipped else x
