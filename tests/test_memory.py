"""Large arrays: their memory is kept when they die, and comes back with the next ones."""

import os
import subprocess
import sys

import pytest

import tinygrad_lite as tl
from tinygrad_lite import memory

pytestmark = pytest.mark.skipif(memory.stats() is None, reason="the C library is not glibc")

PROGRAM = """
import resource
import numpy as np
import tinygrad_lite as tl

x = np.ones(1 << 24, "float32")  # 64 MiB
def faults(work):
    work()
    work()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def chain():
    a = tl.Tensor(x) * 2.0
    b = a + x
    return b * a
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20
print(faults(chain))
del x
print(resident(), end=" ")
tl.memory.empty_cache()
print(resident())
"""


def run(**environment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=os.environ | environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    return int(first), *map(int, second.split())


def test_memory_that_was_used_before_causes_no_page_faults():
    kept, before, after = run()
    assert kept < 50
    assert before - after > 100  # MiB that went back to the system


def test_nothing_is_changed_if_the_environment_says_so():
    fresh, _, _ = run(TINYGRAD_LITE_KEEP_MEMORY="0")
    assert fresh > 300


def test_a_limit_in_the_environment():
    done = subprocess.run(
        [sys.executable, "-c", "import tinygrad_lite"],
        capture_output=True, text=True, env=os.environ | {"TINYGRAD_LITE_KEEP_MEMORY": "much"}, timeout=300,
    )  # fmt: skip
    assert "TINYGRAD_LITE_KEEP_MEMORY is 'much'; it must be a number of bytes." in done.stderr


def test_stats_follow_what_is_used():
    before = tl.memory.stats()
    x = tl.ones((1 << 22,), dtype="float64")
    during = tl.memory.stats()
    assert 32 << 20 <= during.in_use - before.in_use < 40 << 20
    del x
    assert tl.memory.stats().in_use - before.in_use < 8 << 20


def test_a_negative_limit():
    with pytest.raises(ValueError, match=r"memory.keep: limit is -1 bytes; it must be at least 0"):
        tl.memory.keep(-1)
