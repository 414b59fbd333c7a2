"""The computation graph of a result, drawn as SVG without any other library, or written for Graphviz."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from ..core.errors import DTypeError, GradientError
from ..core.graph import Leaf, node_of
from ..core.sweep import reach
from ..core.tree import leaves
from .canvas import BLUE, GREEN, GREY, ORANGE
from .layout import layout

__all__ = ["Box", "Graph", "graph"]

HEIGHT, FONT = 38.0, 12.0
KINDS = {
    "operation": ("#ffffff", GREY),
    "parameter": ("#d3e3f6", BLUE),
    "leaf": ("#d5ecdf", GREEN),
    "result": ("#fbe3d1", ORANGE),
}
"""The colours, inside and of the border, of the kinds of boxes."""


class Box(NamedTuple):
    """A node of the graph: its kind (a key of KINDS), its name, and the shape and dtype of its value as text."""

    kind: str
    name: str
    shape: str
    dtype: str


class Graph:
    """A drawn computation graph. A notebook shows it; `save` writes it.

    boxes : the nodes, in the order in which they were computed. edges : pairs of their numbers, from input to output.
    """

    def __init__(self, boxes: list[Box], edges: list[tuple[int, int]]) -> None:
        self.boxes, self.edges = boxes, edges
        widths = [max(7.6 * len(box.name), 6.6 * len(box.shape), 34.0) + 16 for box in boxes]
        self.widths, self.layout = widths, layout(widths, HEIGHT, edges)

    def dot(self) -> str:
        """The graph in the language of Graphviz."""
        lines = ["digraph {", '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];']
        for i, box in enumerate(self.boxes):
            fill, border = KINDS[box.kind]
            label = f"{box.name}\\n{box.shape}".replace('"', '\\"')
            lines.append(f'  n{i} [label="{label}", fillcolor="{fill}", color="{border}"];')
        return "\n".join([*lines, *(f"  n{a} -> n{b};" for a, b in self.edges), "}", ""])

    def svg(self) -> str:
        """The graph as an SVG document."""
        kinds = [kind for kind in KINDS if any(box.kind == kind for box in self.boxes)]
        margin = 12.0
        width = max(self.layout.size[0], 104.0 * len(kinds)) + 2 * margin
        height = self.layout.size[1] + 2 * margin + 34
        shift = margin + max(0.0, (104.0 * len(kinds) - self.layout.size[0]) / 2)
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="DejaVu Sans, Verdana, Helvetica, sans-serif">',
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
            f'<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{GREY}"/></marker></defs>',
            f'<g transform="translate({shift:.1f},{margin:.1f})">',
        ]
        out += [
            f'<path d="{_curve(line)}" fill="none" stroke="{GREY}" stroke-width="1.2" marker-end="url(#arrow)"/>'
            for line in self.layout.lines
        ]
        for box, (x, y), w in zip(self.boxes, self.layout.centers, self.widths, strict=True):
            fill, border = KINDS[box.kind]
            out.append(
                f'<g class="{box.kind}"><title>{escape(f"{box.name}: {box.shape} {box.dtype}")}</title>'
                f'<rect x="{x - w / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{w:.1f}" height="{HEIGHT:.1f}" rx="6" '
                f'fill="{fill}" stroke="{border}" stroke-width="1.4"/>'
                + _text(x, y - 3, box.name, FONT, "#111111")
                + _text(x, y + 12, box.shape, FONT - 2, "#444444")
                + "</g>"
            )
        out.append("</g>")
        for i, kind in enumerate(kinds):
            fill, border = KINDS[kind]
            x, y = margin + 104 * i, height - margin - 12
            out.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="16" height="12" rx="3" fill="{fill}" stroke="{border}"/>'
                f'<text x="{x + 22:.1f}" y="{y + 10:.1f}" font-size="11" fill="#333333">{kind}</text>'
            )
        return "\n".join([*out, "</svg>", ""])

    def save(self, path: str | Path) -> None:
        """Write the SVG document, or for a name that ends in `.dot` or `.gv` the text for Graphviz."""
        path = Path(path)
        path.write_text(self.dot() if path.suffix in (".dot", ".gv") else self.svg(), encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg()


def graph(result: Any, names: Any = None) -> Graph:
    """The computation graph of a recorded result: operations with the shapes of their values, and where they begin.

    result : a Tensor, or a list, tuple or dict of them. What needs no gradient is not recorded, and not drawn.
    names : a Module, or a dict of name and Tensor: the leaves among its Tensors are drawn as parameters, by their
        names; other Tensors that require a gradient are called leaves.
    Returns a Graph: `graph(loss, model).save("graph.svg")`, `.svg()`, `.dot()`.

    Raises GradientError if nothing was recorded, DTypeError if names are neither.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> [box.name for box in plots.graph(model(np.ones((4, 2), np.float32)), model).boxes]
    ['0.weight', '0.bias', 'linear', 'relu']
    """
    if names is not None and not hasattr(names, "named_parameters") and not isinstance(names, Mapping):
        raise DTypeError(
            f"graph: names is a {type(names).__name__}; a Module or a dict of names and Tensors is required."
        )
    pairs = () if names is None else names.items() if isinstance(names, Mapping) else names.named_parameters()
    known = {id(tensor.node): name for name, tensor in pairs if tensor.node is not None}
    roots = [node for node in map(node_of, leaves(result)) if node is not None]
    if not roots:
        raise GradientError(
            "graph: no operation was recorded for the result; compute it from Tensors that require a gradient, outside "
            "no_grad()."
        )
    found = sorted(reach(roots), key=lambda node: node.birth)
    number = {id(node): i for i, node in enumerate(found)}
    boxes = []
    for node in found:
        if type(node) is Leaf:
            kind, name = ("parameter", known[id(node)]) if id(node) in known else ("leaf", "leaf")
        else:
            kind, name = "result" if any(node is root for root in roots) else "operation", node.op.name
        boxes.append(Box(kind, name, "scalar" if not node.shape else str(tuple(node.shape)), str(node.dtype)))
    edges = {
        (number[id(parent)], number[id(node)]): None
        for node in found
        for parent in node.parents
        if parent is not None and id(parent) in number
    }
    return Graph(boxes, list(edges))


def _curve(points: list[tuple[float, float]]) -> str:
    """A line through points that leaves and arrives vertically."""
    (x, y), *rest = points
    parts = [f"M{x:.1f},{y:.1f}"]
    for next_x, next_y in rest:
        if abs(next_x - x) < 0.05:
            parts.append(f"L{next_x:.1f},{next_y:.1f}")
        else:
            middle = (y + next_y) / 2
            parts.append(f"C{x:.1f},{middle:.1f} {next_x:.1f},{middle:.1f} {next_x:.1f},{next_y:.1f}")
        x, y = next_x, next_y
    return " ".join(parts)


def _text(x: float, y: float, text: str, size: float, color: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{color}" text-anchor="middle">{escape(text)}</text>'
    )
