"""Steps in proportion to each parameter's norm, on a GPU: three launches for all parameters, with NumPy's results."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.cuda.test_compiles import ARCHITECTURES
from tests.cuda.test_expressions_compile import compiled
from tinygrad_lite import nn, optim
from tinygrad_lite.cuda.module import Module
from tinygrad_lite.fusion import norm_launches
from tinygrad_lite.fusion.cuda import Form
from tinygrad_lite.fusion.expressions import Node
from tinygrad_lite.fusion.norms import split

pytestmark = pytest.mark.usefixtures("emulated", "fresh")

RULES = {"LAMB": {"lr": 0.1}, "LARS": {"lr": 0.5, "trust_coefficient": 0.2}}
SHAPES = [(3,), (0, 2), (17,), (), (5, 40), (1,), (2, 0), (64,), (0,)]
"""Parts that begin anywhere in a pack and a tile, and parts of nothing, also at the end."""


def stepped(kind, device, shapes, dtype="float32", steps=2):
    """The parameters after some steps."""
    rng = np.random.default_rng(0)
    made = [nn.Parameter(rng.normal(size=shape).astype(dtype)) for shape in shapes]
    for parameter in made:
        parameter.data = tl.tensor(parameter.data, device=device).data
    optimizer = getattr(optim, kind)(made, **RULES[kind])
    for _ in range(steps):
        for parameter in made:
            parameter.grad = tl.tensor(rng.normal(size=parameter.shape).astype(dtype), device=device)
        optimizer.step()
    return [parameter.detach().numpy() for parameter in made]


@pytest.mark.parametrize("kind", RULES)
def test_launches_do_not_depend_on_how_many_parameters_there_are(kind, launches):
    three = ["squares", "shares", "program"]
    with fake_cupy.installed(programs=True):
        for shapes, expected in (([(3,)] * 2, three), ([(3,)] * 50, three), ([(1,)] * 201, 2 * three)):
            launches.clear()
            stepped(kind, "cuda", shapes, steps=1)
            assert launches == expected, len(shapes)


@pytest.mark.parametrize(("kind", "dtype"), [("LAMB", "float32"), ("LARS", "float64"), ("LARS", "float16")])
def test_parts_and_tiles_meet_anywhere(kind, dtype, monkeypatch):
    monkeypatch.setattr(norm_launches, "TILE", 6)  # tiles that end within packs, and with parts
    monkeypatch.setattr(norm_launches, "TILES", 40)
    with fake_cupy.installed(programs=True):
        for shapes in (SHAPES, [(12,), (24,), (7,)], [(290,)], [()], [(0, 3)]):
            for x, y in zip(stepped(kind, "cuda", shapes, dtype), stepped(kind, "cpu", shapes, dtype), strict=True):
                tolerance = {"float64": 1e-13, "float32": 1e-5, "float16": 2e-3}[dtype]
                np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("number", range(len(ARCHITECTURES)))
def test_kernels_of_norms_compile(number):
    """Of |x| and |x - y|, for every way in which x and y are read; the update reads what is kept for each part."""
    with fake_cupy.installed(programs=True):
        sources = [text for dtype, pieces in itertools.product(("float32", "float64"), (16, 200))
                   for text in texts(np.dtype(dtype), pieces)]  # fmt: skip
    own = [re.sub(r"\b(squares|shares|program)(_value)?\b", rf"\g<0>_{i}", text) for i, text in enumerate(sources)]
    assert compiled(own[number :: len(ARCHITECTURES)], ARCHITECTURES[number])
    print(f"{len(own[number :: len(ARCHITECTURES)])} of {len(own)} sources for {ARCHITECTURES[number]}")


def texts(dtype, pieces):
    x, y, scale = (Node("input", (i,), dtype) for i in range(3))
    difference = Node("subtract", (x, y), dtype)
    norms = [Node("norm_of_each", (node,), dtype) for node in (x, difference)]
    ratio = Node("multiply", (Node("divide", tuple(norms), dtype), 0.5), dtype)
    root = Node("subtract", (x, Node("multiply", (ratio, Node("multiply", (y, scale), dtype)), dtype)), dtype)
    program = norm_launches.CudaNormProgram(split([root], [x, y, scale], [(ratio, 1)]), "update", {0: 0})
    width = 16 // dtype.itemsize
    for w, read, live in itertools.product((1, width), ("pack", "one"), (False, True)):
        form = Form(w, (read, "pieces", "one"), live=live, pieces=pieces)
        yield program.norms.text(form)
        yield program.update.text(Form(w, (*form.reads, "each"), live=live, pieces=pieces))


def test_a_rule_is_cut_at_its_norms():
    dtype = np.dtype("float32")
    x = Node("input", (0,), dtype)
    double = Node("multiply", (x, 2.0), dtype)
    share = Node("multiply", (Node("norm_of_each", (double,), dtype), 3.0), dtype)
    root = Node("multiply", (Node("add", (double, share), dtype), 4.0), dtype)
    measured, shares, update = split([root], [x], [(double, 1), (share, 1), (root, 1)])
    assert [str(stage.roots[0]) for stage in (measured, shares, update)] == [
        "multiply(input(0), 2.0)",
        "multiply(input(0), 3.0)",
        "multiply(add(multiply(input(0), 2.0), input(1)), 4.0)",
    ]
    assert [stage.of("abc") for stage in (measured, shares, update)] == [["a"], ["b"], ["a", "c"]]


def test_launches_are_as_large_as_the_arrays(monkeypatch):
    """A warp for each 1024 elements, and a block for each parameter."""
    seen = []
    launch = Module.launch

    def noted(self, name, blocks, threads, args, shared=0):
        seen.append((name, blocks, threads))
        launch(self, name, blocks, threads, args, shared)

    monkeypatch.setattr(Module, "launch", noted)
    with fake_cupy.installed(programs=True):
        stepped("LAMB", "cuda", [(3000,), (1200,)], steps=1)
    assert seen == [("squares", 1, 256), ("shares", 2, 256), ("program", 5, 256)]
