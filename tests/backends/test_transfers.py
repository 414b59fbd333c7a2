"""Copies between main memory and GPUs: nothing waits that need not, and nothing is used before it is there.

The stand-in makes copies as late as streams and events allow, and refuses whatever they do not order.
"""

from __future__ import annotations

import gc

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.backends.fake_cupy import memory
from tests.backends.fake_cupy.streams import StreamError
from tinygrad_lite import data, nn, optim, train
from tinygrad_lite.core.backend import device_backend


@pytest.fixture(autouse=True)
def cupy():
    with fake_cupy.installed() as module:
        memory.default_pool.free_all_blocks()
        yield module


def pinned(*values):
    made = memory.empty_pinned(len(values))
    made[:] = values
    return made


# Tensors


def test_pinned_memory_may_be_filled_anew_after_a_move():
    buffer = pinned(1.0, 2.0)
    moves = [
        lambda x: tl.tensor(x).to("cuda"), lambda x: tl.tensor(x, device="cuda:1"), lambda x: tl.Tensor(x).cuda(),
        lambda x: tl.Tensor(device_backend("cuda").asarray(x[1:])),
    ]  # fmt: skip
    made = []
    for i, move in enumerate(moves):
        buffer.fill(i)
        made.append(move(buffer))
    buffer.fill(7.0)
    assert [x.tolist() for x in made] == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0]]


def test_without_blocking_it_must_stay_until_the_copy_is_made():
    buffer = pinned(1.0, 2.0)
    x = tl.tensor(buffer).to("cuda", non_blocking=True)
    buffer.fill(7.0)
    assert x.tolist() == [7.0, 7.0]
    x = tl.to_device(buffer, device="cuda:1", non_blocking=True)
    tl.cuda.synchronize("cuda:1")
    buffer.fill(8.0)
    assert tl.Tensor(x).tolist() == [7.0, 7.0]
    ordinary = np.ones(3)
    x = tl.tensor(ordinary).to("cuda", non_blocking=True)
    ordinary.fill(2.0)
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_moving_without_blocking_is_differentiable():
    x = tl.tensor(pinned(1.0, 2.0), requires_grad=True)
    (x.to("cuda:1", non_blocking=True) * 3.0).sum().backward()
    assert x.grad.device == "cpu" and x.grad.tolist() == [3.0, 3.0]


def test_between_gpus_each_stream_waits_for_the_other(cupy):
    with cupy.cuda.Stream(non_blocking=True):
        x = tl.tensor(np.arange(6.0).reshape(2, 3), device="cuda") * 2.0
        with cupy.cuda.Device(1):
            side = cupy.cuda.Stream(non_blocking=True)
        with device_backend("cuda").on("cuda:1"), side:
            far = tl.permute_dims(x, (1, 0)).to("cuda:1")
            result = far + 1.0
        del x, far
        # In the memory that was copied from, among others.
        assert len([tl.tensor(np.zeros((2, 3)), device="cuda") for _ in range(6)]) == 6
        with cupy.cuda.Device(1):
            side.synchronize()
        np.testing.assert_array_equal(result.numpy(), np.arange(6.0).reshape(2, 3).T * 2.0 + 1.0)
    assert tl.tensor(3.0, device="cuda").to("cuda:1").shape == ()


# The loader


def loader(cupy, n=40, **options):
    x = np.arange(n, dtype="float32")
    return data.DataLoader((x, x.astype("int64")), batch_size=8, device="cuda", rng=0, **options)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_batches_are_on_the_device(cupy, workers, device):
    x = np.arange(20, dtype="float32")
    there = data.DataLoader((x, x.astype("int64")), 8, device=device, rng=0, workers=workers)
    here = data.DataLoader((x, x.astype("int64")), 8, rng=0)
    for _ in range(2):
        for got, expected in zip(there, here, strict=True):
            assert all(isinstance(part, cupy.ndarray) for part in got)
            for part, one in zip(got, expected, strict=True):
                assert tl.Tensor(part).device == ("cuda:0" if device == "cuda" else device) and part.dtype == one.dtype
                np.testing.assert_array_equal(tl.Tensor(part).numpy(), one)


