"""Kernels of expressions on arrays of all layouts, and random expressions: equal to NumPy's to the last bit."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

from tests.backends import fake_cupy
from tests.cuda.together import Together, collected
from tinygrad_lite.fusion import layouts, updates
from tinygrad_lite.fusion.expressions import Expressions, Node
from tinygrad_lite.fusion.halves import rounded, widened
from tinygrad_lite.fusion.layouts import Layout, pack_width
from tinygrad_lite.fusion.pieces import Pieces
from tinygrad_lite.fusion.updates import write_over

needs_compiler = pytest.mark.usefixtures("emulated")

HALF, BFLOAT = np.dtype("float16"), np.dtype(ml_dtypes.bfloat16)
DTYPES = [
    ("float32",) * 3, ("float64",) * 3, ("float16",) * 3, (BFLOAT,) * 3, ("float32", BFLOAT, "float32"),
    ("bool", "float32", "float32"), ("int8",) * 3, ("float64", "float32", "bool"),
]  # fmt: skip


def program(group, dtypes):
    """x * y + z, and x * y, where 16 bits are computed in float32."""
    graph = Expressions()
    inputs = [graph.input(i, dtype) for i, dtype in enumerate(dtypes)]
    x, y, z = (widened(graph, node) for node in inputs)
    product = graph.make("multiply", x, y)
    kinds = [node.dtype for node in inputs]
    roots = [rounded(graph, root, kinds) for root in (graph.make("add", product, z), product)]
    return group.program(roots, inputs, "layouts")


def wanted(arrays):
    low = {x.dtype for x in arrays if x.dtype.kind in "fV"}
    x, y, z = (a.astype("float32") if a.dtype in (HALF, BFLOAT) else a for a in arrays)
    found = [x * y + z, x * y]
    if len(low) == 1 and low <= {HALF, BFLOAT}:
        found = [y.astype(*low) if y.dtype == np.float32 else y for y in found]
    return found


def values(shape, dtype, seed):
    x = np.random.default_rng(seed).integers(-9, 9, shape)
    return np.asarray(x if np.dtype(dtype).kind in "ib" else x / 4, dtype)


def plain(shape, dtype, seed):
    return values(shape, dtype, seed)


def misaligned(shape, dtype, seed):
    return values((int(np.prod(shape)) + 1,), dtype, seed)[1:].reshape(shape)


def transposed(shape, dtype, seed):
    return values(shape[::-1], dtype, seed).T


def reversed_(shape, dtype, seed):
    return values(shape, dtype, seed)[..., ::-1]


def stepped(shape, dtype, seed):
    return values((*shape[:-1], shape[-1] * 2), dtype, seed)[..., ::2]


def cut(shape, dtype, seed):
    return values((*shape[:-1], shape[-1] + 4), dtype, seed)[..., : shape[-1]]


def one(shape, dtype, seed):
    return values((), dtype, seed)


def last(shape, dtype, seed):
    return values(shape[-1:], dtype, seed)


def first(shape, dtype, seed):
    return values((*shape[:1], *[1] * (len(shape) - 1)), dtype, seed)


def everywhere(shape, dtype, seed):
    return np.broadcast_to(values((), dtype, seed), shape)


SIZES = [(0,), (1,), (3,), (4,), (5,), (127,), (1025,)]
KINDS = [
    (plain, plain, plain), (misaligned, plain, plain), (plain, one, everywhere), (one, one, plain),
    (transposed, transposed, transposed), (plain, transposed, plain), (plain, reversed_, stepped), (plain, last, one),
    (plain, first, last), (first, last, one), (transposed, last, transposed), (cut, plain, last), (cut, cut, cut),
]  # fmt: skip
SHAPES = [(2, 3, 16), (2, 3, 5), (4, 1, 8), (1, 7)]


def cases():
    for dtypes, size in itertools.product(DTYPES, SIZES):
        yield dtypes, [plain(size, dtype, i) for i, dtype in enumerate(dtypes)]
    for number, (kinds, shape) in enumerate(itertools.product(KINDS, SHAPES)):
        for dtypes in (DTYPES[0], DTYPES[number % len(DTYPES)]):
            yield dtypes, [kind(shape, dtype, i) for i, (kind, dtype) in enumerate(zip(kinds, dtypes, strict=True))]


def compared(cupy, programs):
    failures = []
    for dtypes, arrays in cases():
        given = [cupy.asarray(x) if x.flags.c_contiguous and x.flags.owndata else on(cupy, x) for x in arrays]
        got = programs[dtypes](given)
        for ours, theirs in zip(got, wanted(arrays), strict=True):
            theirs = np.broadcast_to(theirs, np.broadcast_shapes(*[x.shape for x in arrays]))
            if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype) or not np.array_equal(ours.get(), theirs):
                layout = [(x.shape, x.strides, x.dtype.name) for x in arrays]
                failures.append(f"{layout}: {ours.get()} instead of {theirs}")
    return failures


def on(cupy, x):
    """The array on the device with the same strides, as misaligned as it was."""
    base = x
    while base.base is not None:
        base = base.base
    there = cupy.asarray(base)
    view = object.__new__(type(there))
    view.__dict__.update(vars(there))
    view._host = np.lib.stride_tricks.as_strided(
        there._host.reshape(-1)[(x.ctypes.data - base.ctypes.data) // x.itemsize :] if x.size else there._host,
        x.shape, x.strides,
    )  # fmt: skip
    return view


@needs_compiler
@pytest.mark.parametrize("wide", [False, True])
def test_layouts(monkeypatch, wide):
    if wide:
        monkeypatch.setattr(layouts, "NARROW", 1)
    group = Together()
    programs = {dtypes: program(group, dtypes) for dtypes in DTYPES}
    with fake_cupy.installed(programs=True) as cupy:
        compared(cupy, programs)
        group.compile()
        failures = compared(cupy, programs)
    print(f"{len(group.texts)} kernels")
    assert not failures, "\n".join(failures[:5])


UNARY = ["negative", "abs", "square", "sign", "floor", "sqrt", "trunc", "reciprocal", "isnan", "signbit"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "copysign", "remainder", "less", "equal"]
NUMBERS = [0.0, -0.0, 1.0, -1.5, 2.0, 1, 2, 0, 0.1, np.inf]


def exactly(name, *operands):
    """NumPy's function; of equal numbers it leaves open which is the larger, kernels take the second."""
    if name in ("maximum", "minimum"):
        x, y = np.broadcast_arrays(*(np.asarray(x) for x in operands))
        dtype = getattr(np, name)(*operands).dtype
        x, y = x.astype(dtype), y.astype(dtype)
        return np.where((x > y if name == "maximum" else x < y) | (x != x), x, y)
    return getattr(np, name)(*operands)


