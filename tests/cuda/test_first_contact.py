"""What only a GPU can confirm, in about a minute: `pytest -m gpu tests/cuda/test_first_contact.py`, before all others.

The stand-in takes these things for granted. There the same tests run with less, so that they are known to run. What a
GPU must also confirm, and has tests already: algorithms and epilogues of products, their determinism and TF32
(`test_products_on_a_gpu.py`), small random draws (`test_random.py`), captured steps (`tests/backends/test_graphs.py`
and `test_graph_memory.py`), every operation on small arrays (`tests/backends/test_cupy.py`).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.cuda.agreement import DTYPES, agrees, draws
from tests.cuda.test_random import SCALES, equal
from tinygrad_lite.core.philox import Stream
from tinygrad_lite.cuda.graphs import RING, GraphMemory, Words, what_is_in
from tinygrad_lite.cuda.module import Module, cupy
from tinygrad_lite.cuda.plans import products
from tinygrad_lite.cuda.source import assemble

pytestmark = pytest.mark.usefixtures("emulated")


def is_real(cuda):
    return cuda.array_types != (fake_cupy.ndarray,)


# CuPy and the libraries


def test_the_device_and_its_library(cuda):
    assert int(cupy().cuda.Device(0).compute_capability) >= 75
    assert cupy().cuda.runtime.runtimeGetVersion() >= 12000
    assert products(cupy())._library(0) is not None, "cuBLASLt was not found"
    assert cupy().cuda.get_allocator() == cuda.memory.allocate


ARGUMENTS = """
struct Few { u64 words[7]; };
struct Many { i64 bounds[201]; u64 from[200]; i64 count; };
KERNEL arguments(const float* nothing, bool yes, i64 number, u32 word, u64 wide, float single, double real, Few few,
                 const Many many, const float* after, double* out) {
    out[0] = nothing == nullptr; out[1] = yes; out[2] = number; out[3] = word; out[4] = wide == ~0ull;
    out[5] = single; out[6] = real; out[7] = few.words[6]; out[8] = many.from[199]; out[9] = many.count;
    out[10] = after == nullptr;
}
"""


def test_arguments_arrive_as_they_are(cuda):
    few = np.zeros(1, [("words", "u8", 7)])
    few["words"] = np.arange(7)
    many = np.zeros(1, [("bounds", "i8", 201), ("from", "u8", 200), ("count", "i8")])
    many["from"][0, 199], many["count"] = 1234, -5
    out = cuda.xp.zeros(11)
    numbers = (np.uint32(7), np.uint64(2**64 - 1), np.float32(0.5), np.float64(-2.25))
    args = (None, True, -3, *numbers, few[0], many[0], None, out)
    Module(assemble(ARGUMENTS)).launch("arguments", 1, 1, args)
    np.testing.assert_array_equal(cuda.to_numpy(out), [1, 1, -3, 7, 1, 0.5, -2.25, 6, 1234, -5, 1])


def test_pinned_memory_is_an_array_and_known_as_pinned(cuda):
    memory = cupy().cuda.alloc_pinned_memory(8 * 100)
    array = np.frombuffer(memory, np.int64, 100)
    array[:] = np.arange(100)
    assert array.flags.writeable and cupy().cuda.pinned_memory.is_memory_pinned(array.ctypes.data)
    np.testing.assert_array_equal(cuda.to_numpy(cuda.asarray(array)), np.arange(100))


# Captures


CAPTURED = {
    "sum": lambda xp, x, i: xp.sum(x, axis=0),
    "sum of all": lambda xp, x, i: xp.sum(x),
    "max": lambda xp, x, i: xp.max(x, axis=1),
    "argmax": lambda xp, x, i: xp.argmax(x, axis=1),
    "cumulative sum": lambda xp, x, i: xp.cumulative_sum(x, axis=1),
    "sort": lambda xp, x, i: xp.sort(x, axis=1),
    "argsort": lambda xp, x, i: xp.argsort(x, axis=0),
    "take": lambda xp, x, i: xp.take(x, i, axis=0),
    "getitem": lambda xp, x, i: x[i, i],
    "where": lambda xp, x, i: xp.where(x > 0, x, 0.5),
    "clip": lambda xp, x, i: xp.clip(x, -1.0, 1.0),
    "full": lambda xp, x, i: x + xp.full(x.shape, 2.5, dtype=x.dtype) + xp.zeros_like(x) + xp.arange(x.shape[1]),
    "astype": lambda xp, x, i: x.astype("float16").astype("float64"),
    "concat": lambda xp, x, i: xp.concat([x] * 11, axis=1),
    "softmax": lambda xp, x, i: tl.softmax(x),
    "product": lambda xp, x, i: tl.matmul(x, x.T),
}


def prepared(cuda, seed=0):
    n = 300 if is_real(cuda) else 6
    return cuda.asarray(draws("float32", (n, n + 1), seed=seed)[0]), cuda.asarray(np.arange(n)[::-1].copy())


@pytest.mark.parametrize("name", CAPTURED)
def test_is_captured(cuda, name):
    """With memory that CUDA gives in the capture, and with kernels and plans that were there before."""
    if name.endswith("sort") and int(cupy().__version__.partition(".")[0]) < 14:
        pytest.skip("CuPy 13 waits for its sorts")
    compute, (x, i) = partial(CAPTURED[name], cuda.xp), prepared(cuda)
    compute(x, i)
    memory = GraphMemory()
    with memory.captured() as made:
        out = compute(x, i)
    x *= 2.0
    made[0].launch()
    np.testing.assert_array_equal(cuda.to_numpy(out), cuda.to_numpy(compute(x, i)))


def test_sums_at_indices_are_captured(cuda):
    x, i = prepared(cuda)
    out = cuda.xp.zeros_like(x)
    cuda.scatter_add(out, i, x)
    cuda.synchronize()
    with GraphMemory().captured() as made:
        cuda.scatter_add(out, i, x)
    made[0].launch()
    np.testing.assert_array_equal(cuda.to_numpy(out), 2 * cuda.to_numpy(x)[::-1])


def test_an_error_leaves_the_stream_as_it_was(cuda):
    x, _ = prepared(cuda)
    memory = GraphMemory()
    for fail in (lambda: x.get(), lambda: 1 // 0, lambda: cuda.synchronize()):
        with pytest.raises((RuntimeError, ZeroDivisionError)), memory.captured():
            tl.softmax(x)
            fail()
        assert not memory._shared.stream.is_capturing()
    with memory.captured() as made:
        out = tl.softmax(x)
    made[0].launch()
    np.testing.assert_array_equal(cuda.to_numpy(out), cuda.to_numpy(tl.softmax(x)))


def test_a_graph_says_what_is_in_it(cuda):
    x, _ = prepared(cuda)
    tl.softmax(x)
    with GraphMemory().captured() as made:
        tl.softmax(tl.softmax(x))
    inside = what_is_in(made[0])
    if inside is None:
        pytest.skip("CuPy 13 cannot tell")
    assert len(inside) == 2 and all(name.startswith("forward_") for name in inside), made[0].debug_dot_str(1)


def test_the_pool_of_a_graph_keeps_what_is_freed(cuda):
    memory = GraphMemory()
    with memory.used():
        cuda.xp.empty(1 << 18, dtype="float32")
        size = memory.size
        for _ in range(3):
            cuda.xp.empty(1 << 18, dtype="float32")
        assert memory.size == size >= 1 << 20


def test_numbers_arrive_in_their_turn(cuda):
    """Though the host is many launches ahead, as the device has much to do first."""
    words, seen = Words(8), []
    n = 4096 if is_real(cuda) else 4
    busy = cuda.xp.zeros((n, n), dtype="float32")
    for _ in range(20):
        busy = tl.matmul(busy, busy)
    for i in range(5 * RING):
        words.put(0, [i, i + 1])
        words.send(2)
        seen.append(words.there[:2].copy())
    np.testing.assert_array_equal([cuda.to_numpy(x) for x in seen], [[i, i + 1] for i in range(5 * RING)])


# Large arrays, of odd sizes, and in memory that is not aligned


def misaligned(x):
    """A copy that begins one element behind a whole address."""
    y = cupy().empty(x.size + 1, dtype=x.dtype)[1:].reshape(x.shape)
    y[...] = x
    return y


def shapes(cuda):
    return [(1024, 1024), (1021, 1031), (3, (1 << 18) + 1)] if is_real(cuda) else [(4, 32), (5, 33)]


@pytest.mark.parametrize("view", [lambda x: x, misaligned], ids=["aligned", "misaligned"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "sum", "mean", "layer_norm", "gelu", "silu"])
def test_large_rows(cuda, name, dtype, view):
    for shape in shapes(cuda):
        x, weight, bias = draws(dtype, shape, shape[1:], shape[1:])
        more = (weight, bias) if name == "layer_norm" else ()
        axis = {} if name in ("gelu", "silu") else {"axis": -1}
        agrees(name, cuda.xp, x, *more, view=view, roundings=32.0, **axis)


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_cross_entropy(cuda, dtype):
    for shape in shapes(cuda):
        target = np.random.default_rng(1).integers(shape[1], size=shape[0])
        agrees("cross_entropy", cuda.xp, *draws(dtype, shape), target, roundings=32.0)


@pytest.mark.parametrize("view", [lambda x: x, misaligned], ids=["aligned", "misaligned"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("d", [64, 100])
def test_large_attention(cuda, dtype, d, view):
    if int(cupy().cuda.Device().compute_capability) < 80:
        pytest.skip("older devices are left to the definition")
    (outer, n, m) = (8, 512, 509) if is_real(cuda) else (1, 5, 7)
    arrays = draws(dtype, (outer, n, d), (outer, m, d), (outer, m, d))
    for causal in (False, True):
        agrees(
            "scaled_dot_product_attention", cuda.xp, *arrays, view=view, is_causal=causal, roundings=32.0
        )  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_windows(cuda, dtype):
    (n, c, h) = (32, 16, 57) if is_real(cuda) else (2, 3, 5)
    x, w = draws(dtype, (n, c, h, h), (8, c, 3, 3))
    statics = {"stride": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    agrees("convolve_nd", cuda.xp, x, w, roundings=64.0, **statics)
    for name in ("max_pool2d", "avg_pool2d"):
        agrees(name, cuda.xp, x, kernel_size=3, stride=2, padding=1, roundings=32.0)


@pytest.mark.parametrize("kind", SCALES)
def test_many_random_numbers(cuda, kind):
    size = (1 << 20) + 3 if is_real(cuda) else 1001
    for scale, shift in SCALES[kind]:
        draw = Stream(key=(2**64 - 3, 7)).draw(kind, (size,), scale, shift)
        equal(kind, cuda.to_numpy(cuda.draw(draw, "cuda")), draw.make())
