"""What only a GPU can tell of cuDNN: that its engines compute what the definitions say, the same bits each time.

The tests run on the stand-in, too, so that they are known to run; there they say something of the stand-in only.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends.fake_cupy.cudnn import FakeCudnn
from tests.cuda.test_cudnn_values import CASES, HALVES, ORDERS, draw
from tinygrad_lite.cuda import cudnn as binding
from tinygrad_lite.cuda.graphs import GraphMemory
from tinygrad_lite.cuda.module import cupy

TOLERANCES = {"float32": 2e-5, "float16": 8e-3, "bfloat16": 6e-2}


@pytest.fixture
def served(cuda, request):
    """The backend, and a list of the operations that cuDNN computes."""
    done, find = [], binding.Plans.find

    def found(self, call, *arrays):
        plan = find(self, call, *arrays)
        done.extend([call.operation] if plan is not None else [])
        return plan

    binding.plans.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("gpu") is None:
            patch.setattr(binding, "open_library", FakeCudnn)
        if binding.plans(cupy()).library() is None:
            pytest.skip("cuDNN is not installed: pip install 'tinygrad-lite[cudnn]' nvidia-cudnn-cu13 (or -cu12)")
        patch.setattr(binding.Plans, "find", found)
        yield cuda, done
    binding.plans.cache_clear()


def close(cuda, got, expected, dtype):
    got, bound = cuda.to_numpy(got).astype("float64"), TOLERANCES[dtype]
    np.testing.assert_allclose(got, expected, rtol=bound, atol=bound * np.abs(expected).max())


def derived(function, arrays, g):
    leaves = [tl.Tensor(x, requires_grad=True) for x in arrays]
    out = function(*leaves)
    return [out.data, *(grad.data for grad in tl.autograd.grad(out, leaves, tl.Tensor(g)))]


def wide(arrays):
    return [x.astype("float64") for x in arrays]


@pytest.mark.parametrize("dtype", list(TOLERANCES))
@pytest.mark.parametrize("case", [*CASES, "larger"])
def test_convolutions(served, case, dtype):
    cuda, done = served
    larger = ((8, 64, 14, 14), (32, 64, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    image, filters, stride, padding, dilation, groups = larger if case == "larger" else CASES[case]

    def convolve(x, w):
        return tl.convolve_nd(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)

    arrays = [draw(image, dtype), draw(filters, dtype, 1)]
    g = draw(convolve(*wide(arrays)).shape, dtype, 2)
    expected = derived(convolve, wide(arrays), g.astype("float64"))
    for order in ORDERS.values():
        there = [order(cuda.xp, cuda.asarray(x)) for x in (*arrays, g)]
        for got, wanted in zip(derived(convolve, there[:2], there[2]), expected, strict=True):
            close(cuda, got, wanted, dtype)
    assert done == ["conv_fprop", "conv_dgrad", "conv_wgrad"] * len(ORDERS)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shapes", [
    ((2, 4, 130, 64), (2, 4, 130, 64), 64), ((2, 6, 65, 128), (2, 2, 70, 128), 128), ((100, 16), (77, 16), 8),
])  # fmt: skip
def test_attention(served, dtype, causal, shapes):
    cuda, done = served
    if int(cupy().cuda.Device().compute_capability) < 80:
        pytest.skip("older devices are left to the definition")
    q, k, columns = shapes
    arrays = [draw(shape, dtype, i) for i, shape in enumerate((q, k, (*k[:-1], columns)))]
    g = draw((*q[:-1], columns), dtype, 3)

    def attend(*arrays):
        return tl.scaled_dot_product_attention(*arrays, is_causal=causal, enable_gqa=len(q) > 2)

    expected = derived(attend, wide(arrays), g.astype("float64"))
    first, second = (derived(attend, [cuda.asarray(x) for x in arrays], cuda.asarray(g)) for _ in range(2))
    assert done == ["sdpa", "sdpa_backward"] * 2
    for got, again, wanted in zip(first, second, expected, strict=True):
        close(cuda, got, wanted, dtype)
        np.testing.assert_array_equal(cuda.to_numpy(got), cuda.to_numpy(again))


@pytest.mark.parametrize("dtype", list(TOLERANCES))
def test_convolutions_are_the_same_each_time(served, dtype):
    cuda, _ = served
    small = isinstance(binding.plans(cupy()).library(), FakeCudnn)
    n = 4 if small else 64
    there = [cuda.asarray(draw(s, dtype, i)) for i, s in enumerate(((n, n, 28, 28), (n, n, 3, 3), (n, n, 28, 28)))]
    first, second = (derived(lambda x, w: tl.conv2d(x, w, padding=1), there[:2], there[2]) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(cuda.to_numpy(one), cuda.to_numpy(other))


def test_tf32_is_less_exact(served):
    cuda, done = served
    arrays = [draw((4, 64, 14, 14)), draw((64, 64, 3, 3), seed=1)]
    right, errors = tl.conv2d(*wide(arrays), padding=1), []
    try:
        for precision in ("highest", "high"):
            tl.set_matmul_precision(precision)
            out = tl.conv2d(*[cuda.asarray(x) for x in arrays], padding=1)
            errors.append(np.abs(cuda.to_numpy(out) - right).max())
    finally:
        tl.set_matmul_precision("highest")
    assert done == ["conv_fprop"] * 2 and errors[0] < 1e-3 and errors[1] < 0.5
    assert errors[1] > 10 * errors[0] or int(cupy().cuda.Device().compute_capability) < 80


def test_infinities_stay_where_they_are(served):
    cuda, _ = served
    for dtype in TOLERANCES:
        x, w = draw((1, 8, 16, 16), dtype), draw((8, 8, 3, 3), dtype, 1)
        x[0, 0, 5, 5] = np.inf
        out = cuda.to_numpy(tl.conv2d(cuda.asarray(x), cuda.asarray(w), padding=1)).astype("float64")
        reached = np.zeros((16, 16), bool)
        reached[4:7, 4:7] = True
        np.testing.assert_array_equal(np.isfinite(out), np.broadcast_to(~reached, out.shape))


def test_is_captured(served):
    cuda, done = served
    x, w = (cuda.asarray(draw(s, "float16", i)) for i, s in enumerate(((2, 8, 9, 9), (8, 8, 3, 3))))
    q = cuda.asarray(draw((2, 33, 16), "float16", 2))
    recent = int(cupy().cuda.Device().compute_capability) >= 80

    def compute():
        found = derived(lambda x, w: tl.conv2d(x, w, padding=1), [x, w], x)
        if recent:
            found += derived(lambda *a: tl.scaled_dot_product_attention(*a, is_causal=True), [q, q, q], q)
        return found

    compute()
    with GraphMemory().captured() as made:
        captured = compute()
    x *= 0.5
    q *= 0.5
    for _ in range(3):
        made[0].launch()
    for got, wanted in zip(captured, compute(), strict=True):
        np.testing.assert_array_equal(cuda.to_numpy(got), cuda.to_numpy(wanted))
    assert len(done) == 3 * (5 if recent else 3)
