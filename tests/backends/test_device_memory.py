"""The memory of GPUs: how much there is, what gives it back, and what happens when there is no more."""

from __future__ import annotations

import gc
import pickle

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.backends.fake_cupy import memory
from tinygrad_lite.core import caches
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.core.errors import in_bytes
from tinygrad_lite.cuda import plans

MIB = 1 << 20


@pytest.fixture(autouse=True)
def cupy():
    gc.collect()  # what other tests have left
    with fake_cupy.installed() as module:
        for index in range(2):
            with module.cuda.Device(index):
                memory.default_pool.free_all_blocks()
        device_backend("cuda")
        yield module
        for index in range(2):
            with module.cuda.Device(index):
                memory.default_pool.set_limit(size=0)


@pytest.fixture
def cache(monkeypatch):
    """A cache that is emptied when memory runs out, and how often that was."""
    monkeypatch.setattr(caches, "_EMPTY", [])
    held = []
    times = []
    caches.on_empty(lambda: (times.append(1), held.clear()))
    return held, times


def mib(n, device="cuda"):
    return tl.zeros(n * MIB // 4, device=device)


def test_statistics_of_a_device():
    before, other = tl.memory.stats("cuda"), tl.memory.stats("cuda:1")
    x, y = mib(3), mib(2)
    del y
    now = tl.memory.stats("cuda:0")
    assert now.in_use - before.in_use == 3 * MIB and now.kept - before.kept == 2 * MIB
    assert now.free == before.free - 5 * MIB and now.total == before.total
    assert now.peak is None and now.limit == 0
    assert tl.memory.stats("cuda:1") == other
    assert isinstance(tl.memory.stats("cpu"), type(tl.memory.stats()))
    del x


def test_the_most_that_was_in_use_at_once():
    x = mib(1)
    tl.memory.reset_peak("cuda")
    start = tl.memory.stats("cuda")
    assert start.peak == start.in_use
    y = [mib(4), mib(2)]
    y.clear()
    z = mib(3)
    assert tl.memory.stats("cuda").peak == start.in_use + 6 * MIB
    tl.memory.reset_peak()
    assert tl.memory.stats("cuda").peak == start.in_use + 3 * MIB
    assert tl.memory.stats("cuda:1").peak is None
    del x, z


def test_what_is_kept_goes_back_to_the_device(cache):
    held, times = cache
    for device in ("cuda", "cuda:1"):
        mib(2, device)
        held.append(mib(1, device))
    tl.memory.empty_cache("cuda:1")
    assert times == [1] and not held
    assert tl.memory.stats("cuda:1").kept == 0 and tl.memory.stats("cuda").kept == 3 * MIB
    tl.memory.empty_cache("cpu")
    assert times == [1] and tl.memory.stats("cuda").kept == 3 * MIB
    tl.memory.empty_cache()
    assert times == [1, 1] and tl.memory.stats("cuda").kept == 0


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_when_memory_runs_out_caches_are_emptied_and_it_is_tried_once_more(cache, device):
    held, times = cache
    start = tl.memory.stats(device)
    tl.memory.set_limit(start.in_use + 8 * MIB, device)
    held.append(mib(5, device))
    x = mib(4, device)
    assert times == [1] and not held
    with pytest.raises(tl.OutOfMemoryError) as raised:
        tl.concat([x, x])
    error = raised.value
    assert times == [1, 1] and isinstance(error, MemoryError) and isinstance(error, tl.TinygradLiteError)
    assert (error.op, error.device, error.requested) == ("concat", f"cuda:{device[5:] or 0}", 8 * MIB)
    used, limit = start.in_use + 4 * MIB, start.in_use + 8 * MIB
    assert (error.used, error.held, error.limit) == (used, used, limit)
    now = tl.memory.stats(device)
    assert (error.free, error.total) == (now.free, now.total)
    assert str(error).startswith(
        f"concat: out of memory on {error.device}: 8.00 MiB were asked for; arrays use {in_bytes(used)}"
    )
    assert f"the pool holds {in_bytes(used)} (the limit is {in_bytes(limit)})" in str(error)
    assert "of 8.00 GiB are free. Use smaller batches" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.op, again.used) == (str(error), "concat", error.used)
    tl.memory.set_limit(None, device)
    assert tl.concat([x, x]).shape == (2 * MIB,)


def test_the_error_of_a_backward_pass_names_the_operation(cache):
    x = mib(1).detach()
    x.requires_grad = True
    y = (x * 2.0).sum()
    tl.memory.empty_cache("cuda")
    tl.memory.set_limit(tl.memory.stats("cuda").in_use + 512)  # the cotangent
    with pytest.raises(tl.OutOfMemoryError, match=r"^[a-z_ ]+: out of memory on cuda:0"):
        y.backward()


