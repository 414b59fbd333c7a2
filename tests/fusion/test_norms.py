"""Norms of parts in update rules: on NumPy those that the definition gives of each part, bit for bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.fusion import updates
from tinygrad_lite.fusion.norms import NormProgram, norm_of_each
from tinygrad_lite.fusion.programs import Blocks
from tinygrad_lite.fusion.updates import write_over

BOUNDS = {
    "none": (0, 3000),
    "some": (0, 3, 3, 4, 150, 1500, 1507, 3000),
    "empty ones": (0, 0, 700, 3000, 3000),
    "nothing": (0, 0, 0),
}


def scaled(w, g, *, rate=0.5):
    """A rule with two norms, one of which is computed of both arrays."""
    step = g + rate * w
    return [w - rate * norm_of_each(w) / (norm_of_each(step) + 1e-3) * step, g]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks into which parts are cut, in several threads."""
    monkeypatch.setattr(Blocks, "least", 200)
    monkeypatch.setattr(Blocks, "most", 200)
    monkeypatch.setattr(Blocks, "alone", 0)
    updates._programs.clear()
    yield
    updates._programs.clear()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS)
def test_parts_are_measured_as_the_definition_does(bounds, dtype, small_blocks):
    rng = np.random.default_rng(0)
    w, g = (rng.normal(size=bounds[-1]).astype(dtype) for _ in range(2))
    expected = np.concatenate([scaled(w[a:b], g[a:b])[0] for a, b in pairwise(bounds)])
    for threads in (1, 3):
        before = tl.get_num_threads()
        tl.set_num_threads(threads)
        found = w.copy()
        try:
            write_over([found, g], scaled, bounds)
        finally:
            tl.set_num_threads(before)
        np.testing.assert_array_equal(found, expected)
    (program,) = updates._programs.values()
    assert isinstance(program, NormProgram)


def test_without_bounds_the_whole_is_one_part():
    w, g = (np.random.default_rng(i).normal(size=(4, 5)) for i in range(2))
    expected = scaled(w, g)[0]
    write_over([w, g], scaled)
    np.testing.assert_allclose(w, expected, rtol=1e-15)


RULES = {
    "a norm of a norm": (lambda w: [w / norm_of_each(w / norm_of_each(w) * 2.0)], "float64"),
    "16 bits": (lambda w: [w / norm_of_each(w)], "float16"),
    "a mean": (lambda w: [w / norm_of_each(w) - np.mean(w)], "float32"),
}


@pytest.mark.parametrize("name", RULES)
def test_what_is_no_program_is_done_part_by_part(name):
    rule, dtype = RULES[name]
    w, bounds = np.random.default_rng(0).normal(size=60).astype(dtype), (0, 20, 20, 21, 60)
    expected = np.concatenate([rule(w[a:b])[0] for a, b in pairwise(bounds) if a < b])
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning) if name == "a mean" else np.errstate():
        write_over([w], rule, bounds)
    np.testing.assert_array_equal(w, expected)


def test_norms_that_only_numbers_need_are_left_out():
    """Counts are found by running a rule for its numbers alone."""
    w, n = np.ones(3), np.zeros(3)
    updates._programs.clear()
    write_over([w, n], lambda w, n: [w, n + 1.0 if norm_of_each(w) is not None else n])
    (program,) = updates._programs.values()
    assert not program.of_parts
    np.testing.assert_array_equal(n, np.ones(3))
