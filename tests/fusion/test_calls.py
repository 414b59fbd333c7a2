"""Small arrays: bodies and rules in one loop, or as calls of NumPy's, which equal the definition to the last bit."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import OPS
from tinygrad_lite.core.backend import BACKENDS
from tinygrad_lite.core.codegen import rule_wants
from tinygrad_lite.fusion.calls import calls_of
from tinygrad_lite.fusion.expressions import Expressions
from tinygrad_lite.fusion.primitives import faster_body, faster_rule
from tinygrad_lite.machine import MachineCode
from tinygrad_lite.machine.ufuncs import available

NUMPY = BACKENDS["numpy"]
PLAIN = [op for op in OPS.values() if op.primitive and op.shapes == "elementwise" and not (op.variadic or op.outputs)]
EDGES = [0.0, -0.0, 0.3, -0.7, 1.0, -1.0, 2.0, 40.0, -40.0, np.inf, -np.inf, np.nan]


def rows_and_columns(count, dtype):
    """Arrays of edges that broadcast to all combinations of two of them."""
    edges = np.array(EDGES, dtype)
    return [(edges, edges[:, None], edges[::-1].copy())[i % 3] for i in range(count)]


def assert_same_bits(given, expected, signed_zeros=True):
    given, expected = np.asarray(given), np.asarray(expected)
    assert given.dtype == expected.dtype
    np.testing.assert_array_equal(given, expected)
    if signed_zeros and expected.dtype.kind == "f":
        kept = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(given[kept]), np.signbit(expected[kept]))


def assert_close(given, expected, signed_zeros=True):
    """Equal but for some last bits: those in which machine code's functions differ from NumPy's."""
    given, expected = np.asarray(given), np.asarray(expected)
    assert given.dtype == expected.dtype
    eps = np.finfo(expected.dtype).eps if expected.dtype.kind == "f" else 0
    np.testing.assert_allclose(given, expected, rtol=8 * eps, atol=2 * eps)


same = assert_close if MachineCode.wanted and available() else assert_same_bits
"""What definitions are made of may be machine code from before; `--no-machine-code` compares to the last bit."""


@pytest.mark.parametrize(("machine", "assert_equal"), [(False, same), (True, assert_close)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", PLAIN, ids=lambda op: op.name)
def test_bodies_and_rules_equal_the_definition(op, dtype, machine, assert_equal, monkeypatch):
    monkeypatch.setattr(MachineCode, "wanted", machine)
    body = NUMPY.bind(op.body)
    quicker = faster_body(op, NUMPY, body)
    for arrays in (rows_and_columns(len(op.arrays), dtype), [np.array(0.3, dtype)] * len(op.arrays)):
        with np.errstate(all="ignore"):
            try:
                expected = body(*arrays)
            except TypeError:  # it takes integers only
                return
            # A maximum and a minimum stand for clip: at a bound of 0 it keeps -0.0, and they give 0.0.
            assert_equal(quicker(*arrays), expected, signed_zeros=op.name != "relu6")
            for array, rule in op.rules.items():
                wants = rule_wants(rule)
                if not {*wants} <= {"g", "out", *op.arrays}:
                    continue
                known = dict(zip(op.arrays, arrays, strict=True)) | {"out": np.asarray(expected)}
                known["g"] = np.asarray(np.full(known["out"].shape, 3, dtype))
                given = [known[want] for want in wants]
                assert_equal(faster_rule(op, array, rule)(*given), rule(*given))


def test_numbers_are_arrays_and_a_zero_is_selected_by_its_bits():
    expressions = Expressions()
    g, out = (expressions.input(i, "float32") for i in range(2))
    chosen = expressions.make("where", expressions.make("greater", out, 0), g, 0.0)
    selected = calls_of(chosen, ["g", "out"], "a gradient")
    assert type(selected.__globals__["c0"]) is np.ndarray
    assert "where" not in selected.__globals__
    got = selected(np.float32([-1.0, np.inf, np.nan, -2.0]), np.float32([1.0, 0.0, -1.0, np.nan]))
    np.testing.assert_array_equal(got, np.float32([-1.0, 0.0, 0.0, 0.0]))


def test_a_number_that_the_dtype_cannot_hold_stays_a_number():
    expressions = Expressions()
    root = expressions.make("multiply", expressions.make("abs", expressions.input(0, "float32")), 1e300)
    scaled = calls_of(root, ["x"], "scaled")
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert scaled(np.ones(2, np.float32)).dtype == np.float32


def test_what_is_used_twice_is_computed_once():
    expressions = Expressions()
    x = expressions.input(0, "float64")
    part = expressions.make("sin", x)
    function = calls_of(expressions.make("multiply", part, expressions.make("cos", part)), ["x"], "twice")
    assert function.__code__.co_names.count("sin") == 1 and function.__code__.co_nlocals == 2
    assert function(np.array([0.5])) == np.sin(0.5) * np.cos(np.sin(0.5))


@pytest.mark.parametrize("name", ["full", "quiet_exp"])
def test_what_calls_cannot_express_is_left_to_the_definition(name):
    expressions = Expressions()
    x = expressions.input(0, "float32")
    part = expressions.full(2.0, "float64") if name == "full" else expressions.node("quiet_exp", (x,), x.dtype)
    assert calls_of(expressions.make("add", x, part), ["x"], name) is None


def test_other_arrays_go_through_the_definition():
    quicker = OPS["relu"].implementations[np.ndarray]
    np.testing.assert_array_equal(quicker(np.array([-1, 2])), [0, 2])
    assert tl.relu(np.float16([-1.0, 2.0])).dtype == np.float16
