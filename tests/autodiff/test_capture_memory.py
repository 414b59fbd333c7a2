"""`jit`: what programs hold, and how many there are."""

from __future__ import annotations

import gc
import linecache
import weakref

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite.autodiff import capture


def test_programs_are_kept_for_so_many_numbers(monkeypatch):
    monkeypatch.setattr(capture, "KINDS", 5)
    f = tl.jit(lambda x, c: x * c)
    for c in range(20):
        np.testing.assert_array_equal(f(np.ones(2), float(c)), [c, c])
    assert len(f.programs) == 5


def test_programs_hold_neither_results_nor_gradients_of_their_capture():
    w = tl.tensor(np.ones(1000), requires_grad=True)

    @tl.jit
    def step(x):
        w.grad = None
        y = w * x
        y.sum().backward()
        return y

    held = [weakref.ref(step(np.ones(1000)).data), weakref.ref(w.grad.data)]
    w.grad = None
    gc.collect()
    assert [ref() is None for ref in held] == [True, True]
    np.testing.assert_array_equal(step(np.full(1000, 2.0)), w.data * 2)
    np.testing.assert_array_equal(w.grad, np.full(1000, 2.0))


def test_sources_of_programs_that_are_gone_are_forgotten():
    def sources():
        gc.collect()
        return len([name for name in linecache.cache if "captured step" in name])

    before = sources()
    f = tl.jit(lambda x, c: x * c)
    for c in range(5):
        f(np.ones(2), float(c))
    assert sources() == before + 5
    del f
    assert sources() == before
