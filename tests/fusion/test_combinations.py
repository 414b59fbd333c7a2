"""Sums of multiples in update rules: one pass where there was memory to write over, and what NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.fusion.test_fuzz import small_blocks  # noqa: F401  # for all tests here
from tinygrad_lite.core.axpby import axpby
from tinygrad_lite.fusion import combinations, updates
from tinygrad_lite.fusion.programs import Program
from tinygrad_lite.fusion.updates import write_over
from tinygrad_lite.machine import MachineCode
from tinygrad_lite.optim import SGD, AdamW

needs_kernel = pytest.mark.skipif(axpby(np.dtype("float32")) is None, reason="NumPy's library has no axpby")

OPERATIONS = ["a*x + b*y", "a*x - b*y", "x + b*y", "b*y - x", "x - y*b", "x*y", "a*x", "x - y", "x + a"]


@settings(max_examples=300)
@given(st.data())
def test_rules_of_sums_and_products(data):
    """Random rules of a few steps, each of which uses any values that are there, also values used before."""
    steps = [
        (
            data.draw(st.sampled_from(OPERATIONS)),
            *(data.draw(st.integers(0, 2 + i)) for _ in "xy"),
            *(data.draw(st.sampled_from([0.5, -1.25, 0.0, 3.0, 1, 2])) for _ in "ab"),
        )
        for i in range(data.draw(st.integers(1, 6)))
    ]
    results = [data.draw(st.integers(0, 2 + len(steps))) for _ in range(3)]

    def rule(*arrays, factor):
        values = list(arrays)
        for text, i, j, a, b in steps:
            x, y = values[i], values[j]
            values.append(eval(text, {}, {"x": x, "y": y, "a": a * factor, "b": b * factor}))
        return [values[i] for i in results]

    dtypes = data.draw(st.sampled_from([["float32"] * 3, ["float64"] * 3, ["float32", "float64", "float32"]]))
    start = [np.random.default_rng(i).normal(size=53).astype(dtype) for i, dtype in enumerate(dtypes)]
    tl.set_num_threads(data.draw(st.integers(1, 2)))
    for factor in (1, 3):  # the second time with the program of the first
        arrays = [array.copy() for array in start]
        values = rule(*arrays, factor=factor)
        expected = [value.astype(array.dtype) for value, array in zip(values, arrays, strict=True)]
        write_over(arrays, lambda *symbols, factor=factor: rule(*symbols, factor=factor))
        for got, value in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize("factor", [0.5, 3.0])  # the second time with the program of the first
def test_a_product_that_is_needed_twice(factor):
    def rule(x, y, z):
        product = factor * x
        return [x, y + product, z - product]

    arrays = [np.full(40, value) for value in (2.0, 3.0, 5.0)]
    write_over(arrays, rule)
    assert [array[0] for array in arrays] == [2, 3 + 2 * factor, 5 - 2 * factor]


def source(optimizer_of, steps=2) -> list[str]:
    """The calls of an optimizer's last step."""
    parameter = tl.nn.Parameter(np.ones(40, "float32"))
    optimizer = optimizer_of([parameter])
    updates._programs.clear()
    for _ in range(steps):
        parameter.grad = tl.ones_like(parameter).detach()
        optimizer.step()
    return list(updates._programs.values())[-1].source.splitlines()[1:]


@needs_kernel
def test_passes_of_optimizers(monkeypatch):
    monkeypatch.setattr(MachineCode, "wanted", False)
    assert len(source(lambda p: AdamW(p, 0.1))) == 7
    assert len(source(lambda p: SGD(p, 0.1))) == 1
    assert len(source(lambda p: SGD(p, 0.1, momentum=0.9))) == 2


def test_without_a_kernel_nothing_is_combined(monkeypatch):
    monkeypatch.setattr(MachineCode, "wanted", False)
    monkeypatch.setattr(combinations, "axpby", lambda dtype: None)
    assert not any("axpby" in line for line in source(lambda p: AdamW(p, 0.1)))


def test_an_error_of_a_running_program_comes_out_and_nothing_runs_twice(monkeypatch):
    arrays = [np.ones(5), np.ones(5)]
    write_over(arrays, lambda w, g: [w - 0.5 * g, g])
    calls = []

    def broken(program, *_):
        calls.append(program)
        raise ValueError("out of luck")

    monkeypatch.setattr(Program, "__call__", broken)
    with pytest.raises(ValueError, match="out of luck"):
        write_over(arrays, lambda w, g: [w - 0.5 * g, g])
    assert len(calls) == 1 and arrays[0].tolist() == [0.5] * 5
