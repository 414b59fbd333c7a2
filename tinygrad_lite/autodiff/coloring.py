"""Coloring sparsity patterns, so that several columns of a matrix can be found from one product with it.

A pattern is given by the rows and columns of its nonzeros. Sets of colors are Python integers, a bit for each color:
all colorings here take a time proportional to the number of nonzeros.
Source: A. Gebremedhin, F. Manne, A. Pothen, What color is your Jacobian?, SIAM Review 47, 2005.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy

__all__ = ["color_columns", "color_symmetric"]


def color_columns(rows: numpy.ndarray, columns: numpy.ndarray, shape: tuple[int, int]) -> numpy.ndarray:
    """A color for each column, 0, 1, ..., such that columns of one color have no nonzero in a common row.

    Source: A. Curtis, M. Powell, J. Reid, On the estimation of sparse Jacobian matrices, 1974.
    """

    def colored(order: Iterable[int]) -> numpy.ndarray:
        colors, used = numpy.zeros(shape[1], dtype=numpy.int64), [0] * shape[0]
        for column in order:
            forbidden = 0
            for row in members[column]:
                forbidden |= used[row]
            color = _lowest(forbidden)
            for row in members[column]:
                used[row] |= 1 << color
            colors[column] = color
        return colors

    members = _members(columns, rows, shape[1])
    return _fewest(colored, members, int(numpy.bincount(rows, minlength=1).max(initial=1)))


def color_symmetric(rows: numpy.ndarray, columns: numpy.ndarray, n: int) -> numpy.ndarray:
    """A star coloring of a symmetric pattern: neighbours differ, and each path of four has at least three colors.

    Then each nonzero (i, j) is the only one of row i in the columns of j's color, or the only one of row j in the
    columns of i's color. So a symmetric matrix is found from as many products as there are colors.
    Source: T. Coleman, J. More, Estimation of sparse Hessian matrices and graph coloring problems, 1984.
    """
    off = rows != columns
    neighbours = _members(rows[off], columns[off], n)

    def colored(order: Iterable[int]) -> numpy.ndarray:
        colors = [-1] * n
        seen = [0] * n  # the colors of the neighbours of each
        ended = [0] * n  # the colors c of a neighbour whose other neighbours include one of its own color
        first: dict[tuple[int, int], int] = {}  # a neighbour of each that has a certain color
        for v in order:
            forbidden = 0
            for w in neighbours[v]:
                # Colored neighbours of one that is not yet colored must differ: it might get any color.
                forbidden |= seen[w] if colors[w] < 0 else 1 << colors[w] | ended[w]
            colors[v] = color = _lowest(forbidden)
            for w in neighbours[v]:
                seen[w] |= 1 << color
                other = first.setdefault((w, color), v)
                if other != v and colors[w] >= 0:
                    ended[other] |= 1 << colors[w]
                    ended[v] |= 1 << colors[w]
        return numpy.asarray(colors, dtype=numpy.int64)

    return _fewest(colored, neighbours, 1)


def _members(of: numpy.ndarray, what: numpy.ndarray, n: int) -> list[list[int]]:
    """For each of 0 ... n - 1 the list of `what` that is found beside it in `of`."""
    order = numpy.argsort(of, kind="stable")
    bounds = numpy.searchsorted(of[order], numpy.arange(n + 1)).tolist()
    found = what[order].tolist()
    return [found[start:stop] for start, stop in itertools.pairwise(bounds)]


def _lowest(forbidden: int) -> int:
    """The first color that is not in a set."""
    return (~forbidden & (forbidden + 1)).bit_length() - 1


def _fewest(colored: Callable, members: list[list[int]], bound: int) -> numpy.ndarray:
    """The better of two orders: as they stand, which suits bands, and those with most nonzeros first."""
    colors = colored(range(len(members)))
    if len(members) == 0 or colors.max() + 1 <= bound:
        return colors
    others = colored(sorted(range(len(members)), key=lambda i: -len(members[i])))
    return others if others.max() < colors.max() else colors
