"""Products of several matrices in the order that takes the fewest multiplications."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from ..core.axes import shape_of
from ..core.errors import ShapeError
from ..core.op import Array, composite
from .movement import expand_dims, squeeze
from .products import matmul

__all__ = ["chain_product", "multi_dot"]


def multi_dot(arrays: Sequence[Array]) -> Array:
    """The product of two or more matrices, a @ b @ c and so on, in the order that takes the fewest multiplications.

    arrays : (..., m, n), (..., n, k) and so on; the first may be (m,), a row, and the last (m,), a column, whose axis
        is missing in the result.
    Raises ShapeError for fewer than two arrays, or if lengths do not match.

    >>> multi_dot([np.ones((2, 3)), np.ones((3, 4)), np.ones(4)])
    array([12., 12.])
    """
    return chain_product(*arrays)


@composite(shapes="any", autocast="low")
def chain_product(*arrays: Array) -> Array:
    """`multi_dot` with the matrices as separate arguments.

    >>> chain_product(np.ones(3), np.ones((3, 2)), np.ones((2, 2)))
    array([6., 6.])
    """
    shapes = [shape_of(x) for x in arrays]
    message = _wrong(shapes)
    if message is not None:
        raise ShapeError(f"multi_dot: the arrays are {', '.join(map(str, shapes)) or 'none'}; {message}")
    factors: list[Any] = list(arrays)
    row, column = len(shapes[0]) == 1, len(shapes[-1]) == 1
    if row:
        factors[0] = expand_dims(factors[0], axis=0)
    if column:
        factors[-1] = expand_dims(factors[-1], axis=-1)
    sizes = (*(shape_of(x)[-2] for x in factors), shape_of(factors[-1])[-1])
    out = _multiplied(factors, _splits(sizes), 0, len(factors) - 1)
    ends = ((-2,) if row else ()) + ((-1,) if column else ())
    return squeeze(out, axis=ends) if ends else out


def _wrong(shapes: list[tuple[int, ...]]) -> str | None:
    """What is wrong with the shapes of the factors, or None."""
    if len(shapes) < 2:
        return "two or more are required."
    if () in shapes or any(len(shape) < 2 for shape in shapes[1:-1]):
        return "the first and the last may have one axis, the others need two or more."
    for left, right in pairwise(shapes):
        if left[-1] != right[max(len(right) - 2, 0)]:
            return f"the columns of {left} must be as many as the rows of {right}."
    return None


@lru_cache(maxsize=256)
def _splits(sizes: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """For the factors i to j, after which one to split them, so that the product takes the fewest multiplications."""
    count = len(sizes) - 1
    cost, splits = {(i, i): 0 for i in range(count)}, {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j], splits[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return splits


def _multiplied(factors: list, splits: dict, i: int, j: int) -> Array:
    if i == j:
        return factors[i]
    k = splits[i, j]
    return matmul(_multiplied(factors, splits, i, k), _multiplied(factors, splits, k + 1, j))
