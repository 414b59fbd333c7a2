"""Norms of parts on a GPU: three launches for a rule with norms, however many parts there are.

The first reads the arrays once and sums squares: each warp those of a tile of the whole length, for each part that
reaches into it. Since parts and tiles both follow one another, tile + part is another number for each such pair: the
place of its sum. In the second a block for each part adds its sums, in their order, and computes what depends on norms
alone. The third is the update, which reads each part's values beside its elements. Nothing depends on which thread
comes first, and tiles depend on the length alone: the norms are the same in each run and on each GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..core.effects import once
from ..cuda.module import cupy
from ..cuda.source import c_type
from .cuda import THREADS, Form, computing, frame, parameters, same_for_all
from .launches import CudaProgram, argument, number_type
from .makers import PROGRAMS
from .norms import Stage, Stages
from .pieces import CAPACITIES, Each, Pieces
from .reads import reading, single

__all__ = ["CudaNormProgram"]

WARP = 32
TILE = 1 << 10
"""Elements of a tile, but for arrays of more than `TILES` such tiles."""

TILES = 1 << 14
"""Tiles of a launch: warps for two rounds on the largest chips, and few sums for the second launch."""


class CudaNormProgram:
    """`CudaProgram` for the stages of a rule with norms; also given where the parts begin, and the end of the last.

    If one of the arrays is in pieces, those are the parts.
    """

    of_parts = True

    def __init__(self, stages: Stages, name: str, over: dict[int, int]) -> None:
        self.stages = measured, shares, update = stages
        self.norms = NormKernels(measured, shares, name)
        self.update = PROGRAMS["cupy"](update.roots, update.inputs, name, over=over, numbers=update.places)

    def __call__(
        self, arrays: Sequence[Any], outs: Sequence[Any], numbers: Sequence[Any], bounds: tuple[int, ...]
    ) -> None:
        """Write the values into `outs`, for contiguous arrays."""
        if not bounds[-1]:
            return
        flat = [array if array.ndim < 2 else array.reshape(-1) for array in arrays]
        pieces = next((array for array in flat if isinstance(array, Pieces)), None)
        if pieces is None:
            pieces = flat[0] = Pieces([flat[0][a:b] for a, b in pairwise(bounds)])
        measured, shares, update = (stage.of(numbers) for stage in self.stages)
        values = self.norms.shares(flat, pieces, measured, shares)
        self.update([*flat, *(Each(value, pieces) for value in values)], outs, update)


class NormKernels(CudaProgram):
    """The first two launches: what is measured, and what is computed of the norms alone."""

    def __init__(self, measured: Stage, of_norms: Stage, name: str) -> None:
        self.of_norms = of_norms
        self._given_of_norms = [number_type(dtype) for dtype in parameters(of_norms.places)]
        super().__init__(measured.roots, measured.inputs, name, numbers=measured.places)

    def _simplest(self, width: int) -> Form:
        return Form(width, ("pieces", *["pack"] * (len(self.inputs) - 1)), pieces=CAPACITIES[0])

    def text(self, form: Form) -> str:
        return f"// {self.name}\n{squares_text(self, form)}{shares_text(self, form)}"

    def shares(self, arrays: Sequence[Any], pieces: Pieces, numbers: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        """The values for each piece, `(k,)`.

        numbers : of what is measured. others : of what is computed of the norms.
        """
        layout = self._layout(arrays)
        form, count, parts = self._form(layout, arrays, ()), layout.count, len(pieces.arrays)
        tile = TILE * -(-count // (TILE * TILES))
        tiles = -(-count // tile)
        xp = cupy()
        sums, values = once(lambda: (
            [xp.empty(tiles + parts, dtype=dtype) for dtype in self.dtypes],
            [xp.empty(parts, dtype=root.dtype) for root in self.of_norms.roots],
        ))  # fmt: skip
        first = [*map(argument, arrays), *sums]
        blocks = -(-tiles * WARP // THREADS)

        def squares(form: Form, given: Sequence[Any]) -> None:
            self._module(form).launch("squares", blocks, THREADS, [*first, *given, count, tile])

        def of_norms(form: Form, given: Sequence[Any]) -> None:
            args = [pieces.structure(), *sums, *values, *given, tile]
            self._module(form).launch("shares", parts, THREADS, args)

        self._start(squares, form, self._given, numbers, "squares", count)
        self._start(of_norms, form, self._given_of_norms, others, "shares", count, parts)
        return values


def squares_text(program: NormKernels, form: Form) -> str:
    """The kernel that sums squares. A pack that reaches into two parts is read for both."""
    roots, inputs, width = program.roots, program.inputs, form.width
    kinds = [computing(root.dtype) for root in roots]
    places = [f"y{i}" for i in range(len(roots))]
    once_a_block = same_for_all(roots, inputs, form)
    lines, pointers, head, same = frame(
        roots, inputs, form, "squares", kinds, once_a_block, program.numbers, places=places
    )
    pieces = f"x{form.reads.index('pieces')}"
    names = [f"v{i}" for i in range(len(roots))]
    declared = [f"{kind} {name};" for kind, name in zip(kinds, names, strict=True)]
    added = [f"t{i} += {name} * {name};" for i, name in enumerate(names)]
    statements, values = reading(form, inputs, "i * WIDTH")
    lines += [
        f"KERNEL squares({', '.join([*pointers, 'i64 count', 'i64 tile'])}) {{",
        *(f"    {line}" for line in head),
        f"    constexpr int WIDTH = {width};",
        "    const int lane = threadIdx.x % WARP;",
        "    const i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / WARP;",
        "    const i64 start = warp * tile, end = smaller(start + tile, count);",
        "    if (start >= count) return;",
        f"    for (int s = piece_of({pieces}, start); s < {pieces}.count && {pieces}.bounds[s] < end; ++s) {{",
        f"        const i64 low = larger(start, {pieces}.bounds[s]), high = smaller(end, {pieces}.bounds[s + 1]);",
        "        if (low >= high) continue;",
        *(f"        {kind} t{i} = 0;" for i, kind in enumerate(kinds)),
        "        for (i64 i = low / WIDTH + lane; i * WIDTH < high; i += WARP) {",
        "            if (i * WIDTH + WIDTH <= count) {",
        *(f"                {line}" for line in (*statements, *declared)),
        "#pragma unroll",
        "                for (int k = 0; k < WIDTH; ++k) {",
        f"                    squares_value({', '.join([*values, *same, *names])});",
        f"                    if (i * WIDTH + k >= low && i * WIDTH + k < high) {{ {' '.join(added)} }}",
        "                }",
        "            } else {",
        *(f"                {line}" for line in declared),
        "                for (i64 j = larger(i * WIDTH, low); j < high; ++j) {",
        f"                    squares_value({', '.join([*single(form, 'j'), *same, *names])});",
        f"                    {' '.join(added)}",
        "                }",
        "            }",
        "        }",
    ]
    for i in range(len(roots)):
        lines += [f"        t{i} = warp_sum(t{i});", f"        if (lane == 0) y{i}[warp + s] = t{i};"]
    return "\n".join([*lines, "    }", "}"]) + "\n"


def shares_text(program: NormKernels, form: Form) -> str:
    """The kernel that adds the sums and computes what depends on norms alone: a block for each part."""
    stage, kinds = program.of_norms, [computing(root.dtype) for root in program.roots]
    stored = [c_type(root.dtype) for root in stage.roots]
    plain = Form(1, ("pack",) * len(kinds), live=form.live)
    lines, pointers, head, same = frame(stage.roots, stage.inputs, plain, "shares", stored, (), stage.places)
    piece = c_type(program.inputs[form.reads.index("pieces")].dtype)
    norms = [f"sqrt_of(t{i})" for i in range(len(kinds))]
    results = [f"y{i}[blockIdx.x]" for i in range(len(stored))]
    pointers = [f"const __grid_constant__ Pieces<{piece}, {form.pieces}> parts", *pointers, "i64 tile"]
    lines += [
        f"KERNEL shares({', '.join(pointers)}) {{",
        *(f"    {line}" for line in head),
        "    const i64 low = parts.bounds[blockIdx.x], high = parts.bounds[blockIdx.x + 1];",
        "    const i64 first = low / tile, last = low < high ? (high - 1) / tile + 1 : first;",
    ]
    for i, kind in enumerate(kinds):
        lines += [
            f"    __shared__ {kind} r{i}[WARP];",
            f"    {kind} t{i} = 0;",
            f"    for (i64 i = first + threadIdx.x; i < last; i += blockDim.x) t{i} += x{i}[i + blockIdx.x];",
            f"    t{i} = block_sum(t{i}, r{i});",
        ]
    lines.append(f"    if (threadIdx.x == 0) shares_value({', '.join([*norms, *same, *results])});")
    return "\n".join([*lines, "}"]) + "\n"
