"""Ufuncs of machine code: how long they live, threads and processes, and computers on which there are none."""

import ctypes
import gc
import logging
import mmap
import os
import platform
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.machine.making import needs_machine_code, same, ufunc_of
from tinygrad_lite.fusion import machine
from tinygrad_lite.fusion.expressions import Expressions
from tinygrad_lite.fusion.programs import Program
from tinygrad_lite.machine import MachineCode, functions, ufuncs
from tinygrad_lite.machine.lanes import Lanes


def executable():
    """Bytes of this process's memory that may be executed and are of no file; neighbours are one line of the list."""
    total = 0
    with open("/proc/self/maps") as lines:
        for line in lines:
            addresses, rights, *_, inode = line.split()[:5]
            if "x" in rights and inode == "0":
                first, end = (int(address, 16) for address in addresses.split("-"))
                total += end - first
    return total


def add_one(lanes, x):
    return lanes.add(x, 1.0)


def forget(_):
    """What a weak reference calls, so that two of them are two objects."""


@needs_machine_code
@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs a list of the memory's mappings")
def test_the_code_is_freed_with_its_ufunc():
    x = np.arange(4.0)
    kept = [ufunc_of("float64", add_one) for _ in range(50)]
    gc.collect()
    before = executable()
    held = [ufunc_of("float64", add_one) for _ in range(50)]
    for fn in held:
        same(fn(x), x + 1)
    assert executable() >= before + 50 * mmap.PAGESIZE
    del held, fn
    for _ in range(2000):
        ufunc_of("float64", add_one)(x)
    gc.collect()
    assert executable() == before
    for fn in kept:
        same(fn(x), x + 1)


@needs_machine_code
def test_the_code_outlives_the_last_name_during_a_call():
    names = {}

    class Result(np.ndarray):
        def __array_finalize__(self, other):
            names.clear()  # NumPy makes the result when it has taken the ufunc

    names["fn"] = ufunc_of("float64", add_one)
    gone = weakref.ref(names["fn"], forget) if hasattr(type(names["fn"]), "__weakref__") else None
    x = np.arange(1000.0).view(Result)
    names["fn"] = fn = ufunc_of("float64", add_one)
    del fn
    same(np.asarray(names["fn"](x)), np.arange(1000.0) + 1)
    assert not names and (gone is None or gone() is None)


