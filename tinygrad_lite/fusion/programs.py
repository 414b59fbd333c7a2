"""Programs: an expression as machine code, or as a sequence of NumPy calls with `out=` where there is none for it.

Of calls, each block of the arrays goes through all before the next, so that it stays in the processor's cache;
intermediate results lie in scratch arrays that are used again as soon as nobody needs what they hold. Large arrays are
worked on by several threads.

Machine code takes, of the time of NumPy's calls, 0.5 for gelu of (12, 64, 512), 0.4 for Adam's step on 235 thousand
parameters and 0.45 on 4 million.
"""

from __future__ import annotations

import linecache
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..core.threads import run_blocks
from .emitter import Emitter
from .expressions import Node
from .machine import machine_step

__all__ = ["SIGNATURES", "Program", "evenly"]


class Blocks:
    """How large blocks are; a program keeps what was set when it was made.

    cache : bytes that the arrays of a block may take. Of 32 MB of third-level cache; less stays in the second-level
        one, but threads lose more by taking turns in Python. gelu forward and backward on two threads with 2^18, 2^20,
        2^22, 2^23 bytes: 16, 8.1, 7.0, 7.0 ms for 2^20 elements, and 235, 149, 138, 175 for 16 M.
    least, most : elements of a block.
    alone : elements times calls up to which one thread takes all blocks, and does so in less time than two.
    shared : elements times work from which on threads share a call of machine code, see `machine/team.py`; what its
        work is counts `machine_loops.py`.

    Their number is even: gelu of that size, which three would do for, takes 0.86 of the time in four.

    Updates may take twice the cache, since they are few passes: Adam's step on 500 thousand parameters takes 0.83 of
    the time with blocks of 2^18 elements of float32 instead of 0.8 * 2^18, on 235 thousand 0.93, on 25 million 0.96.
    """

    cache = 1 << 22
    least, most = 1 << 16, 1 << 18
    alone = 1 << 21
    shared = 40_000


SIGNATURES = 64
"""For how many combinations of dtypes, numbers and static arguments an operation's programs are kept."""

CONSTANTS = 64
"""How many constant arrays are kept."""

AROUND = 256
"""For how many programs and sizes of blocks a thread keeps the scratch arrays."""