def test_batches_are_copied_in_a_stream_of_their_own_and_the_loop_waits_for_them(cupy):
    feed = device_backend("cuda").feed("cuda")
    sent = feed.send([np.arange(3.0)])
    with pytest.raises(StreamError, match=r"the default stream of device 0 reads what stream \d+ writes"):
        sent[0][0] + 1.0
    (x,) = feed.take(sent)
    assert (x + 1.0).get().tolist() == [1.0, 2.0, 3.0]
    with cupy.cuda.Stream(non_blocking=True):
        (x,) = feed.take(feed.send([np.arange(3.0)]))
        assert (x + 1.0).get().tolist() == [1.0, 2.0, 3.0]


def test_the_memory_of_a_batch_is_filled_anew_behind_what_used_it(cupy):
    seen = []
    for x, y in loader(cupy, workers=1):
        part = x[2:]
        del x, y  # a view keeps the batch
        gc.collect()
        seen.append((part * 2.0).get()[-1])
    assert len(seen) == 5


def test_the_planted_bug_is_caught(cupy, monkeypatch):
    from tinygrad_lite.backends.cupy.transfers import Feed

    monkeypatch.setattr(Feed, "_free", lambda *_: None)
    with pytest.raises(StreamError, match=r"stream \d+ writes on memory that the default stream of device 0 uses"):
        for x, y in loader(cupy):
            x + y
    monkeypatch.undo()
    memory.default_pool.free_all_blocks()
    monkeypatch.setattr(cupy.cuda.Stream, "wait_event", lambda *_: None)
    with pytest.raises(StreamError, match=r"the default stream of device 0 reads what stream \d+ writes"):
        for x, y in loader(cupy):
            x + y


def test_batches_that_die_in_a_capture_are_freed_after_it(cupy, monkeypatch):
    feed = device_backend("cuda").feed("cuda")
    (x,) = feed.take(feed.send([np.arange(64.0)]))
    x + 1.0
    monkeypatch.setattr(cupy.cuda.Stream, "is_capturing", lambda self: self.ptr == 0)
    used = memory.default_pool.used_bytes()
    del x
    assert memory.default_pool.used_bytes() == used
    feed.send([np.arange(64.0)])
    monkeypatch.setattr(cupy.cuda.Stream, "is_capturing", lambda self: False)
    feed.take(feed.send([np.arange(64.0)]))
    assert memory.default_pool.used_bytes() < used + 1024


def test_a_loop_that_is_left_early_leaves_nothing_behind(cupy):
    gc.collect()
    used = memory.default_pool.used_bytes()
    for _ in loader(cupy, workers=2):
        break
    del _
    gc.collect()
    assert memory.default_pool.used_bytes() == used


def test_what_is_no_array_of_numbers_stays_as_it_is(cupy):
    examples = [({"x": np.ones(2), "name": "a"}, None, tl.tensor([1.0])), ({"x": np.zeros(2), "name": "b"}, None, 3.0)]
    (batch,) = data.DataLoader(examples, 2, shuffle=False, device="cuda:1", collate=lambda found: found[0])
    assert isinstance(batch[0]["x"], cupy.ndarray) and batch[0]["name"] == "a" and batch[1] is None
    assert isinstance(batch[2], tl.Tensor) and batch[2].device == "cuda:1"


def test_a_device_that_is_not_there_is_an_error_when_the_loader_is_made(cupy):
    with pytest.raises(tl.BackendError, match="device 'cuda:7': there are 2 GPUs"):
        data.DataLoader((np.ones(3),), device="cuda:7")


def test_training_through_a_loader_is_what_it_is_in_main_memory():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)).astype("float32"), rng.integers(0, 3, 50)

    def trained(device, workers):
        model = nn.Linear(4, 3, rng=tl.Generator(0)).to(device)
        batches = data.DataLoader((x, y), 8, rng=0, device=None if device == "cpu" else device, workers=workers)
        train.fit(model, batches, optimizer=optim.Adam(model, 0.01), epochs=2, progress=False)
        train.fit(model, (x, y), optimizer=optim.Adam(model, 0.01), epochs=1, progress=False, rng=1)
        return model.weight.detach().numpy()

    expected = trained("cpu", 0)
    for device, workers in (("cuda", 0), ("cuda:1", 2)):
        np.testing.assert_allclose(trained(device, workers), expected, rtol=1e-4, atol=1e-6)
