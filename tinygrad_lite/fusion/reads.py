"""What kernels of expressions read, as source: a pack of each input, or one element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..cuda.source import c_type
from .expressions import Node

if TYPE_CHECKING:
    from .cuda import Form

__all__ = ["coordinates", "reading", "single"]


def reading(form: Form, inputs: Sequence[Node], place: str) -> tuple[list[str], list[str]]:
    """Statements that read the pack that begins at `place`, and its element k of each input."""
    lines: list[str] = []
    for i, (read, node) in enumerate(zip(form.reads, inputs, strict=True)):
        kind, at = c_type(node.dtype), f"o{i}" if form.rank else place
        if read == "pack":
            lines += [f"{kind} a{i}[{form.width}];", f"read<{form.width}>(x{i} + {at}, a{i});"]
        elif read == "pieces":
            lines += [f"{kind} a{i}[{form.width}];", f"read_pieces<{form.width}>(x{i}, {at}, a{i});"]
        elif read == "each":
            pieces = f"x{form.reads.index('pieces')}"
            lines += [f"{kind} a{i}[{form.width}];", f"values_of_pieces<{form.width}>({pieces}, x{i}, {at}, a{i});"]
        elif read == "row":
            lines.append(f"const acc_t<{kind}> s{i} = to_acc(x{i}[{at}]);")
    return lines, [f"s{i}" if read in ("row", "one") else f"to_acc(a{i}[k])" for i, read in enumerate(form.reads)]


def single(form: Form, place: str) -> list[str]:
    """The element at `place` of each input, without coordinates."""
    pieces = f"x{form.reads.index('pieces')}" if "pieces" in form.reads else ""
    ways = {"pack": "to_acc(x{0}[{1}])", "pieces": "to_acc(read_piece(x{0}, {1}))", "one": "s{0}"}
    ways["each"] = f"to_acc(x{{0}}[piece_of({pieces}, {{1}})])"
    return [ways[read].format(i, place) for i, read in enumerate(form.reads)]


def coordinates(form: Form, index: str) -> list[str]:
    """The offsets of a pack in the inputs, from the last axis to the first."""
    moving = [i for i, read in enumerate(form.reads) if read != "one"]
    lines = [f"{index} rest = ({index})i, c;"]
    lines += [f"i64 o{i} = 0;" if form.wide else f"int o{i} = 0;" for i in moving]
    for axis in reversed(range(form.rank)):
        lines.append(f"c = rest % layout.sizes[{axis}]; rest /= layout.sizes[{axis}];" if axis else "c = rest;")
        kind = "i64" if form.wide else "int"
        lines += [f"o{i} += ({kind})c * layout.strides[{i}][{axis}];" for i in moving]
    return lines