class Program:
    """Computes the values of some nodes from arrays.

    roots : the nodes. inputs : the nodes of the arrays from outside, in the order in which they are given.
    over : for roots whose values are written over an input, which root over which input, by their numbers.
    numbers : operands, as pairs of a node and a position, whose numbers are given in each call.

    block : elements that NumPy's calls work on at a time; arrays go to machine code as they are.
    """

    of_parts = False
    """Whether it is also given where parts begin, see `norms.py`."""

    def __init__(
        self,
        roots: Sequence[Node],
        inputs: Sequence[Node],
        name: str,
        *,
        over: dict[int, int] | None = None,
        numbers: Sequence[tuple[Node, int]] = (),
    ) -> None:
        self.dtypes = [root.dtype for root in roots]
        self.widths: list[int] = []
        self.scratch: list[tuple[int, numpy.dtype]] = []
        self.constants: list[tuple[float, numpy.dtype]] = []
        self._shared = math.inf  # elements from which on threads share a call of machine code
        machine = machine_step(roots, inputs, numbers, name, Blocks.shared)
        if machine is None:
            self._of_calls(Emitter(roots, inputs, over or {}, numbers), name)
            own = [root for i, root in enumerate(roots) if i not in (over or {})]
            bytes_ = sum(node.dtype.itemsize for node in (*inputs, *own)) + sum(self.widths)
            cache = 2 * Blocks.cache if over else Blocks.cache
            self.block = min(max(cache // max(bytes_, 1), Blocks.least), Blocks.most)
        else:
            self._step, self.source, self._work, self._assemble = machine
            self.block, self._shared = Blocks.most, Blocks.shared / self._work
        self._whole = machine is not None and not numbers

    def _of_calls(self, emitter: Emitter, name: str) -> None:
        """Take the step from NumPy's calls, where there is no machine code."""
        self.source, scope = emitter.function(name)
        self.widths, self.scratch, self.constants = emitter.widths, list(emitter.scratch), list(emitter.constants)
        filename = f"<tinygrad_lite program {name} {id(self):x}>"
        made: dict[str, Any] = {}
        exec(compile(self.source, filename, "exec"), scope, made)
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(keepends=True), filename)
        self._step = made["program"]
        if "quiet_exp" in scope:
            self._step = numpy.errstate(over="ignore")(self._step)
        self._work = float(len(emitter.lines))

    def __call__(
        self, arrays: Sequence[numpy.ndarray], outs: Sequence[numpy.ndarray] | None = None, numbers: Sequence[Any] = ()
    ) -> list[Any]:
        """The values for arrays of one shape, in new arrays or in `outs`, which are contiguous.

        New arrays lie in memory as the first array that is contiguous in some order of the axes.
        """
        size = arrays[0].size
        if size >= self._shared:
            self._assemble()
        if outs is None:
            if self._whole and arrays[0].ndim:
                for array in arrays:
                    if not array.flags.c_contiguous:
                        break
                else:
                    made = self._step(*arrays)
                    return list(made) if type(made) is tuple else [made]
            order = None
            for array in arrays:
                if not array.flags.c_contiguous and (order := _order(array)) is not None:
                    break
            if order is None:
                outs = [numpy.empty(arrays[0].shape, dtype) for dtype in self.dtypes]
                flat = [array.reshape(-1) for array in (*arrays, *outs)]
            else:
                outs = [numpy.empty_like(array, dtype) for dtype in self.dtypes]
                flat = [array.transpose(order).reshape(-1) for array in (*arrays, *outs)]
        else:
            flat = [array.reshape(-1) for array in (*arrays, *outs)]
        if size <= self.block or self._shared < math.inf:
            self._step(*flat, *self._around(size), *numbers)
        else:

            def work(part: tuple[int, int]) -> None:
                a, b = part
                self._step(*[array[a:b] for array in flat], *self._around(b - a), *numbers)

            self.share_out(work, evenly(size, self.block))
        return list(outs)

    def share_out(self, work: Callable[[Any], None], blocks: Sequence[tuple[int, ...]]) -> None:
        """Call `work` for blocks that begin and end with their first two numbers, in threads where that pays."""
        if len(blocks) > 1 and (blocks[-1][1] - blocks[0][0]) * self._work > Blocks.alone:
            run_blocks(work, blocks)
        else:
            for block in blocks:
                work(block)

    def bound(self, arrays: Sequence[numpy.ndarray]) -> Callable[..., numpy.ndarray]:
        """The first value as a function of arrays of the shape of these, for calls that are repeated.

        On arrays of one block it is 0.5 of the time of the program around its calls.
        """
        shape, size = arrays[0].shape, arrays[0].size
        if size > self.block and self._shared == math.inf:
            return lambda *arrays: self(arrays)[0]
        names = [f"x{i}" for i in range(len(arrays))]
        source = (
            f"def bound({', '.join(names)}):\n"
            f"{'    assemble()' if size >= self._shared else ''}\n"
            f"    if {' and '.join(f'{name}.flags.c_contiguous' for name in names)}:\n"
            f"        y = empty(shape, dtype)\n"
            f"        step({''.join(f'{name}.reshape(-1), ' for name in names)}y.reshape(-1), *around(size))\n"
            f"        return y\n"
            f"    return program(({', '.join(names)},))[0]\n"
        )
        scope: dict[str, Any] = {"empty": numpy.empty, "step": self._step, "around": self._around, "program": self}
        scope |= {"shape": shape, "size": size, "dtype": self.dtypes[0]}
        if size >= self._shared:
            scope["assemble"] = self._assemble
        exec(source, scope)
        return scope["bound"]

    def _around(self, size: int) -> list[numpy.ndarray]:
        """The scratch arrays for a block, of the calling thread, and the constant ones; kept for the next block."""
        kept = _local.__dict__.setdefault("around", {})
        found = kept.get((self, size))
        if found is None:
            if len(kept) >= AROUND:
                kept.clear()
            raw = [_memory(i, size * width)[: size * width] for i, width in enumerate(self.widths)]
            found = [raw[slot].view(dtype) for slot, dtype in self.scratch]
            found += [_constant(value, dtype, size)[:size] for value, dtype in self.constants]
            kept[self, size] = found
        return found


def evenly(size: int, most: int) -> list[tuple[int, int]]:
    """Where blocks of at most so many elements begin and end: one, or an even number, see `Blocks`."""
    count = 1 if size <= most else 2 * math.ceil(size / (2 * most))
    return [(i * size // count, (i + 1) * size // count) for i in range(count)]


def _order(array: numpy.ndarray) -> list[int] | None:
    """The order of the axes in which an array is contiguous, or None."""
    order = sorted(range(array.ndim), key=array.strides.__getitem__, reverse=True)
    return order if array.transpose(order).flags.c_contiguous else None


_local = threading.local()


def _memory(number: int, size: int) -> numpy.ndarray:
    """The bytes of the calling thread's scratch array with this number, at least `size`."""
    held = _local.__dict__.setdefault("held", {})
    if number not in held or held[number].size < size:
        held[number] = numpy.empty(size, numpy.uint8)
    return held[number]


_constants: dict[tuple, numpy.ndarray] = {}


def _constant(value: float, dtype: numpy.dtype, size: int) -> numpy.ndarray:
    """An array of at least `size` elements that are all `value`; nobody writes into it."""
    key = (value, math.copysign(1, value), dtype)
    held = _constants.get(key)
    if held is None or held.size < size:
        if len(_constants) >= CONSTANTS:
            _constants.clear()
        held = _constants[key] = numpy.full(size, value, dtype)
    return held
