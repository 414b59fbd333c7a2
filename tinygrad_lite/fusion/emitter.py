"""The source of programs: an expression as calls of NumPy's functions, with the memory that each writes into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy

from ..core.axpby import axpby
from .expressions import Node, in_order

__all__ = ["Emitter"]

_BITS = {2: numpy.dtype("int16"), 4: numpy.dtype("int32"), 8: numpy.dtype("int64")}


class Emitter:
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
        elif node.name == "sign" and node.dtype.kind == "f":
            place = self._emit_sign(node, [parent for parent in dying if parent.dtype == node.dtype])
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

    def _emit_sign(self, node: Node, reusable: list[Node]) -> str:
        """Two comparisons as bytes, subtracted: `numpy.sign` branches, and guesses random signs wrongly.

        Where there is a NaN, `numpy.sign` itself. A step of Lion on 1 M random numbers takes 0.25 of the time.
        """
        x = self._operand(node.operands[0])
        plus, minus = self._new(numpy.dtype(bool)), self._new(numpy.dtype(bool))
        first, second = (self._view(mask.partition("_")[0], numpy.dtype("int8")) for mask in (plus, minus))
        place = self._place(node, reusable)
        names = ("greater", "less", "subtract", "not_equal", "sign")
        self.scope |= {name: getattr(numpy, name) for name in names}
        self.lines += [
            f"greater({x}, 0.0, out={plus})",
            f"less({x}, 0.0, out={minus})",
            f"subtract({first}, {second}, out={first})",
            f"not_equal({x}, {x}, out={minus})",
            f"sign({x}, out={place}) if {minus}.any() else copyto({place}, {first})",
        ]
        self._release(plus)
        self._release(minus)
        return place

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
