"""What only a GPU can tell of matrix products: which algorithms there are, and what epilogues do at the edges.

The tests run on the stand-in, too, so that they are known to run; there they say something of the stand-in only.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.cuda.test_products import TOLERANCES, draw
from tinygrad_lite.cuda.cublaslt import Epilogue
from tinygrad_lite.cuda.module import cupy
from tinygrad_lite.cuda.plans import auxiliary, multiply

HALVES = ["float16", "bfloat16"]


def wide(x):
    return x.astype("float64")


def close(cuda, got, expected, dtype):
    got, tolerance = wide(cuda.to_numpy(got)), 2 * TOLERANCES[dtype]
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("dtype", ["float64", "float32", *HALVES])
@pytest.mark.parametrize(
    ("x", "y"),
    [((64, 48), (48, 32)), ((5, 7), (7, 3)), ((4, 64, 48), (4, 48, 32)), ((64, 48), (4, 48, 32)), ((48,), (48, 32)),
     ((64, 48), (48,)), ((48,), (48,)), ((1, 1), (1, 1))],
)  # fmt: skip
def test_there_is_an_algorithm_for_each_product(cuda, dtype, x, y):
    x, y = draw(x, dtype), draw(y, dtype, seed=1)
    close(cuda, multiply(cuda.asarray(x), cuda.asarray(y)), wide(x) @ wide(y), dtype)
    if x.ndim == y.ndim == 2:
        transposed = multiply(cuda.asarray(y).T, cuda.asarray(x).T)
        close(cuda, transposed, (wide(x) @ wide(y)).T, dtype)


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
@pytest.mark.parametrize("columns", [64, 10])
@pytest.mark.parametrize("name", ["RELU", "GELU"])
def test_there_is_an_algorithm_for_each_epilogue(cuda, dtype, columns, name):
    x, w, b = draw((32, 48), dtype), draw((columns, 48), dtype, 1), draw(columns, dtype, 2)
    g, following = draw((32, 16), dtype, 3), draw((16, columns), dtype, 4)
    z = wide(x) @ wide(w).T + wide(b)
    expected = tl.relu(z) if name == "RELU" else tl.gelu(z, approximate="tanh")
    back = wide(g) @ wide(following) * tl.grad(lambda z: tl.sum(activation(name, z)))(z)
    x, w, b, g, following = map(cuda.asarray, (x, w, b, g, following))
    for keep in (False, True):
        epilogue = Epilogue[f"{name}{'_AUX' * keep}_BIAS"]
        aux = auxiliary(epilogue, 32, columns, x.dtype) if keep else None
        close(cuda, multiply(x, w.T, epilogue, b, aux), expected, dtype)
    sums = cuda.xp.empty(columns, dtype=x.dtype)
    close(cuda, multiply(g, following, Epilogue[f"D{name}_BGRAD"], sums, aux), back, dtype)
    close(cuda, sums, back.sum(axis=0), dtype)
    close(cuda, multiply(g, following, Epilogue[f"D{name}"], None, aux), back, dtype)
    sums = cuda.xp.empty(16, dtype=x.dtype)
    product = multiply(g.T, x, Epilogue.BGRADB, sums)
    close(cuda, product, wide(cuda.to_numpy(g)).T @ wide(cuda.to_numpy(x)), dtype)
    close(cuda, sums, wide(cuda.to_numpy(g)).sum(axis=0), dtype)


def activation(name, z):
    return tl.relu(z) if name == "RELU" else tl.gelu(z, approximate="tanh")


@pytest.mark.parametrize("activation", ["relu", "gelu_tanh"])
def test_nan_goes_through_activations(cuda, activation):
    x, w = np.ones((4, 8), "float32"), np.ones((8, 8), "float32")
    x[1, 2] = np.nan
    arrays = [cuda.asarray(a) for a in (x, w, w[0], w, w[0])]
    out = cuda.to_numpy(tl.mlp(*arrays, activation=activation))
    np.testing.assert_array_equal(np.isnan(out).any(axis=1), [False, True, False, False])


def test_the_derivative_of_relu_at_0_is_0(cuda):
    x, w = tl.tensor(np.zeros((4, 8), "float32"), device="cuda", requires_grad=True), np.ones((8, 8), "float32")
    zero = np.zeros(8, "float32")
    tl.sum(tl.mlp(x, *(cuda.asarray(a) for a in (w, zero, w, zero)))).backward()
    np.testing.assert_array_equal(cuda.to_numpy(x.grad.data), 0)


def test_results_are_the_same_each_time(cuda):
    arrays = [draw(shape, seed=i) for i, shape in enumerate([(512, 96), (160, 96), (160,), (16, 160), (16,)])]

    def gradients():
        tensors = [tl.tensor(a, device="cuda", requires_grad=True) for a in arrays]
        tl.sum(tl.sin(tl.mlp(*tensors))).backward()
        return [cuda.to_numpy(t.grad.data) for t in tensors]

    for first, second in zip(gradients(), gradients(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_tf32_is_less_exact(cuda):
    x, y = draw((256, 512)), draw((512, 256), seed=1)
    errors = []
    try:
        for precision in ("highest", "high"):
            tl.set_matmul_precision(precision)
            out = cuda.to_numpy(tl.matmul(cuda.asarray(x), cuda.asarray(y)))
            errors.append(np.abs(out - wide(x) @ wide(y)).max())
    finally:
        tl.set_matmul_precision("highest")
    assert errors[0] < 2e-4 and errors[1] < 0.2
    assert errors[1] > 10 * errors[0] or int(cupy().cuda.Device().compute_capability) < 80


@pytest.mark.gpu
def test_products_are_captured_in_a_graph(gpu):
    import cupy

    x, w, b = (gpu.asarray(draw(shape, seed=i)) for i, shape in enumerate([(32, 48), (16, 48), (16,)]))
    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.Device().synchronize()
    with stream:
        tl.linear(x, w, b)  # makes the plan and the workspace
        stream.synchronize()
        stream.begin_capture()
        out = tl.linear(x, w, b)
        graph = stream.end_capture()
        x *= 2.0
        graph.launch()
        stream.synchronize()
        np.testing.assert_allclose(cupy.asnumpy(out), cupy.asnumpy(x @ w.T + b), rtol=1e-4, atol=1e-4)
