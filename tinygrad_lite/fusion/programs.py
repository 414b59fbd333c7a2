"""Programs: an expression as a sequence of NumPy calls with `out=`, on blocks that stay in the processor's cache.

Each block goes through all calls before the next; intermediate results lie in scratch arrays that are used again as
soon as nobody needs what they hold. Large arrays are worked on by several threads.
"""

from __future__ import annotations

import linecache
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..core.axpby import axpby
from ..core.threads import run_blocks
from .expressions import Node, in_order

__all__ = ["SIGNATURES", "Program"]


class Blocks:
    """How large blocks are; a program keeps what was set when it was made.

    cache : bytes that the arrays of a block may take. Of 32 MB of third-level cache; less stays in the second-level
        one, but threads lose more by taking turns in Python. gelu forward and backward on two threads with 2^18, 2^20,
        2^22, 2^23 bytes: 16, 8.1, 7.0, 7.0 ms for 2^20 elements, and 235, 149, 138, 175 for 16 M.
    least, most : elements of a block.
    alone : elements times calls up to which one thread takes all blocks, and does so in less time than two. The one
        call of gelu's gradient of (12, 64, 512) takes 0.75 of the time that it takes in two threads.

    Their number is even: gelu of that size, which three would do for, takes 0.86 of the time in four.

    Updates may take twice the cache, since they are few passes: Adam's step on 500 thousand parameters takes 0.83 of
    the time with blocks of 2^18 elements of float32 instead of 0.8 * 2^18, on 235 thousand 0.93, on 25 million 0.96.
    """

    cache = 1 << 22
    least, most = 1 << 16, 1 << 18
    alone = 1 << 21


SIGNATURES = 64
"""For how many combinations of dtypes, numbers and static arguments an operation's programs are kept."""

CONSTANTS = 64
"""How many constant arrays are kept."""

AROUND = 256
"""For how many programs and sizes of blocks a thread keeps the scratch arrays."""

_BITS = {2: numpy.dtype("int16"), 4: numpy.dtype("int32"), 8: numpy.dtype("int64")}


