"""That the stand-in refuses what streams, events and CuPy's pool do not order."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends import fake_cupy
from tests.backends.fake_cupy import cupy, memory
from tests.backends.fake_cupy.streams import StreamError


@pytest.fixture(autouse=True)
def pool():
    """CuPy's own allocator, with nothing kept."""
    with fake_cupy.installed():
        memory.default_pool.free_all_blocks()
        yield memory.default_pool


def numbers():
    return np.arange(1000.0)


def on_a_side_stream(non_blocking=True):
    side = cupy.cuda.Stream(non_blocking=non_blocking)
    with side:
        return side, cupy.asarray(numbers())


def test_what_a_stream_writes_is_refused_to_another_that_has_not_waited():
    side, x = on_a_side_stream()
    with pytest.raises(StreamError, match=r"the default stream of device 0 reads what stream \d+ writes"):
        cupy.add(x, 1.0)
    assert np.isnan(x._host).all()  # not there yet
    cupy.cuda.get_current_stream().wait_event(side.record())
    np.testing.assert_array_equal(cupy.add(x, 1.0).get(), numbers() + 1.0)


@pytest.mark.parametrize("wait", [lambda side: side.synchronize(), lambda side: cupy.cuda.Device(0).synchronize(),
                                  lambda side: side.record().synchronize()])  # fmt: skip
def test_what_the_host_has_waited_for_is_there(wait):
    side, x = on_a_side_stream()
    wait(side)
    np.testing.assert_array_equal(x._host, numbers())
    np.testing.assert_array_equal(x.get(), numbers())


def test_the_default_stream_waits_for_those_that_block():
    _, x = on_a_side_stream(non_blocking=False)
    np.testing.assert_array_equal(x.get(), numbers())


def test_an_event_is_a_place_in_a_stream_and_not_its_end():
    side = cupy.cuda.Stream(non_blocking=True)
    event = side.record()
    with side:
        x = cupy.asarray(numbers())
    cupy.cuda.get_current_stream().wait_event(event)
    with pytest.raises(StreamError):
        cupy.add(x, 1.0)


def test_what_another_stream_reads_is_not_written_on():
    x = cupy.asarray(numbers())
    side = cupy.cuda.Stream(non_blocking=True)
    side.wait_event(cupy.cuda.get_current_stream().record())
    with side:
        cupy.add(x, 1.0)
    for write in (lambda: x.fill(0.0), lambda: cupy.add(x, x, out=x), lambda: x.__setitem__(0, 1.0)):
        with pytest.raises(StreamError, match=r"writes on memory that stream \d+ uses"):
            write()
    cupy.cuda.get_current_stream().wait_event(side.record())
    x.fill(0.0)


def test_freed_memory_is_handed_out_again_to_its_stream_which_must_have_waited_for_its_users():
    side, x = on_a_side_stream()
    default = cupy.cuda.get_current_stream()
    default.wait_event(side.record())
    cupy.add(x, 1.0)
    del x
    with side, pytest.raises(StreamError, match=r"stream \d+ writes on memory that the default stream .* uses"):
        cupy.asarray(numbers())
    side.wait_event(default.record())
    with side:
        cupy.asarray(numbers())


def test_a_copy_from_pinned_memory_takes_what_is_there_when_it_is_made():
    pinned = memory.empty_pinned(3)
    pinned[:] = 1.0
    x = cupy.asarray(pinned)
    pinned[:] = 2.0
    assert x.get().tolist() == [2.0, 2.0, 2.0]
    y = cupy.asarray(pinned.copy())
    assert y.get().tolist() == [2.0, 2.0, 2.0]
    x = cupy.asarray(pinned, blocking=True)
    pinned[:] = 3.0
    assert x.get().tolist() == [2.0, 2.0, 2.0]


def test_streams_and_events_belong_to_a_device():
    stream, event = cupy.cuda.Stream(), cupy.cuda.Event()
    with cupy.cuda.Device(1):
        with pytest.raises(RuntimeError, match="the stream is of device 0, and the current one is 1"), stream:
            pass
        with pytest.raises(RuntimeError, match="InvalidResourceHandle"):
            event.record()
        other = cupy.cuda.Stream()
        with other:
            assert cupy.cuda.get_current_stream() is other
            with cupy.cuda.Device(0):
                assert cupy.cuda.get_current_stream() is cupy.cuda.Stream.null
    with pytest.raises(RuntimeError, match="invalid device"):
        cupy.cuda.Device(2)


def test_default_streams_of_two_devices_do_not_wait_for_each_other():
    x = cupy.asarray(numbers())
    x.fill(3.0)
    with cupy.cuda.Device(1), pytest.raises(StreamError, match="default stream of device 1 reads what the default"):
        x.copy()


def test_the_pool_counts_and_runs_out(pool):
    x = cupy.zeros(1000)
    used = pool.used_bytes()
    y = cupy.reshape(x[10:], (2, -1))
    assert pool.used_bytes() == used and y.base is x and x.base is None
    z = x + 1.0
    assert pool.used_bytes() == used + 8192
    del z
    assert (pool.used_bytes(), pool.free_bytes()) == (used, 8192)
    pool.set_limit(size=used + 8192)
    with pytest.raises(MemoryError):
        cupy.zeros(5000)
    assert pool.free_bytes() == 0  # it tried to make room
    pool.set_limit(size=0)
    free, total = cupy.cuda.Device(0).mem_info
    assert free == total - memory.taken(0) and memory.taken(0) >= used
