"""What is around a step that is captured as graphs: gradients, weights, schedules, arguments; all of it is alive."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends.steps import Mixed, X, Y, both, host, linear_step, network, on_gpu, programs, states, train
from tinygrad_lite import nn, optim
from tinygrad_lite.autodiff import graphs


def test_gradients_are_added_up(cuda):
    def run(wrap):
        w, _, step = linear_step(zero=False)
        step = wrap(step)
        found = []
        for k in range(5):
            step(on_gpu([1.0, 2.0, k]))
            found.append((host(w), host(w.grad)))
            if k == 2:
                w.grad = None
            if k == 3:
                w.grad = on_gpu([1.0, 1.0, 1.0])
        return found

    np.testing.assert_array_equal(*both(run))


def test_gradients_that_somebody_holds_stay_as_they_are(cuda):
    w, optimizer, step = linear_step()
    step = tl.jit(step)
    held = []
    for k in range(5):
        step(on_gpu([1.0, 2.0, k]))
        held.append((w.grad, host(w.grad)))
        if k == 3:
            optimizer.zero_grad()
    for gradient, before in held:
        np.testing.assert_array_equal(host(gradient), before)


def test_results_are_nobody_elses_memory(cuda):
    step = tl.jit(lambda x: {"twice": x * 2, "same": [x, x[1:]]})
    results = [step(on_gpu([1.0, k])) for k in range(4)]
    for k, out in enumerate(results):
        assert host(out["twice"]).tolist() == [2.0, 2.0 * k]
        assert host(out["same"][0]).tolist() == [1.0, k] and host(out["same"][1]).tolist() == [k]


def test_loaded_weights_and_states_are_used(cuda):
    def run(wrap):
        model = network().to("cuda")
        optimizer = optim.Adam(model, 0.01)

        @wrap
        def step(x, y):
            loss = tl.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        losses, kept = [], []
        for k in range(12):
            losses.append(step(on_gpu(X[k % 3]), on_gpu(Y[k % 3], "int64")).item())
            if k == 4:
                kept = [model.state_dict(), optimizer.state_dict()]
                kept[0] = {name: array.copy() for name, array in kept[0].items()}
            if k in (6, 7, 9):
                model.load_state_dict(kept[0])
                optimizer.load_state_dict(kept[1])
        return losses, states(model)

    (expected, there), (got, here) = both(run)
    assert got == expected
    for name, array in there.items():
        np.testing.assert_array_equal(here[name], array, err_msg=name)


def test_tensors_that_are_bound_anew_are_read_anew(cuda):
    scale = on_gpu([2.0])
    step = tl.jit(lambda x: x * scale)
    for k in range(8):
        scale.data = on_gpu([float(k)]).data
        assert host(step(on_gpu([3.0]))).tolist() == [3.0 * k]
    (program,) = programs(step)
    assert program._wasted < graphs.WASTED


def test_schedules_in_a_step(cuda):
    def run(wrap):
        w, optimizer, step = linear_step()
        schedule = optim.CosineAnnealingLR(optimizer, 10)
        inner = step

        @wrap
        def whole(x):
            loss = inner(x)
            schedule.step()
            return loss

        return [whole(on_gpu([1.0, 2.0, 3.0])).item() for _ in range(6)], optimizer.lr, host(w).tolist()

    expected, got = both(run)
    assert got == expected


def test_arrays_in_main_memory_are_moved(cuda):
    w = on_gpu([1.0, 2.0])
    step = tl.jit(lambda x, k=1.0: w * x * k)
    for k in range(3):
        assert host(step(np.float32([k, 1.0]))).tolist() == [k, 2.0]
    assert host(step(np.float32([1.0, 1.0]), k=3.0)).tolist() == [3.0, 6.0]
    assert len(programs(step)) == 2


def test_other_shapes_dtypes_and_modes_are_captured_anew(cuda):
    model = nn.Sequential(Mixed(5, 4), nn.Dropout(0.5)).to("cuda")
    step = tl.jit(lambda x: model(x))
    for _ in range(3):
        step(on_gpu(X[0]))
        step(on_gpu(X[0][:3]))
        model.eval()
        np.testing.assert_array_equal(host(step(on_gpu(X[0]))), host(model(on_gpu(X[0]))))
        model.train()
    assert len(programs(step)) == 3


def test_the_least_recently_used_graphs_are_given_up(cuda, monkeypatch):
    monkeypatch.setattr(graphs, "GRAPHS", 2)
    step = tl.jit(lambda x: x + 1)
    for n in (1, 2, 3, 1):
        for _ in range(2):
            assert host(step(on_gpu(np.zeros(n)))).tolist() == [1.0] * n
    with_graphs = [program for program in programs(step) if program._captured is not None]
    assert len(programs(step)) == 3 and len(with_graphs) == 2


def test_checked_replays(cuda):
    for make in (network, lambda: network(nn.BatchNorm1d(4))):
        expected, _, _ = train(lambda f: f, "cuda", make)
        got, _, _ = train(lambda f: tl.jit(f, check=True), "cuda", make)
        assert got == expected


def test_a_step_that_depends_on_something_hidden_fails_the_check(cuda):
    state = {"k": 1.0}

    def step(x):
        state["k"] += 1
        return x * state["k"]

    checked = tl.jit(step, check=True)
    checked(on_gpu([1.0]))
    with pytest.raises(tl.CaptureError, match="jit: a replay and the step as it is written differ in result 0"):
        checked(on_gpu([1.0]))


def test_the_second_device(cuda):
    if cuda.device_count < 2:
        pytest.skip("needs two GPUs")
    w = tl.tensor([1.0, 2.0], device="cuda:1")
    step = tl.jit(lambda x: tl.tanh(w * x))
    there = tl.jit(lambda x: tl.tanh(x).to("cuda:1") * w)
    beside = tl.jit(lambda x, y: x * w + y)
    for k in range(4):
        x = tl.tensor([1.0, k], device="cuda:1")
        result = step(x)
        assert result.device == "cuda:1"
        np.testing.assert_array_equal(host(result), host(tl.tanh(w * x)))
        np.testing.assert_array_equal(host(there(x.to("cuda"))), host(tl.tanh(x) * w))
        added = np.float32([3.0, k])  # in main memory: moved to the device of the others
        np.testing.assert_array_equal(host(beside(x, added)), host(x * w) + added)
    assert "a graph of" in str(programs(step)[0]) and "no graph" in str(programs(there)[0])


def test_losses_are_scaled(cuda):
    """The scale and whether gradients are finite stay on the device; in the sixth call they are not."""

    def run(wrap):
        model = network().to("cuda")
        optimizer, scaler = optim.Adam(model, 0.01), optim.GradScaler("cuda", init_scale=64.0, growth_interval=2)

        @wrap
        def step(x, y):
            loss = tl.cross_entropy(model(x), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            return loss

        losses = []
        for k in range(8):
            x = X[k].copy()
            x[0, 0] = np.inf if k == 5 else x[0, 0]
            losses.append(step(on_gpu(x), on_gpu(Y[k], "int64")).item())
        return losses, scaler.get_scale(), *states(model).values()

    for a, b in zip(*both(run), strict=True):
        np.testing.assert_array_equal(a, b)


def test_random_numbers_of_cupys_own_are_refused(cuda):
    """At the capture, with the line; another thread may draw meanwhile, and everybody after it."""
    import cupy

    drawn = []

    def noisy(x):
        thread = threading.Thread(target=lambda: drawn.append(cupy.random.normal(size=3)))
        thread.start()
        thread.join()
        return x + tl.Tensor(cupy.random.normal(size=3))

    cupy.random.seed(0)
    x, step = tl.zeros(3, dtype="float64", device="cuda"), tl.jit(noisy)
    message = r"jit: cupy\.random\.normal is called in the step, .*test_graph_surroundings\.py:\d+, in noisy: return x"
    for _ in range(2):
        with pytest.raises(tl.CaptureError, match=message):
            step(x)
    later = [host(tl.Tensor(cupy.random.normal(size=3))) for _ in range(2)]
    cupy.random.seed(0)
    expected = [host(tl.Tensor(cupy.random.normal(size=3))) for _ in range(4)]
    np.testing.assert_array_equal([*(host(tl.Tensor(numbers)) for numbers in drawn), *later], expected)
    assert type(cupy.random.get_random_state()) is cupy.random.RandomState


def test_what_draws_nothing_asks_for_no_state(cuda):
    """CuPy makes one, and loads cuRAND, when it is first needed."""
    import cupy

    states = cupy.random._generator._random_states
    before = dict(states)
    states.clear()
    try:
        tl.jit(lambda x: x + tl.random.normal((3,), device="cuda"))(tl.zeros(3, device="cuda"))
        assert not states
    finally:
        states.update(before)
