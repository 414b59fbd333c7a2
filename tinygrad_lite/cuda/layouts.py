"""How a matrix product of strided arrays is put to BLAS, which knows columns, leading dimensions and one batch stride.

An array whose last axis is dense is, to BLAS, the transposed matrix stored by columns. So for row-major z = x y it is
asked for z^T = y^T x^T: its matrix A is y, its B is x, and its result is z without a copy. An operand whose other axis
is dense (a transposed view) gets the flag that transposes it. Where y is one matrix for a whole batch, and the rows of
the batch follow each other evenly, the batch is one long matrix.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from ..core.errors import BackendError

__all__ = ["Copies", "Operand", "ProductLayout", "contiguous_strides", "product_layout"]

Shape = tuple[int, ...]

Copies = tuple[Shape | None, Shape | None]
"""The shapes that x and y must be broadcast to, and copied, before they can be multiplied; None for no copy."""


class Operand(NamedTuple):
    """A matrix, or a batch of them, stored by columns. All numbers count elements.

    transposed : whether the product takes its transpose. rows, columns : of what is stored.
    leading : from one column to the next. stride : from one matrix of the batch to the next, 0 if it is the same.
    """

    transposed: bool
    rows: int
    columns: int
    leading: int
    stride: int


class ProductLayout(NamedTuple):
    """What `x @ y` is to BLAS: `batch` products, A from y and B from x, each with `rows` and `columns` by columns.

    rows, columns, depth : the last axis of x @ y, its second-last axis (with axes of the batch where those are merged),
        and the length of what is summed.
    shape : of x @ y.
    """

    rows: int
    columns: int
    depth: int
    batch: int
    a: Operand
    b: Operand
    shape: Shape


def contiguous_strides(shape: Shape) -> Shape:
    """The strides of a contiguous array, in elements.

    >>> contiguous_strides((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def product_layout(x_shape: Shape, x_strides: Shape, y_shape: Shape, y_strides: Shape) -> ProductLayout | Copies:
    """The layout of `x @ y`, or the copies that there must be first.

    The shapes fit, but perhaps for the axes of batches, and have no axis of length 0; strides count elements. Copies
    are asked for where there is no layout without: of the smaller operand, if that is enough. Operands with several
    axes of batches that broadcast differently are copied as often as they are repeated.
    Raises BackendError if the axes of batches do not broadcast.

    >>> product_layout((5, 2, 3), (6, 3, 1), (3, 4), (1, 3)).a
    Operand(transposed=True, rows=3, columns=4, leading=3, stride=0)
    >>> product_layout((2, 6), (12, 2), (6, 4), (4, 1))
    ((2, 6), None)
    """
    before = _broadcast(x_shape[:-2], y_shape[:-2])
    x, y = _matrices(x_shape, x_strides, row=True), _matrices(y_shape, y_strides, row=False)
    x_dense, y_dense = (x[0], contiguous_strides(x[0])), (y[0], contiguous_strides(y[0]))
    found = _layout(*x, *y)
    if found is not None:
        return ProductLayout(*found, (*before, *x_shape[-2:-1], *(y_shape[-1:] if len(y_shape) > 1 else ())))
    one_copy: list[Copies] = [(x_shape, None), (None, y_shape)]
    for copies in one_copy if prod(x_shape) <= prod(y_shape) else one_copy[::-1]:
        if _layout(*(x_dense if copies[0] else x), *(y_dense if copies[1] else y)) is not None:
            return copies
    if _layout(*x_dense, *y_dense) is not None:
        return x_shape, y_shape
    return (*before, *x_shape[-2:]), (*before, *y_shape[-2:])


def _broadcast(x: Shape, y: Shape) -> Shape:
    dims = max(len(x), len(y))
    pairs = list(zip((1,) * (dims - len(x)) + x, (1,) * (dims - len(y)) + y, strict=True))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        raise BackendError(f"the axes before the last two, {x} and {y}, do not broadcast")
    return tuple(b if a == 1 else a for a, b in pairs)


def _matrices(shape: Shape, strides: Shape, *, row: bool) -> tuple[Shape, Shape]:
    """Shape and strides with the axis that a vector lacks."""
    if len(shape) > 1:
        return shape, strides
    return ((1, *shape), (shape[0], *strides)) if row else ((*shape, 1), (*strides, 1))


def _layout(
    x_shape: Shape, x_strides: Shape, y_shape: Shape, y_strides: Shape
) -> tuple[int, int, int, int, Operand, Operand] | None:
    rows, depth, columns = y_shape[-1], x_shape[-1], x_shape[-2]
    batch = _batch(x_shape[:-2], x_strides[:-2], y_shape[:-2], y_strides[:-2])
    row_stride = x_strides[-2]
    if not any(y_stride for _, _, y_stride in batch):
        # One y: the rows of all of x are one axis if they are evenly spaced.
        merged = _merge([(n, x_stride, 0) for n, x_stride, _ in batch] + ([(columns, row_stride, 0)] * (columns > 1)))
        count, spacing, _ = merged[0] if merged else (1, depth, 0)
        if len(merged) <= 1 and spacing >= depth and (depth == 1 or x_strides[-1] == 1):
            columns, row_stride, batch = count, spacing, []
    batch = _merge(batch)
    if len(batch) > 1:
        return None
    count, x_stride, y_stride = batch[0] if batch else (1, 0, 0)
    a = _operand((depth, rows), y_strides[-2:], y_stride)
    b = _operand((columns, depth), (row_stride, x_strides[-1]), x_stride)
    return None if a is None or b is None else (rows, columns, depth, count, a, b)


def _batch(x: Shape, x_strides: Shape, y: Shape, y_strides: Shape) -> list[tuple[int, int, int]]:
    """For each axis of the batch its length, and its strides in x and y; those that are broadcast have stride 0."""
    dims = max(len(x), len(y))
    sides = []
    for shape, strides in ((x, x_strides), (y, y_strides)):
        new = dims - len(shape)
        sides.append([(1, 0)] * new + [(n, stride if n > 1 else 0) for n, stride in zip(shape, strides, strict=True)])
    return [(max(n, m), s, t) for (n, s), (m, t) in zip(*sides, strict=True) if max(n, m) > 1]


def _merge(axes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The axes, those that follow each other evenly in both operands made one."""
    merged: list[tuple[int, int, int]] = []
    for n, s, t in axes:
        if merged and merged[-1][1:] == (n * s, n * t):
            merged[-1] = (merged[-1][0] * n, s, t)
        else:
            merged.append((n, s, t))
    return merged


def _operand(shape: Shape, strides: Shape, stride: int) -> Operand | None:
    """A row-major matrix (outer, inner), or a transposed view of one, as columns; None if neither axis is dense."""
    outer, inner = shape
    for transposed, rows, columns, within, leading in (
        (False, inner, outer, strides[1], strides[0]),
        (True, outer, inner, strides[0], strides[1]),
    ):
        leading = rows if columns == 1 else leading
        if (rows == 1 or within == 1) and leading >= rows and stride >= 0:
            return Operand(transposed, rows, columns, leading, stride)
    return None
