"""The pool of threads: every block once, errors come out, no threads of threads, and it survives a fork."""

import os
import subprocess
import sys
import threading
import time
from contextvars import ContextVar

import pytest

import tinygrad_lite as tl
from tinygrad_lite.core import threads
from tinygrad_lite.core.threads import run_blocks

pytestmark = pytest.mark.numpy_only("threads of the processor")


@pytest.fixture(params=[1, 2, 3])
def count(request):
    before = tl.get_num_threads()
    tl.set_num_threads(request.param)
    yield request.param
    tl.set_num_threads(before)


def test_every_block_is_worked_on_once(count):
    done, workers = [], set()

    def work(block):
        time.sleep(0.002)
        workers.add(threading.get_ident())
        done.append(block)

    run_blocks(work, range(30))
    assert sorted(done) == list(range(30))
    assert len(workers) <= count and (count == 1 or len(workers) > 1)
    run_blocks(work, [])
    run_blocks(work, [7])
    assert len(done) == 31


def test_an_error_ends_the_call(count):
    done = []

    def work(block):
        if block == 3:
            raise KeyError("three")
        time.sleep(0.001)
        done.append(block)

    with pytest.raises(KeyError, match="three"):
        run_blocks(work, range(1000))
    assert len(done) < 1000
    after = len(done)
    time.sleep(0.01)
    assert len(done) == after  # nobody works on


def test_blocks_within_blocks_stay_in_their_thread(count):
    seen = []

    def outer(_):
        own = threading.get_ident()
        inner = []
        run_blocks(lambda _: inner.append(threading.get_ident()), range(5))
        seen.append(set(inner) == {own} or count == 1)

    run_blocks(outer, range(6))
    assert seen == [True] * 6


def test_context_variables_are_those_of_the_caller(count):
    variable = ContextVar("variable", default=0)
    variable.set(5)
    seen = []
    run_blocks(lambda _: seen.append(variable.get()), range(20))
    assert seen == [5] * 20


def test_grad_modes_are_those_of_the_caller(count):
    seen = []
    with tl.no_grad():
        run_blocks(lambda _: seen.append(tl.core.graph.grad_enabled()), range(20))
    assert seen == [False] * 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_threads_of_its_own():
    program = """
import os, numpy as np, tinygrad_lite as tl
tl.set_num_threads(2)
x = np.ones(1 << 20, "float32")
tl.silu(x)
child = os.fork()
if child == 0:
    tl.silu(x)
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "0", done.stderr


@pytest.mark.parametrize(("given", "expected"), [("1", 1), ("1,2", 1), ("many", None), ("", None)])
def test_the_number_of_threads_follows_the_environment(monkeypatch, given, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    everything = threads.available_cores()
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads.available_cores() == (everything if expected is None else expected)


@pytest.mark.parametrize(
    ("text", "limit"), [("max 100000", None), ("150000 100000", 2), ("1000 100000", 1), ("x", None)]
)
def test_the_limit_of_a_control_group(tmp_path, text, limit):
    (tmp_path / "cpu.max").write_text(text)
    assert threads._group_limit(tmp_path / "cpu.max") == limit
    assert threads._group_limit(tmp_path / "absent") is None


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2"])
def test_a_wrong_number_of_threads(wrong):
    with pytest.raises(ValueError, match="set_num_threads: count is .*; it must be an integer from 1 up"):
        tl.set_num_threads(wrong)


def test_idle_threads_use_no_time(count):
    run_blocks(lambda _: time.sleep(0.001), range(8))
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.1


def test_a_call_does_not_wait_for_threads_that_are_busy_elsewhere():
    before, release, done, elsewhere = threads.get_num_threads(), threading.Event(), [], []
    threads.set_num_threads(2)

    def busy(block):
        elsewhere.append(block)
        release.wait(10)

    other = threading.Thread(target=run_blocks, args=(busy, range(2)))
    try:
        other.start()
        while len(elsewhere) < 2:  # its own thread and the pool's
            time.sleep(0.001)
        run_blocks(done.append, range(5))
        assert done == [0, 1, 2, 3, 4] and other.is_alive()
    finally:
        release.set()
        other.join()
        threads.set_num_threads(before)


def test_a_helper_that_comes_late_finds_nothing_left(monkeypatch):
    """The call does not wait for it, and it serves the next call."""
    before, late, done = threads.get_num_threads(), threading.Event(), []
    threads.set_num_threads(2)
    join = threads._Call.join

    def join_late(call, leave, helper):
        late.wait(10)
        join(call, leave, helper)

    try:
        monkeypatch.setattr(threads._Call, "join", join_late)
        run_blocks(done.append, range(5))
        assert done == [0, 1, 2, 3, 4]
        late.set()
        while not threads._current().idle:
            time.sleep(0.001)
        workers = set()
        run_blocks(lambda _: (time.sleep(0.002), workers.add(threading.get_ident())), range(20))
        assert len(workers) == 2 and threads._current().made == 1
    finally:
        late.set()
        threads.set_num_threads(before)


def test_threads_of_a_pool_that_was_replaced_end():
    before = threads.get_num_threads()
    try:
        threads.set_num_threads(3)
        run_blocks(lambda _: time.sleep(0.002), range(9))
        old = [thread for thread in threading.enumerate() if thread.name == "tinygrad_lite"]
        assert old
        threads.set_num_threads(1)
        for thread in old:
            thread.join(5)
            assert not thread.is_alive()
    finally:
        threads.set_num_threads(before)
