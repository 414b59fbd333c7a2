"""What a step must know of all gradients: whether they are finite, the sum of their squares."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cuda.agreement import DTYPES, each_bug, planted
from tinygrad_lite.fusion import totals
from tinygrad_lite.fusion.pieces import Pieces

pytestmark = pytest.mark.usefixtures("emulated")

SIZES = [[1], [5, 1, 0, 7, 16, 4, 3, 33], [2055, 8], [3] * 20]


def in_pieces(cupy, apart):
    """The arrays as one, where there are several; some do not begin where a pack could be read."""
    moved = [cupy.asarray(np.concatenate([x[:1], x]))[1:] if i % 2 else cupy.asarray(x) for i, x in enumerate(apart)]
    return moved[0] if len(moved) == 1 else Pieces(moved)


def drawn(sizes, dtype):
    rng = np.random.default_rng(0)
    return [rng.integers(-3, 4, size).astype(DTYPES[dtype]) for size in sizes]


def squares_agree(cupy, sizes, dtype):
    apart = drawn(sizes, dtype)
    found = totals.sum_of_squares(in_pieces(cupy, apart))
    assert found.shape == () and found.dtype == (np.float64 if dtype == "float64" else np.float32)
    assert found.get() == (np.concatenate(apart).astype("float64") ** 2).sum()


@pytest.mark.parametrize("dtype", DTYPES)
def test_they_equal_their_definitions(cupy, dtype):
    for sizes in SIZES:
        squares_agree(cupy, sizes, dtype)
        apart = drawn(sizes, dtype)
        count = sum(sizes)
        for place in (None, 0, count // 2, count - 1):
            for value in (np.inf, -np.inf, np.nan) if place is not None else [0]:
                flat = np.concatenate(apart)
                if place is not None:
                    flat[place] = value
                parts = np.split(flat, np.cumsum(sizes)[:-1])
                found = totals.all_finite(in_pieces(cupy, parts))
                assert found.shape == () and found.dtype == bool and bool(found.get()) == (place is None)


def test_more_than_all_blocks_take_at_once(cupy, monkeypatch):
    monkeypatch.setattr(totals, "BLOCKS", 2)
    for sizes in ([7000], [5000, 9, 1]):
        squares_agree(cupy, sizes, "float32")


@each_bug(
    [
        ("the end is left out", "for (i64 i = packs * W + first; i < count;", "for (i64 i = count; i < count;"),
        ("a lane is left out", "for (int k = 1; k < W; ++k) found[0]", "for (int k = 2; k < W; ++k) found[0]"),
        ("a block is left out", "i < count; i += blockDim.x", "i < count - 1; i += blockDim.x"),
    ]
)
def test_bugs_are_seen(cupy, before, after):
    with planted(totals.SOURCE, before, after), pytest.raises(AssertionError):
        squares_agree(cupy, [2055, 8], "float32")
