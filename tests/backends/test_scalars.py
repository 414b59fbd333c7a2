"""0-d Tensors of main memory beside Tensors of a device: moved to it, and their gradients moved back."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tinygrad_lite.core.backend import device_backend


@pytest.fixture(autouse=True, scope="module")
def stand_in():
    with fake_cupy.installed() as module:
        yield module


W = np.array([1.0, -2.0, 3.0], "float32")

CALLS = {
    "multiply": lambda w, a: w * a,
    "on the left": lambda w, a: a - w,
    "comparison": lambda w, a: w < a,
    "two of them": lambda w, a: tl.where(w > a, w, a),
    "several in a sequence": lambda w, a: tl.stack([a, w[0], a]),
    "composite with kernels": lambda w, a: tl.fuse(lambda x, y: x * y + y)(w, a),
    "an optional one": lambda w, a: tl.clip(w, None, a),
    "assignment": lambda w, a: tl.set_item(w, a, index=slice(1, None)),
    "below autocast": lambda w, a: tl.autocast("bfloat16")(lambda: tl.exp(w) * a)(),
    "a vmap of the device": lambda w, a: tl.vmap(lambda x: x * a)(w),
    "a number's vmap": lambda w, a: tl.vmap(lambda x: w * x)(tl.stack([a.to("cpu"), a.to("cpu") + 1])),
    "an array of NumPy's": lambda w, a: w * (a if a.device != "cpu" else np.array(a.item(), "float32")),
}


@pytest.mark.filterwarnings("ignore::tinygrad_lite.LoopWarning")
@pytest.mark.parametrize("device", ["cuda:0", "cuda:1"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_they_may_be_mixed(call, device):
    w, a = tl.tensor(W, device=device), tl.tensor(2.0)
    out = call(w, a)
    assert out.device == device
    np.testing.assert_array_equal(out.numpy(), call(w, a.to(device)).numpy())


def test_gradients_come_back():
    w, a = tl.tensor(W, device="cuda", requires_grad=True), tl.tensor(2.0, requires_grad=True)
    tl.where(w > 0, w * a, a**2).sum().backward()
    assert (a.grad.device, w.grad.device) == ("cpu", "cuda:0")
    assert a.grad.item() == 4.0 + 4.0 and w.grad.tolist() == [2.0, 0.0, 2.0]


def test_transforms_of_numbers():
    w = tl.tensor(W, device="cuda")

    def f(a):
        return (w * a**3).sum()

    assert tl.grad(f)(2.0) == 24.0 and type(tl.grad(f)(2.0)) is float
    assert tl.value_and_grad(f)(2.0) == (16.0, 24.0)
    assert tl.grad(tl.grad(f))(2.0) == 24.0 == tl.hessian(f)(2.0)
    assert tl.jvp(f, (2.0,), (1.0,)) == (16.0, 24.0)
    assert tl.vjp(f, 2.0)[1](1.0) == (24.0,)
    gradient = tl.jit(tl.grad(f))
    assert [gradient(tl.tensor(a)).item() for a in (2.0, 1.0, 3.0)] == [24.0, 6.0, 54.0]


def test_arrays_with_axes_are_not_moved():
    w, arrays = tl.tensor(W, device="cuda"), [tl.tensor([2.0]), tl.tensor(W)]
    for x in arrays:
        with pytest.raises(tl.BackendError, match="multiply: got arrays of numpy and of cupy; .* with x.to..cuda"):
            x * w
        with pytest.raises(tl.BackendError, match="stack: got arrays of"):
            tl.stack([x, tl.tensor(1.0), w])
    with pytest.raises(tl.BackendError, match=r"got arrays of cupy and of vmap\(numpy\); .* with x.to\('cpu'\)"):
        tl.vmap(lambda x: w * x)(tl.tensor([W, W]))
    two = tl.tensor(W, device="cuda:1")
    with pytest.raises(tl.BackendError, match="got arrays on cuda:1 and on cuda:0; all arrays of a call must be on"):
        tl.where(two > 0, w, tl.tensor(1.0))


def test_arrays_that_are_no_tensors_stay_where_they_are():
    with pytest.raises(tl.BackendError, match="multiply: got arrays of cupy and of numpy"):
        tl.multiply(device_backend("cuda").asarray(W), np.array(2.0))


def test_errors_of_other_kinds_remain():
    with pytest.raises(tl.ShapeError, match=r"matmul: x is \(3,\) and y is \(\); both need at least one axis"):
        tl.matmul(tl.tensor(W, device="cuda"), tl.tensor(2.0))
