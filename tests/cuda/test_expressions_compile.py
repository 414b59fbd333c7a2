"""Kernels of expressions compile with NVRTC: every elementwise operation for every dtype, and every way through memory.

What a kernel computes and how it goes through memory are written apart, so each operation and each function is compiled
with the simplest way, and each way with the same expression. Nothing in these sources depends on the architecture: each
kernel is compiled for one of them, in turn, since one takes 30 ms.
"""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

from tests.backends import fake_cupy
from tests.cuda.test_compiles import ARCHITECTURES, core
from tests.cuda.test_expressions import TOLERANCE, compared, examples
from tests.cuda.test_functions import cases, made
from tests.cuda.together import Together, collected
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.cuda.source import assemble
from tinygrad_lite.fusion.cuda import OPTIONS, Form, functions, kernel_text
from tinygrad_lite.fusion.expressions import Expressions
from tinygrad_lite.fusion.halves import rounded, widened
from tinygrad_lite.fusion.layouts import pack_width

COMPUTING = {np.dtype(name) for name in ("float32", "float64", "int8", "uint16", "int32", "int64", "bool")}
"""Dtypes in which functions are computed differently."""


def compiled(texts, architecture):
    """The binary of kernels, with the options that programs are compiled with."""
    assert OPTIONS == ("-std=c++17", "-fmad=false")
    options = core.ProgramOptions(std="c++17", fma=False, arch=architecture)
    return core.Program(assemble("\n".join([functions(), *texts])), "c++", options).compile("cubin").code


@pytest.fixture(scope="module")
def operations():
    """The programs of all elementwise operations, forward and backward, for all dtypes of floating point."""
    with fake_cupy.installed(programs=True), collected() as group:
        cuda = device_backend("cuda")
        for dtype in TOLERANCE:
            compared(cuda, examples(), dtype)
    return group.programs


@pytest.mark.parametrize("number", range(len(ARCHITECTURES)))
def test_operations_compile(operations, number):
    chosen = operations[number :: len(ARCHITECTURES)]
    texts = []
    for i, program in enumerate(chosen):
        form = Form(1, ("pack",) * len(program.inputs))
        texts.append(kernel_text(program.roots, program.inputs, form, name=f"program_{i}"))
    assert compiled(texts, ARCHITECTURES[number])
    print(f"{len(texts)} of {len(operations)} programs for {ARCHITECTURES[number]}")
    assert len(operations) > 500


def ways():
    """Kernels of x * k + y for every way through memory, as sources."""
    half, bfloat = np.dtype("float16"), np.dtype(ml_dtypes.bfloat16)
    kinds = [np.dtype(name) for name in ("float32", "float64", "int32", "bool", "uint8")] + [half, bfloat]
    pairs = [(kind, kind) for kind in kinds] + [(np.dtype("float32"), bfloat), (np.dtype(bool), np.dtype("float32"))]
    texts = []
    for pair in pairs:
        graph = Expressions()
        inputs = [graph.input(i, dtype) for i, dtype in enumerate(pair)]
        x, y = (widened(graph, node) for node in inputs)
        product = graph.make("multiply", x, 3)
        root = rounded(graph, graph.make("add", product, y), pair)
        numbers = [(product, 1)] if product.name == "multiply" else []
        width = pack_width([node.dtype.itemsize for node in (*inputs, root)])
        forms = [Form(w, ("pack", read), live=live)
                 for w, read, live in itertools.product({1, width}, ("pack", "one"), (False, True))]  # fmt: skip
        forms += [Form(w, ("pack", "pieces"), live=True, pieces=count) for w in {1, width} for count in (16, 200)]
        forms += [
            Form(w, ("pack", read), rank, wide)
            for w, read, rank, wide in itertools.product({1, width}, ("row", "pack"), (1, 3), (False, True))
        ]
        for form in forms:
            name, over = f"way_{len(texts)}", form.live
            texts.append(kernel_text([root], inputs, form, name=name, over=over, numbers=numbers))
    return texts


@pytest.mark.parametrize("number", range(len(ARCHITECTURES)))
def test_ways_through_memory_compile(number):
    texts = ways()
    chosen = texts[number :: len(ARCHITECTURES)]
    assert compiled(chosen, ARCHITECTURES[number])
    print(f"{len(chosen)} of {len(texts)} ways for {ARCHITECTURES[number]}")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_computed_once_for_a_block_compiles(architecture):
    graph = Expressions()
    x, scale, count, skip = (graph.input(i, np.dtype(d)) for i, d in enumerate(("float32", "float32", "float64", "?")))
    power = graph.make("pow", 0.9, graph.make("add", count, 1.0))
    factor = graph.make("multiply", scale, graph.convert(power, np.dtype("float32")))
    root = graph.make("where", graph.make("logical_not", skip), graph.make("multiply", x, factor), x)
    texts = [
        kernel_text([root], [x, scale, count, skip], Form(width, ("pack", "one", "one", "one"), live=live),
                    name=f"once_{width}_{live}", over=True, numbers=[(power, 0)])
        for width, live in itertools.product((1, 4), (False, True))
    ]  # fmt: skip
    assert all(text.count("__shared__ float ") == text.count("__shared__ bool ") == 1 for text in texts)
    assert compiled(texts, architecture)


@pytest.mark.parametrize("number", range(len(ARCHITECTURES)))
def test_functions_compile(number):
    group, texts = Together(), []
    for name, arrays in cases():
        dtypes = [x.dtype for x in arrays]
        if not set(dtypes) <= COMPUTING:
            continue
        try:
            program = made(group, name, dtypes)
        except Exception:  # there is no such function
            continue
        form = Form(1, ("pack",) * len(program.inputs))
        texts.append(kernel_text(program.roots, program.inputs, form, name=f"function_{len(texts)}"))
    chosen = texts[number :: len(ARCHITECTURES)]
    assert compiled(chosen, ARCHITECTURES[number]) and len(texts) > 250
    print(f"{len(chosen)} of {len(texts)} functions for {ARCHITECTURES[number]}")
