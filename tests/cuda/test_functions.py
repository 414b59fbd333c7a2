"""Every function of expressions gives NumPy's results in a kernel, at special values and for all dtypes."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

from tests.backends import fake_cupy
from tests.cuda.together import Together
from tinygrad_lite.fusion.expressions import Expressions
from tinygrad_lite.fusion.halves import rounded, widened
from tinygrad_lite.fusion.symbols import ELEMENTWISE

pytestmark = pytest.mark.usefixtures("emulated")

HALVES = [np.dtype("float16"), np.dtype(ml_dtypes.bfloat16)]
FLOATS = [np.dtype("float32"), np.dtype("float64"), *HALVES]
INTEGERS = [np.dtype(name) for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")]
BOOL = np.dtype(bool)

BINARY = {
    "add", "atan2", "bitwise_and", "bitwise_or", "bitwise_xor", "copysign", "divide", "equal", "floor_divide",
    "greater", "greater_equal", "hypot", "less", "less_equal", "logaddexp", "logical_and", "logical_or", "logical_xor",
    "maximum", "minimum", "multiply", "nextafter", "not_equal", "pow", "remainder", "subtract",
}  # fmt: skip
UNARY = sorted(ELEMENTWISE - BINARY - {"where"})
EXACT = {
    "abs", "add", "ceil", "copysign", "divide", "equal", "floor", "floor_divide", "greater", "greater_equal",
    "isfinite",
    "isinf", "isnan", "less", "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "multiply",
    "negative", "nextafter", "not_equal", "positive", "real", "conj", "reciprocal", "remainder", "sign", "signbit",
    "sqrt", "square", "subtract", "trunc",
}  # fmt: skip
"""What the standard of floating point defines to the last bit, and signs of zeros with it."""

MIXED = [("float32", "float64"), ("float32", "int32"), ("int8", "float16"), ("int32", "int64"), ("bool", "float32")]
MIXED += [("bool", "int8"), ("uint8", "int8"), ("int16", "float32")]


def values(dtype):
    """Values at which functions have special cases."""
    if dtype == BOOL:
        return np.array([False, True])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        plain = [0, 1, 2, 3, 5, 7, 12, limits.max, limits.max - 1, limits.min, limits.min + 1]
        return np.array(plain + ([-1, -2, -7, -12] if dtype.kind == "i" else []), dtype)
    limits = ml_dtypes.finfo(dtype)
    plain = [0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 7.25, 100.0, float("inf")]
    plain += [float(limits.max), float(limits.tiny), float(limits.smallest_subnormal)]
    return np.array([*plain, *[-x for x in plain], float("nan")], dtype)


def expected(name, arrays):
    """NumPy's result; of 16-bit floating point computed in float32 and rounded."""
    low = {x.dtype for x in arrays if x.dtype.kind in "fV"}
    with np.errstate(all="ignore"):
        wide = [x.astype("float32") if x.dtype in HALVES else x for x in arrays]
        out = getattr(np, name)(*wide)
        if len(low) == 1 and low <= set(HALVES) and out.dtype == np.float32:
            (dtype,) = low
            out = out.astype(dtype)
    return out


def made(group, name, dtypes, numbers=()):
    """The program of one function, or None where there is none."""
    graph = Expressions()
    inputs = [graph.input(i, dtype) for i, dtype in enumerate(dtypes)]
    root = graph.make(name, *(widened(graph, x) for x in inputs), *numbers)
    return group.program([rounded(graph, root, dtypes)], inputs, name)


def cases():
    """Names of functions and arrays for them."""
    for name in UNARY:
        for dtype in [*FLOATS, *INTEGERS, BOOL]:
            if (name, dtype) != ("conj", BOOL):  # NumPy makes int8 of it, expressions leave it
                yield name, [values(dtype)]
    pairs = [(dtype, dtype) for dtype in [*FLOATS, *INTEGERS, BOOL]]
    pairs += [tuple(map(np.dtype, pair)) for pair in MIXED]
    for name, pair in itertools.product(sorted(BINARY), pairs):
        x, y = np.meshgrid(*map(values, pair))
        x, y = x.ravel(), y.ravel()
        if name == "pow" and pair[1].kind == "i":
            x, y = x[y >= 0], y[y >= 0]
        yield name, [x, y]


def same(name, got, wanted):
    assert got.dtype == wanted.dtype
    kind = wanted.dtype
    if kind.kind not in "fV":
        np.testing.assert_array_equal(got, wanted, err_msg=name)
        return
    got, wanted = got.astype("float64"), wanted.astype("float64")
    if name in EXACT:
        np.testing.assert_array_equal(got, wanted, err_msg=name)
        number = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(got)[number], np.signbit(wanted)[number], err_msg=name)
    else:
        step = float(ml_dtypes.finfo(kind).eps)
        least = float(ml_dtypes.finfo(kind).smallest_subnormal)
        np.testing.assert_allclose(got, wanted, rtol=4 * step, atol=2 * least, err_msg=f"{name} {kind}")


def test_functions_give_numpys_results():
    group, planned = Together(), []
    for name, arrays in cases():
        try:
            wanted = expected(name, arrays)
            program = made(group, name, [x.dtype for x in arrays])
        except Exception:  # NumPy has no such function, or there is no type for it
            continue
        if name == "reciprocal" and arrays[0].dtype.kind in "iub":
            arrays = [arrays[0][arrays[0] != 0]]
            wanted = expected(name, arrays)
        planned.append((name, program, arrays, wanted))
    assert {name for name, *_ in planned} == ELEMENTWISE - {"where"} and len(planned) > 550
    with fake_cupy.installed(programs=True) as cupy:
        there = [[cupy.asarray(x) for x in arrays] for _, _, arrays, _ in planned]
        for (_, program, *_), arrays in zip(planned, there, strict=True):
            program(arrays)
        group.compile()
        failures = []
        for (name, program, arrays, wanted), given in zip(planned, there, strict=True):
            (got,) = program(given)
            try:
                same(name, got.get(), wanted)
            except AssertionError as error:
                failures.append(f"{name} of {', '.join(x.dtype.name for x in arrays)}: {error}")
        assert not failures, "\n".join(failures)