@needs_machine_code
def test_calls_from_several_threads():
    fn = ufunc_of("float32", lambda lanes, x: functions.tanh(lanes, x))
    x = np.linspace(-3, 3, 100_001, dtype="float32")
    expected = fn(x)
    results = [[] for _ in range(4)]

    def work(made):
        for _ in range(10):
            made.append(fn(x))
            own = ufunc_of("float32", lambda lanes, x: functions.tanh(lanes, x))
            made.append(own(x))

    threads = [threading.Thread(target=work, args=(made,)) for made in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for made in results:
        assert len(made) == 20
        for value in made:
            same(value, expected)


@needs_machine_code
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_code_runs_in_a_forked_process():
    fn = ufunc_of("float64", add_one)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that there are threads
        child = os.fork()
    if child == 0:  # nothing of the test's may run here
        os._exit(0 if fn(2.0) == 3.0 and ufunc_of("float64", add_one)(2.0) == 3.0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@needs_machine_code
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_signalling_nans_warn_as_in_numpy(dtype):
    bits, quiet = ("uint32", 0x7F800001) if dtype == "float32" else ("uint64", 0x7FF0000000000001)
    x = np.full(9, quiet, bits).view(dtype)
    fn = ufunc_of(dtype, add_one, name="add")
    for size in 1, 9:
        with pytest.warns(RuntimeWarning, match="invalid value encountered in add"):
            expected = x[:size] + x.dtype.type(1)
        with pytest.warns(RuntimeWarning, match="invalid value encountered in add"):
            same(fn(x[:size]), expected)


@needs_machine_code
def test_warnings_name_the_ufunc_and_the_results_are_checked():
    fn = ufunc_of("float64", lambda lanes, x: lanes.divide(1.0, x), name="inverse")
    with pytest.warns(RuntimeWarning, match="divide by zero encountered in inverse"):
        assert fn(0.0) == np.inf
    assert (fn.nin, fn.nout, fn.__name__, fn.types) == (1, 1, "inverse", ["d->d"])
    with pytest.raises(TypeError, match="inverse"):
        fn(1j)
    with pytest.raises(ValueError, match="broadcast"):
        fn(np.ones(3), out=np.ones(2))
    assert fn(np.float32(4)) == 0.25


@needs_machine_code
def test_a_signature_makes_a_generalized_ufunc():
    code = b"\xc3"  # a loop that does nothing
    made = ufuncs.machine_ufunc("rows", code, [np.dtype("f8")] * 2, 1, "(n)->(n)")
    assert made.signature == "(n)->(n)"
    assert made(np.ones((2, 3)), out=np.zeros((2, 3))).sum() == 0


@pytest.fixture
def fresh(monkeypatch, caplog):
    """As if nothing were known of this computer."""
    caplog.set_level(logging.DEBUG, ufuncs.__name__)
    cached = ufuncs.available
    cached.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    cached.cache_clear()


def without(monkeypatch, what):
    """Take something away that machine code needs."""
    refused = type("Library", (), {"mprotect": lambda self, *_: -1})

    def full(*_, **__):
        raise PermissionError(13, "Permission denied")

    def config(*names):
        return lambda mode: {"SIMD Extensions": {"baseline": ["SSE2"], "found": [*names]}}

    if what == "protection":
        monkeypatch.setattr(ctypes, "CDLL", lambda name: refused())
    elif what == "library":
        monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    elif what == "memory":
        monkeypatch.setattr(ufuncs.mmap, "mmap", full)
    elif what == "capsules":
        monkeypatch.setattr(ufuncs, "_api", lambda *_: (_ for _ in ()).throw(ValueError("PyCapsule_GetPointer")))
    elif what == "FMA":
        monkeypatch.setattr(np, "show_config", config("AVX2", "F16C"))
    elif what == "report":
        monkeypatch.setattr(np, "show_config", lambda mode: {})
    elif what == "x86":
        monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    elif what == "Unix":
        monkeypatch.setattr(sys, "platform", "win32")
    else:
        monkeypatch.setattr(sys, "implementation", type("Other", (), {"name": "pypy"}))


@needs_machine_code
@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("protection", "memory cannot be made executable"),
        ("library", "has no attribute 'mprotect'"),
        ("memory", "Permission denied"),
        ("capsules", "PyCapsule_GetPointer"),
        ("FMA", "without AVX2 or FMA"),
        ("report", "without AVX2 or FMA"),
        ("x86", "the processor is aarch64"),
        ("Unix", "the system is win32"),
        ("CPython", "Python is pypy"),
    ],
)
def test_computers_without_machine_code_are_told_by_a_line_of_the_log(fresh, caplog, what, why):
    fresh.setattr(MachineCode, "wanted", True)
    without(fresh, what)
    expressions = Expressions()
    x = expressions.input(0, "float32")
    program = Program([expressions.make("multiply", expressions.make("add", x, 1.0), x)], [x], "sum")
    values = np.arange(5, dtype="float32")
    fresh.undo()
    assert "in machine code" not in program.source
    same(program([values])[0], (values + 1) * values)
    (record,) = caplog.records
    assert why in record.getMessage() and record.levelno == logging.DEBUG


@needs_machine_code
def test_programs_fall_back_when_memory_is_refused_later(monkeypatch):
    assert ufuncs.available()
    monkeypatch.setattr(MachineCode, "wanted", True)
    without(monkeypatch, "protection")
    expressions = Expressions()
    x = expressions.input(0, "float64")
    assert machine.machine_step([expressions.make("square", x)], [x], [], "square", 1000) is None
    monkeypatch.undo()
    monkeypatch.setattr(MachineCode, "wanted", True)
    step, source, _, _ = machine.machine_step([expressions.make("square", x)], [x], [], "square", 1000)
    assert step(3.0) == 9.0 and "float64 in machine code" in source


@needs_machine_code
def test_processors_known_by_single_features(fresh):
    features = {"SIMD Extensions": {"baseline": ["SSE2"], "found": ["AVX2", "FMA3"]}}
    fresh.setattr(np, "show_config", lambda mode: features)
    assert ufuncs.available()


def test_an_operation_is_computed_whether_there_is_machine_code_or_not(monkeypatch):
    x = np.linspace(-3, 3, 20_000, dtype="float32")
    monkeypatch.setattr(MachineCode, "wanted", True)
    with_code = tl.gelu(x)
    monkeypatch.setattr(MachineCode, "wanted", False)
    np.testing.assert_allclose(tl.gelu(x.astype("float64")), with_code, rtol=1e-5, atol=1e-6)


def test_lanes_know_their_dtype():
    assert (Lanes("float32").bits_of(1.0), Lanes("float64").bits_of(-2.0)) == (0x3F800000, 0xC000000000000000)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_byte_but_zero_is_true(dtype):
    """Masks of images are bytes of 0 and 255."""
    mask = np.tile(np.array([0, 1, 2, 127, 128, 255, 0], "uint8"), 11).view(bool)
    x = np.linspace(1, 2, mask.size).astype(dtype)
    chosen = tl.fuse(lambda mask, x: tl.where(mask, 2 * x, -x))
    for step in (1, 3):  # by lanes, and one by one
        m, y = mask[::step], x[::step]
        np.testing.assert_array_equal(chosen(m, y), np.where(m, 2 * y, -y))
