"""The source of CUDA kernels: an expression as C++, with what reads its inputs and writes its values around it.

It is text made from text, and needs no GPU. A kernel computes all roots in one pass over memory: it reads each input
once and writes each root once, so many bytes at a time as one thread can, and keeps everything between in registers.
Operations are rounded one by one, as NumPy's are (`OPTIONS`); functions are CUDA's, a unit or two in the last place
from NumPy's. 16-bit floating point is read and written, never computed with: expressions convert it first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy

from ..cuda.source import c_type
from .expressions import Node, in_order
from .reads import coordinates, reading, single
from .symbols import NotElementwise

__all__ = [
    "OPTIONS", "THREADS", "Body", "Form", "computing", "frame", "functions", "kernel_text", "parameters",
    "same_for_all",
]  # fmt: skip

OPTIONS = ("-std=c++17", "-fmad=false")
"""For the compiler: without sums and products in one, which would make x * x - x * x another number than 0."""

THREADS = 256
"""Threads of a block."""

_HALVES = ("float16", "bfloat16")

_OWN = {"isfinite", "isinf", "isnan", "signbit"}
_LOGICAL = {"logical_and": "&&", "logical_or": "||", "logical_xor": "!="}
_COMPARISONS = {
    "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
}  # fmt: skip
_ARITHMETIC = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
_BITS = {"bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^"}
_NAMES = {"quiet_exp": "exp", "maximum": "larger", "minimum": "smaller"}
_FUNCTIONS = {
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "copysign", "cos", "cosh", "exp",
    "expm1", "floor", "floor_divide", "hypot", "log", "log10", "log1p", "log2", "logaddexp", "negative", "nextafter",
    "pow", "quiet_exp", "reciprocal", "remainder", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc",
}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """How a kernel goes through memory.

    width : elements of a pack, which a thread takes at a time.
    reads : for each input how a pack of it is read: "pack", all elements at once; "row", one element that stands for
        all of the pack; "one", one element that stands for the whole array; "pieces", from arrays that lie apart;
        "each", one element for each of these, beside an input of pieces.
    rank : axes whose coordinates are computed, where the inputs' memory is not simply one pack after another; else 0.
    wide : whether indices have 64 bits.
    live : whether numbers are read from the device's memory, see `core/effects.py`; else they are parameters.
    pieces : for how many arrays that lie apart there is room, see `pieces.py`.
    """

    width: int
    reads: tuple[str, ...]
    rank: int = 0
    wide: bool = False
    live: bool = False
    pieces: int = 0


@cache
def functions() -> str:
    """The source of the functions that kernels use, which follows the prelude."""
    return Path(__file__).with_name("elementwise.cuh").read_text()


def computing(dtype: numpy.dtype) -> str:
    """The type in which values of a dtype are computed."""
    return "float" if dtype.name in _HALVES else c_type(dtype)


def parameters(numbers: Sequence[tuple[Node, int]]) -> list[numpy.dtype]:
    """The dtypes as which numbers are given to a kernel: those in which the functions use them."""
    return [_operand_dtypes(node)[position] for node, position in numbers]


def kernel_text(
    roots: Sequence[Node],
    inputs: Sequence[Node],
    form: Form,
    *,
    name: str = "program",
    over: bool = False,
    numbers: Sequence[tuple[Node, int]] = (),
) -> str:
    """The source of the kernel `name`, which `cuda.source.assemble` completes behind `functions()`.

    over : whether roots are written over inputs. numbers : operands that are given with each launch.

    Its parameters are pointers to the inputs (or what `Pieces.structure` makes) and the roots, the numbers (or, if they
    are live, a pointer to them), and the count of elements; with coordinates, instead of that a structure
    `{i64 packs; u32 sizes[rank]; int strides[inputs][rank];}`, of 8-byte integers where indices are wide, the strides
    in elements and times the width along the last axis.
    Raises NotElementwise for what kernels have no type or function for.
    """
    stored = [c_type(root.dtype) for root in roots]
    once = same_for_all(roots, inputs, form) if over else []
    restrict = "" if over else " __restrict__"
    lines, pointers, head, same = frame(roots, inputs, form, name, stored, once, numbers, restrict)
    index, signed = ("u64", "i64") if form.wide else ("u32", "int")
    if form.rank:
        lines += [
            f"struct {name}_layout {{",
            f"    i64 packs; {index} sizes[{form.rank}]; {signed} strides[{len(inputs)}][{form.rank}];",
            "};",
        ]
        pointers.append(f"{name}_layout layout")
    else:
        pointers.append("i64 count")
    count = "layout.packs" if form.rank else "count" if form.width == 1 else f"count / {form.width}"
    head += [
        f"const i64 packs = {count}, step = (i64)gridDim.x * blockDim.x;",
        "const i64 first = (i64)blockIdx.x * blockDim.x + threadIdx.x;",
    ]
    lines += [f"KERNEL {name}({', '.join(pointers)}) {{"]
    lines += [f"    {line}" for line in (*head, *_loop(form, name, inputs, stored, same, index))]
    return "\n".join([*lines, "}"]) + "\n"


def frame(
    roots: Sequence[Node],
    inputs: Sequence[Node],
    form: Form,
    name: str,
    stored: Sequence[str],
    once: Sequence[Node],
    numbers: Sequence[tuple[Node, int]],
    restrict: str = " __restrict__",
    places: Sequence[str] = (),
) -> tuple[list[str], list[str], list[str], list[str]]:
    """What kernels have in common: the function of one element, parameters, what comes first, and its arguments then.

    stored : the types of the roots. once : nodes that are computed once for a block. places : see `Body.lines`.
    """
    kinds = [c_type(node.dtype) for node in inputs]
    given = [computing(dtype) for dtype in parameters(numbers)]
    values = [f"{computing(node.dtype)} x{i}" for i, node in enumerate(inputs)]
    values += [f"{kind} k{i}" for i, kind in enumerate(given)]
    hoisted = {node: f"h{i}" for i, node in enumerate(once)}
    values += [f"{computing(node.dtype)} {place}" for node, place in hoisted.items()]
    values += [f"{kind}& y{i}" for i, kind in enumerate(stored)]
    pointers = [
        f"const __grid_constant__ Pieces<{kind}, {form.pieces}> x{i}"
        if read == "pieces"
        else f"const {kind}*{restrict} x{i}"
        for i, (kind, read) in enumerate(zip(kinds, form.reads, strict=True))
    ]
    pointers += [f"{kind}*{restrict} y{i}" for i, kind in enumerate(stored)]
    if form.live and given:
        pointers.append("const i64* live")
    else:
        pointers += [f"{kind} k{i}" for i, kind in enumerate(given)]
    body = Body(inputs, numbers, hoisted).lines(roots, places)
    value = [f"DEVICE void {name}_value({', '.join(values)}) {{", *(f"    {line}" for line in body), "}"]
    head = _head(form, kinds, given, numbers)
    if once:
        head += _once_a_block(once, inputs, numbers)
    return value, pointers, head, [*(f"k{i}" for i in range(len(given))), *hoisted.values()]


def _head(form: Form, kinds: list[str], given: list[str], numbers: Sequence[tuple[Node, int]]) -> list[str]:
    """The numbers and single elements that a thread reads first."""
    lines = []
    if form.live:
        for i, (kind, (node, position)) in enumerate(zip(given, numbers, strict=True)):
            real = isinstance(node.operands[position], float)
            lines.append(f"const {kind} k{i} = ({kind}){f'__longlong_as_double(live[{i}])' if real else f'live[{i}]'};")
    lines += [f"const acc_t<{kinds[i]}> s{i} = to_acc(x{i}[0]);" for i, read in enumerate(form.reads) if read == "one"]
    return lines


def same_for_all(roots: Sequence[Node], inputs: Sequence[Node], form: Form) -> list[Node]:
    """The nodes that are computed of arrays of one element alone, as far as something else needs them."""
    alone = {node for node, read in zip(inputs, form.reads, strict=True) if read == "one"}
    nodes = [node for node in in_order(roots) if node.name not in ("input", "full")]
    for node in nodes:
        if node.parents and all(parent in alone or parent.name == "full" for parent in node.parents):
            alone.add(node)
    needed = {parent for node in nodes if node not in alone for parent in node.parents} | {*roots}
    return [node for node in nodes if node in alone and node in needed]


def _once_a_block(once: Sequence[Node], inputs: Sequence[Node], numbers: Sequence[tuple[Node, int]]) -> list[str]:
    """What one thread computes for all of its block: powers of float64 take hundreds of operations."""
    statements = Body(inputs, numbers, {}, given="s").lines(once, [f"w{i}" for i in range(len(once))])
    kinds = [computing(node.dtype) for node in once]
    return [
        *(f"__shared__ {kind} w{i};" for i, kind in enumerate(kinds)),
        "if (threadIdx.x == blockDim.x - 1) {",  # the emulator runs it last: without the barrier others read too early
        *(f"    {line}" for line in statements),
        "}",
        "__syncthreads();",
        *(f"const {kind} h{i} = w{i};" for i, kind in enumerate(kinds)),
    ]


def _loop(
    form: Form, name: str, inputs: Sequence[Node], stored: Sequence[str], same: list[str], index: str
) -> list[str]:
    lines = ["for (i64 i = first; i < packs; i += step) {"]
    if form.rank:
        lines += [f"    {line}" for line in coordinates(form, index)]
    place = "i" if form.width == 1 else f"i * {form.width}"
    statements, values = reading(form, inputs, place)
    lines += [f"    {line}" for line in statements]
    lines += [f"    {kind} b{i}[{form.width}];" for i, kind in enumerate(stored)]
    results = [f"b{i}[k]" for i in range(len(stored))]
    lines += [
        "#pragma unroll",
        f"    for (int k = 0; k < {form.width}; ++k) {name}_value({', '.join([*values, *same, *results])});",
        *(f"    write<{form.width}>(y{i} + {place}, b{i});" for i in range(len(stored))),
        "}",
    ]
    if form.width > 1 and not form.rank:  # what does not fill a pack
        results = [f"y{i}[i]" for i in range(len(stored))]
        lines += [
            "#pragma unroll 1",
            f"for (i64 i = packs * {form.width} + first; i < count; i += step) {{",
            f"    {name}_value({', '.join([*single(form, 'i'), *same, *results])});",
            "}",
        ]
    return lines


class Body:
    """Writes the computation of one element, a statement for each node.

    hoisted : the places of nodes that are computed elsewhere. given : what the names of inputs begin with.
    """

    def __init__(
        self,
        inputs: Sequence[Node],
        numbers: Sequence[tuple[Node, int]],
        hoisted: dict[Node, str],
        given: str = "x",
    ) -> None:
        self.numbers = {place: f"k{i}" for i, place in enumerate(numbers)}
        self.places = {node: f"{given}{i}" for i, node in enumerate(inputs)} | hoisted

    def lines(self, roots: Sequence[Node], places: Sequence[str] = ()) -> list[str]:
        """The statements; `places` get the values as they are computed, else y0, y1, ... as they are stored."""
        written = []
        for node in in_order(roots, given=self.places):
            if node.name != "full":
                place = f"v{len(written)}"
                written.append(f"const {computing(node.dtype)} {place} = {self._value(node)};")
                self.places[node] = place
        for i, root in enumerate(roots):
            value = self._operand(root, 0, root, root.dtype)
            written.append(f"{places[i]} = {value};" if places else f"y{i} = stored<{c_type(root.dtype)}>({value});")
        return written

    def _value(self, node: Node) -> str:
        name, dtype = node.name, node.dtype
        if name == "nextafter" and dtype.name in _HALVES:
            raise NotElementwise("a neighbour among 16-bit numbers is another one than among those of 32 bits")
        x, *others = [
            self._operand(node, i, operand, wanted)
            for i, (operand, wanted) in enumerate(zip(node.operands, _operand_dtypes(node), strict=True))
        ]
        if name == "astype":
            return f"to_acc(stored<{c_type(dtype)}>({x}))" if dtype.name in _HALVES else x
        if name == "where":
            return f"{x} ? {others[0]} : {others[1]}"
        if name in _COMPARISONS:
            return f"{x} {_COMPARISONS[name]} {others[0]}"
        if name in _LOGICAL:
            return f"{x} {_LOGICAL[name]} {others[0]}"
        if name == "logical_not":
            return f"!{x}"
        if name in _BITS:
            return f"({c_type(dtype)})({x} {_BITS[name]} {others[0]})"
        if name == "bitwise_invert":
            return f"!{x}" if dtype.kind == "b" else f"({c_type(dtype)})~{x}"
        if dtype.kind == "f" and name in _ARITHMETIC:
            return f"{x} {_ARITHMETIC[name]} {others[0]}"
        if name in ("positive", "real", "conj"):
            return x
        if name == "square" and dtype.kind == "f":
            return f"{x} * {x}"
        if name == "pow" and dtype.kind == "f":
            return self._power(node, x, others[0])
        if name in _FUNCTIONS or name in _OWN or name in _ARITHMETIC:
            return f"{_NAMES.get(name, name)}_of({', '.join([x, *others])})"
        if name in _NAMES:
            return f"{_NAMES[name]}({x}, {others[0]})"
        raise NotElementwise(f"kernels have no {name}")

    def _power(self, node: Node, x: str, exponent: str) -> str:
        """A power; by small whole numbers as products, for which the function takes a hundred operations."""
        number = None if (node, 1) in self.numbers else node.operands[1]
        if isinstance(number, Node) and number.name == "full":
            number = number.operands[0]
        if type(number) in (int, float) and number in _POWERS:
            return _POWERS[number].format(x)
        return f"pow_of({x}, {exponent})"

    def _operand(self, node: Node, position: int, operand: Any, dtype: numpy.dtype) -> str:
        """An operand as a value of the type in which `dtype` is computed."""
        if (node, position) in self.numbers and operand is not node:
            return self.numbers[node, position]
        if not isinstance(operand, Node) or operand.name == "full":
            if isinstance(operand, Node):  # rounded to its own dtype first
                operand = _rounded(operand.operands[0], operand.dtype)
            return _literal(operand, dtype)
        place, own, kind = self.places[operand], computing(operand.dtype), computing(dtype)
        return place if own == kind else f"convert<{kind}>({place})"


_POWERS = {-1: "reciprocal_of({0})", 1: "{0}", 2: "{0} * {0}", 3: "{0} * {0} * {0}", 4: "square_of({0} * {0})"}


def _operand_dtypes(node: Node) -> list[numpy.dtype]:
    """The dtypes in which a function uses its operands."""
    name, operands = node.name, node.operands
    if node.dtype.kind == "c" or any(parent.dtype.kind == "c" for parent in node.parents):
        raise NotElementwise("kernels have no complex numbers")
    boolean = numpy.dtype(bool)
    if name.startswith("logical_"):
        return [boolean] * len(operands)
    if name == "where":
        return [boolean, node.dtype, node.dtype]
    if name in _OWN:
        return [operands[0].dtype]
    if name in _COMPARISONS:
        kinds = [operand.dtype if isinstance(operand, Node) else type(operand)(1) for operand in operands]
        common = numpy.result_type(*kinds)
        if common.kind == "f" and not any(numpy.result_type(kind).kind == "f" for kind in kinds):
            raise NotElementwise("int64 and uint64 have no common type to be compared in")
        return [common] * len(operands)
    if name == "astype" and operands[0].dtype.name not in _HALVES and node.dtype.name in _HALVES:
        return [numpy.dtype("float32")]
    return [node.dtype] * len(operands)


def _rounded(value: Any, dtype: numpy.dtype) -> Any:
    with numpy.errstate(over="ignore"):
        return dtype.type(value).item()


def _literal(value: Any, dtype: numpy.dtype) -> str:
    """A number as C++ writes it, of the type in which `dtype` is computed."""
    kind = computing(dtype)
    if kind == "bool":
        return "true" if value else "false"
    if dtype.kind in "iu":
        limits = numpy.iinfo(dtype)
        if int(value) != value or not limits.min <= value <= limits.max:
            raise NotElementwise(f"{value} is no {dtype}")
        if dtype.kind == "i" and value == limits.min:
            return f"({kind})({limits.min + 1}ll - 1)"
        return f"({kind}){int(value)}{'ull' if dtype.kind == 'u' else 'll'}"
    with numpy.errstate(over="ignore"):
        number = float(numpy.float32(value)) if kind == "float" else float(value)
    if math.isnan(number) or math.isinf(number):
        text = "NOT_A_NUMBER" if math.isnan(number) else "INFINITE" if number > 0 else "(-INFINITE)"
        return text if kind == "float" else f"(double){text}"
    text = f"{number!r}{'f' if kind == 'float' else ''}"
    return f"({text})" if text.startswith("-") else text
