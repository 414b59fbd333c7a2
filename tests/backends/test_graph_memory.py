"""What cannot be captured as a graph, and the memory of graphs."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.backends.fake_cupy import memory
from tests.backends.steps import X, Y, host, linear_step, network, on_gpu, states
from tinygrad_lite import nn, optim
from tinygrad_lite.cuda.graphs import GraphMemory

# What cannot be captured


def masked(x):
    return x[x > 0].sum()


def solved(x):
    return tl.linalg.solve(tl.eye(2, device="cuda"), x)


def moved(x):
    return (x * 2).to("cpu")


@pytest.mark.parametrize(
    ("step", "operation", "line"),
    [
        (masked, "getitem", "return x[x > 0].sum()"),
        (solved, "solve", "return tl.linalg.solve("),
        (moved, "transfer", "return (x * 2).to("),
    ],
)
def test_what_cannot_be_captured_names_the_operation_and_the_line(cuda, step, operation, line):
    captured, x = tl.jit(step), on_gpu([1.0, 2.0])
    first = host(captured(x))
    for _ in range(2):
        with pytest.raises(tl.CaptureError) as caught:
            captured(x)
        assert f"jit: {operation}" in str(caught.value) and line in str(caught.value)
        assert "cannot be part of a CUDA graph" in str(caught.value) and __file__ in str(caught.value)
    np.testing.assert_array_equal(host(step(x)), first)  # the step itself can be called


@pytest.mark.parametrize("look", [float, bool, lambda x: x.item(), lambda x: x.detach().numpy(), lambda x: x.tolist()])
def test_looking_at_a_value_is_refused(cuda, look):
    w = on_gpu([1.0, 2.0])
    with pytest.raises(
        tl.CaptureError, match="jit: a value is looked at(?s:.*)test_graph_memory.py:[0-9]+, in <lambda>"
    ):
        tl.jit(lambda x: look((w * x).sum()))(on_gpu([1.0, 1.0]))
    assert host(w).tolist() == [1.0, 2.0]


def test_a_capture_that_fails_changes_nothing(cuda):
    model = network(nn.BatchNorm1d(4), nn.Dropout(0.5)).to("cuda")
    optimizer = optim.Adam(model, 0.01)
    schedule = optim.ExponentialLR(optimizer, 0.5)
    rng = tl.Generator(0)

    @tl.jit
    def step(x, y):
        loss = tl.cross_entropy(model(x), y) + rng.normal((1,), device="cuda").sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return x[x > 0].sum() + loss

    x, y = on_gpu(X[0]), on_gpu(Y[0], "int64")
    step(x, y)
    optimizer.step()
    gradients = [host(p.grad) for p in model.parameters()]

    def everything():
        moments = [
            host(tl.Tensor(a))
            for e in optimizer.state_dict()["state"].values()
            for a in e.values()
            if a is not e["step"]
        ]
        numbers = (optimizer.lr, schedule.last_epoch, rng.state_dict(), tl.random.default_generator().state_dict())
        return [*states(model).values(), *moments], numbers

    before = everything()
    with pytest.raises(tl.CaptureError, match="getitem"):
        step(x, y)
    after = everything()
    assert after[1] == before[1]
    for a, b in zip(after[0], before[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for p, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(host(p.grad), gradient)
    assert tl.core.effects.active_capture.get() is None


# The memory of graphs


def replays(wrap, count):
    """Losses of a step, and what eager code computes and frees between its calls."""
    import cupy

    w, _, step = linear_step()
    step = wrap(step)
    losses, between, held = [], [], []
    for k in range(count):
        x = on_gpu([1.0, 2.0, k % 7])
        losses.append(host(step(x)).item())
        held.append([x, *(on_gpu(np.full(n, k)) + 1.0 for n in (1, 3, 9))])
        if len(held) > 4:
            between.append([host(array).tolist() for array in held.pop(0)])
        if k % 50 == 1:
            cupy.get_default_memory_pool().free_all_blocks()
    return losses, between, host(w).tolist()


def test_a_thousand_replays_among_eager_code(cuda):
    expected, got = replays(lambda f: f, 1000), replays(tl.jit, 1000)
    assert got == expected


def what_a_replay_changes():
    """How many of the arrays that are made after a capture are other arrays after a replay."""
    import cupy

    cupy.get_default_memory_pool().free_all_blocks()
    memory.FREED.clear()  # what is freed from here on is given out first

    step, x = tl.jit(lambda x: (tl.tanh(x * 2) + 1).sum()), on_gpu(X[0])
    for _ in range(2):
        step(x)
    cupy.get_default_memory_pool().free_all_blocks()
    arrays = [on_gpu(X[1]) + 1 for _ in range(40)]
    before = [host(array) for array in arrays]
    step(x)
    return sum(not np.array_equal(host(array), b) for array, b in zip(arrays, before, strict=True))


def test_a_graph_has_memory_of_its_own(cuda):
    assert what_a_replay_changes() == 0


def test_a_graph_without_memory_of_its_own_writes_over_others(monkeypatch):
    """The planted bug: memory that is freed in a capture goes back to the pool that everybody uses."""
    with fake_cupy.installed():

        @contextmanager
        def shared(self):
            with self._shared.stream:
                yield

        monkeypatch.setattr(GraphMemory, "used", shared)
        assert what_a_replay_changes() > 0


def test_places_among_memory_of_the_graph_are_written_over(monkeypatch):
    """The planted bug: where gradients from before a step are copied to, a graph has had something else."""
    with fake_cupy.installed():
        original = GraphMemory.empty_like

        def among(self, array):
            before, self._places = self._places, self._pool
            try:
                return original(self, array)
            finally:
                self._places = before

        monkeypatch.setattr(GraphMemory, "empty_like", among)
        results = []
        for wrap in (lambda f: f, tl.jit):
            w, _, step = linear_step(zero=False)
            step = wrap(step)
            for k in range(4):
                step(on_gpu([1.0, 2.0, k]))
            results.append(host(w).tolist())
        assert results[0] != results[1]
