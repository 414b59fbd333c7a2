"""Graphs show what was recorded, and their boxes can be read."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, plots
from tinygrad_lite.core.errors import DTypeError, GradientError
from tinygrad_lite.plots.graph import HEIGHT
from tinygrad_lite.plots.layout import layout

SVG = "{http://www.w3.org/2000/svg}"


def mlp():
    rng = tl.Generator(0)
    return nn.Sequential(
        nn.Linear(784, 256, rng=rng), nn.ReLU(), nn.Linear(256, 128, rng=rng), nn.ReLU(), nn.Linear(128, 10, rng=rng)
    )


def mlp_graph():
    model = mlp()
    loss = tl.cross_entropy(model(np.ones((32, 784), np.float32)), np.zeros(32, int))
    return plots.graph(loss, model)


def entangled():
    """Many skip connections and shared leaves."""
    x = tl.tensor(np.ones((5, 3)), requires_grad=True)
    values = [x]
    rng = np.random.default_rng(0)
    for _ in range(30):
        i, j = rng.integers(0, len(values), 2)
        values.append(tl.tanh(values[i]) * values[j] + values[-1])
    return plots.graph(values[-1].sum())


def rectangles(graph):
    document = ElementTree.fromstring(graph.svg())
    groups = [g for g in document.iter(f"{SVG}g") if g.get("class")]
    return document, [
        (g.get("class"), *(float(g.find(f"{SVG}rect").get(key)) for key in ("x", "y", "width", "height")), g)
        for g in groups
    ]


def test_a_network_s_boxes_and_edges():
    graph = mlp_graph()
    names = [box.name for box in graph.boxes]
    assert sorted(names) == sorted(
        [f"{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")] + ["linear"] * 3 + ["relu"] * 2
        + ["cross_entropy"]
    )  # fmt: skip
    shown = {(graph.boxes[a].name, graph.boxes[b].name) for a, b in graph.edges}
    assert {("2.weight", "linear"), ("relu", "linear"), ("linear", "cross_entropy")} <= shown
    assert len(graph.edges) == 11
    by_name = {box.name: box for box in graph.boxes}
    assert by_name["0.weight"] == ("parameter", "0.weight", "(256, 784)", "float32")
    assert by_name["cross_entropy"][:3] == ("result", "cross_entropy", "scalar")


@pytest.mark.parametrize("make", [mlp_graph, entangled])
def test_boxes_do_not_overlap_and_lie_in_the_picture(make):
    document, boxes = rectangles(make())
    width, height = (float(document.get(key)) for key in ("width", "height"))
    shift = re.search(r"translate\(([\d.]+),([\d.]+)\)", document.find(f"{SVG}g").get("transform"))
    for k, (_, x, y, w, h, _) in enumerate(boxes):
        assert x >= -0.01 and x + w + float(shift[1]) <= width and y >= 0 and y + h + float(shift[2]) + 34 <= height
        for _, x2, y2, w2, h2, _ in boxes[k + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


@pytest.mark.parametrize("make", [mlp_graph, entangled])
def test_edges_run_downwards_from_box_to_box_and_around_others(make):
    graph = make()
    centers, lines, _ = graph.layout
    for (a, b), line in zip(graph.edges, lines, strict=True):
        assert line[0] == (centers[a][0], centers[a][1] + HEIGHT / 2)
        assert line[-1] == (centers[b][0], centers[b][1] - HEIGHT / 2)
        assert all(y1 < y2 for (_, y1), (_, y2) in pairwise(line))
        for x, y in line[1:-1]:
            for (cx, cy), width in zip(centers, graph.widths, strict=True):
                assert abs(x - cx) > width / 2 or abs(y - cy) > HEIGHT / 2


def test_text_fits_into_its_box():
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    for _, _, _, width, _, group in rectangles(mlp_graph())[1]:
        for text in group.findall(f"{SVG}text"):
            drawn = TextPath((0, 0), text.text, size=float(text.get("font-size")), prop=FontProperties("DejaVu Sans"))
            assert drawn.get_extents().width < width - 6, text.text


def test_the_line_of_operations_is_nearly_straight_and_parameters_are_beside_it():
    graph = mlp_graph()
    place = {i: graph.layout.centers[i] for i in range(len(graph.boxes))}
    for a, b in graph.edges:
        assert abs(place[a][0] - place[b][0]) < 200
        assert place[b][1] - place[a][1] == pytest.approx(HEIGHT + 34)  # right above what needs it


def test_a_parameter_stands_above_its_use_also_behind_a_reshape():
    rows = layout([50.0] * 7, 10.0, [(0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (3, 6)]).centers[:, 1]
    assert rows[5] == rows[3] and rows[4] == rows[2]


def test_leaves_several_results_and_escapes(tmp_path):
    x = tl.tensor([1.0, 2.0], requires_grad=True)
    y = tl.exp(x)
    graph = plots.graph({"a": y, "b": [(y * 2).sum()]}, {"<x & y>": x})
    assert [box.kind for box in graph.boxes] == ["parameter", "result", "operation", "result"]
    assert "&lt;x &amp; y&gt;" in graph.svg() and graph._repr_svg_() == graph.svg()
    assert [box.kind for box in plots.graph(y).boxes] == ["leaf", "result"]
    graph.save(tmp_path / "graph.svg")
    graph.save(tmp_path / "graph.dot")
    ElementTree.parse(tmp_path / "graph.svg")
    text = (tmp_path / "graph.dot").read_text()
    assert text.startswith("digraph {") and "n0 -> n1;" in text and '[label="exp\\n(2,)"' in text


def test_a_leaf_is_its_own_result():
    graph = plots.graph(tl.tensor([1.0], requires_grad=True))
    assert [box.kind for box in graph.boxes] == ["leaf"] and graph.edges == []
    ElementTree.fromstring(graph.svg())


def test_an_input_that_is_used_twice_has_one_edge():
    x = tl.tensor([1.0], requires_grad=True)
    assert plots.graph(x * x).edges == [(0, 1)]


def test_errors():
    with pytest.raises(GradientError, match="graph: no operation was recorded for the result; compute it from Tensors"):
        plots.graph(tl.tensor([1.0]))
    with pytest.raises(DTypeError, match="graph: names is a list; a Module or a dict of names and Tensors is required"):
        plots.graph(tl.tensor([1.0], requires_grad=True), ["x"])