def random_graph(rng):
    """Inputs, nodes and their values: each made by a function that is exact from those before it."""
    graph, arrays, nodes, found = Expressions(), [], [], []
    for i in range(rng.integers(1, 4)):
        dtype = rng.choice(["float32", "float64"])
        arrays.append((rng.normal(size=37) * 2).astype(dtype))
        arrays[-1][:6] = 0.0, -0.0, np.nan, np.inf, -np.inf, 1e-40
        nodes.append(graph.input(i, dtype))
        found.append(arrays[-1])
    while len(nodes) < len(arrays) + 10:
        name = rng.choice([*UNARY, *BINARY, *BINARY, "where", "astype"])
        floats = [i for i, value in enumerate(found) if value.dtype.kind == "f"]
        i, j, k = rng.choice(floats), rng.choice(floats), rng.integers(len(nodes))
        number = NUMBERS[rng.integers(len(NUMBERS))] if rng.random() < 0.3 else None
        if name == "astype":
            dtype = np.dtype(rng.choice(["float32", "float64"]))
            node, value = graph.convert(nodes[i], dtype), found[i].astype(dtype)
        elif name in UNARY:
            node, value = graph.make(name, nodes[i]), exactly(name, found[i])
        elif name == "where":
            node = graph.make(name, nodes[k], nodes[i], nodes[j] if number is None else number)
            value = np.where(found[k].astype(bool), found[i], found[j] if number is None else number)
        elif number is None:
            node, value = graph.make(name, nodes[i], nodes[j]), exactly(name, found[i], found[j])
        else:
            node, value = graph.make(name, number, nodes[i]), exactly(name, number, found[i])
        if isinstance(node, Node):
            nodes.append(node)
            found.append(value)
    return arrays, nodes, found


def same(got, value):
    assert got.dtype == value.dtype
    np.testing.assert_array_equal(got, value)
    if value.dtype.kind == "f":
        number = ~np.isnan(value)
        np.testing.assert_array_equal(np.signbit(got)[number], np.signbit(value)[number])


@needs_compiler
def test_random_expressions():
    group, drawn = Together(), []
    with np.errstate(all="ignore"):
        for seed in range(150):
            rng = np.random.default_rng(seed)
            arrays, nodes, found = random_graph(rng)
            chosen = rng.choice(len(nodes), 3)
            made = group.program([nodes[i] for i in chosen], nodes[: len(arrays)], "random")
            drawn.append((seed, made, arrays, [found[i] for i in chosen]))
    with fake_cupy.installed(programs=True) as cupy:
        for _, made, arrays, _ in drawn:
            made([cupy.asarray(x) for x in arrays])
        group.compile()
        for seed, made, arrays, expected in drawn:
            for got, value in zip(made([cupy.asarray(x) for x in arrays]), expected, strict=True):
                try:
                    same(got.get(), value)
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}:\n{made.source}\n{error}") from None


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_pieces_are_read_where_they_lie(dtype):
    sizes = [[5, 1, 0, 7, 16, 4, 3, 33], [8, 16, 4], [3] * 20]
    rng = np.random.default_rng(0)
    with fake_cupy.installed(programs=True) as cupy, collected() as group:
        updates._programs.clear()
        for again in (False, True):
            for chosen in sizes:
                apart = [rng.integers(-9, 9, size).astype(dtype) for size in chosen]
                flat = cupy.asarray(np.zeros(sum(chosen), dtype))
                pieces = Pieces([cupy.asarray(x) for x in apart])
                write_over([flat, pieces], lambda w, g: [w + g * 2.0, g])
                if again:
                    expected = np.concatenate(apart).astype("float64") * 2
                    np.testing.assert_array_equal(flat.get().astype("float64"), expected)
            if not again:
                group.compile()
        updates._programs.clear()


