"""Matrix products of CuPy's arrays through cuBLASLt: values, plans, what is told to the library, and what is left to
CuPy. On the stand-in; tests that take `cuda` also run on a GPU.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.backends.fake_cupy.cublaslt import FakeCublasLt
from tests.cuda.test_layouts_of_products import operands
from tinygrad_lite.core.backend import device_backend
from tinygrad_lite.cuda import cublaslt, plans
from tinygrad_lite.cuda.cublaslt import Epilogue
from tinygrad_lite.cuda.plans import auxiliary, multiply

TOLERANCES = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}


@pytest.fixture
def blas():
    """A new cuBLASLt of the stand-in, and no plans; within, `import cupy` gives the stand-in."""
    with fake_cupy.installed():
        plans.products.cache_clear()
        fake = FakeCublasLt()
        cublaslt.open_library = lambda major: cublaslt.Library(fake)
        device_backend("cuda")
        yield fake
        plans.products.cache_clear()


def on_device(x):
    """An array of the device with the shape, strides and values of a NumPy array."""
    return fake_cupy.arrays.from_numpy(x)


def close(got, expected, dtype, scale=1.0):
    np.testing.assert_allclose(
        np.asarray(got, "float64"), expected, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype] * max(scale, 1e-30)
    )


def draw(shape, dtype="float32", seed=0):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# Values


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_products_of_any_layout_are_numpys(blas, dtype):
    kind = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype

    def cast(x):
        """The values scaled down, so that sums of 16-bit numbers stay in range, at the same strides."""
        base = np.empty(x.shape, kind) if x.base is None else x
        size = np.dtype(kind).itemsize
        low = sum(min(0, (n - 1) * s) for n, s in zip(x.shape, x.strides, strict=True)) // 8
        high = sum(max(0, (n - 1) * s) for n, s in zip(x.shape, x.strides, strict=True)) // 8
        memory = np.full(high - low + 1, np.nan, kind)
        out = np.ndarray(x.shape, kind, memory, -low * size, [s // 8 * size for s in x.strides])
        out[...] = (np.asarray(base) % 7 - 3).astype(kind)
        return out

    @settings(max_examples=100)
    @given(operands())
    def equal(pair):
        x, y = map(cast, pair)
        before = len(blas.calls)
        out = tl.matmul(on_device(x), on_device(y))
        assert len(blas.calls) == before + 1 and blas.failures == []
        expected = np.matmul(x.astype("float64"), y.astype("float64"))
        assert out.dtype == x.dtype and out.shape == expected.shape
        close(out._host, expected, dtype, np.abs(expected).max())

    equal()


def test_sums_of_16_bit_products_are_kept_in_float32(blas):
    x = np.full((1, 4096), 1.0, "float16")
    out = tl.matmul(on_device(x), on_device(x.T))
    assert out._host == 4096
    call = blas.calls[-1]
    assert call["compute"] == cublaslt.COMPUTE["float32"]
    assert call["limits"]["reduction"] == cublaslt.Reduction.COMPUTE_TYPE


def test_products_and_gradients_agree_with_numpy(cuda):
    x, w, b = draw((2, 5, 6)), draw((3, 6), seed=1), draw(3, seed=2)
    results = []
    for place in ("cpu", "cuda"):
        arrays = [tl.tensor(a, requires_grad=True, device=place) for a in (x, w, b)]
        y = tl.linear(*arrays)
        loss = tl.sum(tl.sin(y @ y.mT) * 0.1) + tl.sum(tl.einsum("bij,kj->k", arrays[0], arrays[1]))
        loss.backward()
        results.append([y, *(a.grad for a in arrays)])
    for mine, theirs in zip(*results, strict=True):
        close(mine.detach().numpy(), theirs.detach().cpu().numpy(), "float32", 10.0)


def test_the_whole_of_a_linear_layer_is_three_products(blas):
    x, w, b = (tl.Tensor(on_device(a), requires_grad=True) for a in (draw((2, 5, 6)), draw((3, 6)), draw(3)))
    tl.sum(tl.sin(tl.linear(x, w, b))).backward()
    names = [(call["name"], call["transa"], call["transb"]) for call in blas.calls]
    assert names == [("bias", 1, 0), ("", 0, 0), ("", 0, 1)]
    assert [call["d"]["batch"] for call in blas.calls] == [1, 1, 1]


@pytest.mark.parametrize("front", [(), (4,), (2, 4)])
@pytest.mark.parametrize("outputs", [(), (3,)])
@pytest.mark.parametrize("biased", [False, True])
def test_linear_maps_of_vectors_and_to_numbers(blas, front, outputs, biased):
    x, w, b = draw((*front, 6)), draw((*outputs, 6), seed=1), np.float32(2.0) + draw(outputs, seed=2)
    given = [on_device(a) for a in ((x, w, b) if biased else (x, w))]
    out = tl.linear(*given)
    assert out.shape == (*front, *outputs) and len(blas.calls) == 1
    close(out._host, x @ w.T + (b if biased else 0), "float32", 4)


def test_a_product_runs_on_the_current_stream_and_uses_its_workspace(blas):
    x = on_device(draw((4, 4)))
    streams = fake_cupy.cupy.cuda.Stream.null, fake_cupy.cupy.cuda.Stream(), fake_cupy.cupy.cuda.Stream.null
    for stream in streams:
        with stream:
            tl.matmul(x, x)
    assert [call["stream"] for call in blas.calls] == [stream.ptr for stream in streams]
    first, second, third = (call["workspace"] for call in blas.calls)
    assert first == third != second
    assert blas.calls[0]["limits"]["workspace"] == 32 << 20


def test_older_devices_have_a_smaller_workspace(blas, monkeypatch):
    monkeypatch.setattr(fake_cupy.cupy.cuda.Device, "compute_capability", "86")
    tl.matmul(on_device(draw((4, 4))), on_device(draw((4, 4))))
    assert blas.calls[0]["limits"]["workspace"] == 4 << 20


# Epilogues


def epilogue(x, y, name, bias=None, aux=None):
    return multiply(on_device(x), on_device(y), Epilogue[name], bias, aux)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("columns", [8, 130])
def test_relu_and_its_gradient(blas, dtype, columns):
    x, w, b = draw((5, 6), dtype), draw((columns, 6), dtype, 1), draw(columns, dtype, 2)
    aux = auxiliary(Epilogue.RELU_AUX_BIAS, 5, columns, dtype)
    assert aux.shape == (5, 16 if columns == 8 else 32)
    wide = x.astype("float64") @ w.T.astype("float64") + b
    out = epilogue(x, w.T, "RELU_AUX_BIAS", on_device(b), aux)
    close(out._host, np.maximum(wide, 0), dtype, 4)
    g, next_weight = draw((5, 3), dtype, 3), draw((3, columns), dtype, 4)
    sums = on_device(np.full(columns, np.nan, dtype))
    back = epilogue(g, next_weight, "DRELU_BGRAD", sums, aux)
    expected = (g.astype("float64") @ next_weight) * (wide > 0)
    close(back._host, expected, dtype, 4)
    close(sums._host, expected.sum(axis=0), dtype, 8)
    close(epilogue(g, next_weight, "DRELU", None, aux)._host, expected, dtype, 4)


def test_gelu_and_its_gradient_are_those_with_tanh(blas):
    x, w, b = draw((5, 6)), draw((9, 6), seed=1), draw(9, seed=2)
    aux = auxiliary(Epilogue.GELU_AUX_BIAS, 5, 9, "float32")
    assert aux.shape == (5, 16)
    z = x @ w.T + b
    out = epilogue(x, w.T, "GELU_AUX_BIAS", on_device(b), aux)
    close(out._host, tl.gelu(z, approximate="tanh"), "float32")
    close(aux._host[:, :9], z, "float32")
    g, next_weight = draw((5, 3), seed=3), draw((3, 9), seed=4)
    sums = on_device(np.full(9, np.nan, "float32"))
    back = epilogue(g, next_weight, "DGELU_BGRAD", sums, aux)
    slope = tl.grad(lambda z: tl.sum(tl.gelu(z, approximate="tanh")))(z)
    close(back._host, (g @ next_weight) * slope, "float32", 4)
    close(sums._host, ((g @ next_weight) * slope).sum(axis=0), "float32", 4)


def test_the_gradient_of_a_bias_with_that_of_the_weight(blas):
    g, x = draw((5, 3)), draw((5, 6), seed=1)
    sums = on_device(np.full(3, np.nan, "float32"))
    close(epilogue(g.T, x, "BGRADB", sums)._host, g.T @ x, "float32", 4)
    close(sums._host, g.sum(axis=0), "float32", 4)


# Precision


def test_tf32_is_only_used_when_it_is_asked_for(blas):
    x, y = draw((8, 300)), draw((300, 8), seed=1)
    exact = x.astype("float64") @ y
    try:
        errors = {}
        for precision in ("highest", "high"):
            tl.set_matmul_precision(precision)
            assert tl.get_matmul_precision() == precision
            out = tl.matmul(on_device(x), on_device(y))
            errors[precision] = np.abs(out._host - exact).max()
            tl.matmul(on_device(x.astype("float64")), on_device(y.astype("float64")))
    finally:
        tl.set_matmul_precision("highest")
    assert [call["compute"] for call in blas.calls] == [68, 70, 77, 70]
    assert errors["highest"] < 1e-4 and 1e-3 < errors["high"] < 1e-1
    tl.matmul(on_device(x), on_device(y))
    assert blas.calls[-1]["compute"] == 68


def test_unknown_precisions_are_refused():
    with pytest.raises(tl.DTypeError, match=r"^set_matmul_precision: got 'medium'; it must be 'highest' or 'high'\.$"):
        tl.set_matmul_precision("medium")
    assert tl.get_matmul_precision() == "highest"


# Plans


def test_a_plan_is_made_once_and_kept(blas):
    x, y = on_device(draw((4, 5))), on_device(draw((5, 6)))
    for _ in range(3):
        tl.matmul(x, y)
    assert blas.searches == 1 and len(blas.calls) == 3
    tl.matmul(on_device(draw((5, 4)).T), y)
    assert blas.searches == 2
    tl.linear(x, on_device(draw((6, 5))), on_device(draw(6)))
    assert blas.searches == 3


def test_plans_are_bounded_and_free_what_they_made(blas, monkeypatch):
    monkeypatch.setattr(plans, "LARGEST_CACHE", 5)
    for n in range(1, 12):
        tl.matmul(on_device(draw((n, 3))), on_device(draw((3, 2))))
    kept = plans.products(fake_cupy.cupy).plans
    assert len(kept) == 5 and {key[0][0] for key in kept} == set(range(7, 12))
    assert len(blas.live) == 5 * 5 + 1  # of each plan a product, three matrices and a preference; and the handle
    plans.products.cache_clear()
    del kept
    assert len(blas.live) == 1


def test_addresses_that_are_aligned_less_have_a_plan_of_their_own(blas):
    memory = np.zeros(600, "float32")
    start = (-memory.ctypes.data // 4) % 64
    for offset, alignment in ((64, 256), (1, 4), (4, 16)):
        x = memory[start + offset :][:16].reshape(4, 4)
        tl.matmul(on_device(x), on_device(memory[start:][:16].reshape(4, 4)))
        assert blas.calls[-1]["limits"]["align_b"] == alignment
    assert blas.searches == 3


# What is left to CuPy


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG, logger="tinygrad_lite.cuda.plans")
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_missing_library_is_looked_for_once(blas, monkeypatch, log):
    looked = []

    def none(major):
        looked.append(major)
        raise tl.BackendError("cuBLASLt: no library was found")

    monkeypatch.setattr(cublaslt, "open_library", none)
    x, y = draw((4, 5)), draw((5, 6))
    for _ in range(2):
        close(tl.matmul(on_device(x), on_device(y))._host, x @ y, "float32", 4)
        close(tl.linear(on_device(x), on_device(y.T), on_device(y[0]))._host, x @ y + y[0], "float32", 4)
    assert looked == [13] and blas.calls == []
    assert log() == ["matmul is left to CuPy: cuBLASLt: no library was found"]


def test_a_product_without_an_algorithm_is_asked_for_once(blas, log):
    blas.refuse = lambda product: product["m"] == 6
    x, y = draw((4, 5)), draw((5, 6))
    for _ in range(2):
        close(tl.matmul(on_device(x), on_device(y))._host, x @ y, "float32", 4)
    assert blas.searches == 1 and blas.calls == []
    (line,) = log()
    assert line == (
        "matmul: x is (4, 5) and y is (5, 6), float32, DEFAULT; it is left to CuPy: "
        "cublasLtMatmulAlgoGetHeuristic: cuBLASLt returned CUBLAS_STATUS_NOT_SUPPORTED."
    )
    tl.matmul(on_device(x), on_device(y[:, :5]))
    assert len(blas.calls) == 1


def test_a_bias_is_added_afterwards_where_no_algorithm_does_it(blas):
    x, w, b = (draw(shape, "float64") for shape in ((4, 5), (6, 5), 6))  # the stand-in has none for float64
    close(tl.linear(on_device(x), on_device(w), on_device(b))._host, x @ w.T + b, "float64", 4)
    assert [call["name"] for call in blas.calls] == [""]


def test_a_bias_with_gaps_is_added_afterwards(blas):
    x, w, b = draw((4, 5)), draw((6, 5)), draw(12)[::2]
    close(tl.linear(on_device(x), on_device(w), on_device(b))._host, x @ w.T + b, "float32", 4)
    assert [call["name"] for call in blas.calls] == [""]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones((2, 3), "int64"), np.ones((3, 2), "int64")),
        (np.ones((2, 3), "complex64"), np.ones((3, 2), "complex64")),
        (np.ones((2, 3), "float32"), np.ones((3, 2), "float64")),
        (np.ones((0, 3), "float32"), np.ones((3, 2), "float32")),
        (np.ones((2, 0), "float32"), np.ones((0, 2), "float32")),
    ],
)
def test_what_cublaslt_does_not_multiply(blas, x, y):
    out = tl.matmul(on_device(x), on_device(y))
    np.testing.assert_array_equal(out._host, x @ y)
    assert out.dtype == (x @ y).dtype and blas.calls == []


def test_strides_that_are_no_whole_elements(blas, log):
    pairs = np.zeros((4, 4), np.dtype([("a", "int16"), ("b", "float32")]))
    x, y = pairs["b"], draw((4, 4))
    x[...] = draw((4, 4), seed=1)
    close(tl.matmul(on_device(x), on_device(y))._host, x @ y, "float32", 4)
    assert blas.calls == [] and "no whole number of elements" in log()[0]


def test_arrays_of_another_device_than_the_current_are_left_alone(blas):
    x = on_device(draw((4, 4)))
    with fake_cupy.cupy.cuda.Device(1):
        assert multiply(x, x) is None
        y = on_device(draw((4, 4)))
        tl.matmul(y, y)
    assert multiply(x, y) is None
    assert len(blas.calls) == 1


def test_shapes_that_do_not_fit_are_explained(blas):
    for shapes, message in (
        (((2, 3), (4, 5)), "the last axis of x"),
        (((2, 3, 4), (3, 4, 5)), "must broadcast together"),
    ):
        with pytest.raises(tl.ShapeError, match=message):
            tl.matmul(*(on_device(np.ones(shape, "float32")) for shape in shapes))
    with pytest.raises(tl.ShapeError, match="linear: x is"):
        tl.linear(*map(on_device, (draw((2, 3)), draw((4, 5)))))
    with pytest.raises(tl.ShapeError, match="linear: bias is"):
        tl.linear(*map(on_device, (draw((2, 3)), draw((4, 3)), draw(3))))


def test_an_error_of_the_product_itself_is_raised(blas):
    x = on_device(draw((4, 4)))
    tl.matmul(x, x)
    (plan,) = plans.products(fake_cupy.cupy).plans.values()
    plan._workspace_bytes = 1
    with pytest.raises(tl.BackendError, match="cublasLtMatmul: cuBLASLt returned CUBLAS_STATUS_INVALID_VALUE"):
        tl.matmul(x, x)


def test_threads_with_different_biases_share_a_plan(blas):
    x, w = draw((4, 5)), draw((6, 5))
    plain = x @ w.T
    blas.before = lambda: time.sleep(0.0005)  # others may come in between

    def work(number):
        b = np.full(6, number, "float32")
        return np.abs(tl.linear(on_device(x), on_device(w), on_device(b))._host - plain - b).max()

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(work, range(60))) < 1e-4
    assert blas.searches <= 8
