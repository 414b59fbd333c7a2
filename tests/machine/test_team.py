"""Threads that share loops of machine code: results do not depend on them, and nobody waits for ever."""

import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.core import threads
from tinygrad_lite.machine import functions, team
from tinygrad_lite.machine.lanes import Lanes
from tinygrad_lite.machine.loops import elementwise
from tinygrad_lite.machine.registers import Placed
from tinygrad_lite.machine.rows import RowKernel
from tinygrad_lite.machine.ufuncs import available, machine_ufunc

pytestmark = pytest.mark.skipif(
    not available() or sys.platform != "linux", reason="threads share machine code on x86 processors under Linux"
)
FLOAT = np.dtype("float32")


def made(describe, least=None):
    """A ufunc of one array, which threads share if it has `least` elements."""
    lanes = Lanes(FLOAT)
    code = elementwise(lanes, Placed([describe(lanes, lanes.load(0))]), [FLOAT], [FLOAT])
    if least is not None:
        code = team.shared(code, 2, 1, least=least, multiple=32)
    return machine_ufunc("made", code, [FLOAT, FLOAT], 1)


@pytest.fixture
def helpers():
    """A function that sets the number of threads and has the helpers there."""
    before = tl.get_num_threads()

    def several(count):
        tl.set_num_threads(count)
        team.assemble()
        end = time.monotonic() + 10
        while team._current().count("helpers") != count - 1:
            assert time.monotonic() < end
            time.sleep(0.001)

    yield several
    several(before)


def test_results_are_those_of_one_thread(helpers):
    alone, together = made(functions.tanh), made(functions.tanh, 64)
    numbers = np.random.default_rng(0).standard_normal(300_000).astype(FLOAT)
    for count in 1, 2, 3, 5, 1, 4:
        helpers(count)
        for size in 0, 1, 63, 64, 65, 127, 1000, 4097, 100_000, 300_000:
            np.testing.assert_array_equal(together(numbers[:size]), alone(numbers[:size]))
        np.testing.assert_array_equal(together(numbers[::-3]), alone(numbers[::-3]))


def test_a_call_is_posted_once_and_leaves_nothing_behind(helpers):
    helpers(3)
    numbers, known = np.zeros(1 << 22, FLOAT), team._current()
    before, together = known.count("posted"), made(functions.tanh, 64)
    together(numbers)
    assert known.count("posted") == before + 1 and known.count("next") >= numbers.size
    assert known.count("lock") == known.count("active") == known.count("opened") == 0


def test_each_piece_is_worked_on_once(helpers, monkeypatch):
    helpers(3)
    monkeypatch.setattr(team, "PIECES", 1 << 10)
    together = made(lambda lanes, x: lanes.add(x, 1.0), 64)
    for size in 100, 5000, 100_001:
        numbers = np.zeros(size, FLOAT)
        for _ in range(300):
            together(numbers, out=numbers)
        assert (numbers == 300).all()


def test_rows_keep_their_places(helpers):
    helpers(3)
    kernel = RowKernel(FLOAT, "(n),()->(n),()")
    (total,) = kernel.over_row({2: kernel.lanes.add(kernel.operand(0), kernel.operand(0))}, sums=[kernel.operand(0)])
    kernel.once(stores={3: kernel.lanes.multiply(total, kernel.operand(1))})
    ufunc, draw = kernel.ufunc("rows"), np.random.default_rng(1)
    for count, length in (1, 20_000), (2, 9000), (77, 301), (5000, 3), (10_000, 1):
        x, y = draw.integers(-5, 6, (count, length)).astype(FLOAT), draw.integers(-5, 6, count).astype(FLOAT)
        doubled, totals = ufunc(x, y)
        np.testing.assert_array_equal(doubled, x + x)
        np.testing.assert_array_equal(totals, x.sum(axis=1) * y)


def test_without_further_threads_who_calls_does_the_work(helpers, monkeypatch):
    def refused(thread):
        raise RuntimeError("can't start new thread")

    numbers, together = np.random.default_rng(2).standard_normal(10_000).astype(FLOAT), made(functions.tanh, 64)
    expected = together(numbers)
    helpers(1)
    tl.set_num_threads(3)
    monkeypatch.setattr(threading.Thread, "start", refused)
    for _ in range(3):
        team.assemble()
        np.testing.assert_array_equal(together(numbers), expected)


@pytest.mark.parametrize("place", [0, 100_000, 199_999])
def test_warnings_come_from_wherever_the_numbers_are(place, helpers):
    helpers(3)
    numbers = np.ones(200_000, FLOAT)
    numbers[place] = 1000
    together = made(functions.exp, 64)
    with pytest.warns(RuntimeWarning, match="overflow encountered in made"):
        assert np.isinf(together(numbers)).sum() == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(20):
            together(np.ones(200_000, FLOAT))


def test_several_callers_at_once(helpers):
    helpers(3)
    together, alone, wrong = made(functions.tanh, 64), made(functions.tanh), []

    def work(seed):
        draw = np.random.default_rng(seed)
        for _ in range(200):
            numbers = draw.standard_normal(draw.integers(1, 40_000)).astype(FLOAT)
            if not np.array_equal(together(numbers), alone(numbers)):
                wrong.append(seed)

    callers = [threading.Thread(target=work, args=[seed]) for seed in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
        assert not caller.is_alive()
    assert not wrong


def test_calls_within_blocks_of_other_threads_work_alone(helpers):
    helpers(2)
    together, known = made(functions.tanh, 64), team._current()
    numbers, ready = np.ones(10_000, FLOAT), threading.Barrier(2, timeout=10)

    def work(_):
        ready.wait()
        before = known.count("posted")
        for _ in range(50):
            together(numbers)
        assert known.count("posted") == before
        ready.wait()

    threads.run_blocks(work, [0, 1])
    before = known.count("posted")
    together(numbers)
    assert known.count("posted") == before + 1


def test_helpers_sleep_when_there_is_nothing_to_do(helpers):
    helpers(3)
    made(functions.tanh, 64)(np.ones(10_000, FLOAT))
    end = time.monotonic() + 10
    while team._current().count("asleep") != 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    before = time.process_time()
    time.sleep(0.1)
    assert time.process_time() - before < 0.05
    made(functions.tanh, 64)(np.ones(10_000, FLOAT))


PROGRAM = """
    import os, sys, threading, time
    import numpy as np
    import tinygrad_lite as tl
    from tinygrad_lite.machine import team

    tl.set_num_threads(3)
    x = np.linspace(-3, 3, 300_000, dtype="float32")
    expected = tl.gelu(x)

    def same():
        return all(np.array_equal(tl.gelu(x), expected) for _ in range(20))
"""


def run(text):
    command = [
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        textwrap.dedent(PROGRAM) + textwrap.dedent(text),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_forks_have_helpers_of_their_own():
    done = run("""
    busy = threading.Thread(target=lambda: [same() for _ in range(20)], daemon=True)
    busy.start()
    for _ in range(10):
        child = os.fork()
        if child == 0:
            right = same()
            time.sleep(0.01)
            os._exit(0 if right and team._current().count("helpers") == 2 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    busy.join()
    print("right" if same() else "wrong")
    """)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "right", "")


@pytest.mark.parametrize("pause", [0, 0.05])
def test_programs_end_while_helpers_look_or_sleep(pause):
    done = run(f"""
    busy = threading.Thread(target=lambda: [same() for _ in range(10_000)], daemon=True)
    busy.start()
    print("right" if same() else "wrong")
    time.sleep({pause})
    """)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "right", "")
