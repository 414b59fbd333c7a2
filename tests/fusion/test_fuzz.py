"""Random expressions: programs give what NumPy gives, whatever the blocks, the threads and the memory written over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite.fusion.expressions import Expressions, Node
from tinygrad_lite.fusion.programs import Blocks, Program
from tinygrad_lite.fusion.recent import Recent
from tinygrad_lite.fusion.updates import write_over
from tinygrad_lite.machine import MachineCode
from tinygrad_lite.machine.ufuncs import available

UNARY = ["negative", "abs", "square", "sign", "floor", "sqrt"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum"]
ROUNDED = {"machine": ([], []), "calls": (["exp", "tanh", "sin"], ["hypot"])}  # machine code's differ in the last bits
COMPARISONS = ["less", "greater_equal", "equal"]
NUMBERS = [0.0, -0.0, 1.0, -1.5, 2.0, 1, 2, 0, np.inf]
SIZE = 103


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(Blocks, "least", 1)
    monkeypatch.setattr(Blocks, "alone", 0)
    monkeypatch.setattr(Blocks, "most", 16)
    before, wanted = tl.get_num_threads(), MachineCode.wanted
    yield
    tl.set_num_threads(before)
    MachineCode.wanted = wanted


def same(x, y):
    """Equal values, and signs of zero; any NaN equals any other."""
    assert x.dtype == y.dtype
    np.testing.assert_array_equal(x, y)
    if x.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(x)[~np.isnan(x)], np.signbit(y)[~np.isnan(y)])


@st.composite
def expressions(draw, way):
    """Some nodes and their values for random arrays, each made by one of NumPy's functions from those before it.

    way : "machine" for what there is machine code for, "calls" for more.
    """
    dtypes = st.sampled_from(["float32", "float64"])
    drawn = draw(st.lists(dtypes, min_size=1, max_size=3))
    if way == "machine":
        drawn, dtypes = drawn[:1] * len(drawn), st.just(drawn[0])
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    made = Expressions()
    arrays, nodes, values = [], [], []
    for i, dtype in enumerate(drawn):
        arrays.append((rng.normal(size=SIZE) * 2).astype(dtype))
        arrays[-1][:3] = 0.0, -0.0, np.nan
        nodes.append(made.input(i, dtype))
        values.append(arrays[-1])
    for _ in range(draw(st.integers(1, 12))):
        unary, binary = (common + rest for common, rest in zip((UNARY, BINARY), ROUNDED[way], strict=True))
        name = draw(st.sampled_from([*unary, *binary, *COMPARISONS, "where", "astype"]))
        floats = [i for i, value in enumerate(values) if value.dtype.kind == "f"]

        def operand(floats=floats):
            i = draw(st.sampled_from([*floats, *NUMBERS])) if draw(st.booleans()) else draw(st.sampled_from(floats))
            return (nodes[i], values[i]) if type(i) is int and i in floats else (float(i), float(i))

        i = draw(st.sampled_from(floats))
        with np.errstate(all="ignore"):
            if name == "astype":
                dtype = draw(dtypes)
                node, value = made.convert(nodes[i], dtype), values[i].astype(dtype)
            elif name in unary:
                node, value = made.make(name, nodes[i]), getattr(np, name)(values[i])
            elif name == "where":
                j = draw(st.sampled_from(range(len(nodes))))
                (x, a), b = operand(), values[i]
                node, value = made.make(name, nodes[j], x, nodes[i]), np.where(values[j].astype(bool), a, b)
            else:
                x, a = operand()
                pair = [(nodes[i], values[i]), (x, a)][:: draw(st.sampled_from([1, -1]))]
                node, value = made.make(name, pair[0][0], pair[1][0]), getattr(np, name)(pair[0][1], pair[1][1])
        if isinstance(node, Node):
            nodes.append(node)
            values.append(value)
    return arrays, nodes, values


@pytest.mark.parametrize("way", ROUNDED)
@settings(max_examples=120)
@given(st.data(), st.integers(1, 3))
def test_programs_give_what_numpy_gives(way, data, threads):
    MachineCode.wanted = way == "machine"
    arrays, nodes, values = data.draw(expressions(way))
    tl.set_num_threads(threads)
    chosen = data.draw(st.lists(st.integers(0, len(nodes) - 1), min_size=1, max_size=3))
    program = Program([nodes[i] for i in chosen], nodes[: len(arrays)], "fuzz")
    assert ("in machine code" in program.source) == (way == "machine" and available())
    with np.errstate(all="ignore"):
        for got, i in zip(program(arrays), chosen, strict=True):
            same(got, values[i])


@pytest.mark.parametrize("way", ROUNDED)
@settings(max_examples=80)
@given(st.data(), st.integers(1, 3))
def test_results_may_lie_where_inputs_lay(way, data, threads):
    MachineCode.wanted = way == "machine"
    arrays, nodes, values = data.draw(expressions(way))
    tl.set_num_threads(threads)
    over = {}
    chosen = []
    for i, array in enumerate(arrays):
        fitting = [j for j, value in enumerate(values) if value.dtype == array.dtype]
        if data.draw(st.booleans()):
            over[len(chosen)] = i
            chosen.append(data.draw(st.sampled_from(fitting)))
    if not chosen:
        return
    program = Program([nodes[j] for j in chosen], nodes[: len(arrays)], "fuzz", over=over)
    assert ("in machine code" in program.source) == (way == "machine" and available())
    memory = [array.copy() for array in arrays]
    with np.errstate(all="ignore"):
        program(memory, [memory[over[k]] for k in range(len(chosen))])
    for k, j in enumerate(chosen):
        same(memory[over[k]], values[j])


def test_a_rule_that_exchanges_its_arrays():
    x, y = np.arange(50.0), np.arange(50.0) * -1
    write_over([x, y], lambda a, b: [b, a])
    np.testing.assert_array_equal(y, np.arange(50.0))
    np.testing.assert_array_equal(x, -np.arange(50.0))


def test_numbers_change_without_a_new_program():
    from tinygrad_lite.fusion import updates

    x = np.ones(50)
    write_over([x], lambda a: [a * 0.5 + 3.0])
    count = len(updates._programs)
    write_over([x], lambda a: [a * 0.25 + 1.0])
    assert len(updates._programs) == count
    np.testing.assert_array_equal(x, np.full(50, 3.5 * 0.25 + 1.0))
    write_over([x], lambda a: [a * 0.25 - 1.0])
    assert len(updates._programs) == count + 1


RULES = {
    "operators": lambda a, b: [2 - a * b, abs(-a) / b + 1],
    "functions": lambda a, b: [tl.sqrt(a) + tl.maximum(b, 0.5), b],
    "integers": lambda a, b: [a * 3, tl.sign(b)],
    "exchange": lambda a, b: [b, a],
}


@pytest.mark.parametrize("name", RULES)
def test_a_known_program_is_found_again_and_only_for_its_rule(name):
    from tinygrad_lite.fusion import updates

    def arrays():
        return [np.linspace(1.0, 2.0, 50), np.linspace(-1.0, 3.0, 50)]

    made, found = arrays(), arrays()
    updates._programs.clear()
    assert not updates._known(found, RULES[name])
    assert updates._compiled(made, RULES[name]) and updates._known(found, RULES[name])
    for a, b in zip(made, found, strict=True):
        np.testing.assert_array_equal(a, b)
    for other in RULES.keys() - {name}:
        assert not updates._known(found, RULES[other])


@pytest.mark.parametrize("rule", [lambda a: [a * np.float32(2)], lambda a: [a * (a > 0)], lambda a: [a * a[::1]]])
def test_a_rule_that_is_not_noted_runs_all_the_same(rule):
    from tinygrad_lite.fusion import updates

    x = np.array([1.0, -1.0])
    expected = rule(x)[0]
    with pytest.raises((tl.TinygradLiteError, TypeError)):
        updates._known([x], rule)
    write_over([x], rule)
    np.testing.assert_array_equal(x, expected)


def test_a_selections_zeros_have_signs():
    for zero in (0.0, -0.0):
        x = np.array([1.0, -1.0])
        write_over([x], lambda a, zero=zero: [tl.where(a > 0, a, zero)])
        assert np.signbit(x[1]) == np.signbit(zero)


def test_the_oldest_program_is_forgotten():
    kept = Recent(2)
    for key in "abac":
        kept[key] = key
    assert list(kept) == ["b", "c"]