def test_the_programs_own_allocator_is_left_alone(cupy):
    mine = memory.MemoryPool()
    with fake_cupy.installed() as cupy:
        cupy.cuda.set_allocator(mine.malloc)
        device_backend("cuda")
        assert cupy.cuda.get_allocator() == mine.malloc
        tl.memory.reset_peak("cuda")
        assert cupy.cuda.get_allocator() == mine.malloc
        tl.zeros(3, device="cuda")
        assert mine.total_bytes() == 512
    assert cupy.cuda.get_allocator().__func__.__name__ == "allocate"


def test_sizes_to_read():
    assert [in_bytes(n) for n in (0, 1023, 1536, 3 << 19, 5 << 30)] == [
        "0 bytes", "1023 bytes", "1.50 KiB", "1.50 MiB", "5.00 GiB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tl.memory.reset_peak("cpu"), r"memory\.reset_peak: got the device 'cpu'; a GPU is required"),
        (lambda: tl.memory.set_limit(3, "cpu"), r"memory\.set_limit: got the device 'cpu'; .* memory\.keep\(\) is for"),
        (lambda: tl.memory.stats("cuda:5"), "device 'cuda:5': there are 2 GPUs"),
    ],
)
def test_devices_without_such_memory(call, message):
    with pytest.raises(tl.BackendError, match=message):
        call()


def test_a_limit_is_not_negative():
    with pytest.raises(ValueError, match=r"memory\.set_limit: limit is -1 bytes; it must be at least 0, or None"):
        tl.memory.set_limit(-1)


# The namespace tl.cuda


def test_what_there_is(cupy):
    assert tl.cuda.is_available() is True and tl.cuda.device_count() == 2
    tl.cuda.synchronize()
    tl.cuda.synchronize("cpu")
    with fake_cupy.installed(None):
        assert tl.cuda.is_available() is False and tl.cuda.device_count() == 0
        with pytest.raises(tl.BackendError, match="CuPy cannot be imported"):
            tl.cuda.synchronize()


def test_work_is_done_on_the_streams_of_cupy(cupy):
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        x = tl.ones(3, device="cuda") + 1.0
    assert x.data._block.uses.written[0] is stream.queue
    stream.synchronize()
    assert np.array_equal(x.numpy(), [2.0, 2.0, 2.0])


# Workspaces of matrix products


@pytest.fixture
def workspaces():
    """Those of cuBLASLt on the stand-in, by device, stream and thread: 32 MiB each."""
    plans.products.cache_clear()
    yield lambda: plans.products(fake_cupy.cupy)._workspaces
    plans.products.cache_clear()


def test_workspaces_go_when_memory_runs_out_and_come_again(workspaces):
    small = tl.ones((4, 4), device="cuda")
    product = (small @ small).numpy()
    assert len(workspaces()) == 1
    tl.memory.set_limit(tl.memory.stats("cuda").in_use + 8 * MIB, "cuda")
    x = mib(36)
    assert not workspaces()
    with pytest.raises(tl.OutOfMemoryError, match=r"matmul: out of memory on cuda:0: 32\.00 MiB were asked for"):
        small @ small
    del x
    np.testing.assert_array_equal((small @ small).numpy(), product)
    tl.memory.set_limit(None, "cuda")
    assert len(workspaces()) == 1
    tl.memory.empty_cache("cuda")
    assert not workspaces()


def test_a_workspace_finds_room_by_emptying_others(workspaces, cupy):
    small = tl.ones((4, 4), device="cuda")
    with cupy.cuda.Stream():
        small @ small
    tl.memory.set_limit(tl.memory.stats("cuda").in_use + 8 * MIB, "cuda")
    small @ small
    tl.memory.set_limit(None, "cuda")
    assert len(workspaces()) == 1


def test_what_captured_graphs_write_on_stays(workspaces):
    w = tl.ones((4, 4), device="cuda")
    step, x = tl.jit(lambda x: x @ w), tl.tensor(np.arange(16.0, dtype="float32").reshape(4, 4), device="cuda")
    expected = step(x).numpy()
    np.testing.assert_array_equal(step(x).numpy(), expected)
    assert len(workspaces()) == 2  # of the current stream, and of that of graphs
    tl.memory.empty_cache("cuda")
    assert len(workspaces()) == 1
    np.testing.assert_array_equal(step(x).numpy(), expected)
    step.programs.clear()
    del step
    gc.collect()
    tl.memory.empty_cache("cuda")
    assert not workspaces()