class Program:
    """Computes the values of some nodes from arrays.

    roots : the nodes. inputs : the nodes of the arrays from outside, in the order in which they are given.
    over : for roots whose values are written over an input, which root over which input, by their numbers.
    numbers : operands, as pairs of a node and a position, whose numbers are given in each call.
    """

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
        emitter = _Emitter(roots, inputs, over or {}, numbers)
        self.source, scope = emitter.function(name)
        self.widths, self.scratch, self.constants = emitter.widths, list(emitter.scratch), list(emitter.constants)
        filename = f"<tinygrad_lite program {name} {id(self):x}>"
        made: dict[str, Any] = {}
        exec(compile(self.source, filename, "exec"), scope, made)
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(keepends=True), filename)
        self._step = made["program"]
        if "quiet_exp" in scope:
            self._step = numpy.errstate(over="ignore")(self._step)
        own = [root for i, root in enumerate(roots) if i not in (over or {})]
        bytes_ = sum(node.dtype.itemsize for node in (*inputs, *own)) + sum(self.widths)
        cache = 2 * Blocks.cache if over else Blocks.cache
        self._calls = len(emitter.lines)
        self._block = min(max(cache // max(bytes_, 1), Blocks.least), Blocks.most)

    def __call__(
        self, arrays: Sequence[numpy.ndarray], outs: Sequence[numpy.ndarray] | None = None, numbers: Sequence[Any] = ()
    ) -> list[Any]:
        """The values for arrays of one shape, in new arrays or in `outs`, which are contiguous.

        New arrays lie in memory as the first array that is contiguous in some order of the axes.
        """
        size = arrays[0].size
        if outs is None:
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
        if size <= self._block:
            self._step(*flat, *self._around(size), *numbers)
        else:
            count = 2 * math.ceil(size / (2 * self._block))

            def work(i: int) -> None:
                a, b = i * size // count, (i + 1) * size // count
                self._step(*[array[a:b] for array in flat], *self._around(b - a), *numbers)

            if size * self._calls > Blocks.alone:
                run_blocks(work, range(count))
            else:
                for i in range(count):
                    work(i)
        return list(outs)

    def bound(self, arrays: Sequence[numpy.ndarray]) -> Callable[..., numpy.ndarray]:
        """The first value as a function of arrays of the shape of these, for calls that are repeated.

        On arrays of one block it is 0.5 of the time of the program around its calls.
        """
        shape, size = arrays[0].shape, arrays[0].size
        if size > self._block:
            return lambda *arrays: self(arrays)[0]
        names = [f"x{i}" for i in range(len(arrays))]
        source = (
            f"def bound({', '.join(names)}):\n"
            f"    if {' and '.join(f'{name}.flags.c_contiguous' for name in names)}:\n"
            f"        y = empty(shape, dtype)\n"
            f"        step({''.join(f'{name}.reshape(-1), ' for name in names)}y.reshape(-1), *around(size))\n"
            f"        return y\n"
            f"    return program(({', '.join(names)},))[0]\n"
        )
        scope: dict[str, Any] = {"empty": numpy.empty, "step": self._step, "around": self._around, "program": self}
        scope |= {"shape": shape, "size": size, "dtype": self.dtypes[0]}
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


class _Emitter:
    """Writes the Python source of a program: one call a line.

    widths : the bytes that an element takes in each scratch array.
    """

    def __init__(
        self,
        roots: Sequence[Node],
        inputs: Sequence[Node],
        over: dict[int, int],
        numbers: Sequence[tuple[Node, int]],
    ) -> None:
        self.roots, self.inputs = roots, inputs
        self.numbers = {key: f"k{i}" for i, key in enumerate(numbers)}
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {"copyto": numpy.copyto}
        self.widths: list[int] = []
        self.constants: dict[tuple[float, numpy.dtype], str] = {}
        self.free: list[int] = []
        self.places: dict[Node, str] = {node: f"x{i}" for i, node in enumerate(inputs)}
        self.targets: dict[Node, str] = {}
        self.nodes = [node for node in in_order(roots) if node.name not in ("input", "full")]
        self.last = {parent: i for i, node in enumerate(self.nodes) for parent in node.parents}
        when = {node: i for i, node in enumerate(self.nodes)}
        for i, root in enumerate(roots):
            if root not in when:
                continue
            # Memory is written over once the input there is not needed; a selection writes before it has read all.
            needed = -1 if i not in over else self.last.get(inputs[over[i]], -1)
            if needed < when[root] or (needed == when[root] and root.name != "where"):
                self.targets.setdefault(root, f"y{i}")
            else:
                self.last[root] = len(self.nodes)
        self.views: dict[str, str] = {}
        self.scratch: dict[tuple[int, numpy.dtype], str] = {}
        self.over = over

    def function(self, name: str) -> tuple[str, dict[str, Any]]:
        """The source, and the names that it uses."""
        if self.over:  # inputs that are results are put aside before anything is written over them
            for root in dict.fromkeys(root for root in self.roots if root in self.inputs):
                aside = self._new(root.dtype)
                self.lines.append(f"copyto({aside}, {self.places[root]})")
                self.places[root] = aside
                self.last[root] = len(self.nodes)
        for i, node in enumerate(self.nodes):
            self._emit(i, node)
        for i, root in enumerate(self.roots):
            if self.targets.get(root) != f"y{i}":
                self.lines.append(f"copyto(y{i}, {self._operand(root)})")
        parameters = [f"x{i}" for i in range(len(self.inputs))] + [f"y{i}" for i in range(len(self.roots))]
        parameters += [*self.scratch.values(), *self.constants.values(), *self.numbers.values()]
        head = [f"{view} = {what}" for what, view in self.views.items()]
        body = [f"    {line}" for line in (*head, *self.lines)] or ["    pass"]
        return "\n".join([f"def program({', '.join(parameters)}):  # {name}", *body]) + "\n", self.scope

    def _emit(self, i: int, node: Node) -> None:
        dying = [p for p in dict.fromkeys(node.parents) if self.last[p] == i and self.places.get(p, "").startswith("s")]
        if node.name == "where":
            place = self._emit_where(node)
        else:
            operands = [self.numbers.get((node, j)) or self._array(node, x) for j, x in enumerate(node.operands)]
            place = self._place(node, [parent for parent in dying if parent.dtype == node.dtype])
            if node.name == "astype":
                self.lines.append(f"copyto({place}, {operands[0]}, casting='unsafe')")
            elif node.name in ("axpby", "axmby"):
                self._emit_sum(node, operands, place)
            else:
                self.scope[node.name] = numpy.exp if node.name == "quiet_exp" else getattr(numpy, node.name)
                self.lines.append(f"{node.name}({', '.join(operands)}, out={place})")
        self.places[node] = place
        for parent in dying:
            if self.places[parent] != place:
                self._release(self.places[parent])

    def _emit_sum(self, node: Node, operands: list[str], place: str) -> None:
        """a x + b y or a x - b y: one pass where x or y may be written over, else NumPy's."""
        a, x, b, y = operands
        if node.name == "axmby":
            b = f"-{b}"
        name = f"axpby_{node.dtype.name}"
        self.scope |= {name: axpby(node.dtype), "multiply": numpy.multiply, "add": numpy.add}
        if self._same_memory(place, y):
            self.lines.append(f"{name}({a}, {x}, {b}, {y})")
        elif self._same_memory(place, x):
            self.lines.append(f"{name}({b}, {y}, {a}, {x})")
        else:
            last = f"add({x}, {place}, out={place})" if a == "1.0" else f"{name}({a}, {x}, 1.0, {place})"
            self.lines += [f"multiply({b}, {y}, out={place})", last]

    def _same_memory(self, place: str, operand: str) -> bool:
        root = int(place[1:]) if place.startswith("y") else None
        return place == operand or (root in self.over and operand == f"x{self.over[root]}")

    def _emit_where(self, node: Node) -> str:
        """Selects bits with a mask: `numpy.where` branches, and guesses random conditions wrongly."""
        condition, x, y = node.operands
        if node.dtype.itemsize not in _BITS or node.dtype.kind == "c":
            operands = ", ".join(self._operand(operand) for operand in node.operands)
            place = self._place(node, [])
            self.scope["where"] = numpy.where
            self.lines.append(f"copyto({place}, where({operands}))")
            return place
        bits = _BITS[node.dtype.itemsize]
        first, second = self._bits_of(x, node.dtype, bits), self._bits_of(y, node.dtype, bits)
        chosen = self._operand(condition)
        place, mask = self._place(node, []), self._new(bits)
        result = self._view(place.partition("_")[0], bits)
        self.scope |= {"negative": numpy.negative, "bitwise_and": numpy.bitwise_and, "bitwise_xor": numpy.bitwise_xor}
        if isinstance(condition, Node) and condition.name != "full" and condition.dtype == bool:
            # Bytes first: 0.7 of the time of negating what they become.
            byte = numpy.dtype("int8")
            narrow = self._new(byte)
            self.lines.append(f"negative({self._view(chosen.partition('_')[0], byte)}, out={narrow})")
            self.lines.append(f"copyto({mask}, {narrow})")
            self._release(narrow)
        else:
            self.lines += [f"copyto({mask}, {chosen})", f"negative({mask}, out={mask})"]
        if second == 0:
            self.lines.append(f"bitwise_and({mask}, {first}, out={result})")
        elif isinstance(first, int) and isinstance(second, int):
            self.lines.append(f"bitwise_and({mask}, {first ^ second}, out={result})")
            self.lines.append(f"bitwise_xor({result}, {second}, out={result})")
        else:
            self.lines += [
                f"bitwise_xor({first}, {second}, out={result})",
                f"bitwise_and({result}, {mask}, out={result})",
                f"bitwise_xor({result}, {second}, out={result})",
            ]
        self._release(mask)
        return place

    def _bits_of(self, operand: Any, dtype: numpy.dtype, bits: numpy.dtype) -> str | int:
        """The operand of a selection as integers with the same bits."""
        if isinstance(operand, Node) and operand.name != "full":
            if operand.dtype == dtype:
                return self._view(self._operand(operand).partition("_")[0], bits)
            place = self._new(dtype)  # released with the block: such selections are rare
            self.lines.append(f"copyto({place}, {self._operand(operand)}, casting='unsafe')")
            return self._view(place.partition("_")[0], bits)
        value = operand.operands[0] if isinstance(operand, Node) else operand
        return int(numpy.array(value, dtype).view(bits))

    # Where values lie: x0, x1, ... are the inputs, y0, ... the results, s0, ... scratch arrays of bytes.

    def _operand(self, operand: Any) -> str:
        if isinstance(operand, Node) and operand.name != "full":
            return self.places[operand]
        if isinstance(operand, Node):
            value: Any = operand.dtype.type(operand.operands[0])
        elif isinstance(operand, float) and not math.isfinite(operand):
            value = operand
        else:
            return repr(operand)
        name = f"c{len(self.scope)}"
        self.scope[name] = value
        return name

    def _array(self, node: Node, operand: Any) -> str:
        """The operand; for a maximum or minimum, a number as an array: 0.23 ns an element instead of 0.86."""
        if node.name not in ("maximum", "minimum") or isinstance(operand, Node) or node.dtype.kind != "f":
            return self._operand(operand)
        name = f"a{len(self.constants)}"
        return self.constants.setdefault((float(operand), node.dtype), name)

    def _place(self, node: Node, reusable: list[Node]) -> str:
        if node in self.targets:
            return self.targets[node]
        return self.places[reusable[0]] if reusable else self._new(node.dtype)

    def _new(self, dtype: numpy.dtype) -> str:
        slot = next((i for i in self.free if self.widths[i] == dtype.itemsize), None)
        if slot is None:
            slot = len(self.widths)
            self.widths.append(dtype.itemsize)
        else:
            self.free.remove(slot)
        return self._view(f"s{slot}", dtype)

    def _release(self, place: str) -> None:
        self.free.append(int(place.partition("_")[0][1:]))

    def _view(self, base: str, dtype: numpy.dtype) -> str:
        name = f"{base}_{dtype.name}"
        if base.startswith("s"):
            self.scratch[int(base[1:]), dtype] = name
        else:
            self.views[f"{base}.view({dtype.name!r})"] = name
        return name