# What a layout is, without a kernel


def layout(*arrays):
    return Layout([x.shape for x in arrays], [x.strides for x in arrays], [x.itemsize for x in arrays])


def test_axes_that_go_on_are_one():
    x, row = np.zeros((4, 5, 6), "float32"), np.zeros(6, "float32")
    assert layout(x, x).flat and layout(x, x).axes == [(120, (1, 1))]
    assert layout(x, row).axes == [(20, (6, 0)), (6, (1, 1))]
    assert layout(x, row[:1]).flat and layout(x, row[:1]).ones == [False, True]
    assert layout(x.transpose(2, 0, 1), x.transpose(2, 0, 1)).flat
    assert layout(x[:, ::2], x[:, ::2]).axes == [(4, (30, 30)), (3, (12, 12)), (6, (1, 1))]
    assert layout(np.zeros(()), np.zeros((1, 1))).flat


def test_results_lie_as_the_first_input_that_fills_its_memory():
    x = np.zeros((2, 3, 4), "float32")
    assert layout(x, x).order is None
    assert layout(x[..., ::2], x.transpose(1, 2, 0).reshape(2, 3, 4)[..., :2]).order is None
    for axes in itertools.permutations(range(3)):
        turned = x.transpose(axes)
        made = layout(turned).empty(np, np.dtype("float32"))
        assert made.shape == turned.shape and made.strides == turned.strides


def test_a_pack_has_sixteen_bytes_of_the_narrowest():
    assert [pack_width(sizes) for sizes in ([4], [8], [2], [4, 1], [4, 2], [1], [8, 4])] == [4, 2, 8, 4, 8, 16, 4]


def test_rows_are_read_by_packs_where_they_are_aligned():
    x, row = np.zeros((4, 5, 8), "float32"), np.zeros(8, "float32")
    assert layout(x, row).reads(4, [4, 4]) == ("pack", "pack")
    assert layout(x, x[:, :1, :1]).reads(4, [4, 4]) == ("pack", "row")
    assert layout(x, np.zeros((5, 4, 8), "float32").transpose(1, 0, 2)).reads(4, [4, 4]) == ("pack", "pack")
    assert layout(x[..., :6], row[:6]).reads(4, [4, 4]) is None
    assert layout(x[..., ::-1], row).reads(4, [4, 4]) is None


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match="shape mismatch"):
        layout(np.zeros(3), np.zeros(4))


PLANTED = {
    "tail": ("i = packs * 4 + first;", "i = packs * 4 + first + 1;"),
    "pack": ("read<4>(x1 + i * 4, a1)", "read<4>(x1 + i * 4 + 1, a1)"),
    "stride": ("* layout.strides[1][0]", "* layout.strides[0][0]"),
    "coordinate": ("rest /= layout.sizes[1]", "rest /= layout.sizes[1] + 1"),
    "one": ("s1 = to_acc(x1[0])", "s1 = to_acc(x1[1])"),
    "result": ("b1[k])", "b0[k])"),
}


@needs_compiler
def test_planted_bugs_are_seen():
    group = Together()
    dtypes = DTYPES[0]
    programs = {name: program(group, dtypes) for name in PLANTED}
    shapes = [(plain, plain, plain), (plain, one, everywhere), (plain, transposed, plain), (plain, reversed_, stepped)]
    chosen = [[kind((2, 3, 5), "float32", i) for i, kind in enumerate(kinds)] for kinds in shapes]
    chosen.append([plain((127,), "float32", i) for i in range(3)])
    with fake_cupy.installed(programs=True) as cupy:
        for made in programs.values():
            for arrays in chosen:
                made([on(cupy, x) for x in arrays])
        for (before, after), made in zip(PLANTED.values(), programs.values(), strict=True):
            for name, text in group.texts.items():
                if name.startswith(f"program_{made.number}_"):
                    group.texts[name] = text.replace(before, after)
        group.compile()
        for what, made in programs.items():
            wrong = 0
            for arrays in chosen:
                for got, value in zip(made([on(cupy, x) for x in arrays]), wanted(arrays), strict=True):
                    wrong += not np.array_equal(got.get(), np.broadcast_to(value, got.shape))
            assert wrong, f"a wrong {what} is not seen"
