"""Norms of parts in rules that are elementwise otherwise: of each parameter, for a step in proportion to it.

A rule calls `norm_of_each` and is cut there. What is measured is one pass over memory, which writes nothing; what is
computed of norms alone is computed once for each part; the rest is a second pass, beside which each part's values lie.
Where both passes need the same of the arrays, both compute it: for LAMB's direction that reads 16 bytes for each
parameter of float32 once more, where keeping it would write and read 8 bytes more.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy

from ..core.backend import backend_of
from .expressions import Node, in_order, inputs_of
from .programs import Program, evenly
from .symbols import NotElementwise

__all__ = ["NormProgram", "Stage", "Stages", "has_norms", "norm_of_each", "split"]

NAME = "norm_of_each"

PLANS = 64
"""For how many divisions into parts it is kept how they go into blocks."""

Places = Sequence[tuple[Node, int]]


def norm_of_each(x: Any) -> Any:
    """The Euclidean norm of all elements, `()`; in update rules that of each parameter alone.

    What is measured must be computed without other norms.

    >>> from tinygrad_lite.fusion.norms import norm_of_each
    >>> float(norm_of_each(numpy.array([3.0, 4.0])))
    5.0
    """
    xp = backend_of(x).xp
    noted = getattr(xp, NAME, None)  # symbols'
    return xp.sqrt(xp.sum(x * x)) if noted is None else noted(x)


def has_norms(roots: Sequence[Node]) -> bool:
    """Whether the roots are computed from norms."""
    return any(node.name == NAME for node in in_order(roots))


@dataclass
class Stage:
    """A part of a rule: the roots, what they are computed from, where their numbers are, and which of all those are."""

    roots: list[Node]
    inputs: list[Node]
    places: list[tuple[Node, int]]
    which: list[int]

    def of(self, numbers: Sequence[Any]) -> list[Any]:
        """The numbers of this stage."""
        return [numbers[i] for i in self.which]


Stages = tuple[Stage, Stage, Stage]
"""What is measured, what is computed of the norms alone, and the roots."""


def split(roots: Sequence[Node], inputs: Sequence[Node], numbers: Places) -> Stages:
    """The stages of a rule with norms.

    The second's inputs are the norms; the third's are the given ones and the roots of the second.
    Raises NotElementwise for norms of norms and of other than float32 and float64.
    """
    nodes = in_order(roots)
    norms = [node for node in nodes if node.name == NAME]
    measured = [norm.operands[0] for norm in norms]
    if has_norms(measured) or not all(node.dtype.name in ("float32", "float64") for node in measured):
        raise NotElementwise("a norm of norms, or of other than float32 and float64")
    alone = set(norms)
    for node in nodes:
        if node.parents and all(parent in alone for parent in node.parents):
            alone.add(node)
    wanted = {*roots, *(parent for node in nodes if node not in alone for parent in node.parents)}
    shared = [node for node in nodes if node in alone and node in wanted]
    of_norms = {norm: Node("input", (i,), norm.dtype) for i, norm in enumerate(norms)}
    of_shares = {node: Node("input", (len(inputs) + i,), node.dtype) for i, node in enumerate(shared)}
    return (
        _stage(measured, list(inputs), {}, numbers),
        _stage(shared, list(of_norms.values()), of_norms, numbers),
        _stage(roots, [*inputs, *of_shares.values()], of_shares, numbers),
    )


def _stage(roots: Sequence[Node], inputs: list[Node], given: Mapping[Node, Node], numbers: Places) -> Stage:
    """The roots with inputs in place of the nodes that are given."""
    made, nodes = dict(given), in_order(roots, given)
    for node in nodes:
        if any(parent in made for parent in node.parents):
            made[node] = Node(node.name, tuple(made.get(x, x) for x in node.operands), node.dtype)
    here = set(nodes)
    which = [i for i, (node, _) in enumerate(numbers) if node in here]
    places = [(made.get(node, node), position) for node, position in (numbers[i] for i in which)]
    return Stage([made.get(root, root) for root in roots], inputs, places, which)


class NormProgram:
    """`Program` for the stages of a rule with norms; it is also given where the parts begin, and the end of the last.

    Squares are summed in the order in which NumPy sums each part: the norms are those of `norm_of_each` on arrays.
    """

    of_parts = True

    def __init__(self, stages: Stages, name: str, over: dict[int, int]) -> None:
        self.stages = measured, shares, update = stages
        squares = [Node("multiply", (x, x), x.dtype) for x in measured.roots]
        used = inputs_of(squares)
        self.used = [i for i, node in enumerate(measured.inputs) if node in used]
        self._squares = Program(squares, used, f"{name}: squares", numbers=measured.places)
        self._shares = Program(shares.roots, shares.inputs, f"{name}: shares", numbers=shares.places)
        self._update = Program(update.roots, update.inputs, name, over=over, numbers=update.places)

    def __call__(
        self, arrays: Sequence[numpy.ndarray], outs: Sequence[numpy.ndarray], numbers: Sequence[Any],
        bounds: tuple[int, ...],
    ) -> None:  # fmt: skip
        """Write the values into `outs`, for contiguous arrays of one shape."""
        flat, written = ([array.reshape(-1) for array in given] for given in (arrays, outs))
        size = bounds[-1]
        if not size:
            return
        measured, shares, update = (stage.of(numbers) for stage in self.stages)
        norms = self._norms([flat[i] for i in self.used], bounds, measured)
        values = self._shares(norms, numbers=shares)

        def work(block: _Spread) -> None:
            a, b, parts, lengths = block
            beside = [numpy.repeat(value[parts], lengths) for value in values]
            self._update([*(x[a:b] for x in flat), *beside], [x[a:b] for x in written], update)

        self._update.share_out(work, _spread(bounds, self._update.block))

    def _norms(
        self, arrays: Sequence[numpy.ndarray], bounds: tuple[int, ...], numbers: Sequence[Any]
    ) -> list[numpy.ndarray]:
        """For each root that is measured, the norms of the parts."""
        block = self._squares.block
        blocks, count = _plan(bounds, block)
        sums = [numpy.zeros(count, dtype) for dtype in self._squares.dtypes]

        def work(found: _Block) -> None:
            a, b, first, cuts = found
            for squares, own in zip(self._squares([x[a:b] for x in arrays], numbers=numbers), sums, strict=True):
                for i, (start, end) in enumerate(cuts, first):
                    own[i] = numpy.add.reduce(squares[start:end])

        self._squares.share_out(work, blocks)
        if count > len(bounds) - 1:
            sums = [numpy.array(list(_totals(own, bounds, block)), own.dtype) for own in sums]
        return [numpy.sqrt(own) for own in sums]


_Spread = tuple[int, int, slice, Any]
"""Where a block begins and ends, the parts in it, and how many elements it has of each."""


@lru_cache(PLANS)
def _spread(bounds: tuple[int, ...], most: int) -> list[_Spread]:
    """Blocks of at most so many elements."""
    found = []
    for a, b in evenly(bounds[-1], most):
        parts = slice(bisect_right(bounds, a) - 1, bisect_left(bounds, b))
        lengths = numpy.diff(numpy.clip(bounds[parts.start : parts.stop + 1], a, b))
        found.append((a, b, parts, lengths if len(lengths) > 1 else b - a))
    return found


_Block = tuple[int, int, int, list[tuple[int, int]]]
"""Where a block begins and ends, the number of its first piece, and where in it its pieces begin and end."""


@lru_cache(PLANS)
def _plan(bounds: tuple[int, ...], most: int) -> tuple[list[_Block], int]:
    """Blocks of at most so many elements that together are all parts, and how many pieces of parts are in them."""
    blocks: list[_Block] = []
    count = 0
    for a, b in pairwise(bounds):
        for start, end in _pieces(a, b, most):
            if not blocks or end - blocks[-1][0] > most:
                blocks.append((start, end, count, []))
            begin, _, first, cuts = blocks[-1]
            blocks[-1] = (begin, end, first, [*cuts, (start - begin, end - begin)])
            count += 1
    return blocks, count


def _pieces(a: int, b: int, most: int) -> Iterator[tuple[int, int]]:
    """Pieces of at most so many elements, by halves as NumPy makes them to sum what is longer than 128 elements."""
    if b - a <= most:
        yield a, b
        return
    half = _half(b - a)
    yield from _pieces(a, a + half, most)
    yield from _pieces(a + half, b, most)


def _half(length: int) -> int:
    return length // 2 // 8 * 8


def _totals(sums: Sequence[Any], bounds: tuple[int, ...], most: int) -> Iterator[Any]:
    """The sums of the parts from those of their pieces."""
    following = iter(sums)

    def total(length: int) -> Any:
        if length <= most:
            return next(following)
        half = _half(length)
        return total(half) + total(length - half)

    return (total(b - a) for a, b in pairwise(bounds))
