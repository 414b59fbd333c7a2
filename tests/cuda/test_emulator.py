"""That kernels run on a processor as on a GPU, and that what is wrong with one is seen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.backends import fake_cupy
from tests.backends.fake_cupy.emulator import EmulationError
from tinygrad_lite.cuda.module import Module
from tinygrad_lite.cuda.source import assemble, c_type

pytestmark = pytest.mark.usefixtures("emulated")

SUM_OF_ROWS = """
KERNEL sum_of_rows(const T* x, T* y, i64 rows, i64 length) {
    __shared__ acc_t<T> scratch[WARP];
    for (i64 row = blockIdx.x; row < rows; row += gridDim.x) {
        acc_t<T> total = 0;
        for (i64 i = threadIdx.x; i < length; i += blockDim.x) total += to_acc(x[row * length + i]);
        total = block_sum(total, scratch);
        if (threadIdx.x == 0) y[row] = from_acc<T>(total);
    }
}
"""

REVERSED = """
KERNEL reversed(const float* x, float* y) {
    __shared__ float held[128];
    held[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = held[127 - threadIdx.x];
}
"""


@pytest.fixture
def cupy():
    with fake_cupy.installed() as module:
        yield module


def launched(body, name, blocks, threads, *args, shared=0, **macros):
    Module(assemble(body, **macros)).launch(name, blocks, threads, args, shared=shared)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("threads", [32, 128])
def test_a_reduction_over_blocks(cupy, dtype, threads):
    x = np.random.default_rng(0).normal(size=(5, 77)).astype(dtype)
    there, out = cupy.asarray(x), cupy.empty(5, dtype=dtype)
    launched(SUM_OF_ROWS, "sum_of_rows", 3, threads, there, out, 5, 77, T=c_type(dtype))
    np.testing.assert_allclose(out.get(), x.astype("float64").sum(1), rtol=2e-3 if dtype == "float16" else 1e-5)


def test_sixteen_bits_are_rounded_as_numpy_rounds(cupy):
    import ml_dtypes

    body = "KERNEL rounded(const float* x, T* y, i64 n) { for (i64 i = 0; i < n; ++i) y[i] = from_acc<T>(x[i]); }"
    x = np.array([0.0, -0.0, 1.0, 1.00390625, 1.01171875, 3e-6, 65520.0, 3e38, np.inf, -np.inf, np.nan], "float32")
    x = np.concatenate([x, np.random.default_rng(0).normal(size=500).astype("float32")])
    for dtype, name in ((np.float16, "half16"), (ml_dtypes.bfloat16, "bfloat")):
        out = cupy.asarray(np.zeros(x.shape, np.uint16))
        launched(body, "rounded", 1, 1, cupy.asarray(x), out, x.size, T=name)
        with np.errstate(over="ignore"):
            expected = x.astype(dtype)
        got = out.get().view(dtype)
        np.testing.assert_array_equal(got.astype("float32"), expected.astype("float32"))


def test_threads_see_what_others_wrote_behind_a_barrier(cupy):
    x = np.arange(128, dtype="float32")
    out = cupy.empty(128, dtype="float32")
    launched(REVERSED, "reversed", 1, 128, cupy.asarray(x), out)
    np.testing.assert_array_equal(out.get(), x[::-1])


def test_a_missing_barrier_gives_wrong_values(cupy):
    x = np.arange(128, dtype="float32")
    out = cupy.empty(128, dtype="float32")
    launched(REVERSED.replace("__syncthreads();", ""), "reversed", 1, 128, cupy.asarray(x), out)
    assert np.isnan(out.get()).any()


def test_a_missing_barrier_after_a_reduction_gives_wrong_values(cupy):
    body = SUM_OF_ROWS.replace(
        "total = block_sum(total, scratch);",
        """
        total = warp_sum(total);
        if (threadIdx.x % WARP == 0) scratch[threadIdx.x / WARP] = total;
        __syncthreads();
        total = warp_sum(threadIdx.x % WARP < blockDim.x / WARP ? scratch[threadIdx.x % WARP] : (acc_t<T>)0);
        """,
    )
    x = np.random.default_rng(0).normal(size=(5, 77)).astype("float32")
    out = cupy.empty(5, dtype="float32")
    launched(body, "sum_of_rows", 1, 128, cupy.asarray(x), out, 5, 77, T="float")
    assert not np.allclose(out.get(), x.sum(1), rtol=1e-4)


@pytest.mark.parametrize(("index", "where"), [("i + 1", "after"), ("i - 1", "before")])
def test_a_write_outside_of_an_array_is_named(cupy, index, where):
    body = f"KERNEL shifted(float* y, i64 n) {{ for (i64 i = 0; i < n; ++i) y[{index}] = 1.0f; }}"
    with pytest.raises(EmulationError, match=f"shifted: wrote . bytes {where} an array of 12 bytes"):
        launched(body, "shifted", 1, 1, cupy.zeros(3, dtype="float32"), 3)


def test_a_read_outside_of_an_array_gives_nan(cupy):
    body = "KERNEL shifted(const float* x, float* y, i64 n) { for (i64 i = 0; i < n; ++i) y[i] = x[i + 1]; }"
    out = cupy.zeros(3, dtype="float32")
    launched(body, "shifted", 1, 1, cupy.zeros(3, dtype="float32"), out, 3)
    np.testing.assert_array_equal(out.get(), [0, 0, np.nan])


def test_a_barrier_that_not_all_threads_reach(cupy):
    body = "KERNEL divergent() { if (threadIdx.x < 40) __syncthreads(); }"
    with pytest.raises(EmulationError, match="divergent: of 64 threads of block 0, 24 have ended, and others wait"):
        launched(body, "divergent", 1, 64)


def test_two_barriers_at_once(cupy):
    body = "KERNEL divergent() {\nif (threadIdx.x < 40) __syncthreads();\nelse __syncthreads(); }"
    with pytest.raises(EmulationError, match="divergent: threads of block 0 wait at the barriers of lines"):
        launched(body, "divergent", 1, 64)


def test_a_shuffle_that_not_all_lanes_reach(cupy):
    body = "KERNEL partial(float* y) { if (threadIdx.x < 20) y[0] = warp_sum(1.0f); }"
    with pytest.raises(EmulationError, match="partial: of 32 threads of block 0, 12 have ended"):
        launched(body, "partial", 1, 32, cupy.zeros(1, dtype="float32"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((1,), "got 1 arguments, takes 2"),
        ((np.float64(1.0), 1), "argument 0 is of kind f and 8 bytes, the parameter f and 4"),
        ((np.float32(1.0), np.int32(1)), "argument 1 is of kind i and 4 bytes, the parameter i and 8"),
        ((np.float32(1.0), None), "argument 1 is of kind p and 8 bytes, the parameter i and 8"),
    ],
)
def test_arguments_that_do_not_fit(cupy, args, message):
    with pytest.raises(EmulationError, match=f"wanting: {message}"):
        launched("KERNEL wanting(float x, i64 n) {}", "wanting", 1, 1, *args)


def test_a_plain_float_is_refused(cupy):
    with pytest.raises(TypeError, match=r"a kernel is given the number 1\.0; it must be numpy\.float32"):
        launched("KERNEL wanting(float x) {}", "wanting", 1, 1, 1.0)


def test_a_kernel_that_does_not_compile(cupy):
    with pytest.raises(EmulationError, match="does not compile"):
        launched("KERNEL broken() { nothing; }", "broken", 1, 1)


def test_without_blocks_nothing_is_done(cupy):
    launched("KERNEL unused(float* y) { y[0] = 1.0f; }", "unused", 0, 32, None)


def test_dynamic_shared_memory(cupy):
    body = """
    KERNEL rotated(const float* x, float* y) {
        DYNAMIC_SHARED(memory);
        float* held = (float*)memory;
        held[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        y[threadIdx.x] = held[(threadIdx.x + 1) % blockDim.x];
    }
    """
    x = np.arange(64, dtype="float32")
    out = cupy.empty(64, dtype="float32")
    launched(body, "rotated", 1, 64, cupy.asarray(x), out, shared=256)
    np.testing.assert_array_equal(out.get(), np.roll(x, -1))
    launched(body, "rotated", 1, 64, cupy.asarray(x), out, shared=100 << 10)


def test_launches_of_several_threads_come_one_after_another(cupy):
    body = (
        "KERNEL counted(i64* x) { const i64 seen = *x; for (volatile int i = 0; i < 100000; ++i); *x = seen + STEP; }"
    )
    x = cupy.asarray(np.zeros(1, "int64"))

    def count(step):  # each in a module of its own
        for _ in range(20):
            launched(body, "counted", 1, 1, x, STEP=step)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(count, (1, 100, 10_000)))
    assert x.get().tolist() == [202_020]


def test_threads_start_anew_after_an_error(cupy):
    body = """
    KERNEL halting(float* y, bool wrong) {
        if (threadIdx.x == 0) y[1] = 0.0f;
        if (!wrong || threadIdx.x < 5) __syncthreads();
        if (threadIdx.x == 40) y[0] += 1.0f;
    }
    """
    y = cupy.zeros(2, dtype="float32")
    for wrong in (False, True, False):
        if wrong:
            with pytest.raises(EmulationError, match="halting: of 64 threads of block 0, 59 have ended"):
                launched(body, "halting", 1, 64, y, wrong)
        else:
            launched(body, "halting", 3, 64, y, wrong)
    assert y.get().tolist() == [6.0, 0.0]


def test_packs_and_atomics(cupy):
    body = """
    KERNEL counted(const float* x, i64* bins, i64 n) {
        const Pack<float, 4>* packs = (const Pack<float, 4>*)x;
        for (i64 i = threadIdx.x; i < n / 4; i += blockDim.x) {
            const Pack<float, 4> pack = packs[i];
            for (int k = 0; k < 4; ++k) atomicAdd((u64*)bins + (int)pack.at[k], (u64)1);
        }
    }
    """
    x = np.random.default_rng(0).integers(0, 5, 64).astype("float32")
    out = cupy.asarray(np.zeros(5, "int64"))
    launched(body, "counted", 1, 32, cupy.asarray(x), out, 64)
    np.testing.assert_array_equal(out.get(), np.bincount(x.astype(int), minlength=5))


@pytest.mark.parametrize("dtype", ["half16", "bfloat"])
def test_the_matrix_unit(cupy, dtype):
    body = """
    KERNEL product(const T* a, const T* b, float* d) {  // a is (16, 16), b is (16, 8), by rows
        const int lane = threadIdx.x, r = lane / 4, c = lane % 4 * 2;
        u32 fa[4], fb[2];
        float fd[4] = {0, 0, 0, 0};
        for (int i = 0; i < 4; ++i) {
            const T* from = a + (r + i % 2 * 8) * 16 + c + i / 2 * 8;
            fa[i] = from[0].bits | (u32)from[1].bits << 16;
        }
        for (int i = 0; i < 2; ++i) fb[i] = b[(c + 8 * i) * 8 + r].bits | (u32)b[(c + 8 * i + 1) * 8 + r].bits << 16;
        mma_16816(fd, fa, fb, T());
        for (int i = 0; i < 4; ++i) d[(r + i / 2 * 8) * 8 + c + i % 2] = fd[i];
    }
    """
    import ml_dtypes

    kind = np.float16 if dtype == "half16" else ml_dtypes.bfloat16
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(kind) for shape in ((16, 16), (16, 8)))
    out = cupy.empty((16, 8), dtype="float32")
    launched(body, "product", 1, 32, *(cupy.asarray(x.view(np.uint16)) for x in (a, b)), out, T=dtype)
    np.testing.assert_allclose(out.get(), a.astype("float32") @ b.astype("float32"), rtol=1e-5, atol=1e-5)
