"""Rows added up by their numbers, on the stand-in: as the definition does, and equal every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.cuda.agreement import DTYPES, ROUNDING, draws, each_bug, launches, planted
from tinygrad_lite.core.op import OPS
from tinygrad_lite.kernels.cupy import indexing, rows

pytestmark = pytest.mark.usefixtures("emulated")


def scattered(cupy, numbers, shape, dtype="float32", view=lambda x: x):
    """The kernel's result, which is the definition's."""
    (x,) = draws(dtype, (*numbers.shape, *shape[1:]))
    there, index = view(cupy.asarray(x)), (cupy.asarray(numbers),)
    (kernel,) = OPS["scatter"].kernels["cupy"]
    assert kernel.when(there, index=index, shape=shape)
    got = OPS["scatter"].function(there, index=index, shape=shape).get()
    expected = np.zeros(shape)
    np.add.at(expected, numbers.astype("int64") % shape[0], there.get().astype("float64"))
    bound = 8 * ROUNDING[dtype]
    assert got.dtype == x.dtype
    np.testing.assert_allclose(got.astype("float64"), expected, rtol=bound, atol=bound * np.abs(expected).max())
    return got


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_added_by_number(cupy, dtype):
    rng = np.random.default_rng(0)
    for m, table, n in ((1, 1, 3), (40, 7, 8), (90, 300, 70), (30, 70_000, 4), (1500, 9, 1), (33, 5, 264)):
        scattered(cupy, rng.integers(0, table, m), (table, n), dtype)
    scattered(cupy, rng.integers(0, 6, (3, 4)), (6, 2, 5), dtype)
    scattered(cupy, rng.integers(0, 6, 9), (6,), dtype)


def test_drawn_numbers(cupy):
    @settings(max_examples=25)
    @given(st.lists(st.integers(-12, 12), min_size=1, max_size=20), st.integers(1, 9), st.integers(1, 5))
    def agree(numbers, table, n):
        scattered(cupy, np.array(numbers), (table, n))  # those out of range wrap around

    agree()


def test_any_integers_and_views(cupy):
    for dtype in ("uint8", "int16", "int32", "uint64"):
        scattered(cupy, np.arange(20).astype(dtype) % 7, (7, 3))
    scattered(cupy, np.arange(20) % 7, (7, 4), view=lambda x: x[::-1])


def test_several_chunks_and_few_blocks(cupy, monkeypatch):
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 600, 2500)
    first = scattered(cupy, numbers, (600, 5))
    np.testing.assert_array_equal(scattered(cupy, numbers, (600, 5)), first)
    monkeypatch.setattr(rows.Limits, "blocks", 3)
    monkeypatch.setattr(indexing, "CHUNKS", 2)  # chunks of two tiles
    np.testing.assert_array_equal(scattered(cupy, numbers, (600, 5)), first)


def test_gradients_of_tables(cupy):
    numbers, weight = np.array([[3, 0, 3], [1, -1, 3]]), draws("float32", (5, 6))[0]
    found = []
    for asarray in (cupy.asarray, np.asarray):
        table = tl.Tensor(asarray(weight), requires_grad=True)
        with launches() as started:
            out = tl.embedding(asarray(numbers), table) ** 2
            found.append(tl.autograd.grad(out.sum(), [table])[0].data)
        assert ("added_single" in started) == (asarray is cupy.asarray)
    np.testing.assert_allclose(found[0].get(), found[1], rtol=1e-6)


def test_what_is_left_to_the_definition(cupy):
    x, numbers = cupy.asarray(draws("float32", (3, 4))[0]), cupy.asarray(np.array([0, 1, 0]))
    (kernel,) = OPS["scatter"].kernels["cupy"]
    assert kernel.when(x, index=numbers, shape=(2, 4)) and kernel.when(x, index=(numbers,), shape=(2, 4))
    for index in ((numbers, numbers), numbers == 0, np.array([0, 1, 0]), (slice(None), numbers), slice(0, 3)):
        assert not kernel.when(x, index=index, shape=(2, 4))
    assert not kernel.when(x.astype(int), index=numbers, shape=(2, 4))
    assert not kernel.when(x[:0], index=numbers[:0], shape=(2, 4))
    assert not kernel.when(x, index=numbers, shape=(2, 1))


BUGS = [
    ("numbers wrap to others", "index < 0 ? index + rows : index", "index < 0 ? index + rows - 1 : index"),
    ("places of the last step", "to_places[next++] = origins[i]", "to_places[next++] = (u32)(from + i)"),
    ("a row of another place", "x + places[i] * n", "x + i * n"),
    ("a missing barrier", "sum[k];\n        __syncthreads();", "sum[k];"),
    ("a warp too few", "other < COLUMN_THREADS; other += WARP", "other < COLUMN_THREADS - WARP; other += WARP"),
]


@each_bug(BUGS)
def test_planted_bugs(cupy, before, after):
    with planted(indexing.SOURCE, before, after), pytest.raises(AssertionError):
        scattered(cupy, np.random.default_rng(0).integers(-600, 600, 2100), (300, 5))
