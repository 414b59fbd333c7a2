"""Kernels of reductions equal their definitions, on the stand-in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.backends.fake_cupy.emulator import EmulationError
from tests.cuda.agreement import DTYPES, agrees, draws, each_bug, launches, planted
from tinygrad_lite.core.op import OPS
from tinygrad_lite.kernels.cupy import rows, sums

pytestmark = pytest.mark.usefixtures("emulated")

NAMES = ["sum", "mean", "max", "min", "prod", "var"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_lengths(cupy, name, dtype):
    for shape, axis in (
        ((5, 2), 1), ((3, 33), -1), ((2, 1024), 1), ((1, 4097), 1), ((33, 5), 0), ((2, 70, 40), 1), ((600, 3), 0),
        ((6, 4), None), ((3, 4, 5), (1, 2)),
    ):  # fmt: skip
        (x,) = draws(dtype, shape)
        if name == "prod":
            x = (1 + x.astype("float64") / 100).astype(x.dtype)
        if name in ("max", "min"):  # of numbers that 16 bits tell apart
            x = np.random.default_rng(0).permutation(x.size).reshape(shape).astype(x.dtype)
            if dtype == "bfloat16" and x.size > 256:
                continue
        agrees(name, cupy, x, axis=axis, roundings=200 if name == "prod" else 20)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "prod"])
def test_axes_apart_from_each_other(cupy, name):
    for shape, axis in (((3, 4, 5), (0, 2)), ((2, 3, 4, 5), (1, 3)), ((2, 3, 2, 3, 2), (0, 2, 4)), ((4, 1, 5), (0, 2))):
        agrees(name, cupy, draws("float32", shape)[0], axis=axis, keepdims=len(shape) == 4, roundings=20)
        if name != "prod":
            agrees(name, cupy, draws("float16", shape)[0], axis=axis, roundings=20)


@pytest.mark.parametrize("name", [*NAMES, "sum_to"])
def test_drawn_shapes(cupy, name):
    @settings(max_examples=30)
    @given(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple), st.data())
    def agree(shape, data):
        axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
        if name == "var":
            axes = {min(axes)}
        if all(shape[i] == 1 for i in axes):
            return
        (x,) = draws("float32", shape)
        if name == "sum_to":
            to = tuple(1 if i in axes else n for i, n in enumerate(shape))
            dropped = data.draw(st.integers(0, next((i for i, n in enumerate(to) if n != 1), len(to))))
            agrees(name, cupy, x, shape=to[dropped:], roundings=20)
        else:
            keepdims = data.draw(st.booleans())
            agrees(name, cupy, x, axis=tuple(axes), keepdims=keepdims, roundings=20)

    agree()


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_biases(cupy, dtype):
    for shape, to in (((70, 24), (24,)), ((2, 3, 40), (1, 40)), ((9, 5, 7), (5, 1)), ((6, 5), (6, 1)), ((300, 8), ())):
        (x,) = draws(dtype, shape)
        agrees("sum_to", cupy, x, shape=to, roundings=20)


def test_long_ones_are_divided_into_parts(cupy, monkeypatch):
    monkeypatch.setattr(sums, "PART", 64)
    monkeypatch.setattr(sums, "COLUMN_PART", 1)
    for shape, axis, kernel in (((2, 4100), 1, "rows"), ((1000, 12), 0, "columns"), ((999, 2), 0, "columns")):
        for name in ("sum", "mean", "max", "var"):
            x = draws("float32", shape)[0]
            with launches() as started:
                agrees(name, cupy, x, axis=axis, roundings=20)
            assert [start.partition("_")[0] for start in started[:2]] == [kernel, kernel]
            assert started[1] == f"{kernel}_partial" and started[0] != started[1]
    agrees("var", cupy, draws("bfloat16", (1000, 16))[0], axis=0, correction=1)


def test_views(cupy):
    for view in (lambda x: x[:, ::2], lambda x: x.T, lambda x: x[1:, 3:], lambda x: x[::-1]):
        for name in ("sum", "var"):
            agrees(name, cupy, draws("float32", (12, 16))[0], view=view, axis=0, roundings=20)


def test_infinities_and_nan(cupy):
    inf, nan = np.inf, np.nan
    x = draws("float32", (8, 9))[0]
    x[0, 1], x[1, 2], x[2, 3:5], x[3], x[4] = nan, inf, (inf, -inf), -inf, inf
    x[5, 0], x[6, 8] = nan, nan
    for name in NAMES:
        for axis in (0, 1):
            got = OPS[name].function(cupy.asarray(x), axis=axis).get()
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(got, OPS[name].body(np, x, axis=axis), rtol=1e-4)


def test_variances_of_too_few_and_of_distant_numbers(cupy):
    (x,) = draws("float32", (3, 4))
    for correction in (4, 5):
        with np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
            expected = np.var(x, axis=1, ddof=correction)
        got = tl.var(cupy.asarray(x), axis=1, correction=correction).get()
        np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))
    agrees("var", cupy, draws("float32", (4, 500))[0] + np.float32(1000), axis=1, roundings=300)


def test_sums_of_sixteen_bits_are_not_lost(cupy):
    assert tl.sum(cupy.asarray(np.ones(4096, "float16")), axis=0).get() == 4096
    assert tl.mean(cupy.asarray(np.full((70_000, 1), 2, "float16")), axis=0).get() == 2


def test_results_are_equal_every_time(cupy, monkeypatch):
    def bytes_of():
        found = []
        for shape, axis in (((37, 50), 0), ((37, 50), 1), ((5, 6, 7), (0, 2))):
            found += agrees("sum", cupy, draws("float32", shape)[0], axis=axis, roundings=20)
        return [part.tobytes() for part in found]

    first = bytes_of()
    assert bytes_of() == first
    monkeypatch.setattr(rows.Limits, "blocks", 1)
    assert bytes_of() == first


def test_what_is_left_to_the_definition(cupy):
    x = cupy.asarray(draws("float32", (4, 5, 1))[0])
    (total,), (spread,), (to,) = (OPS[name].kernels["cupy"] for name in ("sum", "var", "sum_to"))
    assert total.when(x, axis=0) and total.when(x, axis=None, dtype=np.float32) and spread.when(x, axis=(1, 2))
    for other, axis in ((x[:0], 0), (x.astype(int), 0), (x, 3), (x, 2), (x, True), (x, ())):
        assert not total.when(other, axis=axis)
    assert not total.when(x, axis=0, dtype=np.float64)
    assert not spread.when(cupy.asarray(np.zeros((2, 3, 4))), axis=(0, 2))
    assert to.when(x, shape=(5, 1)) and not to.when(x, shape=(4, 5, 1)) and not to.when(x[:0], shape=(5, 1))


BUGS = [
    ("a wrong row", "x + row * n + start", "x + row * (n - 1) + start", AssertionError),
    ("a barrier before the sum", "= part[k];\n        __syncthreads();", "= part[k];", AssertionError),
    ("a barrier after the sum", "        }\n        __syncthreads();\n    }\n}", "        }\n    }\n}", AssertionError),
    ("a column too many", "store(group * inner + column + k", "store(group * inner + column + k + 1", EmulationError),
    ("a part beyond the end", "n - start < length ? n - start : length", "length", AssertionError),
    ("NaN is lost", "A neutral(Sum) { return 0; }", "A neutral(Sum) { return 1; }", AssertionError),
]


@each_bug(BUGS)
def test_planted_bugs(cupy, before, after, error, monkeypatch):
    monkeypatch.setattr(rows.Limits, "blocks", 1)
    monkeypatch.setattr(sums, "PART", 32)
    monkeypatch.setattr(sums, "COLUMN_PART", 1)
    with planted(sums.SOURCE, before, after), pytest.raises(error):
        agrees("sum", cupy, draws("float32", (3, 203))[0], axis=1)
        agrees("sum", cupy, draws("float32", (203, 44))[0], axis=0)
        agrees("sum", cupy, draws("float32", (203, 3))[0], axis=0)
