"""Where the boxes of a layered drawing of a graph stand: rows by depth, few crossings, and no overlaps.

Source: K. Sugiyama, S. Tagawa, M. Toda, Methods for visual understanding of hierarchical system structures, 1981.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy

__all__ = ["Layout", "layout"]

GAP = 18.0
"""Between boxes of a row, in pixels."""


class Layout(NamedTuple):
    """The centres of the boxes (n, 2) in pixels, y downwards, and for each edge the points that its line runs through.

    size : width and height of the drawing.
    """

    centers: numpy.ndarray
    lines: list[list[tuple[float, float]]]
    size: tuple[float, float]


def layout(widths: list[float], height: float, edges: list[tuple[int, int]], spacing: float = 34.0) -> Layout:
    """Place boxes, so that edges run downwards.

    widths : of the boxes, numbered in an order in which every edge goes from a smaller to a larger number. height : of
        each box. edges : pairs (from, to). spacing : between rows.
    """
    rows = _rows(len(widths), edges)
    widths = list(widths)
    chains = []
    for a, b in edges:  # an edge over several rows runs through a narrow place in each row between
        chain = [a]
        for row in range(rows[a] + 1, rows[b]):
            chain.append(len(widths))
            widths.append(8.0)
            rows.append(row)
        chains.append([*chain, b])
    steps = [step for chain in chains for step in pairwise(chain)]
    above: list[list[int]] = [[] for _ in widths]
    below: list[list[int]] = [[] for _ in widths]
    for a, b in steps:
        above[b].append(a)
        below[a].append(b)
    order = _order(rows, above, below)
    x = _positions(order, numpy.array(widths), above, below)
    left = min((x[i] - widths[i] / 2 for i in range(len(widths))), default=0.0)
    x = x - left
    y = numpy.array(rows, dtype=float) * (height + spacing) + height / 2
    right = max((x[i] + widths[i] / 2 for i in range(len(widths))), default=0.0)
    lines = []
    for chain in chains:
        inside = [(float(x[i]), float(y[i] + side * height / 2)) for i in chain[1:-1] for side in (-1, 1)]
        start, end = chain[0], chain[-1]
        lines.append([(x[start], y[start] + height / 2), *inside, (x[end], y[end] - height / 2)])
    count = len(rows) - sum(len(chain) - 2 for chain in chains)
    bottom = max(rows, default=0) * (height + spacing) + height
    return Layout(numpy.stack([x, y], axis=1)[:count], lines, (float(right), float(bottom)))


def _rows(count: int, edges: list[tuple[int, int]]) -> list[int]:
    """The row of each box: below all that it comes from. A lone line from a source ends right above what needs it."""
    rows = [0] * count
    parents: list[list[int]] = [[] for _ in range(count)]
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        rows[b] = max(rows[b], rows[a] + 1)
        parents[b].append(a)
    lone = [True] * count
    for i in range(count):
        lone[i] = len(parents[i]) <= 1 and all(lone[j] for j in parents[i])
    lowest: dict[int, int] = {}
    for i in range(count - 1, -1, -1):
        if lone[i] and i in lowest:
            rows[i] = lowest[i]
        for j in parents[i]:
            lowest[j] = min(lowest.get(j, rows[i] - 1), rows[i] - 1)
    return rows


def _order(rows: list[int], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """The boxes of each row from left to right, by the mean place of their neighbours in turn above and below."""
    order: list[list[int]] = [[] for _ in range(max(rows, default=-1) + 1)]
    for i, row in enumerate(rows):
        order[row].append(i)
    place = {}

    def note(row: list[int]) -> None:
        place.update({i: k - (len(row) - 1) / 2 for k, i in enumerate(row)})

    for row in order:
        note(row)
    for sweep in range(8):
        for row in order if sweep % 2 == 0 else order[::-1]:
            near = above if sweep % 2 == 0 else below
            target = {i: sum(place[j] for j in near[i]) / len(near[i]) if near[i] else place[i] for i in row}
            row.sort(key=target.__getitem__)
            note(row)
    return order


def _positions(
    order: list[list[int]], widths: numpy.ndarray, above: list[list[int]], below: list[list[int]]
) -> numpy.ndarray:
    """The horizontal centres: each box as near to the middle of its neighbours as the boxes beside it allow."""
    x = numpy.zeros(len(widths))
    inner = [bool(above[i] and below[i]) for i in range(len(widths))]
    for row in order:
        ends = numpy.cumsum(widths[row] + GAP)
        x[row] = ends - widths[row] / 2 - ends[-1] / 2
    for sweep in range(24):
        for row in order if sweep % 2 == 0 else order[::-1]:
            target, weight = [], []
            for i in row:
                near = [*above[i], *below[i]] if sweep > 15 else above[i] if sweep % 2 == 0 else below[i]
                # The line of operations is kept straight; parameters give way.
                force = [4.0 if inner[j] or not below[j] else 1.0 for j in near]
                pull = sum(f * x[j] for f, j in zip(force, near, strict=True)) / sum(force) if near else x[i]
                target.append(pull)
                weight.append(8.0 if inner[i] else 1.0)
            x[row] = _apart(numpy.array(target), numpy.array(weight), widths[row])
    return x


def _apart(target: numpy.ndarray, weight: numpy.ndarray, widths: numpy.ndarray) -> numpy.ndarray:
    """The centres closest to `target`, by weighted least squares, of boxes in this order that do not overlap.

    Less the room that boxes before it take, it is an isotonic regression: pool adjacent violators.
    """
    room = numpy.concatenate([[0.0], numpy.cumsum((widths[1:] + widths[:-1]) / 2 + GAP)])
    blocks: list[tuple[float, float, int]] = []
    for value, w in zip(target - room, weight, strict=True):
        blocks.append((float(value), float(w), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (v1, w1, n1), (v2, w2, n2) = blocks[-2:]
            blocks[-2:] = [((v1 * w1 + v2 * w2) / (w1 + w2), w1 + w2, n1 + n2)]
    return numpy.concatenate([numpy.full(n, value) for value, _, n in blocks]) + room
